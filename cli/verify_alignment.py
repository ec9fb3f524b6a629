"""``sidcap verify-alignment``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import NOT_USABLE, console, counted, print_json, progress, warn, without_c_chatter
from sidcap.data_manifest.errors import SidcapError
from sidcap.data_manifest.words import Verdict

if TYPE_CHECKING:
    from sidcap.data_manifest.schema import Pair, Scene

_COLOURS = {Verdict.ALIGNED: "green", Verdict.MISALIGNED: "red", Verdict.UNDETERMINED: "yellow"}


def verify_alignment(
    scene: Annotated[
        list[int] | None, typer.Option(metavar="N", show_default="all", help="Scene to verify; repeat for more.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="PX", min=0.001, help="Largest shift still called aligned, in sensor pixels.")
    ] = 0.5,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Measure how far each short lies from its long, and judge: aligned, misaligned or undetermined.

    The verdicts are written into the scene files. Ends with exit code 3 where a pair is not aligned.
    """
    from sidcap.curate import verify_dataset
    from sidcap.data_manifest.store import Store

    store = Store.open(dataset)
    scene_ids = scene or store.scene_ids()
    scenes: list[Scene] = []
    failure: SidcapError | None = None
    with without_c_chatter(), progress() as bar:
        task = bar.add_task("registering", total=len(scene_ids))
        try:
            for done in verify_dataset(store, scene_ids, tolerance_px=tolerance):
                scenes.append(done)
                bar.advance(task)
        except SidcapError as error:  # comes last: what the other scenes gave is shown first
            failure = error
    if failure is not None and not scenes:
        raise failure
    scenes.sort(key=lambda scene: scene.id)
    show_verdicts(scenes)
    if json:
        print_json({"scenes": [scene.model_dump(mode="json") for scene in scenes]})
    if failure is not None:
        raise failure
    all_aligned = all(pair.alignment and pair.alignment.verdict is Verdict.ALIGNED for pair in _pairs(scenes))
    if not all_aligned or not all(scene.complete for scene in scenes):
        raise typer.Exit(NOT_USABLE)


def show_verdicts(scenes: list[Scene]) -> None:
    """One row a pair, and the reasons for every verdict that is not `aligned`."""
    from rich.table import Table

    table = Table("frame", "ratio", "true", "measured", "shift px", "± px", "verdict")
    for column in table.columns[1:-1]:
        column.justify = "right"
    table.columns[0].no_wrap = table.columns[-1].no_wrap = True
    for pair in _pairs(scenes):
        table.add_row(*_row(pair))
    if table.row_count:
        console.print(table)
    for pair in _pairs(scenes):
        if pair.alignment and pair.alignment.verdict is not Verdict.ALIGNED:
            console.print(f"{pair.frame}: {'; '.join(pair.alignment.reasons)}", soft_wrap=True)
    for scene in scenes:
        if not scene.complete:
            warn(f"scene {scene.name} is incomplete: sidcap shoot --resume completes it")
    counts = dict.fromkeys(Verdict, 0)
    for pair in _pairs(scenes):
        if pair.alignment:
            counts[pair.alignment.verdict] += 1
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    console.print(f"{counted(len(scenes), 'scene')}: {verdicts}")


def _pairs(scenes: Iterable[Scene]) -> list[Pair]:
    return [pair for scene in scenes for pair in scene.all_pairs]


def _row(pair: Pair) -> tuple[str, ...]:
    ratio, alignment = pair.ratio, pair.alignment
    measured = f"{ratio.measured:.1f}" if ratio.measured is not None else "-"
    ratios = (f"{ratio.nominal:g}", f"{ratio.true:.1f}", measured)
    if alignment is None or alignment.shift_px is None:
        shift = ("-", "-")
    else:
        shift = (f"{math.hypot(*alignment.shift_px):.3f}", f"{alignment.sigma_px or 0:.3f}")
    verdict = alignment.verdict if alignment else None
    name = Path(pair.frame).stem if pair.frame.startswith("short/") else f"{Path(pair.frame).stem} again"
    return (name, *ratios, *shift, f"[{_COLOURS[verdict]}]{verdict}[/]" if verdict else "-")
