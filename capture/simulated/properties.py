"""The settings and states of the camera: their codes, types, first values and choices.

Canon's properties are not asked for one by one. The camera announces each value, and the list of values that
can be chosen, as records in the answer to ``EOS_GetEvent``, and the host keeps what it heard. Each row of
``PROPERTIES`` is one of them; codes, order, first values and choices are those that libgphoto2 printed for a
real EOS 6D, types are libgphoto2's (``ptp-pack.c``). ``CONSTANTS`` are those that nothing here ever changes.

Exposure values are coded in eighths of a stop, one stop being 8: third stops are +3 and +5.

What differs from a real body: mRAW and sRAW are offered, and refused; a button that is held down takes one
frame in every drive mode; exposure compensation, white balance, picture style and noise reduction at high ISO
are kept but change no pixel.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from sidcap.capture.simulated import identity
from sidcap.capture.simulated.codes import CaptureDestination, MirrorLockup, ResponseCode


class PropertyCode(IntEnum):
    """``PTP_DPC_CANON_EOS_`` of libgphoto2."""

    Aperture = 0xD101
    ShutterSpeed = 0xD102
    ISOSpeed = 0xD103
    ExpCompensation = 0xD104
    AutoExposureMode = 0xD105
    DriveMode = 0xD106
    MeteringMode = 0xD107
    FocusMode = 0xD108
    WhiteBalance = 0xD109
    ColorTemperature = 0xD10A
    WhiteBalanceAdjustA = 0xD10B
    WhiteBalanceAdjustB = 0xD10C
    WhiteBalanceXA = 0xD10D
    WhiteBalanceXB = 0xD10E
    ColorSpace = 0xD10F
    PictureStyle = 0xD110
    BatteryPower = 0xD111
    BatterySelect = 0xD112
    CameraTime = 0xD113
    AutoPowerOff = 0xD114
    Owner = 0xD115
    ModelID = 0xD116
    PTPExtensionVersion = 0xD119
    AvailableShots = 0xD11B
    CaptureDestination = 0xD11C
    BracketMode = 0xD11D
    CurrentStorage = 0xD11E
    CurrentFolder = 0xD11F
    ImageFormat = 0xD120
    ImageFormatCF = 0xD121
    ImageFormatSD = 0xD122
    AEModeDial = 0xD138
    MirrorUpSetting = 0xD13A
    UTCTime = 0xD17C
    HighISONoiseReduction = 0xD178
    OLCInfoVersion = 0xD199
    CustomFuncEx = 0xD1A0
    QuickReviewTime = 0xD1A9
    ShutterCounter = 0xD1AC
    SerialNumber = 0xD1AF
    EVFOutputDevice = 0xD1B0
    EVFMode = 0xD1B1
    EVFRecordStatus = 0xD1B8
    LvAfSystem = 0xD1BA
    MirrorDownStatus = 0xD1BD
    MirrorLockupState = 0xD1BF
    AloMode = 0xD1C1
    ErrorForDisplay = 0xD1C4
    Artist = 0xD1D0
    Copyright = 0xD1D1
    LensName = 0xD1D8
    AEB = 0xD1D9


class ValueType(Enum):
    """How a property's value is written: a number of so many bits (S: signed), or something of its own."""

    U8 = "<B"
    U16 = "<H"
    U32 = "<I"
    S32 = "<i"
    TEXT = "text"
    """UTF-8, ending in NUL."""
    IMAGE_FORMAT = "image format"
    RECORDS = "records"
    """Several blocks of bytes, each announced on its own."""


class FileFormat(NamedTuple):
    """One file of an exposure; ``kind`` is 1 for JPEG and 6 for raw (libgphoto2, ``EOS_ImageFormat``).

    Sizes of a JPEG file are 0 L, 1 M, 14 S1, 15 S2, 16 S3, of a raw file 0 RAW, 1 mRAW, 2 sRAW; compression is
    2 normal, 3 fine, 4 raw.
    """

    kind: int
    size: int
    compression: int

    @property
    def is_raw(self) -> bool:
        return self.kind == _KIND_RAW


