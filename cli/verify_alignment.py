"""``sidcap verify-alignment``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.completion import scenes as scenes_there
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import (
    NOT_USABLE,
    complain,
    console,
    print_json,
    progress,
    warn,
    without_c_chatter,
)
from sidcap.data_manifest.errors import StoppedError, UsageError
from sidcap.data_manifest.words import Verdict, counted

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from sidcap.curate import Failed, Verified
    from sidcap.data_manifest.schema import Pair, Scene
    from sidcap.data_manifest.store import Store

_COLOURS = {
    Verdict.ALIGNED: "green",
    Verdict.MISALIGNED: "red",
    Verdict.UNDETERMINED: "yellow",
    "accepted": "green",
    "rejected": "red",
}
_MANY_REASONS = 50
_MANY_PAIRS = 200
"""Of more pairs than this, the table has only those that cannot be used."""


def verify_alignment(
    scene: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N", show_default="all", help="Scene to verify; repeat for more.", autocompletion=scenes_there
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(metavar="PX", min=0.001, max=100, help="Largest shift still called aligned, in sensor pixels."),
    ] = 0.5,
    again: Annotated[bool, typer.Option("--again", help="Register every pair, also those that are current.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, show_default="all cores", help="Processes; each takes up to 1.5 GB."),
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Work on this Dask cluster, such as tcp://host:8786.")
    ] = None,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Measure each short against its long, and judge the pair.

    Aligned, misaligned or undetermined: the verdict, the shift and its
    uncertainty are written into the scene files. What was registered before is
    registered again only where files, calibration or method have changed. Ends
    with exit code 3 where a pair is not aligned and nobody decided on it, where
    files are missing, and where a scene is incomplete.

    [bold]Every scene[/]
    sidcap verify-alignment

    [bold]Two of them, more strictly[/]
    sidcap verify-alignment --scene 3 --scene 7 --tolerance 0.3

    [bold]On a Dask cluster[/]
    sidcap verify-alignment --dask tcp://10.0.0.1:8786
    """
    from sidcap.data_manifest.store import Store

    if jobs is not None and dask is not None:
        raise UsageError("--jobs is for this machine, --dask for a cluster: give one of them")
    store = Store.open(dataset)
    scene_ids = scene or store.scene_ids()
    if not scene_ids:
        raise UsageError(f"{dataset} has no scenes: shoot some with `sidcap shoot`, or import them")
    verified, failed, interrupted = _verified(store, scene_ids, tolerance, again=again, jobs=jobs, dask=dask)
    scenes = [done.scene for done in verified]
    show_verdicts(scenes)
    _show_work(verified, failed)
    if json and not interrupted:
        print_json(
            {
                "scenes": [scene.model_dump(mode="json") for scene in scenes],
                "registered": sum(done.registered for done in verified),
                "current": sum(done.current for done in verified),
                "failed": sum(done.failed for done in verified),
                "failed_scenes": [{"scene": failure.scene_id, "error": str(failure.error)} for failure in failed],
            }
        )
    for error in dict.fromkeys(str(failure.error) for failure in failed):
        complain(error)
    if interrupted:
        raise StoppedError(
            f"interrupted: {counted(len(scenes), 'scene')} of {len(scene_ids)} are written; "
            f"the same command{' without --again' if again else ''} goes on from there"
        )
    if failed:
        raise typer.Exit(1)
    complete = all(scene.complete for scene in scenes) and not any(done.failed for done in verified)
    if not (complete and all(pair.usable or pair.standing == "rejected" for pair in _pairs(scenes))):
        raise typer.Exit(NOT_USABLE)


def _verified(
    store: Store, scene_ids: list[int], tolerance_px: float, *, again: bool, jobs: int | None, dask: str | None
) -> tuple[list[Verified], list[Failed], bool]:
    """What came of the scenes, ascending, and whether Ctrl-C ended it before all were done."""
    from sidcap.curate import Failed, verify_dataset

    verified: list[Verified] = []
    failed: list[Failed] = []
    interrupted = False
    try:
        with without_c_chatter(), progress() as bar, _workers(store, len(scene_ids), jobs, dask) as executor:
            task = bar.add_task("verifying scenes", total=len(scene_ids))
            for done in verify_dataset(store, scene_ids, tolerance_px=tolerance_px, again=again, executor=executor):
                if isinstance(done, Failed):
                    failed.append(done)
                else:
                    verified.append(done)
                bar.advance(task)
    except KeyboardInterrupt:
        interrupted = True
    verified.sort(key=lambda done: done.scene.id)
    failed.sort(key=lambda failure: failure.scene_id)
    return verified, failed, interrupted


