"""Which scene is trained on, which is tested on: by whole scenes, seeded, each split with its share of every kind.

Scenes are put in a row by what was shot (ISO and ratios), in the order of a hash within one kind, and dealt out along
that row to the split that is furthest behind its share (systematic sampling: Cochran, Sampling Techniques, 1977,
chapter 8). Scenes that show one composition are dealt out together. The hash is of the seed and the first long's
checksum: no scene's number, nor the order they were shot in, plays a part, and the same scenes are dealt the same way
again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.words import Split


@dataclass(frozen=True, order=True)
class Kind:
    """What makes scenes alike to a network: ISO and nominal ratios."""

    isos: tuple[int, ...]
    ratios: tuple[float, ...]

    @classmethod
    def of(cls, scene: Scene) -> Kind:
        """Of the scene's shorts."""
        shorts = {scene.frame(pair.frame).iso.set for pair in scene.pairs}
        return cls(tuple(sorted(shorts)), tuple(sorted({float(f"{pair.ratio.nominal:.3g}") for pair in scene.pairs})))

    def __str__(self) -> str:
        isos, ratios = (", ".join(f"{value:g}" for value in values) for values in (self.isos, self.ratios))
        return f"ISO {isos or '-'}, ratio {ratios or '-'}"


def quotas(train: float, test: float | None, val: float, scenes: int) -> dict[Split, int]:
    """Scenes of each split, from shares that add up to 1 or from numbers that add up to all scenes.

    ``test`` is what is left where it is not given. UsageError where they add up to neither.
    """
    whole = 1.0 if max(train, test or 0.0, val) <= 1 else float(scenes)
    wanted = {Split.TRAIN: train, Split.TEST: whole - train - val if test is None else test, Split.VAL: val}
    if min(wanted.values()) < -1e-9 or abs(sum(wanted.values()) - whole) > 1e-6:
        given = {Split.TRAIN: train, Split.TEST: test, Split.VAL: val}
        asked = ", ".join(f"{split} {value:g}" for split, value in given.items() if value is not None)
        raise UsageError(
            f"{asked} do not fit: give shares that add up to 1, or numbers that add up to the {scenes} scenes"
        )
    exact = {split: max(value, 0.0) * scenes / whole for split, value in wanted.items()}
    rounded = {split: int(value + 1e-6) for split, value in exact.items()}
    by_remainder = sorted(exact, key=lambda split: rounded[split] - exact[split])  # the largest remainder first
    for split in by_remainder[: scenes - sum(rounded.values())]:
        rounded[split] += 1
    return rounded


def dealt(
    scenes: Sequence[Scene], groups: Iterable[tuple[int, ...]], quota: Mapping[Split, int], seed: int
) -> dict[int, Split]:
    """Scene -> split. ``groups``: the scenes' numbers, those that have to stay together in one group.

    Groups of more than one may make a split larger than its quota.
    """
    by_id = {scene.id: scene for scene in scenes}
    hashes = {scene.id: _hash(scene, seed) for scene in scenes}
    in_a_row = sorted(
        groups,
        key=lambda group: (min(Kind.of(by_id[scene]) for scene in group), min(hashes[scene] for scene in group)),
    )
    start = seed % len(in_a_row) if in_a_row else 0
    total = sum(quota.values())
    has: dict[Split, int] = dict.fromkeys(quota, 0)
    found: dict[int, Split] = {}
    for group in in_a_row[start:] + in_a_row[:start]:
        due = len(found) + len(group)
        behind = {split: count * due / total - has[split] for split, count in quota.items()}
        with_room = [split for split in quota if has[split] + len(group) <= quota[split]]
        split = max(with_room or [split for split in quota if quota[split]], key=lambda split: behind[split])
        found |= dict.fromkeys(group, split)
        has[split] += len(group)
    return found


def _hash(scene: Scene, seed: int) -> str:
    first = scene.frames[0] if scene.frames else None
    identity = scene.name if first is None else first.sha256 or first.path
    return hashlib.sha256(f"{seed}:{identity}".encode()).hexdigest()
