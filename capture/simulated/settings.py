"""What a simulated camera is told when it is switched on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from sidcap.capture.simulated.card import FREE_BYTES
from sidcap.capture.simulated.faults import Fault, FaultKind
from sidcap.capture.simulated.lens import END_STOP_STEPS
from sidcap.capture.simulated.properties import (
    APERTURES,
    BULB_EXPOSURE,
    ISO_AUTO,
    ISO_SPEEDS,
    JPEG_FILES,
    MANUAL_EXPOSURE,
    MANUAL_FOCUS,
    RAW,
    RAW_FILE,
    SHUTTER_TIMES,
    PropertyCode,
    Value,
)
from sidcap.capture.simulated.surroundings import Surroundings
from sidcap.data_manifest.errors import UsageError

if TYPE_CHECKING:  # it would bring in all that renders
    from sidcap.capture.simulated.scenes import SceneChoice

SIMULATED_SERIAL = "000000006001"
"""Twelve digits as on a body, and none that Canon would engrave."""

ModeDial = Literal["M", "B"]
DIAL_POSITIONS: Mapping[str, int] = {"M": MANUAL_EXPOSURE, "B": BULB_EXPOSURE}

_LABELS: Mapping[str, tuple[PropertyCode, Mapping[str, Value]]] = {
    "iso": (PropertyCode.ISOSpeed, {"Auto": ISO_AUTO} | {str(iso): code for code, iso in ISO_SPEEDS.items() if code}),
    "aperture": (PropertyCode.Aperture, {f"{number:g}": code for code, number in APERTURES.items()}),
    "shutterspeed": (PropertyCode.ShutterSpeed, {}),
    "imageformat": (
        PropertyCode.ImageFormat,
        {"RAW": RAW}
        | {label: (file,) for file, labels in JPEG_FILES.items() for label in labels}
        | {f"RAW + {label}": (RAW_FILE, file) for file, labels in JPEG_FILES.items() for label in labels},
    ),
    "drivemode": (
        PropertyCode.DriveMode,
        {
            "Single": 0x00,
            "Continuous": 0x01,
            "Single silent": 0x13,
            "Continuous silent": 0x14,
            "Timer 2 sec": 0x11,
            "Timer 10 sec": 0x10,
        },
    ),
    "focusmode": (
        PropertyCode.FocusMode,
        {"One Shot": 0, "AI Focus": 2, "AI Servo": 1, "Manual": MANUAL_FOCUS},
    ),
    "picturestyle": (
        PropertyCode.PictureStyle,
        {
            "Auto": 0x87,
            "Standard": 0x81,
            "Portrait": 0x82,
            "Landscape": 0x83,
            "Neutral": 0x84,
            "Faithful": 0x85,
            "Monochrome": 0x86,
            "User defined 1": 0x21,
            "User defined 2": 0x22,
            "User defined 3": 0x23,
        },
    ),
    "mirrorlock": (PropertyCode.MirrorUpSetting, {"0": 0, "1": 1}),
}
"""Settings by libgphoto2's name and labels."""

_TEXTS: Mapping[str, PropertyCode] = {
    "ownername": PropertyCode.Owner,
    "artist": PropertyCode.Artist,
    "copyright": PropertyCode.Copyright,
    "lensname": PropertyCode.LensName,
}
_COUNTS: Mapping[str, PropertyCode] = {
    "shuttercounter": PropertyCode.ShutterCounter,
    "autopoweroff": PropertyCode.AutoPowerOff,
}


def first_values(settings: Mapping[str, str]) -> dict[PropertyCode, Value]:
    """The values that settings stand for, as libgphoto2 names and labels them.

    Raises:
        UsageError: no such setting, or a value that it cannot have.
    """
    return dict(_first_value(name, label) for name, label in settings.items())


