"""What `sidcap export` wrote, made a dataset again: bags, SID and Hugging Face folders, WebDataset shards, Croissant.

Every format tells which file of the dataset lies where, and its checksum. Files are copied one by one and proved on the
way; nothing is unpacked but what is listed, and no path leads out of the export or of the dataset. The new dataset gets
its name when all of it is there and its records agree with its files.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pydantic import ValidationError

from sidcap.data_manifest.errors import ManifestError, UsageError
from sidcap.data_manifest.exporters import croissant
from sidcap.data_manifest.exporters.bag import unescaped
from sidcap.data_manifest.exporters.listing import LISTING, Listing, OnStep, Placed, unheard
from sidcap.data_manifest.exporters.target import new_folder
from sidcap.data_manifest.exporters.verified import Source, verified, write_through
from sidcap.data_manifest.schema import Record
from sidcap.data_manifest.store import Store

_BROKEN = "the export is damaged or was changed; fetch it again"
_MANIFEST_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(.+)")


class ImportedExport(Record):
    """What an import made."""

    dataset: Path
    """The dataset's folder."""
    format: str
    """Of what it was made."""
    scenes: int
    pairs: int
    frames: int
    files: int
    """Files that were brought, records included."""


@dataclass(frozen=True)
class _Export:
    """An export that was recognised."""

    format: str
    folder: Path
    items: tuple[Placed, ...]

    def path(self, relative: str) -> Path:
        """A file of the export; ManifestError where it is not there, or a link leads out."""
        path = self.folder / relative
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise ManifestError(f"{relative!r} leads out of {self.folder}: it is not read")
        if not path.is_file():
            raise ManifestError(f"{relative} is missing in {self.folder}: {_BROKEN}")
        return path


def import_export(source: Path, dataset: Path, on_step: OnStep = unheard) -> ImportedExport:
    """Make a dataset of an export, in a new or empty folder.

    UsageError where ``source`` is no export or ``dataset`` not empty; ManifestError where the export is not what it
    says of itself. Nothing is left at ``dataset`` then.
    """
    export = _recognised(source)
    with new_folder(dataset, sum(item.size_bytes for item in export.items)) as folder:
        store = Store(folder)
        for done, _ in enumerate(_brought(export, store), start=1):
            on_step(done, len(export.items))
        _must_agree(store, export)
        scenes = list(store.scenes())
    return ImportedExport(
        dataset=dataset,
        format=export.format,
        scenes=len(scenes),
        pairs=sum(len(scene.pairs) for scene in scenes),
        frames=sum(len(scene.frames) for scene in scenes),
        files=len(export.items),
    )


# What it is.


def _recognised(source: Path) -> _Export:
    if not source.exists():
        raise UsageError(f"no export at {source}: name the folder that `sidcap export` wrote, or its croissant.json")
    folder = source if source.is_dir() else source.parent
    for marker, read in _READERS.items():
        if (folder / marker).is_file() and (source.is_dir() or source.name == marker or marker == LISTING):
            export = read(folder, folder / marker)
            _must_be_unambiguous(export)
            return export
    if (folder / "long").is_dir() and (folder / "short").is_dir():
        raise UsageError(f"{source} was not written by `sidcap export`: try `sidcap import sid {source}`")
    raise UsageError(f"{source} was not written by `sidcap export`: it has none of {', '.join(_READERS)}")


def _must_be_unambiguous(export: _Export) -> None:
    paths = [item.path for item in export.items]
    if len(set(paths)) != len(paths):
        twice = min(path for path in set(paths) if paths.count(path) > 1)
        raise ManifestError(f"{export.folder} lists {twice!r} twice: {_BROKEN}")
    for path in paths + [item.at for item in export.items]:
        if not path.isprintable():
            raise ManifestError(f"{export.folder} lists the file name {path!r}, which cannot be written: {_BROKEN}")
    if folders := set(paths) & {str(parent) for path in paths for parent in PurePosixPath(path).parents}:
        raise ManifestError(f"{export.folder} lists {min(folders)!r} as a file and as a folder: {_BROKEN}")
    if hidden := [path for path in paths if path.startswith(".")]:
        raise ManifestError(f"{export.folder} lists {hidden[0]!r}, which no export of sidcap has: {_BROKEN}")
    if "dataset.json" not in paths:
        raise ManifestError(f"{export.folder} lists no dataset.json: {_BROKEN}")


def _listed(folder: Path, marker: Path) -> _Export:
    try:
        listing = Listing.model_validate_json(marker.read_bytes())
    except ValidationError as error:
        raise ManifestError(f"{marker}: {_first_fault(error)}: {_BROKEN}") from error
    return _Export(listing.format, folder, listing.files)


