"""What an export carries: the scenes that were chosen, and every file and document that belongs to them.

A scene is carried whole, but for the pairs that were left out and the frames that only those need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from sidcap.data_manifest.errors import ManifestError, UsageError
from sidcap.data_manifest.schema import Calibration, Dataset, DatasetPath, Frame, Pair, Record, Scene, Sha256
from sidcap.data_manifest.store import Store, to_json
from sidcap.data_manifest.words import Split, Verdict

MISSING = "missing"
"""Standing of a pair whose files are not there; it is never carried."""
STANDINGS = (Verdict.UNDETERMINED, Verdict.MISALIGNED, "rejected", "not verified")
"""Standings of pairs that are carried only where that is asked for."""


class CargoFile(Record):
    """A file of the dataset."""

    path: DatasetPath
    """Where it lies in the dataset."""
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class LeftOut(Record):
    """A pair that is not carried."""

    scene: int
    frame: str
    """The short's path."""
    standing: str
    """Why: its verdict, ``rejected``, ``not verified``, or ``missing`` where a file is."""


@dataclass(frozen=True)
class Cargo:
    """What an export carries."""

    store: Store
    dataset: Dataset
    scenes: tuple[Scene, ...]
    """Only those with a pair that was chosen, ascending."""
    left_out: tuple[LeftOut, ...]
    calibration: Calibration | None = None
    """None where darks, flats and what follows from them stay at home."""

    @property
    def pairs(self) -> list[tuple[Scene, Pair]]:
        """Every pair with its scene; the closing ones, which nobody trains on, are not among them."""
        return [(scene, pair) for scene in self.scenes for pair in scene.pairs]

    @property
    def frames(self) -> list[Frame]:
        """The frames of the pairs, each once, in the order of their paths."""
        frames = {path: scene.frame(path) for scene, pair in self.pairs for path in (pair.reference, pair.frame)}
        return [frame for _, frame in sorted(frames.items()) if not frame.missing]

    @property
    def files(self) -> list[CargoFile]:
        """Every file of the dataset that is carried, in the order of their paths; the documents are no files yet."""
        frames = [frame for scene in self.scenes for frame in scene.all_frames if not frame.missing]
        found = [CargoFile(path=f.path, size_bytes=f.size_bytes or 0, sha256=f.checksum) for f in frames]
        if self.calibration is not None:
            found += [CargoFile(path=f.path, size_bytes=f.size_bytes, sha256=f.sha256) for f in self.calibration.files]
        return sorted(found, key=lambda file: file.path)

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)

    def documents(self) -> Iterator[tuple[str, bytes]]:
        """The records as files of a dataset: path and content."""
        yield "dataset.json", to_json(self.dataset)
        for scene in self.scenes:
            yield f"scenes/{scene.name}.json", to_json(scene)
        if self.calibration is not None:
            yield "calibration/calibration.json", to_json(self.calibration)

    def with_whole_scenes(self) -> Cargo:
        """The same scenes as they are in the dataset, with the pairs that were left out and all of their frames."""
        return replace(self, scenes=tuple(self.store.scene(scene.id) for scene in self.scenes))

    @property
    def left_out_in_words(self) -> str:
        """How many pairs are left out, and why; empty where none is."""
        counts = Counter(pair.standing for pair in self.left_out)
        return ", ".join(f"{count} {standing}" for standing, count in sorted(counts.items()))


def load_cargo(
    store: Store,
    *,
    split: Split | None = None,
    include: Iterable[str] = (),
    calibration: bool = False,
) -> Cargo:
    """The pairs of a dataset that are aligned, or that a person accepted, and those of the standings in ``include``.

    Only the scenes of ``split`` where one is given. UsageError where no pair is left.
    """
    standings = frozenset(include)
    scenes: list[Scene] = []
    left_out: list[LeftOut] = []
    for scene in store.scenes(split):
        standing = {id(pair): _standing(scene, pair) for pair in scene.pairs}
        kept = [pair for pair in scene.pairs if standing[id(pair)] in {Verdict.ALIGNED, "accepted", *standings}]
        left_out += [
            LeftOut(scene=scene.id, frame=pair.frame, standing=standing[id(pair)])
            for pair in scene.pairs
            if pair not in kept
        ]
        if kept:
            scenes.append(_with_pairs(scene, kept))
    cargo = Cargo(store, store.dataset(), tuple(scenes), tuple(left_out), store.calibration() if calibration else None)
    if not scenes:
        why = f" ({cargo.left_out_in_words}): run `sidcap verify-alignment`, or choose with --include"
        of_split = f" of split {split}" if split else ""
        raise UsageError(f"{store.root} has no pair{of_split} to export" + (why if left_out else ": shoot some first"))
    _must_be_unambiguous(cargo)
    return cargo


def whole_dataset(store: Store) -> Cargo:
    """Everything, whatever its standing, as the records have it. UsageError where there is no scene."""
    scenes = tuple(store.scenes())
    if not scenes:
        raise UsageError(f"{store.root} has no scene to export: shoot some first")
    return Cargo(store, store.dataset(), scenes, (), store.calibration())


def _standing(scene: Scene, pair: Pair) -> str:
    is_missing = any(scene.frame(path).missing for path in (pair.frame, pair.reference))
    return MISSING if is_missing else pair.standing


def _with_pairs(scene: Scene, kept: list[Pair]) -> Scene:
    """The scene without its other pairs, without frames that only they need, and without what is not there."""
    closing = scene.closing
    if closing is not None and _standing(scene, closing) == MISSING:
        closing = None
    needed = {path for pair in (*kept, *filter(None, [closing])) for path in (pair.frame, pair.reference)}
    dropped = {path for pair in scene.all_pairs for path in (pair.frame, pair.reference)} - needed
    frames = [frame for frame in scene.frames if frame.path not in dropped and not frame.missing]
    return scene.replace(frames=tuple(frames), pairs=tuple(kept), closing=closing)


def _must_be_unambiguous(cargo: Cargo) -> None:
    """Exports name raw files by role and name alone: two cameras' folders in one dataset would collide."""
    seen: dict[str, str] = {}
    for frame in cargo.frames:
        other = seen.setdefault(f"{frame.role}/{frame.name}", frame.path)
        if other != frame.path:
            raise ManifestError(f"{other} and {frame.path} have one name: move one camera's scenes to another dataset")
