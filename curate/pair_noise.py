"""The noise of a pair told from the pair itself, where neither a calibration nor published values exist.

The long shows, nearly without noise, how much light each photosite of the short got. What of the short differs from it
from one photosite to its neighbours is the short's own noise, and that grows with the light by one over the gain. The
fixed pattern of the sensor counts as read noise: one frame cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.curate.photon_transfer import PLANES, weighted_line
from sidcap.data_manifest.errors import RegistrationError
from sidcap.data_manifest.noise import NoiseModel
from sidcap.data_manifest.raw import RawFrame

SOURCE = "estimated from the pair"

_SECOND_DIFFERENCES = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
"""Blind to whatever is locally a plane; of white noise it keeps the variance (Immerkaer, 1996)."""
_WHITE_SHARE = 0.9
"""The long says how much light there was up to this share of white."""
_LEVELS = 24
_SMOOTH_SIGMA = 0.2
"""Photosites count around which the long changes by less than this share of the noise: a short that lies elsewhere than
its long differs from it where there are edges."""
_LEAST_SMOOTH_SHARE = 0.05
"""So many of a level count at least, the smoothest."""
_LEAST_PER_LEVEL = 200
_CORRELATED = 8
"""Neighbours share most of their second differences, and a median tells less than a mean: so many photosites say as
much as one alone. Guess; the scatter around the fit corrects it upwards."""
_WORST_GAIN = 0.15
"""A gain less certain than this is none."""
_FEWEST_LEVELS = 4
_FITS = 4
_TOO_LITTLE = "the pair has too little light to tell its noise: shoot darks and flats, and run `sidcap calibrate`"


def noise_of_pair(long: RawFrame, short: RawFrame, *, ratio: float) -> NoiseModel:
    """Gain and read noise from a long and a short of one scene; ``ratio`` is exposure(long) / exposure(short).

    On the six kinds of simulated scenes (1.6 million photosites; ratios 10, 102 and 322; `bench/calibration.py`) both
    came to within 7, 9 and 10 % at ISO 12800, 1600 and 200 where the pair is aligned, 2 to 5 % rms, and
    `tests/test_calibration.py` holds some of them to 15 %. With 1.5 px between the two, to within 9 % at ISO 12800; at
    low ISO, where noise hides no edges, both may come out at less than half.

    RegistrationError where the two cannot be compared, or the short has too little light to tell a gain.
    """
    if long.mosaic.shape != short.mosaic.shape or not np.array_equal(long.cfa, short.cfa):
        raise RegistrationError("the two frames differ in size or colour filter array: they are no pair")
    if not long.is_bayer:
        raise RegistrationError(
            "only a Bayer pair tells its own noise: shoot darks and flats, and run `sidcap calibrate`"
        )
    white_dn = _WHITE_SHARE * (long.white.dn - float(np.mean(long.black.per_plane_dn)))
    levels = np.array(list(_levels(long, short, ratio, white_dn))).reshape(-1, 3)
    if len(levels) < _FEWEST_LEVELS:
        raise RegistrationError(_TOO_LITTLE)
    light, variance, count = levels.T
    predicted = np.full_like(light, np.median(variance))
    for _ in range(_FITS):
        sigma = predicted * np.sqrt(2 / count)
        line = weighted_line(light, variance, sigma)
        predicted = np.maximum(line.intercept + line.slope * light, 0.1 * np.median(variance))
    scatter = max(1.0, float(np.mean(((variance - predicted) / sigma) ** 2))) ** 0.5
    if not (line.slope > 0 and line.slope_sigma * scatter < _WORST_GAIN * line.slope):
        raise RegistrationError(_TOO_LITTLE)
    gain = 1 / line.slope
    read_noise_dn = float(np.sqrt(max(line.intercept, 0.0)))
    return NoiseModel(gain, read_noise_dn * gain, source=SOURCE)


def _levels(long: RawFrame, short: RawFrame, ratio: float, white_dn: float) -> Iterator[tuple[float, float, float]]:
    """Light on the short in DN, variance of its noise in DN^2, and weight in photosites, level by level."""
    long_dn, short_dn = long.signal(), short.signal()
    for plane in PLANES:
        expected = np.ascontiguousarray(long_dn[plane]) / np.float32(ratio)
        light = cv2.blur(expected, (5, 5))
        change = cv2.dilate(light, np.ones((3, 3), np.uint8)) - cv2.erode(light, np.ones((3, 3), np.uint8))
        own = cv2.filter2D(short_dn[plane] - expected, -1, _SECOND_DIFFERENCES)
        # The long adds its own noise, less by the ratio in the shot noise and by its square in the read noise.
        usable = cv2.dilate(expected, np.ones((5, 5), np.uint8)) < white_dn / ratio
        usable[:4] = usable[-4:] = False
        usable[:, :4] = usable[:, -4:] = False
        light, change, own = (np.asarray(map_, np.float32)[usable] for map_ in (light, change, own))
        yield from _of_plane(light, change, own, ratio)


def _of_plane(
    light: NDArray[np.float32], change: NDArray[np.float32], own: NDArray[np.float32], ratio: float
) -> Iterator[tuple[float, float, float]]:
    edges = np.quantile(light, np.linspace(0, 1, _LEVELS + 1)) if light.size else np.zeros(_LEVELS + 1)
    level = np.clip(np.searchsorted(edges, light) - 1, 0, _LEVELS - 1)
    for index in range(_LEVELS):
        of_level = level == index
        if of_level.sum() < _LEAST_PER_LEVEL:
            continue
        smoothest = float(np.quantile(change[of_level], _LEAST_SMOOTH_SHARE))
        smooth = of_level & (change <= max(smoothest, _SMOOTH_SIGMA * _spread(own[of_level])))
        spread = _spread(own[smooth])
        yield float(light[smooth].mean()), spread**2 / (1 + 1 / ratio), float(smooth.sum()) / _CORRELATED


def _spread(values: NDArray[np.float32]) -> float:
    """Standard deviation of what is not structure: hot pixels and edges are few."""
    return 1.4826 * float(np.median(np.abs(values)))
