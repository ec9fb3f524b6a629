"""The camera itself: mirror, shutter, lens, storage and power, put together. It knows nothing of the network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from sidcap.capture.simulated import datasets
from sidcap.capture.simulated.autofocus import Autofocus
from sidcap.capture.simulated.card import MemoryCard
from sidcap.capture.simulated.clock import SimClock
from sidcap.capture.simulated.codes import CaptureDestination, ReleaseButton, ResponseCode
from sidcap.capture.simulated.controls import Controls
from sidcap.capture.simulated.faults import EXPOSURE, Fault, FaultKind, FaultPlan
from sidcap.capture.simulated.files import FileMaker
from sidcap.capture.simulated.lens import Lens
from sidcap.capture.simulated.mirror import TRAVEL_S, Mirror, MirrorPosition
from sidcap.capture.simulated.pending import PendingExposure
from sidcap.capture.simulated.power import EXPOSURES_PER_CHARGE, Power
from sidcap.capture.simulated.properties import PROPERTIES, SELF_TIMER_S, PropertyCode
from sidcap.capture.simulated.scenes import SceneChoice
from sidcap.capture.simulated.settings import DIAL_POSITIONS, CameraSettings
from sidcap.capture.simulated.shutter import Shutter
from sidcap.capture.simulated.state import State
from sidcap.capture.simulated.storage import Storage
from sidcap.capture.simulated.thermal import Activity, SensorHeat
from sidcap.capture.simulated.viewfinder import Viewfinder
from sidcap.data_manifest.errors import SidcapError

log = logging.getLogger(__name__)

_CARD_ERROR = 2
"""The body shows "Err 02" (Canon's manual); how it says so to a host is a guess."""

_AFTER_SHUTTER_OPENS = frozenset({FaultKind.CABLE_PULLED, FaultKind.POWER_OFF, FaultKind.CARD_ERROR})
"""Faults that find the exposure begun; the others forestall it."""


class Body:
    """One camera, from power-on. All calls come from one thread.

    Nothing ticks. ``catch_up`` is called before anything else is asked: it lets happen what should have
    happened by now (an exposure ended, a mirror dropped), and announces it as events.

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
        self.serial = settings.serial
        self.is_on = True
        self.lens = Lens(settings.focus_steps)
        self.state = State(faults)
        self.storage = Storage(self.state, card, files)
        self.power = Power(self.state, settings.battery, auto_power_off=settings.auto_power_off)
        self.shutter = Shutter(self.state, clock, files, noise_reduction=settings.long_exposure_noise_reduction)
        self._mirror = Mirror(self.state)
        self._autofocus = Autofocus(self.lens, self.state, faults)
        self._viewfinder = Viewfinder(files.frames, self.state, self.lens)
        self._heat = SensorHeat(settings.surroundings.ambient_c)
        self._clock = clock
        self._faults = faults
        self._on_cable_pulled = on_cable_pulled
        self._on_switched_off = on_switched_off
        self._buttons = ReleaseButton(0)

        self.state.set(PropertyCode.SerialNumber, settings.serial)
        self._controls = Controls(self.state, clock)
        self.set_by_hand(settings.settings)
        self.turn_dial(DIAL_POSITIONS[settings.mode_dial])

    # What a host connects to, and leaves.

    def begin_session(self) -> None:
        """A host has opened a session. What came into the memory while nobody was there is lost."""
        self.storage.lose_memory()

    def end_session(self) -> None:
        """The host has left, or is gone. Buttons are let go, live view ends, frames in memory are lost."""
        self.catch_up()
        self.let_go(ReleaseButton.HALF | ReleaseButton.FULL)
        self.storage.lose_memory()
        self.state.set(PropertyCode.EVFOutputDevice, 0)
        self._follow_live_view()
        self.state.set(PropertyCode.CaptureDestination, int(CaptureDestination.CARD))
        self.storage.set_host_capacity(0)
        self.state.switch_events(on=False)

    def set_events(self, on: bool) -> None:
        """Switches events on or off. When they go on, every value and every list of choices is announced."""
        now = int(self._clock.utc(self._clock.now_s()).timestamp())
        self.state.set(PropertyCode.CameraTime, now)
        self.state.set(PropertyCode.UTCTime, now)
        self.state.switch_events(on)

    def used(self) -> None:
        """A host has asked for something that keeps the camera awake."""
        self.power.used(self._clock.now_s())

    # Power, and what goes wrong.

    def suffer(self, faults: Mapping[FaultKind, Fault]) -> None:
        """Lets happen what is not the fault of one answer alone."""
        card = self.storage.card
        card.is_full |= FaultKind.CARD_FULL in faults
        if FaultKind.CARD_ERROR in faults:
            card.has_failed = True
            self.state.set(PropertyCode.ErrorForDisplay, _CARD_ERROR)
        self.storage.count_available_shots()
        if FaultKind.BATTERY_EMPTY in faults:
            self.power.drain(1.0)
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
        self.power.charge_if_empty()
        self.is_on = True
        self.used()

    def _die(self) -> None:
        """The battery is empty: nothing is finished any more."""
        now_s = self._clock.now_s()
        self.shutter.lose_exposure()
        self._mirror.move(MirrorPosition.DOWN, at_s=now_s)
        self._heat.switch(Activity.IDLE, at_s=now_s)
        self.switch_off()

    # Settings.

    def request_property(self, code: int) -> ResponseCode:
        """Announces one property's value."""
        if code not in PROPERTIES:
            return ResponseCode.GeneralError
        self.state.announce(PropertyCode(code))
        return ResponseCode.OK

    def set_property(self, code: int, data: bytes) -> ResponseCode:
        """Takes a value from the host, or says why not."""
        mirror_waits = self._mirror.position is MirrorPosition.LOCKED_UP
        answer = self._controls.set_by_host(code, data, is_busy=self._is_busy(), mirror_waits=mirror_waits)
        if answer is ResponseCode.OK:
            self._follow_settings()
        return answer

    def set_by_hand(self, settings: Mapping[str, str]) -> None:
        """Somebody uses the camera's own menus and buttons, or the lens's switch."""
        self._controls.set_by_hand(settings)
        self._follow_settings()

    def turn_dial(self, position: int) -> None:
        """Somebody turns the mode dial."""
        self._controls.turn_dial(position)

    def _follow_settings(self) -> None:
        self._mirror.show()
        self._follow_live_view()
        self.storage.count_available_shots()

    # The shutter button and the lens.

    def press(self, buttons: ReleaseButton, *, autofocus: bool) -> ResponseCode:
        """Presses the shutter button half, fully, or both; with ``autofocus``, a half press looks for the focus.

        The answer comes at once; what follows is told by events. A full press does not wait for the focus, and
        is refused in One Shot where none was found.
        """
        newly = buttons & ~self._buttons
        if ReleaseButton.HALF in newly and autofocus:
            answer = self.look_for_focus()
            if answer is not ResponseCode.OK:
                return answer
        if ReleaseButton.FULL in newly:
            self._autofocus.finish()
            answer = ResponseCode.EOS_OperationRefused if self._autofocus.forbids_release else self._release()
            if answer is not ResponseCode.OK:
                return answer
        self._hold(self._buttons | buttons)
        return ResponseCode.OK

    def let_go(self, buttons: ReleaseButton) -> None:
        """Lets go of the shutter button; in bulb, that closes the shutter."""
        self._hold(self._buttons & ~buttons)
        if ReleaseButton.HALF not in self._buttons:
            self._autofocus.forget()
        if ReleaseButton.FULL not in self._buttons:
            self.shutter.let_go()

    def reset_mirror_lockup(self) -> None:
        """Lets a mirror drop that waits for the second press."""
        self._mirror.drop_if_locked_up(at_s=self._clock.now_s())

    def look_for_focus(self) -> ResponseCode:
        """Autofocus. How it ended is told by an event, a moment later; a lens on MF does nothing."""
        if not self._autofocus.is_available:
            return ResponseCode.OK
        if self._is_busy():
            return ResponseCode.DeviceBusy
        self._autofocus.look(self._clock.now_s())
        return ResponseCode.OK

    def drive_lens(self, command: int) -> ResponseCode:
        """Moves the focus by hand of the host; only in live view, and only a lens whose switch is on AF (Canon)."""
        if self._mirror.position is not MirrorPosition.LIVE_VIEW or not self._autofocus.is_available:
            return ResponseCode.EOS_OperationRefused
        return ResponseCode.OK if self.lens.drive(command) else ResponseCode.InvalidParameter

    def _hold(self, buttons: ReleaseButton) -> None:
        if buttons != self._buttons:
            self._buttons = buttons
            # 1 released, 2 half pressed, 4 fully pressed: what EOS M bodies report (libgphoto2). That the 6D does
            # is a guess; it saves hosts with manual focus the 0.1 s that they wait for any event.
            pressed = 4 if ReleaseButton.FULL in buttons else 2 if ReleaseButton.HALF in buttons else 1
            self.state.happened(datasets.button_info(pressed))

    def _is_busy(self) -> bool:
        now_s = self._clock.now_s()
        return self.shutter.is_busy or self._mirror.is_moving(now_s) or self._autofocus.is_looking(now_s)

    # Exposures.

    def _release(self) -> ResponseCode:
        """A full press: raises the mirror, or exposes."""
        if self._is_busy():
            return ResponseCode.DeviceBusy
        lockup = self.state.number(PropertyCode.MirrorUpSetting) == 1
        timer_s = SELF_TIMER_S.get(self.state.number(PropertyCode.DriveMode), 0.0)
        if self._mirror.position is MirrorPosition.DOWN and lockup and not timer_s:
            return self._lock_up()
        return self._expose(timer_s)

    def _lock_up(self) -> ResponseCode:
        refusal = self.storage.refusal()
        if refusal is None:
            self._mirror.move(MirrorPosition.LOCKED_UP, at_s=self._clock.now_s())
        return refusal or ResponseCode.OK

    def _expose(self, timer_s: float) -> ResponseCode:
        start_s, mirror_up_s = self._slap(timer_s)
        faults = self._faults.happens(EXPOSURE)
        self.suffer({kind: fault for kind, fault in faults.items() if kind not in _AFTER_SHUTTER_OPENS})
        refusal = self.storage.refusal()
        if refusal is not None or not self.is_on:
            return refusal or ResponseCode.GeneralError
        sensor_c = self._heat.temperature_c(at_s=start_s)
        self._heat.switch(Activity.EXPOSING, at_s=start_s)
        self._mirror.shoot()
        exif_wrong = faults.get(FaultKind.EXIF_WRONG)
        self.shutter.open(
            scene=self.scene,
            start_s=start_s,
            mirror_up_s=mirror_up_s,
            focus_steps=self.lens.focus_steps,
            sensor_c=sensor_c,
            exif_factor=exif_wrong.number if exif_wrong else None,
        )
        self.power.drain(1 / EXPOSURES_PER_CHARGE)
        self.suffer({kind: fault for kind, fault in faults.items() if kind in _AFTER_SHUTTER_OPENS})
        return ResponseCode.OK

    def _slap(self, timer_s: float) -> tuple[float, float | None]:
        """When the shutter opens after a press now, and how long before that the mirror strikes, if it does."""
        now_s = self._clock.now_s()
        match self._mirror.position:
            case MirrorPosition.DOWN:
                # With the self-timer the mirror goes up at once under lockup, else just before the exposure.
                lockup = self.state.number(PropertyCode.MirrorUpSetting) == 1
                return now_s + timer_s + TRAVEL_S, TRAVEL_S + (timer_s if lockup else 0.0)
            case MirrorPosition.LOCKED_UP:
                return now_s + timer_s, self._mirror.up_for_s(now_s + timer_s)
            case _:
                return now_s + timer_s, None

    def catch_up(self) -> None:
        """Lets happen what should have happened by now."""
        now_s = self._clock.now_s()
        self._autofocus.catch_up(now_s)
        self._mirror.catch_up(now_s)
        self._catch_up_with_power(now_s)
        self.shutter.announce_bulb_time(now_s)
        closed_s = self.shutter.closed_s
        if closed_s is not None and now_s >= closed_s and self._mirror.position is MirrorPosition.SHOOTING:
            self._return_mirror(closed_s)
        written = self.shutter.take_written(now_s)
        if written is not None:
            self._store(written)

    def _catch_up_with_power(self, now_s: float) -> None:
        if self._is_busy() or self._mirror.position is not MirrorPosition.DOWN:
            self.power.used(now_s)
        self.power.catch_up(now_s, live_view=self._mirror.position is MirrorPosition.LIVE_VIEW)
        if self.power.is_empty and self.is_on:
            self._die()
        if self.power.has_timed_out(now_s):
            self.switch_off()

    def _return_mirror(self, closed_s: float) -> None:
        live = self.state.number(PropertyCode.EVFOutputDevice) != 0
        self._heat.switch(Activity.LIVE_VIEW if live else Activity.IDLE, at_s=closed_s)
        self._mirror.move(MirrorPosition.LIVE_VIEW if live else MirrorPosition.DOWN, at_s=closed_s)

    def _store(self, exposure: PendingExposure) -> None:
        """Puts the files of an exposure where they go. A camera that is off has no host to hand them to."""
        destination = exposure.destination if self.is_on else exposure.destination & CaptureDestination.CARD
        for file in exposure.files:
            error = file.content.exception()
            if error is None:
                self.storage.keep(exposure.shot, file.format, file.content.result(), destination)
            else:
                unforeseen = None if isinstance(error, SidcapError) else error
                log.error("frame %d is lost: %s", exposure.shot.frame_number, error, exc_info=unforeseen)
        self.state.happened(datasets.camera_status(busy=False))

    # Live view.

    def live_view_picture(self) -> bytes | None:
        """A JPEG of what live view shows now; None where it does not, or not yet."""
        if self._mirror.position is not MirrorPosition.LIVE_VIEW:
            return None
        return self._viewfinder.picture(self.scene, self._clock.now_s())

    def magnify(self, times: int) -> ResponseCode:
        """Shows a part of the picture larger, 5 or 10 times, or with 1 the whole; only in live view."""
        if self._mirror.position is not MirrorPosition.LIVE_VIEW:
            return ResponseCode.EOS_OperationRefused
        return ResponseCode.OK if self._viewfinder.magnify(times) else ResponseCode.InvalidParameter

    def move_magnifier(self, left: int, top: int) -> ResponseCode:
        """Where the magnified part begins, in pixels of the sensor; only in live view."""
        if self._mirror.position is not MirrorPosition.LIVE_VIEW:
            return ResponseCode.EOS_OperationRefused
        self._viewfinder.move_magnifier(left, top)
        return ResponseCode.OK

    def _follow_live_view(self) -> None:
        live = self.state.number(PropertyCode.EVFOutputDevice) != 0 and self.state.number(PropertyCode.EVFMode) == 1
        now_s = self._clock.now_s()
        if live and self._mirror.position is MirrorPosition.DOWN:
            self._heat.switch(Activity.LIVE_VIEW, at_s=now_s)
            self._mirror.move(MirrorPosition.LIVE_VIEW, at_s=now_s)
        elif not live and self._mirror.position is MirrorPosition.LIVE_VIEW:
            self._heat.switch(Activity.IDLE, at_s=now_s)
            self._mirror.move(MirrorPosition.DOWN, at_s=now_s)
            self._viewfinder.magnify(1)
