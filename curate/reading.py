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

import numpy as np
from numpy.typing import NDArray

from sidcap.curate.compiled import BEFORE, TAPS, Across, Image, read_across

Matrix = NDArray[np.float64]
Region = tuple[slice, slice]
Kernels = tuple[Matrix, Matrix]
"""Along y and along x."""

HALF_BAND = np.array([-1, 4, 10, 4, -1]) / 16
"""Passes three quarters at half of the mosaic's Nyquist frequency, and nothing of the alternation of its colours."""

REACH_PX = 9
"""Sensor pixels around a place within which everything that is read lies."""

WIDE_PX = 1.1
"""Standard deviation of the Gaussian that stands for blur: what it takes away from the long is what blur would."""

_TAPS = np.arange(TAPS, dtype=np.float64) - BEFORE
WINDOW = np.arange(-REACH_PX - 1, REACH_PX + 2)
"""Rows or columns of the mosaic around the photosite that a reading starts at."""


class Reading:
    """Readings of a long whose content lies ``shift_px`` (right, down) further in the short."""

    def __init__(self, shift_px: tuple[float, float]) -> None:
        self.place_px = -shift_px[1], -shift_px[0]
        """y and x of the place, from the photosite that has the place of the short's own."""
        self.start = math.floor(self.place_px[0]), math.floor(self.place_px[1])
        self._plane_start = math.floor(self.place_px[0] / 2), math.floor(self.place_px[1] / 2)
        fractions = [place - start for place, start in zip(self.place_px, self.start, strict=True)]
        self._guide = _value_and_slopes(_sinc, fractions)
        self._wide = _value_and_slopes(_gaussian(WIDE_PX), fractions)
        fractions = [place / 2 - start for place, start in zip(self.place_px, self._plane_start, strict=True)]
        self._rest = _value_and_slopes(_sinc, fractions)
        for slope in (self._rest[1][1], self._rest[2][0]):
            slope /= 2  # per sensor pixel
        self.lines: Image = np.array([_lines(kernels) for kernels in (self._guide, self._wide, self._rest)], np.float32)
        """As `sidcap.curate.compiled.read_across` takes them."""
        # The photosites themselves, what the taps reach from displaced ones, and what the half-band filter reaches.
        self._around = [
            (min(0, start + int(_TAPS[0])) - 1, max(0, start + int(_TAPS[-1])) + 1) for start in self._plane_start
        ]
        self.own = -self._around[0][0], -self._around[1][0]
        """Row and column, in the planes that `across` gives, of the photosite that has the place of the first."""

    def across(self, long: Image, levels: Matrix, region: Region) -> Across:
        """What has to be read of the planes (4, h, w) of a long, whose levels are (4,), for this region of them."""
        rows, columns = (
            slice(part.start + before, part.stop + after)
            for part, (before, after) in zip(region, self._around, strict=True)
        )
        return read_across(
            np.ascontiguousarray(long[:, rows, columns]),
            (1 / levels).astype(np.float32),
            HALF_BAND.astype(np.float32),
            self.lines,
            sizes(region),
            self.own,
            self.start,
            self._plane_start,
        )

    def whole(self, region: Region) -> Region:
        """The region of the planes displaced to the nearest whole plane pixel."""
        rows, columns = region
        down, right = (round(place / 2) for place in self.place_px)
        return slice(rows.start + down, rows.stop + down), slice(columns.start + right, columns.stop + right)

    @cached_property
    def columns(self) -> Matrix:
        """(4, n, n): what the model's derivatives by shift along x and y, gain and blur are read from, of the white
        mosaic around the place: the photosites `start` + `WINDOW`.

        Signs, gain and all else that is the same everywhere left out.
        """
        guide = [self._spread(pair, self.start, band=HALF_BAND) for pair in self._guide]
        rest = [
            self._spread(pair, self._plane_start, spacing=2)
            - self._spread(pair, self._plane_start, spacing=2, band=HALF_BAND)
            for pair in self._rest
        ]
        value, along_x, along_y = (one + other for one, other in zip(guide, rest, strict=True))
        bend = self._spread(self._wide[0], self.start) - guide[0]
        return np.stack([along_x, along_y, value, bend / WIDE_PX**2])

    @property
    def first(self) -> tuple[int, int]:
        """Where the first photosite of `columns` lies, from that which has the place of the short's own."""
        return self.start[0] + int(WINDOW[0]), self.start[1] + int(WINDOW[0])

    def part(self, start: tuple[int, int], size: int) -> Region:
        """The part of `columns` that is a square of this size from ``start`` on."""
        rows, columns = (slice(at - first, at - first + size) for at, first in zip(start, self.first, strict=True))
        return rows, columns

    @cached_property
    def noise_gain(self) -> float:
        """Variance of a value that is read, where every photosite has noise of variance 1."""
        return float((self.columns[2] ** 2).sum())

    def _spread(self, kernels: Kernels, start: tuple[int, int], spacing: int = 1, band: Matrix | None = None) -> Matrix:
        """A separable kernel whose taps lie ``spacing`` sensor pixels apart, after a filter, on the window."""
        lines = []
        for kernel, first, centre in zip(kernels, start, self.start, strict=True):
            line = np.zeros(WINDOW.size)
            line[(spacing * (first + _TAPS) - centre).astype(int) - int(WINDOW[0])] = kernel
            lines.append(line if band is None else np.convolve(line, band, "same"))
        return np.outer(*lines)


