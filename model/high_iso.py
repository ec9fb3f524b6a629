"""What high ISO leaves in a picture: pattern of rows and columns, a colour cast in the dark, the glow of an amplifier.

All of it is measured on the residual, picture less reference, of the developed pictures: values of 0..1 that are coded
for the eye, not DN. Divided by 1/255 they are levels of an 8-bit file. What both pictures have is not in the residual:
glow that grows with time is as bright in the amplified short as in the long, and does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.schema import Record
from sidcap.model.metrics import to_unit

Edge = Literal["left", "right", "top", "bottom"]
EDGES: Final[tuple[Edge, ...]] = get_args(Edge)

_STRIPS: Final = 8
"""The picture is cut into so many; a pattern is what they share."""
_SLOW_SIGMA_PX: Final = 16.0
"""Of the Gaussian that tells what is slow enough to be something else than a pattern of rows or columns."""
_DARK_SHARE: Final = 0.1
"""The darkest tenth of the reference is called dark."""
_DARK_BLUR_PX: Final = 8.0
"""Dark areas are meant, not the dark half of the noise."""
_TILES: Final = 16
"""Along each side, to fit the glow."""
_EDGE_TILES: Final = 2
"""Width of the band at an edge: an eighth of the picture."""


class Residue(Record):
    """What is left of row and column pattern, cast and glow in one picture, beside its reference."""

    row_pattern: float
    """Standard deviation of what all pixels of a row have in common and neighbouring rows have not, in 0..1."""
    column_pattern: float
    """The same of columns."""
    dark_a: float
    """Mean colour of the darkest tenth of the reference: CIELAB a* of the picture less that of the reference. Positive
    is red or magenta, negative green."""
    dark_b: float
    """The same of b*: positive is yellow, negative blue."""
    glow: Mapping[Edge, float]
    """How much brighter the residual is at each edge than in the middle, in 0..1, at equal brightness of the
    reference."""


def residue(picture: NDArray[Any], reference: NDArray[Any]) -> Residue:
    """Measure a (H, W, 3) sRGB picture beside its reference. ValueError where their shapes differ or are too small."""
    height, width = picture.shape[:2]
    if picture.shape != reference.shape or min(height, width) < 2 * _TILES:
        raise ValueError(
            f"pictures of {picture.shape} and {reference.shape} cannot be compared for what high ISO leaves"
        )
    light = _grey(reference)
    residual = _grey(picture) - light
    dark_a, dark_b = _cast(picture, reference, _dark(light))
    return Residue(
        row_pattern=row_pattern(residual),
        column_pattern=row_pattern(residual.T),
        dark_a=dark_a,
        dark_b=dark_b,
        glow=glow(residual, light),
    )


def row_pattern(residual: NDArray[np.float32]) -> float:
    """Standard deviation of the rows' offsets of a (H, W) residual, without the share that pixel noise has in them.

    The mean of every row is taken in eight strips of the picture; what is slow along the rows is taken away. A pattern
    is the same in all strips, noise is not: the variance of the strips' mean less a K-th of their variance about it is
    the pattern's (one-way analysis of variance). It may come out negative where there is no pattern; that gives 0.
    """
    strips = np.stack([strip.mean(axis=1, dtype=np.float64) for strip in np.array_split(residual, _STRIPS, axis=1)])
    fast = strips - cv2.GaussianBlur(strips, (0, 0), sigmaX=_SLOW_SIGMA_PX, sigmaY=1e-6, borderType=cv2.BORDER_REFLECT)
    common = fast.mean(axis=0)
    own = fast - common
    variance = np.mean(common**2) - np.mean(own**2) / (_STRIPS - 1)
    return float(np.sqrt(max(variance, 0.0)))


def glow(residual: NDArray[np.float32], light: NDArray[np.float32]) -> dict[Edge, float]:
    """How much brighter the residual is in a band along each edge, an eighth of the picture wide, than in the middle.

    A residual also goes with the picture's own brightness, as where the amplification is not quite right, or where
    noise is cut at black. So the means of 16 x 16 tiles are fitted, by least squares, with a parabola in the
    reference's brightness and an offset for each band. Both are (H, W).
    """
    tiles = (_TILES, _TILES)
    residual_of = cv2.resize(residual, tiles, interpolation=cv2.INTER_AREA).ravel()
    light_of = cv2.resize(light, tiles, interpolation=cv2.INTER_AREA).ravel()
    rows, columns = np.indices(tiles)
    last = _TILES - _EDGE_TILES
    bands = (columns < _EDGE_TILES, columns >= last, rows < _EDGE_TILES, rows >= last)
    model = np.stack([np.ones_like(light_of), light_of, light_of**2, *(band.ravel() for band in bands)], axis=1)
    fitted, *_ = np.linalg.lstsq(model.astype(np.float64), residual_of.astype(np.float64), rcond=None)
    return {edge: float(offset) for edge, offset in zip(EDGES, fitted[3:], strict=True)}


def glowing_edge(glows: list[Mapping[Edge, float]]) -> Edge:
    """The edge at which these residuals are brightest on average: where an amplifier glows, if one does."""
    return max(EDGES, key=lambda edge: sum(one[edge] for one in glows))


def _cast(picture: NDArray[Any], reference: NDArray[Any], dark: NDArray[np.bool_]) -> tuple[float, float]:
    """a* and b* of the mean colour of the dark area, less those of the reference."""
    colours = np.stack([to_unit(given[dark]).mean(axis=0, dtype=np.float64) for given in (picture, reference)])
    lab = cv2.cvtColor(colours[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    _, a, b = (float(difference) for difference in lab[0] - lab[1])
    return a, b


def _dark(light: NDArray[np.float32]) -> NDArray[np.bool_]:
    smooth = cv2.GaussianBlur(light, (0, 0), _DARK_BLUR_PX)
    dark: NDArray[np.bool_] = smooth <= np.quantile(smooth, _DARK_SHARE)
    return dark


def _grey(picture: NDArray[Any]) -> NDArray[np.float32]:
    """(H, W): the mean of the channels, made row by row so that a full frame takes little memory."""
    grey = np.empty(picture.shape[:2], np.float32)
    for row, colours in enumerate(picture):
        grey[row] = to_unit(colours).mean(axis=1)
    return grey
