"""Scenes get other numbers, and with them other splits: their frames are renamed, their files written anew.

A plan is on the disk before anything moves, and goes when all has moved. Each step can be done twice, so that whoever
finds a plan completes it (`finish_renumbering`), wherever its author was killed; until then `Store.open` refuses the
dataset, for its scenes and files may disagree.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from sidcap.data_manifest.errors import ManifestError, UsageError
from sidcap.data_manifest.naming import SCENES_PER_SPLIT, scene_id, split_of
from sidcap.data_manifest.schema import Discarded, Frame, Pair, Record, Scene
from sidcap.data_manifest.store import RENUMBERING, Store, sync_folder, to_json, write_atomic
from sidcap.data_manifest.words import Split


class Move(Record):
    """A scene and the number it gets."""

    old: int
    new: int


class Plan(Record):
    """What ``renumbering.json`` holds while scenes are renumbered."""

    moves: tuple[Move, ...]


def planned(store: Store, wanted: Mapping[int, Split], wished: Mapping[int, int] | None = None) -> Plan:
    """The moves that put each of these scenes into its split; those that are there already stay.

    A scene keeps its last four digits where they are free, or gets the number that is ``wished`` for it. A number is
    free where no scene, no file and no interrupted bracket has it. UsageError where a split has no number left.
    """
    taken = _taken(store)
    moves = []
    for old, split in sorted(wanted.items()):
        if split_of(old) != split:
            new = _free_number((wished or {}).get(old, old), split, taken)
            taken.add(new)
            moves.append(Move(old=old, new=new))
    return Plan(moves=tuple(moves))


def renumber(
    store: Store,
    wanted: Mapping[int, Split],
    on_done: Callable[[Plan], None],
    *,
    ready: Callable[[], None] = lambda: None,
    wished: Mapping[int, int] | None = None,
) -> Plan:
    """Put each of these scenes into its split; gives what was moved. ``wished`` as in `planned`.

    ``ready`` is called when nobody else can change the dataset any more: where it raises, nothing moves. ``on_done`` is
    called when all has moved and before the plan goes; a second time where the program was killed between the two.
    """
    with store.claimed(), store.locked():
        ready()
        plan = planned(store, wanted, wished)
        if plan.moves:
            write_atomic(store.root / RENUMBERING, to_json(plan))
            _carry_out(store, plan, on_done)
    return plan


def finish_renumbering(root: Path, on_done: Callable[[Plan], None]) -> Plan | None:
    """Complete what was interrupted in the dataset at ``root``; None where nothing was."""
    path = root / RENUMBERING
    if not path.is_file():
        return None
    store = Store(root)
    with store.claimed(), store.locked():
        try:
            plan = Plan.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise ManifestError(f"{path} is broken: restore it from a copy") from error
        _carry_out(store, plan, on_done)
    return plan


def _carry_out(store: Store, plan: Plan, on_done: Callable[[Plan], None]) -> None:
    for move in plan.moves:
        if store.scene_path(move.old).exists():
            _move(store, move)
    on_done(plan)
    (store.root / RENUMBERING).unlink()
    sync_folder(store.root)


def _move(store: Store, move: Move) -> None:
    """In this order: the old scene file goes when all it named has its new name and is named by the new one."""
    scene = store.scene(move.old)
    moved = renumbered(scene, move.new)
    for before, after in zip(scene.all_frames, moved.all_frames, strict=True):
        _rename(store, before.path, after.path)
    for folder in {store.path(frame.path).parent for frame in moved.all_frames}:
        if folder.is_dir():
            sync_folder(folder)
    store.save_scene(moved)
    store.scene_path(move.old).unlink()
    sync_folder(store.scene_path(move.old).parent)


def _rename(store: Store, before: str, after: str) -> None:
    source, target = store.path(before), store.path(after)
    if before == after or not source.exists():
        return  # renamed by a run that was killed, or missing since long
    if target.exists():
        raise ManifestError(f"both {before} and {after} are there: move the one that does not belong there away")
    source.rename(target)


def renumbered(scene: Scene, number: int) -> Scene:
    """The scene's record under another number, which tells its split; verdicts, decisions and notes stay."""

    def path(old: str) -> str:
        file = PurePosixPath(old)
        prefix = f"{scene.name}_"
        if not file.name.startswith(prefix):
            return old
        return str(file.with_name(f"{number:05d}_{file.name.removeprefix(prefix)}"))

    def frame(old: Frame) -> Frame:
        return old.replace(path=path(old.path))

    def pair(old: Pair) -> Pair:
        return old.replace(frame=path(old.frame), reference=path(old.reference))

    return scene.replace(
        id=number,
        split=split_of(number),
        frames=tuple(map(frame, scene.frames)),
        pairs=tuple(map(pair, scene.pairs)),
        closing=None if scene.closing is None else pair(scene.closing),
        discarded=tuple(Discarded(frame=frame(one.frame), reason=one.reason) for one in scene.discarded),
    )


def _free_number(old: int, split: Split, taken: set[int]) -> int:
    wished = scene_id(old % 10000, split)
    if wished not in taken:
        return wished
    first = scene_id(1, split)
    of_split = range(first, first + SCENES_PER_SPLIT)
    above = max((number for number in taken if number in of_split), default=first - 1) + 1
    for number in chain(range(above, of_split.stop), range(first, above)):
        if number not in taken:
            return number
    raise UsageError(f"split {split} has no number left: it holds {SCENES_PER_SPLIT} scenes")


def _taken(store: Store) -> set[int]:
    """Every number that a scene or a file has, or a bracket that was interrupted."""
    taken = set(store.scene_ids())
    for path in store.root.glob("*/**/[0-9][0-9][0-9][0-9][0-9]_*"):
        taken.add(int(path.name[:5]))
    return taken | _interrupted(store.journal_path)


def _interrupted(journal: Path) -> set[int]:
    """Scenes that the journal knows as begun and not as ended."""
    open_brackets: set[int] = set()
    lines = journal.read_text(encoding="utf-8", errors="replace").splitlines() if journal.exists() else []
    for line in lines:
        with suppress(ValueError, AttributeError, KeyError):  # a line that a power loss cut short
            event = json.loads(line)
            if event["event"] == "bracket":
                open_brackets.add(event["scene"])
            elif event["event"] in ("complete", "abandoned"):
                open_brackets.discard(event["scene"])
    return open_brackets
