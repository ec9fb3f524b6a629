"""File names as the See-in-the-Dark dataset gives them: ``00001_00_0.1s.CR2``.

Five digits name the scene (the first one its split), two count frames of the same exposure, then the nominal exposure
in seconds. Source: the file lists of the SID dataset (Chen et al., CVPR 2018).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sidcap.data_manifest.errors import ManifestError, UsageError
from sidcap.data_manifest.words import SPLIT_OF_DIGIT, Split

_NAME = re.compile(r"(\d{5})_(\d{2})_(\d+(?:\.\d+)?)s\.([A-Za-z0-9]+)")
_DIGIT_OF_SPLIT = {split: digit for digit, split in SPLIT_OF_DIGIT.items()}
SCENES_PER_SPLIT = 9999


@dataclass(frozen=True)
class FrameName:
    """The parts of a SID file name."""

    scene: int
    sequence: int
    seconds: float
    """Nominal exposure, three significant digits (SID writes 1/30 as 0.033)."""
    extension: str

    def __str__(self) -> str:
        return f"{self.scene:05d}_{self.sequence:02d}_{seconds_text(self.seconds)}s.{self.extension}"


def seconds_text(seconds: float) -> str:
    """Seconds as SID writes them: 10, 0.1, 0.04, 0.033, 0.00025."""
    significant = 2 if seconds < 1 else 3
    exponent = int(f"{seconds:.{significant - 1}e}".split("e")[1])
    text = f"{seconds:.{max(0, significant - 1 - exponent)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_frame_name(name: str) -> FrameName:
    """The parts of ``name``; ManifestError where it is not a SID name."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise ManifestError(f"{name!r} is not a SID file name such as 00001_00_0.1s.CR2")
    scene, sequence, seconds, extension = match.groups()
    if float(seconds) == 0:
        raise ManifestError(f"{name!r} names an exposure of 0 s: rename it to what it is")
    return FrameName(int(scene), int(sequence), float(seconds), extension)


def split_of(scene: int) -> Split:
    """The split that a scene's number tells by its first digit; ManifestError where it tells none."""
    if scene // 10000 not in SPLIT_OF_DIGIT or scene % 10000 == 0:
        raise ManifestError(f"scene {scene:05d} belongs to no split: its number has to begin with 0, 1 or 2")
    return SPLIT_OF_DIGIT[scene // 10000]


def scene_id(number: int, split: Split) -> int:
    """The five-digit id of scene ``number`` of ``split``: 7 and 10007 are both test scene 10007.

    Raises UsageError where the number is out of range or its first digit names another split.
    """
    first = _DIGIT_OF_SPLIT[split] * 10000
    if 1 <= number <= SCENES_PER_SPLIT:
        return first + number
    if first < number <= first + SCENES_PER_SPLIT:
        return number
    raise UsageError(
        f"{number} is no number for a {split} scene: give 1 to {SCENES_PER_SPLIT}, "
        f"or {first + 1:05d} to {first + SCENES_PER_SPLIT:05d}"
    )
