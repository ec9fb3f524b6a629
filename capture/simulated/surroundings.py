"""What stands around a simulated camera: the tripod under it, the light, the temperature of the room.

A knock is written ``X,Y@FRAME[+SECONDS]``, for example ``4,-2.5@3+0.5``: half a second into the third exposure the
image jumps 4 px to the right and 2.5 px up on the sensor. A flicker is written ``HZ[,DEPTH]``, for example ``50,0.3``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from sidcap.data_manifest.errors import UsageError

COLDEST_C, HOTTEST_C = -50.0, 100.0
FARTHEST_PX = 100.0
"""How far all knocks together may move the image along one axis: the scene is painted a little further than that."""

_NUMBER = r"-?(\d+\.?\d*|\.\d+)"
_PAIR = re.compile(rf"(?P<x>{_NUMBER}),(?P<y>{_NUMBER})")
_KNOCK = re.compile(rf"(?P<shift>{_NUMBER},{_NUMBER})@(?P<frame>\d{{1,9}})(\+(?P<seconds>{_NUMBER}))?")
_FLICKER = re.compile(rf"(?P<hz>{_NUMBER})(,(?P<depth>{_NUMBER}))?")


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

    @classmethod
    def parse(cls, text: str) -> Knock:
        """A knock from ``X,Y@FRAME[+SECONDS]``.

        Raises:
            UsageError: it is not written like that.
        """
        found = _KNOCK.fullmatch(text)
        if found is None:
            raise UsageError(f"{text!r} is not a knock; write X,Y@FRAME or X,Y@FRAME+SECONDS, 4,0@3 or 4,0@3+0.5")
        return cls(int(found["frame"]), pair(found["shift"]), float(found["seconds"] or 0))


@dataclass(frozen=True)
class Flicker:
    """Lamps on the mains: their light swings twice in a period, by ``depth`` (0 to 1) around its mean."""

    mains_hz: float = 50.0
    depth: float = 0.3

    @classmethod
    def parse(cls, text: str) -> Flicker:
        """A flicker from ``HZ[,DEPTH]``.

        Raises:
            UsageError: it is not written like that.
        """
        found = _FLICKER.fullmatch(text)
        if found is None:
            raise UsageError(f"{text!r} is not a flicker; write HZ or HZ,DEPTH, 50 or 50,0.3")
        return cls(float(found["hz"]), cls.depth if found["depth"] is None else float(found["depth"]))


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
            if knock.before_frame < 1 or not (isfinite(knock.seconds_in) and knock.seconds_in >= 0):
                raise UsageError(f"{knock} cannot happen; exposures count from 1, seconds from 0")
        for axis in (0, 1):
            moved_px = sum(abs(knock.shift_px[axis]) for knock in self.knocks)
            if not moved_px <= FARTHEST_PX:  # written so that NaN is refused too
                raise UsageError(f"knocks of {moved_px:g} px leave the scene; stay within {FARTHEST_PX:g} px in all")
        if self.flicker is not None and not (0 < self.flicker.mains_hz <= 1000 and 0 <= self.flicker.depth <= 1):
            raise UsageError(f"{self.flicker} is no lamp's; choose a positive mains_hz and a depth from 0 to 1")
        if not -1 < self.light_drift_per_hour <= 100:
            raise UsageError(f"a light drift of {self.light_drift_per_hour} an hour is not above -1 and at most 100")
        if not COLDEST_C <= self.ambient_c <= HOTTEST_C:
            raise UsageError(f"at {self.ambient_c} degrees Celsius no camera works; a room has about 20")

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


def pair(text: str) -> tuple[float, float]:
    """Two numbers from ``X,Y``, right and down.

    Raises:
        UsageError: it is not written like that.
    """
    found = _PAIR.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is not two numbers; write X,Y, such as 0.01,-0.02")
    return float(found["x"]), float(found["y"])