def _bagged(folder: Path, marker: Path) -> _Export:
    if not (folder / "data" / "dataset.json").is_file():
        raise UsageError(f"{folder} is a BagIt bag, but not of a sidcap dataset: it has no data/dataset.json")
    if not marker.read_bytes().startswith(b"BagIt-Version: "):
        raise ManifestError(f"{marker} is no declaration of a bag: {_BROKEN}")
    tags = _sums(folder / "tagmanifest-sha256.txt")
    export = _Export("bagit", folder, ())
    for name, digest in tags.items():
        path = export.path(_item({"path": name, "at": name, "size_bytes": 0, "sha256": digest}, marker).at)
        with path.open("rb") as file, verified(file, name, path.stat().st_size, digest, _BROKEN):
            pass
    items = []
    for name, digest in _sums(folder / "manifest-sha256.txt").items():
        if not name.startswith("data/"):
            raise ManifestError(f"manifest-sha256.txt names {name!r}, which is not in data/: {_BROKEN}")
        facts = {"path": name.removeprefix("data/"), "at": name, "size_bytes": 0, "sha256": digest}
        item = _item(facts, marker)
        items.append(item.replace(size_bytes=export.path(item.at).stat().st_size))
    return _Export("bagit", folder, tuple(items))


def _sums(manifest: Path) -> dict[str, str]:
    """Path -> SHA-256."""
    if not manifest.is_file():
        raise ManifestError(f"{manifest} is missing: {_BROKEN}")
    sums = {}
    try:
        lines = manifest.read_bytes().decode().split("\n")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{manifest} is no text: {_BROKEN}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = _MANIFEST_LINE.fullmatch(line.removesuffix("\r"))
        if match is None:
            raise ManifestError(f"{manifest}, line {number} is not a checksum and a path: {_BROKEN}")
        sums[unescaped(match[2])] = match[1].lower()
    return sums


def _described(folder: Path, marker: Path) -> _Export:
    try:
        document = json.loads(marker.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{marker} is not JSON: {_BROKEN}") from error
    if not isinstance(document, dict) or croissant.ROOT not in document:
        raise UsageError(f"{marker} does not describe a dataset of sidcap")
    objects = document.get("distribution")
    if not isinstance(objects, list):
        raise ManifestError(f"{marker} has no distribution: {_BROKEN}")
    return _Export("croissant", folder, tuple(_item(_of_object(one, marker), marker) for one in objects))


def _of_object(entry: Any, marker: Path) -> dict[str, Any]:
    """What a FileObject says, in our words."""
    size = re.fullmatch(r"(\d{1,18}) B", str(entry.get("contentSize"))) if isinstance(entry, dict) else None
    if size is None:
        raise ManifestError(f"{marker} has a file without a size: {_BROKEN}")
    return {
        "path": entry.get("@id"),
        "at": entry.get("contentUrl"),
        "size_bytes": int(size[1]),
        "sha256": entry.get("sha256"),
    }


def _item(facts: Mapping[str, Any], source: Path) -> Placed:
    try:
        return Placed.model_validate(dict(facts))
    except ValidationError as error:
        raise ManifestError(f"{source}: {_first_fault(error)}: {_BROKEN}") from error


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"]) or "its content"
    return f"{place}: {fault['msg'].removeprefix('Value error, ')}"


_READERS: dict[str, Callable[[Path, Path], _Export]] = {
    "bagit.txt": _bagged,
    LISTING: _listed,
    croissant.FILE_NAME: _described,
}
"""The file by which a format is told -> what reads it."""


# What it holds.


def _brought(export: _Export, store: Store) -> Iterator[Placed]:
    """Copy every file; gives each one that is there, and proved."""
    for item in (item for item in export.items if item.member is None):
        with export.path(item.at).open("rb") as file:
            _copy(file, item, store)
        yield item
    shards: dict[str, dict[str, Placed]] = {}
    for item in export.items:
        if item.member is not None:
            shards.setdefault(item.at, {})[item.member] = item
    for shard, wanted in sorted(shards.items()):
        yield from _brought_from_tar(export.path(shard), wanted, store)


def _brought_from_tar(path: Path, wanted: dict[str, Placed], store: Store) -> Iterator[Placed]:
    left = dict(wanted)
    with _opened_tar(path) as tar:
        for entry in tar:
            if not entry.isreg() or "/" in entry.name or "\\" in entry.name or entry.name in ("", ".", ".."):
                raise ManifestError(f"{path.name} holds {entry.name!r}, which is no plain file in it: {_BROKEN}")
            item = left.pop(entry.name, None)
            if item is None:
                continue
            stream = tar.extractfile(entry)
            assert stream is not None  # noqa: S101  (it is a regular file)
            _copy(stream, item, store)
            yield item
    if left:
        raise ManifestError(f"{path.name} has no {min(left)}: {_BROKEN}")


@contextmanager
def _opened_tar(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError) as error:
        raise ManifestError(f"{path.name} is no whole tar file ({error}): {_BROKEN}") from error


def _copy(stream: BinaryIO | Source, item: Placed, store: Store) -> None:
    with verified(stream, item.path, item.size_bytes, item.sha256, _BROKEN) as reader:
        write_through(reader, store.path(item.path))


def _must_agree(store: Store, export: _Export) -> None:
    """Raise ManifestError where a record is broken, or names another file than the one that was brought."""
    store.dataset()
    brought = {item.path: item.sha256 for item in export.items}
    for scene in store.scenes():
        for frame in scene.all_frames:
            if not frame.missing and brought.get(frame.path) != frame.sha256:
                raise ManifestError(f"scene {scene.name} has another {frame.path} than the export: {_BROKEN}")
    for file in store.calibration().files:
        if brought.get(file.path) != file.sha256:
            raise ManifestError(f"the calibration has another {file.path} than the export: {_BROKEN}")
