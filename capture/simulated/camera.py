"""A simulated EOS 6D on a port of this machine."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
from types import TracebackType
from typing import IO, Any, Literal, Self, cast

from sidcap.capture.simulated.mishaps import Knock, Mishaps
from sidcap.capture.simulated.received import ReceivedOperation
from sidcap.capture.simulated.settings import SIMULATED_SERIAL, CameraSettings
from sidcap.data_manifest.errors import CameraError

_SWITCHED_OFF_WITHIN_S = 5.0


class SimulatedCamera:
    """A Canon EOS 6D that libgphoto2 can drive over PTP/IP; it lives in a process of its own.

    It is switched on when it is made, serves until it is closed or this process ends, and listens on the
    loopback only::

        with SimulatedCamera(size="small", time_scale=20) as camera:
            subprocess.run(["gphoto2", "--port", camera.port_string, "--capture-image-and-download"])

    Args:
        port: where to listen; 0 takes a free port.
        scene: number of the scene before the lens.
        size: of the sensor: ``full`` is the 6D's, ``small`` a small one for quick tests.
        time_scale: simulated seconds in a real one.
        serial: the body's, 12 digits; fixed pattern and hot pixels belong to it.
        light_ev: how much brighter the light is than usual, in stops.
        knock: someone knocks the tripod.
        vanish_after_frames: after so many exposures, the start of the next one pulls the cable: connections
            are cut and new ones refused until ``plug_in``. The exposure itself goes on.
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
        scene: int = 1,
        size: Literal["full", "small"] = "full",
        time_scale: float = 1.0,
        serial: str = SIMULATED_SERIAL,
        light_ev: float = 0.0,
        knock: Knock | None = None,
        vanish_after_frames: int | None = None,
        seed: int | None = None,
    ) -> None:
        settings = CameraSettings(
            port=port,
            scene=scene,
            size=size,
            time_scale=time_scale,
            serial=serial,
            light_ev=light_ev,
            seed=secrets.randbits(63) if seed is None else seed,
            mishaps=Mishaps(knock=knock, vanish_after_frames=vanish_after_frames),
        )
        self._scene = scene
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
        answer = self._exchange(settings.to_json())
        if "error" in answer:
            self.close()
            raise CameraError(f"cannot listen on port {port}: {answer['error']}; choose another one")
        self._port: int = answer["port"]

    @property
    def port_string(self) -> str:
        """What libgphoto2 is told to find this camera: the port of both connections is named."""
        return f"ptpip:127.0.0.1:{self._port}:{self._port}"

    @property
    def scene(self) -> int:
        """Number of the scene before the lens; may be changed at any time, for the exposures to come."""
        return self._scene

    @scene.setter
    def scene(self, scene: int) -> None:
        self._command("scene", scene)
        self._scene = scene

    @property
    def operations(self) -> tuple[ReceivedOperation, ...]:
        """The operations that hosts asked for, oldest first: the last 100,000."""
        return tuple(ReceivedOperation(code, name, tuple(params)) for code, name, params in self._command("operations"))

    def unplug(self) -> None:
        """Pulls the cable: cuts every connection and refuses new ones until ``plug_in``."""
        self._command("unplug")

    def plug_in(self) -> None:
        """Accepts connections again, on the same port. What is on the card is still there."""
        self._command("plug in")

    def close(self) -> None:
        """Switches the camera off; its card is gone. May be called twice."""
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
