"""The lens and the pixel: from a scene to the light that each photosite collects.

The lens spreads each point of the scene into a Gaussian, the pixel integrates over its square. A scene painted on a
grid is taken as points of light on that grid, so the image is a sum of known, smooth functions and can be evaluated
anywhere: a displacement by a fraction of a pixel is exact by construction, not an interpolation.
"""

from __future__ import annotations

from math import erf, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated.scenes import MARGIN_PX, Scene
from sidcap.capture.simulated.sensor import Geometry
from sidcap.data_manifest.errors import UsageError

BLUR_SIGMA_PX = 0.70  # guess: a good lens in focus, with the low-pass filter in front of the sensor
REFERENCE_APERTURE = 2.8
_REACH_PX = 4
MAX_SHIFT_PX = MARGIN_PX - _REACH_PX - 4
_ROWS_PER_BAND = 120


def mosaic(scene: Scene, geometry: Geometry, shift_px: tuple[float, float]) -> NDArray[np.float32]:
    """Electrons per second at f/2.8 for each photosite, float32 (rows, columns), RGGB, zero where it is masked.

    ``shift_px`` displaces the image on the sensor to the right and down. Raises UsageError where it would leave
    the part of the scene that is painted.
    """
    if not all(abs(s) <= MAX_SHIFT_PX for s in shift_px):  # written so that NaN is refused too
        raise UsageError(f"a displacement by {shift_px} px leaves the simulated scene: at most {MAX_SHIFT_PX} px")
    (dx, fx), (dy, fy) = (_whole_and_fraction(s) for s in shift_px)
    taps_x, taps_y = point_spread(fx), point_spread(fy)
    image = np.zeros(geometry.shape, np.float32)
    columns = slice(geometry.left + MARGIN_PX - dx - _REACH_PX, geometry.columns + MARGIN_PX - dx + _REACH_PX)
    for top in range(geometry.top, geometry.rows, _ROWS_PER_BAND):
        bottom = min(top + _ROWS_PER_BAND, geometry.rows)
        rows = slice(top + MARGIN_PX - dy - _REACH_PX, bottom + MARGIN_PX - dy + _REACH_PX)
        red, green, blue = (_spread(plane, taps_x, taps_y) for plane in scene.radiance(rows, columns))
        band = image[top:bottom, geometry.left :]
        band[0::2, 0::2] = red[0::2, 0::2]
        band[0::2, 1::2] = green[0::2, 1::2]
        band[1::2, 0::2] = green[1::2, 0::2]
        band[1::2, 1::2] = blue[1::2, 1::2]
    return image


def point_spread(fraction_px: float) -> NDArray[np.float32]:
    """Weights of the scene's points at -4..4 px for a pixel, the image being displaced by ``fraction_px``.

    A Gaussian integrated over the pixel; sums to 1 within 1e-5.
    """
    edges = np.arange(-_REACH_PX - 0.5, _REACH_PX + 1) + fraction_px
    below = np.array([erf(edge / (sqrt(2) * BLUR_SIGMA_PX)) / 2 for edge in edges])
    return np.diff(below).astype(np.float32)


def aperture_factor(aperture: float) -> float:
    """Light at this f-number relative to f/2.8."""
    return (REFERENCE_APERTURE / aperture) ** 2


def _whole_and_fraction(shift_px: float) -> tuple[int, float]:
    whole = round(shift_px)
    return whole, shift_px - whole


def _spread(
    plane: NDArray[np.float32], taps_x: NDArray[np.float32], taps_y: NDArray[np.float32]
) -> NDArray[np.float32]:
    spread = cv2.sepFilter2D(plane, -1, taps_x, taps_y)
    return np.asarray(spread[_REACH_PX:-_REACH_PX, _REACH_PX:-_REACH_PX], np.float32)
