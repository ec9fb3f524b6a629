"""Files that are read and proved in one go: what arrives elsewhere is what its record says, or nothing does."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from sidcap.data_manifest.errors import ManifestError

_BLOCK = 1 << 20


class Source(Protocol):
    """Where bytes come from."""

    def read(self, size: int = ..., /) -> bytes:
        """At most ``size`` bytes; none at the end."""


class VerifiedReader:
    """Reads a source and knows the checksum of what it gave."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._digest = hashlib.sha256()
        self.read_bytes = 0

    def read(self, size: int = _BLOCK) -> bytes:
        """At most ``size`` bytes; none at the end."""
        block = self._source.read(size)
        self._digest.update(block)
        self.read_bytes += len(block)
        return block

    @property
    def sha256(self) -> str:
        """Of all that was read, hexadecimal."""
        return self._digest.hexdigest()


@contextmanager
def verified(source: BinaryIO | Source, name: str, size_bytes: int, sha256: str, why: str) -> Iterator[VerifiedReader]:
    """A reader of ``source``; ManifestError at the end where it gave anything else than was recorded.

    What its user left unread is read, too. The error is ``name``, what is wrong, and ``why``: what it means.
    """
    reader = VerifiedReader(source)
    yield reader
    while reader.read():
        pass
    if reader.read_bytes != size_bytes:
        raise ManifestError(f"{name} has {reader.read_bytes} bytes instead of {size_bytes}: {why}")
    if reader.sha256 != sha256:
        raise ManifestError(f"{name} fails its checksum: {why}")


def write_through(reader: Source, path: Path) -> None:
    """Write all of ``reader`` to a new file, on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        shutil.copyfileobj(reader, file, _BLOCK)
        file.flush()
        os.fsync(file.fileno())
