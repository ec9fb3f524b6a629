"""How close a picture comes to its reference: PSNR and SSIM, on real values and on 8-bit ones as SID and the study did.

Pictures are (H, W, 3), either 16-bit integers or floating point; all work goes through them in blocks of rows, several
at a time, so that full frames take little memory.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from sidcap.data_manifest.schema import Record

_BLOCK_ROWS = 128
_MAX_THREADS = 8

_WINDOW_SIGMA_PX: Final = 1.5
_WINDOW_REACH_PX: Final = 5
"""Wang et al. have a window of 11 x 11."""
_C1, _C2 = 0.01**2, 0.03**2


class Quality(Record):
    """How close one picture comes to its reference."""

    # Equal pictures have an infinite PSNR.
    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    psnr_db: float
    ssim: float
    psnr_8bit_db: float
    """Of both pictures rounded to 8 bit, as SID's and the study's scripts compare files."""
    ssim_8bit: float
    aligned_psnr_db: float
    """After the picture was multiplied with `gain`: it is told how bright the answer is."""
    aligned_ssim: float
    gain: float
    """The one factor that brings the picture closest to the reference, see `brightness_gain`."""


def quality(picture: NDArray[Any], reference: NDArray[Any], scale: float = 1.0) -> Quality:
    """All measures of ``picture`` times ``scale``. ValueError as in `mse` and `ssim`."""
    gain = brightness_gain(picture, reference)
    return Quality(
        psnr_db=psnr_db(picture, reference, gain=scale),
        ssim=ssim(picture, reference, gain=scale),
        psnr_8bit_db=psnr_db(picture, reference, gain=scale, eight_bit=True),
        ssim_8bit=ssim(picture, reference, gain=scale, eight_bit=True),
        aligned_psnr_db=psnr_db(picture, reference, gain=gain),
        aligned_ssim=ssim(picture, reference, gain=gain),
        gain=gain / scale,
    )


def brightness_gain(picture: NDArray[Any], reference: NDArray[Any]) -> float:
    """The one factor for all pixels and channels that brings ``picture`` closest to ``reference``: least squares.

    One for the whole picture, since a factor a channel would also take away a colour cast. What is white in the
    reference does not count: it may have been any brighter. 1 where nothing else is, or the picture is black.
    """
    _must_match(picture, reference)

    def sum_of(other: NDArray[Any]) -> float:
        return _sum_over_blocks(
            len(picture),
            lambda rows: _sum(to_unit(picture[rows]) * to_unit(other[rows]) * (to_unit(reference[rows]) < 1)),
        )

    square = sum_of(picture)
    return sum_of(reference) / square if square else 1.0


def to_unit(picture: NDArray[Any]) -> NDArray[np.float32]:
    """A picture as float32 in 0..1: 16-bit integers are divided by 65535, floating-point values clipped."""
    if picture.dtype == np.uint16:
        return picture.astype(np.float32) / np.float32(65535)
    return picture.clip(0, 1).astype(np.float32, copy=False)


def mse(picture: NDArray[Any], reference: NDArray[Any], *, gain: float = 1.0, eight_bit: bool = False) -> float:
    """Mean squared error of two (H, W, 3) pictures, both taken `to_unit`.

    Equation 1 of the study, which is written for one channel; with three it is the mean over them. ``picture`` is
    multiplied by ``gain`` and clipped; ``eight_bit`` rounds both to whole 255ths. ValueError where the shapes differ.
    """
    _must_match(picture, reference)

    def error(rows: slice) -> float:
        return _sum(np.square(_values(picture[rows], gain, eight_bit) - _values(reference[rows], 1, eight_bit)))

    return _sum_over_blocks(len(picture), error) / picture.size


def psnr_db(picture: NDArray[Any], reference: NDArray[Any], *, gain: float = 1.0, eight_bit: bool = False) -> float:
    """Peak signal-to-noise ratio in dB: equation 2 of the study, with R = 1 for values in 0..1; see `mse`.

    Infinite where the pictures are equal.
    """
    error = mse(picture, reference, gain=gain, eight_bit=eight_bit)
    return math.inf if error == 0 else 10 * math.log10(1 / error)


def ssim(picture: NDArray[Any], reference: NDArray[Any], *, gain: float = 1.0, eight_bit: bool = False) -> float:
    """Structural similarity (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004): 1 for equal pictures.

    Their window, a Gaussian of 1.5 pixels in 11 x 11, and constants, for each channel; the mean over all windows that
    lie wholly inside the picture. The same as scikit-image's ``structural_similarity`` with ``gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=2``. ``gain`` and ``eight_bit`` as in `mse`.
    ValueError where the shapes differ or no window fits.
    """
    _must_match(picture, reference)
    height, width = picture.shape[:2]
    reach = _WINDOW_REACH_PX
    if min(height, width) <= 2 * reach:
        raise ValueError(f"a picture of {picture.shape} is smaller than SSIM's window of {2 * reach + 1} pixels")

    def similarity(rows: slice) -> float:
        seen = slice(rows.start, rows.stop + 2 * reach)
        windows = _similarity(_values(picture[seen], gain, eight_bit), _values(reference[seen], 1, eight_bit))
        return _sum(windows[reach:-reach, reach:-reach])

    windows = (height - 2 * reach) * (width - 2 * reach) * picture.shape[2]
    return _sum_over_blocks(height - 2 * reach, similarity) / float(windows)


def _similarity(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Equation 13 of Wang et al. at every pixel."""
    mean_x, mean_y = _windowed(x), _windowed(y)
    product, square_x, square_y = mean_x * mean_y, mean_x**2, mean_y**2
    covariance = _windowed(x * y) - product
    variances = _windowed(x * x) - square_x + _windowed(y * y) - square_y
    similarity = np.asarray((2 * product + _C1) * (2 * covariance + _C2), np.float32)
    return np.divide(similarity, (square_x + square_y + _C1) * (variances + _C2), out=similarity)


def _windowed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    side = 2 * _WINDOW_REACH_PX + 1
    return np.asarray(cv2.GaussianBlur(values, (side, side), _WINDOW_SIGMA_PX), np.float32)


def _values(picture: NDArray[Any], gain: float, eight_bit: bool) -> NDArray[np.float32]:
    values = to_unit(picture)
    if gain != 1:
        values = np.minimum(values * np.float32(gain), np.float32(1))
    return np.asarray(np.rint(values * 255) / 255, np.float32) if eight_bit else values


def _sum(values: NDArray[Any]) -> float:
    return float(np.sum(values, dtype=np.float64))


def _sum_over_blocks(height: int, value: Callable[[slice], float]) -> float:
    """Of ``value`` of every block of rows, always in the same order."""
    blocks = [slice(top, min(top + _BLOCK_ROWS, height)) for top in range(0, height, _BLOCK_ROWS)]
    with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        return float(np.sum(list(pool.map(value, blocks))))


def _must_match(picture: NDArray[Any], reference: NDArray[Any]) -> None:
    if picture.shape != reference.shape:
        raise ValueError(f"pictures of {picture.shape} and {reference.shape} cannot be compared")