_KIND_JPEG, _KIND_RAW = 1, 6
ImageFormat = tuple[FileFormat, ...]
"""The files of an exposure: one, or a raw file and a JPEG."""

Records = tuple[bytes, ...]
Value = int | str | ImageFormat | Records

RAW_FILE = FileFormat(_KIND_RAW, 0, 4)
RAW: ImageFormat = (RAW_FILE,)
_SMALL_RAW_FILES = (FileFormat(_KIND_RAW, 1, 4), FileFormat(_KIND_RAW, 2, 4))
JPEG_FILES: Mapping[FileFormat, tuple[str, str]] = MappingProxyType(
    {
        FileFormat(_KIND_JPEG, 0, 3): ("L", "Large Fine JPEG"),
        FileFormat(_KIND_JPEG, 0, 2): ("cL", "Large Normal JPEG"),
        FileFormat(_KIND_JPEG, 1, 3): ("M", "Medium Fine JPEG"),
        FileFormat(_KIND_JPEG, 1, 2): ("cM", "Medium Normal JPEG"),
        FileFormat(_KIND_JPEG, 14, 3): ("S1", "Small Fine JPEG"),
        FileFormat(_KIND_JPEG, 14, 2): ("cS1", "Small Normal JPEG"),
        FileFormat(_KIND_JPEG, 15, 3): ("S2", "Smaller JPEG"),
        FileFormat(_KIND_JPEG, 16, 3): ("S3", "Tiny JPEG"),
    }
)
"""JPEG files, by libgphoto2's names since 2.5.32 and before."""

IMAGE_FORMATS: tuple[ImageFormat, ...] = (
    *((jpeg,) for jpeg in JPEG_FILES),
    *((raw, jpeg) for raw in (RAW_FILE, *_SMALL_RAW_FILES) for jpeg in JPEG_FILES),
    *((raw,) for raw in (RAW_FILE, *_SMALL_RAW_FILES)),
)
"""What the body offers, in its order."""
NOT_SIMULATED_FORMATS = frozenset(files for files in IMAGE_FORMATS if files[0] in _SMALL_RAW_FILES)


@dataclass(frozen=True)
class Property:
    """One row of the table.

    ``first`` is the value at power-on. ``choices`` are the values that can be set, none where the value is
    free or cannot be set. ``refusal`` is the answer to setting what is not ``writable``. A property that is
    ``announced`` comes with all the others when events are switched on; the rest only when asked for with
    ``EOS_RequestDevicePropValue``.
    """

    type: ValueType
    first: Value
    choices: tuple[Value, ...] = ()
    writable: bool = False
    refusal: ResponseCode = ResponseCode.AccessDenied
    announced: bool = True


class ShutterTime(NamedTuple):
    """One shutter setting: the time it stands for, and the one that is printed on the camera."""

    true_s: float
    """Powers of two in third stops: 2^(n/3) seconds. "30" is 32 s, "10" is 10.079 s, "1/10" is 0.0992 s."""
    nominal_s: Fraction


def _stops(code: int, origin: int) -> Fraction:
    """Stops between ``origin`` and ``code``, with third stops for Canon's eighths."""
    whole, eighths = divmod(code - origin, 8)
    return whole + Fraction({0: 0, 3: 1, 5: 2}[eighths], 3)


def _third_stop_codes(first: int, last: int) -> tuple[int, ...]:
    return tuple(code for code in range(first, last + 1) if code % 8 in (0, 3, 5))


ISO_AUTO = 0x00
ISO_SPEEDS: Mapping[int, int] = MappingProxyType(
    dict(
        zip(
            _third_stop_codes(0x48, 0x88),
            (
                *(100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1000, 1250, 1600),
                *(2000, 2500, 3200, 4000, 5000, 6400, 8000, 10000, 12800, 16000, 20000, 25600),
            ),
            strict=True,
        )
    )
    | {0x40: 50, ISO_AUTO: 400}
)
"""ISO by code. There is no light meter here: Auto exposes at ISO 400, as a real body does in bulb (Canon)."""

