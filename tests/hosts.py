"""Hosts for the simulated camera: python-gphoto2, the gphoto2 command, and sockets that do what neither would."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

gp = pytest.importorskip("gphoto2", reason="python-gphoto2 is not installed")

PATIENCE_S = 20.0
"""Real seconds until a test gives up waiting for something that has to happen."""

FULL_PRESS = 2
CARD_FOLDER = "/store_00020001/DCIM/100CANON"
NETWORK_CAMERA = "PTP/IP Camera"

needs_gphoto2 = pytest.mark.skipif(shutil.which("gphoto2") is None, reason="the gphoto2 command is not installed")


class OnAPort(Protocol):
    """A simulated camera, whoever started it."""

    @property
    def port_string(self) -> str: ...


@functools.cache
def network_camera() -> Any:
    models = gp.CameraAbilitiesList()
    models.load()
    return models[models.lookup_model(NETWORK_CAMERA)]


def connect(body: OnAPort) -> Any:
    """A new libgphoto2 camera object, initialised."""
    ports = gp.PortInfoList()
    ports.load()
    host = gp.Camera()
    host.set_port_info(ports[ports.lookup_path(body.port_string)])
    host.set_abilities(network_camera())
    host.init()
    return host


@contextlib.contextmanager
def connected(body: OnAPort, target: str = "Memory card") -> Iterator[Any]:
    """A connection that ends with the block. Where frames go is kept by the host, so it is set each time."""
    host = connect(body)
    try:
        change(host, "capturetarget", target)
        yield host
    finally:
        leave(host)


def leave(host: Any) -> None:
    """Ends a connection. libgphoto2 closes file descriptor 0 with it (2.5.34, over PTP/IP): it is put back."""
    standard_input = os.dup(0)
    with contextlib.suppress(gp.GPhoto2Error):
        host.exit()
    os.dup2(standard_input, 0)
    os.close(standard_input)


def read(host: Any, name: str) -> Any:
    return host.get_single_config(name).get_value()


def change(host: Any, name: str, value: Any) -> None:
    widget = host.get_single_config(name)
    widget.set_value(value)
    host.set_single_config(name, widget)


def when_not_busy(step: Callable[[], None]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return step()
        except gp.GPhoto2Error as error:
            if error.code != gp.GP_ERROR_CAMERA_BUSY or time.monotonic() > deadline_s:
                raise
        time.sleep(0.01)


def wait_until(host: Any, name: str, value: Any) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while read(host, name) != value:
        if time.monotonic() > deadline_s:
            pytest.fail(f"{name} never became {value}")


def file_added(host: Any, patience_s: float = PATIENCE_S) -> Any:
    """The next frame that the camera announces, or None."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        kind, data = host.wait_for_event(100)
        if kind == gp.GP_EVENT_FILE_ADDED:
            return data
    return None


def shoot(host: Any) -> Any:
    when_not_busy(host.trigger_capture)
    path = file_added(host)
    if path is None:
        pytest.fail("no frame was announced")
    return path


def download(host: Any, path: Any) -> bytes:
    file = host.file_get(path.folder, path.name, gp.GP_FILE_TYPE_NORMAL)  # owns the bytes
    return bytes(file.get_data_and_size())


def file_names(host: Any, folder: str) -> list[str]:
    return [name for name, _ in host.folder_list_files(folder).items()]


def run_gphoto2(body: OnAPort, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command with the libgphoto2 that it was built for: importing python-gphoto2 names that one's drivers."""
    own = {name: value for name, value in os.environ.items() if name not in ("CAMLIBS", "IOLIBS")}
    command = ["gphoto2", "--camera", NETWORK_CAMERA, "--port", body.port_string, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env=own)


def gphoto2(body: OnAPort, *arguments: str, folder: Path) -> str:
    """What the command prints; it has to succeed."""
    done = run_gphoto2(body, *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


class RawHost:
    """A host made of sockets, for what libgphoto2 would never do."""

    def __init__(self, body: OnAPort) -> None:
        self._address = ("127.0.0.1", int(body.port_string.rsplit(":", 1)[1]))
        self.commands = self.dial()
        self.send(self.commands, 1, bytes(16) + "raw host\0".encode("utf-16-le") + struct.pack("<I", 0x10000))
        self.greeting, ack = self.receive(self.commands)
        if self.greeting == 2:
            self.events = self.dial()
            self.send(self.events, 3, ack[:4])
            self.receive(self.events)

    def dial(self) -> socket.socket:
        line = socket.create_connection(self._address, timeout=PATIENCE_S)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    @staticmethod
    def send(line: socket.socket, kind: int, body: bytes) -> None:
        line.sendall(struct.pack("<II", 8 + len(body), kind) + body)

    @staticmethod
    def receive(line: socket.socket) -> tuple[int, bytes]:
        header = _receive_exactly(line, 8)
        length, kind = struct.unpack("<II", header)
        return kind, _receive_exactly(line, length - 8)

    def ask(self, operation: int, *params: int) -> int:
        """The response code to an operation, whatever data came before it."""
        self.send(self.commands, 6, struct.pack(f"<IHI{len(params)}I", 1, operation, 0, *params))
        while True:
            kind, body = self.receive(self.commands)
            if kind == 7:
                return int(struct.unpack_from("<H", body)[0])

    def hang_up(self) -> None:
        self.commands.close()
        if self.greeting == 2:
            self.events.close()


def _receive_exactly(line: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = line.recv(count - len(data))
        if not piece:
            raise ConnectionError("the camera hung up")
        data += piece
    return data
