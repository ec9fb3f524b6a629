"""One trial of alignment: a simulated pair, what sidcap and others make of it, and the truth."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from alignment_bounds import bound_with_noisy_long_px
from alignment_peers import PEERS, prepared
from numpy.typing import NDArray
from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from shifted_scenes import Mosaic, Pair, Pattern, Scene, expose, make_pair

from sidcap.curate import Registration, judge, register
from sidcap.curate.verdict import SYSTEMATIC_PX
from sidcap.data_manifest.noise import NoiseModel

BODIES = 8
"""So many fixed patterns; all trials of one body share its dark frames, as in life."""
DARKS = 8
"""Dark frames averaged where there are some."""


class Fixed(StrEnum):
    """The sensor's fixed pattern."""

    OFF = "off"
    CALIBRATED = "on, darks"
    UNKNOWN = "on, no darks"


class Kind(StrEnum):
    """What the short shows."""

    SHIFTED = "the same scene"
    OTHER = "another scene"
    DARK = "nothing: dark"


@dataclass(frozen=True)
class Trial:
    """What to simulate."""

    seed: int
    scene: int
    shape: tuple[int, int]
    blur_px: float
    signal_e: float
    """Mean of the short, electrons a pixel, lamps aside."""
    ratio: float
    shift_px: tuple[float, float]
    fixed: Fixed
    kind: Kind = Kind.SHIFTED
    lamps: bool = True
    """Some clip in the long."""
    peers: bool = False
    bounds: bool = True
    """Whether to say what could be measured at best; that takes as long as the trial."""

    @property
    def distance_px(self) -> float:
        """Of the short's content from the long's; what is not the same scene is nowhere near."""
        return math.hypot(*self.shift_px) if self.kind is Kind.SHIFTED else math.inf


@dataclass(frozen=True)
class Outcome:
    """What came out."""

    trial: Trial
    verdict: str
    problem: str | None
    error_px: tuple[float, float] | None
    """None where no shift was measured."""
    sigma_px: tuple[float, float] | None
    """As stated, per axis, with the systematic part that the verdict adds."""
    ratio_error: float | None
    significance: float
    cpu_s: float
    bound_px: float | None
    noisy_bound_px: float | None
    peer_errors_px: dict[str, tuple[float, float] | None] = field(default_factory=dict)
    """None where a peer failed."""
    peer_cpu_s: dict[str, float] = field(default_factory=dict)


OUTCOMES = TypeAdapter(list[Outcome])
"""To JSON and back."""


def run(trials: list[Trial]) -> list[Outcome]:
    """Simulate and measure, one after the other: trials of one scene and shift share what they can."""
    cv2.setNumThreads(1)
    return [_run(trial) for trial in trials]


def _run(trial: Trial) -> Outcome:
    scene = _scene(trial.scene, trial.shape, trial.blur_px, trial.lamps)
    pair = _pair(trial, scene)
    calibration = _calibration(trial, pair.noise)
    started = time.process_time()
    found = register(pair.long, pair.short, ratio=pair.ratio, noise=pair.noise, **calibration)
    cpu_s = time.process_time() - started
    errors_px, seconds = _peers(pair, calibration) if trial.peers else ({}, {})
    bounded = trial.bounds and trial.kind is Kind.SHIFTED
    return Outcome(
        trial=trial,
        verdict=judge(found, true_ratio=pair.ratio)[0].value,
        problem=found.problem,
        error_px=_minus(found.shift_px, trial.shift_px),
        sigma_px=_sigma_px(found),
        ratio_error=None if found.ratio is None else found.ratio / pair.ratio - 1,
        significance=found.significance,
        cpu_s=cpu_s,
        bound_px=scene.bound_px(pair) if bounded else None,
        noisy_bound_px=bound_with_noisy_long_px(scene, pair) if bounded else None,
        peer_errors_px=errors_px,
        peer_cpu_s=seconds,
    )


def _pair(trial: Trial, scene: Scene) -> Pair:
    pattern = None if trial.fixed is Fixed.OFF else _body(trial.seed % BODIES, trial.shape)
    how: dict[str, Any] = {"signal_e": trial.signal_e, "ratio": trial.ratio, "pattern": pattern, "seed": trial.seed}
    if trial.kind is Kind.SHIFTED:
        return make_pair(scene, shift_px=trial.shift_px, **how)
    if trial.kind is Kind.DARK:
        return expose(scene.mosaic(), np.zeros(trial.shape, np.float32), **how)
    return expose(scene.mosaic(), _scene(trial.scene + 1, trial.shape, trial.blur_px, trial.lamps).mosaic(), **how)


def _calibration(trial: Trial, noise: NoiseModel) -> dict[str, Any]:
    """What `register` is told of the fixed pattern."""
    if trial.fixed is not Fixed.CALIBRATED:
        return {}
    dark, mask = _calibrated(trial.seed % BODIES, trial.shape, noise)
    return {"dark": dark, "mask": mask}


@lru_cache(maxsize=2)
def _scene(seed: int, shape: tuple[int, int], blur_px: float, lamps: bool) -> Scene:
    return Scene(shape, seed, blur_px=blur_px, highlights=lamps)


@lru_cache(maxsize=2)
def _body(serial: int, shape: tuple[int, int]) -> Pattern:
    return Pattern.of_body(serial, shape)


@lru_cache(maxsize=4)
def _calibrated(serial: int, shape: tuple[int, int], noise: NoiseModel) -> tuple[Mosaic, NDArray[np.bool_]]:
    return _body(serial, shape).calibrated(noise, darks=DARKS, seed=serial)


def _peers(pair: Pair, calibration: dict[str, Any]) -> tuple[dict[str, tuple[float, float] | None], dict[str, float]]:
    images = prepared(pair, **calibration)
    errors_px: dict[str, tuple[float, float] | None] = {}
    seconds: dict[str, float] = {}
    for name, peer in PEERS.items():
        started = time.process_time()
        errors_px[name] = _minus(peer(images), pair.shift_px)
        seconds[name] = time.process_time() - started
    return errors_px, seconds


def _minus(found_px: tuple[float, float] | None, true_px: tuple[float, float]) -> tuple[float, float] | None:
    return None if found_px is None else (found_px[0] - true_px[0], found_px[1] - true_px[1])


def _sigma_px(found: Registration) -> tuple[float, float] | None:
    if found.shift_px is None or found.covariance_px2 is None:
        return None
    across, down = np.sqrt(np.diag(found.covariance_px2) + SYSTEMATIC_PX**2)
    return float(across), float(down)
