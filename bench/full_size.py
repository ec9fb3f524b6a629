"""What one full-size frame and one full-size pair cost, on one core.

    OMP_NUM_THREADS=1 taskset -c 0 python bench/full_size.py

Shoots a long and a short on the simulated camera (full sensor, mirror lockup, time 50 times faster) through libgphoto2,
then decodes and registers them. From the second press on a frame is exposed, encoded and transferred; the first one
of a scene is painted, too. `taskset` keeps the camera's process on the same core; without it, two cores share the work.
"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import cv2
from rich.console import Console
from rich.table import Table

from sidcap.capture import Camera
from sidcap.capture.simulated import SimulatedCamera
from sidcap.curate.registration import Reference, Registration
from sidcap.data_manifest.noise import published_noise
from sidcap.data_manifest.raw import RawFrame, read_raw

T = TypeVar("T")
TIME_SCALE = 50.0
SETTLE_S = 2.0
LONG, SHORT = "10.3", "1/30"
TRUE_RATIO = 322.5


def main() -> None:
    cv2.setNumThreads(1)
    table = Table("step", "wall s", "CPU s of this process", title="one full-size pair, simulated camera")

    def timed(step: str, work: Callable[[], T]) -> T:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        table.add_row(step, f"{time.perf_counter() - wall:.2f}", f"{time.process_time() - cpu:.2f}")
        return result

    with tempfile.TemporaryDirectory() as folder, SimulatedCamera(size="full", time_scale=TIME_SCALE) as simulated:
        files = {}
        with Camera(simulated.port_string) as camera:
            camera.set("capturetarget", "Memory card")
            camera.set("iso", "12800")
            camera.set("mirrorlock", "1")
            for number, shutter in enumerate((LONG, SHORT, LONG, SHORT)):
                camera.set("shutterspeed", shutter)
                files[shutter] = Path(folder, f"{number}.CR2")
                which = "first frame of the body and scene" if number == 0 else "next frame"
                camera.press()
                time.sleep(SETTLE_S / TIME_SCALE)
                timed(f"{which}, {shutter} s", partial(_shoot, camera, files[shutter]))
        long = timed("decode the long", lambda: read_raw(files[LONG]))
        short = timed("decode the short", lambda: read_raw(files[SHORT]))
        registration = timed("register the pair", lambda: _register(long, short))
    console = Console()
    console.print(table)
    console.print(
        f"shift {registration.shift_px}, sigma {registration.sigma_px:.3f} px, ratio {registration.ratio:.1f} "
        f"(true {TRUE_RATIO})\n{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("numpy", "opencv-python-headless", "rawpy", "gphoto2"))
    )


def _shoot(camera: Camera, target: Path) -> None:
    """Exposed, encoded, transferred."""
    camera.press()
    file = camera.wait_for_file(60)
    assert file is not None, "the simulated camera announced no file"
    camera.download(file, target)


def _register(long: RawFrame, short: RawFrame) -> Registration:
    noise = published_noise(long.exif)
    assert noise is not None
    return Reference(long, noise).register(short, ratio=TRUE_RATIO)


if __name__ == "__main__":
    main()
