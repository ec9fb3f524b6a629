"""Which pairs are trained on, and the random crops that the network is shown.

Every crop is a function of (seed, epoch, index) alone: a counter-based generator (Philox) is keyed with the three, so
that a run can stop anywhere and go on as if it never had.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.schema import Frame, Pair, Record, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split
from sidcap.model.cache import CachedMosaic, FrameCache
from sidcap.model.config import TrainConfig
from sidcap.model.packing import Levels, amplify, pack, unpack

_RGGB = np.array([[0, 1], [3, 2]], np.uint8)

# Keys of the independent streams of random numbers.
_ORDER, _CROP, _SAMPLE = range(3)


@dataclass(frozen=True)
class AlignedPair:
    """A short and its long that were found to be aligned, or that a person accepted."""

    scene: str
    """Five digits."""
    short: Frame
    long: Frame
    ratio: float
    """The true one, without SID's cap at 300."""


class LeftOut(Record):
    """A pair that is not used."""

    frame: str
    """The short's path."""
    verdict: str
    """misaligned, undetermined, rejected by a person, ``not verified``, or ``missing`` where a file is."""
    reason: str


@dataclass(frozen=True)
class Selection:
    """The pairs of one split that can be used, by scene, and those that cannot."""

    scenes: tuple[tuple[AlignedPair, ...], ...]
    """One entry for every scene that has an aligned pair, ascending."""
    left_out: tuple[LeftOut, ...]

    @property
    def pairs(self) -> list[AlignedPair]:
        """All aligned pairs."""
        return [pair for scene in self.scenes for pair in scene]

    @property
    def shorts(self) -> list[Frame]:
        """The short of every pair."""
        return [pair.short for pair in self.pairs]

    @property
    def longs(self) -> list[Frame]:
        """The long of every pair."""
        return [pair.long for pair in self.pairs]

    def fingerprint(self) -> str:
        """SHA-256 of everything about the pairs that the network gets to see."""
        digest = hashlib.sha256()
        for pair in self.pairs:
            black, white = pair.short.levels
            levels = (black.per_plane_dn, white.dn)
            digest.update(f"{pair.short.checksum} {pair.long.checksum} {pair.ratio!r} {levels}\n".encode())
        return digest.hexdigest()


def select(store: Store, split: Split, include: frozenset[str] = frozenset()) -> Selection:
    """The aligned pairs of a split, and those whose standing is among ``include``.

    UsageError where the split has no scene, TrainingError where no pair is aligned.
    """
    scenes, left_out = [], []
    for scene in store.scenes(split):
        reasons = [_left_out(scene, pair, include) for pair in scene.pairs]
        left_out += [reason for reason in reasons if reason is not None]
        aligned = tuple(
            _aligned_pair(scene, pair) for pair, reason in zip(scene.pairs, reasons, strict=True) if reason is None
        )
        scenes += [aligned] if aligned else []
    if not scenes and not left_out:
        raise UsageError(f"{store.root} has no pairs in split {split}: shoot some with `sidcap shoot --split {split}`")
    if not scenes:
        count = Counter(pair.verdict for pair in left_out)
        verdicts = ", ".join(f"{count[verdict]} {verdict}" for verdict in sorted(count))
        raise TrainingError(
            f"no pair of split {split} in {store.root} is aligned ({verdicts}): "
            "run `sidcap verify-alignment`, shoot the scenes again, or import again with the missing files in place"
        )
    return Selection(tuple(scenes), tuple(left_out))


@dataclass(frozen=True)
class OpenPair:
    """A pair's pixels, memory-mapped."""

    mosaic: CachedMosaic
    """Of the short."""
    levels: Levels
    """Of the short."""
    ratio: float
    target: NDArray[np.uint16]
    """(2 h, 2 w, 3) sRGB of the long, the part that the short's planes cover."""


def open_pair(cache: FrameCache, pair: AlignedPair) -> OpenPair:
    """The pair's pixels; TrainingError where the two frames do not show the same pixels of a sensor."""
    mosaic = cache.mosaic(pair.short)
    try:
        target = mosaic.covered(cache.developed(pair.long))
    except ValueError as error:
        raise TrainingError(
            f"{pair.short.path} and {pair.long.path} differ in size or orientation: shoot scene {pair.scene} again"
        ) from error
    return OpenPair(mosaic, Levels.of(pair.short, mosaic.cfa), pair.ratio, target)


@dataclass(frozen=True)
class Place:
    """Where a crop is taken and how it is turned."""

    top: int
    """In packed pixels."""
    left: int
    flip_rows: bool = False
    flip_columns: bool = False
    transpose: bool = False


@dataclass(frozen=True)
class Crop:
    """What the network is shown in one step."""

    planes: NDArray[np.float32]
    """(4, patch, patch), amplified, channels-last in memory."""
    target: NDArray[np.uint16]
    """(2 patch, 2 patch, 3) sRGB."""


