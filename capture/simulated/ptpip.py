"""PTP over TCP (CIPA DC-005, "PTP-IP"): packets, and a server that speaks them.

A host opens two connections to one port. The first carries operations, one after the other: a request, data
in one of the two directions, a response. The second is for events that the camera sends unasked. Every packet
is a length and a type, both four bytes, little endian, then what the type says::

    host  InitCommandRequest  guid16 name version    camera  InitCommandAck  connection guid16 name version
    host  InitEventRequest    connection             camera  InitEventAck
    host  CommandRequest      data phase, operation, transaction, parameters
          StartData           transaction, length    one of the two sends these three,
          Data                transaction, bytes     or nobody
          EndData             transaction, bytes
                                                     camera  CommandResponse  code, transaction, parameters

This module knows nothing of cameras: what an operation does is told by a ``Responder``. A camera serves one
host at a time; a second one is told that it is busy. Whoever breaks the rules, falls silent in the middle of a
packet or stops reading loses the connection, and whoever has been silent for long gives way to the next host.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, NamedTuple, Protocol, TypeVar

from sidcap.data_manifest.errors import CameraError

VERSION = 0x0001_0000
BUSY = 2
"""Reason in an InitFail packet."""

HOST_SENDS_DATA = 2
"""Data phase of a CommandRequest; 1 says that the host sends none."""

GREETING_S = 3.0
"""Real seconds from a connection's start to its first packet, and to the second connection."""

STALL_S = 10.0
"""Real seconds that a host may be silent in the middle of a packet, or not read what it asked for."""

SILENT_S = 20.0
"""Real seconds without a request after which a host gives way to a new one; nobody comes, and it may go on."""

HANDOVER_S = 0.5
"""Real seconds that a new host waits for the one before it to be found gone."""

MAX_PACKET_BYTES = 1 << 20
MAX_DATA_BYTES = 8 << 20

_HEADER = struct.Struct("<II")
_T = TypeVar("_T")


class PacketType(IntEnum):
    """Names of CIPA DC-005; libgphoto2 calls them ``PTPIP_INIT_COMMAND_REQUEST`` and so on."""

    InitCommandRequest = 1
    InitCommandAck = 2
    InitEventRequest = 3
    InitEventAck = 4
    InitFail = 5
    CommandRequest = 6
    CommandResponse = 7
    Event = 8
    StartData = 9
    Data = 10
    Cancel = 11
    EndData = 12
    Ping = 13
    Pong = 14


class PacketError(CameraError):
    """The other side does not speak PTP/IP."""


class Packet(NamedTuple):
    type: PacketType
    body: bytes


@dataclass(frozen=True)
class Request:
    """An operation that a host asks for."""

    code: int
    transaction: int
    params: tuple[int, ...] = ()
    data: bytes = b""

    def param(self, index: int) -> int:
        """A parameter, 0 where the host gave none."""
        return self.params[index] if index < len(self.params) else 0


@dataclass(frozen=True)
class Reply:
    """The answer. ``data`` is None where the operation has no data to send, or failed.

    ``delay_s``: real seconds that it is held back.
    """

    code: int
    params: tuple[int, ...] = ()
    data: bytes | None = None
    delay_s: float = 0.0


class Responder(Protocol):
    """What answers one host's operations, from its connection to its end."""

    def respond(self, request: Request) -> Reply:
        """Called once for each request, in order. Has to answer at once: hosts wait 2.5 s (libgphoto2)."""

    def hung_up(self) -> None:
        """Called once, when the host has left or was lost."""


