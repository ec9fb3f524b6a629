"""The loop over the numbers of a crop, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.compiling import compiled

Floats = tuple[np.float32, ...]

_AT = np.uintp
"""An index that might be less than zero, counting from the end, takes twice the time."""


@compiled()
def scaled(
    source: NDArray[np.uint16],
    steps: tuple[int, int],
    sites: tuple[int, ...],
    factor: Floats,
    black: Floats | None,
    limits: tuple[np.float32, np.float32] | None,
    target: NDArray[Any],
    apart: int,
    size: tuple[int, int],
) -> None:
    """(number - black) * factor, of each channel, within the limits, for ``size`` (rows, columns) of pixels.

    Both arrays are flat. ``sites``: where the channels of the first pixel lie in ``source``, from which ``steps`` lead
    down and across to the others. In ``target`` the channels of a row lie one after the other, its rows ``apart``.
    """
    down, across = steps
    rows, columns = size
    for step in range(rows):
        row = step if down > 0 else rows - 1 - step  # of what is read upwards less is fetched ahead
        here, there = row * down, row * apart
        for column in range(columns):
            for channel in range(len(sites)):  # known when it is compiled: twice as fast
                value = np.float32(source[_AT(here + column * across + sites[channel])])
                if black is not None:
                    value -= black[channel]
                value *= factor[channel]
                if limits is not None:
                    value = min(max(value, limits[0]), limits[1])
                target[_AT(there + column * len(sites) + channel)] = value
