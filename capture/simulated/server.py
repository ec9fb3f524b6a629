"""The process in which a simulated camera lives, and how the one that started it speaks to it.

Why a process of its own: python-gphoto2 keeps the interpreter locked while it waits for a camera in ``exit``,
``get_summary``, ``file_delete`` and some more (2.6.4, tried), so that a camera in a thread of the same process
could never answer. Besides, a frame is rendered without slowing down the program that waits for it.

The two speak lines of JSON over the process's standard input and output: first the settings, answered with
the port; then one command at a time, ``["scene", 3]``, answered with its result. At the end of the input, or
of the process that wrote it, the camera switches itself off.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

from sidcap.capture.simulated import identity
from sidcap.capture.simulated.body import Body
from sidcap.capture.simulated.card import MemoryCard
from sidcap.capture.simulated.clock import SimClock
from sidcap.capture.simulated.faults import FaultPlan
from sidcap.capture.simulated.files import FileMaker
from sidcap.capture.simulated.frame import FrameMaker
from sidcap.capture.simulated.operations import PtpSession
from sidcap.capture.simulated.ptpip import PtpIpServer
from sidcap.capture.simulated.received import OPERATIONS_KEPT, ReceivedOperation
from sidcap.capture.simulated.settings import CameraSettings, fault_from_dict

_LOOK_AFTER_S = 0.05
"""Real seconds between two looks at what a camera does while no host asks for anything."""


class CameraProcess:
    """A body, a card in a folder of this computer, and the server that gives access to them."""

    def __init__(self, settings: CameraSettings, card_folder: Path) -> None:
        clock = SimClock(settings.time_scale)
        frames = FrameMaker(
            serial=settings.serial,
            size=settings.size,
            light_ev=settings.light_ev,
            seed=settings.seed,
            surroundings=settings.surroundings,
        )
        self.faults = FaultPlan(settings.faults)
        self.operations: deque[ReceivedOperation] = deque(maxlen=OPERATIONS_KEPT)
        self.body = Body(
            settings,
            clock=clock,
            files=FileMaker(frames, settings.size),
            card=MemoryCard(card_folder, formatted=clock.utc(0.0), free_bytes=settings.card_free_bytes),
            faults=self.faults,
            on_cable_pulled=self._pull_cable,
            on_switched_off=lambda: self.server.vanish(),
        )
        self.server = PtpIpServer(
            lambda: PtpSession(self.body, clock, self.faults, self.operations.append),
            name=identity.MODEL,
            guid=hashlib.sha256(settings.serial.encode()).digest()[:16],
            port=settings.port,
        )
        self._is_plugged_in = True

    async def look_after(self) -> None:
        """Lets the body live on while nobody asks it for anything: it may switch itself off."""
        while True:
            await asyncio.sleep(_LOOK_AFTER_S)
            self.body.catch_up()

    async def obey(self, command: str, *arguments: Any) -> Any:
        """Does what the starter asks for; the result is sent back.

        Raises:
            ValueError: no such command.
        """
        match command, arguments:
            case "scene", [int() | "flat" | "capped" as scene]:
                self.body.scene = scene
            case "set by hand", [dict(settings)]:
                self.body.set_by_hand(settings)
            case "mode dial", [int(position)]:
                self.body.turn_dial(position)
            case "focus", [int(steps)]:
                self.body.lens.focus_steps = steps
            case "get focus", []:
                return self.body.lens.focus_steps
            case "fault", [dict(fault)]:
                self.faults.add(fault_from_dict(fault))
            case "operations", []:
                return list(self.operations)
            case "shots", []:
                return [shot.to_dict() for shot in self.body.shutter.shots]
            case _:
                return await self._obey_about_power(command)
        return None

    async def _obey_about_power(self, command: str) -> bool | None:
        match command:
            case "is on":
                return self.body.is_on
            case "unplug":
                self._pull_cable(None)
            case "plug in":
                self._is_plugged_in = True
            case "switch off":
                self.body.switch_off()
            case "switch on":
                self.body.switch_on()
            case "mend card":
                self.body.storage.mend_card()
            case _:
                raise ValueError(f"no command {command!r}")
        if self._is_plugged_in and self.body.is_on:
            await self.server.listen()
        return None

    def _pull_cable(self, plug_in_after_s: float | None) -> None:
        self._is_plugged_in = False
        self.server.vanish()
        if plug_in_after_s is not None:
            self._plugging_in = asyncio.create_task(self._plug_in(plug_in_after_s))

    async def _plug_in(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._obey_about_power("plug in")


async def main() -> None:
    """Serves one camera until the standard input ends."""
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    settings = CameraSettings.from_json((await commands.readline()).decode())
    with tempfile.TemporaryDirectory(prefix="sidcap-simulated-card-") as card_folder:
        camera = CameraProcess(settings, Path(card_folder))
        try:
            await camera.server.listen()
        except OSError as error:
            _answer({"error": error.strerror})
            return
        _answer({"port": camera.server.port})
        looking_after = asyncio.create_task(camera.look_after())
        while line := await commands.readline():
            _answer(await camera.obey(*json.loads(line)))
        looking_after.cancel()
        await camera.server.close()


def _answer(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
