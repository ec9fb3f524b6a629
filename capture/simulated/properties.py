"""The settings and states of the camera: their codes, types, first values and choices.

Canon's properties are not asked for one by one. The camera announces each value, and the list of values that
can be chosen, as records in the answer to ``EOS_GetEvent``, and the host keeps what it heard. Each row of
``PROPERTIES`` is one of them; codes, first values and choices are those of a real EOS 6D where libgphoto2
printed them, types are libgphoto2's (``ptp-pack.c``).

Exposure values are coded in eighths of a stop, one stop being 8: third stops are +3 and +5.

What differs from a real body: the image format is RAW and nothing else; the mode dial stands on M and the
lens switch on MF; the battery is always full; a button that is held down takes one frame in every drive mode;
automatic exposure bracketing and exposure compensation stay off.
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
    ColorSpace = 0xD10F
    PictureStyle = 0xD110
    BatteryPower = 0xD111
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
    OLCInfoVersion = 0xD199
    QuickReviewTime = 0xD1A9
    ShutterCounter = 0xD1AC
    SerialNumber = 0xD1AF
    EVFOutputDevice = 0xD1B0
    EVFMode = 0xD1B1
    MirrorDownStatus = 0xD1BD
    MirrorLockupState = 0xD1BF
    Artist = 0xD1D0
    Copyright = 0xD1D1
    LensName = 0xD1D8
    AEB = 0xD1D9


class ValueType(Enum):
    """How a property's value is written: a number of so many bits, text ending in NUL, or an image format."""

    U8 = "<B"
    U16 = "<H"
    U32 = "<I"
    TEXT = "text"
    IMAGE_FORMAT = "image format"


class ImageFormat(NamedTuple):
    """One file per exposure; ``kind`` is 1 for JPEG and 6 for raw (libgphoto2, ``EOS_ImageFormat``)."""

    kind: int
    size: int
    compression: int


RAW = ImageFormat(kind=6, size=0, compression=4)

Value = int | str | ImageFormat


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

    def allows(self, value: Value) -> bool:
        """Whether the camera takes ``value``; says nothing about whether the property can be written."""
        return not self.choices or value in self.choices


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

MANUAL_EXPOSURE = 3
MANUAL_FOCUS = 3
BATTERY_FULL = 2
LENS = "EF40mm f/2.8 STM"
"""A lens that libgphoto2 shows; its focus switch stands on MF."""

_ISO_CHOICES = (ISO_AUTO, 0x40, *_third_stop_codes(0x48, 0x88))
_DRIVE_MODES = (0x00, 0x01, 0x13, 0x14, *SELF_TIMER_S)

