"""The weighted fit of shift, gain and offsets between the planes of two frames.

The model, on each of the four planes of the Bayer mosaic, nothing demosaiced:

    short(x) = gain * long(x - shift) + offset + row(y) + column(x) + noise

Shift and gain are shared by the planes. The variance of the noise is known, so the fit is weighted least squares, as
the Cramer-Rao bound asks for (Robinson and Milanfar, IEEE TIP 13(9), 2004).

Two things make plain least squares lie, and both are met by *instruments* z, which take the place of the model's
derivatives in the normal equations (Fuller, Measurement Error Models, 1987):

    sum w z (short - gain * long(x - shift) - offset) = 0

- **Fixed pattern** stands still, is in both frames, and pulls every shift towards zero. So the instrument of a
  photosite never contains what the long says of that same photosite: the mean of its four neighbours in the plane takes
  its place. Rows and columns are free offsets of the model.
- **Noise of the long** makes its gradients look stronger than they are, and the gain smaller. What it adds to the
  normal equations on average follows from the noise model and is taken out; the gain's instrument comes from the
  photosites of the other colours, whose noise is independent.

The covariance is heteroscedasticity-consistent (White, Econometrica 48(4), 1980): computed from the residuals as they
are, it stays honest where the noise model is somewhat wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.curate.planes import BayerPlanes, Mosaic, Planes
from sidcap.data_manifest.noise import NoiseModel

Matrix = NDArray[np.float64]
Tile = tuple[slice, slice]

_TAPS = np.arange(-3, 5)
_REACH = 4
_SHADING = (33, 33)
"""What varies more slowly than this, in plane pixels, is shading: any two frames share it, and it is no evidence."""
_LOCAL = (5, 5)
_BETWEEN = np.array([1, 2, 2, 1], np.float32) / 6
_THREE = np.array([1, 1, 1], np.float32) / 3
"""Mean of two neighbours (1 1), smoothed by three (1 1 1); and the latter alone."""
_OUTLIER_SIGMA = 6.0
_QUANTISATION_DN2 = 1 / 12
_TILE = (32, 512)
"""Rows and columns of a plane of which a second-level cache holds the dozen arrays that a step makes of them."""
_NTH = (16, 4, 1)
_MAX_STEPS = 8
_MAX_STEP_PX = 1.5
_SMALL_STEP_SIGMA = 3.0
"""A step this small is the last: the next one would be some 5 % of it."""
_DARK_DN = 1e-3
_TINY = 1e-30


@dataclass(frozen=True)
class Fit:
    """The parameters of the model, and how well they are known."""

    shift_px: Matrix
    """(2,): x and y, sensor pixels."""
    gain: float
    """Short over long."""
    offsets_dn: Matrix
    """(4,): by plane."""
    columns_dn: Planes
    """(4, 1, w): what each column of the short has beyond its plane's offset."""
    covariance: Matrix
    """(3, 3): of shift x, shift y, gain."""
    chi2: float
    """Residual variance over the variance that the noise model predicts."""
    structure: float
    """Variance of the long's local structure in the short, over the variance of the noise."""
    converged: bool


