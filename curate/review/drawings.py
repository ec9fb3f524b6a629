"""Where the lines of the drawings go that the pair view shows; the templates draw them as SVG.

All places are in the units of the drawing's view box, y pointing down. Shifts point as in the picture: right and down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from sidcap.curate.record import registration_of
from sidcap.curate.review.cards import label_of
from sidcap.curate.review.pictures import Histogram
from sidcap.data_manifest.schema import Alignment, Pair, Scene

Point = tuple[float, float]


@dataclass(frozen=True)
class Ellipse:
    """An ellipse about a point, turned clockwise."""

    centre: Point
    radii: tuple[float, float]
    turned_deg: float


@dataclass(frozen=True)
class ShiftDrawing:
    """The shift with its uncertainty, against the tolerance. The long's own place is (0, 0)."""

    half_px: float
    """Sensor pixels from the middle of the drawing to its edge."""
    tolerance: float
    one_sigma: Ellipse
    three_sigma: Ellipse
    ticks: tuple[tuple[float, str], ...]
    """Distance from the middle, and label in sensor pixels."""


SHIFT_BOX = 100.0
"""Half the side of the shift's view box."""


def shift_drawing(alignment: Alignment | None) -> ShiftDrawing | None:
    """None where there is no shift to draw."""
    if alignment is None or alignment.shift_px is None or alignment.covariance_px2 is None:
        return None
    variances, axes = np.linalg.eigh(np.array(alignment.covariance_px2))
    sigmas = np.sqrt(np.maximum(variances, 0))
    reach = max(alignment.tolerance_px, math.hypot(*alignment.shift_px) + 3 * float(sigmas[1]))
    scale = SHIFT_BOX / (1.15 * reach)
    centre = (alignment.shift_px[0] * scale, alignment.shift_px[1] * scale)
    turned = math.degrees(math.atan2(axes[1, 1], axes[0, 1]))

    def ellipse(sigma_count: float) -> Ellipse:
        long, short = (max(float(sigma) * sigma_count * scale, 0.5) for sigma in (sigmas[1], sigmas[0]))
        return Ellipse(centre, (long, short), turned)

    step = _round_step(reach / 2)
    ticks = tuple((tick * scale, f"{tick:g}") for tick in np.arange(step, reach * 1.1, step).round(6).tolist())
    return ShiftDrawing(1.15 * reach, alignment.tolerance_px * scale, ellipse(1), ellipse(3), ticks)


@dataclass(frozen=True)
class Arrow:
    """The shift of one tile, drawn from its middle."""

    start: Point
    end: Point
    sigma: float
    """One standard deviation, as long as the arrow would be of it."""
    moving: bool
    """Whether part of the tile moved or changed on its own."""
    words: str


@dataclass(frozen=True)
class FieldDrawing:
    """How the shift lies over the frame."""

    width: float
    height: float
    arrows: tuple[Arrow, ...]
    magnified: float
    """How many times longer than the shift the arrows are."""
    scale_length: float
    scale_label: str
    """What an arrow of that length stands for."""


def field_drawing(pair: Pair) -> FieldDrawing | None:
    """None where registration told no tiles. ManifestError where its record cannot be read."""
    found = registration_of(pair)
    if found is None or not found.field or found.size_px is None:
        return None
    width, height = found.size_px
    unit = 360 / width
    tolerance_px = pair.alignment.tolerance_px if pair.alignment else 0.5
    longest_px = max(tolerance_px, *(math.hypot(*cell.shift_px) for cell in found.field))
    pitch = 360 / max(math.sqrt(len(found.field) * width / height), 1)
    magnified = 0.8 * pitch / longest_px
    arrows = tuple(
        Arrow(
            start=(cell.centre_px[0] * unit, cell.centre_px[1] * unit),
            end=(
                cell.centre_px[0] * unit + cell.shift_px[0] * magnified,
                cell.centre_px[1] * unit + cell.shift_px[1] * magnified,
            ),
            sigma=cell.sigma_px * magnified,
            moving=cell.moving > 0,
            words=f"{cell.shift_px[0]:+.2f}, {cell.shift_px[1]:+.2f} ± {cell.sigma_px:.2f} px",
        )
        for cell in found.field
    )
    return FieldDrawing(
        360, height * unit, arrows, magnified / unit, tolerance_px * magnified, f"{tolerance_px:g} px, the tolerance"
    )


@dataclass(frozen=True)
class Curve:
    """One line of a drawing."""

    name: str
    points: str
    """As an SVG polyline takes them."""


@dataclass(frozen=True)
class HistogramDrawing:
    """A raw histogram: photosites a DN over DN, both logarithmic."""

    curves: tuple[Curve, ...]
    black: float
    white: float
    ticks_x: tuple[tuple[float, str], ...]
    ticks_y: tuple[tuple[float, str], ...]
    at_white: str
    """Share of the photosites at white or above, in words."""


PLOT_WIDTH, PLOT_HEIGHT = 360.0, 110.0


