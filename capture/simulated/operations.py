"""The operations that the camera answers: what is asked for, what the body does, what goes back.

``OPERATIONS`` is the table. Each function takes the session and the request, and is short: what happens is in
``body.py``, how it is laid out on the wire in ``datasets.py``.

A host that takes pictures goes through them in about this order (libgphoto2, ``camera_prepare_canon_eos_capture``
and ``camera_trigger_canon_eos_capture``)::

    OpenSession, GetDeviceInfo, EOS_SetRemoteMode(1), GetStorageIDs, EOS_GetObjectInfoEx     hello
    EOS_SetEventMode(1), EOS_GetEvent until empty                                            all settings
    EOS_SetDevicePropValueEx                                                                 change one
    EOS_RemoteReleaseOn(1), (2), EOS_RemoteReleaseOff(2), (1)                                press the button
    EOS_GetEvent until ObjectAddedEx                                                         wait for the frame
    GetObjectInfo, GetPartialObject from 0 in steps of 1 MiB                                 fetch it
    EOS_SetRemoteMode(0), EOS_SetEventMode(0), CloseSession                                  goodbye
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from sidcap.capture.simulated import datasets, identity
from sidcap.capture.simulated.body import Body
from sidcap.capture.simulated.card import STORAGE_ID
from sidcap.capture.simulated.clock import SimClock
from sidcap.capture.simulated.codes import (
    ANY_STORAGE,
    ROOT_FOLDER,
    OperationCode,
    ReleaseButton,
    ResponseCode,
    operation_name,
)
from sidcap.capture.simulated.faults import Fault, FaultKind, FaultPlan
from sidcap.capture.simulated.ptpip import Reply, Request
from sidcap.capture.simulated.received import ReceivedOperation

OK = Reply(ResponseCode.OK)


class PtpSession:
    """What one host talks to: it opens a session, asks for operations, and leaves or is lost.

    ``record`` is told of every operation before it is answered.
    """

    def __init__(
        self, body: Body, clock: SimClock, faults: FaultPlan, record: Callable[[ReceivedOperation], None]
    ) -> None:
        self.body = body
        self._clock = clock
        self._faults = faults
        self._busy_until_s: dict[str, float] = {}
        self.is_open = False
        self.remote_mode = 0
        self._record = record

    def respond(self, request: Request) -> Reply:
        name = operation_name(request.code)
        self._record(ReceivedOperation(request.code, name, request.params))
        faults = self._faults.happens(name)
        if faults:
            self.body.suffer({kind: fault for kind, fault in faults.items() if kind is not FaultKind.CABLE_PULLED})
        if not self.body.is_on:
            return Reply(ResponseCode.GeneralError)
        if self._is_busy(name, faults.get(FaultKind.BUSY)):
            return Reply(ResponseCode.DeviceBusy)
        reply = spoilt(self._answer(request), faults)
        if FaultKind.CABLE_PULLED in faults:
            self.body.suffer({FaultKind.CABLE_PULLED: faults[FaultKind.CABLE_PULLED]})
        return reply

    def _is_busy(self, name: str, fault: Fault | None) -> bool:
        """Whether an operation is answered "busy" because of a fault, then or now."""
        now_s = self._clock.now_s()
        if fault is not None:
            self._busy_until_s[name] = now_s + fault.number
        return now_s < self._busy_until_s.get(name, now_s)

    def _answer(self, request: Request) -> Reply:
        operation = OPERATIONS.get(request.code)
        if operation is None:
            return Reply(ResponseCode.OperationNotSupported)
        if not self.is_open and request.code not in WITHOUT_SESSION:
            return Reply(ResponseCode.SessionNotOpen)
        self.body.catch_up()
        if request.code not in KEEPING_NOBODY_AWAKE:
            self.body.used()
        if request.code in NEEDING_THE_CARD and self.body.storage.card.has_failed:
            return Reply(ResponseCode.StoreNotAvailable)
        return operation(self, request)

    def hung_up(self) -> None:
        if self.is_open:
            self.close()

    def open(self) -> None:
        self.is_open = True
        self.body.begin_session()

    def close(self) -> None:
        self.is_open = False
        self.body.end_session()


# The session.


def _get_device_info(session: PtpSession, _: Request) -> Reply:
    return _data(datasets.device_info(session.body.serial))


def _open_session(session: PtpSession, request: Request) -> Reply:
    if session.is_open:
        return Reply(ResponseCode.SessionAlreadyOpened)
    if request.param(0) == 0:
        return Reply(ResponseCode.InvalidParameter)
    session.open()
    return OK


def _close_session(session: PtpSession, _: Request) -> Reply:
    session.close()
    return OK


def _set_remote_mode(session: PtpSession, request: Request) -> Reply:
    session.remote_mode = request.param(0)
    return OK


def _get_remote_mode(session: PtpSession, _: Request) -> Reply:
    return Reply(ResponseCode.OK, params=(session.remote_mode,))


def _nothing_to_do(_session: PtpSession, _: Request) -> Reply:
    """For what has no effect beyond being asked for: nobody presses the body's own buttons."""
    return OK


