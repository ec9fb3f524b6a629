"""The folder that an export or import makes: under a temporary name until it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sidcap.data_manifest.disk import require_room
from sidcap.data_manifest.errors import ManifestError, UsageError
from sidcap.data_manifest.exporters.cargo import CargoFile
from sidcap.data_manifest.exporters.verified import VerifiedReader, verified, write_through
from sidcap.data_manifest.store import Store, sync_folder

_STOPPED = "nothing was exported; restore it from a copy, or leave its pair out with `sidcap decide --reject`"


@contextmanager
def new_folder(target: Path, needed_bytes: int) -> Iterator[Path]:
    """A folder beside ``target`` to fill; it becomes ``target`` at the end, and is gone where the filling fails.

    UsageError where ``target`` is there and not empty, DiskFullError where there is no room for ``needed_bytes``.
    """
    target = target.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not empty: give a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    require_room(target.parent, needed_bytes)
    part = target.parent / f".{target.name}.part"
    lock = target.parent / f".{target.name}.part.lock"
    try:
        with FileLock(lock, timeout=0):
            shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
            part.mkdir()
            try:
                yield part
                _sync_folders(part)
                if target.exists():
                    target.rmdir()
                part.rename(target)
                sync_folder(target.parent)
            finally:
                shutil.rmtree(part, ignore_errors=True)
                with suppress(OSError):  # Windows deletes no open file
                    lock.unlink()
    except Timeout as error:
        raise ManifestError(f"another sidcap is writing {target}: wait for it, or give another folder") from error


def must_lie_outside(store: Store, target: Path) -> None:
    """Raise UsageError where ``target`` is the dataset or in it."""
    if target.resolve().is_relative_to(store.root.resolve()):
        raise UsageError(f"{target} lies in the dataset {store.root}: give a folder elsewhere")


@contextmanager
def unbroken(store: Store, file: CargoFile) -> Iterator[VerifiedReader]:
    """A reader of a file of the dataset; ManifestError where it is absent, or proves not to be what was recorded."""
    source = store.path(file.path)
    if not source.is_file():
        raise ManifestError(f"{file.path} is missing: {_STOPPED}")
    with source.open("rb") as stream, verified(stream, file.path, file.size_bytes, file.sha256, _STOPPED) as reader:
        yield reader


def bring(store: Store, file: CargoFile, to: Path, *, link: bool = False) -> None:
    """Copy a file of the dataset to a new place, or link it there, and prove that it is what its record says.

    ManifestError where it is not; UsageError where the disk, or another one, cannot link.
    """
    with unbroken(store, file) as reader:
        if link:
            _link(store.path(file.path), to)
        else:
            write_through(reader, to)


def _link(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        to.hardlink_to(source.resolve())
    except OSError as error:
        raise UsageError(f"{source} cannot be linked to {to.parent} ({error.strerror}): use --copy") from error


def write_document(path: Path, content: bytes) -> None:
    """A small new file, on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folders(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        sync_folder(Path(folder))
