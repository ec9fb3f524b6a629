"""The manifest's pairs as the See-in-the-Dark dataset lists them (Chen et al., CVPR 2018).

All of SID's lists, Sony's and Fuji's, are in the order of the short's path, and so are the rows of pairs that no list
named. Pairs that come from a list stand in its order, with what it said of them: it is written again byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable

from sidcap.data_manifest.schema import Pair, Scene
from sidcap.data_manifest.words import Verdict


def sid_list(scenes: Iterable[Scene], verdict: Verdict | None = None) -> str:
    """One line for every pair, split by split, or only for those of one verdict; empty where there is none.

    A person's decision outweighs the verdict: an accepted pair is listed as aligned, a rejected one under no verdict.
    """
    rows = [
        ((scene.id // 10000, pair.listed.row if pair.listed else 0, pair.frame, pair.reference), _row(scene, pair))
        for scene in scenes
        for pair in scene.pairs
        if verdict is None or _stands(pair, verdict)
    ]
    return "".join(f"{row}\n" for _, row in sorted(rows))


def _stands(pair: Pair, verdict: Verdict) -> bool:
    return pair.usable if verdict is Verdict.ALIGNED else pair.standing == verdict


def _row(scene: Scene, pair: Pair) -> str:
    short, long, listed = scene.frame(pair.frame), scene.frame(pair.reference), pair.listed
    if listed is None:
        return f"./{short.path} ./{long.path} ISO{short.iso.set} F{short.aperture or 0:g}"
    folder = f"./{listed.folder}" if listed.folder else "."
    return f"{folder}/short/{short.name} {folder}/long/{long.name} ISO{listed.iso} F{listed.f_number}"