# Settings and events.


def _set_event_mode(session: PtpSession, request: Request) -> Reply:
    session.body.set_events(request.param(0) != 0)
    return OK


def _get_event(session: PtpSession, _: Request) -> Reply:
    return _data(session.body.state.take_events())


def _get_eos_device_info(_session: PtpSession, _: Request) -> Reply:
    return _data(datasets.eos_device_info())


def _request_property(session: PtpSession, request: Request) -> Reply:
    return Reply(session.body.request_property(request.param(0)))


def _set_property(session: PtpSession, request: Request) -> Reply:
    """The data are their own length, the property's code, and the value."""
    if len(request.data) < 9:
        return Reply(ResponseCode.InvalidParameter)
    length, code = struct.unpack_from("<II", request.data)
    if length != len(request.data):
        return Reply(ResponseCode.InvalidParameter)
    return Reply(session.body.set_property(code, request.data[8:]))


def _set_host_capacity(session: PtpSession, request: Request) -> Reply:
    """The host's free clusters and the bytes in each."""
    session.body.storage.set_host_capacity(request.param(0) * request.param(1))
    return OK


def _get_standard_property(session: PtpSession, request: Request) -> Reply:
    code = request.param(0)
    if code not in identity.STANDARD_PROPERTIES:
        return Reply(ResponseCode.DevicePropNotSupported)
    return _data(datasets.standard_property(code, _standard_value(session, code)))


def _get_standard_property_value(session: PtpSession, request: Request) -> Reply:
    code = request.param(0)
    if code not in identity.STANDARD_PROPERTIES:
        return Reply(ResponseCode.DevicePropNotSupported)
    data_type, _ = identity.STANDARD_PROPERTIES[code]
    return _data(datasets.standard_property_value(data_type, _standard_value(session, code)))


def _standard_value(session: PtpSession, code: int) -> int | str:
    _, value = identity.STANDARD_PROPERTIES[code]
    return session.body.power.percent if code == identity.BATTERY_LEVEL else value


# The shutter button.


def _press(session: PtpSession, request: Request) -> Reply:
    """The second parameter switches the autofocus of a half press off."""
    if request.param(0) not in (1, 2, 3):
        return Reply(ResponseCode.InvalidParameter)
    return Reply(session.body.press(ReleaseButton(request.param(0)), autofocus=request.param(1) == 0))


def _let_go(session: PtpSession, request: Request) -> Reply:
    if request.param(0) not in (1, 2, 3):
        return Reply(ResponseCode.InvalidParameter)
    session.body.let_go(ReleaseButton(request.param(0)))
    return OK


def _reset_mirror_lockup(session: PtpSession, _: Request) -> Reply:
    session.body.reset_mirror_lockup()
    return OK


# Live view and the lens.


def _get_live_view(session: PtpSession, _: Request) -> Reply:
    """Blocks of a length, a kind (1: the picture) and data; a real body sends some of other kinds, too."""
    picture = session.body.live_view_picture()
    if picture is None:
        return Reply(ResponseCode.EOS_ObjectNotReady)
    return _data(struct.pack("<II", 8 + len(picture), 1) + picture)


def _autofocus(session: PtpSession, _: Request) -> Reply:
    return Reply(session.body.look_for_focus())


def _drive_lens(session: PtpSession, request: Request) -> Reply:
    return Reply(session.body.drive_lens(request.param(0)))


def _magnify(session: PtpSession, request: Request) -> Reply:
    return Reply(session.body.magnify(request.param(0)))


def _move_magnifier(session: PtpSession, request: Request) -> Reply:
    return Reply(session.body.move_magnifier(request.param(0), request.param(1)))


# The card.


def _get_storage_ids(_session: PtpSession, _: Request) -> Reply:
    return _data(datasets.u32_array((STORAGE_ID,)))