@dataclass(frozen=True)
class Template:
    """A long frame, with what every step of every fit needs of it."""

    planes: Planes
    """(4, h, w), DN."""
    own: Planes
    """(4, h, w): what a photosite has and the mean of its four neighbours in the plane has not."""
    light: Planes
    """(4, h, w): local mean, negatives set to 0. For variances: weights must not follow each pixel's noise."""
    contrast: Planes
    """(4, h, w): local structure at a plane's photosites, seen by the adjacent photosites of the other colours."""
    usable: NDArray[np.bool_]
    """(h, w): nothing within reach of the interpolation is clipped or NaN."""

    @classmethod
    def of(cls, long: BayerPlanes) -> Template:
        level = [max(cv2.mean(plane, long.usable.astype(np.uint8))[0], _DARK_DN) for plane in long.dn]
        around = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], np.float32) / 4
        window = np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)
        own, light, contrast = (np.empty_like(long.dn) for _ in range(3))
        for index, plane in enumerate(long.dn):
            cv2.filter2D(plane, cv2.CV_32F, around, dst=own[index])
            np.maximum(cv2.blur(plane, _LOCAL), 0, out=light[index])
            beside, above = index ^ 1, index ^ 2
            y, x = divmod(index, 2)
            across = cv2.sepFilter2D(long.dn[beside], cv2.CV_32F, _BETWEEN, _THREE, anchor=(2 - x, 1))
            along = cv2.sepFilter2D(long.dn[above], cv2.CV_32F, _THREE, _BETWEEN, anchor=(1, 2 - y))
            seen = cv2.addWeighted(across, level[index] / level[beside] / 2, along, level[index] / level[above] / 2, 0)
            np.subtract(seen, cv2.blur(seen, _SHADING), out=contrast[index])
        usable = cv2.erode(long.usable.astype(np.uint8), window).astype(np.bool_)
        return cls(long.dn, own, light, contrast, usable)


def fit_shift(
    template: Template, short: BayerPlanes, noise: NoiseModel, start_px: tuple[float, float], gain: float
) -> Fit:
    """Gauss-Newton from ``start_px`` and ``gain``: on a part of the frame until it stands, then on all of it.

    Raises numpy.linalg.LinAlgError where the long has no structure.
    """
    both = (short.usable & template.usable).astype(np.uint8)
    planes = zip(short.dn, template.planes, strict=True)
    fit = Fit(
        shift_px=np.array(start_px),
        gain=gain,
        offsets_dn=np.array([cv2.mean(dim, both)[0] - gain * cv2.mean(bright, both)[0] for dim, bright in planes]),
        columns_dn=np.zeros_like(short.dn[:, :1]),
        covariance=np.zeros((3, 3)),
        chi2=1.0,
        structure=0.0,
        converged=False,
    )
    for nth in _NTH:
        for _ in range(_MAX_STEPS):
            fit = _step(template, short, noise, fit, _tiles(template, fit.shift_px, nth))
            if fit.converged:
                break
    return fit


def _tiles(template: Template, shift_px: Matrix, nth: int) -> list[Tile]:
    """The part of the planes whose displaced places lie inside the long, in tiles that fit a processor's cache.

    Every ``nth`` row of tiles; all of them for 1.
    """
    height, width = template.usable.shape
    margin = _REACH + 1 + math.ceil(float(np.abs(shift_px).max()) / 2)
    bottom, right = height - margin, width - margin
    return [
        (slice(y, min(y + _TILE[0], bottom)), slice(x, min(x + _TILE[1], right)))
        for y in range(margin, bottom, _TILE[0] * nth)
        for x in range(margin, right, _TILE[1])
    ]


def _step(
    template: Template,
    short: BayerPlanes,
    noise: NoiseModel,
    fit: Fit,
    tiles: list[Tile],
) -> Fit:
    """One Gauss-Newton step from ``fit``."""
    place = _Displacement(fit.shift_px)
    planes = [_equations(template, short, noise, fit, place, plane, tiles) for plane in range(4)]
    moments = sum((plane.moments for plane in planes), np.zeros((3, 4)))
    inverse = np.linalg.inv(moments[:, :3])
    step = inverse @ moments[:, 3]
    covariance = inverse @ sum((plane.scatter for plane in planes), np.zeros((3, 3))) @ inverse.T
    pixels = max(sum(plane.pixels for plane in planes), 1)
    small = np.maximum(_SMALL_STEP_SIGMA * np.sqrt(np.diag(covariance)), [0.01, 0.01, 0.005 * fit.gain])
    return Fit(
        shift_px=fit.shift_px + np.clip(step[:2], -_MAX_STEP_PX, _MAX_STEP_PX),
        gain=max(fit.gain + float(step[2]), fit.gain / 3),
        offsets_dn=fit.offsets_dn + [plane.offset_dn for plane in planes],
        columns_dn=fit.columns_dn + np.stack([plane.columns_dn for plane in planes]),
        covariance=covariance,
        chi2=sum(plane.misfit for plane in planes) / pixels,
        structure=fit.gain**2 * sum(plane.structure for plane in planes) / pixels,
        converged=bool((np.abs(step) <= small).all()),
    )