APERTURES: Mapping[int, float] = MappingProxyType(
    dict(
        zip(
            _third_stop_codes(0x20, 0x50),
            (2.8, 3.2, 3.5, 4, 4.5, 5, 5.6, 6.3, 7.1, 8, 9, 10, 11, 13, 14, 16, 18, 20, 22),
            strict=True,
        )
    )
)
"""f-number by code, as far as the lens goes; 0x08 is f/1."""

_NOMINAL_SHUTTER_S = (
    *("30", "25", "20", "15", "13", "10", "8", "6", "5", "4", "3.2", "2.5", "2", "1.6", "1.3"),
    *("1", "0.8", "0.6", "0.5", "0.4", "0.3", "1/4", "1/5", "1/6", "1/8", "1/10", "1/13", "1/15"),
    *("1/20", "1/25", "1/30", "1/40", "1/50", "1/60", "1/80", "1/100", "1/125", "1/160", "1/200", "1/250"),
    *("1/320", "1/400", "1/500", "1/640", "1/800", "1/1000", "1/1250", "1/1600", "1/2000", "1/2500"),
    *("1/3200", "1/4000"),
)
SHUTTER_TIMES: Mapping[int, ShutterTime] = MappingProxyType(
    {
        code: ShutterTime(2.0 ** -float(_stops(code, origin=0x38)), Fraction(nominal))
        for code, nominal in zip(_third_stop_codes(0x10, 0x98), _NOMINAL_SHUTTER_S, strict=True)
    }
)
"""Shutter times by code; 0x38 is one second. libgphoto2 calls 0x1d "10.3" and 0x23 "6.3"."""

SELF_TIMER_S: Mapping[int, float] = MappingProxyType({0x11: 2.0, 0x10: 10.0})
"""Drive modes that wait before the exposure. The others are single and continuous, loud and silent."""

SHUTTER_BULB = 0x0C
"""The shutter setting of a mode dial on B: open for as long as the button is held."""

MANUAL_EXPOSURE, BULB_EXPOSURE = 3, 4
"""Positions of the mode dial; a body has more."""
ONE_SHOT, MANUAL_FOCUS = 0, 3
FOCUS_MODES = (ONE_SHOT, 2, 1)
"""One Shot, AI Focus, AI Servo: what can be chosen while the lens's switch stands on AF."""
BATTERY_FULL = 2
LENS = "EF40mm f/2.8 STM"
"""A lens that libgphoto2 shows; its focus switch stands on MF."""

_ISO_CHOICES = (ISO_AUTO, 0x40, *_third_stop_codes(0x48, 0x88))
_DRIVE_MODES = (0x00, 0x01, 0x13, 0x14, *SELF_TIMER_S)
_WHITE_BALANCES = (0, 1, 8, 2, 3, 4, 5, 6, 9)
_PICTURE_STYLES = (0x87, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x21, 0x22, 0x23)
_EXPOSURE_COMPENSATIONS = tuple(code & 0xFF for code in (*_third_stop_codes(-40, -1), *_third_stop_codes(0, 40)))
_DESTINATIONS = tuple(
    int(target)
    for target in (
        CaptureDestination.CARD,
        CaptureDestination.CARD | CaptureDestination.HOST,
        CaptureDestination.HOST,
    )
)


def _words(text: str) -> bytes:
    """Numbers of 32 bits, written in hexadecimal as libgphoto2 prints them."""
    numbers = [int(word, 16) for word in text.split(",")]
    return struct.pack(f"<{len(numbers)}I", *numbers)


