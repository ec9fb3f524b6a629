"""A Bayer mosaic as its four planes, cleaned for registration, and the coarse search on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.curate.compiled import keep_what_stands_out, split, towers
from sidcap.data_manifest.noise import NoiseModel
from sidcap.data_manifest.raw import RawFrame

Mosaic = NDArray[np.float32]
Planes = NDArray[np.float32]
Places = NDArray[np.intp]

SEARCH_PX = 128
"""The coarse search finds shifts up to this many sensor pixels along each axis."""

CLIPPED = 0.98
"""Of white, both above black: photosites from here on are not to be believed."""
_HOT_SIGMA = 5.0
_BIN_PX = 4
_RIVALS = 0.7
"""Another summit of the correlation this high, of the highest, may be the true one."""
_MOST_RIVALS = 8
_GLARE_SIGMA = 6.0
QUANTISATION_DN2 = np.float32(1 / 12)
"""Variance of rounding to whole DN."""
_DARK_SHADING = (33, 33)
_STANDS_OUT = 4.0
_SHADING = (17, 17)
"""What varies more slowly than this, in bins, is shading: no evidence of where the scene lies."""


@dataclass(frozen=True)
class BayerPlanes:
    """The four planes of a mosaic, in the order of its colour filter array, row by row."""

    dn: Planes
    """(4, h, w): above black, hot pixels replaced, NaN replaced by the plane's maximum."""
    usable: NDArray[np.bool_]
    """(h, w): no photosite of the 2 x 2 cell is clipped or NaN."""


