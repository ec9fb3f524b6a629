"""What a dataset has, split by split and ratio by ratio, and what it is still to get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.words import Split

Quota = Mapping[Split, int]
"""How many complete scenes each split is to have."""


def parse_quota(text: str) -> Quota:
    """A quota from ``train=50,test=12``. UsageError where it is not written like that."""
    quota: dict[Split, int] = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in list(Split) or not number.isdecimal() or name in quota:
            raise UsageError(
                f"{text!r} is not a quota: write train=50,test=12, each of {', '.join(Split)} at most once"
            )
        quota[Split(name)] = int(number)
    return quota


@dataclass
class Tally:
    """Complete scenes of each split, and by nominal ratio their pairs that nobody and nothing found unusable."""

    scenes: Counter[Split] = field(default_factory=Counter)
    pairs: Counter[tuple[Split, float]] = field(default_factory=Counter)

    @classmethod
    def of(cls, scenes: Iterable[Scene]) -> Tally:
        """What these scenes amount to; incomplete ones do not count."""
        tally = cls()
        for scene in scenes:
            tally.add(scene)
        return tally

    def add(self, scene: Scene) -> None:
        """Count one scene more."""
        if scene.complete:
            self.scenes[scene.split] += 1
            self.pairs.update(_promising(scene))

    def remove(self, scene: Scene) -> None:
        """Count a scene no more."""
        if scene.complete:
            self.scenes[scene.split] -= 1
            self.pairs.subtract(_promising(scene))

    def missing(self, quota: Quota) -> int:
        """How many scenes the quota still asks for."""
        return sum(max(wanted - self.scenes[split], 0) for split, wanted in quota.items())

    def next_split(self, quota: Quota) -> Split | None:
        """The split with the least of its quota, the first of these; None once the quota is filled.

        So an evening that ends early leaves every split about as full as the others.
        """
        wanting = {split: self.scenes[split] / wanted for split, wanted in quota.items() if self.scenes[split] < wanted}
        return min(wanting, key=wanting.__getitem__, default=None)

    def __str__(self) -> str:
        """For example ``train 12 scenes (100× 12, 250× 11), test 3 scenes (100× 3, 250× 3)``."""
        return ", ".join(self._of_split(split) for split in Split if self.scenes[split]) or "no scene yet"

    def _of_split(self, split: Split) -> str:
        pairs = sorted((ratio, count) for (of, ratio), count in self.pairs.items() if of is split and count)
        scenes = self.scenes[split]
        ratios = ", ".join(f"{ratio:g}× {count}" for ratio, count in pairs)
        return f"{split} {scenes} {'scene' if scenes == 1 else 'scenes'}" + (f" ({ratios})" if ratios else "")


def _promising(scene: Scene) -> list[tuple[Split, float]]:
    pairs = [pair for pair in scene.pairs if pair.usable or pair.standing == "not verified"]
    return [(scene.split, pair.ratio.nominal) for pair in pairs]