@dataclass(frozen=True)
class _Equations:
    """What one plane contributes to the normal equations."""

    moments: Matrix
    """(3, 4): instruments for x, y, gain, times derivatives of the model by the same three, and times the residual."""
    scatter: Matrix
    """(3, 3): covariance of the last column of ``moments``, as the residuals have it."""
    offset_dn: float
    """Mean residual."""
    columns_dn: Mosaic
    """(1, w): mean residual of each column, beyond ``offset_dn``."""
    pixels: int
    misfit: float
    structure: float


def _equations(
    template: Template,
    short: BayerPlanes,
    noise: NoiseModel,
    fit: Fit,
    place: _Displacement,
    plane: int,
    tiles: list[Tile],
) -> _Equations:
    read_dn2 = (noise.read_noise_e / noise.gain_e_per_dn) ** 2
    through = fit.gain**2 * place.noise_gain
    per_light = (fit.gain + through) / noise.gain_e_per_dn
    in_the_dark = (1 + through) * read_dn2 + _QUANTISATION_DN2
    outlier = _OUTLIER_SIGMA**2 * max(1.0, fit.chi2)
    constant = fit.columns_dn[plane] + np.float32(fit.offsets_dn[plane])
    own_x, own_y = place.own_taps

    moments, scatter = np.zeros((3, 4)), np.zeros((3, 3))
    by_column = np.zeros((2, short.usable.shape[1]))
    of_long, misfit, structure, pixels = 0.0, 0.0, 0.0, 0
    for rows, columns in tiles:
        along_x, along_y, value = place.read(template.planes[plane], rows, columns)
        there = place.whole(rows, columns)
        own, contrast = template.own[plane][rows, columns], template.contrast[plane][there]
        light = template.light[plane][there]
        variance = light * per_light + in_the_dark  # of the short and of the interpolated long
        residual = short.dn[plane][rows, columns] - value * fit.gain - constant[:, columns]
        inside = (residual**2 < outlier * variance) & short.usable[rows, columns] & template.usable[there]
        weight = inside / variance
        # Columns are known after the last tile, so their offsets wait for the next step; rows are taken out at once.
        by_column[:, columns] += [weight.sum(0), (weight * residual).sum(0)]
        of_rows = weight.sum(1)
        residual -= ((weight * residual).sum(1) / np.maximum(of_rows, _TINY))[:, None]
        value -= np.vdot(weight, value) / max(of_rows.sum(), _TINY)

        z = (along_x - own_x * own, along_y - own_y * own, contrast)
        weighted = [weight * instrument for instrument in z]
        derivatives_and_residual = (along_x, along_y, value, residual)
        moments += [[np.vdot(instrument, term) for term in derivatives_and_residual] for instrument in weighted]
        scores = [instrument * residual for instrument in weighted]
        scatter += [[np.vdot(one, other) for other in scores] for one in scores]
        of_long += float(np.vdot(weight, light)) / noise.gain_e_per_dn + float(of_rows.sum()) * read_dn2
        misfit += float(np.vdot(weight * residual, residual))
        structure += float(np.vdot(weighted[2], contrast))
        pixels += int(np.count_nonzero(inside))
    # What the long's noise adds on average; the third instrument, of other photosites, has no part in it.
    moments[:2, :3] -= of_long * place.noise_products
    moments[:2, 3] += of_long * place.noise_products[:, 2] * fit.gain
    moments[:, :2] *= -fit.gain / 2  # a sensor pixel is half a plane pixel, and content moves against the place read
    weights, residuals = by_column
    offset = float(residuals.sum() / max(weights.sum(), _TINY))
    of_columns = np.where(weights > 0, residuals / np.maximum(weights, _TINY) - offset, 0)
    return _Equations(moments, scatter, offset, of_columns[None].astype(np.float32), pixels, misfit, structure)


