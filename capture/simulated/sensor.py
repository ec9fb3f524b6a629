"""The sensor: from electrons per second to raw numbers.

raw = round((S + N(0, read noise) + offset + row noise) / gain + black), clipped at the white level, where S is Poisson
distributed with mean exposure x (radiance x photo response + dark current + amplifier glow). Gains, white levels and
the read noise at ISO 100 and 6400 are measured values of an EOS 6D; what nobody has published is a guess and called
one. Noise that arises before the ISO amplifier counts in electrons, what comes after it in raw numbers: the latter is
what makes bands visible at low ISO only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import prod
from statistics import NormalDist
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import UsageError

Number = TypeVar("Number", bound=np.generic)

ROWS_PER_BLOCK = 8  # keeps the temporaries of an exposure inside the second-level cache


@dataclass(frozen=True)
class Geometry:
    """Where things are on the sensor, in raw pixels.

    Light falls on the rows from ``top`` and the columns from ``left`` on; what lies above and to the left is masked.
    The pixel at (top, left) is red, RGGB. ``crop`` is what the file declares as the picture: left, top, and the last
    column and row inside.
    """

    columns: int
    rows: int
    crop: tuple[int, int, int, int]
    label: str
    left: int = 72
    top: int = 38

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns


FULL_SENSOR = Geometry(columns=5568, rows=3708, crop=(84, 50, 5555, 3697), label="sidcap simulated camera")
# LibRaw shows 1024 x 1536 of it: three to two as the full frame, and a multiple of 32 for the network.
SMALL_SENSOR = Geometry(
    columns=1612, rows=1064, crop=(72, 38, 1608, 1062), label="sidcap simulated camera, small sensor"
)

# Magic Lantern measurements of the 6D; above ISO 6400 extrapolated by halving.
_GAIN_E_PER_DN = {
    100: 5.92, 200: 3.14, 400: 1.54, 800: 0.78, 1600: 0.388, 3200: 0.191, 6400: 0.095, 12800: 0.047, 25600: 0.0235,
}  # fmt: skip
_WHITE_DN = 15283  # RawTherapee camconst, EOS 6D
_WHITE_DN_REDUCED = 13225
_REDUCED_WHITE_ISO = frozenset((160, 320, 640, 1250, 2500, 5000, 10000, 20000))  # RawTherapee camconst


# What the body multiplies the finished numbers by at wide apertures: RawTherapee camconst for f/2.8 and f/2; that it is
# 1 from f/4 on and goes on rising below f/2 is a guess.
_SCALING_AT_F_NUMBER = ((1.4, 1.062), (2.0, 1.030), (2.8, 1.010), (4.0, 1.0))


@dataclass(frozen=True)
class SensorParameters:
    """What characterises a sensor. ``_rms`` are standard deviations from pixel to pixel, row or column."""

    black_dn: float = 2048.0  # RawTherapee, LibRaw
    full_well_e: float = 79546.0  # Magic Lantern, saturation at ISO 100
    # Noise before and after the ISO amplifier, solved from 26 e- at ISO 100 (quoted) and 1.7 e- at ISO 6400 (measured).
    upstream_noise_e: float = 1.648
    downstream_noise_dn: float = 4.39

    # The same in every frame of a body.
    photo_response_rms: float = 0.006  # guess, relative
    offset_rms_e: float = 0.30  # guess
    column_offset_rms_e: float = 0.12  # guess
    column_offset_rms_dn: float = 0.30  # guess
    row_offset_rms_e: float = 0.06  # guess

    # Drawn anew for each frame. One tenth of the pixels' noise is where the eye begins to see lines.
    row_noise_rms_e: float = 0.10  # guess
    row_noise_rms_dn: float = 0.35  # guess
    banding_rms_dn: float = 0.50  # guess; bands of about banding_width_rows
    banding_width_rows: float = 12.0  # guess

    # What comes without light, at reference_c.
    dark_current_e_per_s: float = 0.05  # guess
    dark_reference_c: float = 20.0
    dark_doubling_k: float = 6.5  # measured on an EOS 1000D (fredmi.fr, "Le courant d'obscurite"); 5 to 8 on others
    hot_pixel_fraction: float = 2e-4  # guess
    hot_pixel_median_e_per_s: float = 3.0  # guess; rates are log-normal
    hot_pixel_spread: float = 1.3  # guess, standard deviation of the logarithm

    # The output amplifiers, taken to sit at the right edge. They shine (infrared, which a mask over the pixels keeps
    # off) and warm the silicon near them (which it does not).
    glow_e_per_s: float = 0.25  # guess, at the middle of the edge, at reference_c; with temperature as the dark current
    glow_reach: float = 0.06  # guess, of the width; falls to 1/e
    edge_warmth: float = 0.8  # guess, dark current at the edge relative to the rest, less 1; reaches as far

    def gain_e_per_dn(self, iso: int) -> float:
        """Electrons per raw number: measured at full stops, interpolated between them in the logarithm.

        Below ISO 100 the amplifier stays at 100 (belief: Canon's "L" only changes how the file is developed).
        """
        isos, gains = np.log(list(_GAIN_E_PER_DN)), np.log(list(_GAIN_E_PER_DN.values()))
        return float(np.exp(np.interp(np.log(iso), isos, gains)))

    def read_noise_e(self, iso: int) -> float:
        """Standard deviation of a dark pixel of zero exposure, from frame to frame, rows' noise left out."""
        return float(np.hypot(self.upstream_noise_e, self.downstream_noise_dn * self.gain_e_per_dn(iso)))

    def white_dn(self, iso: int) -> int:
        """Highest raw number: where the converter or the pixel saturates."""
        converter = _WHITE_DN_REDUCED if iso in _REDUCED_WHITE_ISO else _WHITE_DN
        return min(converter, int(self.black_dn + self.full_well_e / self.gain_e_per_dn(iso)))

    def thermal_factor(self, sensor_c: float) -> float:
        """Dark current at a temperature relative to ``dark_reference_c``."""
        return float(2 ** ((sensor_c - self.dark_reference_c) / self.dark_doubling_k))


def aperture_scaling(aperture: float) -> float:
    """What raw numbers above black are multiplied by at this f-number."""
    f_numbers, factors = zip(*_SCALING_AT_F_NUMBER, strict=True)
    return float(np.interp(np.log(aperture), np.log(f_numbers), factors))


@dataclass(frozen=True)
class FixedPattern:
    """How the pixels of one body differ from each other, the same in all its frames.

    A pixel's response and offset are kept as ranks 0..255 in a normal distribution, uint8 (rows, columns): a tenth
    of the time and a quarter of the memory of normal deviates, and nothing in a picture tells the difference.
    """

    geometry: Geometry
    parameters: SensorParameters
    response_rank: NDArray[np.uint8] = field(repr=False)
    offset_rank: NDArray[np.uint8] = field(repr=False)
    column_offset_e: NDArray[np.float32] = field(repr=False)
    column_offset_dn: NDArray[np.float32] = field(repr=False)
    row_offset_e: NDArray[np.float32] = field(repr=False)
    hot_pixel: NDArray[np.intp] = field(repr=False)  # index into the flattened frame, ascending
    hot_e_per_s: NDArray[np.float32] = field(repr=False)

    def photo_response(self, rows: slice) -> NDArray[np.float32]:
        """Response relative to the mean of 1."""
        table = 1 + self.parameters.photo_response_rms * _normal_quantiles(256)
        return np.asarray(cv2.LUT(self.response_rank[rows], table), np.float32)

    def pixel_offset_e(self, rows: slice) -> NDArray[np.float32]:
        """What each pixel adds to every frame, electrons; columns and rows left out."""
        table = self.parameters.offset_rms_e * _normal_quantiles(256)
        return np.asarray(cv2.LUT(self.offset_rank[rows], table), np.float32)

    @cached_property
    def edge(self) -> NDArray[np.float32]:
        """How near each column is to the amplifiers at the right edge: 1 there, falling exponentially."""
        columns = self.geometry.columns
        distance = np.arange(columns - 1, -1, -1) / columns
        return np.exp(-distance / self.parameters.glow_reach).astype(np.float32)

    def add_dark(self, rows: slice, e_per_s: NDArray[np.float32], sensor_c: float) -> None:
        """Add to the electrons per second of these rows what comes without light: dark current, hot pixels, glow."""
        p, columns = self.parameters, self.geometry.columns
        hotter, edge = p.thermal_factor(sensor_c), self.edge
        e_per_s += np.float32(p.dark_current_e_per_s * hotter) * (1 + np.float32(p.edge_warmth) * edge)
        first, last = np.searchsorted(self.hot_pixel, (rows.start * columns, rows.stop * columns))
        # Two hot pixels may fall together: then both rates count.
        hot = self.hot_e_per_s[first:last] * np.float32(hotter)
        np.add.at(e_per_s.ravel(), self.hot_pixel[first:last] - rows.start * columns, hot)

        lit_rows = slice(max(rows.start, self.geometry.top), rows.stop)
        near = columns - int(5 * p.glow_reach * columns)  # farther off it is below a hundredth
        height = self.geometry.rows
        along = np.sin(np.pi * (np.arange(lit_rows.start, lit_rows.stop) + 0.5) / height).astype(np.float32)
        glow = np.float32(p.glow_e_per_s * hotter) * edge[near:]
        e_per_s[lit_rows.start - rows.start :, near:] += along[:, None] * glow


@cache
def _normal_quantiles(steps: int) -> NDArray[np.float32]:
    """A normal deviate for each of so many steps of equal probability, the one in their middle."""
    return np.array([NormalDist().inv_cdf((i + 0.5) / steps) for i in range(steps)], np.float32)


def fixed_pattern(serial: str, geometry: Geometry, parameters: SensorParameters) -> FixedPattern:
    """The pattern of the body with this serial number: the same whenever it is made."""
    seed = int.from_bytes(hashlib.sha256(serial.encode()).digest()[:16], "big")
    rng = np.random.Generator(np.random.SFC64(seed))
    rows, columns = geometry.shape
    response, offset = (rng.integers(0, 256, geometry.shape, np.uint8) for _ in range(2))
    hot = round(parameters.hot_pixel_fraction * rows * columns)
    rates = parameters.hot_pixel_median_e_per_s * rng.lognormal(0, parameters.hot_pixel_spread, hot)
    return FixedPattern(
        geometry=geometry,
        parameters=parameters,
        response_rank=response,
        offset_rank=offset,
        column_offset_e=rng.normal(0, parameters.column_offset_rms_e, columns).astype(np.float32),
        column_offset_dn=rng.normal(0, parameters.column_offset_rms_dn, columns).astype(np.float32),
        row_offset_e=rng.normal(0, parameters.row_offset_rms_e, rows).astype(np.float32),
        hot_pixel=np.sort(rng.integers(0, rows * columns, hot)),
        hot_e_per_s=rates.astype(np.float32),
    )


DARKNESS = np.zeros(1, np.float32)
"""A radiance for exposures behind a closed shutter."""


def expose(
    radiance_e_per_s: NDArray[np.float32],
    pattern: FixedPattern,
    *,
    light: NDArray[np.float32] | float,
    iso: int,
    shutter_s: float,
    rng: np.random.Generator,
    sensor_c: float = 20.0,
) -> NDArray[np.uint16]:
    """One frame as the converter delivers it, uint16 (rows, columns), of a Bayer mosaic of radiance.

    Masked pixels must have no radiance; ``DARKNESS`` will do for all. ``light`` multiplies the radiance: a number, or
    one for each row. ``sensor_c`` is the mean temperature of the exposure.

    Raises UsageError where radiance and pattern are not of one size.
    """
    shape = pattern.geometry.shape
    if radiance_e_per_s is not DARKNESS and radiance_e_per_s.shape != shape:
        raise UsageError(f"radiance is {radiance_e_per_s.shape}, the sensor {shape}")
    parameters, (height, _) = pattern.parameters, shape
    gain, white = parameters.gain_e_per_dn(iso), parameters.white_dn(iso)
    read_noise = parameters.read_noise_e(iso)
    radiance = np.broadcast_to(radiance_e_per_s, shape)
    light_of_row = np.broadcast_to(np.asarray(light, np.float32), height)[:, None]
    row_offset_e = (pattern.row_offset_e + _row_noise_e(parameters, gain, height, rng))[:, None]
    column_offset_e = pattern.column_offset_e + np.float32(gain) * pattern.column_offset_dn
    raw = np.empty(shape, np.uint16)
    for start in range(0, height, ROWS_PER_BLOCK):
        rows = slice(start, min(start + ROWS_PER_BLOCK, height))
        electrons = pattern.photo_response(rows)
        electrons *= radiance[rows]
        electrons *= light_of_row[rows]
        pattern.add_dark(rows, electrons, sensor_c)
        electrons *= np.float32(shutter_s)
        _add_noise(electrons, read_noise, rng)
        electrons += pattern.pixel_offset_e(rows)
        electrons += column_offset_e
        electrons += row_offset_e[rows]
        numbers = electrons
        numbers *= np.float32(1 / gain)
        numbers += np.float32(parameters.black_dn + 0.5)  # the conversion to integers truncates
        raw[rows] = np.clip(numbers, 0, white, out=numbers)
    return raw


def without_dark(
    raw: NDArray[np.uint16], dark: NDArray[np.uint16], parameters: SensorParameters, iso: int
) -> NDArray[np.uint16]:
    """A frame less a dark one, as the body's long-exposure noise reduction leaves it; what was white stays white.

    That white stays is a guess: else highlights would turn grey by as much as the pixel is hot.
    """
    white = parameters.white_dn(iso)
    difference = raw.astype(np.int32)
    difference -= dark
    difference += round(parameters.black_dn)
    return np.where(raw >= white, white, np.clip(difference, 0, white)).astype(np.uint16)


def scaled_for_aperture(raw: NDArray[np.uint16], parameters: SensorParameters, aperture: float) -> NDArray[np.uint16]:
    """The numbers as the file has them: those above and below black spread by :func:`aperture_scaling`."""
    factor = aperture_scaling(aperture)
    if factor == 1:
        return raw
    numbers = parameters.black_dn + (np.arange(1 << 14) - parameters.black_dn) * factor
    table = np.clip(np.rint(numbers), 0, (1 << 14) - 1).astype(np.uint16)
    return looked_up(table, raw)


def looked_up(table: NDArray[Number], raw: NDArray[np.uint16]) -> NDArray[Number]:
    """``table[raw]``, a few rows at a time: on a whole frame in half the time."""
    found = np.empty(raw.shape, table.dtype)
    for start in range(0, raw.shape[0], ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        found[rows] = np.take(table, raw[rows])
    return found


def _row_noise_e(
    parameters: SensorParameters, gain_e_per_dn: float, rows: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """What each row of one frame has in common: noise from row to row, and broad bands."""
    sd_e = np.hypot(parameters.row_noise_rms_e, parameters.row_noise_rms_dn * gain_e_per_dn)
    sigma = parameters.banding_width_rows
    white = rng.standard_normal((rows, 1))
    smooth = np.asarray(cv2.GaussianBlur(white, (1, 2 * int(4 * sigma) + 1), sigma))
    # Smoothing white noise with a Gaussian leaves a variance of 1 / (2 sqrt(pi) sigma).
    bands_dn = parameters.banding_rms_dn * smooth[:, 0] * np.sqrt(2 * np.sqrt(np.pi) * sigma)
    return np.asarray(sd_e * rng.standard_normal(rows) + bands_dn * gain_e_per_dn, np.float32)


def _normal_deviates(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Normal deviates in 2**16 steps of equal probability; numpy's own take six times as long.

    The two outermost steps are open: beyond a, z is sqrt(a**2 + 2 E) with an exponential deviate E (Marsaglia 1964,
    without his rejections: at a = 4.2 few).
    """
    count = prod(shape)
    ranks = rng.integers(0, 1 << 64, -(-count // 4), np.uint64).view(np.uint16)[:count]
    z = np.take(_normal_quantiles(1 << 16), ranks)
    far = np.flatnonzero(ranks + np.uint16(1) < 2)  # the first and the last
    beyond = -NormalDist().inv_cdf(2**-16)
    z[far] = np.copysign(np.sqrt(beyond**2 + 2 * rng.standard_exponential(len(far))), z[far])
    return z.reshape(shape)


def _add_noise(electrons: NDArray[np.float32], read_noise_e: float, rng: np.random.Generator) -> None:
    """Turn mean numbers of electrons into drawn ones plus read noise, in place.

    The sum of a Poisson and a normal variable is drawn from one normal deviate z by the expansion of Cornish and
    Fisher (1938) up to the third cumulant: mean + sd z + (mean / sd**2) (z**2 - 1) / 6. With read noise of 1.6 e-
    or more the distribution function is off by at most 0.0014 and the variance by 0.33 %, both near 3 e-; the steps
    of whole electrons are smeared out beyond notice.
    """
    z = _normal_deviates(electrons.shape, rng)
    sd = electrons + np.float32(read_noise_e**2)
    skew = electrons / sd
    np.sqrt(sd, out=sd)
    sd *= z
    electrons += sd
    z *= z
    z -= np.float32(1)
    skew *= z
    skew *= np.float32(1 / 6)
    electrons += skew
