"""Tensor bundles as TensorFlow writes them, for what its own Saver would never write: broken and odd ones.

Key prefixes are shared within a block, as in LevelDB; sources as in `sidcap.model.weights.bundle`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import NDArray

_RECORDS_IN_A_BLOCK = 7


def write_bundle(
    prefix: Path,
    tensors: Mapping[str, NDArray[np.float32]],
    *,
    shards: int = 1,
    big_endian: bool = False,
    compression: int = 0,
    dtype: int = 1,
) -> None:
    """Write the index and the data of ``tensors``, dealt out to the shards in turn."""
    contents = [b""] * shards
    records = {b"": _number(1, shards) + _number(2, int(big_endian))}
    for place, (name, tensor) in enumerate(sorted(tensors.items())):
        shard, content = place % shards, tensor.astype("<f4").tobytes()
        shape = b"".join(_message(2, _number(1, size)) for size in tensor.shape)
        records[name.encode()] = (
            _number(1, dtype)
            + _message(2, shape)
            + _number(3, shard)
            + _number(4, len(contents[shard]))
            + _number(5, len(content))
            + bytes([6 << 3 | 5])
            + struct.pack("<I", _masked(content))
        )
        contents[shard] += content
    for shard, content in enumerate(contents):
        Path(f"{prefix}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    Path(f"{prefix}.index").write_bytes(_table(list(records.items()), compression))


def _table(records: Sequence[tuple[bytes, bytes]], compression: int) -> bytes:
    table, handles = b"", []
    for start in range(0, len(records), _RECORDS_IN_A_BLOCK):
        block = records[start : start + _RECORDS_IN_A_BLOCK]
        table, handle = _with_block(table, block, compression)
        handles.append((block[-1][0] + b"~", handle))
    table, meta_handle = _with_block(table, [], 0)
    table, index_handle = _with_block(table, handles, 0)
    return table + (meta_handle + index_handle).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def _with_block(table: bytes, records: Sequence[tuple[bytes, bytes]], compression: int) -> tuple[bytes, bytes]:
    block, last = b"", b""
    for key, value in records:
        shared = next((n for n, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        block += _varint(shared) + _varint(len(key) - shared) + _varint(len(value)) + key[shared:] + value
        last = key
    block += struct.pack("<II", 0, 1)
    trailer = bytes([compression])
    written = table + block + trailer + struct.pack("<I", _masked(block + trailer))
    return written, _varint(len(table)) + _varint(len(block))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _masked(content: bytes) -> int:
    crc = google_crc32c.value(content)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
