"""Crops of a mosaic, flipped and transposed so that they remain mosaics of the same pattern.

A Bayer mosaic that is flipped left to right begins with green instead of red; read from one photosite later on, it
begins with red again. What is flipped is therefore the mosaic, from an offset at which its pattern, turned, equals
itself (`offset_of` finds it for any colour filter array), and not, as in SID, its packed planes: otherwise what lies
left of a photosite would, in half of the crops, lie right of it in the target, and the network would learn to blur by
that pixel (Liu et al., CVPRW 2019).

No mosaic is turned for that. Each plane of a turned and packed crop is a regular grid of photosites, so it is read as
such (`grids`), and the packed pixels as a whole are flipped and transposed after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sidcap.model.packing import Layout, Site

Turns = Literal["mosaic", "planes", "none"]


@dataclass(frozen=True)
class Turn:
    """Flips, and a transposition after them."""

    flip_rows: bool = False
    flip_columns: bool = False
    transpose: bool = False

    def of_pattern(self, pattern: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W), turned."""
        pattern = pattern[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]
        return pattern.T if self.transpose else pattern


ALL_TURNS = tuple(Turn(*flips) for flips in product((False, True), repeat=3))


@dataclass(frozen=True)
class Grid:
    """Where the samples of one plane lie in a crop that is read before it is turned."""

    row: int
    column: int
    plane: int
    """Packed pixels from (row, column) on, in steps of the pattern's cells ..."""
    top: int
    left: int
    """... are the photosites from (top, left) on, in steps of its period."""


@lru_cache
def offset_of(layout: Layout, turn: Turn) -> Site | None:
    """Where, below and right of the pattern's origin, a crop begins that shows the same pattern when it is turned.

    None where the pattern, turned, is another one.
    """
    period = len(layout.pattern)
    return next(
        (
            (top, left)
            for top, left in product(range(period), repeat=2)
            if np.array_equal(turn.of_pattern(np.roll(layout.pattern, (-top, -left), (0, 1))), layout.pattern)
        ),
        None,
    )


def turns_of(layout: Layout, turns: Turns) -> tuple[Turn, ...]:
    """Those that crops are given."""
    if turns == "none":
        return (Turn(),)
    return ALL_TURNS if turns == "planes" else tuple(turn for turn in ALL_TURNS if offset_of(layout, turn) is not None)


@lru_cache
def grids(layout: Layout, turn: Turn) -> tuple[Grid, ...]:
    """How to read a crop that begins at `offset_of`, so that it is a packed mosaic once it is turned."""
    found = []
    for row, column in product(range(layout.cells), repeat=2):
        for plane, (y, x) in enumerate(layout.sites[row][column]):
            down, across = ((row, y), (column, x)) if not turn.transpose else ((column, x), (row, y))
            first_row, top = _place(layout, *down, flipped=turn.flip_rows)
            first_column, left = _place(layout, *across, flipped=turn.flip_columns)
            found.append(Grid(first_row, first_column, plane, top, left))
    return tuple(found)


def _place(layout: Layout, cell: int, site: int, *, flipped: bool) -> tuple[int, int]:
    """Along one axis, the cell and the photosite of the unturned crop that come to lie at ``site`` of ``cell``."""
    if flipped:
        cell, site = layout.cells - 1 - cell, layout.subpixels - 1 - site
    return cell, layout.subpixels * cell + site
