"""Live view: one thread has the camera, and does what the pages wish for.

    pages ── wishes: focus, box, shoot, stop ──> queue ──> the thread ── USB, network ──> camera
      ^                                                       │
      └── pictures (latest wins), status ──── Latest <────────┘

While nobody watches, live view is off: a sensor that runs gets warm, and dark current doubles with every few degrees. A
bracket has the camera to itself: live view ends and the connection is given up before it, and begun anew after it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from sidcap.capture.bodies import FocusStep
from sidcap.capture.live.latest import Latest
from sidcap.capture.live.looking import Look, Picture
from sidcap.capture.live.progress import Progress
from sidcap.capture.live.sharpness import Box
from sidcap.capture.live.status import WHOLE, CameraState, Phase, Sharpness, Status
from sidcap.capture.plan import BracketPlan
from sidcap.capture.session import Event, EventKind, Watcher
from sidcap.capture.tether import Tether
from sidcap.data_manifest.errors import CameraBusyError, CameraError, SettingError, SidcapError, StoppedError
from sidcap.data_manifest.words import Split

PAUSE_AFTER_S = 60.0
"""How long live view goes on with nobody watching."""
_STATE_EVERY_S = 3.0
"""How often the camera is asked for its settings: each question holds up the pictures."""
_PAUSED_STATE_EVERY_S = 10.0
"""The same while paused; it also keeps the camera from falling asleep, and finds out that it is gone."""
_TRY_AGAIN_S = 1.0
_PATIENCE_S = 3.0
"""How long a camera that says busy is asked for a picture before the page is told."""
_WISH_WAIT_S = 0.1
_HISTORY_EVERY_S = 0.25
_HISTORY_POINTS = 240
_RATE_PICTURES = 10

_IN_THE_MIDDLE = (EventKind.EXPOSE, EventKind.FETCH, EventKind.COMPLETE)
"""No bracket is stopped at these: a frame that is exposed is brought home first, and what is complete stays so."""

Begun = Callable[[int, BracketPlan], None]
"""Told the scene's number and its plan, before the first shot."""
Wish = Callable[[], None]


class Shooting(Protocol):
    """What *shoot this scene* does: as ``sidcap shoot``, with a connection of its own."""

    @property
    def split(self) -> Split:
        """What a scene is for, where nobody says otherwise."""

    @property
    def resume(self) -> str:
        """The command that completes a scene that was interrupted."""

    def plan(self, tether: Tether) -> BracketPlan:
        """The bracket that this camera would shoot. UsageError where it can shoot none like it."""

    def shoot(self, split: Split, begun: Begun, watch: Watcher) -> None:
        """Shoot a scene and put the camera back. SidcapError where that fails; what was shot stays."""