def cut(pair: OpenPair, place: Place, patch: int, *, keep_negatives: bool = True) -> Crop:
    """One crop of ``patch`` x ``patch`` packed pixels.

    Not the packed planes are flipped and transposed, as in SID, but the mosaic, starting one photosite later where that
    makes it begin with red again. Otherwise what lies left of a photosite would, in half of the crops, lie right of it
    in the target, and the network would learn to blur by that pixel (Liu et al., CVPRW 2019). It takes one packed
    pixel more than ``patch`` in both directions.
    """
    rows, columns = slice(place.top, place.top + patch + 1), slice(place.left, place.left + patch + 1)
    planes = amplify(pair.mosaic.planes[:, rows, columns], pair.levels, pair.ratio, keep_negatives=keep_negatives)
    target = pair.target[2 * place.top :, 2 * place.left :]
    return Crop(
        planes=pack(_turned(unpack(planes), place, 2 * patch), _RGGB),
        target=np.ascontiguousarray(_turned(target, place, 2 * patch)),
    )


class Crops:
    """The random crops of a training run: ``crops(epoch, index)`` is the same whenever it is asked for.

    As in SID, an epoch shows every scene once, in random order, with one of its shorts.
    """

    def __init__(self, cache: FrameCache, scenes: Sequence[Sequence[AlignedPair]], config: TrainConfig) -> None:
        """UsageError where a frame is too small for the config's patch."""
        self._cache = cache
        self._scenes = scenes
        self._config = config
        for pair in (pair for scene in scenes for pair in scene):
            height, width = open_pair(cache, pair).mosaic.planes.shape[1:]
            if config.patch >= min(height, width):
                raise UsageError(
                    f"--patch {config.patch} is too large for {pair.short.path}, {width} x {height} packed pixels: "
                    f"give less than {min(height, width)}"
                )

    def __len__(self) -> int:
        """Crops in an epoch."""
        return len(self._scenes)

    def __call__(self, epoch: int, index: int) -> Crop:
        """Crop ``index`` of ``epoch``."""
        _, pixels, place = self.where(epoch, index)
        return cut(pixels, place, self._config.patch, keep_negatives=self._config.input.keep_negatives)

    def where(self, epoch: int, index: int) -> tuple[AlignedPair, OpenPair, Place]:
        """Where crop ``index`` of ``epoch`` is cut out."""
        order = self._random(_ORDER, epoch).permutation(len(self))
        scene = self._scenes[order[index]]
        random = self._random(_CROP, epoch, index)
        pair = scene[int(random.integers(len(scene)))]
        turn = (bool(coin) for coin in random.integers(2, size=3))
        pixels = open_pair(self._cache, pair)
        return pair, pixels, Place(*_corner(pixels, self._config.patch + 1, random), *turn)

    def sample(self, scene: int, size: int) -> tuple[AlignedPair, OpenPair, Place]:
        """A place of ``size`` packed pixels to look at, in a scene's darkest short; the same in every call."""
        pair = max(self._scenes[scene], key=lambda pair: pair.ratio)
        pixels = open_pair(self._cache, pair)
        return pair, pixels, Place(*_corner(pixels, size + 1, self._random(_SAMPLE, 0, scene)))

    def _random(self, stream: int, epoch: int, index: int = 0) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self._config.seed, stream], counter=[0, 0, index, epoch]))


def _aligned_pair(scene: Scene, pair: Pair) -> AlignedPair:
    return AlignedPair(
        scene=scene.name,
        short=scene.frame(pair.frame),
        long=scene.frame(pair.reference),
        ratio=pair.ratio.true,
    )


def _corner(pixels: OpenPair, size: int, random: np.random.Generator) -> tuple[int, int]:
    _, height, width = pixels.mosaic.planes.shape
    return int(random.integers(height - size + 1)), int(random.integers(width - size + 1))


def _left_out(scene: Scene, pair: Pair, include: frozenset[str]) -> LeftOut | None:
    """Why a pair is not used; None for one that is."""
    for frame in (scene.frame(pair.frame), scene.frame(pair.reference)):
        if frame.missing:
            return LeftOut(frame=pair.frame, verdict="missing", reason=frame.why_missing)
    if pair.usable or pair.standing in include:
        return None
    if pair.decision is not None:
        reason = f"{pair.decision.by}: {pair.decision.why}"
    elif pair.alignment is None:
        reason = "run `sidcap verify-alignment`"
    else:
        reason = "; ".join(pair.alignment.reasons)
    return LeftOut(frame=pair.frame, verdict=pair.standing, reason=reason)


def _turned(image: NDArray[Any], place: Place, size: int) -> NDArray[Any]:
    """``size`` x ``size`` pixels of a larger image, flipped and transposed so that the first is a red site again.

    By OpenCV, which takes a third of numpy's time for three colours.
    """
    turned = image[int(place.flip_rows) :, int(place.flip_columns) :][:size, :size]
    if place.flip_rows:
        turned = cv2.flip(turned, 0)
    if place.flip_columns:
        turned = cv2.flip(turned, 1)
    return cv2.transpose(turned) if place.transpose else turned
