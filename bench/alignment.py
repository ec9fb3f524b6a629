"""How well shifts are measured: against the truth, the Cramer-Rao bound and cv2.phaseCorrelate, on the same arrays.

    python bench/alignment.py                          # some minutes
    python bench/alignment.py --trials 4 --size 1024x1536 --signals 1

Columns: RMSE of the shift per axis, and the bound for it; efficiency (bound / RMSE) squared; how often the truth lies
within the stated three standard deviations; verdicts at a tolerance of 0.5 px (a = aligned, m = misaligned,
u = undetermined); bias and scatter of the measured ratio; time on one core. The scenes are synthetic textures
(tests/shifted_scenes.py) whose detail goes well beyond what a colour plane resolves.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from shifted_scenes import Pair, Pattern, Scene, make_pair

from sidcap.curate import judge, register
from sidcap.curate.registration import METHOD
from sidcap.curate.verdict import SYSTEMATIC_PX

SHIFTS_PX = ((0.0, 0.0), (0.5, -0.25), (3.0, 1.0))
HEADINGS = "e-/px|shift px|pattern|RMSE|bound|eff.|3σ|verdicts|ratio|s|phaseCorrelate RMSE".split("|")


@dataclass
class Case:
    """What all trials of one case gave."""

    bound_px: float = 0.0
    errors_px: list[tuple[float, float]] = field(default_factory=list)
    within: list[bool] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    ratios: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    peer_errors_px: list[tuple[float, float]] = field(default_factory=list)

    def add(self, scene: Scene, pair: Pair) -> None:
        """Register one pair with both methods."""
        started = time.process_time()
        found = register(pair.long, pair.short, ratio=pair.ratio, noise=pair.noise)
        self.seconds.append(time.process_time() - started)
        self.verdicts[judge(found, true_ratio=pair.ratio)[0][0]] += 1
        peer = phase_correlate(pair)
        self.bound_px = self.bound_px or scene.bound_px(pair)
        self.peer_errors_px.append((peer[0] - pair.shift_px[0], peer[1] - pair.shift_px[1]))
        if found.shift_px is None or found.covariance_px2 is None or found.ratio is None:
            return
        error = (found.shift_px[0] - pair.shift_px[0], found.shift_px[1] - pair.shift_px[1])
        sigma = np.sqrt(np.diag(found.covariance_px2) + SYSTEMATIC_PX**2)
        self.errors_px.append(error)
        self.within += [bool(inside) for inside in np.abs(error) < 3 * sigma]
        self.ratios.append(found.ratio / pair.ratio - 1)

    def row(self) -> tuple[str, ...]:
        """RMSE to time, and the peer's RMSE, as the table shows them."""
        verdicts = " ".join(f"{count}{verdict}" for verdict, count in sorted(self.verdicts.items()))
        seconds, peer = f"{np.median(self.seconds):.2f}", f"{rms(self.peer_errors_px):.3f}"
        if not self.errors_px:
            return ("-", f"{self.bound_px:.4f}", "-", "-", verdicts, "-", seconds, peer)
        rmse = rms(self.errors_px)
        return (
            f"{rmse:.4f}",
            f"{self.bound_px:.4f}",
            f"{(self.bound_px / rmse) ** 2:.2f}",
            f"{np.mean(self.within):.0%}",
            verdicts,
            f"{np.mean(self.ratios):+.2%} ± {np.std(self.ratios):.2%}",
            seconds,
            peer,
        )


def phase_correlate(pair: Pair) -> tuple[float, float]:
    """The shift that cv2.phaseCorrelate finds on the 2 x 2 binned frames under a Hann window, sensor pixels."""
    long, short = (
        cv2.resize(
            np.nan_to_num(frame, nan=float(np.nanmax(frame))), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA
        )
        for frame in (pair.long, pair.short)
    )
    window = cv2.createHanningWindow((long.shape[1], long.shape[0]), cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(long, short, window)
    return (2 * dx, 2 * dy)


def rms(errors_px: list[tuple[float, float]]) -> float:
    """Root mean square over trials and axes."""
    return float(np.sqrt(np.mean(np.square(errors_px))))


def main() -> None:
    """Run every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="512x768", help="height x width of the frames")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--signals", default="0.3,1,3,20", help="mean of the short, electrons a pixel")
    parser.add_argument("--ratio", type=float, default=300)
    parser.add_argument("--blur", type=float, default=0.7, help="standard deviation of the lens's point spread, px")
    parser.add_argument("--highlights", action="store_true", help="lamps that clip in the long")
    arguments = parser.parse_args()
    height, width = (int(side) for side in arguments.size.split("x"))
    cv2.setNumThreads(1)
    scene = Scene((height, width), 1, blur_px=arguments.blur, highlights=arguments.highlights)
    table = Table(*HEADINGS, title=f"{METHOD}: {height} x {width}, {arguments.trials} trials")
    signals = [float(signal) for signal in arguments.signals.split(",")]
    for signal_e, shift_px, patterned in product(signals, SHIFTS_PX, (False, True)):
        pattern = Pattern.of_body(1, scene.shape) if patterned else None
        case = Case()
        for seed in range(arguments.trials):
            case.add(
                scene,
                make_pair(
                    scene, signal_e=signal_e, shift_px=shift_px, ratio=arguments.ratio, pattern=pattern, seed=seed
                ),
            )
        table.add_row(f"{signal_e:g}", "{:g}, {:g}".format(*shift_px), "on" if patterned else "off", *case.row())
    console = Console(width=140)
    console.print(table)
    console.print(
        f"simulated frames, ratio {arguments.ratio:g}, blur {arguments.blur:g} px; {os.cpu_count()} x "
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, OpenCV {cv2.__version__}",
        highlight=False,
    )


if __name__ == "__main__":
    main()
