"""A simulated EOS 6D on a port of this machine."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal, Self, cast

from sidcap.capture.simulated.card import FREE_BYTES
from sidcap.capture.simulated.faults import Fault
from sidcap.capture.simulated.received import ReceivedOperation
from sidcap.capture.simulated.settings import (
    DIAL_POSITIONS,
    SIMULATED_SERIAL,
    CameraSettings,
    ModeDial,
    check_focus,
    check_scene,
    first_values,
)
from sidcap.capture.simulated.surroundings import Surroundings
from sidcap.data_manifest.errors import CameraError, UsageError

if TYPE_CHECKING:
    from sidcap.capture.simulated.frame import FrameMaker, Shot
    from sidcap.capture.simulated.scenes import SceneChoice
    from sidcap.capture.simulated.truth import Truth

_SWITCHED_OFF_WITHIN_S = 5.0


class SimulatedCamera:
    """A Canon EOS 6D that libgphoto2 can drive over PTP/IP; it lives in a process of its own.

    It is switched on when it is made, serves until it is closed or this process ends, and listens on the
    loopback only::

        with SimulatedCamera(size="small", time_scale=20) as camera:
            subprocess.run(["gphoto2", "--port", camera.port_string, "--capture-image-and-download"])

    Args:
        port: where to listen; 0 takes a free one.
        scene: number of the scene before the lens, ``"flat"`` (an evenly lit wall) or ``"capped"`` (no light).
        size: of the sensor: ``full`` is the 6D's, ``small`` a small one for quick tests.
        time_scale: simulated seconds in a real one.
        serial: the body's, 12 digits; fixed pattern and hot pixels belong to it.
        light_ev: how much brighter the light is than usual, in stops.
        settings: what it is set to, by libgphoto2's names and labels: ``{"iso": "1600", "mirrorlock": "1"}``.
            Also ``focusmode`` (``"Manual"``, as by default, is a lens switch on MF), ``shuttercounter``, ``lensname``.
        mode_dial: ``"M"`` or ``"B"``.
        focus_steps: how far the lens stands from sharp, in steps of its drive: positive is too near, 120 its end.
        battery: its charge, 1 for full.
        card_free_bytes: room on the card.
        auto_power_off: whether it switches itself off when nobody uses it for as long as its setting says (60
            simulated seconds). Off by default: programs under test compute, and people debug them.
        long_exposure_noise_reduction: whether exposures of a second or more are followed by a dark one.
        surroundings: tripod, knocks, light, temperature.
        faults: what goes wrong, and when.
        seed: of the noise. By default each camera draws its own, since two frames with the same noise would
            flatter whatever is trained on one and judged on the other.

    Raises:
        CameraError: the port cannot be had, or later: the camera's process has died.
        UsageError: a value that no camera can have.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        scene: SceneChoice = 1,
        size: Literal["full", "small"] = "full",
        time_scale: float = 1.0,
        serial: str = SIMULATED_SERIAL,
        light_ev: float = 0.0,
        settings: Mapping[str, str] | None = None,
        mode_dial: ModeDial = "M",
        focus_steps: int = 0,
        battery: float = 1.0,
        card_free_bytes: int = FREE_BYTES,
        auto_power_off: bool = False,
        long_exposure_noise_reduction: bool = False,
        surroundings: Surroundings | None = None,
        faults: Iterable[Fault] = (),
        seed: int | None = None,
    ) -> None:
        self._settings = CameraSettings(
            port=port,
            scene=scene,
            size=size,
            time_scale=time_scale,
            serial=serial,
            light_ev=light_ev,
            seed=secrets.randbits(63) if seed is None else seed,
            settings=dict(settings or {}),
            mode_dial=mode_dial,
            focus_steps=focus_steps,
            battery=battery,
            card_free_bytes=card_free_bytes,
            auto_power_off=auto_power_off,
            long_exposure_noise_reduction=long_exposure_noise_reduction,
            surroundings=surroundings or Surroundings(),
            faults=tuple(faults),
        )
        self._scene = scene
        self._mode_dial = mode_dial
        self._frames: FrameMaker | None = None
        self._asking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sidcap.capture.simulated"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the program: it may want to leave the camera tidily
        )
        self._commands = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)
        answer = self._exchange(self._settings.to_json())
        if "error" in answer:
            self.close()
            raise CameraError(f"cannot listen on port {port}: {answer['error']}; choose another one")
        self._port: int = answer["port"]

    @property
    def port_string(self) -> str:
        """What libgphoto2 is told to find this camera: the port of both connections is named."""
        return f"ptpip:127.0.0.1:{self._port}:{self._port}"

    @property
    def scene(self) -> SceneChoice:
        """What is before the lens; may be changed at any time, for the exposures to come."""
        return self._scene

    @scene.setter
    def scene(self, scene: SceneChoice) -> None:
        check_scene(scene)
        self._command("scene", scene)
        self._scene = scene

    @property
    def mode_dial(self) -> ModeDial:
        """Where the mode dial stands; may be turned at any time."""
        return self._mode_dial

    @mode_dial.setter
    def mode_dial(self, position: ModeDial) -> None:
        if position not in DIAL_POSITIONS:
            raise UsageError(f"the mode dial cannot stand on {position!r}; choose M or B")
        self._command("mode dial", DIAL_POSITIONS[position])
        self._mode_dial = position

    def set_by_hand(self, **settings: str) -> None:
        """Somebody sets it at the camera itself: ``set_by_hand(mirrorlock="1")``. As ``settings`` at the beginning.

        Raises:
            UsageError: no such setting, or a value that it cannot have.
        """
        first_values(settings)
        self._command("set by hand", settings)

    @property
    def focus_steps(self) -> int:
        """How far the lens stands from sharp, in steps of its drive; may be changed at any time, as by hand."""
        return int(self._command("get focus"))

    @focus_steps.setter
    def focus_steps(self, steps: int) -> None:
        check_focus(steps)
        self._command("focus", steps)

    @property
    def is_on(self) -> bool:
        """False once it has switched itself off, or its battery is empty."""
        return bool(self._command("is on"))

    @property
    def operations(self) -> tuple[ReceivedOperation, ...]:
        """The operations that hosts asked for, oldest first: the last 100,000."""
        return tuple(ReceivedOperation(code, name, tuple(params)) for code, name, params in self._command("operations"))

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Every exposure, oldest first: what the camera did, whatever its files say. A bulb exposure that is under
        way is not yet among them."""
        from sidcap.capture.simulated.frame import Shot  # late: it brings in all that renders

        return tuple(Shot.from_dict(fields) for fields in self._command("shots"))

    def truth(self, shot: Shot) -> Truth:
        """How a frame came about: light, path of the image, noise. For tests and benchmarks only."""
        if self._frames is None:
            from sidcap.capture.simulated.frame import FrameMaker

            self._frames = FrameMaker(
                serial=self._settings.serial,
                size=self._settings.size,
                light_ev=self._settings.light_ev,
                seed=self._settings.seed,
                surroundings=self._settings.surroundings,
            )
        return self._frames.truth(shot)

    def inject(self, fault: Fault) -> None:
        """Lets something go wrong, too; its moments are counted from now."""
        self._command("fault", asdict(fault))

    def unplug(self) -> None:
        """Pulls the cable: cuts every connection and refuses new ones until ``plug_in``."""
        self._command("unplug")

    def plug_in(self) -> None:
        """Accepts connections again, on the same port, if it is on. What is on the card is still there."""
        self._command("plug in")

    def mend_card(self) -> None:
        """Somebody makes room on the card, and it can be read and written again. What was on it still is."""
        self._command("mend card")

    def switch_off(self) -> None:
        """Switches it off by its switch: no connections until ``switch_on``. Settings and card stay."""
        self._command("switch off")

    def switch_on(self) -> None:
        """Switches it on again, with a charged battery where it was empty."""
        self._command("switch on")

    def close(self) -> None:
        """Ends the simulation: the camera and its card are gone. May be called twice."""
        with self._asking:
            self._commands.close()
            try:
                self._process.wait(_SWITCHED_OFF_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._answers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _command(self, *command: Any) -> Any:
        return self._exchange(json.dumps(command))

    def _exchange(self, line: str) -> Any:
        """Sends one line to the camera's process and waits for its answer."""
        try:
            with self._asking:
                self._commands.write(line + "\n")
                self._commands.flush()
                answer = self._answers.readline()
        except (BrokenPipeError, ValueError):  # its process is gone; the camera was closed
            answer = ""
        if not answer:
            raise CameraError("the simulated camera is switched off; make a new one")
        return json.loads(answer)
