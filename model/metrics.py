"""How close a picture comes to its reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK_ROWS = 256


def to_unit(picture: NDArray[Any]) -> NDArray[np.float32]:
    """A picture as float32 in 0..1: 16-bit integers are divided by 65535, floating-point values clipped."""
    if picture.dtype == np.uint16:
        return picture.astype(np.float32) / np.float32(65535)
    return picture.clip(0, 1).astype(np.float32, copy=False)


def mse(picture: NDArray[Any], reference: NDArray[Any]) -> float:
    """Mean squared error of two (H, W, 3) pictures, both taken `to_unit`.

    Equation 1 of the study, which is written for one channel; with three it is the mean over them. ValueError where the
    shapes differ. Works through the pictures in blocks, so that full frames take little memory.
    """
    if picture.shape != reference.shape:
        raise ValueError(f"pictures of {picture.shape} and {reference.shape} cannot be compared")
    total = 0.0
    for top in range(0, len(picture), _BLOCK_ROWS):
        rows = slice(top, top + _BLOCK_ROWS)
        difference = to_unit(picture[rows]) - to_unit(reference[rows])
        total += float(np.sum(np.square(difference), dtype=np.float64))
    return total / picture.size


def psnr_db(picture: NDArray[Any], reference: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB: equation 2 of the study with R = 1, on values that are not rounded to 8 bit.

    Infinite where the pictures are equal.
    """
    error = mse(picture, reference)
    return math.inf if error == 0 else 10 * math.log10(1 / error)
