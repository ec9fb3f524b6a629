"""Numbers of 16 bits moved to where a crop has them: packed, flipped, transposed. What they mean does not matter here.

`ByTorch` does so on any device, `ByOpenCv` on a CPU in a third of the time; both give the same.
"""

from __future__ import annotations

import threading
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sidcap.model.packing import Layout
from sidcap.model.turns import Turn, grids


class Cutter(Protocol):
    """What it gives may be overwritten by the next call in the same thread."""

    def packed(self, photosites: Tensor, turn: Turn) -> Tensor:
        """(side, side) int16 that begin where `offset_of` says -> (size, size, P), still to be turned."""
        ...

    def turned(self, image: Tensor, turn: Turn) -> Tensor:
        """(H, W, C) int16, flipped and transposed."""
        ...


class ByTorch:
    """On any device, for any layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def packed(self, photosites: Tensor, turn: Turn) -> Tensor:
        """See `Cutter`."""
        cells, period = self._layout.cells, len(self._layout.pattern)
        size = len(photosites) // self._layout.subpixels
        packed = torch.empty(size, size, self._layout.planes, dtype=photosites.dtype, device=photosites.device)
        for grid in grids(self._layout, turn):
            into = packed[grid.row :: cells, grid.column :: cells, grid.plane]
            into.copy_(photosites[grid.top :: period, grid.left :: period])
        return packed

    def turned(self, image: Tensor, turn: Turn) -> Tensor:
        """See `Cutter`."""
        axes = [axis for axis, flipped in enumerate((turn.flip_rows, turn.flip_columns)) if flipped]
        image = image.flip(axes) if axes else image
        return image.transpose(0, 1) if turn.transpose else image


class ByOpenCv(threading.local):
    """On a CPU, for Bayer mosaics.

    It keeps the memory it writes to: to ask for it anew every time takes longer than to fill it.
    """

    def __init__(self, layout: Layout) -> None:
        if layout.cells != 1 or layout.subpixels != 2:  # OpenCV transposes pixels of 8 bytes, but not of 18
            raise ValueError(f"a {layout.name} mosaic is not cut by OpenCV")
        self._layout = layout
        self._kept: dict[tuple[str, tuple[int, ...]], NDArray[np.int16]] = {}

    def packed(self, photosites: Tensor, turn: Turn) -> Tensor:
        """See `Cutter`."""
        size = len(photosites) // 2
        # A row of size x 2 photosites is one of size pixels that have two channels, of which four are shuffled.
        rows = [photosites.numpy()[top::2].reshape(size, size, 2) for top in (0, 1)]
        from_to = [number for grid in grids(self._layout, turn) for number in (2 * grid.top + grid.left, grid.plane)]
        packed = self._memory("packed", (size, size, 4))
        cv2.mixChannels(rows, [packed], from_to)
        return torch.from_numpy(packed)

    def turned(self, image: Tensor, turn: Turn) -> Tensor:
        """See `Cutter`."""
        moved = image.numpy()
        height, width, channels = moved.shape
        if turn.flip_rows or turn.flip_columns:
            axis = -1 if turn.flip_rows and turn.flip_columns else int(turn.flip_columns)
            moved = cv2.flip(moved, axis, dst=self._memory("flipped", (height, width, channels)))
        if turn.transpose:
            moved = cv2.transpose(moved, dst=self._memory("transposed", (width, height, channels)))
        return torch.from_numpy(moved)

    def _memory(self, use: str, shape: tuple[int, ...]) -> NDArray[np.int16]:
        if (use, shape) not in self._kept:
            self._kept[use, shape] = np.empty(shape, np.int16)
        return self._kept[use, shape]
