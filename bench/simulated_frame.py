"""What one full-size frame of the simulated camera costs on one core: python bench/simulated_frame.py [SCENE]

Wall-clock seconds and processor seconds (this program's, the kernel's left out) of whole frames, from the shot to the
finished CR2 file, and of the parts of one frame; then the peak memory of all that. The next frame of a scene under
lockup finds the image as it lay on the sensor; one that is released plainly, or after the tripod has crept, has to be
laid there anew; the first of a scene has to be painted, and that of a body needs its pattern besides.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from sidcap.capture.simulated import cr2, ljpeg, optics, scenes, sensor
from sidcap.capture.simulated.frame import FrameMaker, Shot
from sidcap.capture.simulated.mechanics import shift_path
from sidcap.capture.simulated.surroundings import Surroundings

Result = TypeVar("Result")


def timed(label: str, work: Callable[[], Result]) -> Result:
    wall, processor = time.perf_counter(), os.times().user
    result = work()
    print(f"  {label:42} {time.perf_counter() - wall:6.2f} {os.times().user - processor:6.2f}")
    return result


def whole_frames(scene: int) -> None:
    print("whole frames                                   wall    cpu  s")
    shot = Shot(
        iso=12800,
        shutter_s=2 ** (10 / 3),
        nominal_shutter=Fraction(10),
        aperture=2.8,
        scene=scene,
        start_s=0.0,
        taken=datetime.now(UTC),
        frame_number=1,
    )
    maker = FrameMaker(serial="1", size="full")
    file = timed("first frame of a body", lambda: maker.make(shot))
    timed("next frame of the same scene", lambda: maker.make(replace(shot, frame_number=2)))
    timed("next frame, image moved by (0.3, -1.7) px", lambda: maker.make(replace(shot, shift_px=(0.3, -1.7))))
    plain = replace(shot, mirror_up_s=0.05, frame_number=3)
    timed("next frame, released plainly", lambda: maker.make(plain))
    timed("the same as a JPEG, full size", lambda: maker.jpeg(plain, (5472, 3648)))
    timed("next frame, noise reduction", lambda: maker.make(replace(plain, noise_reduction=True)))
    timed("first frame of another scene", lambda: maker.make(replace(shot, scene=scene + 1)))
    print(f"  {len(file) / 1e6:.1f} MB in the file")


def parts_of_a_frame(number: int) -> None:
    print("parts                                          wall    cpu  s")
    geometry = sensor.FULL_SENSOR
    pattern = timed("fixed pattern", lambda: sensor.fixed_pattern("1", geometry, sensor.SensorParameters()))
    scene = timed("render the scene", lambda: scenes.render(number, geometry))
    path = shift_path(Surroundings(), frame_number=1, start_s=0.0, exposure_s=10.0, mirror_up_s=None)
    spread = optics.point_spread(path, aperture=2.8, focus_steps=0)
    image = timed("lens: scene onto photosites", lambda: optics.mosaic(scene, geometry, spread, 2.8))
    rng = np.random.Generator(np.random.SFC64(1))
    exposure_s = 2 ** (10 / 3)
    raw = timed("expose", lambda: sensor.expose(image, pattern, light=1.0, iso=12800, shutter_s=exposure_s, rng=rng))
    timed("aperture's scaling", lambda: sensor.scaled_for_aperture(raw, sensor.SensorParameters(), 2.8))
    timed("lossless JPEG", lambda: ljpeg.encode(raw))
    shooting = cr2.ShootingData(
        iso=12800, shutter_s=exposure_s, nominal_shutter=Fraction(10), aperture=2.8, taken=datetime.now(UTC),
        frame_number=1, serial="1", lens="", sensor_c=20.0, white_balance=scene.white_balance, white_dn=15283,
    )  # fmt: skip
    timed("CR2, lossless JPEG included", lambda: cr2.pack(raw, geometry, shooting))


def main() -> None:
    cv2.setNumThreads(1)
    scene = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    processor = next(
        (line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?"
    )
    print(f"{processor}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
          f"numpy {np.__version__}, OpenCV {cv2.__version__}; 5568 x 3708, scene {scene}")  # fmt: skip
    whole_frames(scene)
    parts_of_a_frame(scene)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
