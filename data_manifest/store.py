"""A dataset's folder: where its files lie, and how they are read and written without ever losing one.

Writes are atomic: a temporary file in the same folder, fsynced, renamed over the old one, the folder fsynced. Whoever
changes a scene file holds its dataset's lock, so that two programs do not overwrite each other's work.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from sidcap.data_manifest.errors import ManifestError, NewerSchemaError, UsageError
from sidcap.data_manifest.naming import SCENES_PER_SPLIT, scene_id
from sidcap.data_manifest.schema import (
    SCHEMA_VERSION,
    Calibration,
    CameraBody,
    Dataset,
    MapFile,
    Record,
    Scene,
    SensorRecord,
)
from sidcap.data_manifest.sensor import DarkMaps, Sensor, read_maps
from sidcap.data_manifest.words import Split

R = TypeVar("R", Dataset, Scene, Calibration)
_LOCK_TIMEOUT_S = 10.0
_HASH_BLOCK = 1 << 20
MAPS_FOLDER = "calibration/maps"
RENUMBERING = "renumbering.json"
"""The plan by which scenes get other numbers; there only while they do."""

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda document: document,  # 2 adds discarded frames, cards and darks, each with a default
    2: lambda document: document,  # 3 adds imported frames, decisions and what calibration found, each with a default
    3: lambda document: document,  # 4 adds stars, tags and remarks, each with a default
}
"""Schema version -> the function that lifts a document of that version to the next one."""


class Store:
    """An open dataset folder.

    ``Store.open`` needs an existing dataset, ``Store.create`` makes one where there is none yet, and ``Store.beside``
    does so in a folder that holds other files.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def open(cls, root: Path) -> Self:
        """The dataset at ``root``; UsageError where there is none."""
        if root.exists() and not root.is_dir():
            raise UsageError(f"{root} is a file; a dataset is a folder: give another --dataset")
        if not (root / "dataset.json").is_file():
            if (root / "scenes").is_dir():
                raise ManifestError(f"{root} has scenes but no dataset.json: restore that file from a copy")
            raise UsageError(f"no dataset at {root}: shoot one with `sidcap shoot`, or give another --dataset")
        if (root / RENUMBERING).exists():
            raise ManifestError(f"scenes of {root} are being renumbered, or were: `sidcap split` completes that")
        store = cls(root)
        store.dataset()
        return store

    @classmethod
    def create(cls, root: Path) -> Self:
        """The dataset at ``root``, made new where the folder is absent or empty."""
        if root.exists() and not root.is_dir():
            raise UsageError(f"{root} is a file; a dataset is a folder: give another --dataset")
        if (root / "dataset.json").is_file():
            return cls.open(root)
        if root.is_dir() and any(root.iterdir()):
            raise UsageError(f"{root} holds other files and no dataset.json: give an empty or new --dataset")
        return cls.beside(root)

    @classmethod
    def beside(cls, root: Path) -> Self:
        """The dataset at ``root``, made new beside whatever files are there already."""
        if (root / "dataset.json").is_file() or (root / "scenes").is_dir():
            return cls.open(root)
        try:
            root.mkdir(parents=True, exist_ok=True)
            store = cls(root)
            with store.locked():
                if not store._dataset_path.exists():
                    write_atomic(store._dataset_path, to_json(_new_dataset(root.resolve().name)))
        except OSError as error:
            raise ManifestError(
                f"cannot make a dataset at {root} ({error.strerror}): give another --dataset"
            ) from error
        return store

    @property
    def _dataset_path(self) -> Path:
        return self.root / "dataset.json"

    @property
    def journal_path(self) -> Path:
        """Where the camera's journal is kept."""
        return self.root / "journal.jsonl"

    @property
    def cache_dir(self) -> Path:
        """Derived files; deleting the folder loses nothing but time."""
        return self.root / ".cache"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the dataset's lock: for a read that is followed by a write."""
        try:
            with FileLock(self.root / ".lock", timeout=_LOCK_TIMEOUT_S):
                yield
        except Timeout as error:
            raise ManifestError(f"{self.root} is in use by another sidcap; try again when it is done") from error
        except PermissionError as error:
            raise ManifestError(f"{self.root} cannot be written to: make it writable, or work on a copy") from error

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Be the only program that brings frames home to this dataset; one that is killed lets go.

        ManifestError where another one is at it: what looks interrupted may be what that one is shooting.
        """
        try:
            with FileLock(self.root / ".claim", timeout=0):
                yield
        except Timeout as error:
            raise ManifestError(
                f"another sidcap is shooting into {self.root}: wait for it, or give another --dataset"
            ) from error

    def path(self, relative: str) -> Path:
        """The absolute path of a file of the dataset; ManifestError where a link leads out of it."""
        root = self.root.resolve()
        path = (root / relative).resolve()
        if not path.is_relative_to(root):
            raise ManifestError(f"{relative!r} leads out of the dataset {self.root}; it is not read")
        return root / relative

    def dataset(self) -> Dataset:
        """What dataset.json says."""
        return _load(self._dataset_path, Dataset)

    def add_camera(self, camera: CameraBody) -> None:
        """Remember that this body shot frames of the dataset."""
        with self.locked():
            dataset = self.dataset()
            if camera not in dataset.cameras:
                changed = dataset.replace(cameras=(*dataset.cameras, camera))
                write_atomic(self._dataset_path, to_json(changed))

    def scene_path(self, scene: int) -> Path:
        """Where the scene's file is, or would be."""
        return self.root / "scenes" / f"{scene:05d}.json"

    def scene_ids(self) -> list[int]:
        """Numbers of all scenes, ascending."""
        return sorted(int(path.stem) for path in self.root.glob("scenes/[0-9][0-9][0-9][0-9][0-9].json"))

    def scene(self, scene: int) -> Scene:
        """One scene; UsageError where the dataset has no such scene."""
        path = self.scene_path(scene)
        if not path.is_file():
            raise UsageError(f"no scene {scene:05d} in {self.root}")
        loaded = _load(path, Scene)
        if loaded.id != scene:
            raise ManifestError(f"{path} says it is scene {loaded.name}: rename it, or restore it from a copy")
        return loaded

    def scenes(
        self, split: Split | None = None, *, on_broken: Callable[[ManifestError], None] | None = None
    ) -> Iterator[Scene]:
        """All scenes, ascending; only those of ``split`` where one is given.

        Raises ManifestError for a broken file; where ``on_broken`` is given it is told, and the file passed over.
        """
        for scene in self.scene_ids():
            try:
                loaded = self.scene(scene)
            except ManifestError as error:
                if on_broken is None:
                    raise
                on_broken(error)
                continue
            if split is None or loaded.split == split:
                yield loaded

    def save_scene(self, scene: Scene) -> None:
        """Write the scene's file, whole, in place of the old one."""
        path = self.scene_path(scene.id)
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, to_json(scene))

    def change_scene(self, scene: int, change: Callable[[Scene], Scene]) -> Scene:
        """Read a scene, change it, write it back, all under the lock. Gives the changed scene."""
        with self.locked():
            changed = change(self.scene(scene))
            self.save_scene(changed)
        return changed

    @property
    def _calibration_path(self) -> Path:
        return self.root / "calibration" / "calibration.json"

    def calibration(self) -> Calibration:
        """Darks, flats and what follows from them; empty where nothing was shot yet."""
        return _load(self._calibration_path, Calibration) if self._calibration_path.exists() else Calibration()

    def change_calibration(self, change: Callable[[Calibration], Calibration]) -> Calibration:
        """Read the calibration, change it, write it back, all under the lock. Gives the changed one."""
        with self.locked():
            changed = change(self.calibration())
            self._calibration_path.parent.mkdir(exist_ok=True)
            write_atomic(self._calibration_path, to_json(changed))
        return changed

    def sensor(self, camera: CameraBody, iso: int) -> Sensor | None:
        """What `sidcap calibrate` found of a body at an ISO; None where it found nothing.

        ManifestError where its maps are absent or not what they were: they are never used then.
        """
        record = self.calibration().sensor(camera, iso)
        if record is None:
            return None
        return Sensor(record, None if record.maps is None else read_maps(self.path(record.maps.path), record.maps))

    def save_sensor(self, record: SensorRecord, maps: DarkMaps | None) -> SensorRecord:
        """Write what was found of a body at an ISO in place of what there was; gives the record with its map file.

        The maps are on the disk before a record names them, and those they replace go last.
        """
        if maps is not None:
            record = record.replace(maps=self._write_maps(record, maps))
        before = self.calibration().sensor(record.camera, record.iso)
        self.change_calibration(lambda calibration: calibration.with_sensor(record))
        if before is not None and before.maps is not None and before.maps != record.maps:
            self.path(before.maps.path).unlink(missing_ok=True)
        return record

    def _write_maps(self, record: SensorRecord, maps: DarkMaps) -> MapFile:
        content = maps.packed()
        digest = hashlib.sha256(content).hexdigest()
        body = "".join(letter for letter in record.camera.serial if letter.isalnum())
        path = f"{MAPS_FOLDER}/ISO{record.iso}_{body or 'body'}_{digest[:8]}.npz"
        (self.root / MAPS_FOLDER).mkdir(parents=True, exist_ok=True)
        write_atomic(self.root / path, content)
        return MapFile(path=path, size_bytes=len(content), sha256=digest, shape_px=maps.shape_px)

    def next_scene_id(self, split: Split) -> int:
        """The lowest number above every scene of the split."""
        first = scene_id(1, split)
        taken = [scene for scene in self.scene_ids() if first <= scene < first + SCENES_PER_SPLIT]
        return max(taken, default=first - 1) + 1


