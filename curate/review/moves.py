"""A scene goes to another split: with its number and the names of its files, and back again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sidcap.curate.review.acts import Moved, Undoable, must_be_current
from sidcap.data_manifest.errors import StaleError, UsageError
from sidcap.data_manifest.naming import split_of
from sidcap.data_manifest.renumber import Plan, renumber
from sidcap.data_manifest.schema import Record, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split

Told = Callable[[Plan], None]
"""Told what was moved, when all of it has."""


class Moving(Record):
    """A request: put a scene into another split."""

    revision: str
    """Of the scene, as the person saw it."""
    split: Split


def move(store: Store, number: int, request: Moving, told: Told) -> tuple[Scene, Undoable]:
    """Put a scene into another split; gives it under its new number.

    Raises:
        StaleError: the scene is not what the person saw.
        UsageError: there is no such scene, it is in that split, or it cannot be moved as it is.
        ManifestError: a session is shooting into the dataset.
    """

    def ready() -> None:
        scene = store.scene(number)
        must_be_current(scene, request.revision)
        if scene.split == request.split:
            raise UsageError(f"scene {scene.name} is in {scene.split} already")
        if not scene.complete:
            raise UsageError(f"scene {scene.name} is incomplete and stays: `sidcap shoot --resume` completes it")
        if any(pair.listed for pair in scene.pairs):
            raise UsageError(f"scene {scene.name} was imported with SID's lists, which name its files: it stays")

    (done,) = renumber(store, {number: request.split}, told, ready=ready).moves
    scene = store.scene(done.new)
    return scene, Undoable(scene=done.new, moved=Moved(old=number, content=content_of(scene)))


def move_back(store: Store, act: Undoable, moved: Moved, told: Told) -> Scene:
    """Take a move back; the scene gets the number it had, or another one of that split where that is taken by now.

    Raises:
        StaleError: the scene was moved again since.
        ManifestError: a session is shooting into the dataset.
    """

    def ready() -> None:
        is_there = store.scene_path(act.scene).is_file()
        if not is_there or content_of(store.scene(act.scene)) != moved.content:
            raise StaleError(f"scene {act.scene:05d} was moved again since: nothing is undone")

    back = {act.scene: split_of(moved.old)}
    plan = renumber(store, back, told, ready=ready, wished={act.scene: moved.old})
    return store.scene(plan.moves[0].new if plan.moves else act.scene)


def content_of(scene: Scene) -> str:
    """A fingerprint of the scene's frames: it is the same scene under whatever number."""
    sums = [frame.sha256 for frame in scene.frames]
    return hashlib.sha256(repr(sums).encode()).hexdigest()[:16]
