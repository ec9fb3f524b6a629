"""Loops over photosites, compiled: the sums of one tile, and what towers over its neighbours.

`sidcap.curate.moments` says what is summed, and why. Rows are taken one by one, for they stay in a first-level cache.
As array operations, each of which walks through all of a tile on its own, the same takes three times as long.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.compiling import compiled

Image = NDArray[np.float32]
Across = tuple[Image, Image, Image, Image]
Where = NDArray[np.bool_]
Sums = NDArray[np.float64]
Pair = tuple[int, int]
"""Along y and x."""

TERMS = FOR_X, FOR_Y, FOR_VALUE, FOR_BEND, ALONG_X, ALONG_Y, VALUE, BEND, RESIDUAL = tuple(range(9))
"""What is known at a photosite: the instruments for the next four; slopes and value as read, what a Gaussian takes away
from the latter, and what the short has beyond it."""
INSTRUMENTS = 4
"""The first four are instruments."""
AS_THEY_ARE = (FOR_X, FOR_Y)
"""Those for the slopes, from which no means are taken off: those of the columns are enough."""
COLUMNS = (ALONG_X, ALONG_Y, VALUE, BEND, RESIDUAL)
"""What instruments are multiplied by: the model's derivatives, and the residual."""
MULTIPLIED = (FOR_X, FOR_Y, FOR_VALUE, FOR_BEND, VALUE, RESIDUAL)
"""What is multiplied by those: the instruments, and what tells of structure and misfit."""
TAPS = 8
BEFORE = 3
"""So many taps lie before the place that they begin at."""
SEEN, SEEN_BEFORE = 6, 2
"""Side of the square of photosites that instruments are made of, and how many of these lie before the place."""

_SCATTER_ROWS = 4
"""Of so many rows one is looked at for the covariance of the scores: a variance need not be known so well."""
_TINY = np.float32(1e-30)
_ZERO = np.float32(0)
_ONE = np.float32(1)

_compiled = compiled(fastmath=frozenset({"reassoc", "contract", "nsz"}))
"""Sums may be taken in any order; nothing else of arithmetic is loosened."""


def kept_in() -> Path | None:
    """The folder in which compiled loops are kept from one process to the next; None where there is none to write."""
    folder = cast(Any, _add).stats.cache_path
    return None if folder is None else Path(folder)


@_compiled
def _add(source: Image, factor: np.float32, target: Image) -> None:
    for column in range(target.size):
        target[column] += factor * source[column]


@_compiled
def _dot(one: Image, other: Image) -> np.float32:
    total = _ZERO
    for column in range(one.size):
        total += one[column] * other[column]
    return total


@_compiled
def _total(image: Image) -> np.float32:
    total = _ZERO
    for column in range(image.size):
        total += image[column]
    return total


