"""How well the networks do on scenes they have not seen, and what high ISO leaves in their pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sidcap.data_manifest.pages.document import Block, Figure, Section, Table, Words
from sidcap.data_manifest.words import counted
from sidcap.model.intervals import Interval, caution
from sidcap.model.report.runs import Judgement, Run
from sidcap.model.scores import AMPLIFIED, MEAN_SCALED, Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

NOTHING = "–"
_LEVELS = 255.0
"""Steps of an 8-bit picture."""


def judged(number: int, judgement: Judgement, runs: Sequence[Run]) -> list[Block]:
    """One evaluation: means with intervals, differences, every pair."""
    evaluation = judgement.evaluation
    blocks: list[Block] = [_heading(evaluation), *_stale(evaluation, runs)]
    blocks += [Words(f"{doubt}.", "doubt") for doubt in evaluation.doubts]
    whole = evaluation.mean(AMPLIFIED).psnr_db
    if words := caution(whole.scenes):
        blocks.append(Words(words.replace(" (docs/evaluation.md says by how much)", "") + ".", "doubt"))
    blocks += [_means(evaluation), _means_figure(number, evaluation), _differences(evaluation)]
    blocks += [_pairs_figure(number, evaluation), _pairs(evaluation, judgement.path)]
    if evaluation.left_out:
        rows = tuple((Path(one.frame).stem, one.verdict, one.reason) for one in evaluation.left_out)
        title = f"{counted(len(rows), 'pair')} of the split not judged"
        blocks.append(Table(title, ("Pair", "Stands at", "Why"), rows, folded=True))
    return blocks


def high_iso(judgements: Sequence[Judgement]) -> Section:
    """Pattern, cast and glow."""
    blocks: list[Block] = []
    for number, judgement in enumerate(judgements, 1):
        if judgement.evaluation.residues:
            blocks += [_residues(judgement.evaluation), _residue_figure(number, judgement.evaluation)]
    if not blocks:
        blocks.append(Words("Nothing was judged yet, so nothing can be said."))
    return Section("high-iso", "What high ISO leaves in the pictures", tuple(blocks))


def _heading(evaluation: Evaluation) -> Words:
    whole = evaluation.mean(AMPLIFIED).psnr_db
    names = ", ".join(run.name for run in evaluation.runs)
    origin = " from the simulated camera" if evaluation.simulated else ""
    pairs, scenes = counted(whole.pairs, "pair"), counted(whole.scenes, "scene")
    text = f"{names} on split {evaluation.split}: {pairs} of {scenes}{origin}"
    if evaluation.included:
        text += f", {evaluation.included} of them undetermined and judged because that was asked for"
    return Words(f"{text}. Judged with {evaluation.made_with}.")


def _stale(evaluation: Evaluation, runs: Sequence[Run]) -> list[Block]:
    """Says where a run has other weights now than those that were judged."""
    now = {run.checkpoint_sha256 for run in runs}
    names = {run.name for run in runs}
    return [
        Words(
            f"{run.name} has changed since it was judged, after {counted(run.epochs, 'epoch')}: "
            "run `sidcap evaluate` again.",
            "doubt",
        )
        for run in evaluation.runs
        if run.name in names and run.checkpoint_sha256 not in now
    ]


def _means(evaluation: Evaluation) -> Table:
    rows = tuple(
        (
            "all pairs" if row.group == "all" else row.group,
            row.picture,
            _number(row.psnr_db.mean, 2),
            _range(row.psnr_db, 2),
            _number(row.ssim.mean, 3),
            _range(row.ssim, 3),
            _number(row.psnr_8bit_db.mean, 2),
            _number(row.aligned_psnr_db.mean, 2),
            str(row.psnr_db.pairs),
        )
        for row in evaluation.summaries
    )
    columns = (
        "Pairs of",
        "Picture",
        "PSNR, dB",
        "95 % interval",
        "SSIM",
        "95 % interval of SSIM",
        "PSNR, 8 bit, dB",
        "PSNR, aligned, dB",
        "Pairs",
    )
    return Table(
        "Means over pairs, with intervals over scenes",
        columns,
        rows,
        frozenset(columns[2:]),
        note="Higher is better. Amplified: the short made brighter, without a network. Mean-scaled: the short given "
        "the brightness of the answer, which nobody has without the long. 8 bit: of rounded pictures, as in the study. "
        "Aligned: after the one factor that suits each reference best.",
    )


def _differences(evaluation: Evaluation) -> Table:
    rows = tuple(
        (
            "all pairs" if row.group == "all" else row.group,
            f"{row.picture} over {row.than}",
            f"{row.psnr_db.mean:+.2f}",
            _range(row.psnr_db, 2),
            f"{row.ssim.mean:+.3f}",
            _range(row.ssim, 3),
        )
        for row in evaluation.differences
    )
    columns = ("Pairs of", "Compared", "PSNR, dB", "95 % interval", "SSIM", "95 % interval of SSIM")
    return Table(
        "Differences on the same pairs",
        columns,
        rows,
        frozenset(columns[2:]),
        note="These intervals are the ones to compare by: they are narrower than those of the means, since every pair "
        "is compared with itself.",
    )


def _pairs(evaluation: Evaluation, path: Path) -> Table:
    columns = ("Pair", "Picture", "ISO", "Ratio", "PSNR, dB", "SSIM", "PSNR, aligned, dB", "Gain")
    rows = tuple(
        (
            Path(score.short).stem,
            judged_.picture,
            str(score.iso),
            f"{score.ratio:.1f}",
            _number(judged_.quality.psnr_db, 2),
            _number(judged_.quality.ssim, 3),
            _number(judged_.quality.aligned_psnr_db, 2),
            f"{judged_.quality.gain:.3f}",
        )
        for score in evaluation.scores
        for judged_ in score.pictures
    )
    csv = path.with_suffix(".csv")
    note = f"The heads sort. {csv.name} in the evaluation folder of the run has all figures of every picture."
    return Table("Every picture of every pair", columns, rows, frozenset(columns[2:]), note, folded=True, sortable=True)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "equal" if value == math.inf else NOTHING


def _range(interval: Interval, digits: int) -> str:
    if interval.low is None or interval.high is None:
        return NOTHING
    return f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"


def _dots(axes: Axes, rows: Sequence[Interval], series: int, height: float, label: str) -> None:
    """Means and their intervals, one under the other, from row 0 down; what is infinite is left out."""
    from sidcap.data_manifest.pages.plots import MARKS, SERIES

    colour, mark = SERIES[series % len(SERIES)], MARKS[series % len(MARKS)]
    for row, interval in enumerate(rows):
        place = row + height
        if interval.low is not None and interval.high is not None:
            axes.plot([interval.low, interval.high], [place, place], color=colour, linewidth=1.2)
        if math.isfinite(interval.mean):
            axes.plot(interval.mean, place, marker=mark, color=colour, linestyle="", label=label if row == 0 else None)


def _heights(count: int) -> list[float]:
    """Places of so many marks within a row."""
    return [0.7 * ((index + 0.5) / count - 0.5) for index in range(count)]


def _rows_of(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _means_figure(number: int, evaluation: Evaluation) -> Figure:
    groups = list(dict.fromkeys(row.group for row in evaluation.summaries))
    pictures = evaluation.pictures

    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import legend

        left, right = canvas.subplots(1, 2, sharey=True)
        for axes, measure, title in ((left, "psnr_db", "PSNR, dB"), (right, "ssim", "SSIM")):
            for series, (picture, height) in enumerate(zip(pictures, _heights(len(pictures)), strict=True)):
                rows = [getattr(evaluation.mean(picture, group), measure) for group in groups]
                _dots(axes, rows, series, height, picture)
            axes.set_xlabel(title)
        _rows_of(left, ["all pairs" if group == "all" else group for group in groups])
        right.tick_params(axis="y", length=0)
        right.grid(visible=False, axis="y")
        legend(canvas, left)

    columns = ("Pairs of", "Picture", "PSNR, dB", "SSIM")
    rows = tuple((row.group, row.picture, row.psnr_db.in_words(), row.ssim.in_words(3)) for row in evaluation.summaries)
    return Figure(
        f"scores-{number}",
        f"Means by ratio and ISO, split {evaluation.split}",
        "Marks are means over pairs, bars 95 % intervals over scenes. Further right is better. "
        f"{AMPLIFIED} and {MEAN_SCALED} are no networks: they are what there is to beat.",
        draw,
        Table("The numbers of this plot", columns, rows, frozenset(columns[2:])),
        size_in=(7.4, 1.2 + 0.22 * len(groups) * max(len(pictures), 2)),
    )


def _pairs_figure(number: int, evaluation: Evaluation) -> Figure:
    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import legend, scatter, whole_numbers

        axes = canvas.subplots()
        for series, picture in enumerate(evaluation.pictures):
            values = [score.of(picture).psnr_db for score in evaluation.scores]
            there = [place for place, value in enumerate(values) if math.isfinite(value)]
            scatter(axes, [place + 1 for place in there], [values[place] for place in there], series, picture)
        axes.set_xlabel("pair, by scene and exposure")
        axes.set_ylabel("PSNR, dB")
        whole_numbers(axes.xaxis)
        legend(canvas, axes)

    columns = ("Pair", *evaluation.pictures)
    rows = tuple(
        (Path(score.short).stem, *(_number(score.of(picture).psnr_db, 2) for picture in evaluation.pictures))
        for score in evaluation.scores
    )
    return Figure(
        f"pairs-{number}",
        f"Every pair, split {evaluation.split}",
        "Each column of marks is one pair: the higher, the closer to the long's picture.",
        draw,
        Table("PSNR of every pair, dB", columns, rows, frozenset(columns[1:]), sortable=True),
    )


_RESIDUES = (
    ("row_pattern", "rows, levels of 255", _LEVELS),
    ("column_pattern", "columns, levels of 255", _LEVELS),
    ("dark_cast", "colour cast, CIELAB", 1.0),
    ("glow", "glow, levels of 255", _LEVELS),
)


def _residues(evaluation: Evaluation) -> Table:
    rows = tuple(
        (
            row.group,
            row.picture,
            _words(row.row_pattern, _LEVELS, 2),
            _words(row.column_pattern, _LEVELS, 2),
            _words(row.dark_cast, 1, 1),
            f"{row.dark_a.mean:+.1f}",
            f"{row.dark_b.mean:+.1f}",
            _words(row.glow, _LEVELS, 2),
            row.edge,
        )
        for row in evaluation.residues
    )
    columns = ("ISO", "Picture", "Row pattern", "Column pattern", "Cast in the dark", "a*", "b*", "Glow", "Edge")
    names = ", ".join(run.name for run in evaluation.runs)
    return Table(
        f"What is left beside the long's picture: {names}, split {evaluation.split}",
        columns,
        rows,
        frozenset(columns[2:8]),
        note="Nearer to 0 is better; in brackets 95 % intervals. Patterns and glow are in levels of an 8-bit picture, "
        "the cast in CIELAB: positive a* is red or magenta, positive b* yellow. Glow is how much brighter one edge is "
        "than the middle.",
    )


def _words(interval: Interval, factor: float, digits: int) -> str:
    if interval.low is None or interval.high is None:
        return f"{interval.mean * factor:.{digits}f}"
    mean, low, high = (f"{value * factor:.{digits}f}" for value in (interval.mean, interval.low, interval.high))
    return f"{mean} ({low} to {high})"


def _residue_figure(number: int, evaluation: Evaluation) -> Figure:
    groups = [group for group in dict.fromkeys(row.group for row in evaluation.residues) if " less " not in group]
    pictures = list(dict.fromkeys(row.picture for row in evaluation.residues))

    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import INK, legend

        panels = canvas.subplots(1, 4, sharey=True)
        for axes, (measure, title, factor) in zip(panels, _RESIDUES, strict=True):
            for picture, height in zip(pictures, _heights(len(pictures)), strict=True):
                found = [row for row in evaluation.residues if row.picture == picture and row.group in groups]
                # Marks are those of the plots above, where the mean-scaled picture comes second.
                mark = evaluation.pictures.index(picture)
                _dots(axes, [_times(getattr(row, measure), factor) for row in found], mark, height, picture)
            axes.axvline(0, color=INK, linewidth=0.8)
            axes.set_xlabel(title.replace(", ", ",\n"))
            axes.tick_params(axis="y", length=0)
            axes.grid(visible=False, axis="y")
        _rows_of(panels[0], groups)
        legend(canvas, panels[0])

    columns = ("ISO", "Picture", *(title for _, title, _ in _RESIDUES))
    rows = tuple(
        (row.group, row.picture, *(_words(getattr(row, measure), factor, 2) for measure, _, factor in _RESIDUES))
        for row in evaluation.residues
    )
    return Figure(
        f"high-iso-{number}",
        f"Pattern, cast and glow, split {evaluation.split}",
        "Marks are means over pairs, bars 95 % intervals over scenes. Nearer to zero is better.",
        draw,
        Table("The numbers of this plot", columns, rows, frozenset(columns[2:])),
        size_in=(7.4, 1.5 + 0.25 * len(groups) * max(len(pictures), 2)),
    )


def _times(interval: Interval, factor: float) -> Interval:
    low, high = (None if bound is None else bound * factor for bound in (interval.low, interval.high))
    return interval.replace(mean=interval.mean * factor, low=low, high=high)
