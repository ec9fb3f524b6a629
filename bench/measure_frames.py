"""How frames of a camera are measured, from their files alone; shared by benchmarks and tests."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import rawpy
from numpy.typing import NDArray


@dataclass(frozen=True)
class RawNumbers:
    """What LibRaw decodes: all raw numbers, float32 (rows, columns), and where the light falls."""

    numbers: NDArray[np.float32]
    top: int
    left: int

    @property
    def black_dn(self) -> float:
        """Mean of the masked columns."""
        return float(self.numbers[self.top :, : self.left].mean(dtype=np.float64))

    @property
    def lit(self) -> NDArray[np.float32]:
        """The part that sees light, black subtracted."""
        return self.numbers[self.top :, self.left :] - np.float32(self.black_dn)


def decoded(file: bytes) -> RawNumbers:
    with rawpy.imread(io.BytesIO(file)) as raw:
        return RawNumbers(raw.raw_image.astype(np.float32), raw.sizes.top_margin, raw.sizes.left_margin)


@dataclass(frozen=True)
class Motion:
    """How an image moved against another one: mean displacement and standard deviation, (right, down) in pixels."""

    shift_px: tuple[float, float]
    blur_px: tuple[float, float]


def measured_motion(reference: NDArray[np.float32], moved: NDArray[np.float32]) -> Motion:
    """Motion during ``moved`` relative to ``reference``, two Bayer mosaics without black of one scene and exposure.

    Least squares on derivatives (after Lucas and Kanade, 1981): an image that runs along a path of mean m and mean
    square q is, to second order, reference - m I' + q I''/2; the blur is q - m**2. Both images are smoothed first,
    wide enough for the second order to suffice. Resolution is about 0.01 px of shift and 0.1 px of blur.
    """
    still, after = (
        cv2.GaussianBlur(f[0::2, 0::2] + f[0::2, 1::2] + f[1::2, 0::2] + f[1::2, 1::2], (0, 0), 4.0).astype(np.float64)
        for f in (reference, moved)
    )
    gy, gx = np.gradient(still)
    gyy, gxy = np.gradient(gy)
    gxx = np.gradient(gx, axis=1)
    inside = np.s_[24:-24, 24:-24]
    terms = np.stack([d[inside].ravel() for d in (-gx, -gy, gxx / 2, gxy, gyy / 2, still)], axis=1)
    x, y, xx, _, yy, _ = np.linalg.lstsq(terms, (after - still)[inside].ravel())[0]
    pixel = 2  # of the mosaic, per pixel of its binned planes
    return Motion(
        shift_px=(float(pixel * x), float(pixel * y)),
        blur_px=(pixel * float(np.sqrt(max(xx - x * x, 0))), pixel * float(np.sqrt(max(yy - y * y, 0)))),
    )


def pair_variance(frames: Iterable[NDArray[np.float32]]) -> float:
    """Temporal variance of a pixel, from the differences of successive frames; each row's mean difference taken out.

    What a row has in common is row noise, not a pixel's. Levels that drift together do not count either.
    """
    total, count = 0.0, 0
    before: NDArray[np.float32] | None = None
    for frame in frames:
        if before is not None:
            difference = frame - before
            difference -= difference.mean(axis=1, keepdims=True)
            columns = difference.shape[1]
            total += float((difference.astype(np.float64) ** 2).mean()) / 2 * columns / (columns - 1)
            count += 1
        before = frame
    return total / count