@contextmanager
def _workers(store: Store, scenes: int, jobs: int | None, dask: str | None) -> Iterator[Executor | None]:
    """Where the work is done; None for here, which suits one scene best."""
    from sidcap.curate import cores, dask_cluster, processes

    if dask is not None:
        with dask_cluster(dask, store.root.absolute()) as executor:
            yield executor
    elif scenes > 1:
        with processes(min(jobs or cores(), scenes)) as executor:
            yield executor
    else:
        yield None


def show_verdicts(scenes: list[Scene]) -> None:
    """One row a pair, the reasons for every one that is not `aligned`, and what was found in whole brackets."""
    from rich.box import SIMPLE
    from rich.table import Table

    headings = ("frame", "ratio", "true", "measured", "shift px", "± px", "verdict")
    table = Table(*headings, box=SIMPLE, pad_edge=False, collapse_padding=True)
    for column in table.columns[1:-1]:
        column.justify = "right"
    pairs = _pairs(scenes)
    many = len(pairs) > _MANY_PAIRS
    closing = {scene.closing.frame for scene in scenes if scene.closing}
    for pair in pairs:
        if not (many and pair.usable):
            table.add_row(*_row(pair, again=pair.frame in closing))
    if table.row_count:
        console.print(table)
    _show_reasons(pairs)
    for scene in scenes:
        for finding in scene.findings:
            warn(f"scene {scene.name}: {finding}")
        if not scene.complete:
            warn(f"scene {scene.name} is incomplete: sidcap shoot --resume completes it")
    standings = Counter({verdict.value: 0 for verdict in Verdict})
    standings.update(pair.standing for pair in pairs)
    counts = ", ".join(f"{count} {standing}" for standing, count in standings.items())
    console.print(f"{counted(len(scenes), 'scene')}: {counts}" + (" (the usable ones are not listed)" if many else ""))


def _show_reasons(pairs: list[Pair]) -> None:
    unsound = [pair for pair in pairs if pair.alignment and pair.alignment.verdict is not Verdict.ALIGNED]
    for pair in unsound[:_MANY_REASONS]:
        reasons = "; ".join(pair.alignment.reasons if pair.alignment else ()).removeprefix(f"{pair.frame}: ")
        console.print(f"{pair.frame}: {reasons}", soft_wrap=True, markup=False)
    if len(unsound) > _MANY_REASONS:
        console.print(f"and {counted(len(unsound) - _MANY_REASONS, 'pair')} more: the scene files say why")
    for pair in pairs:
        if pair.decision:
            console.print(f"{pair.frame}: {pair.standing_in_words}: {pair.decision.why}", soft_wrap=True, markup=False)


def _show_work(verified: list[Verified], failed: list[Failed]) -> None:
    registered, current = sum(done.registered for done in verified), sum(done.current for done in verified)
    line = f"{counted(registered, 'pair')} registered, {current} current"
    if lacking := sum(done.failed for done in verified):
        line += f", {lacking} failed for want of a file or of memory"
    if failed:
        line += f", {counted(len(failed), 'scene')} failed"
    console.print(line)


def _pairs(scenes: Iterable[Scene]) -> list[Pair]:
    return [pair for scene in scenes for pair in scene.all_pairs]


def _row(pair: Pair, *, again: bool) -> tuple[str, ...]:
    from sidcap.curate.verdict import SYSTEMATIC_PX

    ratio, alignment = pair.ratio, pair.alignment
    measured = f"{ratio.measured:.1f}" if ratio.measured is not None else "-"
    ratios = (f"{ratio.nominal:g}", f"{ratio.true:.1f}", measured)
    if alignment is None or alignment.shift_px is None:
        shift = ("-", "-")
    else:
        sigma_px = math.hypot(alignment.sigma_px or 0, SYSTEMATIC_PX)  # as the verdict has it
        shift = (f"{math.hypot(*alignment.shift_px):.3f}", f"{sigma_px:.3f}")
    name = f"{Path(pair.frame).stem} again" if again else Path(pair.frame).stem
    colour = _COLOURS.get(pair.standing)
    return (name, *ratios, *shift, f"[{colour}]{pair.standing}[/]" if colour else pair.standing)
