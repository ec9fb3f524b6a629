"""One whole session with the simulated camera, the same for two clients, and the fuzz run in short."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import cv2
import numpy as np
import pytest
import rawpy
from hosts import (
    CARD_FOLDER,
    change,
    connected,
    download,
    file_added,
    file_names,
    gp,
    gphoto2,
    needs_gphoto2,
    read,
    when_not_busy,
)

from sidcap.capture.simulated import SimulatedCamera
from sidcap.capture.simulated.mirror import TRAVEL_S

TIME_SCALE = 10.0
SETTLE_S = 2.0
BULB_S = 4.0
TICK_S = 0.001
"""The gphoto2 command counts its pauses in whole milliseconds."""


class Client(Protocol):
    """What the session needs of a client. Files are those that came home, in the order in which they came."""

    def set(self, **settings: str) -> None:
        """Changes settings."""

    def get(self, name: str) -> str:
        """Reads a setting."""

    def preview(self) -> bytes:
        """A picture of live view."""

    def shoot(self, files: int = 1) -> list[bytes]:
        """Takes a frame and fetches its files."""

    def shoot_locked_up(self) -> tuple[bytes, float]:
        """Raises the mirror, lets it settle, takes a frame and fetches it; and how long it settled at least."""

    def shoot_bulb(self) -> tuple[bytes, float]:
        """Holds the button, lets go, and fetches the frame; and how long the button was held at least."""

    def names(self) -> list[str]:
        """The files on the card."""

    def delete(self, name: str) -> None:
        """Deletes a file on the card."""


class PythonClient:
    """python-gphoto2. Every step is a connection of its own: it exits and connects again."""

    press = "Press Full MF"

    def __init__(self, body: SimulatedCamera, folder: Path) -> None:
        self._body = body
        self._target = "Memory card"
        self._folder = folder

    def set(self, **settings: str) -> None:
        self._target = settings.get("capturetarget", self._target)
        with self._connected() as host:
            for name, value in settings.items():
                when_not_busy(lambda name=name, value=value: change(host, name, value))

    def get(self, name: str) -> str:
        with self._connected() as host:
            return str(read(host, name))

    def preview(self) -> bytes:
        with self._connected() as host:
            file = host.capture_preview()
            return bytes(file.get_data_and_size())

    def shoot(self, files: int = 1) -> list[bytes]:
        with self._connected() as host:
            when_not_busy(host.trigger_capture)
            return self._fetch(host, files)

    def shoot_locked_up(self) -> tuple[bytes, float]:
        with self._connected() as host:
            when_not_busy(host.trigger_capture)
            settled_s = pause(SETTLE_S)
            when_not_busy(host.trigger_capture)
            return self._fetch(host, 1)[0], settled_s

    def shoot_bulb(self) -> tuple[bytes, float]:
        with self._connected() as host:
            when_not_busy(lambda: change(host, "eosremoterelease", self.press))
            held_s = pause(BULB_S)
            change(host, "eosremoterelease", "Release Full")
            return self._fetch(host, 1)[0], held_s

    def names(self) -> list[str]:
        with self._connected() as host:
            return file_names(host, CARD_FOLDER)

    def delete(self, name: str) -> None:
        with self._connected() as host:
            host.file_delete(CARD_FOLDER, name)

    def _fetch(self, host: Any, count: int) -> list[bytes]:
        return [download(host, file_added(host)) for _ in range(count)]

    def _connected(self) -> Any:
        return connected(self._body, target=self._target)


class CommandClient:
    """The gphoto2 command with its own libgphoto2."""

    def __init__(self, body: SimulatedCamera, folder: Path) -> None:
        self._body = body
        self._folder = folder
        self._taken = 0

    def set(self, **settings: str) -> None:
        for name, value in settings.items():
            self._run("--set-config", f"{name}={value}")

    def get(self, name: str) -> str:
        return self._run("--get-config", name).split("Current: ")[1].splitlines()[0]

    def preview(self) -> bytes:
        self._run("--capture-preview")
        (file,) = self._folder.glob("*preview.jpg")  # it adds "thumb_" or not
        return file.read_bytes()

    def shoot(self, files: int = 1) -> list[bytes]:
        return self._fetch(files, "--trigger-capture")

    def shoot_locked_up(self) -> tuple[bytes, float]:
        waiting, settled_s = self._pause(SETTLE_S)
        return self._fetch(1, "--trigger-capture", waiting, "--trigger-capture")[0], settled_s

    def shoot_bulb(self) -> tuple[bytes, float]:
        waiting, held_s = self._pause(BULB_S)
        press, let_go = "eosremoterelease=Press Full", "eosremoterelease=Release Full"
        return self._fetch(1, "--set-config", press, waiting, "--set-config", let_go)[0], held_s

    def names(self) -> list[str]:
        return [line.split()[1] for line in self._run("--list-files").splitlines() if line.startswith("#")]

    def delete(self, name: str) -> None:
        self._run("--folder", CARD_FOLDER, "--delete-file", name)

    def _fetch(self, count: int, *steps: str) -> list[bytes]:
        self._taken += 1
        folder = self._folder / f"{self._taken:02d}"
        folder.mkdir()
        waiting = [f"--wait-event-and-download={count}f"] if count > 1 else ["--wait-event-and-download=FILEADDED"]
        gphoto2(self._body, "--keep", *steps, *waiting, "--filename", "%f.%C", folder=folder)
        return [path.read_bytes() for path in sorted(folder.iterdir())]

    @staticmethod
    def _pause(simulated_s: float) -> tuple[str, float]:
        """The argument that makes the command wait, and how long it then waits at least, in simulated seconds."""
        return f"--wait-event={1000 * simulated_s / TIME_SCALE:.0f}ms", simulated_s - TICK_S * TIME_SCALE

    def _run(self, *arguments: str) -> str:
        return gphoto2(self._body, *arguments, folder=self._folder)


def pause(simulated_s: float) -> float:
    """Waits for so many of the camera's seconds; returns how many it were by this program's clock."""
    started_s = time.monotonic()
    time.sleep(simulated_s / TIME_SCALE)
    return (time.monotonic() - started_s) * TIME_SCALE


@pytest.fixture
def body() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(size="small", time_scale=TIME_SCALE) as camera:
        yield camera


@pytest.mark.parametrize("client_type", [PythonClient, pytest.param(CommandClient, marks=needs_gphoto2)])
def test_two_clients_pass_the_same_session(
    body: SimulatedCamera, tmp_path: Path, client_type: type[PythonClient] | type[CommandClient]
) -> None:
    client: Client = client_type(body, tmp_path)
    jpeg_and_raw = "RAW + L" if client_type is PythonClient else "RAW + Large Fine JPEG"

    client.set(capturetarget="Memory card", iso="400", shutterspeed="1/30", aperture="5.6", artist="A. B.")
    assert [client.get(name) for name in ("iso", "shutterspeed", "aperture", "artist")] == [
        "400",
        "1/30",
        "5.6",
        "A. B.",
    ]

    assert size_px(client.preview()) == (960, 640)

    body.set_by_hand(mirrorlock="1")  # older clients have no setting for it
    locked_up, paused_s = client.shoot_locked_up()
    body.set_by_hand(mirrorlock="0")
    assert is_raw(locked_up, tmp_path)
    settled_s = body.shots[-1].mirror_up_s
    assert settled_s is not None
    assert settled_s >= paused_s

    body.mode_dial = "B"
    bulb, paused_s = client.shoot_bulb()
    body.mode_dial = "M"
    assert is_raw(bulb, tmp_path)
    assert body.shots[-1].shutter_s >= paused_s - TRAVEL_S  # the mirror rises first

    client.set(capturetarget="Internal RAM")
    (in_memory,) = client.shoot()
    assert is_raw(in_memory, tmp_path)
    assert client.names() == ["IMG_0001.CR2", "IMG_0002.CR2"]

    client.set(capturetarget="Memory card", imageformat=jpeg_and_raw)
    raw, jpeg = client.shoot(files=2)
    client.set(imageformat="RAW")
    assert is_raw(raw, tmp_path)
    assert size_px(jpeg) == (1536, 1024)
    assert client.names() == ["IMG_0001.CR2", "IMG_0002.CR2", "IMG_0004.CR2", "IMG_0004.JPG"]

    client.delete("IMG_0004.JPG")
    assert client.names() == ["IMG_0001.CR2", "IMG_0002.CR2", "IMG_0004.CR2"]

    body.unplug()
    with pytest.raises((gp.GPhoto2Error, AssertionError)):
        client.get("iso")
    body.plug_in()
    assert client.get("iso") == "400"


def is_raw(data: bytes, folder: Path) -> bool:
    file = folder / "checked.cr2"
    file.write_bytes(data)
    with rawpy.imread(os.fspath(file)) as raw:
        return bool(raw.raw_image_visible.shape == (1024, 1536))


def size_px(jpeg: bytes) -> tuple[int, int]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return image.shape[1], image.shape[0]


@pytest.fixture(scope="module")
def fuzzing() -> ModuleType:
    """The fuzz run of bench/."""
    path = Path(__file__).parents[1] / "bench" / "simulated_fuzz.py"
    spec = importlib.util.spec_from_file_location("simulated_fuzz", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hosts_that_misbehave_leave_a_camera_that_listens(fuzzing: ModuleType) -> None:
    report = fuzzing.fuzz(100, seed=3, check_every=20)
    assert report["honest_hosts_served"] == 5
