"""What the pixels say, tile by tile: the moments that the fit of a pair (`sidcap.curate.fit`) is made of.

The model, at every photosite of the short, which is never interpolated:

    short(x) = gain * (long + blur * bend of long)(x - shift) + row(y) + column(x) + noise

Row and column are free within each tile of each colour plane, so that shading, black level and the patterns of rows and
columns say nothing. The variance of the noise is known, so the fit is weighted, as the Cramer-Rao bound asks for
(Robinson and Milanfar, IEEE TIP 13(9), 2004).

Two things make plain least squares lie, and both are met by *instruments* z, which take the place of the model's
derivatives in the normal equations (Fuller, Measurement Error Models, 1987):

    sum w z (short - model) = 0

- **Noise of the long** makes its slopes look stronger than they are, and buries the fine ones. So an instrument is the
  best that the photosites around say of a slope (`sidcap.curate.instruments`). What the noise adds to the moments on
  average follows from the noise model and is taken out.
- **Fixed pattern** stands still, is in both frames, and pulls every shift towards zero. So no instrument of a photosite
  contains what the long says of that same photosite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from itertools import pairwise, repeat

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.curate.compiled import (
    COLUMNS,
    INSTRUMENTS,
    RESIDUAL,
    SEEN,
    VALUE,
    Image,
    light_at,
    means_of,
    sum_up,
    varies,
)
from sidcap.curate.instruments import Instruments, Texture
from sidcap.curate.planes import QUANTISATION_DN2, BayerPlanes, Planes
from sidcap.curate.reading import REACH_PX, WIDE_PX, WINDOW, Matrix, Reading, Region, planes_around, sizes, starts
from sidcap.data_manifest.noise import NoiseModel

LOCAL = 4
"""Parameters that a tile can tell: shift along x and y, gain, blur."""

OUTLIER_SIGMA = 6.0
"""What differs by more from the model is left out."""
_TILE = (64, 128)
"""Most rows and columns of a tile of plane pixels, about: its dozen arrays stay in a second-level cache."""
_SMALL_TILE = (48, 96)
_TILES_ACROSS = 6
"""A small frame has this many tiles a side, as long as they are not too small for free rows and columns."""
_LANES = 32
"""Widths of tiles are multiples of this, as far as possible: what is left over of a row is worked off one by one."""
_BLOCK_PX = 4
"""Light is told by blocks of so many pixels of a plane."""
_PATCHES = 16
"""So many tiles, at most, tell the texture of a frame."""
_CLIPPED_REACH = 1
"""Cells around a clipped one that are not used."""
_LEAST_USABLE = 0.05
"""A tile of which less than this is neither clipped nor broken says nothing."""
_DARK_DN = 1e-3
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Template:
    """A long frame, prepared for reading."""

    levels_dn: Matrix
    """(4,): mean of each plane."""
    dn: Planes
    """(4, h, w): `BayerPlanes.dn`."""
    light_dn: Planes
    """(4, h / 4, w / 4): mean of blocks of the planes, at least 0: how much light there is, however noisy the long."""
    usable: NDArray[np.bool_]
    """(h, w): nothing near is clipped or NaN."""

    @classmethod
    def of(cls, long: BayerPlanes) -> Template:
        """Raises numpy.linalg.LinAlgError where the long is constant."""
        means = means_of(long.dn, long.usable)
        levels = np.maximum(means, _DARK_DN)
        limits = (_ROUNDING * levels).astype(np.float32)
        if not any(map(varies, long.dn, repeat(long.usable), means.astype(np.float32), limits)):
            raise np.linalg.LinAlgError("the long is constant")
        window = np.ones((2 * _CLIPPED_REACH + 1, 2 * _CLIPPED_REACH + 1), np.uint8)
        light = np.stack([np.maximum(_blocks(plane), 0) for plane in long.dn])
        return cls(levels, long.dn, light, cv2.erode(long.usable.view(np.uint8), window).astype(np.bool_))


def _blocks(plane: Planes) -> Planes:
    """Means of blocks; what is left over at the edges counts to the last ones."""
    height, width = (max(side // _BLOCK_PX, 1) for side in plane.shape)
    whole = np.ascontiguousarray(plane[: height * _BLOCK_PX, : width * _BLOCK_PX])
    blocks = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(np.pad(blocks, (0, 1), "edge"), np.float32)


@dataclass(frozen=True)
class Motion:
    """How the content of the short lies relative to the long: moved, turned and grown about the frame's centre."""

    shift_px: tuple[float, float] = (0.0, 0.0)
    rotation: float = 0.0
    """Radians, clockwise as seen."""
    growth: float = 0.0
    """By how much the content is larger, relative."""

    def at(self, place_px: Matrix) -> tuple[float, float]:
        """Shift (x, y) at a place (x, y) relative to the frame's centre, sensor pixels."""
        x, y = (float(value) for value in place_px)
        return (
            self.shift_px[0] - self.rotation * y + self.growth * x,
            self.shift_px[1] + self.rotation * x + self.growth * y,
        )


