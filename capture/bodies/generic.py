"""Any camera that libgphoto2 can set and release, by what its settings offer. Makers' own ways are elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

from sidcap.capture.bodies.body import Check, CheckState, FocusStep, Keep
from sidcap.capture.camera import Camera
from sidcap.capture.clock import Clock
from sidcap.capture.disk import RAW_SIZE_BYTES
from sidcap.capture.exposure import parse_shutter
from sidcap.data_manifest.errors import CameraError, SettingError
from sidcap.data_manifest.words import Release

_RAW_LABELS = ("RAW", "NEF (Raw)", "raw")
"""What libgphoto2's ptp2 driver calls a raw file without a JPEG beside it (config.c)."""
_CARD_LABELS = ("Memory card", "card")
_VIEWFINDER = "viewfinder"
_BULB = "bulb"
_LOW_BATTERY_PERCENT = 25
"""The lowest step above "Low" that an EOS tells."""
_FEW_SHOTS = 20
_CLOCK_TOLERANCE_S = 5.0


@dataclass(frozen=True)
class Wanted:
    """A setting that has to have one of some values, where a camera has it at all."""

    name: str
    setting: str
    values: tuple[str, ...]
    remedy: str
    otherwise: CheckState = "problem"
    unit: str = ""


class GenericBody:
    """A camera of unknown make: no mirror lockup, live view where the camera has a switch for it."""

    iso_setting: ClassVar[str] = "iso"
    shutter_settings: ClassVar[tuple[str, ...]] = ("shutterspeed", "shutterspeed2")
    """The first one that the camera has is used."""
    format_settings: ClassVar[tuple[str, ...]] = ("imageformat", "imagequality")
    clock_settings: ClassVar[tuple[str, ...]] = ("datetime",)
    serial_setting: ClassVar[str] = "serialnumber"
    wanted: ClassVar[tuple[Wanted, ...]] = (
        Wanted("mode dial", "expprogram", ("M",), "turn the mode dial to M"),
        Wanted("focus", "focusmode", ("Manual",), "switch the lens or body to manual focus, then focus by hand"),
        Wanted("drive mode", "capturemode", ("Single Shot",), "set the drive mode to single shooting"),
    )
    shown: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"mode": "expprogram", "aperture": "f-number", "focus": "focusmode", "drive": "capturemode"}
    )
    """Photographer's name -> setting, beside ISO, shutter and format."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self._in_bulb = False

    @property
    def has_mirror(self) -> bool:
        """Whether a mirror moves before an exposure, for all that is known."""
        return True

    @property
    def model(self) -> str:
        return self.camera.find("cameramodel") or self.camera.driver

    @property
    def serial(self) -> str:
        return self.camera.find(self.serial_setting) or ""

    @property
    def lens(self) -> str:
        return self.camera.find("lensname") or ""

    @property
    def firmware(self) -> str:
        return self.camera.find("deviceversion") or ""

    @property
    def battery_percent(self) -> int | None:
        found = (self.camera.find("batterylevel") or "").rstrip("%")
        return int(found) if found.isdecimal() else None

    @property
    def free_shots(self) -> int | None:
        """By the card's free space: what cameras count themselves is of the memory they were told to use last."""
        free_bytes = self.camera.free_bytes()
        return None if free_bytes is None else free_bytes // RAW_SIZE_BYTES

    def settings(self) -> Mapping[str, str]:
        named = {
            "ISO": self.iso_setting,
            "shutter": self._shutter_setting or "",
            "format": self._first_of(self.format_settings) or "",
            **self.shown,
        }
        found = ((name, self.camera.find(setting)) for name, setting in named.items() if setting)
        return {name: value for name, value in found if value is not None}

    def checks(self) -> tuple[Check, ...]:
        settings = (self._setting_check(wanted) for wanted in self.wanted)
        others = (self._release_check(), self._battery_check(), self._card_check(), self._clock_check())
        return (
            self._raw_check(),
            self._offer_check("ISO", self.iso_setting),
            self._offer_check("shutter", self._shutter_setting),
            *(check for check in (*settings, *others) if check is not None),
        )

    def require_raw(self) -> None:
        if (check := self._raw_check()).state == "problem":
            raise SettingError(f"{self.model} offers no raw files: {check.remedy}")

    def clock_offset_s(self) -> float | None:
        """PTP tells whole seconds: half of one is added for the part that it left out."""
        setting = self._first_of(self.clock_settings)
        return None if setting is None else float(self.camera.get(setting)) + 0.5 - self._clock_read_at_s()

    def _clock_read_at_s(self) -> float:
        """When, by the host's clock, the camera told what its clock says."""
        return time.time()

    def set_clock(self) -> None:
        setting = self._first_of(self.clock_settings)
        if setting is None:
            raise SettingError("this camera's clock cannot be set over the cable: set it in the camera's menu")
        self.camera.send(setting, str(round(time.time())))

    def iso_labels(self) -> tuple[str, ...]:
        return self.camera.choices(self.iso_setting)

    def shutter_labels(self) -> tuple[str, ...]:
        if self._shutter_setting is None:
            raise SettingError("this camera's shutter time cannot be set over the cable")
        return self.camera.choices(self._shutter_setting)

    @property
    def bulb_label(self) -> str | None:
        return next((label for label in self.shutter_labels() if label.lower() == _BULB), None)

    def configure(self, iso: int, keep: Keep) -> None:
        self.require_raw()
        card = _first_common(_CARD_LABELS, self._choices("capturetarget"))
        if card is not None:
            keep("capturetarget", card)  # kept by libgphoto2 on the host, where the camera does not keep it itself
        for setting, label in self._raw_choices()[:1]:
            keep(setting, label)
        keep(self.iso_setting, str(iso))

    def set_shutter(self, label: str, keep: Keep) -> None:
        setting = self._shutter_setting
        if setting is None or label not in self.shutter_labels():
            remedy = "to M" if parse_shutter(label) else "to B where it has one, else to M"
            raise SettingError(f"this camera offers no shutter time {label!r} now: turn its mode dial {remedy}")
        self._in_bulb = label == self.bulb_label
        keep(setting, label)

    def release_for(self, wanted: Release) -> tuple[Release, str]:
        if wanted is Release.MIRROR_LOCKUP and not self.has_mirror:
            return Release.PLAIN, f"{self.model} has no mirror to lock up: it is released as by --release plain"
        return wanted, ""

    @contextmanager
    def released_by(self, release: Release, keep: Keep) -> Iterator[None]:
        live_view = self._live_view() if release is Release.LIVE_VIEW else nullcontext()
        with self._lockup_switched(release is Release.MIRROR_LOCKUP, keep), live_view:
            yield

    def _lockup_switched(self, on: bool, keep: Keep) -> AbstractContextManager[None]:  # noqa: ARG002 (bodies with one)
        """Mirror lockup on or off for a while. SettingError where it cannot be switched on."""
        if on:
            instead = "live-view" if self.has_mirror else "plain"
            raise SettingError(
                f"{self.model} has no mirror lockup to be switched over the cable: use --release {instead}"
            )
        return nullcontext()

    @contextmanager
    def _live_view(self) -> Iterator[None]:
        """Not through ``keep``, for it is no setting; `lower_mirror` ends one that was left on."""
        if self.camera.find(_VIEWFINDER) is None:
            raise SettingError(f"{self.model} has no live view over the cable: use --release plain")
        self.camera.send(_VIEWFINDER, "1")
        try:
            yield
        finally:
            with suppress(CameraError):  # a camera that is gone cannot be put back; the first error counts
                self.camera.send(_VIEWFINDER, "0")

    def expose(self, shutter_s: float, release: Release, settle_s: float, clock: Clock) -> None:
        if release is Release.MIRROR_LOCKUP:
            self.camera.press()
        if release is not Release.PLAIN:
            clock.sleep(settle_s)
        if self._in_bulb:
            self._expose_in_bulb(shutter_s, clock)
        else:
            self.camera.press()

    def _expose_in_bulb(self, shutter_s: float, clock: Clock) -> None:
        if self.camera.find(_BULB) is None:
            raise SettingError(f"{self.model} cannot be held in bulb over the cable: use shorter exposures")
        self.camera.send(_BULB, "1")
        try:
            clock.sleep(shutter_s)
        finally:
            self.camera.send(_BULB, "0")

    def lower_mirror(self) -> None:
        self.end_live_view()

    def end_live_view(self) -> None:
        if self._live_view_is_on():
            self.camera.send(_VIEWFINDER, "0")

    def magnifications(self) -> tuple[int, ...]:
        return ()

    def magnify(self, times: int, centre: tuple[float, float]) -> None:  # noqa: ARG002 (bodies that can)
        raise SettingError(f"{self.model} does not magnify its live view over the cable: use the magnifier of the page")

    def focus_refusal(self) -> str:
        return f"sidcap moves the focus of Canon EOS lenses only, not of {self.model}: turn the ring"

    def move_focus(self, step: FocusStep) -> None:  # noqa: ARG002 (bodies that can)
        raise SettingError(self.focus_refusal())

    def _live_view_is_on(self) -> bool:
        return self.camera.find(_VIEWFINDER) == "1"

    # The checks, one by one.

    def _raw_check(self) -> Check:
        offered = self._raw_choices()
        if not offered:
            setting = self._first_of(self.format_settings)
            found = "none offered" if setting is None else f"none offered, {self.camera.get(setting)} is set"
            return Check("raw", "problem", found, "a bracket needs a camera that writes raw files")
        setting, label = offered[0]
        found = self.camera.get(setting)
        return Check("raw", "ok", found if found == label else f"{found}; a bracket sets {label}")

    def _offer_check(self, name: str, setting: str | None) -> Check:
        choices = () if setting is None else self._choices(setting)
        if not choices:
            return Check(name, "problem", "cannot be set over the cable", "take the camera off automatic modes")
        return Check(name, "ok", f"{len(choices)} to choose from")

    def _setting_check(self, wanted: Wanted) -> Check | None:
        found = self.camera.find(wanted.setting)
        if found is None:
            return None
        if found in wanted.values:
            return Check(wanted.name, "ok", found)
        return Check(wanted.name, wanted.otherwise, found + wanted.unit, wanted.remedy)

    def _release_check(self) -> Check:
        if not self.has_mirror:
            return Check("mirror", "ok", "none to lock up")
        if self.camera.find(_VIEWFINDER) is None:
            return Check("mirror", "warning", "no lockup, no live view", "use --release plain, on a sturdy tripod")
        return Check("mirror", "warning", "no lockup that sidcap knows", "use --release live-view")

    def _battery_check(self) -> Check | None:
        percent = self.battery_percent
        if percent is None:
            found = self.camera.find("batterylevel")
            return Check("battery", "warning", found, "have another one ready") if found else None
        if percent <= _LOW_BATTERY_PERCENT:
            return Check("battery", "warning", f"{percent} %", "have another one ready")
        return Check("battery", "ok", f"{percent} %")

    def _card_check(self) -> Check:
        shots = self.free_shots
        if shots is None:
            return Check("card", "problem", "none found", "put in a memory card")
        found = f"room for about {shots} raw frames"
        if shots == 0:
            return Check("card", "problem", "full", "put in a memory card with room")
        if shots < _FEW_SHOTS:
            return Check("card", "warning", found, "put in a memory card with more room")
        return Check("card", "ok", found)

    def _clock_check(self) -> Check | None:
        offset_s = self.clock_offset_s()
        if offset_s is None:
            return None
        if abs(offset_s) <= _CLOCK_TOLERANCE_S:
            return Check("clock", "ok", "agrees with this computer's to a few seconds")
        found = f"{abs(offset_s):.0f} s {'ahead of' if offset_s > 0 else 'behind'} this computer's"
        return Check("clock", "warning", found, "shoot with --set-clock, or know that its files carry that offset")

    # What the camera offers.

    @cached_property
    def _shutter_setting(self) -> str | None:
        return self._first_of(self.shutter_settings)

    def _raw_choices(self) -> list[tuple[str, str]]:
        """The settings that offer raw files, each with its word for them."""
        offered = ((name, _first_common(_RAW_LABELS, self._choices(name))) for name in self.format_settings)
        return [(name, label) for name, label in offered if label is not None]

    def _first_of(self, settings: tuple[str, ...]) -> str | None:
        """The first of some settings that the camera has."""
        return next((name for name in settings if self.camera.find(name) is not None), None)

    def _choices(self, setting: str) -> tuple[str, ...]:
        """The choices of a setting; none where the camera has no such setting."""
        return self.camera.choices(setting) if self.camera.find(setting) is not None else ()


def _first_common(preferred: tuple[str, ...], offered: tuple[str, ...]) -> str | None:
    return next((label for label in preferred if label in offered), None)