def encode_packet(kind: PacketType, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return _HEADER.pack(_HEADER.size + len(body), kind) + body


def decode_request(body: bytes) -> tuple[Request, bool]:
    """The request in a CommandRequest's body, and whether the host sends data with it.

    Raises:
        PacketError: too short, or too many parameters.
    """
    if not 10 <= len(body) <= 10 + 5 * 4 or (len(body) - 10) % 4:
        raise PacketError("a command request has 0 to 5 parameters of 4 bytes")
    data_phase, code, transaction = struct.unpack_from("<IHI", body)
    params = struct.unpack_from(f"<{(len(body) - 10) // 4}I", body, 10)
    return Request(code, transaction, params), data_phase == HOST_SENDS_DATA


def encode_reply(request: Request, reply: Reply) -> bytes:
    """All packets of an answer: the data, if there is any, in one piece, then the response."""
    packets = []
    if reply.data is not None:
        packets.append(encode_packet(PacketType.StartData, struct.pack("<IQ", request.transaction, len(reply.data))))
        packets.append(encode_packet(PacketType.EndData, struct.pack("<I", request.transaction), reply.data))
    head = struct.pack("<HI", reply.code, request.transaction)
    packets.append(
        encode_packet(PacketType.CommandResponse, head, struct.pack(f"<{len(reply.params)}I", *reply.params))
    )
    return b"".join(packets)


async def read_packet(reader: asyncio.StreamReader) -> Packet:
    """The next packet, however long it takes to begin; once begun it has to be complete in time.

    Raises:
        PacketError: no such type, or a length that no packet has.
        EOFError: the other side is gone (``asyncio.IncompleteReadError``).
        TimeoutError: it stalls.
    """
    first = await reader.readexactly(1)
    async with asyncio.timeout(STALL_S):
        length, kind = _HEADER.unpack(first + await reader.readexactly(_HEADER.size - 1))
        if not _HEADER.size <= length <= MAX_PACKET_BYTES:
            raise PacketError(f"a packet of {length} bytes")
        body = await reader.readexactly(length - _HEADER.size)
    try:
        return Packet(PacketType(kind), body)
    except ValueError:
        raise PacketError(f"no packet has type {kind}") from None


class _Link:
    """One host: its command connection and, once it is there, its event connection."""

    def __init__(self, number: int, responder: Responder, commands: asyncio.StreamWriter) -> None:
        self.number = number
        self.responder = responder
        self.commands = commands
        self.events: asyncio.StreamWriter | None = None
        self.complete = asyncio.Event()
        self.ended = asyncio.Event()
        self.heard()

    def attach(self, events: asyncio.StreamWriter) -> None:
        self.events = events
        self.complete.set()

    def heard(self) -> None:
        """The host has asked for something."""
        self._heard_s = asyncio.get_running_loop().time()

    def is_silent(self) -> bool:
        return asyncio.get_running_loop().time() - self._heard_s > SILENT_S

    def cut(self) -> None:
        """Drops both connections at once; what waits for them notices."""
        self.commands.transport.abort()
        if self.events is not None:
            self.events.transport.abort()


class PtpIpServer:
    """Serves one host at a time on ``127.0.0.1``. Lives in one asyncio event loop, and is called only there.

    ``new_responder`` is called for each host that connects. ``guid`` (16 bytes) and ``name`` are what the
    camera calls itself. ``port`` 0 takes a free one; after ``listen`` it is the one that was taken.
    """

    def __init__(self, new_responder: Callable[[], Responder], *, name: str, guid: bytes, port: int) -> None:
        self.port = port
        self._new_responder = new_responder
        self._name = name
        self._guid = guid
        self._server: asyncio.Server | None = None
        self._link: _Link | None = None
        self._links_made = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Accepts hosts from now on.

        Raises:
            OSError: the port is taken.
        """
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def vanish(self) -> None:
        """Cuts every connection and refuses new ones, until ``listen`` is called again."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._link is not None:
            self._link.cut()
        for connection in self._connections:
            connection.cancel()

    async def close(self) -> None:
        """Vanishes for good and waits until nothing is left."""
        self.vanish()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio has already set TCP_NODELAY: small answers do not wait for company.
        connection = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            packet = await _within(GREETING_S, read_packet(reader))
            match packet.type:
                case PacketType.InitCommandRequest:
                    await self._serve_commands(reader, writer)
                case PacketType.InitEventRequest:
                    await self._serve_events(packet, reader, writer)
                case _:
                    writer.transport.abort()
        except (PacketError, EOFError, OSError, TimeoutError):
            writer.transport.abort()
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()

    async def _serve_commands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = await self._take_over(writer)
        if link is None:
            await _send(writer, encode_packet(PacketType.InitFail, struct.pack("<I", BUSY)))
            return
        try:
            name = (self._name + "\0").encode("utf-16-le")
            head = struct.pack("<I", link.number)
            tail = struct.pack("<I", VERSION)
            await _send(writer, encode_packet(PacketType.InitCommandAck, head, self._guid, name, tail))
            await _within(GREETING_S, link.complete.wait())
            while True:
                request = await _read_request(reader, writer)
                link.heard()
                reply = link.responder.respond(request)
                await asyncio.sleep(reply.delay_s)
                await _send(writer, encode_reply(request, reply))
        finally:
            link.cut()
            link.responder.hung_up()
            link.ended.set()
            self._link = None

    async def _take_over(self, writer: asyncio.StreamWriter) -> _Link | None:
        """A link for a new host, or None where another one is connected and alive.

        A host that has just left may not have been found gone yet: it is waited for a moment.
        """
        if self._link is not None and self._link.is_silent():
            self._link.cut()
        if self._link is not None:
            with contextlib.suppress(TimeoutError):
                await _within(HANDOVER_S, self._link.ended.wait())
        if self._link is not None:
            return None
        self._links_made += 1
        self._link = _Link(self._links_made, self._new_responder(), writer)
        return self._link

    async def _serve_events(self, opening: Packet, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = self._link
        if link is None or link.events is not None or opening.body != struct.pack("<I", link.number):
            raise PacketError("an event connection that belongs to no command connection")
        await _send(writer, encode_packet(PacketType.InitEventAck))
        link.attach(writer)
        try:
            while True:
                packet = await read_packet(reader)
                if packet.type is PacketType.Ping:
                    await _send(writer, encode_packet(PacketType.Pong))
        finally:
            link.cut()


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    """The next request with the data that the host sends along."""
    packet = await read_packet(reader)
    if packet.type is not PacketType.CommandRequest:
        raise PacketError(f"{packet.type.name} where a request belongs")
    request, has_data = decode_request(packet.body)
    if not has_data:
        return request
    _acknowledge_now(writer)
    return replace(request, data=await _within(STALL_S, _read_data(reader)))


def _acknowledge_now(writer: asyncio.StreamWriter) -> None:
    """Has the system acknowledge what has come in, where it can (Linux).

    libgphoto2 sends request and data separately, and its system holds the data back until the request is
    acknowledged, which takes 40 ms by default: setting a property took 43 ms, and takes 1.5 ms with this.
    """
    if sys.platform == "linux":
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def _read_data(reader: asyncio.StreamReader) -> bytes:
    start = await read_packet(reader)
    if start.type is not PacketType.StartData or len(start.body) != 12:
        raise PacketError("data do not begin with their length")
    (length,) = struct.unpack_from("<Q", start.body, 4)
    if length > MAX_DATA_BYTES:
        raise PacketError(f"{length} bytes of data")
    data = bytearray()
    while len(data) < length:  # libgphoto2 sends no packet at all where there are no bytes
        packet = await read_packet(reader)
        if packet.type not in (PacketType.Data, PacketType.EndData) or len(packet.body) <= 4:
            raise PacketError(f"{packet.type.name} where data belong")
        data += packet.body[4:]
    if len(data) > length:
        raise PacketError("more data than announced")
    return bytes(data)


async def _send(writer: asyncio.StreamWriter, packets: bytes) -> None:
    writer.write(packets)
    await _within(STALL_S, writer.drain())


async def _within(seconds: float, step: Coroutine[Any, Any, _T]) -> _T:
    async with asyncio.timeout(seconds):
        return await step
