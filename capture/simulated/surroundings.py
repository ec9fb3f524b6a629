"""What stands around a simulated camera: the tripod under it, the light, the temperature of the room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from sidcap.data_manifest.errors import UsageError

ABSOLUTE_ZERO_C = -273.15


@dataclass(frozen=True)
class Knock:
    """Someone knocks the tripod: from then on the image is displaced on the sensor, for good.

    It happens just before exposure ``before_frame`` or, where ``seconds_in`` is positive, so many seconds after the
    shutter of that exposure has opened. Exposures are counted from 1 since power-on. ``shift_px`` is right and down,
    in sensor pixels.
    """

    before_frame: int
    shift_px: tuple[float, float]
    seconds_in: float = 0.0


@dataclass(frozen=True)
class Flicker:
    """Lamps on the mains: their light swings twice in a period, by ``depth`` (0 to 1) around its mean."""

    mains_hz: float = 50.0
    depth: float = 0.3


@dataclass(frozen=True)
class Surroundings:
    """What the camera cannot help. By default nothing moves and the light is steady.

    ``tripod_creep_px_per_s``: how fast the image moves on the sensor, right and down, since power-on.
    ``light_drift_per_hour``: relative change of the light, -0.2 for a fifth less each hour.
    ``ambient_c``: temperature of the air, and of a camera that has done nothing for long.

    Raises:
        UsageError: a value that no room can have.
    """

    tripod_creep_px_per_s: tuple[float, float] = (0.0, 0.0)
    knocks: tuple[Knock, ...] = ()
    flicker: Flicker | None = None
    light_drift_per_hour: float = 0.0
    ambient_c: float = 20.0

    def __post_init__(self) -> None:
        if not all(isfinite(px) for px in self.tripod_creep_px_per_s):
            raise UsageError(f"a creep of {self.tripod_creep_px_per_s} px/s is not two numbers; 0, 0 stands still")
        for knock in self.knocks:
            if knock.before_frame < 1 or not all(isfinite(n) for n in (*knock.shift_px, knock.seconds_in)):
                raise UsageError(f"{knock} cannot happen; exposures count from 1 and a shift is two numbers of pixels")
        if self.flicker is not None and not (self.flicker.mains_hz > 0 and 0 <= self.flicker.depth <= 1):
            raise UsageError(f"{self.flicker} is no lamp's; choose a positive mains_hz and a depth from 0 to 1")
        if not (isfinite(self.light_drift_per_hour) and self.light_drift_per_hour > -1):
            raise UsageError(f"a light drift of {self.light_drift_per_hour} an hour is not more than -1")
        if not (isfinite(self.ambient_c) and self.ambient_c > ABSOLUTE_ZERO_C):
            raise UsageError(f"{self.ambient_c} degrees Celsius is no temperature; a room has about 20")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Surroundings:
        """Inverse of ``dataclasses.asdict``, also after a way through JSON, which knows lists only."""
        known = dict(values)
        known["tripod_creep_px_per_s"] = tuple(known["tripod_creep_px_per_s"])
        known["knocks"] = tuple(Knock(**{**knock, "shift_px": tuple(knock["shift_px"])}) for knock in known["knocks"])
        known["flicker"] = known["flicker"] and Flicker(**known["flicker"])
        return cls(**{field.name: known[field.name] for field in fields(cls)})

    def displacement_px(self, frame_number: int, seconds_in: float, at_s: float) -> tuple[float, float]:
        """Where the tripod puts the image, ``seconds_in`` a frame's exposure and ``at_s`` since power-on."""
        x, y = (speed * at_s for speed in self.tripod_creep_px_per_s)
        for knock in self.knocks:
            earlier = knock.before_frame < frame_number
            if earlier or (knock.before_frame == frame_number and knock.seconds_in <= seconds_in):
                x, y = x + knock.shift_px[0], y + knock.shift_px[1]
        return x, y