class _Displacement:
    """How to read a plane of the long at the places that the short's pixels come from.

    Pixel j is read at ``j + start + fraction``, ``start`` whole, by a separable windowed sinc of eight taps.
    """

    def __init__(self, shift_px: Matrix) -> None:
        """For content that lies ``shift_px`` sensor pixels right and down of where the long has it."""
        place_y, place_x = -float(shift_px[1]) / 2, -float(shift_px[0]) / 2
        self._start = math.floor(place_y), math.floor(place_x)
        self._nearest = round(place_y), round(place_x)
        smooth_y, slope_y = _kernels(place_y - self._start[0])
        smooth_x, slope_x = _kernels(place_x - self._start[1])
        self._separable = (smooth_y, slope_x), (slope_y, smooth_x), (smooth_y, smooth_x)
        self.noise_gain = float((smooth_y @ smooth_y) * (smooth_x @ smooth_x))
        """Variance of the interpolated value for white noise of variance 1."""
        self.own_taps, self.noise_products = self._through_own_photosite()

    def read(self, plane: Mosaic, rows: slice, columns: slice) -> list[Mosaic]:
        """Derivatives along x and y, per plane pixel, and value, where ``rows`` and ``columns`` come from."""
        down, right = self._start
        before, after = -int(_TAPS[0]), int(_TAPS[-1])
        source = plane[
            rows.start + down - before : rows.stop + down + after,
            columns.start + right - before : columns.stop + right + after,
        ]
        filtered = [
            cv2.sepFilter2D(source, cv2.CV_32F, along_x, along_y, anchor=(before, before))
            for along_y, along_x in self._separable
        ]
        return [np.asarray(image[before:-after, before:-after], np.float32) for image in filtered]

    def whole(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """``rows`` and ``columns`` displaced to the nearest whole pixel."""
        down, right = self._nearest
        return slice(rows.start + down, rows.stop + down), slice(columns.start + right, columns.stop + right)

    def _through_own_photosite(self) -> tuple[tuple[float, float], Matrix]:
        """What of the long's noise and pattern gets into the normal equations.

        The weight with which the derivatives along x and y read the photosite itself, and (2, 3): what white noise of
        variance 1 adds to the products of the two instruments, in which that photosite is replaced by its neighbours,
        with the derivatives along x and y and the value.
        """
        kernels = np.stack([np.pad(np.outer(along_y, along_x), 2) for along_y, along_x in self._separable])
        instruments = kernels[:2].copy()
        y, x = (2 - int(_TAPS[0]) - start for start in self._start)
        own_x = own_y = 0.0
        if 2 <= y < 2 + _TAPS.size and 2 <= x < 2 + _TAPS.size:
            own_x, own_y = float(kernels[0, y, x]), float(kernels[1, y, x])
            for instrument, own in zip(instruments, (own_x, own_y), strict=True):
                instrument[y, x] = 0
                instrument[[y - 1, y, y, y + 1], [x, x - 1, x + 1, x]] += own / 4
        return (own_x, own_y), np.einsum("iyx,kyx->ik", instruments, kernels)


def _kernels(fraction: float) -> tuple[Matrix, Matrix]:
    """Interpolation at ``fraction`` of a pixel, and its derivative by ``fraction``."""
    return _sinc(fraction), (_sinc(fraction + 1e-4) - _sinc(fraction - 1e-4)) / 2e-4


def _sinc(fraction: float) -> Matrix:
    """Sinc under a Kaiser window (beta 6), sum 1: true to 0.2 % up to a quarter of the sampling rate."""
    distance = _TAPS - fraction
    window = np.i0(6 * np.sqrt(np.clip(1 - (distance / _REACH) ** 2, 0, 1)))
    kernel = np.sinc(distance) * window
    return np.asarray(kernel / kernel.sum())