CUSTOM_FUNCTIONS: Records = (
    _words("60,1,1,54,6,101,1,0,102,1,0,104,1,0,105,1,0,106,2,3,0,108,1,0"),
    _words("bc,1,3,b0,9,502,1,0,518,1,0,519,1,0,51a,1,0,50e,1,0,505,1,0,516,1,0,510,1,0,507,10" + ",0" * 16),
    _words("9c,1,4,90,5,706,1,0,80b,1,0,70f,2,0,2,40a,1,3,70c,13" + ",0" * 19),
)
"""C.Fn I exposure, II autofocus, III operation; there is no 60f among them, which other bodies use for lockup.

A block is its own length, 1, the number of its group, the length of the rest, the number of functions, and for
each function its number, the count of its values, and the values.
"""

PROPERTIES: Mapping[PropertyCode, Property] = MappingProxyType(
    {
        PropertyCode.AutoExposureMode: Property(ValueType.U16, MANUAL_EXPOSURE),
        PropertyCode.FocusMode: Property(ValueType.U32, MANUAL_FOCUS, writable=True),
        PropertyCode.DriveMode: Property(ValueType.U16, 0x00, _DRIVE_MODES, writable=True),
        PropertyCode.MeteringMode: Property(ValueType.U8, 3, (3, 4, 1, 5), writable=True),
        PropertyCode.WhiteBalance: Property(ValueType.U8, 0, _WHITE_BALANCES, writable=True),
        PropertyCode.ColorTemperature: Property(ValueType.U32, 5200, tuple(range(2500, 10001, 100)), writable=True),
        PropertyCode.WhiteBalanceAdjustA: Property(ValueType.S32, 0, tuple(range(-9, 10)), writable=True),
        PropertyCode.WhiteBalanceAdjustB: Property(ValueType.S32, 0, tuple(range(-9, 10)), writable=True),
        PropertyCode.WhiteBalanceXA: Property(ValueType.U32, 0, tuple(range(4)), writable=True),
        PropertyCode.WhiteBalanceXB: Property(ValueType.U32, 0, tuple(range(4)), writable=True),
        PropertyCode.ColorSpace: Property(ValueType.U16, 1, (1, 2), writable=True),
        PropertyCode.AvailableShots: Property(ValueType.U32, 0),
        # Many bodies answer busy whenever it is set; that the 6D is one of them is a guess.
        PropertyCode.AutoPowerOff: Property(ValueType.U32, 60, refusal=ResponseCode.DeviceBusy),
        PropertyCode.ModelID: Property(ValueType.U32, identity.MODEL_ID),
        PropertyCode.PTPExtensionVersion: Property(ValueType.U16, 0x100),
        PropertyCode.PictureStyle: Property(ValueType.U8, 0x81, _PICTURE_STYLES, writable=True),
        PropertyCode.Aperture: Property(ValueType.U16, 0x20, tuple(APERTURES), writable=True),
        PropertyCode.ShutterSpeed: Property(ValueType.U16, 0x68, tuple(SHUTTER_TIMES), writable=True),
        PropertyCode.ISOSpeed: Property(ValueType.U16, 0x48, _ISO_CHOICES, writable=True),
        PropertyCode.ExpCompensation: Property(ValueType.U8, 0, _EXPOSURE_COMPENSATIONS, writable=True),
        PropertyCode.BracketMode: Property(ValueType.U16, 0),
        PropertyCode.BatteryPower: Property(ValueType.U16, BATTERY_FULL),
        PropertyCode.BatterySelect: Property(ValueType.U32, 0),
        PropertyCode.CameraTime: Property(ValueType.U32, 0, writable=True),
        PropertyCode.UTCTime: Property(ValueType.U32, 0, writable=True),
        PropertyCode.ImageFormat: Property(ValueType.IMAGE_FORMAT, RAW, IMAGE_FORMATS, writable=True),
        PropertyCode.ImageFormatCF: Property(ValueType.IMAGE_FORMAT, RAW, IMAGE_FORMATS, writable=True),
        PropertyCode.ImageFormatSD: Property(ValueType.IMAGE_FORMAT, RAW, IMAGE_FORMATS, writable=True),
        PropertyCode.CaptureDestination: Property(
            ValueType.U32, int(CaptureDestination.CARD), _DESTINATIONS, writable=True
        ),
        PropertyCode.CustomFuncEx: Property(ValueType.RECORDS, CUSTOM_FUNCTIONS, writable=True),
        PropertyCode.EVFOutputDevice: Property(ValueType.U32, 0, tuple(range(12)), writable=True),
        PropertyCode.EVFMode: Property(ValueType.U16, 1, (1, 0), writable=True),
        PropertyCode.QuickReviewTime: Property(ValueType.U16, 2, (0, 2, 4, 8, 0xFF), writable=True),
        PropertyCode.ShutterCounter: Property(ValueType.U32, 0),
        PropertyCode.CurrentStorage: Property(ValueType.U32, 0),
        PropertyCode.CurrentFolder: Property(ValueType.U32, 0),
        PropertyCode.AEB: Property(
            ValueType.U16, 0, (0, 0x03, 0x05, 0x08, 0x0B, 0x0D, 0x10, 0x13, 0x15, 0x18), writable=True
        ),
        PropertyCode.LvAfSystem: Property(ValueType.U32, 1, (1, 2, 0), writable=True),
        PropertyCode.EVFRecordStatus: Property(ValueType.U16, 3),
        PropertyCode.LensName: Property(ValueType.TEXT, LENS),
        PropertyCode.MirrorDownStatus: Property(ValueType.U32, 0),
        PropertyCode.AloMode: Property(ValueType.U32, 0x10303, (3, 1, 0, 2), writable=True),
        PropertyCode.MirrorLockupState: Property(ValueType.U32, int(MirrorLockup.DISABLED)),
        PropertyCode.ErrorForDisplay: Property(ValueType.U32, 0),
        PropertyCode.OLCInfoVersion: Property(ValueType.U32, 7),
        PropertyCode.AEModeDial: Property(ValueType.U16, MANUAL_EXPOSURE),
        PropertyCode.MirrorUpSetting: Property(ValueType.U32, 0, (0, 1), writable=True),
        PropertyCode.HighISONoiseReduction: Property(ValueType.U16, 0, (3, 1, 0, 2, 4), writable=True),
        PropertyCode.Owner: Property(ValueType.TEXT, "", writable=True, announced=False),
        PropertyCode.Artist: Property(ValueType.TEXT, "", writable=True, announced=False),
        PropertyCode.Copyright: Property(ValueType.TEXT, "", writable=True, announced=False),
        PropertyCode.SerialNumber: Property(ValueType.TEXT, "", announced=False),
    }
)

