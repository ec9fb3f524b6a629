"""The fixed words of a dataset. Apart from the records, for the command line needs them before anything else."""

from __future__ import annotations

from enum import StrEnum


def counted(count: int, noun: str) -> str:
    """How many there are of what: 1 pair, 2 pairs, 12,000 pairs."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class Split(StrEnum):
    """What a scene is used for. A whole scene belongs to one split; the values are SID's."""

    TRAIN = "train"
    TEST = "test"
    VAL = "val"


class Release(StrEnum):
    """How the shutter is fired."""

    MIRROR_LOCKUP = "mirror-lockup"
    """First press raises the mirror, the second exposes after the settle time."""
    LIVE_VIEW = "live-view"
    """Live view keeps the mirror up; one press exposes."""
    PLAIN = "plain"
    """One press; on a camera with a mirror, it slaps just before the exposure."""


class Verdict(StrEnum):
    """Can this pair be trained on?"""

    ALIGNED = "aligned"
    MISALIGNED = "misaligned"
    UNDETERMINED = "undetermined"


SPLIT_OF_DIGIT = {0: Split.TRAIN, 1: Split.TEST, 2: Split.VAL}
"""First digit of a scene's number -> split, as in SID's lists."""
