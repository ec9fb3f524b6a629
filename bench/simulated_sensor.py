"""What the frames of the simulated camera say about its sensor: python bench/simulated_sensor.py [FRAMES]

Takes FRAMES (50) dark and as many flat frames at ISO 200, 1600 and 12800, and dark frames of several lengths, on the
small sensor at f/5.6, warm from a session without a pause; decodes them through LibRaw; prints what they give back
beside what they were made with. Only that last column knows the parameters: the other comes from the CR2 files alone.

Black is the mean of the masked columns of the shortest darks. Read noise: temporal variance of a pixel in the shortest
darks. Gain: photon transfer, (mean of flats - darks) / (variance of flats - darks). White: the highest number of an
overexposed flat. Dark current: the slope of the mean of the left half, hot pixels left out, against the length of the
darks. Hot pixels: the slopes of the pixels that are hot in the middle length; their median is compared with that of the
same pixels in the pattern of the body.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
from measure_frames import RawNumbers, decoded, pair_variance
from numpy.typing import NDArray

from sidcap.capture.simulated.frame import FrameMaker, Shot
from sidcap.capture.simulated.sensor import SMALL_SENSOR, SensorParameters, fixed_pattern
from sidcap.capture.simulated.thermal import Activity

SERIAL = "000000006001"
ISOS = (200, 1600, 12800)
BRIGHT_EV = 10.0
SHORTEST_S = 1 / 4096
DARK_LENGTHS_S = (2.0, 8.0, 32.0)
HOT_E = 60.0  # in the middle length: far above noise
AIR_C = 20.0
SENSOR_C = AIR_C + Activity.EXPOSING.value  # it warms no further
PARAMETERS = SensorParameters()
SHOT = Shot(
    iso=200,
    shutter_s=SHORTEST_S,
    nominal_shutter=Fraction(1, 4000),
    aperture=5.6,
    scene="capped",
    start_s=0.0,
    taken=datetime(2024, 11, 5, 21, 30, tzinfo=UTC),
    frame_number=1,
    sensor_c=SENSOR_C,
)


@dataclass(frozen=True)
class Row:
    iso: int
    quantity: str
    measured: float
    made_with: float

    def __str__(self) -> str:
        off = self.measured / self.made_with - 1
        return f"{self.iso:6}  {self.quantity:34} {self.measured:10.4f} {self.made_with:10.4f} {off:+8.2%}"


def frames(maker: FrameMaker, shot: Shot, count: int) -> Iterator[RawNumbers]:
    """So many frames of one kind, one at a time."""
    return (decoded(maker.make(replace(shot, frame_number=n))) for n in range(1, count + 1))


def mean_frame(numbers: Iterable[RawNumbers]) -> NDArray[np.float64]:
    total, count = np.zeros(SMALL_SENSOR.shape), 0
    for frame in numbers:
        total += frame.numbers
        count += 1
    return total / count


def light_and_noise(iso: int, count: int) -> Iterator[Row]:
    """Black, white, gain, read noise."""
    maker = FrameMaker(serial=SERIAL, size="small", light_ev=BRIGHT_EV)
    dark = replace(SHOT, iso=iso)
    half_way_s = 0.5 * (15283 - 2048) * PARAMETERS.gain_e_per_dn(iso) / (18.5 / 4 * 2**BRIGHT_EV)
    flat = replace(dark, scene="flat", shutter_s=half_way_s)

    blacks, dark_levels, flat_levels = [], [], []

    def lit(of: Iterable[RawNumbers], levels: list[float]) -> Iterator[NDArray[np.float32]]:
        for frame in of:
            blacks.append(frame.black_dn)
            green = frame.lit[0::2, 1::2]
            levels.append(float(green.mean(dtype=np.float64)))
            yield green

    dark_variance = pair_variance(lit(frames(maker, dark, count), dark_levels))
    black = np.mean(blacks)
    flat_variance = pair_variance(lit(frames(maker, flat, count), flat_levels))
    gain = (np.mean(flat_levels) - np.mean(dark_levels)) / (flat_variance - dark_variance)
    white = decoded(maker.make(replace(flat, shutter_s=10 * half_way_s))).numbers.max()
    yield Row(iso, "gain, e-/DN", float(gain), PARAMETERS.gain_e_per_dn(iso))
    yield Row(iso, "read noise, e-", float(np.sqrt(dark_variance) * gain), PARAMETERS.read_noise_e(iso))
    yield Row(iso, "black, DN", float(black), PARAMETERS.black_dn)
    yield Row(iso, "white, DN", float(white), PARAMETERS.white_dn(iso))


def dark_growth(iso: int, count: int, gain: float) -> Iterator[Row]:
    """Dark current and hot pixels, from darks of several lengths and the measured ``gain``, e-/DN."""
    maker = FrameMaker(serial=SERIAL, size="small")
    warmer = PARAMETERS.thermal_factor(SENSOR_C)
    of_length = [
        gain * mean_frame(frames(maker, replace(SHOT, iso=iso, shutter_s=length_s), max(count // 3, 2)))
        for length_s in DARK_LENGTHS_S
    ]
    left_half = np.s_[:, : SMALL_SENSOR.columns // 2]
    levels = [float(np.mean(_without_tails(frame[left_half]))) for frame in of_length]
    slope = float(np.polyfit(DARK_LENGTHS_S, levels, 1)[0])
    yield Row(iso, "dark current, e-/s", slope, PARAMETERS.dark_current_e_per_s * warmer)

    white_e = (PARAMETERS.white_dn(iso) - PARAMETERS.black_dn) * gain
    above = [frame - level for frame, level in zip(of_length, levels, strict=True)]
    hot = (above[1] > HOT_E) & (above[2] < 0.9 * white_e)
    slopes = np.polyfit(DARK_LENGTHS_S, np.array([frame[hot] for frame in above]), 1)[0]
    pattern = fixed_pattern(SERIAL, SMALL_SENSOR, PARAMETERS)
    rates = np.zeros(SMALL_SENSOR.shape)
    np.add.at(rates.ravel(), pattern.hot_pixel, pattern.hot_e_per_s)
    name = f"hot pixels, median e-/s ({hot.sum()} of them)"
    yield Row(iso, name, float(np.median(slopes)), warmer * float(np.median(rates[hot])))


def _without_tails(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the half in ten thousand at either end: no hot pixels."""
    low, high = np.quantile(values, (0.0005, 0.9995))
    return values[(values >= low) & (values <= high)]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print(f"{count} darks and {count} flats per ISO, small sensor, f/5.6, sensor at {SENSOR_C:g} C")
    print("   ISO  quantity                             measured  made with      off")
    for iso in ISOS:
        gain, *others = light_and_noise(iso, count)
        for row in (gain, *others, *dark_growth(iso, count, gain.measured)):
            print(row, flush=True)


if __name__ == "__main__":
    main()
