"""The camera itself: settings, mirror, shutter, card, memory and time. It knows nothing of the network."""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from sidcap.capture.simulated import datasets
from sidcap.capture.simulated.card import STORAGE_ID, MemoryCard, StoredObject
from sidcap.capture.simulated.clock import SimClock
from sidcap.capture.simulated.codes import (
    CaptureDestination,
    MirrorLockup,
    ObjectFormat,
    ReleaseButton,
    ResponseCode,
)
from sidcap.capture.simulated.frame import Shot
from sidcap.capture.simulated.mishaps import Mishaps
from sidcap.capture.simulated.properties import (
    APERTURES,
    ISO_SPEEDS,
    LENS,
    PROPERTIES,
    SELF_TIMER_S,
    SHUTTER_TIMES,
    PropertyCode,
    Value,
    decode_value,
)

log = logging.getLogger(__name__)

MIRROR_TRAVEL_S = 0.05
"""From down to up, or back, during which a press finds the camera busy. A guess, from a shutter lag of 0.06 s."""

LOCKUP_TIMEOUT_S = 30.0
"""A mirror that was locked up drops by itself after this time without a second press (Canon's manual)."""

PROCESSING_S = 0.5
"""From the end of an exposure until its file is on the card and announced. A guess."""

_RAM_HANDLES = 0x1000_0000
"""Added to a frame's handle while it is in the camera's memory. A guess: hosts only hand it back."""


class Mirror(enum.Enum):
    """What the mirror does, and why.

    ::

        DOWN ------ press, lockup on ----> LOCKED_UP -- press ---> SHOOTING -- exposed --> DOWN
        DOWN ------ press, lockup off ---------------------------> SHOOTING -- exposed --> DOWN
        DOWN ------ live view on --------> LIVE_VIEW -- press ---> SHOOTING -- exposed --> LIVE_VIEW
        LOCKED_UP - 30 s, or reset ------> DOWN
        LIVE_VIEW - live view off -------> DOWN
    """

    DOWN = "down"
    LOCKED_UP = "locked up"
    LIVE_VIEW = "live view"
    SHOOTING = "shooting"


@dataclass(frozen=True)
class _Exposure:
    """A frame from the press of the button until it is announced."""

    shot: Shot
    destination: CaptureDestination
    cr2: Future[bytes]

    @property
    def end_s(self) -> float:
        return self.shot.start_s + self.shot.shutter_s

    def is_ready(self, now_s: float) -> bool:
        return now_s >= self.end_s + PROCESSING_S and self.cr2.done()


