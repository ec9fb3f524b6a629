"""A small writer of TIFF files (TIFF 6.0, Adobe 1992), little endian, with what a CR2 needs beyond it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise


@dataclass(frozen=True)
class Value:
    """A tag's values: TIFF type, how many, and their bytes."""

    type: int
    count: int
    data: bytes


@dataclass(frozen=True)
class SubIfd:
    fields: Fields


@dataclass(frozen=True)
class MakerNote:
    """A directory that counts as bytes of its tag; its offsets start at the beginning of the file."""

    fields: Fields


@dataclass(frozen=True)
class Blob:
    """Image data that stand at the end of the file; the tag holds their offset."""

    data: bytes


Field = Value | SubIfd | MakerNote | Blob
Fields = Mapping[int, Field]


def text(value: str) -> Value:
    data = value.encode("ascii", "replace") + b"\0"
    return Value(2, len(data), data)


def short(*values: int) -> Value:
    return Value(3, len(values), struct.pack(f"<{len(values)}H", *values))


def long(*values: int) -> Value:
    return Value(4, len(values), struct.pack(f"<{len(values)}I", *values))


def rational(value: Fraction) -> Value:
    return Value(5, 1, struct.pack("<2I", value.numerator, value.denominator))


def rationals(*values: Fraction) -> Value:
    """Several fractions; a zero stands for "not known", 0/0 (EXIF 2.3)."""
    pairs = [struct.pack("<2I", v.numerator, v.denominator if v else 0) for v in values]
    return Value(5, len(values), b"".join(pairs))


def srational(value: Fraction) -> Value:
    return Value(10, 1, struct.pack("<2i", value.numerator, value.denominator))


def undefined(data: bytes) -> Value:
    return Value(7, len(data), data)


class TiffWriter:
    """Directories written one after the other; image data follow when their place is known.

    A CR2 has a longer header than other TIFF files: it names the directory of the raw image.
    """

    def __init__(self, *, is_cr2: bool = True) -> None:
        self._head = bytearray(16 if is_cr2 else 8)
        self._next_pointer: dict[int, int] = {}
        self._blobs: list[tuple[int, bytes]] = []  # where the offset belongs, and what it points to

    def add(self, fields: Fields) -> int:
        """Write a directory with what belongs to it and return its offset."""
        self._align()
        start, entry = len(self._head), len(self._head) + 2
        self._head += struct.pack("<H", len(fields)) + bytes(12 * len(fields) + 4)
        for tag, value in sorted(fields.items()):
            self._head[entry : entry + 12] = struct.pack("<H", tag) + self._entry(entry + 8, value)
            entry += 12
        self._next_pointer[start] = entry
        return start

    def chain(self, *directories: int) -> None:
        for this, following in pairwise(directories):
            struct.pack_into("<I", self._head, self._next_pointer[this], following)

    def finish(self, first: int, raw: int | None = None) -> bytes:
        """The whole file, with image data behind the directories; ``raw`` is a CR2's directory of the mosaic."""
        struct.pack_into("<2sHI", self._head, 0, b"II", 42, first)
        if raw is not None:
            struct.pack_into("<4sI", self._head, 8, b"CR\x02\x00", raw)
        self._align()
        end = len(self._head)
        for pointer, data in self._blobs:
            struct.pack_into("<I", self._head, pointer, end)
            end += len(data)
        return b"".join((self._head, *(data for _, data in self._blobs)))

    def _entry(self, value_at: int, field: Field) -> bytes:
        match field:
            case Value(type_, count, data) if len(data) <= 4:
                return struct.pack("<HI4s", type_, count, data)
            case Value(type_, count, data):
                self._align()
                at = len(self._head)
                self._head += data
                return struct.pack("<HII", type_, count, at)
            case SubIfd(fields):
                return struct.pack("<HII", 4, 1, self.add(fields))
            case MakerNote(fields):
                at = self.add(fields)
                return struct.pack("<HII", 7, len(self._head) - at, at)
            case Blob(data):
                self._blobs.append((value_at, data))
                return struct.pack("<HII", 4, 1, 0)

    def _align(self) -> None:
        self._head += bytes(len(self._head) % 2)
