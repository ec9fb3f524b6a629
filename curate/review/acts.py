"""What a person does to a scene in the browser, as changes of its record: nothing is ever erased, undoing included."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from sidcap.data_manifest.errors import StaleError, UsageError
from sidcap.data_manifest.schema import Decision, Pair, Record, Remark, Scene, Tag

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
PairKey = tuple[str, str]
"""Frame and reference: a short may be compared with more than one long."""


class Judgement(Record):
    """A request: decide about pairs of a scene."""

    revision: str
    """Of the scene, as the person saw it."""
    pairs: Annotated[tuple[PairKey, ...], Field(min_length=1)]
    choice: Literal["accepted", "rejected", "withdrawn"]
    why: Words


class Annotation(Record):
    """A request: say something of a scene as a whole. What is None stays as it is."""

    revision: str
    """Of the scene, as the person saw it."""
    starred: bool | None = None
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000)] | None = None
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] | None = None


class Undoable(Record):
    """What an act did and what there was before: all that is needed to take it back."""

    scene: int
    at_utc: AwareDatetime
    """When the act was done, by which it is found again."""
    decided: tuple[tuple[PairKey, Decision | None], ...] = ()
    """Pairs that were decided, and the decision that held before."""
    before: Annotation | None = None
    """What the scene as a whole had before, of what was changed; its revision is empty."""


def revision(scene: Scene) -> str:
    """A fingerprint of all that the scene's file says."""
    return hashlib.sha256(scene.model_dump_json().encode()).hexdigest()[:16]


def key_of(pair: Pair) -> PairKey:
    """What tells a pair from the others of its scene."""
    return pair.frame, pair.reference


def judge(scene: Scene, request: Judgement, by: str, now: datetime) -> tuple[Scene, Undoable]:
    """The scene with a decision on each of the pairs named.

    Raises:
        StaleError: the scene is not what the person saw.
        UsageError: it has no such pair.
    """
    _must_be_current(scene, request.revision)
    there = {key_of(pair): pair for pair in scene.all_pairs}
    if unknown := set(request.pairs) - set(there):
        raise UsageError(f"scene {scene.name} has no pair {min(unknown)[0]!r}: reload the page")
    decision = Decision(choice=request.choice, by=by, decided_utc=now, why=request.why)
    before = tuple((key, there[key].decision) for key in dict.fromkeys(request.pairs))
    return scene.with_pairs(_deciding({key: decision for key, _ in before})), Undoable(
        scene=scene.id, at_utc=now, decided=before
    )


def annotate(scene: Scene, request: Annotation, by: str, now: datetime) -> tuple[Scene, Undoable]:
    """The scene with another star, note or tags, and a remark that says whose they are.

    Raises:
        StaleError: the scene is not what the person saw.
        UsageError: nothing was asked for.
    """
    _must_be_current(scene, request.revision)
    if request.starred is None and request.note is None and request.tags is None:
        raise UsageError("nothing to write: give a star, a note or tags")
    tags = None if request.tags is None else tuple(dict.fromkeys(request.tags))
    remark = Remark(by=by, made_utc=now, starred=request.starred, note=request.note, tags=tags)
    before = Annotation(
        revision="",
        starred=None if remark.starred is None else scene.starred,
        note=None if remark.note is None else scene.note,
        tags=None if remark.tags is None else scene.tags,
    )
    return _remarked(scene, remark), Undoable(scene=scene.id, at_utc=now, before=before)


def undo(scene: Scene, act: Undoable, by: str, now: datetime) -> Scene:
    """The scene as it was before the act, as far as the act went; the act and its undoing both stay in the record.

    Raises:
        StaleError: somebody has decided or said something else since.
    """
    there = {key_of(pair): pair for pair in scene.all_pairs}
    for key, _ in act.decided:
        if key not in there or not there[key].decisions or there[key].decisions[-1].decided_utc != act.at_utc:
            raise StaleError(f"scene {scene.name} was decided again since: nothing is undone")
    undone = scene.with_pairs(_deciding({key: _again(before, by, now) for key, before in act.decided}))
    if act.before is None:
        return undone
    if not scene.remarks or scene.remarks[-1].made_utc != act.at_utc:
        raise StaleError(f"scene {scene.name} was changed again since: nothing is undone")
    back = Remark(by=by, made_utc=now, starred=act.before.starred, note=act.before.note, tags=act.before.tags)
    return _remarked(undone, back)


def _must_be_current(scene: Scene, seen: str) -> None:
    if revision(scene) != seen:
        raise StaleError(f"scene {scene.name} was changed since you saw it: look again, then decide")


def _deciding(decisions: dict[PairKey, Decision]) -> Callable[[Pair], Pair]:
    def decided(pair: Pair) -> Pair:
        decision = decisions.get(key_of(pair))
        return pair if decision is None else pair.replace(decisions=(*pair.decisions, decision))

    return decided


def _again(before: Decision | None, by: str, now: datetime) -> Decision:
    """The decision that brings back the one before."""
    if before is None:
        return Decision(choice="withdrawn", by=by, decided_utc=now, why="undone")
    why = f"undone, back to what {before.by} said: {before.why}"
    return Decision(choice=before.choice, by=by, decided_utc=now, why=why)


def _remarked(scene: Scene, remark: Remark) -> Scene:
    said = {name: value for name in ("starred", "note", "tags") if (value := getattr(remark, name)) is not None}
    return scene.replace(**said, remarks=(*scene.remarks, remark))
