"""The CR2 container: a TIFF whose last image is the mosaic in lossless JPEG, with Canon's own tags beside it.

Sources: the layout by L. Vuillermoz-Delmas and L. Clevy (lclevy.free.fr/cr2), tag names by exiftool, and what LibRaw
reads. The body is an "EOS 6D" to LibRaw (model id 0x80000302), while Software and ImageDescription say "simulated".
Images in the file: a preview (JPEG), a thumbnail (JPEG), the mosaic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import log2

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated import ljpeg, tiff
from sidcap.capture.simulated.sensor import Geometry
from sidcap.capture.simulated.tiff import TiffWriter

MAKE, MODEL, SOFTWARE = "Canon", "Canon EOS 6D", "sidcap simulated camera"
MODEL_ID = 0x80000302
# ColorData7 of Canon's maker notes, as the 6D has it: length and, in 16-bit words, where things are.
_COLOR_DATA_WORDS, _COLOR_DATA_SUBVERSION = 1313, 10
_AS_SHOT, _AUTO, _MEASURED, _BLACK, _WHITE = 0x3F, 0x44, 0x49, 0x1F8, 0x1FC
_THUMBNAIL_PX = (160, 120)


@dataclass(frozen=True)
class ShootingData:
    """What a file states about how it was taken. ``taken`` is an aware time, ``white_balance`` gains of R, G, B."""

    iso: int
    shutter_s: float
    nominal_shutter: Fraction
    aperture: float
    taken: datetime
    frame_number: int
    serial: str
    lens: str
    white_balance: tuple[float, float, float]
    white_dn: int


def pack(mosaic: NDArray[np.uint16], geometry: Geometry, shooting: ShootingData) -> bytes:
    """The whole CR2 file of a raw frame, uint16 (rows, columns), RGGB."""
    black = masked_black(mosaic, geometry)
    preview = developed(mosaic, geometry, shooting, black)
    file = TiffWriter()
    first = file.add(_description(geometry, shooting, black, preview))
    thumbnail = file.add(_thumbnail(preview))
    raw = file.add(_raw_image(mosaic))
    file.chain(first, thumbnail, raw)
    return file.finish(first, raw)


def masked_black(mosaic: NDArray[np.uint16], geometry: Geometry) -> tuple[int, int, int, int]:
    """Black level of the four photosites R, G, G, B, measured on the masked columns."""
    masked = mosaic[geometry.top :, : geometry.left]
    red, green, green2, blue = (round(float(masked[y::2, x::2].mean())) for y in (0, 1) for x in (0, 1))
    return red, green, green2, blue


def developed(
    mosaic: NDArray[np.uint16], geometry: Geometry, shooting: ShootingData, black: Sequence[int]
) -> NDArray[np.uint8]:
    """A small picture, uint8 (rows, columns, BGR), in camera colours with white balance and sRGB's gamma."""
    left, top, right, bottom = geometry.crop
    step = 2 * max((right - left) // 1400, 1)
    levels = []
    for (y, x), level in zip(((0, 0), (0, 1), (1, 0), (1, 1)), black, strict=True):
        site = mosaic[top + y : bottom : step, left + x : right : step]
        levels.append((site.astype(np.float32) - level) / (shooting.white_dn - level))
    rows, columns = (min(site.shape[axis] for site in levels) for axis in (0, 1))
    red, green, green2, blue = (site[:rows, :columns] for site in levels)
    gains = shooting.white_balance
    planes = blue * np.float32(gains[2]), (green + green2) * np.float32(gains[1] / 2), red * np.float32(gains[0])
    linear = np.clip(np.stack(planes, axis=-1), 0, 1)
    return np.asarray(linear ** (1 / 2.2) * 255, np.uint8)


# What stands in the file


def _description(
    geometry: Geometry, shooting: ShootingData, black: Sequence[int], preview: NDArray[np.uint8]
) -> tiff.Fields:
    jpeg = _jpeg(preview)
    return {
        0x0100: tiff.short(preview.shape[1]),
        0x0101: tiff.short(preview.shape[0]),
        0x0102: tiff.short(8, 8, 8),
        0x0103: tiff.short(6),  # old-style JPEG
        0x010E: tiff.text(geometry.label),
        0x010F: tiff.text(MAKE),
        0x0110: tiff.text(MODEL),
        0x0111: tiff.Blob(jpeg),
        0x0112: tiff.short(1),  # orientation: upright
        0x0117: tiff.long(len(jpeg)),
        0x011A: tiff.rational(Fraction(72)),
        0x011B: tiff.rational(Fraction(72)),
        0x0128: tiff.short(2),  # inches
        0x0131: tiff.text(SOFTWARE),
        0x0132: tiff.text(_time(shooting.taken)),
        0x8769: tiff.SubIfd(_exif(geometry, shooting, black)),
    }


def _exif(geometry: Geometry, shooting: ShootingData, black: Sequence[int]) -> tiff.Fields:
    left, top, right, bottom = geometry.crop
    offset = shooting.taken.strftime("%z")
    return {
        0x829A: tiff.rational(shooting.nominal_shutter),  # ExposureTime
        0x829D: tiff.rational(Fraction(str(shooting.aperture))),  # FNumber
        0x8822: tiff.short(1),  # ExposureProgram: manual
        0x8827: tiff.short(shooting.iso),
        0x8830: tiff.short(2),  # SensitivityType: recommended exposure index
        0x8832: tiff.long(shooting.iso),
        0x9000: tiff.undefined(b"0230"),
        0x9003: tiff.text(_time(shooting.taken)),  # DateTimeOriginal
        0x9004: tiff.text(_time(shooting.taken)),
        0x9010: tiff.text(f"{offset[:3]}:{offset[3:5]}"),
        0x9011: tiff.text(f"{offset[:3]}:{offset[3:5]}"),
        0x9101: tiff.undefined(b"\x01\x02\x03\x00"),
        0x9201: tiff.srational(_apex(-log2(shooting.shutter_s))),  # ShutterSpeedValue: the true time
        0x9202: tiff.rational(_apex(2 * log2(shooting.aperture))),  # ApertureValue
        0x9209: tiff.short(16),  # flash off
        0x927C: tiff.MakerNote(_canon(geometry, shooting, black)),
        0x9291: tiff.text(f"{shooting.taken.microsecond // 10000:02d}"),  # SubSecTimeOriginal
        0x9292: tiff.text(f"{shooting.taken.microsecond // 10000:02d}"),
        0xA000: tiff.undefined(b"0100"),
        0xA001: tiff.short(1),  # sRGB
        0xA002: tiff.short(right - left + 1),
        0xA003: tiff.short(bottom - top + 1),
        0xA402: tiff.short(1),  # ExposureMode: manual
        0xA403: tiff.short(0),
        0xA431: tiff.text(shooting.serial),
        0xA434: tiff.text(shooting.lens),
    }


def _canon(geometry: Geometry, shooting: ShootingData, black: Sequence[int]) -> tiff.Fields:
    sensor_info = (34, geometry.columns, geometry.rows, 1, 1, *geometry.crop)
    masked = (0, geometry.top, geometry.left - 1, geometry.rows - 1)
    fields: dict[int, tiff.Field] = {
        0x0006: tiff.text(MODEL),
        0x0008: tiff.long(1_000_000 + shooting.frame_number % 10_000),  # folder 100, file number
        0x0010: tiff.long(MODEL_ID),
        0x0095: tiff.text(shooting.lens),
        0x00E0: tiff.short(*sensor_info, *masked, 0, 0, 0, 0),
        0x4001: tiff.short(*_color_data(shooting, black)),
    }
    if shooting.serial.isdecimal() and int(shooting.serial) < 1 << 32:
        fields[0x000C] = tiff.long(int(shooting.serial))
    return fields


def _color_data(shooting: ShootingData, black: Sequence[int]) -> list[int]:
    words = [0] * _COLOR_DATA_WORDS
    words[0] = _COLOR_DATA_SUBVERSION
    red, green, blue = (round(1024 * gain) for gain in shooting.white_balance)
    for at in (_AS_SHOT, _AUTO, _MEASURED):
        words[at : at + 4] = red, green, green, blue
    words[_BLACK : _BLACK + 4] = black
    words[_WHITE : _WHITE + 2] = shooting.white_dn, shooting.white_dn  # normal and specular
    return words


def _thumbnail(preview: NDArray[np.uint8]) -> tiff.Fields:
    jpeg = _jpeg(np.asarray(cv2.resize(preview, _THUMBNAIL_PX, interpolation=cv2.INTER_AREA), np.uint8))
    return {0x0201: tiff.Blob(jpeg), 0x0202: tiff.long(len(jpeg))}


def _raw_image(mosaic: NDArray[np.uint16]) -> tiff.Fields:
    rows, columns = mosaic.shape
    left = columns // 4 * 2  # two slices, one after the other, as a 6D writes them
    slices = np.concatenate((mosaic[:, :left].ravel(), mosaic[:, left:].ravel()))
    data = ljpeg.encode(slices.reshape(rows, columns))
    return {
        0x0103: tiff.short(6),
        0x0111: tiff.Blob(data),
        0x0117: tiff.long(len(data)),
        0xC5D8: tiff.long(1),
        0xC5E0: tiff.long(1),
        0xC640: tiff.short(1, left, columns - left),  # CR2Slice
        0xC6C5: tiff.long(1),  # not an sRAW
    }


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, 85))
    return bytes(data)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y:%m:%d %H:%M:%S")


def _apex(value: float) -> Fraction:
    return Fraction(round(value * 65536), 65536)
