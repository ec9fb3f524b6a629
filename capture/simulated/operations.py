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

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from sidcap.capture.simulated import datasets, identity
from sidcap.capture.simulated.body import Body
from sidcap.capture.simulated.card import STORAGE_ID
from sidcap.capture.simulated.codes import (
    ANY_STORAGE,
    ROOT_FOLDER,
    OperationCode,
    ReleaseButton,
    ResponseCode,
    operation_name,
)
from sidcap.capture.simulated.ptpip import Reply, Request
from sidcap.capture.simulated.received import ReceivedOperation

OK = Reply(ResponseCode.OK)


class PtpSession:
    """What one host talks to: it opens a session, asks for operations, and leaves or is lost.

    ``record`` is told of every operation before it is answered.
    """

    def __init__(self, body: Body, record: Callable[[ReceivedOperation], None]) -> None:
        self.body = body
        self.is_open = False
        self.remote_mode = 0
        self._record = record

    def respond(self, request: Request) -> Reply:
        self._record(ReceivedOperation(request.code, operation_name(request.code), request.params))
        operation = OPERATIONS.get(request.code)
        if operation is None:
            return Reply(ResponseCode.OperationNotSupported)
        if not self.is_open and request.code not in WITHOUT_SESSION:
            return Reply(ResponseCode.SessionNotOpen)
        self.body.catch_up()
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
    """For what has no effect on a simulated body: its buttons are not pressed, it does not fall asleep."""
    return OK


# Settings and events.


def _set_event_mode(session: PtpSession, request: Request) -> Reply:
    session.body.set_events(request.param(0) != 0)
    return OK


def _get_event(session: PtpSession, _: Request) -> Reply:
    return _data(session.body.take_events())


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
    session.body.set_host_capacity(request.param(0) * request.param(1))
    return OK


def _get_standard_property(_session: PtpSession, request: Request) -> Reply:
    if request.param(0) not in identity.STANDARD_PROPERTIES:
        return Reply(ResponseCode.DevicePropNotSupported)
    return _data(datasets.standard_property(request.param(0)))


def _get_standard_property_value(_session: PtpSession, request: Request) -> Reply:
    if request.param(0) not in identity.STANDARD_PROPERTIES:
        return Reply(ResponseCode.DevicePropNotSupported)
    return _data(datasets.standard_property_value(*identity.STANDARD_PROPERTIES[request.param(0)]))


# The shutter button.


def _press(session: PtpSession, request: Request) -> Reply:
    """The second parameter says whether a half press focuses; the lens stands on manual focus."""
    if request.param(0) not in (1, 2, 3):
        return Reply(ResponseCode.InvalidParameter)
    return Reply(session.body.press(ReleaseButton(request.param(0))))


def _let_go(session: PtpSession, request: Request) -> Reply:
    if request.param(0) not in (1, 2, 3):
        return Reply(ResponseCode.InvalidParameter)
    session.body.let_go(ReleaseButton(request.param(0)))
    return OK


def _reset_mirror_lockup(session: PtpSession, _: Request) -> Reply:
    session.body.reset_mirror_lockup()
    return OK


# The card.


def _get_storage_ids(_session: PtpSession, _: Request) -> Reply:
    return _data(datasets.u32_array((STORAGE_ID,)))


def _get_storage_info(session: PtpSession, request: Request) -> Reply:
    if request.param(0) != STORAGE_ID:
        return Reply(ResponseCode.InvalidStorageId)
    return _data(datasets.storage_info(session.body.card.free_bytes))


def _get_object_handles(session: PtpSession, request: Request) -> Reply:
    """Storage, object format (0: any), and the folder (0: the whole card)."""
    storage, wanted_format, parent = (request.param(index) for index in range(3))
    if storage not in (STORAGE_ID, ANY_STORAGE):
        return Reply(ResponseCode.InvalidStorageId)
    found = session.body.card.everything() if parent == 0 else session.body.card.children(parent)
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
    if parent != ROOT_FOLDER and session.body.find_object(parent) is None:
        return Reply(ResponseCode.InvalidObjectHandle)
    return _data(datasets.eos_object_infos(session.body.card.children(parent)))


def _get_object_info(session: PtpSession, request: Request) -> Reply:
    stored = session.body.find_object(request.param(0))
    if stored is None:
        return Reply(ResponseCode.InvalidObjectHandle)
    return _data(datasets.object_info(stored))


def _get_object(session: PtpSession, request: Request) -> Reply:
    stored = session.body.find_object(request.param(0))
    if stored is None or stored.size == 0:
        return Reply(ResponseCode.InvalidObjectHandle)
    return _data(stored.read())


def _get_partial_object(session: PtpSession, request: Request) -> Reply:
    """Object, offset, number of bytes. The response says how many bytes came."""
    handle, offset, size = (request.param(index) for index in range(3))
    stored = session.body.find_object(handle)
    if stored is None or stored.size == 0:
        return Reply(ResponseCode.InvalidObjectHandle)
    data = stored.read(offset, size)
    return Reply(ResponseCode.OK, params=(len(data),), data=data)


def _get_thumbnail(session: PtpSession, request: Request) -> Reply:
    if session.body.find_object(request.param(0)) is None:
        return Reply(ResponseCode.InvalidObjectHandle)
    return Reply(ResponseCode.NoThumbnailPresent)


def _get_supported_object_properties(_session: PtpSession, _: Request) -> Reply:
    """A real body knows some of MTP's object properties; this one knows none."""
    return _data(datasets.u32_array(()))


def _set_object_attributes(session: PtpSession, request: Request) -> Reply:
    stored = session.body.card.find(request.param(0))
    if stored is None:
        return Reply(ResponseCode.InvalidObjectHandle)
    session.body.card.set_attributes(stored, request.param(1))
    return OK


def _transfer_complete(session: PtpSession, request: Request) -> Reply:
    session.body.forget(request.param(0))
    return OK


def _delete_object(session: PtpSession, request: Request) -> Reply:
    return Reply(session.body.delete(request.param(0)))


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
        OperationCode.EOS_AfCancel: _nothing_to_do,
        OperationCode.MTP_GetObjectPropsSupported: _get_supported_object_properties,
    }
)
"""What the camera can do, by the operation's code."""

WITHOUT_SESSION = frozenset({OperationCode.GetDeviceInfo, OperationCode.OpenSession})
"""Operations that need no open session."""
