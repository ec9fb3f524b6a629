"""What the page is told: the camera, the picture, the bracket, in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sidcap.capture.live.looking import Look
from sidcap.capture.live.progress import Progress
from sidcap.capture.live.sharpness import Box

MIDDLE = Box(0.4, 0.4, 0.2, 0.2)
WHOLE = Box(0, 0, 1, 1)


class Phase(StrEnum):
    """What the thread that has the camera is about."""

    STARTING = "starting"
    LIVE = "live"
    PAUSED = "paused"
    """Nobody watches: live view is off, so that the sensor cools."""
    SHOOTING = "shooting"
    LOST = "lost"
    """The camera does not answer, and is waited for."""


@dataclass(frozen=True)
class CameraState:
    """The camera, as it says itself."""

    model: str = ""
    lens: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    """By a photographer's names: ISO, shutter, aperture, ..."""
    battery: str = ""
    card: str = ""
    warnings: tuple[str, ...] = ()
    """What runs out, or is wrong, one line each."""
    magnifications: tuple[int, ...] = ()
    """How many times the camera itself magnifies a part of the picture; empty where it does not."""
    focus_refusal: str = ""
    """Why the focus cannot be moved over the cable; empty where it can."""


@dataclass(frozen=True)
class Sharpness:
    """A point of the history."""

    at_s: float
    """Seconds since live view was started."""
    whole: float | None
    box: float | None


@dataclass(frozen=True)
class Status:
    """Everything that a page shows beside the picture."""

    phase: Phase = Phase.STARTING
    text: str = "connecting"
    """What is going on, or what to do, in words."""
    notice: str = ""
    """What the last wish came to, where it failed; stays until the next wish."""
    camera: CameraState = CameraState()
    frames: int = 0
    """Pictures of live view until now."""
    frames_per_s: float = 0.0
    look: Look | None = None
    box: Box = MIDDLE
    magnified: int = 1
    """How many times the camera magnifies the picture now; then sharpness is that of all that is shown."""
    centre: tuple[float, float] = (0.5, 0.5)
    """What it magnifies, in fractions of the whole picture."""
    history: tuple[Sharpness, ...] = ()
    best: float | None = None
    """The sharpest that the box was since it was put there."""
    viewers: int = 0
    plan: tuple[str, ...] = ()
    """The bracket that would be shot, in words."""
    shoot_refusal: str = ""
    """Why nothing can be shot from here; empty where it can."""
    split: str = "train"
    bracket: Progress | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        content = asdict(self)
        if self.bracket is not None:
            content["bracket"] |= {name: getattr(self.bracket, name) for name in ("home", "done", "left_s")}
        return content