@dataclass(frozen=True)
class Tile:
    """A part of the planes."""

    region: Region
    place_px: Matrix
    """(2,): x and y of its centre relative to the frame's centre, sensor pixels."""


@dataclass(frozen=True)
class Moments:
    """Sums over T tiles; 4 planes, 6 instruments z, 4 local parameters."""

    places_px: Matrix
    """(T, 2): `Tile.place_px`."""
    scores: Matrix
    """(T, 4, 6): sum w z residual."""
    slopes: Matrix
    """(T, 4, 6, 4): sum w z times the model's derivatives by shift x and y (sensor px), gain, and blur (px^2)."""
    scatter: Matrix
    """(T, 4, 6, 6): covariance of ``scores`` as the residuals have it (White, Econometrica 48(4), 1980)."""
    pixels: Matrix
    """(T,): how many photosites took part."""
    outliers: Matrix
    """(T,): share of the usable photosites that did not, for they differ too much from the model."""
    misfit: Matrix
    """(T,): sum of squared residuals over their variance."""
    structure: Matrix
    """(T,): what the long's local structure adds to such a sum in the short."""


def tiles_of(template: Template, motion: Motion) -> list[Tile]:
    """The part of the planes whose displaced places lie inside the long, in tiles."""
    height, width = template.usable.shape
    corners = [np.array((x, y)) for x in (-width, width) for y in (-height, height)]
    margin = (REACH_PX + math.ceil(max(abs(shift) for corner in corners for shift in motion.at(corner)))) // 2 + 1
    rows, columns = (
        _parts(margin, side - margin, min(most, max(least, side // _TILES_ACROSS)), unit)
        for side, least, most, unit in zip((height, width), _SMALL_TILE, _TILE, (1, _LANES), strict=True)
    )
    return [
        Tile((row, column), np.array((column.start + column.stop - width, row.start + row.stop - height), np.float64))
        for row in rows
        for column in columns
    ]


def _parts(start: int, stop: int, size: int, unit: int) -> list[slice]:
    """Parts of about ``size``, multiples of ``unit`` but for the last."""
    units = (stop - start) // unit
    edges = start + unit * np.linspace(0, units, max(round(units * unit / size), 1) + 1).astype(int)
    return [slice(int(one), int(other)) for one, other in pairwise([*edges[:-1], stop]) if other > one]


def every_nth(nth: int, tiles: list[Tile]) -> list[Tile]:
    """One tile in so many, from all rows and columns of the frame alike, the same each time."""
    order = np.random.default_rng(0).permutation(len(tiles))
    return [tiles[index] for index in np.sort(order[: -(-len(tiles) // nth)])]


def texture_of(template: Template, noise: NoiseModel, gain: float) -> Texture:
    """How the long varies from photosite to photosite, as far as a short of this gain shows it; from some tiles."""
    tiles = _telling(template, noise, gain, tiles_of(template, Motion()))
    height, width = (min(side) for side in zip(*(sizes(tile.region) for tile in tiles), strict=True))
    per_light, in_the_dark = (value.astype(np.float32)[:, None, None] for value in _noise_of_long(template, noise))
    per_level = (1 / template.levels_dn).astype(np.float32)[:, None, None]
    patches, of_noise = np.empty((len(tiles), 4, height, width), np.float32), np.zeros(4)
    for patch, tile in zip(patches, tiles, strict=True):
        top, left = starts(tile.region)
        region = slice(top, top + height), slice(left, left + width)
        light = light_at(template.light_dn, _BLOCK_PX, (top, left), (height, width))
        weight = template.usable[region] / (np.float32(gain) * per_light * light + in_the_dark)
        of_noise += (weight * (per_light * light + in_the_dark)).sum((1, 2), dtype=np.float64)
        white = per_level * template.dn[:, *region]
        white -= (weight * white).sum((1, 2), keepdims=True) / np.maximum(weight.sum((1, 2), keepdims=True), _DARK_DN)
        np.multiply(np.sqrt(weight), white, out=patch)
    return Texture(patches, of_noise / patches[:, 0].size)


def _telling(template: Template, noise: NoiseModel, gain: float, tiles: list[Tile]) -> list[Tile]:
    """Some tiles: those by which a lit window in a dark frame is known are among them.

    They are drawn at equal distances along what all tiles have of contrast between blocks, over the noise of the short.
    """
    height, width = (side - 1 for side in template.light_dn.shape[1:])
    seen = np.zeros((height, width), np.float32)
    for light, level, per_light, in_the_dark in zip(
        template.light_dn, template.levels_dn, *_noise_of_long(template, noise), strict=True
    ):
        contrast = np.diff(light, axis=0)[:, 1:] ** 2 + np.diff(light, axis=1)[1:] ** 2
        seen += contrast / (
            np.float32(level**2) * (np.float32(gain * per_light) * light[1:, 1:] + np.float32(in_the_dark))
        )
    seen *= template.usable[::_BLOCK_PX, ::_BLOCK_PX][:height, :width]
    tells = [
        seen[tuple(slice(part.start // _BLOCK_PX, part.stop // _BLOCK_PX) for part in tile.region)].sum()
        for tile in tiles
    ]
    along = np.cumsum(tells)
    drawn = np.searchsorted(along, (np.arange(_PATCHES) + 0.5) / _PATCHES * along[-1])
    return [tiles[index] for index in np.unique(np.minimum(drawn, len(tiles) - 1))]


def measure(
    template: Template,
    texture: Texture,
    short: BayerPlanes,
    noise: NoiseModel,
    motion: Motion,
    gain: float,
    chi2: float,
    tiles: list[Tile],
) -> Moments:
    """The moments of these tiles, where the pair is as ``motion`` and ``gain`` have it; of those that can be seen.

    ``chi2`` says how much larger than the noise residuals are as a rule: what lies six standard deviations off is left
    out.
    """
    readings: dict[tuple[float, float], _Prepared] = {}
    per_light, in_the_dark = _noise_of_long(template, noise)
    limit = np.float32(OUTLIER_SIGMA**2 * max(1.0, chi2))
    sums = []
    for tile in tiles:
        shift = motion.at(tile.place_px)
        if shift not in readings:
            readings[shift] = _Prepared.of(Reading(shift), template, texture, gain, per_light, in_the_dark)
        sums.append(_sums(template, short, readings[shift], np.float32(gain), limit, tile.region))
    if not sums:
        raise np.linalg.LinAlgError("no tile of the frames overlaps at this shift")
    products_of, scatter, of_light, pixels_of, usable_of = (np.stack(parts) for parts in zip(*sums, strict=True))
    misfit, structure = products_of[..., RESIDUAL, RESIDUAL].sum(-1), products_of[..., VALUE, VALUE].sum(-1)
    moments = products_of[..., :INSTRUMENTS, COLUMNS]
    moments[..., 3] *= 1 / WIDE_PX**2
    of_long = of_light[..., :4] * per_light + of_light[..., 4:] * in_the_dark
    corrections = {shift: prepared.noise_of_products() for shift, prepared in readings.items()}
    products, of_value = (
        np.stack(parts) for parts in zip(*(corrections[motion.at(tile.place_px)] for tile in tiles), strict=True)
    )
    # All columns have lost some of their noise to the means of rows and columns.
    sizes = np.array([[part.stop - part.start for part in tile.region] for tile in tiles])
    kept = (1 - 1 / sizes).prod(-1)
    of_centred = kept[:, None, None] * of_long
    moments[..., :4] -= np.einsum("tpq,tpqkc->tpkc", of_centred, products)
    moments[..., 4] += gain * np.einsum("tpq,tpqk->tpk", of_centred, products[..., 2])
    # Content moves against the place that is read.
    by_parameter = moments[..., :4] * np.array([-gain, -gain, 1, gain])
    pixels, usable = pixels_of.sum(-1), 4 * usable_of
    seen = usable > _LEAST_USABLE * 4 * sizes.prod(-1)
    every = Moments(
        places_px=np.stack([tile.place_px for tile in tiles]),
        scores=moments[..., 4],
        slopes=by_parameter,
        scatter=scatter,
        pixels=pixels,
        outliers=1 - pixels / np.maximum(usable, 1),
        misfit=misfit,
        structure=gain**2 * (structure - np.einsum("tpq,tpq->t", of_centred, of_value)),
    )
    return Moments(*(getattr(every, field.name)[seen] for field in fields(Moments)))


def _noise_of_long(template: Template, noise: NoiseModel) -> tuple[Matrix, Matrix]:
    """(4,), (4,): variance of a photosite over its plane's level, for each DN of light over that level, and without."""
    per_light = 1 / (noise.gain_e_per_dn * template.levels_dn**2)
    dark_dn2 = (noise.read_noise_e / noise.gain_e_per_dn) ** 2 + float(QUANTISATION_DN2)
    return per_light, dark_dn2 / template.levels_dn**2


@dataclass(frozen=True)
class _Prepared:
    """A reading, and what goes with it."""

    reading: Reading
    instruments: Instruments
    kernels: Image
    """(4, 4, 6, 6): those of the instruments, for planes in DN."""
    variances: Image
    """(4, 3): what a plane of the short is multiplied by; then the variance of its noise and of the long's as it is
    read, by light and in the dark."""

    @classmethod
    def of(
        cls,
        reading: Reading,
        template: Template,
        texture: Texture,
        gain: float,
        per_light: Matrix,
        in_the_dark: Matrix,
    ) -> _Prepared:
        through = gain**2 * reading.noise_gain
        variances = np.stack([1 / template.levels_dn, (gain + through) * per_light, (1 + through) * in_the_dark], 1)
        instruments = texture.instruments(reading)
        kernels = instruments.kernels / template.levels_dn[instruments.planes][:, None]
        return cls(reading, instruments, kernels.astype(np.float32), variances.astype(np.float32))

    def noise_of_products(self) -> tuple[Matrix, Matrix]:
        """What white noise of variance 1 in each plane of the long adds to the products of instruments with columns,
        (4, 4, 4, 4) by plane of the short and plane of the long; and to the value squared, (4, 4).
        """
        columns, planes = self.reading.columns, np.arange(4)
        of_square = np.equal.outer(self.instruments.planes, planes).reshape(4, -1, 4)
        of_window = np.equal.outer(planes_around(self.reading.first, WINDOW.size), planes).reshape(4, -1, 4)
        in_square = columns[:, *self.reading.part(self.instruments.start, SEEN)]
        products = (self.instruments.kernels[:, :, None] * in_square).reshape(4, INSTRUMENTS**2, -1) @ of_square
        by_plane = products.reshape(4, INSTRUMENTS, INSTRUMENTS, 4).transpose(0, 3, 1, 2)
        return by_plane, (columns[2] ** 2).ravel() @ of_window


def _sums(
    template: Template, short: BayerPlanes, prepared: _Prepared, gain: np.float32, limit: np.float32, region: Region
) -> tuple[Matrix, Matrix, Matrix, Matrix, int]:
    """What one tile adds up to, as `sum_up` has it; and how many cells are usable in both frames."""
    reading = prepared.reading
    nearest = reading.whole(region)
    usable = short.usable[region] & template.usable[nearest]
    light = light_at(template.light_dn, _BLOCK_PX, starts(nearest), sizes(region))
    across = reading.across(template.dn, template.levels_dn, region)
    seen_from = 2 * reading.own[0] + prepared.instruments.start[0], 2 * reading.own[1] + prepared.instruments.start[1]
    sums = sum_up(
        across,
        reading.lines,
        prepared.kernels,
        seen_from,
        short.dn,
        starts(region),
        light,
        usable,
        prepared.variances,
        gain,
        limit,
    )
    return *sums, int(np.count_nonzero(usable))
