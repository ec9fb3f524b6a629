"""Bayer mosaic <-> four packed planes, and the amplification of a short exposure.

A network that is given R, G, B and G2 planes learns where on the sensor each plane's samples lie. A mosaic of any phase
(RGGB, GRBG, GBRG, BGGR) is therefore packed from its first red photosite on, which leaves out at most one row and one
column: the four samples of a packed pixel then lie in the same places of its 2 x 2 output pixels for every camera
(unification by cropping: Liu et al., "Learning Raw Image Denoising with Bayer Pattern Unification", CVPRW 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import RawError
from sidcap.data_manifest.schema import Frame

PLANES = ("R", "G", "B", "G2")
"""Order of the packed planes, as in SID's ``pack_raw``: G shares its rows with red, G2 with blue."""

_SITES = ((0, 0), (0, 1), (1, 1), (1, 0))
"""(row, column) of each plane's photosite in a 2 x 2 cell that begins with red."""

Number = TypeVar("Number", bound=np.generic)


def red_site(cfa: NDArray[np.uint8]) -> tuple[int, int]:
    """(row, column) of the first red photosite of a mosaic, each 0 or 1; RawError where ``cfa`` is no Bayer pattern."""
    if cfa.shape != (2, 2):
        raise RawError(
            f"a {cfa.shape[0]} x {cfa.shape[1]} colour filter array cannot be packed: only Bayer sensors can"
        )
    red, blue = np.argwhere(cfa == 0), np.argwhere(cfa == 2)
    if len(red) != 1 or len(blue) != 1 or (red + blue != 1).any():
        raise RawError(f"the colour filter array {cfa.tolist()} cannot be packed: it is no Bayer pattern")
    return int(red[0, 0]), int(red[0, 1])


def pack(mosaic: NDArray[Number], cfa: NDArray[np.uint8]) -> NDArray[Number]:
    """(H, W) mosaic -> (4, h, w) planes in the order of `PLANES`, whole cells from the first red photosite on.

    The planes lie channels-last in memory: a crop touches few pages, and torch's channels_last convolutions take them
    as they are. RawError where ``cfa`` is no Bayer pattern.
    """
    top, left = red_site(cfa)
    height, width = (mosaic.shape[0] - top) // 2, (mosaic.shape[1] - left) // 2
    packed = np.empty((height, width, len(PLANES)), mosaic.dtype)
    for plane, (y, x) in enumerate(_SITES):
        packed[..., plane] = mosaic[top + y :: 2, left + x :: 2][:height, :width]
    return np.moveaxis(packed, -1, 0)


def unpack(planes: NDArray[Number]) -> NDArray[Number]:
    """(4, h, w) planes -> (2 h, 2 w) mosaic that begins with red: the inverse of `pack`."""
    _, height, width = planes.shape
    mosaic = np.empty((2 * height, 2 * width), planes.dtype)
    for plane, (y, x) in enumerate(_SITES):
        mosaic[y::2, x::2] = planes[plane]
    return mosaic


@dataclass(frozen=True)
class Levels:
    """Black and white of one frame."""

    black_dn: tuple[float, float, float, float]
    """In the order of `PLANES`."""
    white_dn: float

    @classmethod
    def of(cls, frame: Frame, cfa: NDArray[np.uint8]) -> Self:
        """The levels that were measured on this frame; RawError where ``cfa`` is no Bayer pattern."""
        top, left = red_site(cfa)
        black, white = frame.levels
        # The manifest lists black row by row from the mosaic's origin, wherever red lies.
        red, green, blue, green2 = (black.per_plane_dn[2 * ((top + y) % 2) + (left + x) % 2] for y, x in _SITES)
        return cls(black_dn=(red, green, blue, green2), white_dn=white.dn)


def amplify(planes: NDArray[Any], levels: Levels, ratio: float, *, keep_negatives: bool = True) -> NDArray[np.float32]:
    """(4, h, w) planes in DN -> float32, what the network is given: (DN - black) / (white - black) * ratio, at most 1.

    SID's ``pack_raw`` (Chen et al., CVPR 2018) with each frame's own levels instead of constants. Where the signal is
    no larger than the noise, half the samples of a dark area lie below black. Clipping them, as SID does, brightens
    the dark areas by an amount that depends on the noise, so they are kept unless ``keep_negatives`` is False.
    """
    amplified = np.empty_like(planes, dtype=np.float32)  # keeps the order in memory
    for plane, black_dn in enumerate(levels.black_dn):
        gain = np.float32(ratio / (levels.white_dn - black_dn))
        amplified[plane] = (planes[plane] - np.float32(black_dn)) * gain
    return np.clip(amplified, None if keep_negatives else 0, 1, out=amplified)