PROPERTIES: Mapping[PropertyCode, Property] = MappingProxyType(
    {
        PropertyCode.AutoExposureMode: Property(ValueType.U16, MANUAL_EXPOSURE),
        PropertyCode.FocusMode: Property(ValueType.U32, MANUAL_FOCUS),
        PropertyCode.DriveMode: Property(ValueType.U16, 0x00, _DRIVE_MODES, writable=True),
        PropertyCode.MeteringMode: Property(ValueType.U8, 3, (3, 4, 1, 5), writable=True),
        PropertyCode.WhiteBalance: Property(ValueType.U8, 0, (0, 1, 8, 2, 3, 4, 5, 6, 9), writable=True),
        PropertyCode.ColorTemperature: Property(ValueType.U32, 5200, tuple(range(2500, 10001, 100)), writable=True),
        PropertyCode.ColorSpace: Property(ValueType.U16, 1, (1, 2), writable=True),
        PropertyCode.AvailableShots: Property(ValueType.U32, 0),
        # Many bodies answer busy whenever it is set; that the 6D is one of them is a guess.
        PropertyCode.AutoPowerOff: Property(ValueType.U32, 60, refusal=ResponseCode.DeviceBusy),
        PropertyCode.ModelID: Property(ValueType.U32, identity.MODEL_ID),
        PropertyCode.PTPExtensionVersion: Property(ValueType.U16, 0x100),
        PropertyCode.PictureStyle: Property(
            ValueType.U8, 0x81, (0x87, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x21, 0x22, 0x23), writable=True
        ),
        PropertyCode.Aperture: Property(ValueType.U16, 0x20, tuple(APERTURES), writable=True),
        PropertyCode.ShutterSpeed: Property(ValueType.U16, 0x68, tuple(SHUTTER_TIMES), writable=True),
        PropertyCode.ISOSpeed: Property(ValueType.U16, 0x48, _ISO_CHOICES, writable=True),
        PropertyCode.ExpCompensation: Property(ValueType.U8, 0),
        PropertyCode.BracketMode: Property(ValueType.U16, 0),
        PropertyCode.BatteryPower: Property(ValueType.U16, BATTERY_FULL),
        PropertyCode.CameraTime: Property(ValueType.U32, 0),
        PropertyCode.ImageFormat: Property(ValueType.IMAGE_FORMAT, RAW, (RAW,), writable=True),
        PropertyCode.ImageFormatCF: Property(ValueType.IMAGE_FORMAT, RAW, (RAW,), writable=True),
        PropertyCode.ImageFormatSD: Property(ValueType.IMAGE_FORMAT, RAW, (RAW,), writable=True),
        PropertyCode.CaptureDestination: Property(
            ValueType.U32,
            int(CaptureDestination.CARD),
            (
                int(CaptureDestination.CARD),
                int(CaptureDestination.CARD | CaptureDestination.HOST),
                int(CaptureDestination.HOST),
            ),
            writable=True,
        ),
        PropertyCode.EVFOutputDevice: Property(ValueType.U32, 0, (0, 1, 2, 3), writable=True),
        PropertyCode.EVFMode: Property(ValueType.U16, 1),
        PropertyCode.QuickReviewTime: Property(ValueType.U16, 2, (0, 2, 4, 8, 0xFF), writable=True),
        PropertyCode.ShutterCounter: Property(ValueType.U32, 0),
        PropertyCode.CurrentStorage: Property(ValueType.U32, 0),
        PropertyCode.CurrentFolder: Property(ValueType.U32, 0),
        PropertyCode.AEB: Property(ValueType.U16, 0),
        PropertyCode.LensName: Property(ValueType.TEXT, LENS),
        PropertyCode.MirrorDownStatus: Property(ValueType.U32, 0),
        PropertyCode.MirrorLockupState: Property(ValueType.U32, int(MirrorLockup.DISABLED)),
        PropertyCode.OLCInfoVersion: Property(ValueType.U32, 7),
        PropertyCode.AEModeDial: Property(ValueType.U16, MANUAL_EXPOSURE),
        PropertyCode.MirrorUpSetting: Property(ValueType.U32, 0, (0, 1), writable=True),
        PropertyCode.Owner: Property(ValueType.TEXT, "", writable=True, announced=False),
        PropertyCode.Artist: Property(ValueType.TEXT, "", writable=True, announced=False),
        PropertyCode.Copyright: Property(ValueType.TEXT, "", writable=True, announced=False),
        PropertyCode.SerialNumber: Property(ValueType.TEXT, "", announced=False),
    }
)


def encode_value(kind: ValueType, value: Value) -> bytes:
    """``value`` as it stands in an event, filled up to a multiple of four bytes."""
    match value:
        case ImageFormat():
            data = struct.pack("<5I", 1, 16, *value)
        case str():
            data = value.encode("utf-8") + b"\0"
        case int():
            data = struct.pack(kind.value, value)
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
                count, length, *fields = struct.unpack("<5I", data)
                if (count, length) != (1, 16):
                    raise ValueError("not one image format")
                return ImageFormat(*fields)
            case _:
                number: int = struct.unpack_from(kind.value, data)[0]
                return number
    except struct.error as error:
        raise ValueError(str(error)) from error
