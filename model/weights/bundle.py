"""TensorFlow's checkpoint files, read without TensorFlow.

A checkpoint is a tensor bundle: ``<prefix>.index``, a sorted string table of protocol buffers that say where each
tensor lies, and the tensors themselves in ``<prefix>.data-00000-of-00001`` and so on. Sources: TensorFlow's
``tensor_bundle.h``, ``tensor_bundle.proto`` and ``tensor_shape.proto``; LevelDB's ``table_format.md``. Every block and
every tensor carries a CRC-32C, and of all that is read it is checked.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Final

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import WeightsError

INDEX_SUFFIX: Final = ".index"

_FOOTER_BYTES = 48
_MAGIC: Final = struct.pack("<Q", 0xDB4775248B80FB57)
_TRAILER_BYTES = 5
"""After each block: its compression, and its checksum."""
_UNCOMPRESSED = 0
_FLOAT32 = 1
_MASK = 0xA282EAD8

Fields = Mapping[int, list[int | bytes]]
"""A protocol buffer: its values by the number of their field."""


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies: a ``BundleEntryProto``."""

    dtype: int
    """1 is float32."""
    shape: tuple[int, ...]
    shard: int
    offset: int
    size_bytes: int
    checksum: int
    """Masked CRC-32C."""
    sliced: bool
    """Whether its parts are stored as tensors of their own."""


class TensorBundle:
    """One checkpoint, open for reading: ``entries`` by the variables' names, ascending."""

    def __init__(self, prefix: Path) -> None:
        """``prefix`` is the path of the index without its suffix. WeightsError where the index is absent or broken."""
        self.prefix = prefix
        index = Path(f"{prefix}{INDEX_SUFFIX}")
        try:
            table = index.read_bytes()
        except OSError as error:
            raise WeightsError(f"cannot read {index} ({error.strerror}): give the checkpoint's index") from error
        try:
            records = dict(_records(table))
            header = _fields(records.pop(b""))
            self.shards = _integer(header, 1)
            big_endian = bool(_integer(header, 2))
            self.entries = {name.decode(): _entry(value) for name, value in sorted(records.items())}
        except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
            raise WeightsError(
                f"{index} is no index of a TensorFlow checkpoint, or broken ({error}): copy it again"
            ) from error
        if big_endian:
            raise WeightsError(f"{index} was written on a big-endian machine: save the checkpoint anew on another")

    def tensor(self, name: str) -> NDArray[np.float32]:
        """A variable, its checksum verified. WeightsError where its shard is absent, cut off or changed."""
        entry = self.entries[name]
        shard = Path(f"{self.prefix}.data-{entry.shard:05d}-of-{self.shards:05d}")
        if entry.dtype != _FLOAT32 or entry.sliced or entry.size_bytes != 4 * prod(entry.shape):
            raise WeightsError(f"{name} in {self.prefix} is not stored as one float32 tensor: no weights of SID are so")
        try:
            with shard.open("rb") as file:
                if shard.stat().st_size < entry.offset + entry.size_bytes:
                    raise WeightsError(f"{shard} ends before {name} does: it was not copied whole, copy it again")
                file.seek(entry.offset)
                content = file.read(entry.size_bytes)
        except OSError as error:
            raise WeightsError(
                f"cannot read {shard} ({error.strerror}): the index holds no weights, put its data beside it"
            ) from error
        if _masked_crc32c(content) != entry.checksum:
            raise WeightsError(f"{name} in {shard} fails its checksum: copy the file again")
        return np.frombuffer(content, "<f4").astype(np.float32).reshape(entry.shape)


def _records(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a sorted string table. ValueError or IndexError where it is none."""
    footer = table[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or not footer.endswith(_MAGIC):
        raise ValueError("it does not end as one")
    _, at = _handle(footer, 0)  # the metaindex, which is empty
    index, _ = _handle(footer, at)
    for _, value in _block(table, *index):
        block, _ = _handle(value, 0)
        yield from _block(table, *block)


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Where a block lies and how long it is; and where in ``data`` the handle ends."""
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block. A key may begin with some bytes of the one before."""
    block = table[offset : offset + size]
    compression, checksum = struct.unpack("<BI", table[offset + size : offset + size + _TRAILER_BYTES])
    if _masked_crc32c(block + bytes([compression])) != checksum:
        raise ValueError("a block fails its checksum")
    if compression != _UNCOMPRESSED:
        raise ValueError("its blocks are compressed, which TensorFlow's are not")
    (restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 * (restarts + 1)
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _entry(message: bytes) -> Entry:
    fields = _fields(message)
    dimensions = [_fields(_bytes(size)) for shape in fields[2] for size in _fields(_bytes(shape))[2]]
    return Entry(
        dtype=_integer(fields, 1),
        shape=tuple(_integer(dimension, 1) for dimension in dimensions),
        shard=_integer(fields, 3),
        offset=_integer(fields, 4),
        size_bytes=_integer(fields, 5),
        checksum=_integer(fields, 6),
        sliced=7 in fields,
    )


def _fields(message: bytes) -> Fields:
    """A protocol buffer's fields. ValueError or IndexError where it is none."""
    fields: dict[int, list[int | bytes]] = defaultdict(list)
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value: int | bytes
        match tag & 7:
            case 0:
                value, at = _varint(message, at)
            case 2:
                length, at = _varint(message, at)
                value, at = message[at : at + length], at + length
            case 5:
                (value,) = struct.unpack("<I", message[at : at + 4])
                at += 4
            case wire_type:
                raise ValueError(f"a field is of the unknown kind {wire_type}")
        fields[tag >> 3].append(value)
    return fields


def _integer(fields: Fields, number: int) -> int:
    """The last value of a field; 0 where it is left out."""
    value = fields[number][-1] if fields.get(number) else 0
    if not isinstance(value, int):
        raise ValueError(f"field {number} is no number")  # noqa: TRY004 - of a file, not of a caller
    return value


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number stands where a message should")  # noqa: TRY004 - of a file, not of a caller
    return value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits to a byte, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _masked_crc32c(data: bytes) -> int:
    """CRC-32C as LevelDB stores it, rotated and shifted, so that checksums of checksums stay sound."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF
