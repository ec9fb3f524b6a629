"""The camera itself: settings, mirror, shutter, card, memory and time. It knows nothing of the network."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial

from sidcap.capture.simulated import datasets
from sidcap.capture.simulated.battery import EXPOSURES_PER_CHARGE, LIVE_VIEW_S_PER_CHARGE, Battery
from sidcap.capture.simulated.card import STORAGE_ID, MemoryCard, StoredObject, frame_name
from sidcap.capture.simulated.clock import SimClock
from sidcap.capture.simulated.codes import (
    CaptureDestination,
    MirrorLockup,
    ObjectFormat,
    ReleaseButton,
    ResponseCode,
)
from sidcap.capture.simulated.faults import AUTOFOCUS, EXPOSURE, Fault, FaultKind, FaultPlan
from sidcap.capture.simulated.files import FileMaker, object_format
from sidcap.capture.simulated.frame import Shot
from sidcap.capture.simulated.lens import Lens
from sidcap.capture.simulated.pending import PendingExposure, PendingFile, in_background
from sidcap.capture.simulated.properties import (
    APERTURES,
    BULB_EXPOSURE,
    FOCUS_MODES,
    ISO_SPEEDS,
    MANUAL_EXPOSURE,
    MANUAL_FOCUS,
    NOT_SIMULATED_FORMATS,
    ONE_SHOT,
    PROPERTIES,
    SELF_TIMER_S,
    SHUTTER_BULB,
    SHUTTER_TIMES,
    PropertyCode,
    ShutterTime,
    Value,
    changed_custom_functions,
    decode_value,
)
from sidcap.capture.simulated.scenes import SceneChoice
from sidcap.capture.simulated.settings import DIAL_POSITIONS, CameraSettings, first_values
from sidcap.capture.simulated.state import State
from sidcap.capture.simulated.thermal import Activity, SensorHeat
from sidcap.capture.simulated.viewfinder import View, Viewfinder

log = logging.getLogger(__name__)

MIRROR_TRAVEL_S = 0.05
"""From down to up, or back, during which a press finds the camera busy. A guess, from a shutter lag of 0.06 s."""

LOCKUP_TIMEOUT_S = 30.0
"""A mirror that was locked up drops by itself after this time without a second press (Canon's manual)."""

AUTOFOCUS_S = 0.3
"""How long the lens looks for the focus. A guess."""

OUT_OF_FOCUS_STEPS = 40
"""Where a lens stands that looked for the focus in vain. A guess."""

NOISE_REDUCTION_FROM_S = 1.0
"""Exposures from this length on are followed by a dark one of the same length, where that is switched on (Canon)."""

_BULB_VIEW_S = 1.0
"""What live view is exposed like while the mode dial stands on B. A guess."""

_RAM_HANDLES = 0x1000_0000
"""Added to a frame's handle while it is in the camera's memory. A guess: hosts only hand it back."""

SHUTDOWN_WARNING_S = 10.0
"""How long before it switches itself off the camera says so. A guess."""

SHORTEST_BULB_S = 1 / 30
"""A press and a release in one breath. A guess."""

BULB_NOT_CLOSED = ShutterTime(0.0, Fraction(0))

_CARD_ERROR = 2
"""The body shows "Err 02" (Canon's manual); how it says so to a host is a guess."""

_AFTER_SHUTTER_OPENS = frozenset({FaultKind.CABLE_PULLED, FaultKind.POWER_OFF, FaultKind.CARD_ERROR})
"""Faults that find the exposure begun; the others forestall it."""


class Mirror(enum.Enum):
    """What the mirror does, and why.

    ::

        DOWN ------ press, lockup on ----> LOCKED_UP -- press ---> SHOOTING -- exposed --> DOWN
        DOWN ------ press, lockup off ---------------------------> SHOOTING -- exposed --> DOWN
        DOWN ------ live view on --------> LIVE_VIEW -- press ---> SHOOTING -- exposed --> LIVE_VIEW
        LOCKED_UP - 30 s, or reset ------> DOWN
        LIVE_VIEW - live view off -------> DOWN

    With the mode dial on B the exposure lasts until the button is let go.
    """

    DOWN = "down"
    LOCKED_UP = "locked up"
    LIVE_VIEW = "live view"
    SHOOTING = "shooting"


class Body:
    """One camera, from power-on. All calls come from one thread.

    Nothing ticks. ``catch_up`` is called before anything else is asked: it lets happen what should have
    happened by now (an exposure ended, a mirror dropped), and announces it as events.

    Files are rendered in threads of their own from the moment the shutter opens (in bulb: closes), so that a slow
    computer renders while the shutter is open; where that takes longer than the exposure, they are announced when
    they are done.

    ``on_cable_pulled`` is called with the real seconds until somebody plugs the cable in again, or None;
    ``on_switched_off`` when the camera goes off by itself.
    """

    def __init__(
        self,
        settings: CameraSettings,
        *,
        clock: SimClock,
        files: FileMaker,
        card: MemoryCard,
        faults: FaultPlan,
        on_cable_pulled: Callable[[float | None], None],
        on_switched_off: Callable[[], None],
    ) -> None:
        self.scene: SceneChoice = settings.scene
        """What stands before the lens; may be changed at any time."""
        self.card = card
        self.serial = settings.serial
        self.lens = Lens(settings.focus_steps)
        self.battery = Battery(settings.battery)
        self.state = State(faults)
        self.is_on = True
        self.shots: list[Shot] = []
        """Every exposure since the beginning."""
        self._clock = clock
        self._files = files
        self._faults = faults
        self._on_cable_pulled = on_cable_pulled
        self._on_switched_off = on_switched_off
        self._noise_reduction = settings.long_exposure_noise_reduction
        self._auto_power_off = settings.auto_power_off

        self._memory: dict[int, StoredObject] = {}
        self._host_capacity_bytes = 0
        self._buttons = ReleaseButton(0)
        self._mirror = Mirror.DOWN
        self._mirror_moved_s = -MIRROR_TRAVEL_S
        self._open: Shot | None = None
        self._bulb_announced_s = 0
        self._bulb_exif_factor: float | None = None
        self._pending: PendingExposure | None = None
        self._exposures_started = 0
        self._focus_found: bool | None = None
        self._is_out_of_focus = False
        self._focusing_until_s = 0.0
        self._heat = SensorHeat(settings.surroundings.ambient_c)
        self._viewfinder = Viewfinder(self._render_view)
        self._looked_at_power_s = 0.0
        self._last_used_s = 0.0

        self.set_by_hand(settings.settings)
        self.state.set(PropertyCode.SerialNumber, settings.serial)
        self.state.set(PropertyCode.CurrentStorage, STORAGE_ID)
        self.state.set(PropertyCode.CurrentFolder, card.current_folder)
        self.state.set(PropertyCode.BatteryPower, self.battery.code)
        self._shutter_on_m = self.state[PropertyCode.ShutterSpeed]
        self.turn_dial(DIAL_POSITIONS[settings.mode_dial])

    # What a host connects to, and leaves.

    def begin_session(self) -> None:
        """A host has opened a session. What came into the memory while nobody was there is lost."""
        self._memory.clear()

    def end_session(self) -> None:
        """The host has left, or is gone. Buttons are let go, live view ends, frames in memory are lost."""
        self.catch_up()
        self.let_go(ReleaseButton.HALF | ReleaseButton.FULL)
        self._memory.clear()
        self._host_capacity_bytes = 0
        self.state.set(PropertyCode.EVFOutputDevice, 0)
        self._follow_live_view()
        self.state.set(PropertyCode.CaptureDestination, int(CaptureDestination.CARD))
        self._count_available_shots()
        self.state.switch_events(on=False)

    def set_events(self, on: bool) -> None:
        """Switches events on or off. When they go on, every value and every list of choices is announced."""
        now = int(self._clock.utc(self._clock.now_s()).timestamp())
        self.state.set(PropertyCode.CameraTime, now)
        self.state.set(PropertyCode.UTCTime, now)
        self.state.switch_events(on)

    def used(self) -> None:
        """A host has asked for something that keeps the camera awake."""
        self._last_used_s = self._clock.now_s()

    # Power, and what goes wrong.

    def suffer(self, faults: Mapping[FaultKind, Fault]) -> None:
        """Lets happen what is not the fault of one answer alone."""
        self.card.is_full |= FaultKind.CARD_FULL in faults
        if FaultKind.CARD_ERROR in faults:
            self.card.has_failed = True
            self.state.set(PropertyCode.ErrorForDisplay, _CARD_ERROR)
        self._count_available_shots()
        if FaultKind.BATTERY_EMPTY in faults:
            self.battery.drain(1.0)
            self._die()
        if FaultKind.POWER_OFF in faults:
            self.switch_off()
        if FaultKind.CABLE_PULLED in faults:
            self._on_cable_pulled(faults[FaultKind.CABLE_PULLED].value)

    def switch_off(self) -> None:
        """Goes off. Settings stay; an exposure that has begun is still written to the card."""
        if not self.is_on:
            return
        self.is_on = False
        self.end_session()
        self.reset_mirror_lockup()
        self._on_switched_off()

    def switch_on(self) -> None:
        """Goes on again, with a charged battery where it was empty."""
        if self.battery.is_empty:
            self.battery = Battery()
        self.state.set(PropertyCode.BatteryPower, self.battery.code)
        self.is_on = True
        self.used()

    def _die(self) -> None:
        """The battery is empty: nothing is finished any more."""
        self._open = self._pending = None
        self._mirror = Mirror.DOWN
        self._heat.switch(Activity.IDLE, at_s=self._clock.now_s())
        self.switch_off()

    def _drain(self, share: float) -> None:
        self.battery.drain(share)
        self.state.set(PropertyCode.BatteryPower, self.battery.code)

    # Settings.

    def request_property(self, code: int) -> ResponseCode:
        """Announces one property's value."""
        if code not in PROPERTIES:
            return ResponseCode.GeneralError
        self.state.announce(PropertyCode(code))
        return ResponseCode.OK

    def set_property(self, code: int, data: bytes) -> ResponseCode:
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
        if not self.state.allows(code, value):
            return ResponseCode.InvalidDevicePropValue
        if self._is_busy():
            return ResponseCode.DeviceBusy
        return self._take_setting(code, value)

    def set_host_capacity(self, free_bytes: int) -> None:
        """The host says how much it can store; until then no frame goes to it alone."""
        self._host_capacity_bytes = free_bytes
        self._count_available_shots()

    def turn_dial(self, position: int) -> None:
        """Somebody turns the mode dial: to M, or to B, where the shutter has no time of its own."""
        if self.state.number(PropertyCode.AEModeDial) == MANUAL_EXPOSURE:
            self._shutter_on_m = self.state[PropertyCode.ShutterSpeed]
        self.state.set(PropertyCode.AEModeDial, position)
        self.state.set(PropertyCode.AutoExposureMode, position)
        bulb = position == BULB_EXPOSURE
        self.state.set(PropertyCode.ShutterSpeed, SHUTTER_BULB if bulb else self._shutter_on_m)
        self.state.offer(PropertyCode.ShutterSpeed, (SHUTTER_BULB,) if bulb else tuple(SHUTTER_TIMES))

    def set_by_hand(self, settings: Mapping[str, str]) -> None:
        """Somebody uses the camera's own menus and buttons, or the lens's switch."""
        for code, value in first_values(settings).items():
            self.state.set(code, value)
        self._take_image_format(self.state[PropertyCode.ImageFormat])
        self.state.offer(PropertyCode.FocusMode, FOCUS_MODES if self._has_autofocus else ())
        self._show_mirror()

    @property
    def _has_autofocus(self) -> bool:
        """Whether the lens's switch stands on AF."""
        return self.state.number(PropertyCode.FocusMode) != MANUAL_FOCUS

    def _take_setting(self, code: PropertyCode, value: Value) -> ResponseCode:
        match code:
            case PropertyCode.MirrorUpSetting | PropertyCode.EVFOutputDevice if self._mirror is Mirror.LOCKED_UP:
                # Canon's own host programs do not touch them while the mirror waits (EDSDK sample); that the
                # body would refuse is a guess.
                return ResponseCode.DeviceBusy
            case PropertyCode.FocusMode if not self._has_autofocus:
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
                self.state.set(code, value)
        self._show_mirror()
        self._follow_live_view()
        self._count_available_shots()
        return ResponseCode.OK

    def _take_image_format(self, files: Value) -> None:
        for code in (PropertyCode.ImageFormat, PropertyCode.ImageFormatSD, PropertyCode.ImageFormatCF):
            self.state.set(code, files)
        self._count_available_shots()

    def _take_custom_functions(self, value: Value) -> ResponseCode:
        (block,) = value if isinstance(value, tuple) else (b"",)
        groups = changed_custom_functions(self.state.custom_functions, block) if isinstance(block, bytes) else None
        if groups is None:
            return ResponseCode.InvalidDevicePropValue
        self.state.set(PropertyCode.CustomFuncEx, groups)
        return ResponseCode.OK

    def _take_time(self, now: datetime) -> None:
        self._clock.set_utc(now)
        self.state.set(PropertyCode.CameraTime, int(now.timestamp()))
        self.state.set(PropertyCode.UTCTime, int(now.timestamp()))

    # The shutter button and the lens.

    def press(self, buttons: ReleaseButton, *, autofocus: bool) -> ResponseCode:
        """Presses the shutter button half, fully, or both; with ``autofocus``, a half press looks for the focus.

        The answer comes at once; what follows is told by events. A full press does not wait for the focus, and
        is refused in One Shot where none was found.
        """
        newly = buttons & ~self._buttons
        if ReleaseButton.HALF in newly and autofocus and self._has_autofocus:
            answer = self.look_for_focus()
            if answer is not ResponseCode.OK:
                return answer
        if ReleaseButton.FULL in newly:
            self._finish_focusing()
            one_shot = self.state.number(PropertyCode.FocusMode) == ONE_SHOT
            refused = one_shot and self._is_out_of_focus
            answer = ResponseCode.EOS_OperationRefused if refused else self._release()
            if answer is not ResponseCode.OK:
                return answer
        self._hold(self._buttons | buttons)
        return ResponseCode.OK

    def let_go(self, buttons: ReleaseButton) -> None:
        """Lets go of the shutter button; in bulb, that closes the shutter."""
        self._hold(self._buttons & ~buttons)
        if ReleaseButton.HALF not in self._buttons:
            self._is_out_of_focus = False
        if self._open is not None and ReleaseButton.FULL not in self._buttons:
            self._close_shutter(self._open)

    def reset_mirror_lockup(self) -> None:
        """Lets a mirror drop that waits for the second press."""
        if self._mirror is Mirror.LOCKED_UP:
            self._move_mirror(Mirror.DOWN, at_s=self._clock.now_s())

    def look_for_focus(self) -> ResponseCode:
        """Autofocus. How it ended is told by an event, a moment later; a lens on MF does nothing."""
        if not self._has_autofocus:
            return ResponseCode.OK
        if self._is_busy():
            return ResponseCode.DeviceBusy
        self._focus_found = FaultKind.AUTOFOCUS_FAILED not in self._faults.happens(AUTOFOCUS)
        self._focusing_until_s = self._clock.now_s() + AUTOFOCUS_S
        return ResponseCode.OK

    def drive_lens(self, command: int) -> ResponseCode:
        """Moves the focus by hand of the host; only in live view, and only a lens whose switch is on AF (Canon)."""
        if self._mirror is not Mirror.LIVE_VIEW or not self._has_autofocus:
            return ResponseCode.EOS_OperationRefused
        return ResponseCode.OK if self.lens.drive(command) else ResponseCode.InvalidParameter

    def _finish_focusing(self) -> None:
        found, self._focus_found = self._focus_found, None
        self._focusing_until_s = 0.0
        if found is not None:
            self.lens.focus_steps = 0 if found else OUT_OF_FOCUS_STEPS
            self._is_out_of_focus = not found
            self.state.happened(datasets.focus_info(in_focus=found))

    def _hold(self, buttons: ReleaseButton) -> None:
        if buttons != self._buttons:
            self._buttons = buttons
            # 1 released, 2 half pressed, 4 fully pressed: what EOS M bodies report (libgphoto2). That the 6D does
            # is a guess; it saves hosts with manual focus the 0.1 s that they wait for any event.
            pressed = 4 if ReleaseButton.FULL in buttons else 2 if ReleaseButton.HALF in buttons else 1
            self.state.happened(datasets.button_info(pressed))

    def _release(self) -> ResponseCode:
        """A full press: raises the mirror, or exposes."""
        if self._is_busy():
            return ResponseCode.DeviceBusy
        now_s = self._clock.now_s()
        timer_s = SELF_TIMER_S.get(self.state.number(PropertyCode.DriveMode), 0.0)
        lockup = self.state.number(PropertyCode.MirrorUpSetting) == 1
        if self._mirror is Mirror.DOWN and lockup and not timer_s:
            if self._cannot_store() is None:
                self._move_mirror(Mirror.LOCKED_UP, at_s=now_s)
            return self._cannot_store() or ResponseCode.OK
        if self._mirror is Mirror.DOWN:
            # With the self-timer the mirror goes up at once under lockup, else just before the exposure.
            start_s = now_s + timer_s + MIRROR_TRAVEL_S
            mirror_up_s: float | None = start_s - now_s if lockup else MIRROR_TRAVEL_S
        else:
            start_s = now_s + timer_s
            mirror_up_s = start_s - self._mirror_moved_s if self._mirror is Mirror.LOCKED_UP else None
        faults = self._faults.happens(EXPOSURE)
        self.suffer({kind: fault for kind, fault in faults.items() if kind not in _AFTER_SHUTTER_OPENS})
        refusal = self._cannot_store()
        if refusal is not None or not self.is_on:
            return refusal or ResponseCode.GeneralError
        self._open_shutter(start_s, mirror_up_s, faults)
        self.suffer({kind: fault for kind, fault in faults.items() if kind in _AFTER_SHUTTER_OPENS})
        return ResponseCode.OK

    def _cannot_store(self) -> ResponseCode | None:
        """Why nothing can be exposed, if so."""
        to_card = CaptureDestination.CARD in CaptureDestination(self.state.number(PropertyCode.CaptureDestination))
        if to_card and self.card.has_failed:
            return ResponseCode.StoreNotAvailable
        return ResponseCode.StoreFull if self.state.number(PropertyCode.AvailableShots) == 0 else None

    def _is_busy(self) -> bool:
        now_s = self._clock.now_s()
        moving = now_s < self._mirror_moved_s + MIRROR_TRAVEL_S
        return self._open is not None or self._pending is not None or moving or now_s < self._focusing_until_s

    # Exposures.

    def _open_shutter(self, start_s: float, mirror_up_s: float | None, faults: Mapping[FaultKind, Fault]) -> None:
        self._exposures_started += 1
        bulb = self.state.number(PropertyCode.AutoExposureMode) == BULB_EXPOSURE
        time = BULB_NOT_CLOSED if bulb else SHUTTER_TIMES[self._bracketed_shutter()]
        wrong = faults.get(FaultKind.EXIF_WRONG)
        shot = Shot(
            iso=ISO_SPEEDS[self.state.number(PropertyCode.ISOSpeed)],
            shutter_s=time.true_s,
            nominal_shutter=time.nominal_s,
            aperture=APERTURES[self.state.number(PropertyCode.Aperture)],
            scene=self.scene,
            start_s=start_s,
            taken=self._clock.utc(start_s),
            frame_number=self._exposures_started,
            lens=str(self.state[PropertyCode.LensName]),
            mirror_up_s=mirror_up_s,
            focus_steps=self.lens.focus_steps,
            noise_reduction=self._noise_reduction and time.true_s >= NOISE_REDUCTION_FROM_S,
            sensor_c=self._heat.temperature_c(at_s=start_s),
            recorded_shutter=time.nominal_s * Fraction(wrong.number) if wrong and not bulb else None,
        )
        self._heat.switch(Activity.EXPOSING, at_s=start_s)
        self._mirror = Mirror.SHOOTING
        self._show_mirror()
        self.state.set(PropertyCode.ShutterCounter, self.state.number(PropertyCode.ShutterCounter) + 1)
        self.state.happened(datasets.camera_status(busy=True))
        self._drain(1 / EXPOSURES_PER_CHARGE)
        if bulb:
            self._open, self._bulb_announced_s, self._bulb_exif_factor = shot, 0, wrong.number if wrong else None
        else:
            self._render(shot)

    def _bracketed_shutter(self) -> int:
        """The shutter setting, changed by automatic bracketing: as set, darker, brighter, and again (Canon)."""
        shutter = self.state.number(PropertyCode.ShutterSpeed)
        eighths = self.state.number(PropertyCode.AEB)
        wanted = shutter + (0, eighths, -eighths)[(self._exposures_started - 1) % 3]
        return min(SHUTTER_TIMES, key=lambda code: abs(code - wanted))

    def _close_shutter(self, shot: Shot) -> None:
        """Ends a bulb exposure."""
        self._open = None
        shutter_s = max(self._clock.now_s() - shot.start_s, SHORTEST_BULB_S)
        nominal = Fraction(round(shutter_s)) if shutter_s >= 1 else Fraction(round(shutter_s * 10) or 1, 10)
        self._render(
            replace(
                shot,
                shutter_s=shutter_s,
                nominal_shutter=nominal,
                noise_reduction=self._noise_reduction and shutter_s >= NOISE_REDUCTION_FROM_S,
                recorded_shutter=nominal * Fraction(self._bulb_exif_factor) if self._bulb_exif_factor else None,
            )
        )

    def _render(self, shot: Shot) -> None:
        formats = self.state.image_format
        self.shots.append(shot)
        self._pending = PendingExposure(
            shot=shot,
            destination=CaptureDestination(self.state.number(PropertyCode.CaptureDestination)),
            files=tuple(
                PendingFile(
                    object_format(file),
                    in_background(partial(self._files.make, file, shot), f"frame-{shot.frame_number}"),
                )
                for file in formats
            ),
            writing_s=self._files.writing_s(formats),
        )

    def catch_up(self) -> None:
        """Lets happen what should have happened by now."""
        now_s = self._clock.now_s()
        if now_s >= self._focusing_until_s:
            self._finish_focusing()
        locked_up_until_s = self._mirror_moved_s + LOCKUP_TIMEOUT_S
        if self._mirror is Mirror.LOCKED_UP and now_s >= locked_up_until_s:
            self._move_mirror(Mirror.DOWN, at_s=locked_up_until_s)
        self._catch_up_with_power(now_s)
        if self._open is not None and int(now_s - self._open.start_s) > self._bulb_announced_s:
            self._bulb_announced_s = int(now_s - self._open.start_s)
            self.state.happened(datasets.bulb_time(self._bulb_announced_s))
        if self._pending is None:
            return
        if self._mirror is Mirror.SHOOTING and now_s >= self._pending.closed_s:
            live = self.state.number(PropertyCode.EVFOutputDevice) != 0
            self._heat.switch(Activity.LIVE_VIEW if live else Activity.IDLE, at_s=self._pending.closed_s)
            self._move_mirror(Mirror.LIVE_VIEW if live else Mirror.DOWN, at_s=self._pending.closed_s)
        if self._pending.is_written(now_s):
            pending, self._pending = self._pending, None
            for file in pending.files:
                self._finish(pending, file)
            self.state.happened(datasets.camera_status(busy=False))

    def _catch_up_with_power(self, now_s: float) -> None:
        before_s, self._looked_at_power_s = self._looked_at_power_s, now_s
        if self._mirror is Mirror.LIVE_VIEW:
            self._drain((now_s - before_s) / LIVE_VIEW_S_PER_CHARGE)
        if self._is_busy() or self._mirror is not Mirror.DOWN:
            self._last_used_s = now_s
        if self.battery.is_empty and self.is_on:
            self._die()
        timer_s = self.state.number(PropertyCode.AutoPowerOff)
        if self._auto_power_off and timer_s:
            off_s = self._last_used_s + timer_s
            if before_s < off_s - SHUTDOWN_WARNING_S <= now_s:
                self.state.happened(datasets.will_soon_shut_down())
            if now_s >= off_s:
                self.switch_off()

    def _finish(self, pending: PendingExposure, file: PendingFile) -> None:
        """Puts a file where it goes and announces it."""
        shot = pending.shot
        error = file.content.exception()
        if error is not None:
            log.error("frame %d could not be rendered", shot.frame_number, exc_info=error)
            return
        data = file.content.result()
        if CaptureDestination.CARD in pending.destination and not self.card.has_failed:
            on_card = self.card.store(data, file.format, number=shot.frame_number, taken=shot.taken)
            self.state.set(PropertyCode.CurrentFolder, self.card.current_folder)
            self.state.happened(datasets.object_added(on_card))
        if CaptureDestination.HOST in pending.destination and self.is_on:
            in_memory = StoredObject(
                handle=_RAM_HANDLES + 2 * shot.frame_number + (file.format is ObjectFormat.EXIF_JPEG),
                parent=0,
                name=frame_name(shot.frame_number, file.format),
                format=file.format,
                taken=shot.taken,
                size=len(data),
                content=data,
            )
            self._memory[in_memory.handle] = in_memory
            self.state.happened(datasets.object_transfer_requested(in_memory))
        self._count_available_shots()

    # The mirror and live view.

    def live_view_picture(self) -> bytes | None:
        """A JPEG of what live view shows now; None where it does not, or not yet."""
        if self._mirror is not Mirror.LIVE_VIEW:
            return None
        shutter = self.state.number(PropertyCode.ShutterSpeed)
        view = View(
            scene=self.scene,
            iso=ISO_SPEEDS[self.state.number(PropertyCode.ISOSpeed)],
            shutter_s=_BULB_VIEW_S if shutter == SHUTTER_BULB else SHUTTER_TIMES[shutter].true_s,
            aperture=APERTURES[self.state.number(PropertyCode.Aperture)],
            focus_steps=self.lens.focus_steps,
        )
        return self._viewfinder.picture(view, self._clock.now_s())

    def _render_view(self, view: View, at_s: float) -> bytes:
        return self._files.frames.live_view(view.scene, view.iso, view.shutter_s, view.aperture, view.focus_steps, at_s)

    def _follow_live_view(self) -> None:
        live = self.state.number(PropertyCode.EVFOutputDevice) != 0 and self.state.number(PropertyCode.EVFMode) == 1
        now_s = self._clock.now_s()
        if live and self._mirror is Mirror.DOWN:
            self._heat.switch(Activity.LIVE_VIEW, at_s=now_s)
            self._move_mirror(Mirror.LIVE_VIEW, at_s=now_s)
        elif not live and self._mirror is Mirror.LIVE_VIEW:
            self._heat.switch(Activity.IDLE, at_s=now_s)
            self._move_mirror(Mirror.DOWN, at_s=now_s)

    def _move_mirror(self, to: Mirror, *, at_s: float) -> None:
        if self._is_up(self._mirror) != self._is_up(to):
            self._mirror_moved_s = at_s
        self._mirror = to
        self._show_mirror()

    def _show_mirror(self) -> None:
        """Brings the two states that a host can see up to date."""
        if self.state.number(PropertyCode.MirrorUpSetting) == 0:
            lockup = MirrorLockup.DISABLED
        elif self._mirror is Mirror.LOCKED_UP:
            lockup = MirrorLockup.DURING_SHOOTING
        else:
            lockup = MirrorLockup.ENABLED
        self.state.set(PropertyCode.MirrorLockupState, int(lockup))
        # 0 is what an idle body reports; that 1 means up is a guess.
        self.state.set(PropertyCode.MirrorDownStatus, int(self._is_up(self._mirror)))

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
        self.state.happened(datasets.object_removed(handle))
        self._count_available_shots()
        return ResponseCode.OK

    def _count_available_shots(self) -> None:
        destination = CaptureDestination(self.state.number(PropertyCode.CaptureDestination))
        free_bytes = self._host_capacity_bytes if destination == CaptureDestination.HOST else self.card.free_bytes
        each_bytes = self._files.typical_bytes(self.state.image_format)
        shots = min(free_bytes // each_bytes, 0xFFFF_FFFF)  # hosts promise 2^64 bytes
        self.state.set(PropertyCode.AvailableShots, shots)