def write_atomic(path: Path, content: bytes) -> None:
    """Write ``content`` so that, whatever happens, ``path`` holds either all of it or what it held before."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut. Windows cannot, and needs not."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def program() -> str:
    """Name and version of this program, for records."""
    return f"sidcap {version('sidcap')}"


def _new_dataset(name: str) -> Dataset:
    return Dataset(name=name, created_utc=datetime.now(UTC), made_with=program())


def to_json(record: Record) -> bytes:
    """A record as its file holds it."""
    return (record.model_dump_json(indent=2) + "\n").encode()


def _load(path: Path, kind: type[R]) -> R:
    try:
        content = path.read_bytes()
        document = json.loads(content)
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ManifestError(f"{path} is not JSON ({error}): restore it from a copy") from error
    if not isinstance(document, dict):
        raise ManifestError(f"{path} does not hold a JSON object: restore it from a copy")
    migrated = _migrated(document, path)
    try:
        return kind.model_validate_json(content if migrated is document else json.dumps(migrated))
    except ValidationError as error:
        raise ManifestError(f"{path}: {_first_fault(error)}") from error


def _migrated(document: dict[str, Any], path: Path) -> dict[str, Any]:
    found = document.get("schema_version")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ManifestError(f"{path} has no valid schema_version: restore it from a copy")
    if found > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"{path} has schema {found}, this sidcap knows up to {SCHEMA_VERSION}: use a newer sidcap"
        )
    for step in range(found, SCHEMA_VERSION):
        document = MIGRATIONS[step](document) | {"schema_version": step + 1}
    return document


def _first_fault(error: ValidationError) -> str:
    """The first thing wrong, in one line."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"]) or "the record"
    if fault["type"] == "extra_forbidden":
        return f"unknown field {place!r}: remove it, or use the sidcap that wrote it"
    return f"{place}: {fault['msg']}"
