"""The CR2 container: a TIFF of four images with Canon's own tags beside them.

Sources: the layout by L. Vuillermoz-Delmas and L. Clevy (lclevy.free.fr/cr2), tag names and codes by exiftool, and what
LibRaw reads. The body is an "EOS 6D" to LibRaw (model id 0x80000302), while Software and ImageDescription say
"simulated". The images, as in a body's file: the picture developed at full size (JPEG), a thumbnail (JPEG), a small
picture without compression (16-bit RGB), the mosaic (lossless JPEG).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import log2

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated import ljpeg, tiff
from sidcap.capture.simulated.sensor import Geometry, looked_up
from sidcap.capture.simulated.tiff import TiffWriter

Picture = NDArray[np.uint8]

MAKE, MODEL, SOFTWARE = "Canon", "Canon EOS 6D", "sidcap simulated camera"
MODEL_ID = 0x80000302
FIRMWARE = "1.1.2"
FOCAL_LENGTH_MM = 50
MAX_APERTURE, MIN_APERTURE = 1.8, 22.0
LENS_TYPE = 1  # "Canon EF 50mm f/1.8" in exiftool's table
# ColorData7 of Canon's maker notes, as the 6D has it: length and, in 16-bit words, where things are.
_COLOR_DATA_WORDS, _COLOR_DATA_SUBVERSION = 1313, 10
_AS_SHOT, _AUTO, _MEASURED, _BLACK, _WHITE = 0x3F, 0x44, 0x49, 0x1F8, 0x1FC
# CameraInfo of a 6D: length (guess: past the last byte that exiftool reads) and, in bytes, where things are.
_CAMERA_INFO_BYTES = 0x400
_CI_F_NUMBER, _CI_EXPOSURE, _CI_ISO, _CI_TEMPERATURE, _CI_FOCAL_LENGTH = 0x03, 0x04, 0x06, 0x1B, 0x23
_CI_LENS_TYPE, _CI_MIN_FOCAL, _CI_MAX_FOCAL, _CI_FIRMWARE = 0x161, 0x163, 0x165, 0x256
_CI_FILE_INDEX, _CI_FOLDER_INDEX = 0x2AA, 0x2B6
_FOLDER = 100
_THUMBNAIL_PX = (160, 120)
_SMALL_PICTURE_PART = 592 / 5472  # of the width: 592 x 395 in a body's file
_PREVIEW_QUALITY, _THUMBNAIL_QUALITY = 80, 85


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
    sensor_c: float
    white_balance: tuple[float, float, float]
    white_dn: int


def pack(mosaic: NDArray[np.uint16], geometry: Geometry, shooting: ShootingData) -> bytes:
    """The whole CR2 file of a raw frame, uint16 (rows, columns), RGGB."""
    black = masked_black(mosaic, geometry)
    half = developed(mosaic, geometry, shooting, black)
    file = TiffWriter()
    first = file.add(_description(geometry, shooting, black, _doubled(half)))
    thumbnail = file.add(_thumbnail(half))
    small = file.add(_small_picture(half))
    raw = file.add(_raw_image(mosaic))
    file.chain(first, thumbnail, small, raw)
    return file.finish(first, raw)


def jpeg(mosaic: NDArray[np.uint16], geometry: Geometry, shooting: ShootingData, size_px: tuple[int, int]) -> bytes:
    """The developed picture as a JPEG file with EXIF, ``size_px`` wide and high."""
    black = masked_black(mosaic, geometry)
    picture = _resized(developed(mosaic, geometry, shooting, black), size_px)
    file = TiffWriter(is_cr2=False)
    first = file.add(_text_fields(geometry, shooting, black))
    exif = b"Exif\0\0" + file.finish(first)
    data = _jpeg(picture, _PREVIEW_QUALITY)
    return data[:2] + struct.pack(">HH", 0xFFE1, len(exif) + 2) + exif + data[2:]


def masked_black(mosaic: NDArray[np.uint16], geometry: Geometry) -> tuple[int, int, int, int]:
    """Black level of the four photosites R, G, G, B, measured on the masked columns."""
    masked = mosaic[geometry.top :, : geometry.left]
    red, green, green2, blue = (round(float(masked[y::2, x::2].mean())) for y in (0, 1) for x in (0, 1))
    return red, green, green2, blue


def developed(mosaic: NDArray[np.uint16], geometry: Geometry, shooting: ShootingData, black: Sequence[int]) -> Picture:
    """The picture at half the size, uint8 (rows, columns, BGR), one pixel from each square of four photosites.

    Camera colours with white balance and a gamma of 2.2.
    """
    left, top, right, bottom = geometry.crop
    gains = (shooting.white_balance[0], 1.0, 1.0, shooting.white_balance[2])
    numbers = np.arange(1 << 14, dtype=np.float32)
    sites = []
    for at, (level, gain) in enumerate(zip(black, gains, strict=True)):
        y, x = divmod(at, 2)
        site = mosaic[top + y : bottom + 1 : 2, left + x : right + 1 : 2]
        linear = np.clip((numbers - level) * np.float32(gain / (shooting.white_dn - level)), 0, 1)
        tone = (linear ** np.float32(1 / 2.2) * 255 + 0.5).astype(np.uint8)
        sites.append(looked_up(tone, site))
    rows, columns = (min(site.shape[axis] for site in sites) for axis in (0, 1))
    red, green, green2, blue = (site[:rows, :columns] for site in sites)
    return np.asarray(cv2.merge((blue, cv2.addWeighted(green, 0.5, green2, 0.5, 0), red)), np.uint8)


# What stands in the file


def _description(geometry: Geometry, shooting: ShootingData, black: Sequence[int], preview: Picture) -> tiff.Fields:
    jpeg = _jpeg(preview, _PREVIEW_QUALITY)
    return {
        **_text_fields(geometry, shooting, black),
        0x0100: tiff.short(preview.shape[1]),
        0x0101: tiff.short(preview.shape[0]),
        0x0102: tiff.short(8, 8, 8),
        0x0103: tiff.short(6),  # old-style JPEG
        0x0111: tiff.Blob(jpeg),
        0x0117: tiff.long(len(jpeg)),
    }


def _text_fields(geometry: Geometry, shooting: ShootingData, black: Sequence[int]) -> dict[int, tiff.Field]:
    """The fields of the first directory that do not depend on what image it holds."""
    return {
        0x010E: tiff.text(geometry.label),
        0x010F: tiff.text(MAKE),
        0x0110: tiff.text(MODEL),
        0x0112: tiff.short(1),  # orientation: upright
        0x011A: tiff.rational(Fraction(72)),
        0x011B: tiff.rational(Fraction(72)),
        0x0128: tiff.short(2),  # inches
        0x0131: tiff.text(SOFTWARE),
        0x0132: tiff.text(_time(shooting.taken)),
        0x0213: tiff.short(1),  # YCbCrPositioning: centred
        0x8769: tiff.SubIfd(_exif(geometry, shooting, black)),
    }


def _exif(geometry: Geometry, shooting: ShootingData, black: Sequence[int]) -> tiff.Fields:
    left, top, right, bottom = geometry.crop
    offset = shooting.taken.strftime("%z")
    hundredths = f"{shooting.taken.microsecond // 10000:02d}"
    focal_mm = Fraction(FOCAL_LENGTH_MM)
    return {
        0x829A: tiff.rational(shooting.nominal_shutter),  # ExposureTime
        0x829D: tiff.rational(Fraction(str(shooting.aperture))),  # FNumber
        0x8822: tiff.short(1),  # ExposureProgram: manual
        0x8827: tiff.short(min(shooting.iso, 65535)),  # EXIF 2.3: RecommendedExposureIndex has what is more
        0x8830: tiff.short(2),  # SensitivityType: recommended exposure index
        0x8832: tiff.long(shooting.iso),
        0x9000: tiff.undefined(b"0231"),  # a body states 0230, and no offset from UTC
        0x9003: tiff.text(_time(shooting.taken)),  # DateTimeOriginal
        0x9004: tiff.text(_time(shooting.taken)),
        0x9010: tiff.text(f"{offset[:3]}:{offset[3:5]}"),
        0x9011: tiff.text(f"{offset[:3]}:{offset[3:5]}"),
        0x9101: tiff.undefined(b"\x01\x02\x03\x00"),
        0x9201: tiff.srational(_apex(-log2(shooting.shutter_s))),  # ShutterSpeedValue: the true time
        0x9202: tiff.rational(_apex(2 * log2(shooting.aperture))),  # ApertureValue
        0x9207: tiff.short(5),  # MeteringMode: multi-segment
        0x9209: tiff.short(16),  # flash off
        0x920A: tiff.rational(focal_mm),
        0x927C: tiff.MakerNote(_canon(geometry, shooting, black)),
        0x9291: tiff.text(hundredths),  # SubSecTimeOriginal
        0x9292: tiff.text(hundredths),
        0xA000: tiff.undefined(b"0100"),
        0xA001: tiff.short(1),  # sRGB
        0xA002: tiff.short(right - left + 1),
        0xA003: tiff.short(bottom - top + 1),
        0xA402: tiff.short(1),  # ExposureMode: manual
        0xA403: tiff.short(0),
        0xA406: tiff.short(0),  # SceneCaptureType: standard
        0xA431: tiff.text(shooting.serial),
        0xA432: tiff.rationals(focal_mm, focal_mm, Fraction(0), Fraction(0)),  # LensSpecification; f-number unknown
        0xA434: tiff.text(shooting.lens),
        0xA435: tiff.text("0000000000"),  # LensSerialNumber: as lenses of that age give it
    }


def _canon(geometry: Geometry, shooting: ShootingData, black: Sequence[int]) -> tiff.Fields:
    sensor_info = (34, geometry.columns, geometry.rows, 1, 1, *geometry.crop)
    masked = (0, geometry.top, geometry.left - 1, geometry.rows - 1)
    fields: dict[int, tiff.Field] = {
        0x0001: tiff.short(*_camera_settings()),
        0x0002: tiff.short(1, FOCAL_LENGTH_MM, 0, 0),  # a fixed focal length
        0x0004: tiff.short(*_shot_info(shooting)),
        0x0006: tiff.text(MODEL),
        0x0007: tiff.text(f"Firmware Version {FIRMWARE}"),
        0x0008: tiff.long(_FOLDER * 10_000 + shooting.frame_number % 10_000),  # FileNumber
        0x0009: tiff.text(""),  # OwnerName
        0x000D: tiff.undefined(_camera_info(shooting)),
        0x0010: tiff.long(MODEL_ID),
        0x0095: tiff.text(shooting.lens),
        0x0096: tiff.text(_internal_serial(shooting.serial)),
        0x00E0: tiff.short(*sensor_info, *masked, 0, 0, 0, 0),
        0x4001: tiff.short(*_color_data(shooting, black)),
    }
    if shooting.serial.isdecimal() and int(shooting.serial) < 1 << 32:
        fields[0x000C] = tiff.long(int(shooting.serial))
    return fields


def _camera_settings() -> list[int]:
    """Canon's CameraSettings, by exiftool's numbers; what is not simulated is 0 or "not applicable"."""
    words = [0] * 49
    known = {
        0: 2 * len(words),
        1: 2,  # no macro
        3: 4,  # quality: RAW
        5: 0,  # single frames
        7: 3,  # focus mode: manual
        9: 6,  # record mode: CR2
        10: 0xFFFF,  # image size: not applicable
        11: 1,  # manual, as opposed to a scene programme
        17: 3,  # evaluative metering
        20: 4,  # exposure mode: manual
        22: LENS_TYPE,
        23: FOCAL_LENGTH_MM,
        24: FOCAL_LENGTH_MM,
        25: 1,  # per millimetre
        26: _canon_ev(2 * log2(MAX_APERTURE)),
        27: _canon_ev(2 * log2(MIN_APERTURE)),
        32: 0xFFFF,
        33: 0xFFFF,
        34: 0xFFFF,
        42: 0x7FFF,
    }
    for at, value in known.items():
        words[at] = value
    return words


def _shot_info(shooting: ShootingData) -> list[int]:
    """Canon's ShotInfo, by exiftool's numbers."""
    words = [0] * 34
    aperture, shutter = 2 * log2(shooting.aperture), -log2(shooting.shutter_s)
    known = {
        0: 2 * len(words),
        2: round(32 * log2(shooting.iso * 32 / 100)),  # BaseISO
        4: _canon_ev(aperture),
        5: _canon_ev(shutter),
        8: 3,  # no slow shutter
        10: 8,  # no zoom
        12: _temperature_code(shooting),
        21: _canon_ev(aperture),
        22: _canon_ev(shutter),
    }
    for at, value in known.items():
        words[at] = value & 0xFFFF
    return words


def _camera_info(shooting: ShootingData) -> bytes:
    """Canon's CameraInfo as a 6D lays it out, by exiftool's offsets; focal lengths are big-endian in it."""
    block = bytearray(_CAMERA_INFO_BYTES)
    block[_CI_F_NUMBER] = round(16 * log2(shooting.aperture) + 8)
    block[_CI_EXPOSURE] = _limited(round(56 - 8 * log2(shooting.shutter_s)), 1, 255)
    block[_CI_ISO] = round(8 * (log2(shooting.iso / 100) + 9))
    block[_CI_TEMPERATURE] = _temperature_code(shooting)
    for at, value in (
        (_CI_FOCAL_LENGTH, FOCAL_LENGTH_MM),
        (_CI_MIN_FOCAL, FOCAL_LENGTH_MM),
        (_CI_MAX_FOCAL, FOCAL_LENGTH_MM),
        (_CI_LENS_TYPE, LENS_TYPE),
    ):
        struct.pack_into(">H", block, at, value)
    block[_CI_FIRMWARE : _CI_FIRMWARE + 6] = FIRMWARE.encode().ljust(6, b"\0")
    struct.pack_into("<I", block, _CI_FILE_INDEX, shooting.frame_number % 10_000 - 1 & 0xFFFF_FFFF)
    struct.pack_into("<I", block, _CI_FOLDER_INDEX, _FOLDER + 1)
    return bytes(block)


def _canon_ev(stops: float) -> int:
    """Canon's code of a number of stops: 32 to a stop, but 12 and 20 for its thirds (exiftool, CanonEv)."""
    thirds = round(3 * abs(stops))
    whole, rest = divmod(thirds, 3)
    code = 32 * whole + (0, 12, 20)[rest]
    return (code if stops >= 0 else -code) & 0xFFFF


