"""What moves a camera on its tripod: the mirror's slap, knocks, creep.

A camera on a tripod is a torsion spring with little damping (D. Berryrieser, thecentercolumn.com, "Measuring the
stiffness and damping of a tripod", 2018): struck, it swings as exp(-t / decay) sin(2 pi f t). While the shutter is
open, the image runs along such a path; its mean is the shift of the frame, its spread the blur.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated.surroundings import Surroundings


@dataclass(frozen=True)
class VibrationMode:
    """One way to nod: amplitude x exp(-t / decay) x sin(2 pi frequency t), down on the sensor."""

    frequency_hz: float
    decay_s: float
    amplitude_px: float


# Guesses, all of them: nobody has published a 6D's. They are those of a light tripod with its column up, and make of a
# 50 mm lens what photographers report: worst around 1/10 s, gone after a second. The mirror turns about a horizontal
# axis, so the camera nods; that nothing goes sideways is a simplification.
MIRROR_SLAP: tuple[VibrationMode, ...] = (
    VibrationMode(frequency_hz=8.0, decay_s=0.12, amplitude_px=4.0),  # the camera on the tripod's head
    VibrationMode(frequency_hz=35.0, decay_s=0.05, amplitude_px=1.5),  # lens and mount against the body
)
_QUIET_AFTER_DECAYS = 10.0  # then 0.0002 px are left
_SLAP_STEP_S = 0.001
_CREEP_STEPS = 64


@dataclass(frozen=True)
class ShiftPath:
    """Where the image lies on the sensor while the shutter is open, cut into n pieces of the exposure.

    ``at_s``, float64 (n,): the middle of each piece, seconds after the shutter opened. ``weight``, float64 (n,): the
    part of the exposure it takes; they sum to 1. ``shift_px``, float64 (n, 2): right and down, in sensor pixels.
    """

    at_s: NDArray[np.float64] = field(repr=False)
    weight: NDArray[np.float64] = field(repr=False)
    shift_px: NDArray[np.float64] = field(repr=False)

    @property
    def mean_px(self) -> tuple[float, float]:
        """The shift that the frame as a whole shows."""
        x, y = self.weight @ self.shift_px
        return float(x), float(y)

    @property
    def rms_px(self) -> tuple[float, float]:
        """Standard deviation along each axis: how wide the motion blurs."""
        x, y = np.sqrt(self.weight @ (self.shift_px - self.mean_px) ** 2)
        return float(x), float(y)


def slap_px(since_slap_s: NDArray[np.float64], modes: Sequence[VibrationMode] = MIRROR_SLAP) -> NDArray[np.float64]:
    """Displacement down the sensor by the mirror's slap at times after it, float64 (n,), pixels."""
    t = since_slap_s
    swings = [
        mode.amplitude_px * np.exp(-t / mode.decay_s) * np.sin(2 * np.pi * mode.frequency_hz * t) for mode in modes
    ]
    return np.asarray(np.sum(swings, axis=0))


def shift_path(
    surroundings: Surroundings,
    *,
    frame_number: int,
    start_s: float,
    exposure_s: float,
    mirror_up_s: float | None,
    rest_px: tuple[float, float] = (0.0, 0.0),
) -> ShiftPath:
    """The way of the image during one exposure.

    ``start_s``: when the shutter opens, since power-on. ``mirror_up_s``: how long before that the mirror struck,
    None where it did not. ``rest_px``: where the image would lie without anything of this.
    """
    edges = _edges_s(surroundings, frame_number, exposure_s, mirror_up_s)
    at_s, weight = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / exposure_s
    shift = np.array([surroundings.displacement_px(frame_number, t, start_s + t) for t in at_s.tolist()]) + rest_px
    if mirror_up_s is not None:
        shift[:, 1] += slap_px(at_s + mirror_up_s)
    return ShiftPath(at_s, weight, shift)


def _edges_s(
    surroundings: Surroundings, frame_number: int, exposure_s: float, mirror_up_s: float | None
) -> NDArray[np.float64]:
    """Where to cut the exposure: finely while the mirror's slap lasts, and at each knock."""
    creeps = any(surroundings.tripod_creep_px_per_s)
    edges = [np.linspace(0.0, exposure_s, _CREEP_STEPS + 1 if creeps else 2)]
    if mirror_up_s is not None:
        quiet_s = _QUIET_AFTER_DECAYS * max(mode.decay_s for mode in MIRROR_SLAP) - mirror_up_s
        edges.append(np.arange(0.0, min(quiet_s, exposure_s), min(_SLAP_STEP_S, exposure_s / 8)))
    knocks = [k.seconds_in for k in surroundings.knocks if k.before_frame == frame_number]
    edges.append(np.array([s for s in knocks if 0 < s < exposure_s]))
    return np.unique(np.concatenate(edges))