def planes_around(start: tuple[int, int], size: int) -> NDArray[np.intp]:
    """(4, size, size): the planes of the photosites of a square that begins ``start`` off a photosite of each plane."""
    y, x = np.divmod(np.arange(4), 2)
    rows, columns = ((at[:, None] + first + np.arange(size)) % 2 for at, first in zip((y, x), start, strict=True))
    return np.asarray(2 * rows[:, :, None] + columns[:, None])


def starts(region: Region) -> tuple[int, int]:
    """Its first row and column."""
    return region[0].start, region[1].start


def sizes(region: Region) -> tuple[int, int]:
    """How many rows and columns it has."""
    return region[0].stop - region[0].start, region[1].stop - region[1].start


def _value_and_slopes(kernel: Callable[[Matrix], Matrix], fractions: list[float], step: float = 1e-3) -> list[Kernels]:
    """Kernels along y and x for the value at a place, and its derivatives along x and y."""
    (value_y, slope_y), (value_x, slope_x) = (
        (kernel(_TAPS - at), (kernel(_TAPS - at - step) - kernel(_TAPS - at + step)) / (2 * step)) for at in fractions
    )
    return [(value_y, value_x), (value_y, slope_x), (slope_y, value_x)]


def _lines(kernels: list[Kernels]) -> Matrix:
    """(2, 2, taps): value and slope, each along y and x."""
    (value_y, value_x), (_, slope_x), (slope_y, _) = kernels
    return np.array([[value_y, value_x], [slope_y, slope_x]])


def _sinc(distance: Matrix) -> Matrix:
    """Sinc under a Kaiser window (beta 6) of four taps a side, sum 1: true to 0.2 % up to a quarter of the sampling
    rate.
    """
    window = np.i0(6 * np.sqrt(np.clip(1 - (distance / 4) ** 2, 0, 1))) * (np.abs(distance) < 4)
    kernel = np.sinc(distance) * window
    return np.asarray(kernel / kernel.sum())


def _gaussian(sigma: float) -> Callable[[Matrix], Matrix]:
    """Gaussian of that standard deviation, sum 1."""

    def kernel(distance: Matrix) -> Matrix:
        weights = np.exp(-0.5 * (distance / sigma) ** 2)
        return np.asarray(weights / weights.sum())

    return kernel