_PICTURE_STYLE_OFF = "1c,0,{sharpness},0,0,0,0"
CONSTANTS: Mapping[int, bytes] = MappingProxyType(
    {
        0xD17D: _words("c,13,3c"),  # time zone
        0xD17E: _words("0"),  # summer time
        **{
            0xD150 + style: _words(_PICTURE_STYLE_OFF.format(sharpness=sharpness))
            for style, sharpness in enumerate((3, 2, 4, 0, 0, 3, 3))
        },
        0xD160: _words("20,87,0,3,0,0,0,0"),
        0xD161: _words("20,87,0,3,0,0,0,0"),
        0xD162: _words("20,87,0,3,0,0,0,0"),
        0xD1A1: _words("8,0"),
        0xD1A3: _words("0"),
        0xD1A7: bytes(40),
        0xD1A8: _words("1"),
        0xD1AA: _words("0"),
        0xD1AB: _words("0"),  # temperature status
        0xD1B2: _words("0"),
        0xD1B3: _words("0"),
        0xD1B4: _words("0"),
        0xD1B5: _words("30,0,0,0,5993c0,0,0,0,0,0,4000400,4000400"),
        0xD1B6: _words("1450"),
        0xD1B7: _words("1"),
        0xD1BC: _words("1"),
        0xD1C0: _words("0"),
        0xD1C2: _words("0"),
        0xD1C3: _words("0"),
        0xD1C5: _words("0"),
        0xD1C7: _words("0"),
        0xD1CC: _words("1c,0,0,19,c,0,3"),
        0xD1D3: bytes.fromhex(  # autofocus points
            "74000000700002000b000b006015400e6015400e52005200520052006200780062005200520052005200620062006200"
            "62004c007f004c00620062006200620089fbddfdddfdddfd000000000000230223022302770400005e010000a2fee801"
            "000018fe5e010000a2fe0000000020000000ffff"
        ),
        0xD1D5: _words("0"),
        0xD1DC: _words("0"),
        0xD1DD: _words("ed"),
        0xD1DF: _words("0"),
        0xD13B: _words("0"),
        0xD13C: _words("3"),
        0xD139: bytes(12),
        0xD13D: _words("18,0,0,0,0,0"),
        0xD14B: _words("20001"),
        0xD14C: _words("0"),
        0xD14D: _words("3c"),
        0xD175: _words("0"),
        0xD177: _words("18,0,0,0,0,0"),
        0xD17B: _words("0"),
        0xD194: _words("0"),
        0xD195: _words("2"),
        0xD196: _words("2f"),
        0xD197: _words("0"),
        0xD198: _words("ff"),
        0xD19A: _words("0"),
        0xD19C: _words("1"),
        0xD19F: _words("0"),
    }
)
"""What a real body announced besides, as it came: picture styles, movie, GPS, Wi-Fi and what nobody has named."""


