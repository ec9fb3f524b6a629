"""``sidcap evaluate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sidcap.cli.completion import runs as runs_there
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import NOT_USABLE, complain, console, in_two_lines, narrow_table, print_json, progress, warn
from sidcap.cli.train import Device, DeviceOption, IncludeOption, show_left_out
from sidcap.data_manifest.words import Split, counted

if TYPE_CHECKING:
    from sidcap.data_manifest.store import Store
    from sidcap.model import Evaluation, Interval, ResidueSummary, Summary

_MAX_PAIRS_SHOWN = 60
"""More are in the CSV only."""


def evaluate(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Folders of runs, as `sidcap train --out` made them, judged side by side.",
            autocompletion=runs_there,
        ),
    ],
    split: Annotated[Split, typer.Option(help="Which scenes to judge them on.")] = Split.TEST,
    include: IncludeOption = None,
    device: DeviceOption = Device.AUTO,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Judge runs on scenes they have not seen.

    PSNR and SSIM with intervals, what high ISO leaves, and pictures. Tables
    (JSON, CSV) and pictures go to RUN/evaluation; those of several runs side by
    side to that of the first.

    [bold]One run, on the test split[/]
    sidcap evaluate run

    [bold]Two, side by side[/]
    sidcap evaluate run best

    [bold]To choose settings by[/]
    sidcap evaluate run best --split val
    """
    from sidcap.data_manifest.store import Store

    evaluation = evaluate_showing_progress(Store.open(dataset), runs, split, device, frozenset(include or ()))
    show_scores(evaluation)
    if json:
        print_json(evaluation)
    end_doubted(evaluation)


def end_doubted(evaluation: Evaluation) -> None:
    """Ends the command as not usable where a run has learned from what it was judged on."""
    for doubt in evaluation.doubts:
        complain(doubt)
    if evaluation.doubts:
        raise typer.Exit(NOT_USABLE)


def evaluate_showing_progress(
    store: Store, runs: Sequence[Path], split: Split, device: Device, include: frozenset[str] = frozenset()
) -> Evaluation:
    """Evaluate, with progress on the terminal."""
    from sidcap.model import evaluate as judge

    with progress() as bar:
        task = bar.add_task("judging", total=None)
        return judge(
            store,
            runs,
            split,
            include=include,
            device=device.value,
            on_decoded=lambda done, total: bar.update(task, description="decoding", completed=done, total=total),
            on_score=lambda _, total: bar.update(task, description="judging", advance=1, total=total),
        )


def show_scores(evaluation: Evaluation) -> None:
    """The scores as tables, and where the pictures are."""
    _show_pairs(evaluation)
    _show_means(evaluation)
    _show_differences(evaluation)
    _show_residues(evaluation)
    show_left_out(evaluation.left_out)
    if evaluation.included:
        warn(f"{counted(evaluation.included, 'pair')} of them undetermined: judged since --include says so")
    if evaluation.split is Split.TRAIN:
        warn("these are scenes of the train split: networks that have learned from them tell nothing of others")
    crops = evaluation.folder / evaluation.crops
    console.print(f"all scores: {crops.parent}.csv and {crops.parent}.json", soft_wrap=True)
    console.print(f"pictures of each pair: {crops.parent}; crops of the darkest shorts: {crops}", soft_wrap=True)


def _show_pairs(evaluation: Evaluation) -> None:
    origin = ", simulated camera" if evaluation.simulated else ""
    trained = ", ".join(
        f"{run.name}: " + (f"weights from {run.imported_from}" if run.imported_from else counted(run.epochs, "epoch"))
        for run in evaluation.runs
    )
    table = narrow_table("short", "ratio", *evaluation.pictures)
    table.title = f"PSNR in dB on split {evaluation.split}{origin}; {trained}"
    for column in table.columns[1:]:
        column.justify = "right"
    for score in evaluation.scores[:_MAX_PAIRS_SHOWN]:
        decibels = (f"{score.of(picture).psnr_db:.2f}" for picture in evaluation.pictures)
        table.add_row(Path(score.short).stem, f"{score.ratio:.1f}", *decibels)
    console.print(table)
    if (more := len(evaluation.scores) - _MAX_PAIRS_SHOWN) > 0:
        console.print(f"and {more} more in the CSV")
    console.print("amplified: times the true ratio; mean-scaled: given the reference's mean, an oracle")


def _show_means(evaluation: Evaluation) -> None:
    from sidcap.model import caution

    whole = evaluation.mean(evaluation.pictures[0]).psnr_db
    table = narrow_table("picture", "PSNR", "SSIM", "8 bit", "aligned*")
    judged = f"{counted(whole.pairs, 'pair')} of {counted(whole.scenes, 'scene')}"
    table.title = f"means over {judged}, 95% intervals by scene"
    for column in table.columns[1:]:
        column.justify = "right"
    for group, rows in _by_group(evaluation.summaries):
        table.add_section()
        table.add_row(f"[bold]{group}[/], {counted(rows[0].psnr_db.pairs, 'pair')}")
        for row in rows:
            others = (f"{row.psnr_8bit_db.mean:.2f}", f"{row.aligned_psnr_db.mean:.2f}")
            table.add_row(row.picture, _two_lines(row.psnr_db), _two_lines(row.ssim, 3), *others)
    console.print(table)
    console.print(
        "8 bit: PSNR of rounded pictures, as the study's; *PSNR after the one factor that suits each reference best: "
        "told how bright the answer is. SSIM of both is in the JSON and the CSV"
    )
    if words := caution(whole.scenes):
        warn(words)


def _show_differences(evaluation: Evaluation) -> None:
    table = narrow_table("", "", "PSNR in dB", "SSIM")
    table.title = "differences on the same pairs, 95% intervals by scene"
    for row in evaluation.differences:
        if row.group == "all":
            table.add_row(row.picture, f"over {row.than}", row.psnr_db.in_words(), row.ssim.in_words(3))
    console.print(table)


def _show_residues(evaluation: Evaluation) -> None:
    table = narrow_table("picture", "rows", "columns", "cast", "a*\nb*", "glow")
    table.title = "what is left beside the reference: pattern and glow in 255ths of full scale, dark cast in CIELAB"
    for column in table.columns[1:]:
        column.justify = "right"
    for group, rows in _by_group(evaluation.residues):
        table.add_section()
        table.add_row(f"[bold]{group}[/]", *[""] * 4, f"({rows[0].edge})")
        for row in rows:
            levels = [_two_lines(_times(value, 255)) for value in (row.row_pattern, row.column_pattern, row.glow)]
            colours = (_two_lines(row.dark_cast, 1), f"{row.dark_a.mean:+.1f}\n{row.dark_b.mean:+.1f}")
            table.add_row(row.picture, levels[0], levels[1], *colours, levels[2])
    console.print(table)


def _two_lines(interval: Interval, digits: int = 2) -> str:
    return in_two_lines(interval.in_words(digits))


_Grouped = TypeVar("_Grouped", "Summary", "ResidueSummary")


def _by_group(rows: Sequence[_Grouped]) -> Iterator[tuple[str, list[_Grouped]]]:
    for group in dict.fromkeys(row.group for row in rows):
        yield group, [row for row in rows if row.group == group]


def _times(interval: Interval, factor: float) -> Interval:
    low, high = (None if bound is None else bound * factor for bound in (interval.low, interval.high))
    return interval.replace(mean=interval.mean * factor, low=low, high=high)
