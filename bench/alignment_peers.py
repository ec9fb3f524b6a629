"""The usual estimators of a shift, as one would sensibly use them on raw frames."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.registration import phase_cross_correlation

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from shifted_scenes import Mosaic, Pair

_UPSAMPLING = 50
_ECC_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 100, 1e-6)
_ECC_GAUSS_PX = 5


@dataclass(frozen=True)
class Images:
    """A pair as the peers get it: 2 x 2 photosites added up, so that colours do not alternate."""

    long: Mosaic
    short: Mosaic
    window: Mosaic
    """Hann."""
    unclipped: NDArray[np.uint8]
    """255 where the long is not clipped."""


def prepared(pair: Pair, dark: Mosaic | None = None, mask: NDArray[np.bool_] | None = None) -> Images:
    """The short is clipped where the long would be; dark frames, if any, are subtracted and hot pixels replaced."""
    long, short = pair.long, np.minimum(pair.short, np.float32(np.nanmax(pair.long) / pair.ratio))
    if dark is not None and mask is not None:
        long, short = (_without_hot(frame - dark, mask) for frame in (long, short))
    long, short = _binned(long), _binned(short)
    unclipped = np.where(np.isfinite(long), 255, 0).astype(np.uint8)
    window = np.asarray(cv2.createHanningWindow(long.shape[::-1], cv2.CV_32F), np.float32)
    return Images(_filled(long), _filled(short), window, unclipped)


def _phase_correlate(images: Images) -> tuple[float, float]:
    (dx, dy), _ = cv2.phaseCorrelate(images.long, images.short, images.window)
    return 2 * dx, 2 * dy


def _ecc(images: Images) -> tuple[float, float] | None:
    """From no shift on; where the long is clipped is masked."""
    start = np.eye(2, 3, dtype=np.float32)
    try:
        _, warp = cv2.findTransformECC(
            images.short, images.long, start, cv2.MOTION_TRANSLATION, _ECC_STEPS, images.unclipped, _ECC_GAUSS_PX
        )
    except cv2.error:
        return None  # "the algorithm stopped before its convergence"
    return -2 * float(warp[0, 2]), -2 * float(warp[1, 2])


def _skimage(normalization: str | None, images: Images) -> tuple[float, float]:
    long, short = ((image - image.mean()) * images.window for image in (images.long, images.short))
    (dy, dx), _, _ = phase_cross_correlation(long, short, upsample_factor=_UPSAMPLING, normalization=normalization)
    return -2 * float(dx), -2 * float(dy)


PEERS: dict[str, Callable[[Images], tuple[float, float] | None]] = {
    "phaseCorrelate": _phase_correlate,
    "ECC": _ecc,
    "skimage, phase": partial(_skimage, "phase"),
    "skimage, None": partial(_skimage, None),
}
"""Shift in sensor pixels, or None for a failure."""


def _binned(frame: Mosaic) -> Mosaic:
    height, width = frame.shape
    return np.asarray(cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA))


def _without_hot(frame: Mosaic, mask: NDArray[np.bool_]) -> Mosaic:
    """The median of the neighbours in the plane, instead."""
    for y, x in np.ndindex(2, 2):
        plane, hot = np.ascontiguousarray(frame[y::2, x::2]), mask[y::2, x::2]
        frame[y::2, x::2] = np.where(hot, cv2.medianBlur(plane, 5), plane)
    return frame


def _filled(image: Mosaic) -> Mosaic:
    """What is clipped is as bright as the brightest that is not."""
    return np.nan_to_num(image, nan=float(np.nanmax(image)))