def _get_storage_info(session: PtpSession, request: Request) -> Reply:
    if request.param(0) != STORAGE_ID:
        return Reply(ResponseCode.InvalidStorageId)
    return _data(datasets.storage_info(session.body.storage.card.free_bytes))


def _get_object_handles(session: PtpSession, request: Request) -> Reply:
    """Storage, object format (0: any), and the folder (0: the whole card)."""
    storage, wanted_format, parent = (request.param(index) for index in range(3))
    if storage not in (STORAGE_ID, ANY_STORAGE):
        return Reply(ResponseCode.InvalidStorageId)
    found = session.body.storage.card.everything() if parent == 0 else session.body.storage.card.children(parent)
    handles = [stored.handle for stored in found if wanted_format in (0, stored.format)]
    return Reply(ResponseCode.OK, params=(len(handles),), data=datasets.u32_array(handles))


def _get_number_of_objects(session: PtpSession, request: Request) -> Reply:
    reply = _get_object_handles(session, request)
    return Reply(reply.code, params=reply.params)


def _get_eos_object_infos(session: PtpSession, request: Request) -> Reply:
    """Storage, and the folder or ``ROOT_FOLDER``: what lies in it, one level deep."""
    storage, parent = request.param(0), request.param(1)
    if storage not in (STORAGE_ID, ANY_STORAGE):
        return Reply(ResponseCode.InvalidStorageId)
    if parent != ROOT_FOLDER and session.body.storage.find(parent) is None:
        return Reply(ResponseCode.InvalidObjectHandle)
    return _data(datasets.eos_object_infos(session.body.storage.card.children(parent)))


def _get_object_info(session: PtpSession, request: Request) -> Reply:
    stored = session.body.storage.find(request.param(0))
    if stored is None:
        return Reply(ResponseCode.InvalidObjectHandle)
    return _data(datasets.object_info(stored))


def _get_object(session: PtpSession, request: Request) -> Reply:
    stored = session.body.storage.find(request.param(0))
    if stored is None or stored.size == 0:
        return Reply(ResponseCode.InvalidObjectHandle)
    return _data(stored.read())


def _get_partial_object(session: PtpSession, request: Request) -> Reply:
    """Object, offset, number of bytes. The response says how many bytes came."""
    handle, offset, size = (request.param(index) for index in range(3))
    stored = session.body.storage.find(handle)
    if stored is None or stored.size == 0:
        return Reply(ResponseCode.InvalidObjectHandle)
    data = stored.read(offset, size)
    return Reply(ResponseCode.OK, params=(len(data),), data=data)


def _get_thumbnail(session: PtpSession, request: Request) -> Reply:
    if session.body.storage.find(request.param(0)) is None:
        return Reply(ResponseCode.InvalidObjectHandle)
    return Reply(ResponseCode.NoThumbnailPresent)


def _get_supported_object_properties(_session: PtpSession, _: Request) -> Reply:
    """A real body knows some of MTP's object properties; this one knows none."""
    return _data(datasets.u32_array(()))


def _set_object_attributes(session: PtpSession, request: Request) -> Reply:
    stored = session.body.storage.card.find(request.param(0))
    if stored is None:
        return Reply(ResponseCode.InvalidObjectHandle)
    session.body.storage.card.set_attributes(stored, request.param(1))
    return OK


def _transfer_complete(session: PtpSession, request: Request) -> Reply:
    session.body.storage.forget(request.param(0))
    return OK


def _delete_object(session: PtpSession, request: Request) -> Reply:
    return Reply(session.body.storage.delete(request.param(0)))


def _data(data: bytes) -> Reply:
    return Reply(ResponseCode.OK, data=data)


Operation = Callable[[PtpSession, Request], Reply]

