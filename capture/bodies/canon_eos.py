"""Canon EOS bodies, the 6D first. What was never tried on a real body is marked as belief in docs/cameras.md."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sidcap.capture.camera import Camera
from sidcap.capture.clock import Clock
from sidcap.data_manifest.errors import CameraError, SettingError
from sidcap.data_manifest.schema import Release

_CARD = "Memory card"
_LOW_BATTERY_PERCENT = 20


class CanonEos:
    """How to ready and fire a Canon EOS. Settings are named as libgphoto2's ptp2 driver names them."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera

    @staticmethod
    def drives(model: str) -> bool:
        """Whether this is how to talk to the camera that calls itself ``model``."""
        return model.startswith("Canon EOS")

    def preflight(self) -> list[str]:
        """What keeps the camera from shooting a bracket, each with its remedy. Changes nothing."""
        checks = {
            "autoexposuremode": ("Manual", "turn the mode dial to M"),
            "focusmode": ("Manual", "set the lens to MF, so that a press does not hunt for focus"),
            "drivemode": ("Single", "set the drive mode to single shooting"),
        }
        problems = [
            f"{name} is {found!r}: {remedy}"
            for name, (wanted, remedy) in checks.items()
            if (found := self.camera.find(name)) is not None and found != wanted
        ]
        if self.camera.find("availableshots") == "0":
            problems.append("the card is full or missing: put in one with space")
        return problems

    def warnings(self) -> list[str]:
        """What may become a problem later."""
        battery = (self.camera.find("batterylevel") or "").rstrip("%")
        if battery.isdecimal() and int(battery) < _LOW_BATTERY_PERCENT:
            return [f"the battery is at {battery} %: have another one ready"]
        return []

    def configure(self, iso: int) -> None:
        """Settings of the whole bracket: raw files onto the card, and the ISO."""
        self.camera.set("capturetarget", _CARD)  # kept by libgphoto2 on the host: say it every time
        self.camera.set("imageformat", "RAW")
        self.camera.set("iso", str(iso))

    @contextmanager
    def released_by(self, release: Release) -> Iterator[None]:
        """Switch mirror lockup or live view as ``release`` needs; put it back afterwards, whatever happens."""
        wanted = {
            "mirrorlock": "1" if release is Release.MIRROR_LOCKUP else "0",
            "viewfinder": "1" if release is Release.LIVE_VIEW else "0",
        }
        before: dict[str, str] = {}
        try:
            for name, value in wanted.items():
                found = self.camera.find(name)
                if found is None and value == "1":
                    raise SettingError(f"this camera does not offer {release}: choose another --release")
                if found is not None and found != value:
                    before[name] = found
                    self.camera.set(name, value)
            yield
        finally:
            for name, value in before.items():
                with suppress(CameraError):  # a camera that is gone cannot be put back; the first error counts
                    self.camera.set(name, value)

    def expose(self, release: Release, settle_s: float, clock: Clock) -> None:
        """One exposure. Under mirror lockup the first press raises the mirror, the second exposes."""
        if release is Release.MIRROR_LOCKUP:
            self.camera.press()
            clock.sleep(settle_s)
        elif release is Release.LIVE_VIEW:
            clock.sleep(settle_s)
        self.camera.press()
