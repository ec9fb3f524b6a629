"""What of a dataset a report is made from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from sidcap.data_manifest.errors import ManifestError
from sidcap.data_manifest.schema import Calibration, CalibrationFrame, Dataset, Frame, Pair, Scene
from sidcap.data_manifest.store import Store

_LIGHT = "signal_e"


@dataclass(frozen=True)
class PairOf:
    """A pair and the scene it is of."""

    scene: Scene
    pair: Pair

    @property
    def name(self) -> str:
        """The short's file without its ending."""
        return Path(self.pair.frame).stem

    @property
    def short(self) -> Frame:
        """The frame that is compared."""
        return self.scene.frame(self.pair.frame)

    @property
    def light_e(self) -> float | None:
        """Light in the short, electrons a pixel; None where that was not measured."""
        found = None if self.pair.alignment is None else self.pair.alignment.registration
        light = None if found is None else found.get(_LIGHT)
        return light if isinstance(light, int | float) and light > 0 else None


@dataclass(frozen=True)
class Contents:
    """All records of a dataset that can be read, and what is wrong with the others."""

    store: Store
    dataset: Dataset
    scenes: tuple[Scene, ...]
    """What registration found is thinned out: a large dataset's fields of arrows would not fit into memory."""
    broken: tuple[tuple[str, str], ...]
    """Files of records that cannot be read: path and problem."""
    calibration: Calibration
    manifest_sha256: str
    """See `manifest_sha256`."""

    @classmethod
    def of(cls, store: Store) -> Self:
        """Read a dataset's records. ManifestError only where dataset.json itself cannot be read."""
        broken: list[tuple[str, str]] = []
        scenes = []
        for number in store.scene_ids():
            path = store.scene_path(number)
            try:
                scenes.append(_thinned(store.scene(number)))
            except ManifestError as error:
                broken.append((f"scenes/{path.name}", _without_path(error, path)))
        try:
            calibration = store.calibration()
        except ManifestError as error:
            path = store.root / "calibration" / "calibration.json"
            broken.append(("calibration/calibration.json", _without_path(error, path)))
            calibration = Calibration()
        return cls(store, store.dataset(), tuple(scenes), tuple(broken), calibration, manifest_sha256(store))

    @cached_property
    def pairs(self) -> tuple[PairOf, ...]:
        """Every short with its long, in the order of the scenes."""
        return tuple(PairOf(scene, pair) for scene in self.scenes for pair in scene.pairs)

    @cached_property
    def by_scene(self) -> dict[int, list[PairOf]]:
        """The pairs of each scene, by its number."""
        return {scene.id: [PairOf(scene, pair) for pair in scene.pairs] for scene in self.scenes}

    @cached_property
    def closings(self) -> tuple[PairOf, ...]:
        """Every closing long with the first one."""
        return tuple(PairOf(scene, scene.closing) for scene in self.scenes if scene.closing is not None)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """Every frame that counts, in the order of the scenes."""
        return tuple(frame for scene in self.scenes for frame in scene.frames)

    @property
    def files(self) -> Iterator[Frame | CalibrationFrame]:
        """Every frame that has a record: those that count, discarded ones, darks and flats."""
        for scene in self.scenes:
            yield from scene.all_frames
        yield from self.calibration.frames

    @property
    def simulated(self) -> str:
        """``simulated``, ``real``, ``simulated and real``; empty without frames."""
        kinds = {frame.camera.simulated for frame in self.frames}
        return " and ".join(word for kind, word in ((True, "simulated"), (False, "real")) if kind in kinds)


def manifest_sha256(store: Store) -> str:
    """SHA-256 over all records: for dataset.json, calibration/calibration.json and each scene's file, in this order,
    a line of the file's own SHA-256, two spaces and its path, as ``sha256sum`` prints it. What is absent is left out.
    """
    paths = [
        "dataset.json",
        "calibration/calibration.json",
        *(f"scenes/{number:05d}.json" for number in store.scene_ids()),
    ]
    digest = hashlib.sha256()
    for path in paths:
        if (store.root / path).is_file():
            digest.update(f"{hashlib.sha256((store.root / path).read_bytes()).hexdigest()}  {path}\n".encode())
    return digest.hexdigest()


def _thinned(scene: Scene) -> Scene:
    """The scene without what registration found, but for the light."""

    def thinned(pair: Pair) -> Pair:
        if pair.alignment is None or pair.alignment.registration is None:
            return pair
        kept: dict[str, Any] = {_LIGHT: pair.alignment.registration.get(_LIGHT)}
        return pair.model_copy(update={"alignment": pair.alignment.model_copy(update={"registration": kept})})

    closing = None if scene.closing is None else thinned(scene.closing)
    return scene.model_copy(update={"pairs": tuple(map(thinned, scene.pairs)), "closing": closing})


def _without_path(error: ManifestError, path: Path) -> str:
    return str(error).replace(str(path), "the file").removeprefix("the file: ")
