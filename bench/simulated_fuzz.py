"""Hosts that misbehave, thousands of them: does the simulated camera stay up, and does it still listen?

    python bench/simulated_fuzz.py --connections 10000

Each connection does one of: say nothing and go; stay half open; send random bytes; send a packet that lies about
its length; greet and send rubbish; greet and break off in the middle of a request; ask for random operations with
random parameters and data; set random properties; greet while another host is being served; ask for a file and not
read it. After every hundred, an honest host has to be served, in the same process of the camera, within 5 s.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable

from sidcap.capture.simulated import SimulatedCamera
from sidcap.capture.simulated.codes import OperationCode
from sidcap.capture.simulated.properties import PropertyCode

OK = 0x2001
BUSY_GREETING = 5
HONEST_WITHIN_S = 5.0

Address = tuple[str, int]


class Line:
    """One TCP connection to the camera."""

    def __init__(self, address: Address) -> None:
        self.socket = socket.create_connection(address, timeout=HONEST_WITHIN_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, kind: int, body: bytes) -> None:
        self.socket.sendall(struct.pack("<II", 8 + len(body), kind) + body)

    def receive(self) -> tuple[int, bytes]:
        length, kind = struct.unpack("<II", self._exactly(8))
        return kind, self._exactly(length - 8)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("the camera hung up")
            data += piece
        return data

    def close(self) -> None:
        self.socket.close()


class Network:
    """Opens connections and sees to it that none is forgotten."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._open: list[Line] = []
        self._kept: list[Line] = []

    def dial(self) -> Line:
        self._open.append(Line(self._address))
        return self._open[-1]

    def keep(self) -> None:
        """Leaves what is open as it is, for a while: the last fifty of them."""
        self._kept += self._open
        self._open = []
        while len(self._kept) > 50:
            self._kept.pop(0).close()

    def hang_up(self) -> None:
        while self._open:
            self._open.pop().close()

    def close(self) -> None:
        self.keep()
        while self._kept:
            self._kept.pop().close()


class Host:
    """A host with both connections; ``is_served`` is false where the camera is busy with another."""

    def __init__(self, network: Network) -> None:
        self.commands = network.dial()
        self.events: Line | None = None
        self.commands.send(1, bytes(16) + "fuzz\0".encode("utf-16-le") + struct.pack("<I", 0x10000))
        kind, ack = self.commands.receive()
        self.is_served = kind != BUSY_GREETING
        if self.is_served:
            self.events = network.dial()
            self.events.send(3, ack[:4])
            self.events.receive()

    def ask(self, operation: int, *params: int, data: bytes | None = None) -> int:
        """The response code, whatever data came before it."""
        phase = 1 if data is None else 2
        self.commands.send(6, struct.pack(f"<IHI{len(params)}I", phase, operation, 0, *params))
        if data is not None:
            self.commands.send(9, struct.pack("<IQ", 0, len(data)))
            self.commands.send(12, struct.pack("<I", 0) + data)
        while True:
            kind, body = self.commands.receive()
            if kind == 7:
                return int(struct.unpack_from("<H", body)[0])


def say_nothing(network: Network, _: random.Random) -> None:
    network.dial()


def stay_half_open(network: Network, rng: random.Random) -> None:
    network.dial().socket.sendall(rng.randbytes(rng.randint(0, 7)))
    network.keep()


def send_random_bytes(network: Network, rng: random.Random) -> None:
    line = network.dial()
    line.socket.sendall(rng.randbytes(rng.randint(1, 2000)))


def lie_about_the_length(network: Network, rng: random.Random) -> None:
    line = network.dial()
    length = rng.choice((0, 1, 7, 8, 9, 100, 0x7FFF_FFFF, 0xFFFF_FFFF))
    line.socket.sendall(struct.pack("<II", length, rng.randint(0, 20)) + rng.randbytes(rng.randint(0, 100)))


def greet_and_send_rubbish(network: Network, rng: random.Random) -> None:
    host = Host(network)
    line = rng.choice([line for line in (host.commands, host.events) if line is not None])
    line.socket.sendall(rng.randbytes(rng.randint(1, 500)))


def break_off(network: Network, rng: random.Random) -> None:
    host = Host(network)
    request = struct.pack("<IIIHI5I", 38, 6, 1, rng.choice(list(OperationCode)), 0, 1, 1, 1, 1, 1)
    host.commands.socket.sendall(request[: rng.randint(1, len(request))])


