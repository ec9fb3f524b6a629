"""Mosaic <-> packed planes, for Bayer and X-Trans; black and white of a frame.

A colour filter array is cut into square cells, every photosite of a cell goes to a plane of its own, and a plane holds
one colour. Bayer: cells of 2 x 2, four planes R, G, B, G2. X-Trans: cells of 3 x 3, nine planes R, G, B, R, B, G, G, G,
G as in SID's Fuji ``pack_raw``, whose published weights so remain of use; red and blue change places from cell to cell,
so its pattern repeats after 2 x 2 cells.

A network learns where on the sensor each plane's samples lie. A mosaic of any phase is therefore packed from the first
place on where its pattern begins as `BAYER` or `X_TRANS` does, which leaves out a few rows and columns at most: the
samples of a packed pixel then lie in the same places of its output pixels for every camera (unification by cropping:
Liu et al., "Learning Raw Image Denoising with Bayer Pattern Unification", CVPRW 2019).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, Final, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import RawError
from sidcap.data_manifest.schema import BlackLevel, Frame, WhiteLevel

PLANES = ("R", "G", "B", "G2")
"""Order of the packed planes of a Bayer mosaic, as in SID's ``pack_raw``: G shares its rows with red, G2 with blue."""

Number = TypeVar("Number", bound=np.generic)
Site = tuple[int, int]
"""(row, column) of a photosite in its cell."""


