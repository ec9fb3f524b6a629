"""What the mirror's slap does to frames of the simulated camera, measured from the frames:

    python bench/simulated_vibration.py [IMAGE]

Takes frames of one scene at 1/10 s with the mirror struck 0.03 to 3 s before the shutter opens, decodes them through
LibRaw, measures their shift and blur against a frame without slap, prints the figures beside those the frames were made
with, and draws docs/images/mirror-slap.png (or IMAGE).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from measure_frames import Motion, decoded, measured_motion
from numpy.typing import NDArray

from sidcap.capture.simulated.frame import FrameMaker, Shot
from sidcap.capture.simulated.mechanics import MIRROR_SLAP, slap_px

IMAGE = Path(__file__).parents[1] / "docs" / "images" / "mirror-slap.png"
EXPOSURE_S = 2 ** (-10 / 3)  # 1/10 s, as the body times it
BRIGHT_EV = 12.5  # so that noise does not matter at ISO 200
SETTLES_S = (0.03, 0.05, 0.07, 0.10, 0.14, 0.20, 0.30, 0.50, 0.80, 1.2, 2.0, 3.0)
NAMED = {0.05: "plain release", 0.10: "lockup, 0.1 s settle", 2.0: "lockup, 2 s settle"}
COLOURS = {0.05: "#c0392b", 0.10: "#d68910", 2.0: "#1e8449"}
SCENE, CROP = 0, (slice(338, 404), slice(572, 671))  # of the green plane


@dataclass(frozen=True)
class Measurement:
    settle_s: float
    measured: Motion
    made_with: Motion
    picture: NDArray[np.float32]


def measurements() -> list[Measurement]:
    maker = FrameMaker(serial="1", size="small", light_ev=BRIGHT_EV)
    still = Shot(
        iso=200,
        shutter_s=EXPOSURE_S,
        nominal_shutter=Fraction(1, 10),
        aperture=2.8,
        scene=SCENE,
        start_s=0.0,
        taken=datetime.now(UTC),
        frame_number=1,
    )
    reference = decoded(maker.make(still)).lit
    found = []
    for number, settle_s in enumerate(SETTLES_S, start=2):
        shot = replace(still, frame_number=number, mirror_up_s=settle_s)
        frame = decoded(maker.make(shot)).lit
        path = maker.truth(shot).path
        found.append(
            Measurement(
                settle_s,
                measured_motion(reference, frame),
                Motion(path.mean_px, path.rms_px),
                (frame[0::2, 1::2] + frame[1::2, 0::2])[CROP] / 2,
            )
        )
    return found


def show(found: list[Measurement]) -> None:
    print("settle s   shift px (down)      blur px (standard deviation, down)")
    print("           measured  made with  measured  made with")
    for m in found:
        print(
            f"{m.settle_s:8.2f}   {m.measured.shift_px[1]:8.3f}  {m.made_with.shift_px[1]:9.3f}"
            f"  {m.measured.blur_px[1]:8.3f}  {m.made_with.blur_px[1]:9.3f}  {NAMED.get(m.settle_s, '')}"
        )


def draw(found: list[Measurement], image: Path) -> None:
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = plt.figure(figsize=(9.0, 8.6), layout="constrained")
    grid = figure.add_gridspec(3, 6, height_ratios=(1.0, 1.0, 0.92))
    figure.suptitle("Simulated EOS 6D: the mirror's slap in frames of 1/10 s (50 mm lens; the figures are guesses)")
    draw_swing(figure.add_subplot(grid[0, :]))
    draw_against_settle(
        figure.add_subplot(grid[1, :3]),
        "shift of the frame, px",
        [(m.settle_s, m.measured.shift_px[1]) for m in found],
        np.mean,
    )
    draw_against_settle(
        figure.add_subplot(grid[1, 3:]),
        "blur, px (standard deviation)",
        [(m.settle_s, m.measured.blur_px[1]) for m in found],
        np.std,
    )
    crops = [m for m in found if m.settle_s in NAMED]
    white = np.quantile(crops[-1].picture, 0.995)
    for at, m in enumerate(crops):
        axes = figure.add_subplot(grid[2, 2 * at : 2 * at + 2])
        axes.imshow(np.clip(m.picture / white, 0, 1) ** (1 / 2.2), cmap="gray", interpolation="nearest")
        axes.set_title(NAMED[m.settle_s], color=COLOURS[m.settle_s])
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    image.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(image, dpi=130)
    print(image)


def draw_swing(axes: Axes) -> None:
    t = np.linspace(0, 2.2, 4400)
    axes.plot(t, slap_px(t), color="#34495e", linewidth=1.0)
    modes = ", ".join(f"{m.frequency_hz:g} Hz (gone to 1/e in {m.decay_s:g} s)" for m in MIRROR_SLAP)
    axes.set(
        xlabel="seconds after the slap",
        ylabel="image on the sensor, px down",
        xlim=(0, 2.2),
        title=f"How the image swings: {modes}. Coloured: while the shutter is open",
    )
    axes.title.set_fontsize(9)
    for settle_s, name in NAMED.items():
        bottom, top = {0.05: (0.5, 1.0), 0.10: (0.0, 0.5)}.get(settle_s, (0.0, 1.0))  # two of them overlap
        axes.axvspan(settle_s, settle_s + EXPOSURE_S, bottom, top, color=COLOURS[settle_s], alpha=0.3, label=name, lw=0)
    axes.axhline(0, color="#999999", linewidth=0.6)
    axes.legend(frameon=False, loc="upper center", ncols=3)


def draw_against_settle(
    axes: Axes,
    label: str,
    points: list[tuple[float, float]],
    of_path: Callable[[NDArray[np.float64]], np.floating[Any]],
) -> None:
    settle = np.geomspace(0.025, 3.5, 160)
    t = np.linspace(0, EXPOSURE_S, 800)
    paths = [slap_px(s + t) for s in settle]
    axes.plot(settle, [of_path(path) for path in paths], color="#34495e", linewidth=1, label="made with")
    for settle_s, value in points:
        axes.plot(settle_s, value, "o", markersize=5, color=COLOURS.get(settle_s, "#7f8c8d"), zorder=3)
    axes.plot([], [], "o", color="#7f8c8d", label="measured from the CR2 files")
    axes.axhline(0, color="#999999", linewidth=0.6)
    axes.set(xscale="log", xlabel="from the slap to the opening of the shutter, s", ylabel=label)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend(frameon=False, loc="lower right" if label.startswith("shift") else "upper right")


def main() -> None:
    found = measurements()
    show(found)
    draw(found, Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGE)


if __name__ == "__main__":
    main()
