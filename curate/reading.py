"""How the long is read at the places that the photosites of the short come from.

For content that lies a shift right and down of where the long has it, photosite j of the short comes from place
``j - shift`` of the long. A colour plane alone samples too coarsely to be read between its photosites: what it cannot
resolve would move the wrong way and pull the shift by hundredths of a pixel. So the long is read in two parts: the
*guide*, the white mosaic (every photosite over its plane's level) through a half-band filter, which resolves twice as
much; and what the plane has beyond the guide, which is smooth. Only the long is read like this; the short never is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Image = NDArray[np.float32]
Region = tuple[slice, slice]
Kernels = tuple[Matrix, Matrix]
"""Along y and along x."""

HALF_BAND = np.array([-1, 4, 10, 4, -1]) / 16
"""Passes three quarters at half of the mosaic's Nyquist frequency, and nothing of the alternation of its colours."""

REACH_PX = 10
"""Sensor pixels around a place within which everything that is read lies."""

WIDE_PX = 1.3
"""Standard deviation of the Gaussian through which the quiet instruments look: wide enough to quieten a long that is
noisy itself, and narrow enough to show where its edges lie."""

_TAPS = np.arange(-3, 5)
_WIDE_TAPS = np.arange(-4, 6)
_WINDOW = np.arange(-REACH_PX - 1, REACH_PX + 2)


class Reading:
    """Readings of a long whose content lies ``shift_px`` (right, down) further in the short."""

    def __init__(self, shift_px: tuple[float, float]) -> None:
        self._place = -shift_px[1], -shift_px[0]
        self._start = math.floor(self._place[0]), math.floor(self._place[1])
        self._plane_start = math.floor(self._place[0] / 2), math.floor(self._place[1] / 2)
        fractions = [place - start for place, start in zip(self._place, self._start, strict=True)]
        self._guide = _value_and_slopes(_sinc, _TAPS, fractions)
        self._wide = _value_and_slopes(_gaussian(WIDE_PX), _WIDE_TAPS, fractions)
        fractions = [place / 2 - start for place, start in zip(self._place, self._plane_start, strict=True)]
        self._rest = _value_and_slopes(_sinc, _TAPS, fractions)

    def wide(self, white: Image, region: Region) -> Image:
        """Value and slopes along x and y (sensor px) of the white mosaic (2 h, 2 w) under the wide Gaussian.

        (3, 4, rows, columns): at the photosites of every plane in this region of the planes.
        """
        return self._of_mosaic(white, region, self._wide, _WIDE_TAPS)

    def guide(self, guide: Image, region: Region) -> Image:
        """Value and slopes of the guide, as in `wide`."""
        return self._of_mosaic(guide, region, self._guide, _TAPS)

    def rest(self, rest: Image, region: Region) -> Image:
        """Value and slopes, as in `wide`, of what the planes (4, h, w) have beyond the guide."""
        source, crop = _around(rest, region, self._plane_start, _TAPS)
        beneath = np.ascontiguousarray(source).reshape(-1, source.shape[-1])  # one call for all planes
        read = np.stack([_filtered(beneath, kernels, _TAPS).reshape(source.shape)[:, *crop] for kernels in self._rest])
        read[1:] /= 2
        return read

    def whole(self, region: Region) -> Region:
        """The region of the planes displaced to the nearest whole plane pixel."""
        rows, columns = region
        down, right = (round(place / 2) for place in self._place)
        return slice(rows.start + down, rows.stop + down), slice(columns.start + right, columns.stop + right)

    @property
    def phase(self) -> tuple[int, int]:
        """Where in the windows of `kernels` the first photosite lies whose colour is that of the short's, 0 or 1."""
        down, right = ((start - REACH_PX - 1) % 2 for start in self._start)
        return down, right

    @cached_property
    def kernels(self) -> tuple[Matrix, Matrix, Matrix, tuple[int, int] | None]:
        """What is read of the white mosaic around a photosite.

        (3, n, n): value and slopes of guide and rest together; (3, n, n): those of the wide Gaussian; (n, n): the value
        of the guide alone; and where in these windows the photosite of the long lies that has the place of the short's
        own, None where beyond them.
        """
        guide = [self._spread(pair, self._start, _TAPS, band=HALF_BAND) for pair in self._guide]
        rest = [
            self._spread(pair, self._plane_start, _TAPS, spacing=2)
            - self._spread(pair, self._plane_start, _TAPS, spacing=2, band=HALF_BAND)
            for pair in self._rest
        ]
        full = [one + other * scale for one, other, scale in zip(guide, rest, (1, 0.5, 0.5), strict=True)]
        wide = [self._spread(pair, self._start, _WIDE_TAPS) for pair in self._wide]
        own = -self._start[0] + REACH_PX + 1, -self._start[1] + REACH_PX + 1
        inside = all(2 <= place < _WINDOW.size - 2 for place in own)
        return np.stack(full), np.stack(wide), guide[0], own if inside else None

    def _of_mosaic(self, mosaic: Image, region: Region, kernels: list[Kernels], taps: NDArray[np.int_]) -> Image:
        rows, columns = region
        sites = slice(2 * rows.start, 2 * rows.stop), slice(2 * columns.start, 2 * columns.stop)
        source, crop = _around(mosaic, sites, self._start, taps)
        shape = rows.stop - rows.start, 2, columns.stop - columns.start, 2
        read = np.empty((len(kernels), 2, 2, shape[0], shape[2]), np.float32)
        for order, pair in enumerate(kernels):
            read[order] = _filtered(source, pair, taps)[crop].reshape(shape).transpose(1, 3, 0, 2)
        return read.reshape(len(kernels), 4, shape[0], shape[2])

    def _spread(
        self,
        kernels: Kernels,
        start: tuple[int, int],
        taps: NDArray[np.int_],
        spacing: int = 1,
        band: Matrix | None = None,
    ) -> Matrix:
        """A separable kernel whose taps lie ``spacing`` sensor pixels apart, after a filter, on the window."""
        lines = []
        for kernel, first, centre in zip(kernels, start, self._start, strict=True):
            line = np.zeros(_WINDOW.size)
            line[spacing * (first + taps) - centre - int(_WINDOW[0])] = kernel
            lines.append(line if band is None else np.convolve(line, band, "same"))
        return np.outer(*lines)


