"""What calibration finds of a simulated body, beside what it was made with.

    python bench/calibration.py [SIZE] [REPEATS]

SIZE is full (default) or small, REPEATS (5) the darks of each exposure. For ISO 200, 1600 and 12800: darks of 1/32, 2
and 32 s and pairs of flats at seven levels, as CR2 files, are brought into a dataset and calibrated with, in a process
of its own whose peak memory is printed. Then pairs of six scenes tell their own noise (small sensor).

Glow is compared by the same definition on the true map; hot is what stands out by six times the read noise of a frame
in the longest dark. "left in the dark map": what a calibrated dark of 10 s still has of the fixed pattern, ordinary
photosites only, beside what the mean of all darks would leave at best (read noise over the root of their number).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from calibrated_body import PARAMETERS, SHOT, CalibratedBody

from sidcap.capture.simulated.frame import FrameMaker, SensorSize
from sidcap.curate.calibration import calibrate, groups
from sidcap.curate.dark_shading import glow_dn_per_s
from sidcap.curate.pair_noise import noise_of_pair
from sidcap.data_manifest.calibration_frames import Kind, bring_in
from sidcap.data_manifest.errors import SidcapError
from sidcap.data_manifest.raw import read_raw
from sidcap.data_manifest.schema import Measured, SensorRecord
from sidcap.data_manifest.sensor import DarkMaps, Sensor
from sidcap.data_manifest.store import Store

ISOS = (200, 1600, 12800)
DARKS_S = (1 / 32, 2.0, 32.0)
LEVELS = (0.033, 0.066, 0.13, 0.25, 0.4, 0.6, 4.0)
SEEN_S = 10.0
LIGHT_EV = {12800: 2.0, 1600: 5.0, 200: 8.0}
RATIOS = (10.08, 101.6, 322.5)


def main() -> None:
    size: SensorSize = "small" if "small" in sys.argv[1:] else "full"
    repeats = next((int(word) for word in sys.argv[1:] if word.isdigit()), 5)
    body = CalibratedBody(size)
    print(
        f"{size} sensor, {repeats} darks of each of {len(DARKS_S)} exposures, 2 flats at each of {len(LEVELS)} levels"
    )
    print("   ISO  quantity                       measured        ±  made with      off")
    for iso in ISOS:
        with tempfile.TemporaryDirectory() as folder:
            store = Store.create(Path(folder, "set"))
            shoot(body, iso, repeats, store)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                calibrate_s, load_s, peak_mb = pool.apply(timed, (store.root,))
            (record,) = store.calibration().sensors
            sensor = store.sensor(record.camera, iso)
            assert sensor is not None
            for line in compared(body, record, sensor, repeats):
                print(f"{iso:6}  {line}", flush=True)
        print(f"{iso:6}  calibrated in {calibrate_s:.1f} s, loaded in {load_s:.2f} s, peak memory {peak_mb:.0f} MB")
    print("\nnoise of a pair from itself, small sensor: gain and read noise, off by")
    for line in pairs():
        print(line, flush=True)


def shoot(body: CalibratedBody, iso: int, repeats: int, store: Store) -> None:
    """Darks and flats as a photographer would have them on disk, brought into a dataset."""
    folder = store.root.parent / "files"
    kinds: tuple[tuple[Kind, Iterator[Path]], ...] = (
        ("dark", body.darks(folder, iso, DARKS_S, repeats)),
        ("flat", body.flats(folder, iso, LEVELS)),
    )
    for kind, files in kinds:
        for file in files:
            bring_in(store, kind, file)
            file.unlink()


def timed(root: Path) -> tuple[float, float, float]:
    """Seconds to calibrate and to load, and the most memory that took, MB."""
    store = Store.open(root)
    (group,) = groups(store)
    start = time.perf_counter()
    calibrate(store, group)
    middle = time.perf_counter()
    store.sensor(group.camera, group.iso)
    end = time.perf_counter()
    return middle - start, end - middle, peak_mb()


def peak_mb() -> float:
    """The most memory that this process has had resident; getrusage would count the one that started it (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1e3


def compared(body: CalibratedBody, record: SensorRecord, sensor: Sensor, repeats: int) -> Iterator[str]:
    iso, hot, dark = record.iso, sensor.hot, sensor.dark_dn(SEEN_S)
    assert hot is not None
    assert dark is not None
    truth = body.truth(iso, DARKS_S[-1], hot.shape)
    rate = truth.rate_e_per_s.astype(np.float16)
    black = record.black_dn
    assert black is not None
    yield row("gain, e-/DN", record.gain_e_per_dn, PARAMETERS.gain_e_per_dn(iso))
    yield row("read noise, e-", record.read_noise_e, PARAMETERS.read_noise_e(iso))
    yield row("black, DN", Measured(value=sum(plane.value for plane in black) / 4), PARAMETERS.black_dn)
    yield row("white, DN", Measured(value=record.white_dn or 0.0), PARAMETERS.white_dn(iso))
    yield row("dark current, e-/s", record.dark_current_e_per_s, truth.dark_current_e_per_s)
    yield row("glow, e-/s", record.glow_e_per_s, glow_dn_per_s(DarkMaps(rate, rate, truth.hot)))
    both = int((hot & truth.hot).sum())
    yield f"hot pixels: {hot.sum()} of {truth.hot.sum()}, recall {both / truth.hot.sum():.2%}, precision " + (
        f"{both / hot.sum():.2%}"
    )
    ordinary = ~(hot | truth.hot)
    true_dn = truth.offset_dn + truth.rate_e_per_s / np.float32(PARAMETERS.gain_e_per_dn(iso)) * np.float32(SEEN_S)
    averaged = PARAMETERS.read_noise_e(iso) / PARAMETERS.gain_e_per_dn(iso) / np.sqrt(repeats * len(DARKS_S))
    yield (
        f"fixed pattern at {SEEN_S:g} s: {true_dn[ordinary].std():.2f} DN rms; left in the dark map "
        f"{(dark - true_dn)[ordinary].std():.2f} DN, in a mean of the darks {averaged:.2f} DN at best"
    )


def row(quantity: str, measured: Measured | None, made_with: float) -> str:
    assert measured is not None
    sigma = "" if measured.sigma is None else f"{measured.sigma:.4f}"
    off = measured.value / made_with - 1
    return f"{quantity:28} {measured.value:10.4f} {sigma:>8} {made_with:10.4f} {off:+8.2%}"


def pairs() -> Iterator[str]:
    body = CalibratedBody("small")
    for iso, light_ev in LIGHT_EV.items():
        maker = FrameMaker(serial=body.serial, size="small", light_ev=light_ev)
        for shift_px in (0.0, 1.5):
            found = [one for scene in range(1, 7) for one in off_by(body, maker, iso, scene, shift_px)]
            gains, noises = (np.array(column) for column in zip(*(one for one in found if one), strict=True))
            yield (
                f"{iso:6}  {shift_px:g} px apart, six scenes, ratios {RATIOS}: gain {gains.min():+.1%} to "
                f"{gains.max():+.1%} (rms {rms(gains):.1%}), read noise {noises.min():+.1%} to {noises.max():+.1%} "
                f"(rms {rms(noises):.1%}), no answer {found.count(None)} of {len(found)}"
            )


def off_by(
    body: CalibratedBody, maker: FrameMaker, iso: int, scene: int, shift_px: float
) -> Iterator[tuple[float, float] | None]:
    """Relative errors of gain and read noise; None where the pair says that it cannot tell."""
    long_s = 2 ** (10 / 3)
    shot = replace(SHOT, iso=iso, scene=scene, shutter_s=long_s)
    with tempfile.TemporaryDirectory() as folder:
        long = read_raw(body.write(Path(folder), shot, maker))
        for number, ratio in enumerate(RATIOS, start=2):
            short = replace(shot, frame_number=number, shutter_s=long_s / ratio, shift_px=(shift_px, -shift_px))
            try:
                noise = noise_of_pair(long, read_raw(body.write(Path(folder), short, maker)), ratio=ratio)
            except SidcapError:
                yield None
                continue
            yield (
                noise.gain_e_per_dn / PARAMETERS.gain_e_per_dn(iso) - 1,
                noise.read_noise_e / PARAMETERS.read_noise_e(iso) - 1,
            )


def rms(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(np.sqrt(np.mean(values**2)))


if __name__ == "__main__":
    main()
