"""The lens and the pixel: from a scene to the light that each photosite collects.

The lens spreads each point of the scene into a Gaussian, out of focus over a disc as well, the pixel integrates over
its square, and all of that runs along the way of the image while the shutter is open. A scene painted on a grid is
taken as points of light on that grid, so the image is a sum of known, smooth functions and can be evaluated anywhere: a
displacement by a fraction of a pixel is exact by construction, not an interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from math import ceil, erf, hypot, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated.canvas import coarse_positions_px, enlarged
from sidcap.capture.simulated.mechanics import ShiftPath
from sidcap.capture.simulated.scenes import MARGIN_PX, Scene
from sidcap.capture.simulated.sensor import Geometry
from sidcap.data_manifest.errors import UsageError

PIXEL_UM = 6.55  # 35.8 mm (Canon) over 5472 pixels
BLUR_SIGMA_PX = 0.70  # guess: a good lens in focus, with the low-pass filter in front of the sensor
WAVELENGTH_UM = 0.53  # green
FOCUS_STEP_UM = 10.0  # guess: how far one step of the focus drive moves the image along the optical axis
REFERENCE_APERTURE = 2.8

# Light lost towards the corners. Guesses that give what tests of 50 mm f/1.8 lenses on full frame show:
# about 0.9 stops at f/2.8, 0.5 at f/5.6.
CORNER_ANGLE_TANGENT = 0.43  # of the natural fall-off, cos**4: 21.6 mm from the axis, seen from 50 mm
CORNER_CLIPPED_AT_2_8 = 0.22  # by the rims of the lens; falls with the square of the f-number

_REACH_PX = 4
MAX_SHIFT_PX = MARGIN_PX - _REACH_PX - 4
_ROWS_PER_BAND = 40
_SITES = ((0, 0),), ((0, 1), (1, 0)), ((1, 1),)  # of red, green and blue in each square of four photosites: down, right
_TERM_THRESHOLD = 1e-4  # of the largest; what is left out is far below any noise
_DISC_SUBSAMPLES = 8


@dataclass(frozen=True)
class PointSpread:
    """How one point of the scene is spread over the pixels of one exposure.

    ``offset_px``: whole pixels by which the image is displaced, (right, down). ``down``, ``across``, float32
    (terms, 2 reach + 1): the spread around that is the sum over the terms of down (x) across.
    """

    offset_px: tuple[int, int]
    down: NDArray[np.float32] = field(repr=False)
    across: NDArray[np.float32] = field(repr=False)

    @property
    def reach_px(self) -> int:
        return int(self.down.shape[1]) // 2

    @property
    def key(self) -> tuple[tuple[int, int], bytes, bytes]:
        """Equal where the spread is equal."""
        return self.offset_px, self.down.tobytes(), self.across.tobytes()


def point_spread(path: ShiftPath, *, aperture: float, focus_steps: int) -> PointSpread:
    """What motion, focus, diffraction, lens and pixel do together.

    Raises UsageError where the image would leave the part of the scene that is painted.
    """
    low, high = path.shift_px.min(axis=0), path.shift_px.max(axis=0)
    if not all(abs(px) <= MAX_SHIFT_PX for px in (*low, *high)):  # written so that NaN is refused too
        raise UsageError(
            f"a displacement by {low.tolist()} to {high.tolist()} px leaves the scene: at most {MAX_SHIFT_PX} px"
        )
    offset = np.round((low + high) / 2).astype(int)
    rest = path.shift_px - offset
    cone = disc(defocus_radius_px(focus_steps, aperture))
    reach = ceil(float(np.abs(rest).max()) - 0.5) + _REACH_PX + cone.shape[0] // 2
    if max(abs(offset)) + reach + 4 > MARGIN_PX:
        raise UsageError(f"displacement and blur reach {max(abs(offset)) + reach} px: they leave the simulated scene")
    taps_x, taps_y = (line_spread(rest[:, axis], aperture, reach) for axis in (0, 1))
    kernel = (taps_y * path.weight[:, None]).T @ taps_x
    if cone.size > 1:
        kernel = np.asarray(cv2.filter2D(kernel, -1, cone, borderType=cv2.BORDER_CONSTANT))
    down, strength, across = np.linalg.svd(kernel)
    terms = strength > _TERM_THRESHOLD * strength[0]
    return PointSpread(
        offset_px=(int(offset[0]), int(offset[1])),
        down=(down.T * strength[:, None])[terms].astype(np.float32),
        across=across[terms].astype(np.float32),
    )


def line_spread(displaced_px: NDArray[np.float64], aperture: float, reach_px: int = _REACH_PX) -> NDArray[np.float64]:
    """Weights of the scene's points at -reach..reach px for a pixel, for an image displaced by each of n distances.

    A Gaussian integrated over the pixel, float64 (n, 2 reach + 1). Diffraction widens it: the Airy pattern's core is
    nearly a Gaussian of standard deviation 0.42 wavelength x f-number.
    """
    sigma = hypot(BLUR_SIGMA_PX, 0.42 * WAVELENGTH_UM * aperture / PIXEL_UM)
    edges = np.arange(-reach_px - 0.5, reach_px + 1) + displaced_px[:, None]
    return np.diff(_normal_distribution(edges / sigma), axis=1)


def defocus_radius_px(focus_steps: int, aperture: float) -> float:
    """Radius of the disc into which a point is blurred: the cone of light, cut before or behind its tip."""
    return abs(focus_steps) * FOCUS_STEP_UM / (2 * aperture) / PIXEL_UM


def mosaic(scene: Scene, geometry: Geometry, spread: PointSpread, aperture: float) -> NDArray[np.float32]:
    """Electrons per second for each photosite, float32 (rows, columns), RGGB, zero where it is masked."""
    (dx, dy), reach = spread.offset_px, spread.reach_px
    image = np.zeros(geometry.shape, np.float32)
    columns = slice(geometry.left + MARGIN_PX - dx - reach, geometry.columns + MARGIN_PX - dx + reach)
    for top in range(geometry.top, geometry.rows, _ROWS_PER_BAND):
        bottom = min(top + _ROWS_PER_BAND, geometry.rows)
        rows = slice(top + MARGIN_PX - dy - reach, bottom + MARGIN_PX - dy + reach)
        band = image[top:bottom, geometry.left :]
        for plane, sites in zip(scene.radiance(rows, columns), _SITES, strict=True):
            spread_down = [_filtered(plane, down[:, None])[reach:-reach] for down in spread.down]
            for y, x in sites:
                terms = (_filtered(p[y::2], a[None]) for p, a in zip(spread_down, spread.across, strict=True))
                band[y::2, x::2] = reduce(np.add, terms)[:, reach + x : -reach : 2]
        band *= light_factor(geometry, slice(top, bottom), aperture)
    return image


def light_factor(geometry: Geometry, rows: slice, aperture: float) -> NDArray[np.float32]:
    """Light at this f-number relative to the axis at f/2.8, on the lit columns of ``rows``: less in the corners."""
    height, width = geometry.rows - geometry.top, geometry.columns - geometry.left
    columns = slice(geometry.left, geometry.columns)
    y, x = (coarse_positions_px(part) for part in (rows, columns))
    y -= geometry.top + (height - 1) / 2
    x -= geometry.left + (width - 1) / 2
    r2 = (y[:, None] ** 2 + x**2) / ((height**2 + width**2) / 4)
    stopped = (REFERENCE_APERTURE / aperture) ** 2
    # cos**4 is 1 / (1 + tan**2)**2; the rims cut with the fourth power of the distance.
    clipped = min(CORNER_CLIPPED_AT_2_8 * stopped, 0.9) * r2**2
    factor = stopped * (1 - clipped) / (1 + CORNER_ANGLE_TANGENT**2 * r2) ** 2
    return enlarged(factor.astype(np.float32), rows, columns)


def disc(radius_px: float) -> NDArray[np.float64]:
    """A disc of this radius on whole pixels, each counted by how much of it the disc covers; sums to 1."""
    reach = ceil(radius_px - 0.5) if radius_px > 0.5 else int(radius_px > 0)
    fine = (np.arange((2 * reach + 1) * _DISC_SUBSAMPLES) + 0.5) / _DISC_SUBSAMPLES - reach - 0.5
    inside = np.hypot(fine[:, None], fine) <= max(radius_px, 1 / _DISC_SUBSAMPLES)
    side = 2 * reach + 1
    covered = inside.reshape(side, _DISC_SUBSAMPLES, side, _DISC_SUBSAMPLES).mean(axis=(1, 3))
    return np.asarray(covered / covered.sum())


def _filtered(plane: NDArray[np.float32], taps: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.filter2D(plane, -1, taps), np.float32)


_TABLE_END = 6.0
_TABLE_Z = np.linspace(-_TABLE_END, _TABLE_END, 12001)
_TABLE_NORMAL = np.array([(1 + erf(z / sqrt(2))) / 2 for z in _TABLE_Z.tolist()])


def _normal_distribution(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distribution function of the normal distribution, within 1e-7."""
    return np.asarray(np.interp(z, _TABLE_Z, _TABLE_NORMAL))