def histogram_drawing(histogram: Histogram) -> HistogramDrawing:
    """The lines of a histogram in a box of `PLOT_WIDTH` x `PLOT_HEIGHT`."""
    edges = np.array(histogram.edges_dn)
    bins = len(edges) - 1
    counts = np.array(histogram.counts, np.float64)
    share = counts[:, edges[1:] > histogram.white_dn].sum() / max(counts.sum(), 1.0)
    counts /= np.maximum(np.diff(np.ceil(edges)), 1)  # a bin holds one DN or many
    top = math.log10(max(float(counts.max()), 10.0)) * 1.05

    def place(dn: float) -> float:
        return float(np.interp(dn, edges, np.linspace(0, PLOT_WIDTH, bins + 1)))

    def height(count: float) -> float:
        return PLOT_HEIGHT * (1 - math.log10(max(count, 1.0)) / top)

    curves = []
    for name, count in zip(("red", "green", "blue"), counts, strict=True):
        steps = (f"{(index + 0.5) * PLOT_WIDTH / bins:.1f},{height(value):.1f}" for index, value in enumerate(count))
        curves.append(Curve(name, " ".join(steps)))
    above = (-100, 0, 100, 1000, 10000)
    ticks_x = tuple((place(histogram.black_dn + dn), f"{dn:+d}" if dn else "0") for dn in above)
    ticks_y = tuple((height(10.0**power), f"10{_SUPERSCRIPTS[power]}") for power in range(0, int(top) + 1, 2))
    return HistogramDrawing(
        tuple(curves), place(histogram.black_dn), place(histogram.white_dn), ticks_x, ticks_y, f"{share:.2%}"
    )


_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


@dataclass(frozen=True)
class Dot:
    """One frame of the bracket, with its error bar."""

    x: float
    y: float
    low: float
    high: float
    here: bool
    """Whether it is the frame that is shown."""
    words: str


@dataclass(frozen=True)
class DriftPlot:
    """Something of every frame over the time of the bracket."""

    title: str
    dots: tuple[Dot, ...]
    zero: float
    """Where the first long is."""
    top_label: str
    bottom_label: str


DRIFT_HEIGHT = 70.0


@dataclass(frozen=True)
class _Sample:
    at_s: float
    value: float
    sigma: float
    label: str
    here: bool


def drift_plots(scene: Scene, shown: Pair) -> tuple[tuple[DriftPlot, ...], str]:
    """Light and shift of every frame against the first long, and how long the bracket took, in words."""
    times, known = _times(scene)
    light, right, down = [], [], []
    for pair in scene.all_pairs:
        alignment = pair.alignment
        if alignment is None or pair.frame not in times:
            continue
        at, label, here = times[pair.frame], label_of(scene, pair), pair is shown
        if alignment.light is not None:
            light.append(_Sample(at, 100 * (alignment.light - 1), 100 * (alignment.light_sigma or 0), label, here))
        if alignment.shift_px is not None and alignment.covariance_px2 is not None:
            (xx, _), (_, yy) = alignment.covariance_px2
            right.append(_Sample(at, alignment.shift_px[0], math.sqrt(xx), label, here))
            down.append(_Sample(at, alignment.shift_px[1], math.sqrt(yy), label, here))
    end = max(times.values(), default=0.0)
    plots = (
        _plot("light, % against the first long", light, end, "%"),
        _plot("shift to the right, px", right, end, " px"),
        _plot("shift down, px", down, end, " px"),
    )
    if not known:
        duration = "in the order of the frames, whose times nobody knows"
    else:
        duration = f"{end:.0f} s" if end < 120 else f"{end / 60:.1f} min"
    return tuple(plot for plot in plots if plot), duration


def _plot(title: str, samples: Sequence[_Sample], end_s: float, unit: str) -> DriftPlot | None:
    if not samples:
        return None
    reach = max(1e-3, *(abs(sample.value) + sample.sigma for sample in samples)) * 1.15

    def height(value: float) -> float:
        return DRIFT_HEIGHT / 2 * (1 - value / reach)

    dots = tuple(
        Dot(
            x=12 + (PLOT_WIDTH - 24) * (sample.at_s / end_s if end_s else 0.5),
            y=height(sample.value),
            low=height(sample.value - sample.sigma),
            high=height(sample.value + sample.sigma),
            here=sample.here,
            words=f"{sample.label}: {sample.value:+.3g} ± {sample.sigma:.2g}{unit}",
        )
        for sample in samples
    )
    return DriftPlot(title, dots, DRIFT_HEIGHT / 2, f"+{reach:.2g}", f"−{reach:.2g}")


def _times(scene: Scene) -> tuple[dict[str, float], bool]:
    """Frame -> seconds since the first was shot; where nobody knows the times, their order, and False."""
    starts: Iterable[datetime | None] = [frame.start_utc for frame in scene.frames]
    known = [start for start in starts if start is not None]
    if len(known) < len(scene.frames):
        return {frame.path: float(index) for index, frame in enumerate(scene.frames)}, False
    first = min(known)
    return {frame.path: (start - first).total_seconds() for frame, start in zip(scene.frames, known, strict=True)}, True


def _round_step(value: float) -> float:
    """1, 2 or 5 times a power of ten, at most ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in (1, 2, 5) if step * power <= value * (1 + 1e-9))
