"""The network applied to whole frames, in tiles where a frame is large."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sidcap.data_manifest.errors import UsageError
from sidcap.model.config import DeviceChoice
from sidcap.model.unet import UNet

TILE = 768
"""Side of a tile in packed pixels, without its halo. On a CPU, at depth 0, it takes 0.7 GB."""


def choose_device(choice: DeviceChoice) -> torch.device:
    """The device to compute on; for ``auto`` the first there is of cuda, mps, cpu. UsageError where it is not there."""
    available = [
        name
        for name, is_there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()))
        if is_there
    ]
    if choice == "auto":
        return torch.device([*available, "cpu"][0])
    if choice not in (*available, "cpu"):
        raise UsageError(f"this machine or this torch has no {choice}: give --device auto")
    return torch.device(choice)


def enhance(network: UNet, planes: NDArray[np.float32], tile: int = TILE) -> NDArray[np.float32]:
    """(4, h, w) amplified packed planes of any size -> (2 h, 2 w, 3) RGB as the network gives it, not clipped.

    The frame is mirrored at its lower and right edges up to the multiple that the network needs, and that part is cut
    off again. Every tile begins on a multiple and is given a halo wider than the network's reach, so the result is that
    of the whole frame at once.
    """
    device = next(network.parameters()).device
    _, height, width = planes.shape
    filled = np.pad(planes, ((0, 0), (0, -height % network.multiple), (0, -width % network.multiple)), mode="reflect")
    tile += -tile % network.multiple
    picture = np.empty((2 * filled.shape[1], 2 * filled.shape[2], 3), np.float32)
    for top in range(0, filled.shape[1], tile):
        for left in range(0, filled.shape[2], tile):
            rows, first_row = _with_halo(top, network.halo, tile)
            columns, first_column = _with_halo(left, network.halo, tile)
            given = torch.from_numpy(filled[:, rows, columns])[None]
            with torch.inference_mode():
                result = network(given.to(device, memory_format=torch.channels_last))[0]
            core = result[:, first_row : first_row + 2 * tile, first_column : first_column + 2 * tile]
            picture[2 * top : 2 * (top + tile), 2 * left : 2 * (left + tile)] = core.permute(1, 2, 0).cpu().numpy()
    return picture[: 2 * height, : 2 * width]


def _with_halo(start: int, halo: int, tile: int) -> tuple[slice, int]:
    """The packed pixels that a tile beginning at ``start`` is given, and where its own begin in the result."""
    first = max(0, start - halo)
    return slice(first, start + tile + halo), 2 * (start - first)
