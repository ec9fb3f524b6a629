"""What else may be wrong with a pair, and what sidcap calls it. `python bench/alignment.py --cases` runs it.

As a Canon EOS 6D would take them at ISO 12800 with a ratio of 300: 0.5 e- a pixel in the short; gain and read noise as
others measured or extrapolated them (docs/cameras.md).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
from alignment_tables import markdown
from alignment_trials import DARKS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from shifted_scenes import Mosaic, Pattern, Scene, expose, in_front_of

from sidcap.curate import Registration, judge, register
from sidcap.data_manifest.noise import NoiseModel

ISO_12800 = NoiseModel(gain_e_per_dn=0.047, read_noise_e=1.9)
RATIO = 300.0
SIGNAL_E = 0.5
FULL = (3670, 5496)
SHIFT_PX = (0.13, 0.08)
TURN_DEGREES = 0.02
SHARE = 0.05
MOVED_PX = (6.0, 3.0)
FLICKER = 0.02
LENS_PX = 0.7
DEFOCUSED_PX = 2.0


def main(shape: tuple[int, int] | None) -> None:
    """Register and print them all; minutes, and 4 GB, for the full frame."""
    cv2.setNumThreads(1)
    shape = shape or FULL
    pattern = Pattern.of_body(1, shape)
    dark, mask = pattern.calibrated(ISO_12800, darks=DARKS)
    rows = []
    for name, long, short in _lights(shape):
        pair = expose(long, short, signal_e=SIGNAL_E, ratio=RATIO, noise=ISO_12800, pattern=pattern)
        started = time.process_time()
        found = register(pair.long, pair.short, ratio=RATIO, noise=ISO_12800, dark=dark, mask=mask)
        seconds = time.process_time() - started
        verdict, reasons = judge(found, true_ratio=RATIO)
        rows.append([name, _shift(found), _ratio(found), verdict.value, "; ".join(reasons), f"{seconds:.1f}"])
        print(f"{name}: {verdict.value}", file=sys.stderr)
    print(f"\n{shape[0]} x {shape[1]}, {SIGNAL_E} e- a pixel, ratio {RATIO:g}, fixed pattern on\n")
    print(markdown(("the short", "shift px", "ratio", "verdict", "reasons", "CPU s"), rows))


def _lights(shape: tuple[int, int]) -> Iterator[tuple[str, Mosaic, Mosaic]]:
    """Noise-free longs and shorts; scene after scene, for a full one takes a gigabyte."""
    scene = Scene(shape, 1, blur_px=LENS_PX, highlights=True)
    long, still = scene.mosaic(), scene.mosaic(SHIFT_PX)
    at = "displaced by {:g}, {:g} px".format(*SHIFT_PX)
    yield at, long, still
    yield f"{at}, {FLICKER:.0%} less light", long, still * (1 - FLICKER)
    yield f"{at}, turned by {TURN_DEGREES:g} degrees", long, scene.mosaic(SHIFT_PX, turn_degrees=TURN_DEGREES)
    del scene
    blurred = Scene(shape, 1, blur_px=DEFOCUSED_PX, highlights=True).mosaic(SHIFT_PX)
    yield f"{at}, defocused to a spread of {DEFOCUSED_PX:g} px", long, blurred
    del blurred
    other = Scene(shape, 2, blur_px=LENS_PX)
    centre = shape[1] / 3, shape[0] / 2
    before = in_front_of(long, other.mosaic(), centre, SHARE)
    moved = (centre[0] + MOVED_PX[0], centre[1] + MOVED_PX[1])
    after = in_front_of(still, other.mosaic(MOVED_PX), moved, SHARE)
    yield "{}, a thing over {:.0%} of it moved by {:g}, {:g} px".format(at, SHARE, *MOVED_PX), before, after


def _shift(found: Registration) -> str:
    if found.shift_px is None or found.sigma_px is None:
        return f"- ({found.problem})"
    return "{:+.3f}, {:+.3f} ± {:.3f}".format(*found.shift_px, found.sigma_px)


def _ratio(found: Registration) -> str:
    return "-" if found.ratio is None or found.ratio_sigma is None else f"{found.ratio:.1f} ± {found.ratio_sigma:.1f}"
