"""``sidcap evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import console, print_json, progress
from sidcap.cli.train import Device, DeviceOption, show_left_out
from sidcap.data_manifest.words import Split

if TYPE_CHECKING:
    from sidcap.data_manifest.store import Store
    from sidcap.model import Evaluation, Interval

_MAX_PAIRS_SHOWN = 60
"""More are in the CSV only."""
_LEVELS = 255
"""What high ISO leaves is shown in levels of an 8-bit file."""


class Include(StrEnum):
    """Verdicts of pairs that can be used beside the aligned ones."""

    UNDETERMINED = "undetermined"


IncludeOption = Annotated[
    list[Include] | None, typer.Option("--include", help="Use pairs of this verdict, too, beside the aligned ones.")
]


def evaluate(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="Folders of runs, as `sidcap train --out` made them, judged side by side."
        ),
    ],
    split: Annotated[Split, typer.Option(help="Which scenes to judge them on.")] = Split.TEST,
    include: IncludeOption = None,
    device: DeviceOption = Device.AUTO,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Judge runs on scenes they have not seen: PSNR and SSIM, what high ISO leaves, and pictures.

    Tables (JSON, CSV) and pictures go to RUN/evaluation; those of several runs side by side to that of the first.
    """
    from sidcap.data_manifest.store import Store

    chosen = frozenset(str(verdict) for verdict in include or ())
    evaluation = evaluate_showing_progress(Store.open(dataset), runs, split, device, chosen)
    show_scores(evaluation)
    if json:
        print_json(evaluation)


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
    show_residues(evaluation)
    show_left_out(evaluation.left_out)
    if evaluation.included:
        console.print(f"[bold]among them pairs that are {', '.join(evaluation.included)}[/]: asked for with --include")
    console.print(f"tables and pictures: {evaluation.folder / evaluation.crops}", soft_wrap=True)
    for score in evaluation.scores[:_MAX_PAIRS_SHOWN]:
        console.print(f"picture: {evaluation.folder / score.sheet}", soft_wrap=True)


def in_words(interval: Interval, digits: int = 2) -> str:
    """A mean with its interval: ``24.93 (23.10 to 26.75)``."""
    mean = f"{interval.mean:.{digits}f}"
    if interval.low is None or interval.high is None:
        return mean
    return f"{mean} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _show_pairs(evaluation: Evaluation) -> None:
    from rich.table import Table

    origin = ", simulated camera" if evaluation.simulated else ""
    trained = ", ".join(
        f"{run.name}: " + (f"weights from {run.imported_from}" if run.imported_from else f"{run.epochs} epochs")
        for run in evaluation.runs
    )
    table = Table("short", "true ratio", *evaluation.pictures)
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
    from rich.table import Table

    whole = evaluation.mean(evaluation.pictures[0]).psnr_db
    table = Table("", "picture", "PSNR", "SSIM", "PSNR, 8 bit", "SSIM, 8 bit", "PSNR, aligned*", "SSIM, aligned*")
    table.title = f"means over {whole.pairs} pairs of {whole.scenes} scenes, 95% intervals by scene"
    group = ""
    for row in evaluation.summaries:
        if row.group != group:
            table.add_section()
        measures = (in_words(row.psnr_db), in_words(row.ssim, 3))
        eight_bit = (f"{row.psnr_8bit_db.mean:.2f}", f"{row.ssim_8bit.mean:.3f}")
        aligned = (f"{row.aligned_psnr_db.mean:.2f}", f"{row.aligned_ssim.mean:.3f}")
        title = "" if row.group == group else f"{row.group} ({row.psnr_db.pairs} pairs)"
        table.add_row(title, row.picture, *measures, *eight_bit, *aligned)
        group = row.group
    for column in table.columns[2:]:
        column.justify = "right"
    console.print(table)
    console.print("*each picture times the one factor that suits its reference best: told how bright the answer is")
    if whole.scenes == 1:
        console.print("one scene: how far these means would move with other scenes cannot be told")


def _show_differences(evaluation: Evaluation) -> None:
    from rich.table import Table

    table = Table("", "", "PSNR in dB", "SSIM", title="differences on the same pairs, 95% intervals by scene")
    for row in evaluation.differences:
        if row.group == "all":
            table.add_row(row.picture, f"over {row.than}", in_words(row.psnr_db), in_words(row.ssim, 3))
    console.print(table)


def show_residues(evaluation: Evaluation) -> None:
    """What high ISO left in the amplified input and in each network's output, ISO beside ISO."""
    from rich.table import Table

    table = Table("", "picture", "row pattern", "column pattern", "dark cast", "a*", "b*", "edge", "glow")
    table.title = "what is left beside the reference; pattern and glow in levels of 255, cast in CIELAB"
    group = ""
    for row in evaluation.residues:
        if row.group != group:
            table.add_section()
        levels = [in_words(scaled(value, _LEVELS)) for value in (row.row_pattern, row.column_pattern, row.glow)]
        colours = [in_words(value, 1) for value in (row.dark_cast, row.dark_a, row.dark_b)]
        title = "" if row.group == group else row.group
        table.add_row(title, row.picture, *levels[:2], *colours, row.edge, levels[2])
        group = row.group
    console.print(table)


def scaled(interval: Interval, factor: float) -> Interval:
    """The interval in another unit."""
    bounds = {name: getattr(interval, name) for name in ("low", "high")}
    return interval.replace(
        mean=interval.mean * factor,
        **{name: None if bound is None else bound * factor for name, bound in bounds.items()},
    )