class LiveView:
    """The camera's pictures, for pages. ``open`` it, then let a thread ``run`` it until ``stop``.

    ``shooting`` is None where nothing can be shot from here. Pictures are shown as the long would be: with the plan's
    sensitivity and shutter time; what the camera was set to before is put back at the end.
    """

    def __init__(
        self, tether: Tether, shooting: Shooting | None = None, *, pause_after_s: float = PAUSE_AFTER_S
    ) -> None:
        self.pictures: Latest[bytes] = Latest(b"")
        self.edges: Latest[bytes] = Latest(b"")
        """The pictures with what is in focus drawn in; made while somebody wants them."""
        self.status: Latest[Status] = Latest(Status())
        self.cut_short = False
        """Whether `stop` ended a bracket before it was complete."""
        self._tether = tether
        self._shooting = shooting
        self._pause_after_s = pause_after_s
        self._wishes: SimpleQueue[Wish] = SimpleQueue()
        self._ends = threading.Event()
        self._bracket_ends = threading.Event()
        self._viewers = {"pictures": 0, "edges": 0}
        self._counting = threading.Lock()
        self._watched_s = self._began_s = time.monotonic()
        self._asked_s = 0.0
        self._before: dict[str, str] = {}
        self._picture: Picture | None = None
        self._jpeg = b""
        self._arrived_s: deque[float] = deque(maxlen=_RATE_PICTURES)

    # From any thread.

    @property
    def is_shooting(self) -> bool:
        """Whether a bracket has the camera."""
        return self.status.value.phase is Phase.SHOOTING

    @contextmanager
    def watched(self, *, edges: bool) -> Iterator[Latest[bytes]]:
        """The pictures, for as long as somebody looks at them: live view stays on."""
        kind = "edges" if edges else "pictures"
        self._count(kind, 1)
        try:
            yield self.edges if edges else self.pictures
        finally:
            self._count(kind, -1)

    def move_focus(self, step: FocusStep) -> None:
        self._wishes.put(lambda: self._move_focus(step))

    def put_box(self, box: Box) -> None:
        """Where sharpness counts."""
        self._wishes.put(lambda: self._tell(box=box, best=None, history=()))

    def magnify(self, times: int, centre: tuple[float, float]) -> None:
        """Let the camera itself magnify a part of the picture; 1 shows the whole again."""
        self._wishes.put(lambda: self._magnify(times, centre))

    def look_again(self) -> None:
        """Something was changed at the camera by hand."""
        self._wishes.put(self._ask_soon)

    def shoot(self, split: Split) -> None:
        """Shoot this scene, then show pictures again."""
        self._wishes.put(lambda: self._shoot(split))

    def stop_bracket(self) -> None:
        """End the bracket before its next step; a frame that is exposed is brought home."""
        self._bracket_ends.set()

    def stop(self) -> None:
        """Let ``run`` come to its end: a bracket stops, live view ends, settings are put back."""
        self._ends.set()
        self._bracket_ends.set()

    # The thread that has the camera.

    def open(self) -> None:
        """Connect, and see what could be shot. CameraError as `Camera`, UsageError as `Shooting.plan`."""
        self._tether.open()
        self._take_up()

    def run(self) -> None:
        """Show pictures and do what is wished, until ``stop``."""
        try:
            while not self._ends.is_set():
                try:
                    self._turn()
                except CameraError as error:
                    self._wait_for_camera(error)
        finally:
            self._put_back()
            self._tether.drop()

    def _turn(self) -> None:
        """One wish, or one picture, or a rest."""
        wish = self._next_wish(wait_s=0.0 if self._is_watched else _WISH_WAIT_S)
        if wish is not None:
            self._tell(notice="")
            wish()
        elif self._is_watched:
            self._show()
        else:
            self._pause()
        self._ask_for_state()

    def _next_wish(self, wait_s: float) -> Wish | None:
        try:
            return self._wishes.get(timeout=wait_s) if wait_s else self._wishes.get_nowait()
        except Empty:
            return None

    @property
    def _is_watched(self) -> bool:
        if any(self._viewers.values()):
            self._watched_s = time.monotonic()
        return time.monotonic() - self._watched_s <= self._pause_after_s

    # Pictures.

    def _show(self) -> None:
        try:
            jpeg = self._tether.camera.preview(_PATIENCE_S)
        except CameraBusyError:
            self._tell(text="the camera is busy: waiting for it")
            return
        if jpeg == self._jpeg:  # the same one once more: its noise would count as detail
            return
        self._jpeg, self._picture = jpeg, Picture.of(jpeg, self._picture)
        self._arrived_s.append(time.monotonic())
        self.pictures.put(jpeg)
        if self._viewers["edges"]:
            self.edges.put(self._picture.with_edges())
        status = self.status.value
        self._tell_of(self._picture.look(status.box if status.magnified == 1 else WHOLE))

    def _tell_of(self, look: Look) -> None:
        status, at_s = self.status.value, self._arrived_s[-1] - self._began_s
        history, best = status.history, status.best
        if look.sharpness is not None and (not history or at_s - history[-1].at_s >= _HISTORY_EVERY_S):
            point = Sharpness(round(at_s, 2), _rounded(look.sharpness), _rounded(look.box_sharpness))
            history = (*history, point)[-_HISTORY_POINTS:]
        if look.box_sharpness is not None:
            best = max(best or 0.0, look.box_sharpness)
        passed_s = self._arrived_s[-1] - self._arrived_s[0]
        self._tell(
            phase=Phase.LIVE,
            text="",
            look=look,
            frames=status.frames + 1,
            frames_per_s=(len(self._arrived_s) - 1) / passed_s if passed_s else 0.0,
            history=history,
            best=best,
            viewers=sum(self._viewers.values()),
        )

    def _pause(self) -> None:
        if self.status.value.phase is Phase.PAUSED:
            return
        self._tether.body.end_live_view()
        self._forget_pictures()
        self._tell(phase=Phase.PAUSED, text="paused: nobody watches, so the sensor is off and cools")

    def _forget_pictures(self) -> None:
        """The next picture is not to be compared with one from before an interruption; and it is a whole one."""
        self._picture, self._jpeg = None, b""
        self._arrived_s.clear()
        if self.status.value.magnified != 1:
            self._tell(magnified=1, best=None, history=())

    def _move_focus(self, step: FocusStep) -> None:
        self._tried(lambda: self._tether.body.move_focus(step))

    def _magnify(self, times: int, centre: tuple[float, float]) -> None:
        if self._tried(lambda: self._tether.body.magnify(times, centre)):
            self._picture = None
            self._tell(magnified=times, centre=centre, best=None, history=(), look=None, text="the picture changes")

    def _tried(self, act: Callable[[], None]) -> bool:
        """Whether the camera did it; where it refuses, the page is told why."""
        try:
            act()
        except SettingError as error:
            self._tell(notice=str(error))
            self._ask_soon()
            return False
        return True

    # The camera's state.

    def _ask_for_state(self) -> None:
        every_s = _PAUSED_STATE_EVERY_S if self.status.value.phase is Phase.PAUSED else _STATE_EVERY_S
        if time.monotonic() - self._asked_s < every_s:
            return
        self._tether.camera.announced()  # keeps an EOS from falling asleep, and tells that it is gone
        body = self._tether.body
        checks = {check.name: check for check in body.checks()}
        battery, card = (checks[name].found if name in checks else "" for name in ("battery", "card"))
        supplies = [checks[name] for name in ("battery", "card") if name in checks]
        self._tell(
            camera=CameraState(
                model=body.model,
                lens=body.lens,
                settings=dict(body.settings()),
                battery=battery,
                card=card,
                warnings=tuple(str(check) for check in supplies if check.state != "ok"),
                magnifications=body.magnifications(),
                focus_refusal=body.focus_refusal(),
            ),
            shoot_refusal=self._refusal("; ".join(str(one) for one in checks.values() if one.state == "problem")),
        )
        self._asked_s = time.monotonic()

    def _ask_soon(self) -> None:
        self._asked_s = 0.0

    def _refusal(self, problems: str) -> str:
        if self._shooting is None:
            return "start sidcap live with --iso to shoot from here"
        return problems

    # The connection.

    def _take_up(self) -> None:
        """A new connection: what can be shot, the exposure of the long, the camera's state."""
        if self._shooting is not None:
            plan = self._shooting.plan(self._tether)
            self._expose_as(plan)
            self._tell(plan=_spoken(plan), split=self._shooting.split.value)
        self._asked_s = 0.0
        self._ask_for_state()

    def _expose_as(self, plan: BracketPlan) -> None:
        """Show pictures as the long will be, where live view can: not in bulb."""
        body = self._tether.body
        body.configure(plan.iso_set, self._keep)
        if not plan.shots[0].in_bulb:
            body.set_shutter(plan.shots[0].shutter, self._keep)

    def _keep(self, name: str, value: str) -> None:
        camera = self._tether.camera
        self._before.setdefault(name, camera.get(name))
        camera.set(name, value)

    def _put_back(self) -> None:
        """End live view and set everything to what it was; ``left_changed`` is what could not be."""
        with suppress(CameraError):
            self._tether.body.end_live_view()
        for name, value in reversed(list(self._before.items())):
            with suppress(CameraError):
                self._tether.camera.set(name, value)
                del self._before[name]

    @property
    def left_changed(self) -> Mapping[str, str]:
        """Settings that the camera has otherwise than before, and what they were."""
        return dict(self._before)

    def _wait_for_camera(self, error: CameraError) -> None:
        """Until it answers again, or ``stop``."""
        self._forget_pictures()
        while not self._ends.is_set():
            self._tell(phase=Phase.LOST, text=f"{error}; waiting for the camera")
            self._tether.drop()
            self._ends.wait(_TRY_AGAIN_S)
            self._drop_wishes()
            try:
                self._tether.open_again()
                self._take_up()
            except CameraError as again:
                error = again
            else:
                self._tell(phase=Phase.STARTING, text="the camera answers again")
                return

    def _drop_wishes(self) -> None:
        """A button pressed in vain is not to act later."""
        while self._next_wish(wait_s=0.0) is not None:
            pass

    # The bracket.

    def _shoot(self, split: Split) -> None:
        if self._shooting is None:
            return
        self._bracket_ends.clear()
        if self._ends.is_set():
            return
        self._tell(phase=Phase.SHOOTING, text="getting ready", bracket=None)
        self._tether.body.end_live_view()
        self._tether.drop()  # a camera serves one host at a time, and the bracket is one of its own
        self._forget_pictures()
        try:
            self._shooting.shoot(split, *self._watchers(split, self._shooting.resume))
        except StoppedError as error:
            self.cut_short = self._ends.is_set()
            self._tell(bracket=self._ended("stopped", str(error)))
        except (SidcapError, OSError) as error:
            self._tell(bracket=self._ended("failed", str(error)), notice=str(error))
        self._drop_wishes()
        self._tether.open_again()
        self._take_up()
        self._watched_s = time.monotonic()
        self._tell(phase=Phase.STARTING, text="live view begins again")

    def _watchers(self, split: Split, resume: str) -> tuple[Begun, Watcher]:
        plans: list[BracketPlan] = []

        def begun(scene: int, plan: BracketPlan) -> None:
            plans.append(plan)
            self._tell(bracket=Progress.of(scene, split.value, plan), text=f"shooting scene {scene:05d}")

        def watch(event: Event) -> None:
            if self.status.value.bracket is not None:
                self._tell(bracket=self.status.value.bracket.after(event, plans[-1]))
            if self._bracket_ends.is_set() and event.kind not in _IN_THE_MIDDLE:
                self._bracket_ends.clear()  # once: the session that ends tells more, and is to put the camera back
                raise StoppedError(f"stopped: what was shot is kept; it goes on with: {resume}")

        return begun, watch

    def _ended(self, outcome: Any, text: str) -> Progress | None:
        bracket = self.status.value.bracket
        return None if bracket is None else bracket.ended(outcome, text)

    # What is told.

    def _tell(self, **changes: Any) -> None:
        self.status.put(replace(self.status.value, **changes))

    def _count(self, kind: str, change: int) -> None:
        with self._counting:
            self._viewers[kind] += change


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _spoken(plan: BracketPlan) -> tuple[str, ...]:
    shots = ", ".join(shot.dial for shot in plan.shots)
    return (f"ISO {plan.iso_set}: {shots}", f"about {plan.duration_s:.0f} s at the camera", *plan.notes)
