"""How the sharpness of live view follows the focus, the light and the noise, and what a picture costs to look at.

python bench/live_sharpness.py
"""

from __future__ import annotations

import time
from math import sqrt

import cv2
import numpy as np

from sidcap.capture.live.looking import Picture
from sidcap.capture.live.status import MIDDLE
from sidcap.capture.simulated.frame import FrameMaker

STEPS = (0, 6, 12, 20, 30, 45, 60, 90, 120)
EXPOSURES = ((12800, 10.08), (12800, 1.0), (25600, 0.05))
"""ISO and seconds: the long, a tenth of it, a hundredth."""
APERTURE = 2.8
_TIMES = 30


def main() -> None:
    """Print a table for two scenes, then the processor's time."""
    cv2.setNumThreads(1)
    maker = FrameMaker(serial="012345678901", size="small", seed=1)
    for scene in (1, 2):
        for iso, shutter_s in EXPOSURES:
            print(f"scene {scene}, ISO {iso}, {shutter_s:g} s; steps out of focus: {STEPS}")
            found = [of_two(maker, scene, iso, shutter_s, steps) for steps in STEPS]
            print("  whole, two pictures     ", *(f"{whole:6.2f}" for whole, _, _ in found))
            print("  box, two pictures       ", *(f"{box:6.2f}" for _, box, _ in found))
            print("  plain Laplacian, one    ", *(f"{plain:6.1f}" for _, _, plain in found))
    cost(maker)


def of_two(maker: FrameMaker, scene: int, iso: int, shutter_s: float, steps: int) -> tuple[float, float, float]:
    """The score of the picture and of the box in its middle, and the measure that noise would win."""
    first, second = (maker.live_view(scene, iso, shutter_s, APERTURE, steps, at_s) for at_s in (1.0, 1.3))
    picture = Picture.of(second, Picture.of(first, None))
    look = picture.look(MIDDLE)
    plain = cv2.Laplacian(picture.brightness, cv2.CV_32F)
    score = 100 * sqrt(float(np.mean(np.square(plain)))) / float(picture.brightness.mean())
    return look.sharpness or 0.0, look.box_sharpness or 0.0, score


def cost(maker: FrameMaker) -> None:
    """Milliseconds of one core for a picture of 960 x 640."""
    jpeg = maker.live_view(1, 12800, 10.08, APERTURE, 0, 1.0)
    picture = Picture.of(jpeg, Picture.of(jpeg, None))
    began_s = time.process_time()
    for _ in range(_TIMES):
        Picture.of(jpeg, picture).look(MIDDLE)
    looked_s = time.process_time()
    for _ in range(_TIMES):
        picture.with_edges()
    drawn_s = time.process_time()
    print(f"decoded and measured: {1e3 * (looked_s - began_s) / _TIMES:.1f} ms")
    print(f"edges drawn and encoded, where somebody wants them: {1e3 * (drawn_s - looked_s) / _TIMES:.1f} ms")


if __name__ == "__main__":
    main()
