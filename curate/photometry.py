"""How much light a frame got, relative to the long, told by the large structures of the picture.

Registration measures the ratio on fine structure, which also says where the frame lies. The light alone is known better
from what is large: the mean of a block of 16 x 16 photosites has little noise, and the brightness of the blocks of a
row follows that of the long. What a row has in common is free, so black level and row noise say nothing; what of the
fixed pattern is left is the same in all frames of one exposure, which are what this is for: to compare them.

On simulated full-size frames of 1/30 s at ISO 12800, 0.27 electrons a photosite, the light is known to 0.2 %; the ratio
to 0.5 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.curate.planes import CLIPPED
from sidcap.data_manifest.noise import NoiseModel
from sidcap.data_manifest.raw import RawFrame

METHOD = "light by blocks, 2"

_BLOCK = 8
"""Photosites of a plane along the side of a block."""
_UNLIKE = 0.03
"""When so much of the large structures is not in the long, something else than the light has changed. Below that, an
object on a twentieth of the frame can feign a change of light of 4 % at worst (by Cauchy and Schwarz). Dark
shading makes up 1 % of 0.3 electrons a photosite on the simulated sensor."""
_CHANCE_SIGMA = 4.0

Blocks = NDArray[np.float32]


@dataclass(frozen=True)
class Light:
    """Light on a frame over what the ratio lets expect."""

    relative: float
    sigma: float
    """One standard deviation, of the noise alone."""


class Photometer:
    """A long frame, with which the light on others is compared."""

    def __init__(self, long: RawFrame, noise: NoiseModel) -> None:
        self._noise = noise
        self._long = _blocks(long) - np.array(long.black.per_plane_dn, np.float32)[:, None, None]
        self._usable = _unclipped(long)

    def light_on(self, frame: RawFrame, ratio: float) -> Light | None:
        """The light on a frame of the same size that lies on the long to a pixel.

        None where there is nothing to tell it by, or the frame differs by more than light.
        """
        expected = self._long / np.float32(ratio)
        variance = self._noise.variance_dn2(expected) + self._noise.variance_dn2(self._long) / ratio**2
        weight = np.where(self._usable & _unclipped(frame), _BLOCK**2 / variance, 0).astype(np.float32)
        structure, seen = _without_row_means(expected, weight), _without_row_means(_blocks(frame), weight)
        information = float(np.vdot(weight * structure, structure))
        if information <= 0:
            return None
        relative = float(np.vdot(weight * structure, seen)) / information
        residual = np.sqrt(weight) * (seen - np.float32(relative) * structure)
        if relative <= 0 or _unlike(residual) > _UNLIKE * relative**2 * information:
            return None
        return Light(relative, 1 / math.sqrt(information))


def _unlike(residual: Blocks) -> float:
    """What the planes' residuals (standard deviations of the noise) have in common, beyond chance, squared and summed.

    The noise of the planes is independent: it falls out of their products, whatever a noise model says of its strength.
    """
    products = float(np.sum(residual.sum(0) ** 2)) - float(np.vdot(residual, residual))  # of 12 pairs of planes
    return products / 3 - _CHANCE_SIGMA * math.sqrt(np.count_nonzero(residual) / 3)


def _blocks(frame: RawFrame) -> Blocks:
    """(4, h, w): the mean of each block of each plane, DN with black."""
    return np.stack([_reduced(plane.astype(np.float32)) for plane in _planes(frame)])


def _unclipped(frame: RawFrame) -> NDArray[np.bool_]:
    """(h, w): blocks in which no photosite of any plane is clipped."""
    limits_dn = [black + CLIPPED * (frame.white.dn - black) for black in frame.black.per_plane_dn]
    planes = zip(_planes(frame), limits_dn, strict=True)
    clipped = sum(_reduced((plane >= limit).astype(np.float32)) for plane, limit in planes)
    return np.asarray(clipped == 0)


def _planes(frame: RawFrame) -> list[NDArray[np.uint16]]:
    height, width = (side // (2 * _BLOCK) * 2 * _BLOCK for side in frame.mosaic.shape)
    return [frame.mosaic[y:height:2, x:width:2] for y in (0, 1) for x in (0, 1)]


def _reduced(plane: NDArray[np.float32]) -> Blocks:
    height, width = plane.shape
    small = cv2.resize(plane, (width // _BLOCK, height // _BLOCK), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _without_row_means(blocks: Blocks, weight: Blocks) -> Blocks:
    means = (weight * blocks).sum(2, keepdims=True) / np.maximum(weight.sum(2, keepdims=True), 1e-30)
    return np.asarray(blocks - means, np.float32)