@_compiled
def split(mosaic: Any, black: Image, clipped: Image, pattern: Image, planes: Image, usable: Where) -> None:
    """Into ``planes`` (4, h, w) what a mosaic has above ``black`` (4,), less ``pattern`` (4, h, w) where that is not
    empty; into ``usable`` (h, w) where all four are finite and less than ``clipped`` (4,) above black.
    """
    _, height, width = planes.shape
    for row in range(height):
        good = usable[row]
        good[:] = True
        for plane in range(4):
            source, target = mosaic[2 * row + plane // 2, plane % 2 :], planes[plane, row]
            below, limit = black[plane], clipped[plane]
            for column in range(width):
                above = np.float32(source[2 * column]) - below
                target[column] = above
                good[column] &= (above < limit) & (above > -np.inf)
            if pattern.size > 0:
                _add(pattern[plane, row], -_ONE, target)


@_compiled
def keep_what_stands_out(plane: Image, limit: np.float32, smooth: Image) -> None:
    """Put into ``smooth`` the pixels of ``plane`` that differ from it by more than ``limit``."""
    for row in range(len(plane)):
        source, target = plane[row], smooth[row]
        for column in range(target.size):
            stands_out = abs(source[column] - target[column]) > limit
            target[column] = source[column] if stands_out else target[column]


@_compiled
def means_of(planes: Image, where: Where) -> Sums:
    """(4,): mean of each plane (4, h, w) where that is True; NaN where it is nowhere."""
    totals, count = np.zeros(len(planes)), np.count_nonzero(where)
    for plane in range(len(planes)):
        for row in range(planes.shape[1]):
            of_row, here, total = planes[plane, row], where[row], _ZERO
            for column in range(here.size):
                total += of_row[column] * here[column]
            totals[plane] += total
    return totals / count


@_compiled
def varies(plane: Image, where: Where, middle: np.float32, limit: np.float32) -> bool:
    """Whether anything differs from ``middle`` by more than ``limit`` where that is True."""
    for row in range(len(plane)):
        for column in range(plane.shape[1]):
            if where[row, column] and abs(plane[row, column] - middle) > limit:
                return True
    return False


@_compiled
def towers(plane: Image, limit: np.float32) -> Where:
    """(h, w): where four fifths of a pixel exceed its eight neighbours by more than ``limit``; never on the edges."""
    height, width = plane.shape
    result, column_top = np.zeros((height, width), np.bool_), np.empty(width, np.float32)
    share = np.float32(0.8)
    for row in range(1, height - 1):
        above, here, below, target = plane[row - 1], plane[row], plane[row + 1], result[row]
        for column in range(width):
            column_top[column] = max(above[column], below[column])
        for column in range(1, width - 1):
            top = max(column_top[column - 1], column_top[column], column_top[column + 1])
            target[column] = share * here[column] - max(top, here[column - 1], here[column + 1]) > limit
    return result


@_compiled
def read_across(
    long: Image, per_level: Image, band: Image, lines: Image, size: Pair, own: Pair, start: Pair, plane_start: Pair
) -> Across:
    """What a tile of this ``size`` needs of a long, filtered along x: `read_terms` does the rest. And its planes.

    ``long`` (4, h, w): the planes around the tile, whose own photosites begin at ``own``. Times ``per_level`` (4,) and
    interlaced they are the white mosaic, and that through the filter ``band`` (5,) is the guide. ``lines`` (3, 2, 2,
    8): taps for guide, white mosaic, and what the planes have beyond the guide: value and slope, each along y and x;
    the place of the first taps is ``start`` off a photosite, in the mosaic, and ``plane_start`` in the planes.
    """
    white = _interlaced(long, per_level)
    guide = _filtered(white, band)
    rest = _beyond(white, guide)
    (rows, columns), (y, x) = size, own
    site = 2 * y + start[0], 2 * x + start[1]
    return (
        _across(guide[np.newaxis], site, (2 * rows, 2 * columns), lines[0], 2, 2),
        _across(white[np.newaxis], site, (2 * rows, 2 * columns), lines[1], 1, 2),
        _across(rest, (y + plane_start[0], x + plane_start[1]), size, lines[2], 2, 1),
        long,
    )


@_compiled
def read_terms(across: Across, lines: Image, kernels: Image, site: Pair, size: Pair, plane: int) -> Image:
    """(rows, 9, columns): all `TERMS` of the photosites of one plane of a tile, but the residual.

    ``kernels`` (4, 6, 6) make the instruments of the planes of the long; for the first photosite, the first of their
    taps lies at ``site`` of the mosaic that ``across`` holds.
    """
    guides, wides, rests, long = across
    (rows, columns), (y, x) = size, site
    terms = np.empty((rows, len(TERMS), columns), np.float32)
    for row in range(rows):
        of_row, first = terms[row], 2 * row + plane // 2
        _see(long, kernels, (2 * row + y, x), of_row)
        _down(wides, plane % 2, first, lines[1, 0, 0], 0, of_row[BEND], True)
        _down_all(guides, plane % 2, first, lines[0], of_row, True)
        for column in range(columns):
            of_row[BEND, column] -= of_row[VALUE, column]
        _down_all(rests, plane, row, lines[2], of_row, False)
    return terms


@_compiled
def _see(long: Image, kernels: Image, site: Pair, of_row: Image) -> None:
    """The instruments of a row of photosites: weighted sums of the mosaic around them, of which every second column is
    one plane's.
    """
    for_x, for_y, for_value, for_bend = of_row[FOR_X], of_row[FOR_Y], of_row[FOR_VALUE], of_row[FOR_BEND]
    of_row[:INSTRUMENTS] = _ZERO
    for down in range(SEEN):
        y = site[0] + down
        for right in range(2):
            x = site[1] + right
            source = long[2 * (y % 2) + x % 2, y // 2, x // 2 :]
            taps = kernels[:, down, right::2]
            x0, x1, x2 = taps[0, 0], taps[0, 1], taps[0, 2]
            y0, y1, y2 = taps[1, 0], taps[1, 1], taps[1, 2]
            v0, v1, v2 = taps[2, 0], taps[2, 1], taps[2, 2]
            b0, b1, b2 = taps[3, 0], taps[3, 1], taps[3, 2]
            for column in range(for_x.size):
                one, two, three = source[column], source[column + 1], source[column + 2]
                for_x[column] += x0 * one + x1 * two + x2 * three
                for_y[column] += y0 * one + y1 * two + y2 * three
                for_value[column] += v0 * one + v1 * two + v2 * three
                for_bend[column] += b0 * one + b1 * two + b2 * three


@_compiled
def _interlaced(planes: Image, factors: Image) -> Image:
    """(2 h, 2 w): the mosaic of planes (4, h, w) times their factors."""
    _, height, width = planes.shape
    mosaic = np.empty((2 * height, 2 * width), np.float32)
    for row in range(2 * height):
        for x in range(2):
            plane = 2 * (row % 2) + x
            source, factor = planes[plane, row // 2], factors[plane]
            for column in range(width):
                mosaic[row, 2 * column + x] = factor * source[column]
    return mosaic


@_compiled
def _filtered(mosaic: Image, band: Image) -> Image:
    """Through a symmetric filter of five taps along y and x; 0 along the edges, where that does not reach."""
    height, width = mosaic.shape
    result, line = np.zeros_like(mosaic), np.empty(width, np.float32)
    outer, inner, middle = band[0], band[1], band[2]
    for row in range(2, height - 2):
        above, over, here, under, below = (
            mosaic[row - 2],
            mosaic[row - 1],
            mosaic[row],
            mosaic[row + 1],
            mosaic[row + 2],
        )
        for column in range(width):
            line[column] = (
                outer * (above[column] + below[column]) + inner * (over[column] + under[column]) + middle * here[column]
            )
        target = result[row, 2 : width - 2]
        for column in range(target.size):
            target[column] = (
                outer * (line[column] + line[column + 4])
                + inner * (line[column + 1] + line[column + 3])
                + middle * line[column + 2]
            )
    return result


@_compiled
def _beyond(white: Image, guide: Image) -> Image:
    """(4, h, w): what the planes have beyond the guide."""
    height, width = white.shape[0] // 2, white.shape[1] // 2
    rest = np.empty((4, height, width), np.float32)
    for plane in range(4):
        for row in range(height):
            target, site, x = rest[plane, row], 2 * row + plane // 2, plane % 2
            for column in range(width):
                target[column] = white[site, 2 * column + x] - guide[site, 2 * column + x]
    return rest


@_compiled
def light_at(blocks: Image, side: int, first: Pair, size: Pair) -> Image:
    """(4, rows, columns): what the blocks (4, h, w), each ``side`` pixels square, say of pixels."""
    (top, left), (rows, columns) = first, size
    light, line = np.empty((len(blocks), rows, columns), np.float32), np.empty(columns, np.float32)
    for plane in range(len(blocks)):
        for row in range(rows):
            if row == 0 or (top + row) % side == 0:
                of_blocks = blocks[plane, (top + row) // side]
                for column in range(columns):
                    line[column] = of_blocks[(left + column) // side]
            light[plane, row] = line
    return light


@_compiled
def sum_up(
    across: Across,
    lines: Image,
    kernels: Image,
    seen_from: Pair,
    short: Image,
    first: Pair,
    light: Image,
    usable: Where,
    variances: Image,
    gain: np.float32,
    limit: np.float32,
) -> tuple[Sums, Sums, Sums, Sums]:
    """What a tile adds up to, by plane.

    ``across`` is what is read of the long, ``lines`` as `read_across` takes them. ``kernels`` (4, 4, 6, 6) are those of
    the instruments, for each plane of the short, which begin at ``seen_from`` in the mosaic that ``across`` holds.
    ``short`` (4, h, w): the short's planes, in which the tile begins at ``first``; ``light`` (4, rows, columns): the
    long's local mean; ``usable`` (rows, columns): where both are. ``variances`` (4, 3): what a plane of the short is
    multiplied by to be of the long's unit, and its variance by light and in the dark. Residuals whose square is beyond
    ``limit`` variances are left out.

    (4, 9, 9): products of the terms in `MULTIPLIED` with those in `COLUMNS` over the variance, means of rows and of
    columns taken off; (4, 4, 4): covariance of the instruments' with the residual; (4, 5): weighted light of each plane
    of the long, and sum of the weights; (4,): photosites.
    """
    planes, height, width = light.shape
    products, scatter = (
        np.empty((planes, len(TERMS), len(TERMS))),
        np.empty((planes, INSTRUMENTS, INSTRUMENTS)),
    )
    of_light, pixels = np.zeros((planes, planes + 1)), np.empty(planes)
    weight = np.empty((height, width), np.float32)
    for plane in range(planes):
        site = seen_from[0] + plane // 2, seen_from[1] + plane % 2
        terms = read_terms(across, lines, kernels[plane], site, (height, width), plane)
        for row in range(height):
            of_short = short[plane, first[0] + row, first[1] : first[1] + width]
            _weigh(terms[row], of_short, light[plane, row], usable[row], variances[plane], gain, weight[row])
        pixels[plane] = _without_outliers(terms, weight, limit)
        for row in range(height):
            for other in range(planes):
                of_light[plane, other] += _dot(weight[row], light[other, row])
            of_light[plane, planes] += _total(weight[row])
        products[plane] = _products(terms, weight)
        scatter[plane] = _scatter(terms, weight)
    return products, scatter, of_light, pixels


@_compiled
def _across(sources: Image, first: Pair, size: Pair, lines: Image, kinds: int, apart: int) -> Image:
    """(kinds, planes, rows, columns): value, and slope, along x around these sites and `TAPS` - 1 rows more, of which
    the first taps lie `BEFORE` it; sites ``apart`` columns on are one plane.
    """
    planes, columns = len(sources), size[1]
    top, left = first[0] - BEFORE, first[1] - BEFORE
    result = np.empty((kinds, planes * apart, size[0] + TAPS - 1, columns // apart), np.float32)
    line = np.empty(columns, np.float32)
    for plane in range(planes):
        for row in range(result.shape[2]):
            source = sources[plane, top + row, left : left + columns + TAPS - 1]
            for kind in range(kinds):
                of_kind = lines[kind, 1]
                for column in range(columns):
                    total = _ZERO
                    for tap in range(TAPS):
                        total += of_kind[tap] * source[column + tap]
                    line[column] = total
                for site in range(apart):
                    target = result[kind, plane * apart + site, row]
                    for column in range(target.size):
                        target[column] = line[apart * column + site]
    return result


@_compiled
def _down_all(across: Image, plane: int, row: int, lines: Image, of_row: Image, fresh: bool) -> None:
    """Value, slope along x and slope along y; on top of what is there, unless ``fresh``."""
    _down(across, plane, row, lines[0, 0], 0, of_row[VALUE], fresh)
    _down(across, plane, row, lines[0, 0], 1, of_row[ALONG_X], fresh)
    _down(across, plane, row, lines[1, 0], 0, of_row[ALONG_Y], fresh)


@_compiled
def _down(across: Image, plane: int, row: int, line: Image, kind: int, target: Image, fresh: bool) -> None:
    """What was filtered along x, of this ``kind``, along y."""
    source = across[kind, plane, row : row + TAPS]
    for column in range(target.size):
        value = _ZERO if fresh else target[column]
        for tap in range(TAPS):
            value += line[tap] * source[tap, column]
        target[column] = value


@_compiled
def _weigh(
    of_row: Image, short: Image, light: Image, usable: Where, variance: Image, gain: np.float32, weight: Image
) -> None:
    residual = of_row[RESIDUAL]
    unit, by_light, in_the_dark = variance[0], variance[1], variance[2]
    for column in range(weight.size):
        weight[column] = usable[column] * (_ONE / (light[column] * by_light + in_the_dark))
    residual[:] = _ZERO
    _add(short, unit, residual)
    _add(of_row[VALUE], -gain, residual)


@_compiled
def _without_outliers(terms: Image, weight: Image, limit: np.float32) -> float:
    """Take the mean off the residuals and the weight off what lies beyond; how many photosites are left."""
    total, weights = 0.0, 1e-30
    for row in range(len(weight)):
        total += float(_dot(terms[row, RESIDUAL], weight[row]))
        weights += float(_total(weight[row]))
    mean, pixels = np.float32(total / weights), 0
    for row in range(len(weight)):
        residual, of_row = terms[row, RESIDUAL], weight[row]
        for column in range(of_row.size):
            residual[column] -= mean
            inside = residual[column] * residual[column] * of_row[column] < limit
            of_row[column] = of_row[column] if inside else _ZERO
            pixels += of_row[column] > _ZERO
    return float(pixels)


@_compiled
def _products(terms: Image, weight: Image) -> Sums:
    """Weighted products of the terms, from which means of rows and then of columns are taken off."""
    height, count, width = terms.shape
    products = np.zeros((count, count))
    columns, of_columns = np.zeros((count, width), np.float32), np.full(width, _TINY)
    weighted = np.empty(width, np.float32)
    for row in range(height):
        of_row, of_weight = terms[row], weight[row]
        _take_off_means(of_row, of_weight)
        _add(of_weight, _ONE, of_columns)
        for one in range(count):
            for column in range(width):
                weighted[column] = of_row[one, column] * of_weight[column]
                columns[one, column] += weighted[column]
            if one in MULTIPLIED:
                _add_products(weighted, of_row, products[one])
    for one in range(count):
        for column in range(width):
            weighted[column] = -columns[one, column] / of_columns[column]
        if one in MULTIPLIED:
            _add_products(weighted, columns, products[one])
        if one not in AS_THEY_ARE:
            for row in range(0, height, _SCATTER_ROWS):
                _add(weighted, _ONE, terms[row, one])
    return products


@_compiled
def _take_off_means(of_row: Image, weight: Image) -> None:
    """Weighted means over a row."""
    total = _total(weight) + _TINY
    for one in range(len(of_row)):
        if one not in AS_THEY_ARE:
            mean = _dot(of_row[one], weight) / total
            for column in range(weight.size):
                of_row[one, column] -= mean


@_compiled
def _add_products(one: Image, terms: Image, products: Sums) -> None:
    """Add the products of one term with each in `COLUMNS`, in one go: every value is fetched once."""
    along_x, along_y, value, bend, residual = (
        terms[ALONG_X],
        terms[ALONG_Y],
        terms[VALUE],
        terms[BEND],
        terms[RESIDUAL],
    )
    with_x, with_y, with_value, with_bend, with_residual = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
    for column in range(one.size):
        with_x += one[column] * along_x[column]
        with_y += one[column] * along_y[column]
        with_value += one[column] * value[column]
        with_bend += one[column] * bend[column]
        with_residual += one[column] * residual[column]
    products[ALONG_X] += with_x
    products[ALONG_Y] += with_y
    products[VALUE] += with_value
    products[BEND] += with_bend
    products[RESIDUAL] += with_residual


@_compiled
def _scatter(terms: Image, weight: Image) -> Sums:
    """Sum over some rows of the squares of what the instruments add to the scores."""
    height, _, width = terms.shape
    scatter = np.zeros((INSTRUMENTS, INSTRUMENTS))
    of_row, rows = np.empty((INSTRUMENTS, width), np.float32), 0
    for row in range(0, height, _SCATTER_ROWS):
        rows += 1
        for one in range(INSTRUMENTS):
            for column in range(width):
                of_row[one, column] = terms[row, one, column] * terms[row, RESIDUAL, column] * weight[row, column]
            for other in range(one + 1):
                scatter[one, other] += _dot(of_row[one], of_row[other])
    for one in range(INSTRUMENTS):
        for other in range(one + 1):
            scatter[one, other] *= height / rows
            scatter[other, one] = scatter[one, other]
    return scatter