def _first_value(name: str, label: str) -> tuple[PropertyCode, Value]:
    if name in _TEXTS:
        return _TEXTS[name], label
    if name in _COUNTS and label.isdecimal() and int(label) < 1 << 32:
        return _COUNTS[name], int(label)
    if name == "shutterspeed":
        return PropertyCode.ShutterSpeed, _shutter_code(label)
    if name not in _LABELS:
        known = ", ".join(sorted({*_LABELS, *_TEXTS, *_COUNTS}))
        raise UsageError(f"{name}={label} cannot be given to a camera; choose from {known}")
    code, labels = _LABELS[name]
    if label not in labels:
        raise UsageError(f"{name} cannot be {label!r}; choose from {', '.join(labels)}")
    return code, labels[label]


def _shutter_code(label: str) -> int:
    """The setting whose time, printed or true, is nearest: libgphoto2's "10.3" is what the camera calls 10."""
    try:
        wanted_s = Fraction(label)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"shutterspeed cannot be {label!r}; write 1/60 or 2.5") from None
    code = min(SHUTTER_TIMES, key=lambda known: abs(SHUTTER_TIMES[known].nominal_s - wanted_s))
    if abs(SHUTTER_TIMES[code].nominal_s - wanted_s) > wanted_s / 10:
        raise UsageError(f"shutterspeed cannot be {label!r}; choose from 30 to 1/4000")
    return code


@dataclass(frozen=True)
class CameraSettings:
    """Everything that makes one simulated camera differ from another; ``SimulatedCamera`` explains each.

    Raises:
        UsageError: a value that no camera can have.
    """

    port: int = 0
    scene: SceneChoice = 1
    size: Literal["full", "small"] = "full"
    time_scale: float = 1.0
    serial: str = SIMULATED_SERIAL
    light_ev: float = 0.0
    seed: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    mode_dial: ModeDial = "M"
    focus_steps: int = 0
    battery: float = 1.0
    card_free_bytes: int = FREE_BYTES
    auto_power_off: bool = False
    long_exposure_noise_reduction: bool = False
    surroundings: Surroundings = field(default_factory=Surroundings)
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        first_values(self.settings)
        check_scene(self.scene)
        check_focus(self.focus_steps)
        for is_right, complaint in (
            (0 <= self.port <= 65535, f"port {self.port} does not exist; choose 0 (any free one) to 65535"),
            (self.size in ("full", "small"), f"no sensor size is called {self.size!r}; choose full or small"),
            (
                math.isfinite(self.time_scale) and self.time_scale > 0,
                f"time scale {self.time_scale} is not a positive number; 1 is real time",
            ),
            (
                len(self.serial) == 12 and self.serial.isdecimal(),
                f"serial number {self.serial!r} is not 12 digits",
            ),
            (self.seed >= 0, f"seed {self.seed} is negative"),
            (abs(self.light_ev) <= 30, f"{self.light_ev} stops of light are more than 30; 0 is the usual light"),
            (self.mode_dial in DIAL_POSITIONS, f"the mode dial cannot stand on {self.mode_dial!r}; choose M or B"),
            (0 < self.battery <= 1, f"a battery of {self.battery} cannot be; 1 is full"),
            (self.card_free_bytes >= 0, f"{self.card_free_bytes} bytes cannot be free on a card"),
        ):
            if not is_right:
                raise UsageError(complaint)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> CameraSettings:
        fields: dict[str, Any] = json.loads(text)
        faults = tuple(fault_from_dict(fault) for fault in fields.pop("faults"))
        return cls(surroundings=Surroundings.from_dict(fields.pop("surroundings")), faults=faults, **fields)


def check_scene(scene: object) -> None:
    """Raises UsageError for what cannot stand before the lens."""
    if scene not in ("flat", "capped") and not (isinstance(scene, int) and scene >= 0):
        raise UsageError(f"there is no scene {scene!r}; choose a number from 0 on, flat or capped")


def check_focus(focus_steps: int) -> None:
    """Raises UsageError for where the focus drive does not go."""
    if abs(focus_steps) > END_STOP_STEPS:
        raise UsageError(f"the lens cannot stand {focus_steps} steps from sharp; it stops at {END_STOP_STEPS}")


def fault_from_dict(fields: Mapping[str, Any]) -> Fault:
    """Inverse of ``dataclasses.asdict``, also after a way through JSON."""
    return Fault(**{**fields, "kind": FaultKind(fields["kind"])})