@dataclass(frozen=True)
class Layout:
    """Which photosite of a colour filter array goes to which plane."""

    name: Literal["bayer", "x-trans"]
    subpixels: int
    """Side of a cell, in photosites."""
    colours: tuple[str, ...]
    """Rows of the pattern of R, G and B."""
    sites: tuple[tuple[tuple[Site, ...], ...], ...] = field(repr=False)
    """For each cell of the pattern, by its row and column, the site of every plane."""

    @property
    def planes(self) -> int:
        """How many."""
        return self.subpixels**2

    @property
    def cells(self) -> int:
        """After how many cells the pattern repeats, down and across."""
        return len(self.sites)

    @cached_property
    def pattern(self) -> NDArray[np.uint8]:
        """(period, period): 0 R, 1 G, 2 B."""
        return np.array([["RGB".index(colour) for colour in row] for row in self.colours], np.uint8)

    def size(self, mosaic: NDArray[Any], origin: Site) -> tuple[int, int]:
        """(h, w) in packed pixels of a mosaic that is packed from ``origin`` on."""
        height, width = mosaic.shape
        return (height - origin[0]) // self.subpixels, (width - origin[1]) // self.subpixels

    def photosites(
        self, plane: NDArray[np.intp], row: NDArray[np.intp], column: NDArray[np.intp], origin: Site
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(row, column) in the mosaic of samples of the planes."""
        down, across = np.array(self.sites)[row % self.cells, column % self.cells, plane].T
        return origin[0] + self.subpixels * row + down, origin[1] + self.subpixels * column + across

    def origin(self, cfa: NDArray[np.uint8]) -> Site | None:
        """Where the first whole pattern of a mosaic begins; None where it has another pattern."""
        period = len(self.pattern)
        if cfa.shape != self.pattern.shape:
            return None
        colours = np.where(cfa == 3, 1, cfa)
        return next(
            (
                (top, left)
                for top, left in product(range(period), repeat=2)
                if (np.roll(colours, (-top, -left), (0, 1)) == self.pattern).all()
            ),
            None,
        )


BAYER: Final = Layout("bayer", 2, ("RG", "GB"), sites=((((0, 0), (0, 1), (1, 1), (1, 0)),),))
_GREENS: Final = ((1, 0), (1, 1), (2, 0), (2, 1))
X_TRANS: Final = Layout(
    "x-trans",
    3,
    ("RBGBRG", "GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB"),
    sites=(
        (((0, 0), (0, 2), (0, 1), (1, 2), (2, 2), *_GREENS), ((0, 1), (0, 2), (0, 0), (2, 2), (1, 2), *_GREENS)),
        (((0, 1), (0, 2), (0, 0), (2, 2), (1, 2), *_GREENS), ((0, 0), (0, 2), (0, 1), (1, 2), (2, 2), *_GREENS)),
    ),
)


def layout_of(cfa: NDArray[np.uint8]) -> tuple[Layout, Site]:
    """How a mosaic is packed, and from which photosite on. RawError for what is neither Bayer nor X-Trans."""
    for layout in (BAYER, X_TRANS):
        origin = layout.origin(cfa)
        if origin is not None:
            return layout, origin
    raise RawError(f"the colour filter array {cfa.tolist()} cannot be packed: it is neither Bayer nor X-Trans")


def pack(mosaic: NDArray[Number], cfa: NDArray[np.uint8]) -> NDArray[Number]:
    """(H, W) mosaic -> (P, h, w) planes, whole cells from the pattern's origin on; see `Layout`.

    The planes lie channels-last in memory: torch's channels_last convolutions take them as they are. RawError where
    ``cfa`` is neither Bayer nor X-Trans.
    """
    layout, (top, left) = layout_of(cfa)
    height, width = layout.size(mosaic, (top, left))
    packed = np.empty((height, width, layout.planes), mosaic.dtype)
    _between(mosaic[top : top + layout.subpixels * height, left : left + layout.subpixels * width], packed, layout)
    return np.moveaxis(packed, -1, 0)


def unpack(planes: NDArray[Number]) -> NDArray[Number]:
    """(P, h, w) planes -> (s h, s w) mosaic that begins as the pattern does: the inverse of `pack`."""
    layout = BAYER if len(planes) == BAYER.planes else X_TRANS
    _, height, width = planes.shape
    mosaic = np.empty((layout.subpixels * height, layout.subpixels * width), planes.dtype)
    _between(mosaic, np.moveaxis(planes, 0, -1), layout, to_mosaic=True)
    return mosaic


def _between(mosaic: NDArray[Any], packed: NDArray[Any], layout: Layout, *, to_mosaic: bool = False) -> None:
    step, side = layout.cells, layout.subpixels
    for row, column in product(range(step), repeat=2):
        for plane, (y, x) in enumerate(layout.sites[row][column]):
            sites = mosaic[side * row + y :: side * step, side * column + x :: side * step]
            cells = packed[row::step, column::step, plane]
            if to_mosaic:
                sites[...] = cells
            else:
                cells[...] = sites


@dataclass(frozen=True)
class Levels:
    """Black and white of one frame."""

    black_dn: tuple[float, ...]
    """Of each plane."""
    white_dn: float

    @classmethod
    def of(cls, frame: Frame, cfa: NDArray[np.uint8]) -> Self:
        """The levels that were measured on this frame; RawError as in `measured`."""
        try:
            return cls.measured(*frame.levels, cfa)
        except RawError as error:
            raise RawError(f"{frame.path}: {error}") from error

    @classmethod
    def measured(cls, black: BlackLevel, white: WhiteLevel, cfa: NDArray[np.uint8]) -> Self:
        """The levels as they were measured; RawError where ``cfa`` is neither Bayer nor X-Trans, or they do not fit it.

        Where the photosites of one plane differ in black, it is their mean.
        """
        # Black is listed row by row from the mosaic's origin, wherever the pattern begins there.
        period = len(cfa)
        if len(black.per_plane_dn) != period**2:
            raise RawError(f"{len(black.per_plane_dn)} black levels do not fit a {period} x {period} mosaic")
        by_site = np.tile(np.reshape(black.per_plane_dn, (period, period)), (2, 2))
        planes = pack(by_site, cfa)[:, :period, :period]
        layout, _ = layout_of(cfa)
        return cls(tuple(planes[:, : layout.cells, : layout.cells].mean(axis=(1, 2)).tolist()), white.dn)
