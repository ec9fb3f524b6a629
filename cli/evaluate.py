"""``sidcap evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import console, print_json, progress
from sidcap.cli.train import Device, DeviceOption, show_left_out
from sidcap.data_manifest.words import Split

if TYPE_CHECKING:
    from sidcap.data_manifest.store import Store
    from sidcap.model import Evaluation


def evaluate(
    run: Annotated[Path, typer.Argument(help="The run's folder, as `sidcap train --out` made it.")],
    split: Annotated[Split, typer.Option(help="Which scenes to judge it on.")] = Split.TEST,
    device: DeviceOption = Device.AUTO,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Judge a run on scenes it has not seen: PSNR of the amplified input and of the network, and pictures.

    Pictures (input, reference, amplified, network) and the table go to RUN/evaluation.
    """
    from sidcap.data_manifest.store import Store

    evaluation = evaluate_showing_progress(Store.open(dataset), run, split, device)
    show_scores(evaluation)
    if json:
        print_json(evaluation)


def evaluate_showing_progress(store: Store, run: Path, split: Split, device: Device) -> Evaluation:
    """Evaluate, with progress on the terminal."""
    from sidcap.model import evaluate as judge

    with progress() as bar:
        task = bar.add_task("judging", total=None)
        return judge(
            store,
            run,
            split,
            device=device.value,
            on_decoded=lambda done, total: bar.update(task, description="decoding", completed=done, total=total),
            on_score=lambda _, total: bar.update(task, description="judging", advance=1, total=total),
        )


def show_scores(evaluation: Evaluation) -> None:
    """The scores as a table, and where the pictures are."""
    from rich.table import Table

    origin = ", simulated camera" if evaluation.simulated else ""
    title = f"PSNR in dB on split {evaluation.split}{origin}, after {evaluation.epochs} epochs"
    table = Table("short", "true ratio", "amplified", "mean-scaled", "network", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for score in evaluation.scores:
        decibels = (score.amplified_db, score.mean_scaled_db, score.network_db)
        table.add_row(Path(score.short).stem, f"{score.ratio:.1f}", *(f"{value:.2f}" for value in decibels))
    means = (evaluation.amplified_db, evaluation.mean_scaled_db, evaluation.network_db)
    table.add_section()
    table.add_row("mean", "", *(f"[bold]{value:.2f}[/]" for value in means))
    console.print(table)
    console.print("amplified: times the true ratio; mean-scaled: given the reference's mean, an oracle")
    show_left_out(evaluation.left_out)
    for score in evaluation.scores:
        console.print(f"picture: {evaluation.run / score.picture}", soft_wrap=True)
