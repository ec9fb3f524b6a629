"""What a person does to a scene in the browser, as changes of its record: nothing is ever erased, undoing included."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from sidcap.data_manifest.errors import StaleError, UsageError
from sidcap.data_manifest.schema import Decision, Pair, Record, Remark, Scene, Tag

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
MAX_SCENE = 29999
"""The largest number a scene can have, as its record says."""

Choice = Literal["accepted", "rejected", "withdrawn"]
PairKey = tuple[str, str]
"""Frame and reference: a short may be compared with more than one long."""


class Judgement(Record):
    """A request: decide about pairs of a scene."""

    revision: str
    """Of the scene, as the person saw it."""
    pairs: Annotated[tuple[PairKey, ...], Field(min_length=1)]
    choice: Choice
    why: Words


class Saying(Record):
    """A star, a note, tags of a scene as a whole; what is None is not spoken of."""

    starred: bool | None = None
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000)] | None = None
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] | None = None


class Annotation(Saying):
    """A request: say something of a scene as a whole."""

    revision: str
    """Of the scene, as the person saw it."""


class Moved(Record):
    """That a scene got another number, and with it another split."""

    old: Annotated[int, Field(ge=1, le=MAX_SCENE)]
    """The number it had."""
    content: str
    """By which it is known that a number still means this scene."""


class Undoable(Record):
    """What an act did and what there was before: all that is needed to take it back."""

    scene: Annotated[int, Field(ge=1, le=MAX_SCENE)]
    choice: Choice | None = None
    """What was decided; None where nothing was."""
    decided: tuple[tuple[PairKey, Decision | None], ...] = ()
    """The pairs it was decided about, and the decision that held before."""
    said: Saying | None = None
    """What was said of the scene as a whole; None where nothing was."""
    before: Saying | None = None
    """What that took the place of."""
    moved: Moved | None = None
    """Where the scene was, where it was put into another split."""


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
    must_be_current(scene, request.revision)
    there = {key_of(pair): pair for pair in scene.all_pairs}
    if unknown := set(request.pairs) - set(there):
        raise UsageError(f"scene {scene.name} has no pair {min(unknown)[0]!r}: reload the page")
    decision = Decision(choice=request.choice, by=by, decided_utc=now, why=request.why)
    before = tuple((key, there[key].decision) for key in dict.fromkeys(request.pairs))
    decided = scene.with_pairs(_deciding(dict.fromkeys(request.pairs, decision)))
    return decided, Undoable(scene=scene.id, choice=request.choice, decided=before)


def annotate(scene: Scene, request: Annotation, by: str, now: datetime) -> tuple[Scene, Undoable]:
    """The scene with another star, note or tags, and a remark that says whose they are.

    Raises:
        StaleError: the scene is not what the person saw.
        UsageError: nothing was asked for.
    """
    must_be_current(scene, request.revision)
    said = Saying(starred=request.starred, note=request.note, tags=request.tags)
    if not _parts(said):
        raise UsageError("nothing to write: give a star, a note or tags")
    before = Saying(**{name: getattr(scene, name) for name in _parts(said)})
    return _remarked(scene, said, by, now), Undoable(scene=scene.id, said=said, before=before)


def undo(scene: Scene, act: Undoable, by: str, now: datetime) -> Scene:
    """The scene as it was before the act, as far as the act went; the act and its undoing both stay in the record.

    Raises:
        StaleError: somebody has decided or said something else since.
    """
    there = {key_of(pair): pair for pair in scene.all_pairs}
    for key, _ in act.decided:
        if key not in there or not _holds(there[key], act.choice, by):
            raise StaleError(f"scene {scene.name} was decided again since: nothing is undone")
    undone = scene.with_pairs(_deciding({key: _again(before, by, now) for key, before in act.decided}))
    if act.said is None or act.before is None:
        return undone
    if any(getattr(scene, name) != value for name, value in _parts(act.said).items()):
        raise StaleError(f"scene {scene.name} was changed again since: nothing is undone")
    return _remarked(undone, act.before, by, now)


def must_be_current(scene: Scene, seen: str) -> None:
    """StaleError where the scene is not what the person saw."""
    if revision(scene) != seen:
        raise StaleError(f"scene {scene.name} was changed since you saw it: look again, then decide")


def _holds(pair: Pair, choice: Choice | None, by: str) -> bool:
    """Whether what a person chose is still the last word on a pair."""
    return bool(pair.decisions) and (pair.decisions[-1].choice, pair.decisions[-1].by) == (choice, by)


def _parts(said: Saying) -> dict[str, Any]:
    """What is spoken of, by the names of the scene's fields."""
    return {name: value for name in ("starred", "note", "tags") if (value := getattr(said, name)) is not None}


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


def _remarked(scene: Scene, said: Saying, by: str, now: datetime) -> Scene:
    parts = _parts(said)
    return scene.replace(**parts, remarks=(*scene.remarks, Remark(by=by, made_utc=now, **parts)))
