"""What registering a full-size pair costs beside decoding its two files. `python bench/alignment.py --time` runs it.

The files come from the simulated camera over libgphoto2. Decoding is LibRaw's own: open and unpack, nothing else.
Both run in turns, on one core.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import rawpy
from alignment_tables import markdown

from sidcap.capture import Camera
from sidcap.capture.simulated import SimulatedCamera
from sidcap.curate import register
from sidcap.data_manifest.noise import published_noise
from sidcap.data_manifest.raw import read_raw

ROUNDS = 7
TIME_SCALE = 50.0
SETTLE_S = 2.0
LONG, SHORT, TRUE_RATIO = "10.3", "1/30", 322.5


def main() -> None:
    """Shoot the pair, then take turns; pins this process to one core where the system can."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = _shot(Path(folder))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        long, short = (read_raw(file) for file in files)
        noise = published_noise(long.exif)
        assert noise is not None
        calibration = _calibration(long.mosaic.shape)
        before_mb = _peak_mb()
        decoding, registering = [], []
        for _ in range(ROUNDS):
            decoding.append(_cpu_s(lambda: [_decoded(file) for file in files]))
            registering.append(_cpu_s(lambda: register(long, short, ratio=TRUE_RATIO, noise=noise, **calibration)))
        found = register(long, short, ratio=TRUE_RATIO, noise=noise, **calibration)
    rows = [
        [name, f"{min(seconds):.2f}", f"{np.median(seconds):.2f}", f"{max(seconds):.2f}"]
        for name, seconds in (("LibRaw, two files", decoding), ("register, the pair", registering))
    ]
    print("\n" + markdown(("CPU s, one core", "least", "median", "most"), rows))
    print(
        f"register / LibRaw: {np.median(registering) / np.median(decoding):.2f} (asked for: at most 1), {ROUNDS} rounds"
    )
    print(f"peak memory of the process: {before_mb:.0f} MB with the decoded frames, {_peak_mb():.0f} MB in all")
    print(f"shift {found.shift_px}, sigma {found.sigma_px} px, ratio {found.ratio} (true {TRUE_RATIO})")


def _shot(folder: Path) -> tuple[Path, Path]:
    """A long and a short in the dark of ISO 12800."""
    with SimulatedCamera(size="full", time_scale=TIME_SCALE) as simulated, Camera(simulated.port_string) as camera:
        camera.set("capturetarget", "Memory card")
        camera.set("iso", "12800")
        camera.set("mirrorlock", "1")
        return _taken(camera, LONG, folder / "long.CR2"), _taken(camera, SHORT, folder / "short.CR2")


def _taken(camera: Camera, shutter: str, target: Path) -> Path:
    camera.set("shutterspeed", shutter)
    camera.press()
    time.sleep(SETTLE_S / TIME_SCALE)
    camera.press()
    file = camera.wait_for_file(60)
    assert file is not None, "the simulated camera announced no file"
    camera.download(file, target)
    return target


def _decoded(file: Path) -> int:
    with rawpy.imread(str(file)) as raw:
        return int(raw.raw_image[0, 0])


def _calibration(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """A dark frame and a map of hot pixels, for what they cost."""
    rng = np.random.default_rng(1)
    return {"dark": rng.normal(0, 1, shape).astype(np.float32), "mask": rng.random(shape) < 1 / 2000}


def _cpu_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