def ask_at_random(network: Network, rng: random.Random) -> None:
    host = Host(network)
    if host.is_served:
        host.ask(OperationCode.OpenSession, 1)
        for _ in range(rng.randint(1, 10)):
            code = rng.choice((*OperationCode, rng.getrandbits(16)))
            if code not in (OperationCode.OpenSession, OperationCode.CloseSession):
                params = [rng.choice((0, 1, 2, 3, 0x20001, 0xFFFFFFFF, rng.getrandbits(32)))] * rng.randint(0, 5)
                host.ask(code, *params, data=rng.choice((None, rng.randbytes(rng.randint(0, 40)))))


def set_at_random(network: Network, rng: random.Random) -> None:
    host = Host(network)
    if host.is_served:
        host.ask(OperationCode.OpenSession, 1)
        for _ in range(rng.randint(1, 10)):
            value = rng.randbytes(rng.choice((4, 4, 4, 20, 36, rng.randint(0, 40))))
            data = struct.pack("<II", 8 + len(value), rng.choice(list(PropertyCode))) + value
            host.ask(OperationCode.EOS_SetDevicePropValueEx, data=data)


def greet_while_another_is_served(network: Network, _: random.Random) -> None:
    first, second = Host(network), Host(network)
    if first.is_served and second.is_served:
        raise AssertionError("two hosts at a time")


def ask_and_not_read(network: Network, _: random.Random) -> None:
    """Asks for all settings again and again, and leaves without having read an answer."""
    host = Host(network)
    if host.is_served:
        host.ask(OperationCode.OpenSession, 1)
        host.commands.socket.settimeout(0.02)
        with contextlib.suppress(TimeoutError):
            for _ in range(200):
                host.commands.send(6, struct.pack("<IHII", 1, OperationCode.EOS_SetEventMode, 0, 1))
                host.commands.send(6, struct.pack("<IHI", 1, OperationCode.EOS_GetEvent, 0))


MISBEHAVIOURS: dict[Callable[[Network, random.Random], None], float] = {
    say_nothing: 1.0,
    stay_half_open: 1.0,
    send_random_bytes: 1.0,
    lie_about_the_length: 1.0,
    greet_and_send_rubbish: 1.0,
    break_off: 1.0,
    ask_at_random: 1.0,
    set_at_random: 1.0,
    greet_while_another_is_served: 0.1,  # the camera looks for half a second whether the other is still there
    ask_and_not_read: 0.5,
}
"""And how often each comes, in proportion."""


def served_after_s(network: Network) -> float:
    """Real seconds until an honest host has opened a session and read something.

    Raises:
        AssertionError: it took too long.
    """
    started_s = time.monotonic()
    while time.monotonic() < started_s + HONEST_WITHIN_S:
        with contextlib.suppress(OSError):
            host = Host(network)
            if host.is_served and host.ask(OperationCode.OpenSession, 1) == OK:
                answer = host.ask(OperationCode.EOS_RequestDevicePropValue, PropertyCode.SerialNumber)
                if answer == OK:
                    return time.monotonic() - started_s
        network.hang_up()
    raise AssertionError(f"nobody was served within {HONEST_WITHIN_S} s")


def fuzz(connections: int, *, seed: int = 0, check_every: int = 100) -> dict[str, object]:
    """Runs so many misbehaving connections; returns what happened.

    Raises:
        AssertionError: the camera went deaf, or served two at a time.
        CameraError: the camera's process died.
    """
    rng = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    done: Counter[str] = Counter()
    cut = 0
    waits_s = []
    started_s = time.monotonic()
    with (
        SimulatedCamera(size="small", time_scale=1000) as camera,
        contextlib.closing(Network(("127.0.0.1", int(camera.port_string.rsplit(":", 1)[1])))) as network,
    ):
        for number in range(1, connections + 1):
            (misbehave,) = rng.choices(list(MISBEHAVIOURS), list(MISBEHAVIOURS.values()))
            try:
                misbehave(network, rng)
            except OSError:  # the camera hung up first, as it should
                cut += 1
            network.hang_up()
            done[misbehave.__name__] += 1
            if number % check_every == 0:
                waits_s.append(served_after_s(network))
                network.hang_up()
        operations = len(camera.operations)
        if not camera.is_on:
            raise AssertionError("the camera switched itself off")
    return {
        "connections": connections,
        "seconds": round(time.monotonic() - started_s, 1),
        "of_each_kind": dict(sorted(done.items())),
        "cut_by_the_camera": cut,
        "honest_hosts_served": len(waits_s),
        "slowest_honest_host_s": round(max(waits_s), 3),
        "operations_answered": operations,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print(json.dumps(fuzz(chosen.connections, seed=chosen.seed), indent=1))