OPERATIONS: Mapping[int, Operation] = MappingProxyType(
    {
        OperationCode.GetDeviceInfo: _get_device_info,
        OperationCode.OpenSession: _open_session,
        OperationCode.CloseSession: _close_session,
        OperationCode.GetStorageIDs: _get_storage_ids,
        OperationCode.GetStorageInfo: _get_storage_info,
        OperationCode.GetNumObjects: _get_number_of_objects,
        OperationCode.GetObjectHandles: _get_object_handles,
        OperationCode.GetObjectInfo: _get_object_info,
        OperationCode.GetObject: _get_object,
        OperationCode.GetThumb: _get_thumbnail,
        OperationCode.DeleteObject: _delete_object,
        OperationCode.GetDevicePropDesc: _get_standard_property,
        OperationCode.GetDevicePropValue: _get_standard_property_value,
        OperationCode.GetPartialObject: _get_partial_object,
        OperationCode.EOS_GetStorageIDs: _get_storage_ids,
        OperationCode.EOS_GetStorageInfo: _get_storage_info,
        OperationCode.EOS_GetObjectInfo: _get_object_info,
        OperationCode.EOS_GetObject: _get_object,
        OperationCode.EOS_DeleteObject: _delete_object,
        OperationCode.EOS_GetPartialObject: _get_partial_object,
        OperationCode.EOS_GetDeviceInfoEx: _get_eos_device_info,
        OperationCode.EOS_GetObjectInfoEx: _get_eos_object_infos,
        OperationCode.EOS_SetObjectAttributes: _set_object_attributes,
        OperationCode.EOS_SetDevicePropValueEx: _set_property,
        OperationCode.EOS_GetRemoteMode: _get_remote_mode,
        OperationCode.EOS_SetRemoteMode: _set_remote_mode,
        OperationCode.EOS_SetEventMode: _set_event_mode,
        OperationCode.EOS_GetEvent: _get_event,
        OperationCode.EOS_TransferComplete: _transfer_complete,
        OperationCode.EOS_PCHDDCapacity: _set_host_capacity,
        OperationCode.EOS_SetUILock: _nothing_to_do,
        OperationCode.EOS_ResetUILock: _nothing_to_do,
        OperationCode.EOS_KeepDeviceOn: _nothing_to_do,
        OperationCode.EOS_RequestDevicePropValue: _request_property,
        OperationCode.EOS_RemoteReleaseOn: _press,
        OperationCode.EOS_RemoteReleaseOff: _let_go,
        OperationCode.EOS_ResetMirrorLockupState: _reset_mirror_lockup,
        OperationCode.EOS_SetRequestOLCInfoGroup: _nothing_to_do,
        OperationCode.EOS_GetViewFinderData: _get_live_view,
        OperationCode.EOS_DoAf: _autofocus,
        OperationCode.EOS_DriveLens: _drive_lens,
        OperationCode.EOS_Zoom: _magnify,
        OperationCode.EOS_ZoomPosition: _move_magnifier,
        OperationCode.EOS_AfCancel: _nothing_to_do,
        OperationCode.MTP_GetObjectPropsSupported: _get_supported_object_properties,
    }
)
"""What the camera can do, by the operation's code."""

WITHOUT_SESSION = frozenset({OperationCode.GetDeviceInfo, OperationCode.OpenSession})
"""Operations that need no open session."""

KEEPING_NOBODY_AWAKE = frozenset({OperationCode.EOS_GetEvent, OperationCode.GetDeviceInfo})
"""Operations that do not put off the automatic power-off. A guess."""

NEEDING_THE_CARD = frozenset(
    {
        OperationCode.GetStorageInfo,
        OperationCode.EOS_GetStorageInfo,
        OperationCode.GetObjectHandles,
        OperationCode.GetNumObjects,
        OperationCode.EOS_GetObjectInfoEx,
        OperationCode.DeleteObject,
        OperationCode.EOS_DeleteObject,
    }
)


def spoilt(reply: Reply, faults: Mapping[FaultKind, Fault]) -> Reply:
    """An answer as the host gets it."""
    if FaultKind.REPLY_LATE in faults:
        reply = replace(reply, delay_s=faults[FaultKind.REPLY_LATE].number)
    data = reply.data
    if data is None:
        return reply
    if FaultKind.BITS_FLIPPED in faults:
        data = _with_flipped_bits(data, round(faults[FaultKind.BITS_FLIPPED].number))
    if FaultKind.TRANSFER_TRUNCATED in faults:
        kept = faults[FaultKind.TRANSFER_TRUNCATED].value
        data = data[: len(data) // 2 if kept is None else round(kept)]
    if FaultKind.TRANSFER_EMPTY in faults:
        data = b""
    return replace(reply, data=data)


def _with_flipped_bits(data: bytes, count: int) -> bytes:
    """The same bits of the same number of bytes each time, spread over all of them."""
    flipped = bytearray(data)
    places = random.Random(len(data)).sample(range(8 * len(data)), min(count, 8 * len(data)))  # noqa: S311
    for place in places:
        flipped[place // 8] ^= 1 << place % 8
    return bytes(flipped)
