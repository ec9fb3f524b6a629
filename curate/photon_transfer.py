"""Gain and temporal noise from pairs of frames that saw the same thing, after EMVA 1288.

What differs between two such frames is temporal noise; the fixed pattern and an uneven illumination cancel. Its
variance grows with the mean by one over the gain:

    variance_dn2 = read_noise_dn ** 2 + mean_dn / gain_e_per_dn

Source: EMVA Standard 1288, release 4.0 Linear, section 6 (photon transfer), with blocks of a frame in place of whole
frames, so that each block counts at its own level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import CalibrationError
from sidcap.data_manifest.schema import Measured

PLANES = tuple(np.s_[y::2, x::2] for y in (0, 1) for x in (0, 1))
"""The photosites of each plane of the 2 x 2 colour filter array, row by row."""

_BLOCK_PX = 32
"""Side of a block, in pixels of a plane: a variance from 1024 differences is good to 4.4 %."""
_OUTLIER_SIGMA = 5.0
_FITS = 6
"""The weights follow from the fit, and after the third time they change no more."""
_WORST_GAIN = 0.1
"""A gain less certain than this is none."""


@dataclass(frozen=True)
class Levels:
    """Blocks of two frames: how much light, and how much noise."""

    mean_dn: NDArray[np.float64]
    """(n,), above black."""
    variance_dn2: NDArray[np.float64]
    """(n,), temporal, of one frame."""

    @classmethod
    def joined(cls, parts: Sequence[Levels]) -> Levels:
        """All blocks together."""
        return cls(
            np.concatenate([part.mean_dn for part in parts]), np.concatenate([part.variance_dn2 for part in parts])
        )

    def below(self, limit_dn: float) -> Levels:
        """The blocks whose mean is lower."""
        chosen = self.mean_dn < limit_dn
        return Levels(self.mean_dn[chosen], self.variance_dn2[chosen])

    def mean_variance_dn2(self) -> float:
        """Over all blocks but those that stand out: a pixel that flickers is no read noise."""
        middle = float(np.median(self.variance_dn2))
        limit = middle * (1 + _OUTLIER_SIGMA * _RELATIVE_SD)
        return float(self.variance_dn2[self.variance_dn2 <= limit].mean())


_RELATIVE_SD = float(np.sqrt(2 / (_BLOCK_PX**2 - 1)))
"""Standard deviation of a block's variance, relative to it: normal noise assumed."""


@dataclass(frozen=True)
class Transfer:
    """The line that the blocks lie on."""

    gain_e_per_dn: Measured
    dark_variance_dn2: Measured
    """Variance without light."""


def levels_of(one: NDArray[np.float32], other: NDArray[np.float32], *, lit: bool) -> list[Levels]:
    """Blocks of two frames of one setting, plane by plane; both (H, W), DN above black.

    Where they are ``lit``, the light may have changed a little between them: the second one is scaled to the first.
    What each row of a frame has in common is no noise of its pixels, and is taken out.
    """
    if min(one.shape) < 2 * _BLOCK_PX:
        raise CalibrationError(f"frames of {one.shape[1]} x {one.shape[0]} px are too small to be calibrated with")
    return [_plane_levels(one[plane], other[plane], lit=lit) for plane in PLANES]


def _plane_levels(one: NDArray[np.float32], other: NDArray[np.float32], *, lit: bool) -> Levels:
    light = float(one.mean(dtype=np.float64) / other.mean(dtype=np.float64)) if lit else 1.0
    scaled = other * np.float32(light)
    difference = one - scaled
    difference -= difference.mean(axis=1, keepdims=True)
    columns = difference.shape[1]
    # Shot noise of the scaled frame is ``light`` times that of the first, at the same mean.
    variance = _blocks(difference).var(axis=(1, 3), ddof=1, dtype=np.float64) / (1 + light) * columns / (columns - 1)
    scaled += one
    mean = _blocks(scaled).mean(axis=(1, 3), dtype=np.float64) / 2
    return Levels(mean.ravel(), variance.ravel())


def _blocks(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = (side // _BLOCK_PX for side in plane.shape)
    return plane[: rows * _BLOCK_PX, : columns * _BLOCK_PX].reshape(rows, _BLOCK_PX, columns, _BLOCK_PX)


def photon_transfer(levels: Levels) -> Transfer:
    """The gain from blocks of flats at several levels, and of darks where there are some.

    A weighted straight line, the weights from its own prediction; blocks that lie off it, where something flickered,
    are left out. CalibrationError where the levels are too few or too alike to tell a gain.
    """
    mean, variance = levels.mean_dn, levels.variance_dn2
    if mean.size < 3:
        raise CalibrationError("the flats leave nothing to measure a gain from: shoot pairs of them at several levels")
    predicted = np.full_like(mean, variance.mean())
    used = np.ones(mean.shape, np.bool_)
    for _ in range(_FITS):
        sigma = _RELATIVE_SD * predicted
        line = weighted_line(mean[used], variance[used], sigma[used])
        predicted = np.maximum(line.intercept + line.slope * mean, 1e-3 * variance.mean())
        off = (variance - predicted) / (_RELATIVE_SD * predicted)
        used = np.abs(off) < _OUTLIER_SIGMA * max(1.0, float(np.median(np.abs(off))) / 0.6745)
    scatter = max(1.0, float(np.mean(off[used] ** 2))) ** 0.5
    slope, slope_sigma = line.slope, line.slope_sigma * scatter
    if not (slope > 0 and slope_sigma < _WORST_GAIN * slope):
        raise CalibrationError(
            "the flats do not tell a gain: shoot pairs at several levels, from a twentieth of white to two thirds"
        )
    return Transfer(
        gain_e_per_dn=Measured(value=1 / slope, sigma=slope_sigma / slope**2),
        dark_variance_dn2=Measured(value=line.intercept, sigma=line.intercept_sigma * scatter),
    )


@dataclass(frozen=True)
class Line:
    """A straight line and its uncertainty, one standard deviation."""

    slope: float
    intercept: float
    slope_sigma: float
    intercept_sigma: float


def weighted_line(x: NDArray[np.float64], y: NDArray[np.float64], sigma: NDArray[np.float64]) -> Line:
    """Least squares through points (x, y), each y with its ``sigma``; of one x only, the slope is 0 ± infinity."""
    weight = sigma**-2.0
    total = float(weight.sum())
    middle_x, middle_y = float(weight @ x) / total, float(weight @ y) / total
    spread = float(weight @ (x - middle_x) ** 2)
    if spread == 0:
        return Line(0.0, middle_y, float("inf"), float("inf"))
    slope = float(weight @ ((x - middle_x) * (y - middle_y))) / spread
    return Line(
        slope,
        middle_y - slope * middle_x,
        float(spread**-0.5),
        float((1 / total + middle_x**2 / spread) ** 0.5),
    )
