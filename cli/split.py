"""``sidcap split``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.renumbering import note_renumbering
from sidcap.cli.screen import console, ended_like_ctrl_c, print_json, progress, warn, without_c_chatter
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.words import Split, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sidcap.data_manifest.renumber import Plan
    from sidcap.data_manifest.schema import Scene
    from sidcap.data_manifest.store import Store

_SHARE = "A share such as 0.8, or a number of scenes."


def split(
    train: Annotated[float, typer.Option(min=0, help=_SHARE)] = 0.8,
    test: Annotated[float | None, typer.Option(min=0, show_default="the rest", help=_SHARE)] = None,
    val: Annotated[float, typer.Option(min=0, help=_SHARE)] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed deals the scenes out another way.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be moved, and move nothing.")] = False,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Deal whole scenes out to train, test and val.

    Each split gets its share of every ISO and ratio; scenes that show the same
    composition stay together, so that nothing is tested on that was trained on.
    A scene's number tells its split: those that move get new numbers, and their
    files new names. Verdicts and decisions stay. Killed at any moment, nothing
    is lost: the same command completes it.

    [bold]Only look what would move[/]
    sidcap split --train 0.8 --test 0.2 --seed 1 --dry-run

    [bold]Do it[/]
    sidcap split --train 0.8 --test 0.2 --seed 1
    """
    from sidcap.curate.near_duplicates import clusters, near_duplicates
    from sidcap.curate.splitting import dealt, quotas
    from sidcap.data_manifest.renumber import finish_renumbering, planned, renumber
    from sidcap.data_manifest.store import Store

    finished = finish_renumbering(dataset, lambda plan: note_renumbering(Store(dataset), plan))
    if finished is not None:
        _tell_finished(finished, json=json)
        return
    store = Store.open(dataset)
    scenes = _movable(store)
    quota = quotas(train, test, val, len(scenes))
    with ended_like_ctrl_c(), without_c_chatter(), progress() as bar:
        task = bar.add_task("looking for scenes that are alike", total=None)
        alike = near_duplicates(
            store, scenes, on_scene=lambda done, total: bar.update(task, completed=done, total=total)
        )
    groups = clusters((scene.id for scene in scenes), alike)
    wanted = dealt(scenes, groups, quota, seed)
    plan = planned(store, wanted) if dry_run else renumber(store, wanted, lambda done: note_renumbering(store, done))
    _show(scenes, wanted, groups)
    verb = "would move" if dry_run else "moved"
    console.print(f"{counted(len(plan.moves), 'scene')} {verb}" + ("" if plan.moves else ": all are where they belong"))
    if plan.moves:
        warn(
            "a run trained on an earlier split may have learned from scenes that are in test or val after this one: "
            "train anew before you judge it"
        )
    if json:
        print_json(
            {
                "seed": seed,
                "dry_run": dry_run,
                "moves": [move.model_dump() for move in plan.moves],
                "scenes": {name.value: sum(got is name for got in wanted.values()) for name in Split},
                "alike": [list(group) for group in groups if len(group) > 1],
            }
        )


def _movable(store: Store) -> list[Scene]:
    scenes = list(store.scenes())
    if any(pair.listed for scene in scenes for pair in scene.pairs):
        raise UsageError(
            f"{store.root} was imported with SID's lists, which name its files: nothing was moved; to deal its scenes "
            "out anew, `sidcap export sid` a copy, delete the copy's lists, and import that"
        )
    if interrupted := [scene.name for scene in scenes if not scene.complete]:
        warn(f"{counted(len(interrupted), 'scene')} left where it is, interrupted: {', '.join(interrupted)}")
    complete = [scene for scene in scenes if scene.complete]
    if not complete:
        raise UsageError(f"{store.root} has no scene to deal out: shoot some first")
    return complete


def _tell_finished(plan: Plan, *, json: bool) -> None:
    warn("a split was interrupted before; it is complete now, and nothing else was done")
    for move in plan.moves:
        console.print(f"{move.old:05d} is {move.new:05d}")
    if json:
        print_json({"completed": [move.model_dump() for move in plan.moves]})


def _show(
    scenes: Sequence[Scene],
    wanted: Mapping[int, Split],
    groups: Sequence[tuple[int, ...]],
) -> None:
    from rich.table import Table

    from sidcap.curate.splitting import Kind

    for group in groups:
        if len(group) > 1:
            names = ", ".join(f"{scene:05d}" for scene in group)
            console.print(f"alike, and kept together in {wanted[group[0]]}: {names}", soft_wrap=True)
    counts = Counter((Kind.of(scene), wanted[scene.id]) for scene in scenes)
    table = Table("scenes", *(name.value for name in Split))
    for kind in sorted({kind for kind, _ in counts}):
        table.add_row(str(kind), *(str(counts[kind, name]) for name in Split))
    table.add_section()
    table.add_row("all", *(str(sum(got is name for got in wanted.values())) for name in Split))
    console.print(table)
