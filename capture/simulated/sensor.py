"""The sensor: from electrons per second to raw numbers.

raw = round((S + N(0, read noise) + offset) / gain + black), clipped at the white level, where S is Poisson
distributed with mean exposure x (radiance x photo response + dark current). Gains, white levels and the read noise
at ISO 100 and 6400 are measured values of an EOS 6D; what nobody has published is a guess and called one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import UsageError

ROWS_PER_BLOCK = 16  # keeps the temporaries of an exposure inside the second-level cache


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


@dataclass(frozen=True)
class SensorParameters:
    """What characterises a sensor. ``_rms`` are standard deviations from pixel to pixel."""

    black_dn: float = 2048.0  # RawTherapee, LibRaw
    full_well_e: float = 79546.0  # Magic Lantern, saturation at ISO 100
    # Noise before and after the ISO amplifier, solved from 26 e- at ISO 100 (quoted) and 1.7 e- at ISO 6400 (measured).
    upstream_noise_e: float = 1.648
    downstream_noise_dn: float = 4.39
    photo_response_rms: float = 0.006  # guess, relative
    offset_rms_e: float = 0.30  # guess
    column_offset_rms_e: float = 0.12  # guess
    row_offset_rms_e: float = 0.06  # guess
    dark_current_e_per_s: float = 0.05  # guess, at room temperature
    hot_pixel_fraction: float = 2e-4  # guess
    hot_pixel_median_e_per_s: float = 3.0  # guess; rates are log-normal
    hot_pixel_spread: float = 1.3  # guess, standard deviation of the logarithm

    def gain_e_per_dn(self, iso: int) -> float:
        """Electrons per raw number: measured at full stops, interpolated between them in the logarithm.

        Below ISO 100 the amplifier stays at 100 (belief: Canon's "L" only changes how the file is developed).
        """
        isos, gains = np.log(list(_GAIN_E_PER_DN)), np.log(list(_GAIN_E_PER_DN.values()))
        return float(np.exp(np.interp(np.log(iso), isos, gains)))

    def read_noise_e(self, iso: int) -> float:
        """Standard deviation of a dark pixel of zero exposure, from frame to frame."""
        return float(np.hypot(self.upstream_noise_e, self.downstream_noise_dn * self.gain_e_per_dn(iso)))

    def white_dn(self, iso: int) -> int:
        """Highest raw number: where the converter or the pixel saturates."""
        converter = _WHITE_DN_REDUCED if iso in _REDUCED_WHITE_ISO else _WHITE_DN
        return min(converter, int(self.black_dn + self.full_well_e / self.gain_e_per_dn(iso)))


@dataclass(frozen=True)
class FixedPattern:
    """How the pixels of one body differ from each other, the same in all its frames.

    A pixel's response and offset are kept as ranks 0..255 in a normal distribution, uint8 (rows, columns): a tenth
    of the time and a quarter of the memory of normal deviates, and nothing in a picture tells the difference.
    """

    parameters: SensorParameters
    response_rank: NDArray[np.uint8] = field(repr=False)
    offset_rank: NDArray[np.uint8] = field(repr=False)
    column_offset_e: NDArray[np.float32] = field(repr=False)
    row_offset_e: NDArray[np.float32] = field(repr=False)
    hot_pixel: NDArray[np.intp] = field(repr=False)  # index into the flattened frame, ascending
    hot_e_per_s: NDArray[np.float32] = field(repr=False)

    def photo_response(self, rows: slice) -> NDArray[np.float32]:
        """Response relative to the mean of 1."""
        table = 1 + self.parameters.photo_response_rms * _NORMAL_QUANTILES
        return np.asarray(cv2.LUT(self.response_rank[rows], table), np.float32)

    def offset_e(self, rows: slice) -> NDArray[np.float32]:
        """What is added to every frame, electrons."""
        table = self.parameters.offset_rms_e * _NORMAL_QUANTILES
        offset = np.asarray(cv2.LUT(self.offset_rank[rows], table), np.float32)
        offset += self.column_offset_e
        offset += self.row_offset_e[rows, None]
        return offset

    def add_dark_current(self, rows: slice, e_per_s: NDArray[np.float32]) -> None:
        """Add to the electrons per second of these rows what comes without light."""
        e_per_s += np.float32(self.parameters.dark_current_e_per_s)
        columns = self.response_rank.shape[1]
        first, last = np.searchsorted(self.hot_pixel, (rows.start * columns, rows.stop * columns))
        # Two hot pixels may fall together: then both rates count.
        np.add.at(e_per_s.ravel(), self.hot_pixel[first:last] - rows.start * columns, self.hot_e_per_s[first:last])


_NORMAL_QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)], np.float32)


def fixed_pattern(serial: str, geometry: Geometry, parameters: SensorParameters) -> FixedPattern:
    """The pattern of the body with this serial number: the same whenever it is made."""
    seed = int.from_bytes(hashlib.sha256(serial.encode()).digest()[:16], "big")
    rng = np.random.Generator(np.random.SFC64(seed))
    rows, columns = geometry.shape
    response, offset = (rng.integers(0, 256, geometry.shape, np.uint8) for _ in range(2))
    hot = round(parameters.hot_pixel_fraction * rows * columns)
    return FixedPattern(
        parameters=parameters,
        response_rank=response,
        offset_rank=offset,
        column_offset_e=rng.normal(0, parameters.column_offset_rms_e, columns).astype(np.float32),
        row_offset_e=rng.normal(0, parameters.row_offset_rms_e, rows).astype(np.float32),
        hot_pixel=np.sort(rng.integers(0, rows * columns, hot)),
        hot_e_per_s=(parameters.hot_pixel_median_e_per_s * rng.lognormal(0, parameters.hot_pixel_spread, hot)).astype(
            np.float32
        ),
    )


def expose(
    radiance_e_per_s: NDArray[np.float32],
    pattern: FixedPattern,
    *,
    light: float,
    iso: int,
    shutter_s: float,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """One frame, uint16 (rows, columns), of a Bayer mosaic of radiance; masked pixels have none.

    ``light`` multiplies the radiance (aperture, brightness of the scene).

    Raises UsageError where radiance and pattern are not of one size.
    """
    if radiance_e_per_s.shape != pattern.response_rank.shape:
        raise UsageError(f"radiance is {radiance_e_per_s.shape}, the sensor {pattern.response_rank.shape}")
    parameters = pattern.parameters
    gain, white = parameters.gain_e_per_dn(iso), parameters.white_dn(iso)
    read_noise = parameters.read_noise_e(iso)
    height, _ = radiance_e_per_s.shape
    raw = np.empty_like(radiance_e_per_s, np.uint16)
    for start in range(0, height, ROWS_PER_BLOCK):
        rows = slice(start, min(start + ROWS_PER_BLOCK, height))
        electrons = pattern.photo_response(rows)
        electrons *= radiance_e_per_s[rows]
        electrons *= np.float32(light)
        pattern.add_dark_current(rows, electrons)
        electrons *= np.float32(shutter_s)
        _add_noise(electrons, read_noise, rng)
        electrons += pattern.offset_e(rows)
        numbers = electrons
        numbers *= np.float32(1 / gain)
        numbers += np.float32(parameters.black_dn + 0.5)  # the conversion to integers truncates
        raw[rows] = np.clip(numbers, 0, white, out=numbers)
    return raw


def _add_noise(electrons: NDArray[np.float32], read_noise_e: float, rng: np.random.Generator) -> None:
    """Turn mean numbers of electrons into drawn ones plus read noise, in place.

    The sum of a Poisson and a normal variable is drawn from one normal deviate z by the expansion of Cornish and
    Fisher (1938) up to the third cumulant: mean + sd z + (mean / sd**2) (z**2 - 1) / 6. With read noise of 1.6 e-
    or more the distribution function is off by at most 0.0014 and the variance by 0.33 %, both near 3 e-; the steps
    of whole electrons are smeared out beyond notice.
    """
    z = rng.standard_normal(electrons.shape, np.float32)
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
