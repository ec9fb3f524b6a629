"""How long each frame was exposed, and how much less light each short got: as asked, as it is, as measured."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from sidcap.curate.report.contents import Contents, PairOf
from sidcap.curate.report.words import NOTHING, percent, seconds
from sidcap.data_manifest.pages.document import Block, Figure, Section, Table, Words
from sidcap.data_manifest.schema import Frame, Ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def exposures(contents: Contents) -> Section:
    """The table of times, the table of ratios, and how the measured ones scatter."""
    blocks: list[Block] = []
    if not contents.frames:
        blocks.append(Words("There are no frames yet."))
    else:
        blocks += [_times(contents.frames), _ratios(contents.pairs)]
        measured = [one for one in contents.pairs if one.pair.ratio.measured is not None]
        if measured:
            blocks.append(_figure(measured))
        else:
            blocks.append(Words("No ratio was measured yet: `sidcap verify-alignment` does, from the pixels.", "doubt"))
    return Section("exposures", "Exposures and ratios", tuple(blocks))


def _times(frames: Sequence[Frame]) -> Table:
    groups: dict[tuple[str, float, int], list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[frame.role, frame.exposure.nominal_s, frame.iso.set].append(frame)
    rows = []
    for (role, nominal_s, iso), members in sorted(
        groups.items(), key=lambda item: (item[0][0], -item[0][1], item[0][2])
    ):
        true_s = fmean(frame.exposure.true_s for frame in members)
        asked = {frame.exposure.requested_s for frame in members if frame.exposure.requested_s is not None}
        exif = {frame.exposure.exif_s for frame in members if frame.exposure.exif_s is not None}
        rows.append(
            (
                role,
                str(iso),
                ", ".join(f"{one:.4g}" for one in sorted(asked)) or NOTHING,
                seconds(nominal_s),
                f"{true_s:.5g}",
                percent(true_s / nominal_s - 1),
                ", ".join(f"{one:.4g}" for one in sorted(exif)) or NOTHING,
                f"{len(members):,}",
            )
        )
    columns = ("Frame", "ISO", "Asked for, s", "On the dial", "True, s", "True to dial", "In the file, s", "Frames")
    return Table(
        "Exposure times",
        columns,
        tuple(rows),
        frozenset(columns[1:]),
        note="The dial says 1/30 where the shutter does 1/32: shutters run in powers of two. The true time counts.",
    )


def _by_ratio(pairs: Sequence[PairOf]) -> dict[float, list[Ratio]]:
    groups: dict[float, list[Ratio]] = defaultdict(list)
    for one in pairs:
        groups[one.pair.ratio.nominal].append(one.pair.ratio)
    return dict(sorted(groups.items()))


def _ratios(pairs: Sequence[PairOf]) -> Table:
    rows = []
    for nominal, ratios in _by_ratio(pairs).items():
        true = fmean(ratio.true for ratio in ratios)
        found = [ratio.measured for ratio in ratios if ratio.measured is not None]
        off = [ratio.measured / ratio.true - 1 for ratio in ratios if ratio.measured is not None]
        rows.append(
            (
                f"{nominal:.4g}",
                f"{true:.4g}",
                percent(true / nominal - 1),
                f"{fmean(found):.4g}" if found else NOTHING,
                percent(fmean(off)) if off else NOTHING,
                f"{_spread(off):.1%}".replace("%", " %") if len(off) > 1 else NOTHING,
                f"{len(ratios):,}",
                f"{len(found):,}",
            )
        )
    columns = (
        "Nominal",
        "True",
        "True to nominal",
        "Measured, mean",
        "Measured to true, mean",
        "Scatter (1σ)",
        "Pairs",
        "Measured",
    )
    return Table(
        "Ratios: exposure of the long over exposure of the short",
        columns,
        tuple(rows),
        frozenset(columns),
        note="Nominal: as asked for. True: from the real shutter times. Measured: from the pixels of both frames.",
    )


def _spread(values: Sequence[float]) -> float:
    middle = fmean(values)
    return math.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))


def _figure(pairs: Sequence[PairOf]) -> Figure:
    ratios = list(_by_ratio(pairs))

    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import INK, legend, scatter

        axes = canvas.subplots()
        axes.axhline(0, color=INK, linewidth=0.8)
        position = 0
        for series, ratio in enumerate(ratios):
            members = [one.pair.ratio for one in pairs if one.pair.ratio.nominal == ratio]
            numbers = range(position + 1, position + len(members) + 1)
            off = [100 * ((one.measured or 0) / one.true - 1) for one in members]
            sigma = [100 * (one.measured_sigma or 0) / one.true for one in members]
            scatter(axes, numbers, off, series, f"ratio {ratio:g}", error=sigma)
            position += len(members)
        axes.set_xlabel("pair, by ratio and scene")
        axes.set_ylabel("measured to true ratio, %")
        legend(canvas, axes)

    rows = tuple(
        (
            one.name,
            f"{one.pair.ratio.nominal:.4g}",
            f"{one.pair.ratio.true:.5g}",
            f"{one.pair.ratio.measured:.5g}",
            f"{one.pair.ratio.measured_sigma or 0:.2g}",
            percent((one.pair.ratio.measured or 0) / one.pair.ratio.true - 1),
        )
        for one in pairs
    )
    columns = ("Pair", "Nominal", "True", "Measured", "Uncertainty (1σ)", "Measured to true")
    return Figure(
        name="ratios",
        title="How far the measured ratios lie from the true ones",
        caption="Each mark is a pair, its bar one standard deviation. Zero means that the pixels got the light that "
        "the shutter times promise. A few percent are usual for a shutter; more means that the light changed.",
        draw=draw,
        numbers=Table("The numbers of this plot", columns, rows, frozenset(columns[1:]), sortable=True),
    )
