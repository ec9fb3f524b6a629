"""How sharp a picture of live view is: one number to turn the focus by, and the edges that are in focus.

The measure is the energy of the Laplacian of Gaussian (Marr and Hildreth, Theory of edge detection, 1980; as a measure
of focus: Subbarao, Choi and Nikzad, Focusing techniques, 1993), which live view at night would make a measure of noise:
there, noise has more fine detail than the scene. So the detail of each picture is not squared but multiplied with that
of the picture before. The scene is the same in both and adds up; noise is another one and averages out. No threshold,
and no estimate of the noise, is needed. The root of that, over the mean brightness, is the score: a relative contrast,
so it does not follow the exposure (a power law, such as a JPEG's gamma, only scales it).

Among what was tried on the simulated camera, from sharp to far out of focus, in light 100 times different: Tenengrad
(Tenenbaum 1970), multiplied the same way, ends at 40 % of its best where this ends at 20 %; a Laplacian without the
Gaussian is all noise far from focus; either from one picture alone hardly moves (bench/live_sharpness.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_SIGMA_PX = 1.0
"""Of the Gaussian: detail finer than that is the camera's own resampling and the JPEG's blocks."""
_KERNEL_PX = 7
_DARKEST = 1.0
"""Mean brightness of 255 below which nothing can be said."""
_NOISE_PX, _LIGHT_PX = 7, 31
"""Sides of the neighbourhoods in which the noise around an edge, and the light there, are told."""
_PEAKING_CONTRAST = 0.15
"""Fine detail, over the light around it, of an edge that counts as in focus. A guess, made on simulated pictures."""
_MOSTLY_SIGNAL = 0.6
"""How much of the detail must be the same in both pictures."""


@dataclass(frozen=True)
class Box:
    """A part of the picture, in fractions of its width and height: what somebody wants sharp."""

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        inside = 0 <= self.left < 1 and 0 <= self.top < 1
        if not (inside and 0 < self.width <= 1 - self.left + 1e-6 and 0 < self.height <= 1 - self.top + 1e-6):
            raise ValueError(f"{self} is no part of a picture")

    def cut(self, plane: Plane) -> Plane:
        """This part of a plane; at least one pixel."""
        rows, columns = plane.shape
        top, left = int(self.top * rows), int(self.left * columns)
        bottom = max(top + 1, round((self.top + self.height) * rows))
        right = max(left + 1, round((self.left + self.width) * columns))
        return plane[top:bottom, left:right]


def fine_detail(brightness: Plane) -> Plane:
    """The Laplacian of Gaussian of a picture, 0 to 255 a pixel."""
    smooth = cv2.GaussianBlur(brightness, (_KERNEL_PX, _KERNEL_PX), _SIGMA_PX)
    return np.asarray(cv2.Laplacian(smooth, cv2.CV_32F), np.float32)


def sharpness(before: Plane, now: Plane, brightness: Plane) -> float | None:
    """The score, per cent of the mean brightness, from the fine detail of two pictures, one after the other.

    ``brightness``: that of the second. None where it is too dark to tell. The planes may be parts of pictures.
    """
    mean = float(brightness.mean())
    if mean < _DARKEST:
        return None
    return 100 * sqrt(max(float(np.vdot(before, now)) / now.size, 0.0)) / mean


def edges_in_focus(before: Plane, now: Plane, brightness: Plane) -> NDArray[np.bool_]:
    """Where the picture has contrast as fine as it can be, and that is not noise."""
    energy = _mean((np.square(before) + np.square(now)) / 2, _NOISE_PX)
    light = (_mean(brightness, _LIGHT_PX) + np.float32(brightness.mean())) / 2
    is_fine = np.minimum(np.abs(before), np.abs(now)) > _PEAKING_CONTRAST * light
    return np.asarray(is_fine & (_mean(before * now, _NOISE_PX) > _MOSTLY_SIGNAL * energy))


def _mean(plane: NDArray[np.floating[Any]], side_px: int) -> Plane:
    """Of each pixel's neighbourhood."""
    return np.asarray(cv2.boxFilter(plane, cv2.CV_32F, (side_px, side_px)), np.float32)