def _value_and_slopes(
    kernel: Callable[[Matrix], Matrix], taps: NDArray[np.int_], fractions: list[float], step: float = 1e-3
) -> list[Kernels]:
    """Kernels along y and x for the value at a place, and its derivatives along x and y."""
    offsets = taps.astype(np.float64)
    (value_y, slope_y), (value_x, slope_x) = (
        (kernel(offsets - at), (kernel(offsets - at - step) - kernel(offsets - at + step)) / (2 * step))
        for at in fractions
    )
    return [(value_y, value_x), (value_y, slope_x), (slope_y, value_x)]


def _around(image: Image, region: Region, start: tuple[int, int], taps: NDArray[np.int_]) -> tuple[Image, Region]:
    """The part of an image that taps reach from a displaced region, and where in it the region lies."""
    before, after = -int(taps[0]), int(taps[-1])
    rows, columns = (
        slice(part.start + off - before, part.stop + off + after) for part, off in zip(region, start, strict=True)
    )
    inside = slice(before, -after)
    return image[..., rows, columns], (inside, inside)


def _filtered(source: Image, kernels: Kernels, taps: NDArray[np.int_]) -> Image:
    along_y, along_x = kernels
    anchor = -int(taps[0])
    return np.asarray(cv2.sepFilter2D(source, cv2.CV_32F, along_x, along_y, anchor=(anchor, anchor)), np.float32)


def _sinc(distance: Matrix) -> Matrix:
    """Sinc under a Kaiser window (beta 6), sum 1: true to 0.2 % up to a quarter of the sampling rate."""
    window = np.i0(6 * np.sqrt(np.clip(1 - (distance / 4) ** 2, 0, 1)))
    kernel = np.sinc(distance) * window
    return np.asarray(kernel / kernel.sum())


def _gaussian(sigma: float) -> Callable[[Matrix], Matrix]:
    """Gaussian of that standard deviation, sum 1."""

    def kernel(distance: Matrix) -> Matrix:
        weights = np.exp(-0.5 * (distance / sigma) ** 2)
        return np.asarray(weights / weights.sum())

    return kernel
