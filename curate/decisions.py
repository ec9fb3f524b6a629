"""What a person decides about pairs: it weighs more than the verdict, and stays when the pairs are verified again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import PurePosixPath

from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.schema import Decision, Pair, Scene
from sidcap.data_manifest.store import Store

_SCENE_OR_FRAME = re.compile(r"(?:.*/)?(\d{1,5})(_.*)?")


def decide(store: Store, what: Iterable[str], decision: Decision) -> list[Pair]:
    """Append a decision to each pair of ``what``; gives these pairs as they are written.

    A number stands for all pairs of that scene; a file's name, with or without its folder and ending, for the pair of
    that short or closing long, for both where it is paired with two longs. UsageError, before anything is written,
    where one of them is not there.
    """
    chosen: dict[int, set[str]] = {}
    for text in what:
        scene, pairs = _pairs_of(store, text)
        chosen.setdefault(scene.id, set()).update(pair.frame for pair in pairs)

    decided = []
    for scene_id, frames in chosen.items():
        scene = store.change_scene(scene_id, partial(_with_decision, frames, decision))
        decided += [pair for pair in scene.all_pairs if pair.frame in frames]
    return decided


def _with_decision(frames: set[str], decision: Decision, scene: Scene) -> Scene:
    def decided(pair: Pair) -> Pair:
        return pair.replace(decisions=(*pair.decisions, decision)) if pair.frame in frames else pair

    return scene.with_pairs(decided)


def _pairs_of(store: Store, text: str) -> tuple[Scene, list[Pair]]:
    match = _SCENE_OR_FRAME.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is neither a scene's number nor a frame: write 7, or 00007_00_0.1s")
    scene = store.scene(int(match[1]))
    pairs = [pair for pair in scene.all_pairs if match[2] is None or text in _names(pair.frame)]
    if not pairs:
        raise UsageError(f"scene {scene.name} has no pair {text!r}: `sidcap verify-alignment` names those it has")
    return scene, pairs


def _names(frame: str) -> tuple[str, ...]:
    """What a person may call a frame."""
    path = PurePosixPath(frame)
    return frame, path.name, path.stem