def bayer_planes(
    frame: RawFrame | Mosaic, noise: NoiseModel, pattern: Planes | None = None, mask: NDArray[np.bool_] | None = None
) -> BayerPlanes:
    """Split a raw frame, or a mosaic above black in which clipped pixels are NaN.

    ``pattern`` (4, h, w) is subtracted, as `dark_pattern` has it; what ``mask`` (H, W) names is replaced by its
    neighbours, as are hot pixels that nobody named.
    """
    mosaic, black, limits = _levels(frame)
    height, width = (side // 2 for side in mosaic.shape)
    dn, usable = np.empty((4, height, width), np.float32), np.empty((height, width), np.bool_)
    split(mosaic, black, limits, np.empty((0, 0, 0), np.float32) if pattern is None else pattern, dn, usable)
    if not (isinstance(frame, RawFrame) or usable.all()):
        _fill_unknown(dn)
    known_y, known_x = _places(np.zeros((0, 0), np.bool_) if mask is None else mask[: 2 * height, : 2 * width])
    for index, plane in enumerate(dn):
        here = (known_y % 2 == index // 2) & (known_x % 2 == index % 2)
        _replace(plane, known_y[here] // 2, known_x[here] // 2)
        _replace_hot_pixels(plane, noise)
    return BayerPlanes(dn, usable)


def _levels(frame: RawFrame | Mosaic) -> tuple[NDArray[Any], Mosaic, Mosaic]:
    """The mosaic, (4,) what of it is black, and (4,) how far above that photosites are clipped."""
    if not isinstance(frame, RawFrame):
        return np.ascontiguousarray(frame, np.float32), np.zeros(4, np.float32), np.full(4, np.inf, np.float32)
    black = np.array(frame.black.per_plane_dn, np.float32)
    return np.ascontiguousarray(frame.mosaic), black, np.float32(CLIPPED) * (np.float32(frame.white.dn) - black)


def _fill_unknown(dn: Planes) -> None:
    """Give photosites that are NaN or infinite the largest value of their plane, 0 where there is none."""
    for plane in dn:
        finite = np.isfinite(plane)
        plane[~finite] = plane.max(where=finite, initial=0)


def dark_pattern(dark: Mosaic) -> Planes:
    """What of a dark frame (H, W) is pattern, plane by plane: its shading, and the photosites that stand out.

    The rest is noise of the dark frame. Subtracted from both frames of a pair it would be a fixed pattern of its own.
    """
    height, width = (side // 2 for side in dark.shape)
    pattern, plane = np.empty((4, height, width), np.float32), np.empty((height, width), np.float32)
    for index, shading in enumerate(pattern):
        np.copyto(plane, dark[_sites(index, height, width)])
        cv2.blur(plane, _DARK_SHADING, dst=shading)
        spread = 1.4826 * float(np.median(np.abs(plane[::4, ::4] - shading[::4, ::4])))
        keep_what_stands_out(plane, np.float32(_STANDS_OUT * spread), shading)
    return pattern


def _sites(index: int, height: int, width: int) -> tuple[slice, slice]:
    """Where in a mosaic the photosites of a plane (height, width) are."""
    return slice(index // 2, 2 * height, 2), slice(index % 2, 2 * width, 2)


def coarse_shifts(long: BayerPlanes, short: BayerPlanes, gain: float, noise: NoiseModel) -> list[tuple[float, float]]:
    """The shift (dx, dy) to a sensor pixel or so, by weighted correlation of binned planes; then those that rival it.

    A scene that repeats itself, such as a fence, resembles itself a period off, too.

    One diagonal of the filter array is correlated with the other: they share their centre but no photosite, so that
    fixed pattern does not correlate.
    """
    long_a, long_b, long_usable = _diagonals(long)
    short_a, short_b, short_usable = _diagonals(short)
    expected = gain * _mean(long_a, long_b)
    # What is brighter in the short than anything in the long is clipped there, wherever it lies.
    ceiling = expected.max(where=long_usable, initial=0)
    glare = ceiling + _GLARE_SIGMA * float(np.sqrt(noise.variance_dn2(ceiling)))
    short_usable &= _mean(short_a, short_b) < glare
    weight = np.float32(1) / (noise.variance_dn2(expected) + QUANTISATION_DN2)
    short_spectra = [_spectrum(detail * weight) for detail in _details(short_usable, short_a, short_b)]
    long_spectra = [_spectrum(detail) for detail in _details(long_usable, long_b, long_a)]
    products = [cv2.mulSpectrums(*spectra, 0, conjB=True) for spectra in zip(short_spectra, long_spectra, strict=True)]
    reach = SEARCH_PX // _BIN_PX
    lags = np.arange(-reach - 1, reach + 2)
    near = cv2.idft(products[0] + products[1])[np.ix_(lags, lags)]
    tops = _tops(np.asarray(near, np.float32))
    return [
        (
            float(lags[x] + _vertex(near[y, x - 1 : x + 2])) * _BIN_PX,
            float(lags[y] + _vertex(near[y - 1 : y + 2, x])) * _BIN_PX,
        )
        for y, x in tops
    ]


def _tops(near: Mosaic) -> list[tuple[int, int]]:
    """(y, x) of the highest value inside the border, then of other summits nearly as high, a few at most."""
    inside = near[1:-1, 1:-1]
    highest = divmod(int(inside.argmax()), inside.shape[1])
    summits = (inside >= cv2.dilate(near, np.ones((3, 3), np.uint8))[1:-1, 1:-1]) & (inside >= _RIVALS * inside.max())
    summits[highest] = False
    rivals = sorted(np.argwhere(summits).tolist(), key=lambda place: -inside[place[0], place[1]])
    return [(y + 1, x + 1) for y, x in (highest, *rivals[:_MOST_RIVALS])]


def _replace_hot_pixels(plane: Mosaic, noise: NoiseModel) -> None:
    """Give a pixel that towers over all eight neighbours of its plane their median.

    A star in focus may fall to it as well; that costs its information and biases nothing.
    """
    dark_sigma = noise.read_noise_e / noise.gain_e_per_dn
    y, x = _places(towers(plane, np.float32(_HOT_SIGMA * dark_sigma)))
    highest = np.delete(_around(plane, y, x), 4, axis=1).max(1)
    hot = plane[y, x] - highest > _HOT_SIGMA * np.sqrt(noise.variance_dn2(highest))
    _replace(plane, y[hot], x[hot])


def _replace(plane: Mosaic, y: Places, x: Places) -> None:
    """Give pixels the median of the 3 x 3 around them."""
    plane[y, x] = np.median(_around(plane, y, x), axis=1)


def _around(plane: Mosaic, y: Places, x: Places) -> Mosaic:
    """(n, 9): the 3 x 3 around pixels; those on the edge repeat it."""
    height, width = plane.shape
    steps = np.array([-1, 0, 1])
    rows, columns = np.clip(y[:, None] + steps, 0, height - 1), np.clip(x[:, None] + steps, 0, width - 1)
    around: Mosaic = plane[rows[:, :, None], columns[:, None, :]].reshape(y.size, 9)
    return around


def _places(which: NDArray[np.bool_]) -> tuple[Places, Places]:
    """Rows and columns; several times as fast as `numpy.nonzero` where there are few."""
    y, x = np.unravel_index(np.flatnonzero(which), which.shape)
    return y, x


def _diagonals(frame: BayerPlanes) -> tuple[Mosaic, Mosaic, NDArray[np.bool_]]:
    """The two diagonals of the filter array, means over 4 x 4 sensor pixels, and where all of these are usable."""
    top_left, top_right, bottom_left, bottom_right = (_binned(plane) for plane in frame.dn)
    usable = _binned(frame.usable.astype(np.float32)) == 1
    return _mean(top_left, bottom_right), _mean(top_right, bottom_left), usable


def _mean(one: Mosaic, other: Mosaic) -> Mosaic:
    return np.asarray(cv2.addWeighted(one, 0.5, other, 0.5, 0), np.float32)


def _binned(plane: Mosaic) -> Mosaic:
    height, width = (side // 2 * 2 for side in plane.shape)
    half = cv2.resize(plane[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(half, np.float32)


def _details(usable: NDArray[np.bool_], *images: Mosaic) -> list[Mosaic]:
    """The images without shading, row pattern and column pattern; 0 where they are not usable."""
    known = usable.astype(np.float32)
    share = np.maximum(cv2.blur(known, _SHADING), 1e-3)
    details = []
    for image in images:
        detail = image * known
        detail -= cv2.blur(detail, _SHADING) / share
        detail *= known
        detail -= detail.mean(0)
        detail -= detail.mean(1, keepdims=True)
        detail *= known
        details.append(detail)
    return details


def _spectrum(image: Mosaic) -> Mosaic:
    """Padded with zeros so that no lag of the search wraps around."""
    height, width = image.shape
    below, right = (cv2.getOptimalDFTSize(side + SEARCH_PX // _BIN_PX) - side for side in (height, width))
    return np.asarray(cv2.dft(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=0)), np.float32)


def _vertex(three: NDArray[Any]) -> float:
    """Where the parabola through three equidistant values has its top, from the middle one."""
    left, middle, right = (float(value) for value in three)
    curvature = left - 2 * middle + right
    return 0.0 if curvature >= 0 else min(max(0.5 * (left - right) / curvature, -0.5), 0.5)
