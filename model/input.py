"""From DN to what a network is given: the one place, for crops and whole frames, for training and use."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sidcap.data_manifest.schema import Ratio
from sidcap.model.config import InputConfig
from sidcap.model.packing import Levels

SID_WHITE_DN: Final = 16383.0
SID_BLACK_DN: Final[dict[int, tuple[float, ...]]] = {4: (512.0, 2048.0), 9: (1024.0,)}
"""By number of planes: SID's constants for Sony and Fuji, the study's for Canon."""
Index = NDArray[np.intp]
Places = tuple[Index, ...]
_CPU: Final = torch.device("cpu")
_NEIGHBOURS: Final = tuple(place for place in product((-1, 0, 1), repeat=2) if place != (0, 0))


def network_input(
    planes: NDArray[Any],
    levels: Levels,
    ratio: float,
    config: InputConfig,
    *,
    dark_dn: NDArray[Any] | None = None,
    hot: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """(P, h, w) planes in DN -> (P, h, w) float32, as a network of this config is given them.

    (DN - black - dark) / (white - black) * ratio, at most 1: SID's ``pack_raw`` (Chen et al., CVPR 2018) with each
    frame's own levels instead of constants. Where the signal is no larger than the noise, half the samples of a dark
    area lie below black. Clipping them, as SID does, brightens the dark areas by an amount that depends on the noise,
    so they are kept unless the config says otherwise.

    ``levels`` are those measured on the frame and ``ratio`` what `input_ratio` picks; the config may replace the levels
    with SID's constants and cap the ratio. ``dark_dn``, (P, h, w), is what the sensor says above black without light;
    ``hot``, (P, h, w), which photosites are replaced by the median of their neighbours after that. Both are used with
    ``config.dark_shading`` only. The result lies channels-last in memory.
    """
    dn = np.moveaxis(np.moveaxis(planes, 0, -1).astype(np.float32, order="C"), -1, 0)
    if config.dark_shading and dark_dn is not None:
        dn -= dark_dn
    if config.dark_shading and hot is not None:
        places = np.nonzero(hot)
        dn[places] = medians_around(places, hot, lambda *there: dn[there])
    amplification = Amplification.of(levels, ratio, config)
    return np.moveaxis(amplification.apply_(torch.from_numpy(np.moveaxis(dn, 0, -1))).numpy(), -1, 0)


@dataclass(frozen=True)
class Amplification:
    """(DN - black) * factor, no less than ``low`` and no more than 1: what `network_input` does to each plane."""

    black_dn: Tensor
    """(P) float32."""
    factor: Tensor
    """(P) float32."""
    low: float

    @classmethod
    def of(
        cls,
        levels: Levels,
        ratio: float,
        config: InputConfig,
        device: torch.device = _CPU,
        *,
        light: float = 1.0,
    ) -> Self:
        """``light``: how many times its own light the short was given; it is amplified by so much less."""
        if config.levels == "sid":
            levels = sid_levels(levels)
        if config.ratio_cap is not None:
            ratio = min(ratio, config.ratio_cap)
        black, unit = on_device(levels, device)
        return cls(black, unit.mul(ratio / light), -math.inf if config.keep_negatives else 0)

    def apply_(self, dn: Tensor) -> Tensor:
        """In place, on any device: (h, w, P) float32 in one piece that is rid of dark and hot pixels."""
        height, width, planes = dn.shape
        # Whole rows, for it takes five times as long to go through the planes by fours.
        rows = dn.view(height, width * planes)
        rows.sub_(self.black_dn.repeat(width)).mul_(self.factor.repeat(width))
        rows.clamp_(self.low, 1)
        return dn


@lru_cache(maxsize=1024)
def on_device(levels: Levels, device: torch.device) -> tuple[Tensor, Tensor]:
    """(P) black, and (P) one over what lies between black and white; sent there once, for that makes a GPU wait."""
    black = torch.tensor(levels.black_dn, dtype=torch.float64)
    unit = 1 / (levels.white_dn - black)
    return black.to(device, torch.float32), unit.to(device, torch.float32)


def input_ratio(ratio: Ratio, config: InputConfig) -> float:
    """The ratio of a pair by which its short is amplified, the cap not yet applied."""
    if config.ratio == "measured" and ratio.measured is not None:
        return ratio.measured
    return ratio.nominal if config.ratio == "nominal" else ratio.true


def sid_levels(measured: Levels) -> Levels:
    """The constants that SID's and the study's code have for such a camera: the black that is nearest to its own."""
    own = float(np.mean(measured.black_dn))
    known = SID_BLACK_DN[len(measured.black_dn)]
    black = min(known, key=lambda black_dn: abs(black_dn - own))
    return Levels((black,) * len(measured.black_dn), SID_WHITE_DN)


def medians_around(
    places: Places, hot: NDArray[np.bool_], read: Callable[[Index, Index, Index], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """For each of ``places`` the median of the eight neighbours in its plane that are not hot; its own value without.

    ``places`` are (plane, row, column), as `np.nonzero` gives them of ``hot``, (P, h, w). ``read`` gives the values of
    such places.
    """
    plane, row, column = places
    _, height, width = hot.shape
    around = np.full((len(_NEIGHBOURS), len(plane)), np.nan, np.float32)
    for values, (down, across) in zip(around, _NEIGHBOURS, strict=True):
        y, x = row + down, column + across
        good = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        good[good] = ~hot[plane[good], y[good], x[good]]
        values[good] = read(plane[good], y[good], x[good])
    alone = np.isnan(around).all(axis=0)
    around[:, alone] = read(plane[alone], row[alone], column[alone])
    return np.asarray(np.nanmedian(around, axis=0), np.float32)