class Body:
    """One camera, from power-on. All calls come from one thread.

    Nothing ticks. ``catch_up`` is called before anything else is asked: it lets happen what should have
    happened by now (an exposure ended, a mirror dropped), and announces it as events.

    ``make_frame`` turns a shot into the bytes of its CR2 file. It is called in a thread of its own when the
    button is pressed, so that a slow computer renders while the shutter is open; where it takes longer than
    the exposure, the frame is announced when it is done.
    """

    def __init__(
        self,
        *,
        clock: SimClock,
        make_frame: Callable[[Shot], bytes],
        card: MemoryCard,
        serial: str,
        scene: int,
        typical_frame_bytes: int,
        mishaps: Mishaps,
        on_cable_pulled: Callable[[], None],
    ) -> None:
        self.scene = scene
        """What stands before the lens; may be changed at any time."""
        self.card = card
        self.serial = serial
        self._clock = clock
        self._make_frame = make_frame
        self._typical_frame_bytes = typical_frame_bytes
        self._mishaps = mishaps
        self._on_cable_pulled = on_cable_pulled

        self._events: list[bytes] = []
        self._events_on = False
        self._values: dict[PropertyCode, Value] = {code: row.first for code, row in PROPERTIES.items()}
        self._values[PropertyCode.SerialNumber] = serial
        self._values[PropertyCode.CurrentStorage] = STORAGE_ID
        self._values[PropertyCode.CurrentFolder] = card.current_folder
        self._host_capacity_bytes = 0
        self._memory: dict[int, StoredObject] = {}
        self._count_available_shots()

        self._mirror = Mirror.DOWN
        self._mirror_moved_s = -MIRROR_TRAVEL_S
        self._buttons = ReleaseButton(0)
        self._exposure: _Exposure | None = None
        self._exposures_started = 0

    # What a host connects to, and leaves.

    def begin_session(self) -> None:
        """A host has opened a session. What came into the memory while nobody was there is lost."""
        self._memory.clear()

    def end_session(self) -> None:
        """The host has left, or is gone. Buttons are let go, live view ends, frames in memory are lost."""
        self.catch_up()
        self._buttons = ReleaseButton(0)
        self._memory.clear()
        self._host_capacity_bytes = 0
        self._set(PropertyCode.EVFOutputDevice, 0)
        self._follow_live_view()
        self._set(PropertyCode.CaptureDestination, int(CaptureDestination.CARD))
        self._count_available_shots()
        self._events.clear()
        self._events_on = False

    def set_events(self, on: bool) -> None:
        """Switches events on or off. When they go on, every value and every list of choices is announced."""
        self._events.clear()
        self._events_on = on
        if not on:
            return
        self._values[PropertyCode.CameraTime] = int(self._clock.utc(self._clock.now_s()).timestamp())
        for code, row in PROPERTIES.items():
            if row.announced:
                self._announce(code)
        self._events += [datasets.property_choices(code, row) for code, row in PROPERTIES.items() if row.choices]

    def take_events(self) -> bytes:
        """What has happened since the last call: the answer to ``EOS_GetEvent``."""
        events, self._events = self._events, []
        return b"".join(events) + datasets.END_OF_EVENTS

    # Settings.

    def request_property(self, code: int) -> ResponseCode:
        """Announces one property's value."""
        if code not in self._values:
            return ResponseCode.GeneralError
        self._announce(PropertyCode(code))
        return ResponseCode.OK

    def set_property(self, code: int, data: bytes) -> ResponseCode:
        """Takes a value from the host, or says why not.

        Which code a real body refuses with is a guess, except busy; libgphoto2 makes the same error of them.
        """
        if code not in self._values:
            return ResponseCode.DevicePropNotSupported
        code = PropertyCode(code)
        row = PROPERTIES[code]
        if not row.writable:
            return row.refusal
        try:
            value = decode_value(row.type, data)
        except ValueError:
            return ResponseCode.InvalidDevicePropFormat
        if not row.allows(value):
            return ResponseCode.InvalidDevicePropValue
        if self._is_busy():
            return ResponseCode.DeviceBusy
        return self._take_setting(code, value)

    def set_host_capacity(self, free_bytes: int) -> None:
        """The host says how much it can store; until then no frame goes to it alone."""
        self._host_capacity_bytes = free_bytes
        self._count_available_shots()

    def _take_setting(self, code: PropertyCode, value: Value) -> ResponseCode:
        match code:
            case PropertyCode.MirrorUpSetting:
                # Canon's own host programs do not touch it while the mirror waits (EDSDK sample); that the
                # body would refuse is a guess.
                if self._mirror is Mirror.LOCKED_UP:
                    return ResponseCode.DeviceBusy
                self._set(code, value)
                self._show_mirror()
            case PropertyCode.EVFOutputDevice:
                if self._mirror is Mirror.LOCKED_UP:
                    return ResponseCode.DeviceBusy
                self._set(code, value)
                self._follow_live_view()
            case PropertyCode.CaptureDestination:
                self._set(code, value)
                self._count_available_shots()
            case PropertyCode.ImageFormat | PropertyCode.ImageFormatSD | PropertyCode.ImageFormatCF:
                for same in (PropertyCode.ImageFormat, PropertyCode.ImageFormatSD, PropertyCode.ImageFormatCF):
                    self._set(same, value)
            case _:
                self._set(code, value)
        return ResponseCode.OK

    # The shutter button.

    def press(self, buttons: ReleaseButton) -> ResponseCode:
        """Presses the shutter button half, fully, or both. Only a full press does something here.

        The answer comes at once; what follows is told by events.
        """
        if ReleaseButton.FULL in buttons & ~self._buttons:
            answer = self._release()
            if answer is not ResponseCode.OK:
                return answer
        self._hold(self._buttons | buttons)
        return ResponseCode.OK

    def let_go(self, buttons: ReleaseButton) -> None:
        """Lets go of the shutter button."""
        self._hold(self._buttons & ~buttons)

    def reset_mirror_lockup(self) -> None:
        """Lets a mirror drop that waits for the second press."""
        if self._mirror is Mirror.LOCKED_UP:
            self._move_mirror(Mirror.DOWN, at_s=self._clock.now_s())

    def _hold(self, buttons: ReleaseButton) -> None:
        if buttons != self._buttons:
            self._buttons = buttons
            # 1 released, 2 half pressed, 4 fully pressed: what EOS M bodies report (libgphoto2). That the 6D does
            # is a guess; it saves hosts with manual focus the 0.1 s that they wait for any event.
            pressed = 4 if ReleaseButton.FULL in buttons else 2 if ReleaseButton.HALF in buttons else 1
            self._happened(datasets.button_info(pressed))

    def _release(self) -> ResponseCode:
        """A full press: raises the mirror, or exposes."""
        if self._is_busy():
            return ResponseCode.DeviceBusy
        if self._values[PropertyCode.AvailableShots] == 0:
            return ResponseCode.StoreFull
        now_s = self._clock.now_s()
        self_timer_s = SELF_TIMER_S.get(self._number(PropertyCode.DriveMode), 0.0)
        if self._mirror is Mirror.DOWN:
            if self._number(PropertyCode.MirrorUpSetting) and not self_timer_s:
                self._move_mirror(Mirror.LOCKED_UP, at_s=now_s)
                return ResponseCode.OK
            now_s += MIRROR_TRAVEL_S
        self._expose(start_s=now_s + self_timer_s)
        return ResponseCode.OK

    def _is_busy(self) -> bool:
        mirror_settles_s = self._mirror_moved_s + MIRROR_TRAVEL_S
        return self._exposure is not None or self._clock.now_s() < mirror_settles_s

    # Exposures.

    def _expose(self, *, start_s: float) -> None:
        self._exposures_started += 1
        shutter = SHUTTER_TIMES[self._number(PropertyCode.ShutterSpeed)]
        shot = Shot(
            iso=ISO_SPEEDS[self._number(PropertyCode.ISOSpeed)],
            shutter_s=shutter.true_s,
            nominal_shutter=shutter.nominal_s,
            aperture=APERTURES[self._number(PropertyCode.Aperture)],
            scene=self.scene,
            start_s=start_s,
            taken=self._clock.utc(start_s),
            frame_number=self._exposures_started,
            shift_px=self._mishaps.shift_px(self._exposures_started),
            lens=LENS,
        )
        destination = CaptureDestination(self._number(PropertyCode.CaptureDestination))
        self._exposure = _Exposure(shot, destination, _in_background(self._make_frame, shot))
        self._mirror = Mirror.SHOOTING
        self._show_mirror()
        self._set(PropertyCode.ShutterCounter, self._number(PropertyCode.ShutterCounter) + 1)
        self._happened(datasets.camera_status(busy=True))
        if self._mishaps.cable_pulled_by(self._exposures_started):
            self._on_cable_pulled()

    def catch_up(self) -> None:
        """Lets happen what should have happened by now."""
        now_s = self._clock.now_s()
        locked_up_until_s = self._mirror_moved_s + LOCKUP_TIMEOUT_S
        if self._mirror is Mirror.LOCKED_UP and now_s >= locked_up_until_s:
            self._move_mirror(Mirror.DOWN, at_s=locked_up_until_s)
        if self._exposure is None:
            return
        if self._mirror is Mirror.SHOOTING and now_s >= self._exposure.end_s:
            live = self._number(PropertyCode.EVFOutputDevice) != 0
            self._move_mirror(Mirror.LIVE_VIEW if live else Mirror.DOWN, at_s=self._exposure.end_s)
        if self._exposure.is_ready(now_s):
            self._finish(self._exposure)
            self._exposure = None
            self._happened(datasets.camera_status(busy=False))

    def _finish(self, exposure: _Exposure) -> None:
        """Puts a frame where it goes and announces it."""
        error = exposure.cr2.exception()
        if error is not None:
            log.error("frame %d could not be rendered", exposure.shot.frame_number, exc_info=error)
            return
        shot, data = exposure.shot, exposure.cr2.result()
        if CaptureDestination.CARD in exposure.destination:
            on_card = self.card.store(data, number=shot.frame_number, taken=shot.taken)
            self._set(PropertyCode.CurrentFolder, self.card.current_folder)
            self._happened(datasets.object_added(on_card))
        if CaptureDestination.HOST in exposure.destination:
            in_memory = StoredObject(
                handle=_RAM_HANDLES + shot.frame_number,
                parent=0,
                name=f"IMG_{shot.frame_number:04d}.CR2",
                format=ObjectFormat.CANON_CRW3,
                taken=shot.taken,
                size=len(data),
                content=data,
            )
            self._memory[in_memory.handle] = in_memory
            self._happened(datasets.object_transfer_requested(in_memory))
        self._count_available_shots()

    # The mirror.

    def _follow_live_view(self) -> None:
        live = self._number(PropertyCode.EVFOutputDevice) != 0
        if live and self._mirror is Mirror.DOWN:
            self._move_mirror(Mirror.LIVE_VIEW, at_s=self._clock.now_s())
        elif not live and self._mirror is Mirror.LIVE_VIEW:
            self._move_mirror(Mirror.DOWN, at_s=self._clock.now_s())

    def _move_mirror(self, to: Mirror, *, at_s: float) -> None:
        if self._is_up(self._mirror) != self._is_up(to):
            self._mirror_moved_s = at_s
        self._mirror = to
        self._show_mirror()

    def _show_mirror(self) -> None:
        """Brings the two states that a host can see up to date."""
        if self._number(PropertyCode.MirrorUpSetting) == 0:
            lockup = MirrorLockup.DISABLED
        elif self._mirror is Mirror.LOCKED_UP:
            lockup = MirrorLockup.DURING_SHOOTING
        else:
            lockup = MirrorLockup.ENABLED
        self._set(PropertyCode.MirrorLockupState, int(lockup))
        # 0 is what an idle body reports; that 1 means up is a guess.
        self._set(PropertyCode.MirrorDownStatus, int(self._is_up(self._mirror)))

    @staticmethod
    def _is_up(mirror: Mirror) -> bool:
        return mirror is not Mirror.DOWN

    # Frames in the camera's memory and on the card.

    def find_object(self, handle: int) -> StoredObject | None:
        """A file or folder on the card, or a frame that waits in memory."""
        return self._memory.get(handle) or self.card.find(handle)

    def forget(self, handle: int) -> None:
        """The host has fetched a frame from memory."""
        self._memory.pop(handle, None)

    def delete(self, handle: int) -> ResponseCode:
        stored = self.card.find(handle)
        if stored is None:
            return ResponseCode.InvalidObjectHandle
        if stored.format is ObjectFormat.Association:
            return ResponseCode.ObjectWriteProtected
        self.card.delete(stored)
        self._count_available_shots()
        return ResponseCode.OK

    def _count_available_shots(self) -> None:
        destination = CaptureDestination(self._number(PropertyCode.CaptureDestination))
        free_bytes = self.card.free_bytes
        if destination == CaptureDestination.HOST:
            free_bytes = self._host_capacity_bytes
        shots = min(free_bytes // self._typical_frame_bytes, 0xFFFF_FFFF)  # hosts promise 2^64 bytes
        self._set(PropertyCode.AvailableShots, shots)

    # Values and events.

    def _number(self, code: PropertyCode) -> int:
        value = self._values[code]
        if not isinstance(value, int):
            raise TypeError(f"{code.name} is not a number")
        return value

    def _set(self, code: PropertyCode, value: Value) -> None:
        if self._values[code] != value:
            self._values[code] = value
            self._announce(code)

    def _announce(self, code: PropertyCode) -> None:
        self._happened(datasets.property_value(code, PROPERTIES[code], self._values[code]))

    def _happened(self, event: bytes) -> None:
        if self._events_on:
            self._events.append(event)


def _in_background(make_frame: Callable[[Shot], bytes], shot: Shot) -> Future[bytes]:
    """Calls ``make_frame`` in a thread that nobody has to wait for when the program ends."""
    future: Future[bytes] = Future()

    def render() -> None:
        try:
            future.set_result(make_frame(shot))
        except Exception as error:  # noqa: BLE001 - handed to whoever takes the result
            future.set_exception(error)

    threading.Thread(target=render, name=f"frame-{shot.frame_number}", daemon=True).start()
    return future
