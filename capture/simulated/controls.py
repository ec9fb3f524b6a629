"""What the camera can be set to, by a host, by its own buttons and menus, and by its mode dial."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sidcap.capture.simulated.clock import SimClock
from sidcap.capture.simulated.codes import ResponseCode
from sidcap.capture.simulated.properties import (
    BULB_EXPOSURE,
    FOCUS_MODES,
    MANUAL_EXPOSURE,
    MANUAL_FOCUS,
    NOT_SIMULATED_FORMATS,
    PROPERTIES,
    SHUTTER_BULB,
    SHUTTER_TIMES,
    PropertyCode,
    Value,
    changed_custom_functions,
    decode_value,
)
from sidcap.capture.simulated.settings import first_values
from sidcap.capture.simulated.state import State

_MOVING_THE_MIRROR = frozenset({PropertyCode.MirrorUpSetting, PropertyCode.EVFOutputDevice})
"""Canon's own host programs do not touch them while a locked-up mirror waits (EDSDK sample); that the body would
refuse is a guess."""

_IMAGE_FORMATS = (PropertyCode.ImageFormat, PropertyCode.ImageFormatSD, PropertyCode.ImageFormatCF)


class Controls:
    """Takes settings into the camera's state, or says why not."""

    def __init__(self, state: State, clock: SimClock) -> None:
        self._state = state
        self._clock = clock
        self._shutter_on_m = state[PropertyCode.ShutterSpeed]

    def set_by_host(self, code: int, data: bytes, *, is_busy: bool, mirror_waits: bool) -> ResponseCode:
        """Takes a value from the host, or says why not.

        Which code a real body refuses with is a guess, except busy; libgphoto2 makes the same error of them.
        """
        if code not in PROPERTIES:
            return ResponseCode.DevicePropNotSupported
        code = PropertyCode(code)
        row = PROPERTIES[code]
        if not row.writable:
            return row.refusal
        try:
            value = decode_value(row.type, data)
        except ValueError:
            return ResponseCode.InvalidDevicePropFormat
        if not self._state.allows(code, value):
            return ResponseCode.InvalidDevicePropValue
        if is_busy or (mirror_waits and code in _MOVING_THE_MIRROR):
            return ResponseCode.DeviceBusy
        return self._take(code, value)

    def set_by_hand(self, settings: Mapping[str, str]) -> None:
        """Somebody uses the camera's own menus and buttons, or the lens's switch."""
        for code, value in first_values(settings).items():
            self._state.set(code, value)
        self._take_image_format(self._state[PropertyCode.ImageFormat])
        self._state.offer(PropertyCode.FocusMode, () if self._lens_is_on_mf else FOCUS_MODES)

    def turn_dial(self, position: int) -> None:
        """Somebody turns the mode dial: to M, or to B, where the shutter has no time of its own."""
        if self._state.number(PropertyCode.AEModeDial) == MANUAL_EXPOSURE:
            self._shutter_on_m = self._state[PropertyCode.ShutterSpeed]
        self._state.set(PropertyCode.AEModeDial, position)
        self._state.set(PropertyCode.AutoExposureMode, position)
        bulb = position == BULB_EXPOSURE
        self._state.set(PropertyCode.ShutterSpeed, SHUTTER_BULB if bulb else self._shutter_on_m)
        self._state.offer(PropertyCode.ShutterSpeed, (SHUTTER_BULB,) if bulb else tuple(SHUTTER_TIMES))

    @property
    def _lens_is_on_mf(self) -> bool:
        return self._state.number(PropertyCode.FocusMode) == MANUAL_FOCUS

    def _take(self, code: PropertyCode, value: Value) -> ResponseCode:
        match code:
            case PropertyCode.FocusMode if self._lens_is_on_mf:
                return ResponseCode.AccessDenied
            case PropertyCode.ImageFormat | PropertyCode.ImageFormatSD | PropertyCode.ImageFormatCF:
                if value in NOT_SIMULATED_FORMATS:
                    return ResponseCode.InvalidDevicePropValue
                self._take_image_format(value)
            case PropertyCode.CustomFuncEx:
                return self._take_custom_functions(value)
            case PropertyCode.CameraTime | PropertyCode.UTCTime if isinstance(value, int):
                self._take_time(datetime.fromtimestamp(value, UTC))
            case _:
                self._state.set(code, value)
        return ResponseCode.OK

    def _take_image_format(self, files: Value) -> None:
        for code in _IMAGE_FORMATS:
            self._state.set(code, files)

    def _take_custom_functions(self, value: Value) -> ResponseCode:
        (block,) = value if isinstance(value, tuple) else (b"",)
        groups = changed_custom_functions(self._state.custom_functions, block) if isinstance(block, bytes) else None
        if groups is None:
            return ResponseCode.InvalidDevicePropValue
        self._state.set(PropertyCode.CustomFuncEx, groups)
        return ResponseCode.OK

    def _take_time(self, now: datetime) -> None:
        self._clock.set_utc(now)
        self._state.set(PropertyCode.CameraTime, int(now.timestamp()))
        self._state.set(PropertyCode.UTCTime, int(now.timestamp()))
