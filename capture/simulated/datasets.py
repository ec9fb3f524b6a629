"""How PTP's structures and Canon's event records are laid out, byte by byte. All numbers are little endian.

Layouts are ISO 15740's for what is standard and, for Canon's, what libgphoto2 reads (``ptp-pack.c``).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from datetime import datetime

from sidcap.capture.simulated import identity
from sidcap.capture.simulated.card import CAPACITY_BYTES, STORAGE_ID, StoredObject
from sidcap.capture.simulated.codes import DataType, EventCode, ObjectFormat
from sidcap.capture.simulated.properties import Property, PropertyCode, Value, ValueType, encode_value

END_OF_EVENTS = struct.pack("<II", 8, 0)
"""The record that closes every answer to ``EOS_GetEvent``."""


def u16_array(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<I{len(numbers)}H", len(numbers), *numbers)


def u32_array(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<I{len(numbers)}I", len(numbers), *numbers)


def text(content: str) -> bytes:
    """A PTP string: length in characters with the final NUL, then UTF-16; the empty string is one zero byte."""
    if not content:
        return b"\0"
    return bytes([len(content) + 1]) + (content + "\0").encode("utf-16-le")


def date_time(when: datetime) -> bytes:
    return text(when.strftime("%Y%m%dT%H%M%S"))


def device_info(serial: str) -> bytes:
    """DeviceInfo, with 32 hexadecimal digits made from the serial number where a body has its own."""
    ptp_serial = hashlib.sha256(serial.encode()).hexdigest()[: identity.PTP_SERIAL_LENGTH]
    return b"".join(
        (
            struct.pack(
                "<HIH",
                identity.STANDARD_VERSION,
                identity.VENDOR_EXTENSION_ID,
                identity.VENDOR_EXTENSION_VERSION,
            ),
            text(""),  # vendor extension description
            struct.pack("<H", 0),  # functional mode: standard
            u16_array(identity.SUPPORTED_OPERATIONS),
            u16_array(identity.SUPPORTED_EVENTS),
            u16_array(tuple(identity.STANDARD_PROPERTIES)),
            u16_array(identity.CAPTURE_FORMATS),
            u16_array(identity.IMAGE_FORMATS),
            text(identity.MANUFACTURER),
            text(identity.MODEL),
            text(identity.DEVICE_VERSION),
            text(ptp_serial),
        )
    )


def eos_device_info() -> bytes:
    """Canon's DeviceInfoEx: total length, then counted arrays of events, properties and something unknown."""
    arrays = b"".join(map(u32_array, (identity.EOS_EVENTS, identity.EOS_PROPERTIES, identity.EOS_UNKNOWN)))
    return struct.pack("<I", 4 + len(arrays)) + arrays


def standard_property_value(data_type: DataType, value: int | str) -> bytes:
    match data_type, value:
        case DataType.STR, str():
            return text(value)
        case DataType.UINT8, int():
            return struct.pack("<B", value)
        case DataType.UINT32, int():
            return struct.pack("<I", value)
    raise TypeError(f"{value!r} is not a {data_type.name}")


def standard_property(code: int, value: int | str) -> bytes:
    """DevicePropDesc of one of ``identity.STANDARD_PROPERTIES``, read-only."""
    data_type, _ = identity.STANDARD_PROPERTIES[code]
    packed = standard_property_value(data_type, value)
    if code == identity.BATTERY_LEVEL:
        levels = identity.BATTERY_LEVELS_PERCENT
        form = struct.pack(f"<BH{len(levels)}B", 2, len(levels), *levels)
    else:
        form = b"\0"
    return struct.pack("<HHB", code, data_type, 0) + packed + packed + form


def storage_info(free_bytes: int) -> bytes:
    """StorageInfo: removable memory, DCF file system, read and write; free images are not counted."""
    capacity_bytes = max(CAPACITY_BYTES, free_bytes)
    return struct.pack("<HHHQQI", 4, 3, 0, capacity_bytes, free_bytes, 0xFFFFFFFF) + text("SD") + text("")


def object_info(stored: StoredObject) -> bytes:
    """ObjectInfo. Picture and thumbnail sizes are left out (0): what the file says counts."""
    is_folder = stored.format is ObjectFormat.Association
    return b"".join(
        (
            struct.pack("<IHHI", STORAGE_ID, stored.format, 0, stored.size),
            struct.pack("<HIII", 0, 0, 0, 0),  # thumbnail: format, bytes, width, height
            struct.pack("<III", 0, 0, 0),  # picture: width, height, bit depth
            struct.pack("<IHII", stored.parent, 1 if is_folder else 0, 0, 0),
            text(stored.name),
            date_time(stored.taken),
            date_time(stored.taken),
            text(""),  # keywords
        )
    )


