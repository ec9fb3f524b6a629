"""Which pairs are used, and a pair's pixels."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.schema import Calibration, Frame, Pair, Ratio, Record, Scene, SensorRecord
from sidcap.data_manifest.sensor import DarkMaps, Sensor
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split, Verdict
from sidcap.model.cache import CachedMosaic, FrameCache
from sidcap.model.config import InputConfig, TrainConfig
from sidcap.model.input import input_ratio, network_input
from sidcap.model.packing import Levels, pack


@dataclass(frozen=True)
class AlignedPair:
    """A short and its long that were found to be aligned, or that a person accepted, or that were asked for."""

    scene: str
    """Five digits."""
    short: Frame
    long: Frame
    ratios: Ratio
    sensor: SensorRecord | None = None
    """What calibration found of the body that shot the short, at its ISO; None where it found nothing."""

    @property
    def shaded(self) -> bool:
        """Whether calibration found what the sensor says without light."""
        return self.sensor is not None and self.sensor.maps is not None

    @property
    def ratio(self) -> float:
        """The true one, without SID's cap at 300."""
        return self.ratios.true

    @property
    def photon_ratio(self) -> float:
        """By how much the long got more light, as well as it is known."""
        return self.ratios.measured or self.ratios.true


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
    included: int = 0
    """Pairs among those used that are undetermined."""

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

    def fingerprint(self, config: TrainConfig | None = None) -> str:
        """SHA-256 of everything about the pairs that a network trained with this config gets to see.

        None stands for the default config.
        """
        config = config or TrainConfig()
        digest = hashlib.sha256()
        for pair in self.pairs:
            black, white = pair.short.levels
            levels = (black.per_plane_dn, white.dn)
            ratio = input_ratio(pair.ratios, config.input)
            digest.update(f"{pair.short.checksum} {pair.long.checksum} {ratio!r} {levels}\n".encode())
            if config.input.dark_shading and pair.sensor is not None and pair.sensor.maps is not None:
                digest.update(f"{pair.sensor.maps.sha256}\n".encode())
            if config.shot_noise:
                digest.update(f"{pair.photon_ratio!r} {pair.sensor and pair.sensor.gain_e_per_dn}\n".encode())
        return digest.hexdigest()


def select(store: Store, split: Split, include: frozenset[str] = frozenset()) -> Selection:
    """The aligned pairs of a split, and those that people accepted.

    ``include`` may hold ``undetermined``: pairs of which nothing more is known are then used, too. UsageError where the
    split has no scene, TrainingError where no pair can be used.
    """
    if unknown := include - {Verdict.UNDETERMINED}:
        raise UsageError(f"cannot include {min(unknown)} pairs: only undetermined ones")
    calibration = store.calibration()
    scenes: list[tuple[AlignedPair, ...]] = []
    left_out: list[LeftOut] = []
    included = 0
    for scene in store.scenes(split):
        reasons = [_left_out(scene, pair, include) for pair in scene.pairs]
        left_out += [reason for reason in reasons if reason is not None]
        used = [pair for pair, reason in zip(scene.pairs, reasons, strict=True) if reason is None]
        included += sum(not pair.usable for pair in used)
        scenes += [tuple(_aligned_pair(scene, pair, calibration) for pair in used)] if used else []
    if not scenes and not left_out:
        raise UsageError(f"{store.root} has no pairs in split {split}: shoot some with `sidcap shoot --split {split}`")
    if not scenes:
        count = Counter(pair.verdict for pair in left_out)
        verdicts = ", ".join(f"{count[verdict]} {verdict}" for verdict in sorted(count))
        raise TrainingError(
            f"no pair of split {split} in {store.root} is aligned ({verdicts}): "
            "run `sidcap verify-alignment`, shoot the scenes again, or import again with the missing files in place"
            + ("; --include undetermined uses those" if count[Verdict.UNDETERMINED] else "")
        )
    return Selection(tuple(scenes), tuple(left_out), included)


@dataclass(frozen=True)
class OpenPair:
    """A pair's pixels, memory-mapped."""

    pair: AlignedPair
    mosaic: CachedMosaic
    """Of the short."""
    levels: Levels
    """Of the short."""
    target: NDArray[np.uint16]
    """(s h, s w, 3) sRGB of the long, the part that the short's planes cover."""
    sensor: Callable[[], Sensor | None]
    """Reads what calibration found."""

    def dark_maps(self, config: InputConfig) -> DarkMaps | None:
        """What the short's sensor says without light; None where the config does not ask, or nobody calibrated it.

        ManifestError where the maps are absent or broken, TrainingError where they are of another size.
        """
        sensor = self.sensor() if config.dark_shading else None
        if sensor is None or sensor.maps is None:
            return None
        if sensor.maps.shape_px != self.mosaic.numbers.shape:
            raise TrainingError(
                f"the dark maps of {self.pair.short.camera.model} are not of the size of {self.pair.short.path}: "
                "shoot darks like the frames and run `sidcap calibrate`, or use it without dark shading"
            )
        return sensor.maps

    def amplified(self, config: InputConfig) -> NDArray[np.float32]:
        """(P, h, w): the whole short as a network of this config is given it; see `network_input`.

        Raises what `dark_maps` raises.
        """
        maps, cfa = self.dark_maps(config), self.mosaic.cfa
        return network_input(
            self.mosaic.planes,
            self.levels,
            input_ratio(self.pair.ratios, config),
            config,
            dark_dn=None if maps is None else pack(maps.dark_dn(self.pair.short.exposure.true_s), cfa),
            hot=None if maps is None else pack(maps.hot, cfa),
        )


def open_pair(cache: FrameCache, pair: AlignedPair) -> OpenPair:
    """The pair's pixels; TrainingError where the two frames do not show the same pixels of a sensor."""
    mosaic = cache.mosaic(pair.short)
    try:
        target = mosaic.covered(cache.developed(pair.long))
    except ValueError as error:
        raise TrainingError(
            f"{pair.short.path} and {pair.long.path} differ in size or orientation: shoot scene {pair.scene} again"
        ) from error
    return OpenPair(pair, mosaic, Levels.of(pair.short, mosaic.cfa), target, lambda: cache.sensor(pair.sensor))


def _aligned_pair(scene: Scene, pair: Pair, calibration: Calibration) -> AlignedPair:
    short = scene.frame(pair.frame)
    return AlignedPair(
        scene=scene.name,
        short=short,
        long=scene.frame(pair.reference),
        ratios=pair.ratio,
        sensor=calibration.sensor(short.camera, short.iso.set),
    )


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
