"""``sidcap/export.json``: where an export has each file of the dataset, so that it can be read back without a loss.

Beside it lie the dataset's records and every file that the format itself has no place for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sidcap.data_manifest.exporters.cargo import Cargo, CargoFile
from sidcap.data_manifest.exporters.target import write_document
from sidcap.data_manifest.schema import DatasetPath, Record
from sidcap.data_manifest.store import program, to_json

FOLDER = "sidcap"
LISTING = f"{FOLDER}/export.json"


class Placed(Record):
    """A file of the dataset and where the export has it."""

    path: DatasetPath
    """In the dataset."""
    at: DatasetPath
    """In the export."""
    member: str | None = None
    """Its name in the tar file ``at``; None where ``at`` is the file itself."""
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Listing(Record):
    """All that an export holds of a dataset."""

    format: Literal["sid", "hugging-face", "webdataset"]
    listing_version: Literal[1] = 1
    made_with: str
    """Program and version."""
    files: tuple[Placed, ...]


def aside(path: str) -> str:
    """Where a file lies that the format has no place for."""
    return f"{FOLDER}/files/{path}"


def placed(file: CargoFile, at: str, member: str | None = None) -> Placed:
    """A file of the cargo at its place."""
    return Placed(path=file.path, at=at, member=member, size_bytes=file.size_bytes, sha256=file.sha256)


def write_listing(
    folder: Path, kind: Literal["sid", "hugging-face", "webdataset"], cargo: Cargo, files: list[Placed]
) -> None:
    """Write the records and the listing itself; ``files`` are already in their places."""
    for path, content in cargo.documents():
        at = f"{FOLDER}/{path}"
        write_document(folder / at, content)
        digest = hashlib.sha256(content).hexdigest()
        files.append(Placed(path=path, at=at, size_bytes=len(content), sha256=digest))
    listing = Listing(format=kind, made_with=program(), files=tuple(sorted(files, key=lambda one: one.path)))
    write_document(folder / LISTING, to_json(listing))


OnStep = Callable[[int, int], None]
"""Told after each file: how many are done, of how many."""


def unheard(_done: int, _total: int) -> None:
    """Where nobody wants to know."""
