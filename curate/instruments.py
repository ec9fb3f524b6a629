"""What takes the place of the model's derivatives in the normal equations: the best that the long tells of them.

An instrument is a weighted sum of the long's photosites around the place that a photosite of the short comes from, but
never of the photosite that lies where that of the short does: what is fixed in the sensor is in both. Its weights are
those of Wiener's filter for the derivative at that place: from a long as noisy as this one, no other sum says as much
of it (as the first stage of two-stage least squares does; Theil, Economic Forecasts and Policy, 1958). They follow from
how the long varies from photosite to photosite, colour by colour, and from its noise; `Texture` is that, and is told
from a part of the frame. Weights that are less than the best would cost light; they could not mislead.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.curate.compiled import INSTRUMENTS, SEEN, SEEN_BEFORE, Image, Pair
from sidcap.curate.reading import WINDOW, Matrix, Reading, planes_around

_LAGS = 7
"""Plane pixels; as far as a photosite of the square may lie from one that a derivative is read from."""
_STEP_PX = 1 / 8
"""Instruments are made for places on this grid: next to them they are hardly less good."""
_RIDGE = 0.03
"""Of the variance is taken for noise that has nothing to do with light: what no reading resolves. Without it, weights
for a bright long look for detail that is read wrongly: 0.020 px instead of 0.014 at the worst of shifts."""
Sites = NDArray[np.intp]
"""(n, 2): rows and columns of the mosaic."""


@dataclass(frozen=True)
class Instruments:
    """Weights of photosites around one of the short, for the derivatives by shift along x and y, gain, and blur."""

    kernels: Matrix
    """(4, 4, 6, 6): by plane of the short; for the mosaic, every photosite over its plane's level."""
    start: Pair
    """Where the first of them lies, from the photosite of the long that has the place of the short's, y and x."""

    @property
    def planes(self) -> NDArray[np.intp]:
        """(4, 6, 6): the planes that these photosites are of, by plane of the short."""
        return planes_around(self.start, SEEN)


class Texture:
    """How a long, every photosite over its plane's level, varies from photosite to photosite, where it is weighted as
    the fit of a pair weighs it.
    """

    def __init__(self, patches: Image, noise: Matrix) -> None:
        """From patches (n, 4, h, w) of the planes, each over its level, its mean taken off, and times the root of its
        weight; ``noise`` (4,) is the mean variance of noise in those.
        """
        self._covariance = _autocovariance(patches)
        self._noise = noise
        self._made: dict[Pair, Instruments] = {}

    def instruments(self, reading: Reading) -> Instruments:
        """For a place that is read."""
        grid = round(reading.place_px[0] / _STEP_PX), round(reading.place_px[1] / _STEP_PX)
        if grid not in self._made:
            self._made[grid] = self._instruments(Reading((-grid[1] * _STEP_PX, -grid[0] * _STEP_PX)))
        return self._made[grid]

    def _instruments(self, reading: Reading) -> Instruments:
        start = reading.start[0] - SEEN_BEFORE, reading.start[1] - SEEN_BEFORE
        square, window = _sites(start, SEEN), _sites(reading.first, WINDOW.size)
        others = (square != 0).any(1)
        derivatives = reading.columns.reshape(INSTRUMENTS, -1)
        of_square = reading.columns[:, *reading.part(start, SEEN)].reshape(INSTRUMENTS, -1)
        kernels = np.zeros((4, INSTRUMENTS, SEEN * SEEN))
        for plane in range(4):
            variance = self._between(plane, square, square)
            variance += _RIDGE * variance.trace() / len(square) * np.eye(len(square))
            noise = self._noise[planes_around(start, SEEN)[plane].ravel(), None] * of_square.T
            told = self._between(plane, square, window) @ derivatives.T - noise
            kernels[plane][:, others] = np.linalg.solve(variance[np.ix_(others, others)], told[others]).T
        return Instruments(kernels.reshape(4, INSTRUMENTS, SEEN, SEEN), start)

    def _between(self, plane: int, some: Sites, others: Sites) -> Matrix:
        """Covariance of photosites with others, all given by where they lie from one of this plane."""
        (of_some, at_some), (of_others, at_others) = (_in_planes(plane, sites) for sites in (some, others))
        down, right = np.moveaxis(at_others[None] - at_some[:, None] + _LAGS, -1, 0)
        return np.asarray(self._covariance[of_some[:, None], of_others[None], down, right])


def _sites(start: Pair, size: int) -> Sites:
    return np.argwhere(np.ones((size, size))) + start


def _in_planes(plane: int, sites: Sites) -> tuple[NDArray[np.intp], Sites]:
    """In which planes photosites are, (n,), that lie so far from one of ``plane``, and where, (n, 2)."""
    rows_and_columns, (y, x) = (sites + divmod(plane, 2)) // 2, ((sites + divmod(plane, 2)) % 2).T
    return 2 * y + x, rows_and_columns


def _autocovariance(patches: Image) -> Matrix:
    """(4, 4, 2 L + 1, 2 L + 1): mean product of photosites of one plane with those of another, by lag along y and x."""
    size = [cv2.getOptimalDFTSize(side + _LAGS) for side in patches.shape[-2:]]
    spectra = np.fft.rfft2(patches, size)
    products = np.einsum("npyx,nqyx->pqyx", spectra.conj(), spectra)
    lags = np.arange(-_LAGS, _LAGS + 1)
    sums = np.fft.irfft2(products, size)[..., lags[:, None], lags]
    return np.asarray(sums / patches[:, 0].size, np.float64)