def encode_value(kind: ValueType, value: Value) -> bytes:
    """``value`` as it stands in an event, filled up to a multiple of four bytes."""
    match value:
        case str():
            data = value.encode("utf-8") + b"\0"
        case int():
            data = struct.pack(kind.value, value)
        case tuple() if kind is ValueType.IMAGE_FORMAT:
            data = struct.pack("<I", len(value)) + b"".join(struct.pack("<4I", 16, *file) for file in value)
        case _:
            raise TypeError(f"{value!r} has no encoding as {kind.name}")
    return data + bytes(-len(data) % 4)


def decode_value(kind: ValueType, data: bytes) -> Value:
    """The value that a host sends to be set.

    Raises:
        ValueError: the bytes are not a value of that kind.
    """
    try:
        match kind:
            case ValueType.TEXT:
                return data.split(b"\0", 1)[0].decode("utf-8")
            case ValueType.IMAGE_FORMAT:
                return _decode_image_format(data)
            case ValueType.RECORDS:
                return (data,)
            case _:
                number: int = struct.unpack_from(kind.value, data)[0]
                return number
    except struct.error as error:
        raise ValueError(str(error)) from error


def _decode_image_format(data: bytes) -> ImageFormat:
    (count,) = struct.unpack_from("<I", data)
    if count not in (1, 2) or len(data) != 4 + 16 * count:
        raise ValueError("an image format is one file or two")
    files = [struct.unpack_from("<4I", data, 4 + 16 * index) for index in range(count)]
    if any(length != 16 for length, *_ in files):
        raise ValueError("a file's format has 16 bytes")
    return tuple(FileFormat(*fields) for _, *fields in files)


def changed_custom_functions(groups: Records, block: bytes) -> Records | None:
    """The groups after a host has set one, or None where ``block`` is not a group of this body.

    A block may change values; numbers of functions, their order and counts are the body's. (A 6D that was sent
    function 60f, which it does not have, was left in a bad state: indi-3rdparty 804. This one refuses.)
    """
    for index, group in enumerate(groups):
        if _layout(group) == _layout(block):
            return (*groups[:index], block, *groups[index + 1 :])
    return None


def _layout(block: bytes) -> list[int] | None:
    """Everything in a block of custom functions but the values; None where it is not such a block."""
    if len(block) < 20 or len(block) % 4:
        return None
    words = struct.unpack(f"<{len(block) // 4}I", block)
    layout, at = list(words[:5]), 5
    while at < len(words):
        layout += words[at : at + 2]
        at += 2 + (words[at + 1] if at + 1 < len(words) else 0)
    return layout if at == len(words) and words[0] == len(block) else None