def eos_object_infos(stored_objects: Iterable[StoredObject]) -> bytes:
    """Canon's ObjectInfoEx: a count, then an entry of 56 bytes for each object."""
    entries = [_eos_object_info(stored) for stored in stored_objects]
    return struct.pack("<I", len(entries)) + b"".join(entries)


def _eos_object_info(stored: StoredObject) -> bytes:
    return struct.pack(
        "<IIIIIIIII16sI",
        56,
        stored.handle,
        STORAGE_ID,
        stored.format,
        0,
        stored.attributes,
        stored.size,
        stored.parent,
        stored.handle,
        stored.name.encode("ascii"),
        int(stored.taken.timestamp()),
    )


def _event(code: EventCode, body: bytes) -> bytes:
    return struct.pack("<II", 8 + len(body), code) + body


def event_name(event: bytes) -> str:
    """libgphoto2's name of an event record."""
    return EventCode(struct.unpack_from("<I", event, 4)[0]).name


def property_value(code: PropertyCode, description: Property, value: Value) -> list[bytes]:
    """Events: a property has this value. One event, except for what comes in several records."""
    if description.type is ValueType.RECORDS and isinstance(value, tuple):
        return [property_bytes(code, record) for record in value if isinstance(record, bytes)]
    return [property_bytes(code, encode_value(description.type, value))]


def property_bytes(code: int, value: bytes) -> bytes:
    """Event: a property has a value that is encoded already."""
    return _event(EventCode.PropValueChanged, struct.pack("<I", code) + value)


def property_choices(code: PropertyCode, description: Property, choices: Sequence[Value]) -> bytes:
    """Event: what a property can be set to.

    The record says first what kind of property it is: 1 read only, 3 one of these values, 7 anything (of the
    kinds that a 6D announces; what they mean is inferred from which have which).
    """
    kind = 3 if choices else 7 if description.writable else 1
    values = b"".join(encode_value(description.type, value) for value in choices)
    return _event(EventCode.AvailListChanged, struct.pack("<III", code, kind, len(choices)) + values)


def camera_status(*, busy: bool) -> bytes:
    return _event(EventCode.CameraStatusChanged, struct.pack("<I", int(busy)))


def object_added(stored: StoredObject) -> bytes:
    """Event: a frame is on the card."""
    body = struct.pack(
        "<IIIIIIII",
        stored.handle,
        STORAGE_ID,
        stored.format,
        0,
        stored.attributes,
        stored.size,
        stored.parent,
        stored.handle,
    )
    return _event(EventCode.ObjectAddedEx, body + _c_string(stored.name))


def object_transfer_requested(stored: StoredObject) -> bytes:
    """Event: a frame in the camera's memory waits to be fetched."""
    body = struct.pack("<IIIII", stored.handle, stored.format, 0, stored.size, 0)
    return _event(EventCode.RequestObjectTransfer, body + _c_string(stored.name))


def button_info(button: int) -> bytes:
    """Event: Canon's "OLC" record with its group 0x0001, the shutter button."""
    body = struct.pack("<HHHH", 0x0001, 0, button, 0)
    return _event(EventCode.OLCInfoChanged, struct.pack("<I", 4 + len(body)) + body)


def focus_info(*, in_focus: bool) -> bytes:
    """Event: Canon's "OLC" record with its group 0x0100, how the autofocus ended (bytes as libgphoto2 reads them)."""
    body = struct.pack("<HH6B", 0x0100, 0, 0, 0, 0, 0, *((1, 1) if in_focus else (2, 0)))
    return _event(EventCode.OLCInfoChanged, struct.pack("<I", 4 + len(body)) + body)


def object_removed(handle: int) -> bytes:
    """Event: a file is no longer on the card."""
    return _event(EventCode.ObjectRemoved, struct.pack("<I", handle))


def bulb_time(seconds: int) -> bytes:
    """Event: a bulb exposure has lasted so many whole seconds."""
    return _event(EventCode.BulbExposureTime, struct.pack("<I", seconds))


def will_soon_shut_down() -> bytes:
    """Event: the camera is about to switch itself off."""
    return _event(EventCode.WillSoonShutdown, struct.pack("<I", 0))


def _c_string(content: str) -> bytes:
    data = content.encode("ascii") + b"\0"
    return data + bytes(-len(data) % 4)
