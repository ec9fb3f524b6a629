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
from sidcap.capture.simulated.frame import FrameMaker
from sidcap.capture.simulated.operations import PtpSession
from sidcap.capture.simulated.ptpip import PtpIpServer
from sidcap.capture.simulated.received import OPERATIONS_KEPT, ReceivedOperation
from sidcap.capture.simulated.settings import CameraSettings

_TYPICAL_FRAME_BYTES = {"full": 25_000_000, "small": 1_100_000}
"""What a frame is taken to need when the free shots are counted. Estimates."""


class CameraProcess:
    """A body, a card in a folder of this computer, and the server that gives access to them."""

    def __init__(self, settings: CameraSettings, card_folder: Path) -> None:
        clock = SimClock(settings.time_scale)
        self.operations: deque[ReceivedOperation] = deque(maxlen=OPERATIONS_KEPT)
        self.body = Body(
            clock=clock,
            make_frame=FrameMaker(
                serial=settings.serial, size=settings.size, light_ev=settings.light_ev, seed=settings.seed
            ).make,
            card=MemoryCard(card_folder, formatted=clock.utc(0.0)),
            serial=settings.serial,
            scene=settings.scene,
            typical_frame_bytes=_TYPICAL_FRAME_BYTES[settings.size],
            mishaps=settings.mishaps,
            on_cable_pulled=lambda: self.server.vanish(),
        )
        self.server = PtpIpServer(
            lambda: PtpSession(self.body, self.operations.append),
            name=identity.MODEL,
            guid=hashlib.sha256(settings.serial.encode()).digest()[:16],
            port=settings.port,
        )

    async def obey(self, command: str, *arguments: Any) -> Any:
        """Does what the starter asks for; the result is sent back."""
        match command, arguments:
            case "scene", [int(scene)]:
                self.body.scene = scene
            case "operations", []:
                return list(self.operations)
            case "unplug", []:
                self.server.vanish()
            case "plug in", []:
                await self.server.listen()
            case _:
                raise ValueError(f"no command {command!r} with {arguments!r}")
        return None


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
        while line := await commands.readline():
            _answer(await camera.obey(*json.loads(line)))
        await camera.server.close()


def _answer(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
