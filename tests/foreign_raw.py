"""Raw files in the containers of Sony (ARW, compressed) and Fuji (RAF, X-Trans), made up: no camera wrote them.

LibRaw opens them by the same code as a camera's own, so they show that sidcap reads those containers; that a body
writes just this, they do not show. Sources: the tags and the block layout that ExifTool and LibRaw know of both makers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tiny_raw import ASCII, BYTE, LONG, RATIONAL, SHORT, SRATIONAL, Tag, directory

X_TRANS = "GGRGGB" + "GGBGGR" + "BRGRBG" + "GGBGGR" + "GGRGGB" + "RBGBRG"
FUJI_BLACK_DN = 1022
SONY_BLACK_DN = 512
_COLOUR_CODE = {"R": 0, "G": 1, "B": 2}
_TIFF_HEADER = b"II*\0" + struct.pack("<I", 8)
_ARW_BLOCK = 32
_ARW_COMPRESSION = 32767


def exif(
    iso: int, exposure: tuple[int, int], *, f_number: float = 8.0, shutter_speed: tuple[int, int] | None = None
) -> list[Tag]:
    """EXIF tags; ``shutter_speed`` is the APEX value that some makers write beside the exposure time."""
    tags: list[Tag] = [
        (33434, RATIONAL, exposure),
        (33437, RATIONAL, (round(10 * f_number), 10)),
        (34855, SHORT, [iso]),
        (36867, ASCII, b"2017:08:09 20:21:22\0"),
    ]
    return tags if shutter_speed is None else [*tags, (37377, SRATIONAL, shutter_speed)]


def arw(mosaic: NDArray[np.uint16], exif_tags: Sequence[Tag]) -> bytes:
    """A compressed ARW of this (H, W) RGGB mosaic, W a multiple of 32, of even numbers below 4096.

    A block of 16 photosites of one colour may span at most 254: what differs more is stored with less precision.
    """
    height, width = mosaic.shape
    pixels = b"".join(_arw_blocks(row) for row in mosaic // 2)

    def first_directory(exif_at: int, raw_at: int) -> bytes:
        model = b"ILCE-7SM2\0"
        tags = [(271, ASCII, b"SONY\0"), (272, ASCII, model), (330, LONG, [raw_at]), (34665, LONG, [exif_at])]
        return directory(tags, 8)

    exif_at = 8 + len(first_directory(0, 0))
    exif_directory = directory(exif_tags, exif_at)
    raw_at = exif_at + len(exif_directory)

    def raw_directory(pixels_at: int) -> bytes:
        tags: list[Tag] = [
            (254, LONG, [0]),
            (256, LONG, [width]),
            (257, LONG, [height]),
            (258, SHORT, [8]),
            (259, SHORT, [_ARW_COMPRESSION]),
            (262, SHORT, [32803]),
            (273, LONG, [pixels_at]),
            (277, SHORT, [1]),
            (278, LONG, [height]),
            (279, LONG, [len(pixels)]),
            (0x7310, SHORT, [SONY_BLACK_DN] * 4),
            (33421, SHORT, [2, 2]),
            (33422, BYTE, [0, 1, 1, 2]),
        ]
        return directory(tags, raw_at)

    pixels_at = raw_at + len(raw_directory(0))
    return _TIFF_HEADER + first_directory(exif_at, raw_at) + exif_directory + raw_directory(pixels_at) + pixels


def _arw_blocks(row: NDArray[np.uint16]) -> bytes:
    """16 photosites of one colour in 16 bytes: largest, smallest, their places, the others in 7 bits above these."""
    blocks = b""
    for start in range(0, len(row), _ARW_BLOCK):
        for colour in (0, 1):
            values = [int(value) for value in row[start + colour : start + _ARW_BLOCK : 2]]
            top = values.index(max(values))
            bottom = values.index(min(values)) if min(values) != max(values) else (top + 1) % 16
            shift = max((values[top] - values[bottom]).bit_length() - 7, 0)
            bits = values[top] | values[bottom] << 11 | top << 22 | bottom << 26
            others = [value for place, value in enumerate(values) if place not in (top, bottom)]
            for place, value in enumerate(others):
                bits |= (value - values[bottom] >> shift) << 30 + 7 * place
            blocks += bits.to_bytes(16, "little")
    return blocks


def raf(mosaic: NDArray[np.uint16], exif_tags: Sequence[Tag]) -> bytes:
    """An uncompressed RAF of this (H, W) X-Trans mosaic of 14 bits: header, JPEG with the EXIF, settings, raw data."""
    height, width = mosaic.shape
    size = struct.pack(">HH", height, width)
    colours = bytes(_COLOUR_CODE[letter] for letter in reversed(X_TRANS))
    settings = [(0x100, size), (0x110, bytes(4)), (0x111, size), (0x121, size), (0x131, colours)]
    described = struct.pack(">I", len(settings))
    described += b"".join(struct.pack(">HH", tag, len(value)) + value for tag, value in settings)
    parts = (_jpeg_with_exif(exif_tags), described, _raf_pixels(mosaic))
    header = (b"FUJIFILMCCD-RAW 0201FF383501" + b"X-T2".ljust(32, b"\0") + b"0100").ljust(84, b"\0")
    at = len(header) + 8 * len(parts) + 52
    places = b""
    for part in parts:
        places += struct.pack(">II", at, len(part))
        at += len(part)
    return (header + places).ljust(len(header) + 8 * len(parts) + 52, b"\0") + b"".join(parts)


def _jpeg_with_exif(exif_tags: Sequence[Tag]) -> bytes:
    def first_directory(exif_at: int) -> bytes:
        return directory([(271, ASCII, b"FUJIFILM\0"), (272, ASCII, b"X-T2\0"), (34665, LONG, [exif_at])], 8)

    exif_at = 8 + len(first_directory(0))
    segment = b"Exif\0\0" + _TIFF_HEADER + first_directory(exif_at) + directory(exif_tags, exif_at)
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + b"\xff\xd9"


def _raf_pixels(mosaic: NDArray[np.uint16]) -> bytes:
    height, width = mosaic.shape
    pixels = mosaic.astype("<u2").tobytes()
    inner_at = 8 + len(directory([(0xF000, LONG, [0])], 8))

    def inner(pixels_at: int) -> bytes:
        tags: list[Tag] = [
            (0xF001, LONG, [width]),
            (0xF002, LONG, [height]),
            (0xF003, LONG, [14]),
            (0xF007, LONG, [pixels_at]),
            (0xF008, LONG, [len(pixels)]),
            (0xF00A, LONG, [FUJI_BLACK_DN] * 36),
        ]
        return directory(tags, inner_at)

    pixels_at = inner_at + len(inner(0))
    return _TIFF_HEADER + directory([(0xF000, LONG, [inner_at])], 8) + inner(pixels_at) + pixels
