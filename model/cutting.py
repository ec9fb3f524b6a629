"""16-bit numbers put to where a crop has them, packed, flipped and transposed, and made what a network is given.

`ByTorch` does so on any device, step by step; `Compiled` on a CPU in one go. Both give the same, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from sidcap.model.compiled import scaled
from sidcap.model.input import Amplification
from sidcap.model.packing import Layout
from sidcap.model.turns import Turn, grids

_WHITE: Final = 1 / 65535
"""Makes 1 of the largest number of 16 bits."""


class Cutter(Protocol):
    """Numbers without a sign are typed int16, for torch can do little with others.

    Photosites are (side, side), from where `offset_of` says for the turn ``read``; packed, they get the ``turn``. The
    two are the same, but where the packed planes are turned of a mosaic that is not.
    """

    def planes(
        self, photosites: Tensor, read: Turn, turn: Turn, out: Tensor, amplification: Amplification | None = None
    ) -> None:
        """Into (size, size, P) float32: amplified, or as they are."""
        ...

    def packed(self, photosites: Tensor, read: Turn, turn: Turn) -> Tensor:
        """(size, size, P) of the same 16 bits, whatever they mean."""
        ...

    def picture(self, picture: Tensor, turn: Turn, out: Tensor) -> None:
        """(side, side, 3) into (side, side, 3) float32, 0 to 1."""
        ...


class ByTorch:
    """On any device."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def planes(
        self, photosites: Tensor, read: Turn, turn: Turn, out: Tensor, amplification: Amplification | None = None
    ) -> None:
        """See `Cutter`."""
        out.copy_(self.packed(photosites, read, turn).view(torch.uint16))
        if amplification is not None:
            amplification.apply_(out)

    def packed(self, photosites: Tensor, read: Turn, turn: Turn) -> Tensor:
        """See `Cutter`."""
        return _turned(_packed(photosites, self._layout, read), turn)

    def picture(self, picture: Tensor, turn: Turn, out: Tensor) -> None:
        """See `Cutter`."""
        out.copy_(_turned(picture, turn).view(torch.uint16)).mul_(_WHITE)


class Compiled:
    """On a CPU."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def planes(
        self, photosites: Tensor, read: Turn, turn: Turn, out: Tensor, amplification: Amplification | None = None
    ) -> None:
        """See `Cutter`."""
        sites = _sites_of_planes(self._layout, read, turn, len(photosites), photosites.stride(0))
        _put(photosites, sites, out, 1 if amplification is None else amplification)

    def packed(self, photosites: Tensor, read: Turn, turn: Turn) -> Tensor:
        """See `Cutter`."""
        sites = _sites_of_planes(self._layout, read, turn, len(photosites), photosites.stride(0))
        size = len(photosites) // self._layout.subpixels
        out = torch.empty(size, size, self._layout.planes, dtype=torch.int16)
        _put(photosites, sites, out, 1)
        return out

    def picture(self, picture: Tensor, turn: Turn, out: Tensor) -> None:
        """See `Cutter`."""
        _put(picture, _sites_of_picture(turn, len(picture), picture.stride(0)), out, _WHITE)


@dataclass(frozen=True)
class _Sites:
    """Where the numbers of a crop lie in what it is cut from, counted from the first of all."""

    cells: tuple[tuple[int, ...], ...]
    """The channels of the first cells, in rows of which each has as many as there are rows."""
    down: int
    """From a cell to the next of its kind."""
    across: int
    size: tuple[int, int]
    """How often they repeat, (down, across)."""

    @classmethod
    def of(cls, moved: Tensor, cells: int) -> Self:
        """``moved``, (size, size, C): places, moved as the numbers are. Pixels are alike after ``cells`` of them."""
        size = len(moved) // cells
        last = max(size - 1, 1)
        down, across = (int(far - moved[0, 0, 0]) // last for far in (moved[-cells, 0, 0], moved[0, -cells, 0]))
        return cls(tuple(map(tuple, moved[:cells, :cells].flatten(1).tolist())), down, across, (size, size))


@lru_cache(maxsize=256)
def _sites_of_planes(layout: Layout, read: Turn, turn: Turn, side: int, row: int) -> _Sites:
    """``row``: from one row of photosites to the next."""
    return _Sites.of(_turned(_packed(_places(side, row, 1), layout, read), turn), layout.cells)


@lru_cache(maxsize=256)
def _sites_of_picture(turn: Turn, side: int, row: int) -> _Sites:
    pixels = _turned(_places(side, row, 3)[..., None], turn)
    if not (turn.flip_columns or turn.transpose):
        # All channels are made the same of, so a row is one run of numbers: half the time.
        return _Sites(((int(pixels[0, 0, 0]),),), (-row if turn.flip_rows else row), 1, (side, 3 * side))
    return _Sites.of(pixels + torch.arange(3, dtype=torch.int32), 1)


def _places(side: int, row: int, column: int) -> Tensor:
    """(side, side): how far each pixel of a square lies from the first."""
    first_row, first_column = (torch.arange(side, dtype=torch.int32) * apart for apart in (row, column))
    return first_row[:, None] + first_column


def _put(numbers: Tensor, sites: _Sites, out: Tensor, how: Amplification | float) -> None:
    """``numbers``: a square of an image, whose rows may lie apart. ``out``: (size, size, C) in one piece.

    ``how``: amplified, or times a number.
    """
    length = 1 + sum((side - 1) * apart for side, apart in zip(numbers.shape, numbers.stride(), strict=True))
    source = numbers.as_strided((length,), (1,)).numpy().view(np.uint16)
    row, cells = out.stride(0), len(sites.cells)
    target = out.flatten().numpy()
    if out.dtype == torch.int16:
        target = target.view(np.uint16)
    black, limits = None, None
    if isinstance(how, Amplification):
        black, factor = (tuple(map(np.float32, each.tolist())) * cells for each in (how.black_dn, how.factor))
        limits = np.float32(how.low), np.float32(1)
    else:
        factor = (np.float32(how),) * len(sites.cells[0])
    for index, first in enumerate(sites.cells):
        into = target[index * row :]
        scaled(source, (sites.down, sites.across), first, factor, black, limits, into, cells * row, sites.size)


def _packed(photosites: Tensor, layout: Layout, turn: Turn) -> Tensor:
    """(side, side) -> (size, size, P), still to be turned."""
    cells, period = layout.cells, len(layout.pattern)
    size = len(photosites) // layout.subpixels
    packed = torch.empty(size, size, layout.planes, dtype=photosites.dtype, device=photosites.device)
    for grid in grids(layout, turn):
        into = packed[grid.row :: cells, grid.column :: cells, grid.plane]
        into.copy_(photosites[grid.top :: period, grid.left :: period])
    return packed


def _turned(image: Tensor, turn: Turn) -> Tensor:
    """(H, W, C), flipped and transposed."""
    axes = [axis for axis, flipped in enumerate((turn.flip_rows, turn.flip_columns)) if flipped]
    image = image.flip(axes) if axes else image
    return image.transpose(0, 1) if turn.transpose else image
