"""What a simulated camera is told when it is switched on."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Literal

from sidcap.capture.simulated.mishaps import Knock, Mishaps
from sidcap.data_manifest.errors import UsageError

SIMULATED_SERIAL = "000000006001"
"""Twelve digits as on a body, and none that Canon would engrave."""


@dataclass(frozen=True)
class CameraSettings:
    """Everything that makes one simulated camera differ from another; ``SimulatedCamera`` explains each.

    Raises:
        UsageError: a value that no camera can have.
    """

    port: int = 0
    scene: int = 1
    size: Literal["full", "small"] = "full"
    time_scale: float = 1.0
    serial: str = SIMULATED_SERIAL
    light_ev: float = 0.0
    seed: int = 0
    mishaps: Mishaps = field(default_factory=Mishaps)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"port {self.port} does not exist; choose 0 (any free one) to 65535")
        if self.size not in ("full", "small"):
            raise UsageError(f"no sensor size is called {self.size!r}; choose full or small")
        if not (math.isfinite(self.time_scale) and self.time_scale > 0):
            raise UsageError(f"time scale {self.time_scale} is not a positive number; 1 is real time")
        if not (len(self.serial) == 12 and self.serial.isdecimal()):
            raise UsageError(f"serial number {self.serial!r} is not 12 digits")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} is negative")
        if not math.isfinite(self.light_ev):
            raise UsageError(f"{self.light_ev} stops of light is not a number; 0 is the usual light")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> CameraSettings:
        fields = json.loads(text)
        mishaps = fields.pop("mishaps")
        knock = mishaps.pop("knock")
        if knock is not None:
            x_px, y_px = knock.pop("shift_px")
            knock = Knock(**knock, shift_px=(x_px, y_px))
        return cls(**fields, mishaps=Mishaps(knock=knock, **mishaps))
