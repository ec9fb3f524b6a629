"""Scenes of different splits that show the same composition: what `validate` and `export` say of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sidcap.cli.options import dataset_suffix
from sidcap.cli.screen import progress, warn, without_c_chatter
from sidcap.data_manifest.words import counted

if TYPE_CHECKING:
    from sidcap.curate.near_duplicates import NearDuplicate
    from sidcap.data_manifest.schema import Scene
    from sidcap.data_manifest.store import Store

_SHOWN = 5


def leaks(store: Store, scenes: Iterable[Scene]) -> list[NearDuplicate]:
    """Look for leaks among these scenes, showing progress, and say what is found; none where all are of one split."""
    from sidcap.curate.near_duplicates import near_duplicates

    scenes = list(scenes)
    if len({scene.split for scene in scenes}) < 2:
        return []
    with without_c_chatter(), progress() as bar:
        task = bar.add_task("looking for scenes that are alike", total=len(scenes))
        alike = near_duplicates(
            store, scenes, on_scene=lambda done, total: bar.update(task, completed=done, total=total)
        )
    found = [one for one in alike if one.leaks]
    for one in found[:_SHOWN]:
        warn(f"{one.in_words}: a test on one says little about a network trained on the other")
    if len(found) > _SHOWN:
        warn(f"and {counted(len(found) - _SHOWN, 'such pair')} more; --json names all")
    if found:
        warn(f"sidcap split{dataset_suffix(store.root)} keeps such scenes in one split")
    return found