def _temperature_code(shooting: ShootingData) -> int:
    return _limited(round(shooting.sensor_c) + 128, 1, 255)


def _limited(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def _internal_serial(serial: str) -> str:
    """Two letters and seven digits, as on a body; which ones is anybody's guess."""
    return f"SC{serial[-7:]:>07}"


def _color_data(shooting: ShootingData, black: Sequence[int]) -> list[int]:
    words = [0] * _COLOR_DATA_WORDS
    words[0] = _COLOR_DATA_SUBVERSION
    red, green, blue = (round(1024 * gain) for gain in shooting.white_balance)
    for at in (_AS_SHOT, _AUTO, _MEASURED):
        words[at : at + 4] = red, green, green, blue
    words[_BLACK : _BLACK + 4] = black
    words[_WHITE : _WHITE + 2] = shooting.white_dn, shooting.white_dn  # normal and specular
    return words


def _thumbnail(half: Picture) -> tiff.Fields:
    data = _jpeg(_resized(half, _THUMBNAIL_PX), _THUMBNAIL_QUALITY)
    return {0x0103: tiff.short(6), 0x0201: tiff.Blob(data), 0x0202: tiff.long(len(data))}


def _small_picture(half: Picture) -> tiff.Fields:
    width = round(2 * half.shape[1] * _SMALL_PICTURE_PART)
    rgb = _resized(half, (width, round(width * half.shape[0] / half.shape[1])))[..., ::-1]
    data = (rgb.astype("<u2") * 257).tobytes()
    return {
        0x0100: tiff.short(rgb.shape[1]),
        0x0101: tiff.short(rgb.shape[0]),
        0x0102: tiff.short(16, 16, 16),
        0x0103: tiff.short(1),  # not compressed
        0x0106: tiff.short(2),  # RGB
        0x0111: tiff.Blob(data),
        0x0115: tiff.short(3),
        0x0116: tiff.short(rgb.shape[0]),
        0x0117: tiff.long(len(data)),
        0x011C: tiff.short(1),  # colours side by side
        0xC5D9: tiff.long(2),
        0xC6C5: tiff.long(3),
    }


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


def _jpeg(picture: Picture, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return bytes(data)


def _doubled(half: Picture) -> Picture:
    return _resized(half, (2 * half.shape[1], 2 * half.shape[0]))


def _resized(picture: Picture, size_px: tuple[int, int]) -> Picture:
    shrinks = size_px[0] < picture.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size_px, interpolation=how), np.uint8)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y:%m:%d %H:%M:%S")


def _apex(value: float) -> Fraction:
    return Fraction(round(value * 65536), 65536)
