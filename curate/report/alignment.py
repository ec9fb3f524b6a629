"""How far the shorts lie from their longs, how well that is known, and what moved while brackets were shot."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sidcap.curate.report.contents import Contents, PairOf
from sidcap.curate.report.words import NOTHING, STANDINGS, percent, standing
from sidcap.data_manifest.pages.document import Block, Figure, Section, Table, Words
from sidcap.data_manifest.schema import Alignment
from sidcap.data_manifest.words import Split

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_SIGMAS = 3.0
"""A pair is aligned where all of the shift, known to three standard deviations, lies within the tolerance."""
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
_SERIES = {"aligned": 0, "accepted": 2, "undetermined": 3, "not verified": 5, "misaligned": 1, "rejected": 4}


def alignment(contents: Contents) -> Section:
    """Verdicts, shifts, uncertainties, reasons, drift."""
    blocks: list[Block] = []
    pairs = contents.pairs
    measured = [one for one in pairs if _shift(one) is not None]
    if not pairs:
        blocks.append(Words("There are no pairs yet."))
    elif all(one.pair.alignment is None for one in pairs):
        blocks.append(Words("No pair was verified yet: run `sidcap verify-alignment`.", "doubt"))
    else:
        blocks += [_verdict_figure(pairs)]
        if measured:
            blocks += [_shift_figure(measured), _map_figure(measured)]
        if lit := [one for one in measured if one.light_e is not None]:
            blocks.append(_light_figure(lit))
        blocks.append(_reasons(pairs))
        blocks.append(_how(pairs))
    blocks += _drift(contents)
    return Section("alignment", "Alignment", tuple(blocks))


def _shift(one: PairOf) -> float | None:
    """Length of the shift, sensor pixels."""
    found = one.pair.alignment
    return None if found is None or found.shift_px is None else math.hypot(*found.shift_px)


def _sigma(one: PairOf) -> float:
    found = one.pair.alignment
    return 0.0 if found is None else found.sigma_px or 0.0


def _verdicts(pairs: Sequence[PairOf]) -> dict[tuple[Split, float], Counter[str]]:
    """What the pairs stand at, by split and nominal ratio."""
    counts: dict[tuple[Split, float], Counter[str]] = defaultdict(Counter)
    for one in pairs:
        counts[one.scene.split, one.pair.ratio.nominal][one.pair.standing] += 1
    order = list(Split)
    return dict(sorted(counts.items(), key=lambda item: (order.index(item[0][0]), item[0][1])))


def _verdict_figure(pairs: Sequence[PairOf]) -> Figure:
    counts = _verdicts(pairs)
    present = [word for word in STANDINGS if any(count[word] for count in counts.values())]
    labels = [f"{split.value}, ratio {ratio:.4g}" for split, ratio in counts]

    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import HATCHES, INK, SERIES, whole_numbers

        axes = canvas.subplots()
        left = [0] * len(counts)
        for word in present:
            widths = [count[word] for count in counts.values()]
            series = _SERIES[word]
            axes.barh(
                labels,
                widths,
                left=left,
                color=SERIES[series],
                hatch=HATCHES[series],
                edgecolor="white",
                linewidth=0.5,
                height=0.62,
                label=word,
            )
            left = [before + width for before, width in zip(left, widths, strict=True)]
        for row, count in enumerate(counts.values()):
            axes.annotate(
                f"{sum(count.values()):,}",
                (sum(count.values()), row),
                (4, 0),
                textcoords="offset points",
                va="center",
                color=INK,
            )
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        whole_numbers(axes.xaxis)
        axes.set_xlabel("pairs")
        axes.margins(x=0.08)
        handles, names = axes.get_legend_handles_labels()
        canvas.legend(handles, names, loc="outside upper left", ncols=len(names))

    rows = tuple(
        (split.value, f"{ratio:.4g}", *(f"{count[word]:,}" for word in present), f"{sum(count.values()):,}")
        for (split, ratio), count in counts.items()
    )
    columns = ("Split", "Ratio", *present, "All")
    return Figure(
        name="verdicts",
        title="Verdicts by split and ratio",
        caption="Pairs that a person decided on are counted as accepted or rejected, all others by their verdict. "
        "Aligned and accepted pairs are trained on.",
        draw=draw,
        numbers=Table("The numbers of this plot", columns, rows, frozenset(columns[1:])),
        size_in=(7.4, 1.3 + 0.3 * len(counts)),
    )


def _by_standing(pairs: Sequence[PairOf]) -> dict[str, list[tuple[int, PairOf]]]:
    """The pairs with their number, by what they stand at."""
    groups: dict[str, list[tuple[int, PairOf]]] = {}
    for word in STANDINGS:
        if members := [(number, one) for number, one in enumerate(pairs, 1) if one.pair.standing == word]:
            groups[word] = members
    return groups


def _tolerances(pairs: Sequence[PairOf]) -> list[float]:
    return sorted({one.pair.alignment.tolerance_px for one in pairs if one.pair.alignment is not None})


def _shift_figure(pairs: Sequence[PairOf]) -> Figure:
    def draw(canvas: Canvas) -> None:
        import numpy as np

        from sidcap.data_manifest.pages.plots import INK, RASTER_FROM, SERIES, legend, log_axis, scatter

        axes = canvas.subplots()
        lowest = min([_shift(one) or 0 for one in pairs if _shift(one)] + [0.01])
        for word, members in _by_standing(pairs).items():
            numbers = np.array([number for number, _ in members])
            shifts = np.maximum([_shift(one) or 0 for _, one in members], lowest / 2)
            tops = shifts + _SIGMAS * np.array([_sigma(one) for _, one in members])
            many = len(members) >= RASTER_FROM
            series = _SERIES[word]
            axes.vlines(numbers, shifts, tops, color=SERIES[series], linewidth=0.4 if many else 1.0, rasterized=many)
            scatter(axes, numbers, shifts, series, word)
        for tolerance in _tolerances(pairs):
            axes.axhline(tolerance, color=INK, linewidth=1, linestyle="--")
            axes.annotate(
                f"tolerance {tolerance:g} px", (1, tolerance), xycoords=("axes fraction", "data"), ha="right",
                xytext=(0, 3), textcoords="offset points",
            )  # fmt: skip
        log_axis(axes, "y")
        axes.set_xlabel("pair, by scene")
        axes.set_ylabel("shift, sensor pixels")
        legend(canvas, axes)

    columns = ("Pair", "Split", "Ratio", "Right, px", "Down, px", "Shift, px", "Uncertainty (1σ), px", "Verdict")
    rows = tuple(_row(one) for one in pairs)
    return Figure(
        name="shifts",
        title="Shift of every pair against the tolerance",
        caption="Each mark is a pair, its bar reaches three standard deviations up. A pair is aligned where the whole "
        "bar stays below the dashed line, and misaligned where all of it could only lie above.",
        draw=draw,
        numbers=Table("The shift of every pair", columns, rows, frozenset(columns[2:7]), sortable=True),
    )


def _row(one: PairOf) -> tuple[str, ...]:
    found = one.pair.alignment
    assert found is not None  # noqa: S101
    assert found.shift_px is not None  # noqa: S101
    dx, dy = found.shift_px
    return (
        one.name,
        one.scene.split.value,
        f"{one.pair.ratio.nominal:.4g}",
        f"{dx:+.3f}",
        f"{dy:+.3f}",
        f"{math.hypot(dx, dy):.3f}",
        f"{_sigma(one):.3f}",
        one.pair.standing,
    )


def _map_figure(pairs: Sequence[PairOf]) -> Figure:
    def draw(canvas: Canvas) -> None:
        from matplotlib.patches import Circle

        from sidcap.data_manifest.pages.plots import INK, legend, scatter

        whole, close = canvas.subplots(1, 2)
        for axes in (whole, close):
            for word, members in _by_standing(pairs).items():
                places = [one.pair.alignment.shift_px or (0, 0) for _, one in members if one.pair.alignment]
                scatter(axes, [x for x, _ in places], [y for _, y in places], _SERIES[word], word)
            for tolerance in _tolerances(pairs):
                axes.add_patch(Circle((0, 0), tolerance, fill=False, color=INK, linewidth=1, linestyle="--"))
            axes.set_aspect("equal")
            axes.locator_params(nbins=5)
            axes.set_xlabel("right, sensor pixels")
        whole.set_ylabel("down, sensor pixels")
        reach = 1.1 * max([*_tolerances(pairs), *(_shift(one) or 0 for one in pairs)])
        near = 1.15 * max(sorted(_shift(one) or 0 for one in pairs)[int(0.9 * (len(pairs) - 1))], 0.01)
        for axes, limit, title in ((whole, reach, "all; dashed: tolerance"), (close, near, "nine of ten, closer")):
            axes.set_xlim(-limit, limit)
            axes.set_ylim(limit, -limit)
            axes.set_title(title)
        legend(canvas, whole)

    rows = tuple(_row(one) for one in pairs)
    columns = ("Pair", "Split", "Ratio", "Right, px", "Down, px", "Shift, px", "Uncertainty (1σ), px", "Verdict")
    return Figure(
        name="shift-map",
        title="Where the shorts lie relative to their longs",
        caption="Right and down are positive, as in the picture. A cloud that is off the middle tells of a camera that "
        "always moves the same way, for example when its mirror goes up.",
        draw=draw,
        numbers=Table(
            "The shift of every pair, again", columns, rows, frozenset(columns[2:7]), sortable=True, most_rows=50
        ),
        size_in=(7.4, 3.7),
    )


def _light_figure(pairs: Sequence[PairOf]) -> Figure:
    ratios = sorted({one.pair.ratio.nominal for one in pairs})

    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import INK, legend, log_axis, scatter

        axes = canvas.subplots()
        for series, ratio in enumerate(ratios):
            members = [one for one in pairs if one.pair.ratio.nominal == ratio and _sigma(one) > 0]
            scatter(
                axes,
                [one.light_e or 0 for one in members],
                [_sigma(one) for one in members],
                series,
                f"ratio {ratio:g}",
            )
        for tolerance in _tolerances(pairs):
            axes.axhline(tolerance / _SIGMAS, color=INK, linewidth=1, linestyle="--")
            axes.annotate(
                f"a third of the tolerance, {tolerance / _SIGMAS:.2g} px", (1, tolerance / _SIGMAS),
                xycoords=("axes fraction", "data"), ha="right", xytext=(0, 3), textcoords="offset points",
            )  # fmt: skip
        log_axis(axes, "x")
        log_axis(axes, "y")
        axes.set_xlabel("light in the short, electrons a pixel on average")
        axes.set_ylabel("uncertainty of the shift (1σ), px")
        legend(canvas, axes)

    columns = ("Pair", "Ratio", "Light, e⁻ a pixel", "Uncertainty (1σ), px")
    rows = tuple(
        (one.name, f"{one.pair.ratio.nominal:.4g}", f"{one.light_e:.3g}", f"{_sigma(one):.3f}") for one in pairs
    )
    return Figure(
        name="uncertainty",
        title="How well the shift is known, by the light there is",
        caption="The darker the short, the less its place can be told. Above the dashed line a pair stays "
        "undetermined, however still the camera stood: more light or a lower ratio would help.",
        draw=draw,
        numbers=Table("The numbers of this plot", columns, rows, frozenset(columns[1:]), sortable=True),
    )


def _reasons(pairs: Sequence[PairOf]) -> Table | Words:
    """Why pairs are not aligned; like reasons counted together, whatever their numbers."""
    examples: dict[tuple[str, str], str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for one in pairs:
        found = one.pair.alignment
        if found is None or found.verdict == "aligned":
            continue
        for reason in found.reasons:
            kind = (found.verdict.value, _NUMBER.sub("#", reason))
            examples.setdefault(kind, reason)
            counts[kind] += 1
    if not counts:
        return Words("Every pair that was verified is aligned.", "good")
    rows = tuple(
        (standing(verdict), examples[verdict, kind], f"{count:,}") for (verdict, kind), count in counts.most_common()
    )
    return Table(
        "Why pairs are not aligned", ("Verdict", "For example", "Pairs"), rows, frozenset({"Pairs"}), most_rows=20
    )


def _how(pairs: Sequence[PairOf]) -> Table:
    """With which method and noise the pairs were measured."""
    groups = Counter(
        (found.method, found.noise_source, f"{found.tolerance_px:g}") for one in pairs if (found := one.pair.alignment)
    )
    rows = tuple((*key, f"{count:,}") for key, count in sorted(groups.items()))
    columns = ("Method", "Noise of the sensor", "Tolerance, px", "Pairs")
    return Table("How it was measured", columns, rows, frozenset({"Tolerance, px", "Pairs"}))


def _drift(contents: Contents) -> list[Block]:
    closings = [one for one in contents.closings if _shift(one) is not None]
    findings = tuple((scene.name, finding) for scene in contents.scenes for finding in scene.findings)
    blocks: list[Block] = []
    if closings:
        blocks.append(_drift_figure(closings))
    elif contents.closings:
        blocks.append(Words("Drift over the brackets was not measured yet: `sidcap verify-alignment` does."))
    elif contents.scenes:
        blocks.append(Words("No bracket was closed with a second long, so drift over the brackets cannot be told."))
    if findings:
        blocks.append(Table("What was noticed about whole brackets", ("Scene", "Finding"), findings))
    return blocks


def _drift_figure(closings: Sequence[PairOf]) -> Figure:
    def lights() -> list[tuple[int, Alignment]]:
        found = ((number, one.pair.alignment) for number, one in enumerate(closings, 1))
        return [(number, each) for number, each in found if each is not None and each.light is not None]

    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import INK, scatter, whole_numbers

        above, below = canvas.subplots(2, 1, sharex=True)
        numbers = range(1, len(closings) + 1)
        scatter(above, numbers, [_shift(one) or 0 for one in closings], 0, "", error=[_sigma(one) for one in closings])
        above.set_ylim(bottom=0)
        above.set_ylabel("camera moved, px")
        changes = [100 * ((each.light or 1) - 1) for _, each in lights()]
        scatter(
            below, [number for number, _ in lights()], changes, 1, "",
            error=[100 * (each.light_sigma or 0) for _, each in lights()],
        )  # fmt: skip
        below.axhline(0, color=INK, linewidth=0.8)
        below.set_ylabel("light changed, %")
        below.set_xlabel("scene, in order")
        whole_numbers(below.xaxis)

    rows = tuple(
        (
            one.scene.name,
            f"{_shift(one):.3f}",
            f"{_sigma(one):.3f}",
            percent(found.light - 1) if (found := one.pair.alignment) and found.light else NOTHING,
            one.pair.standing,
        )
        for one in closings
    )
    columns = ("Scene", "Moved, px", "Uncertainty (1σ), px", "Light changed", "Verdict")
    return Figure(
        name="drift",
        title="What changed while each bracket was shot",
        caption="The closing long beside the first one of the same bracket: how far the camera crept, and how the "
        "light drifted. Bars are one standard deviation.",
        draw=draw,
        numbers=Table("The numbers of this plot", columns, rows, frozenset(columns[1:4]), sortable=True),
        size_in=(7.4, 4.0),
    )
