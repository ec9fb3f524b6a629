"""The numbers of PTP and of Canon's extension that this camera speaks.

Names are those of libgphoto2's ``camlibs/ptp2/ptp.h`` without their prefixes, so that either source can be
searched for what is read in the other: ``EOS_RemoteReleaseOn`` here is ``PTP_OC_CANON_EOS_RemoteReleaseOn``
there. What is not prefixed ``EOS_`` is in the standard, ISO 15740.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class OperationCode(IntEnum):
    """What a host can ask (``PTP_OC_``, ``PTP_OC_CANON_``)."""

    GetDeviceInfo = 0x1001
    OpenSession = 0x1002
    CloseSession = 0x1003
    GetStorageIDs = 0x1004
    GetStorageInfo = 0x1005
    GetNumObjects = 0x1006
    GetObjectHandles = 0x1007
    GetObjectInfo = 0x1008
    GetObject = 0x1009
    GetThumb = 0x100A
    DeleteObject = 0x100B
    GetDevicePropDesc = 0x1014
    GetDevicePropValue = 0x1015
    GetPartialObject = 0x101B
    EOS_GetStorageIDs = 0x9101
    EOS_GetStorageInfo = 0x9102
    EOS_GetObjectInfo = 0x9103
    EOS_GetObject = 0x9104
    EOS_DeleteObject = 0x9105
    EOS_GetPartialObject = 0x9107
    EOS_GetDeviceInfoEx = 0x9108
    EOS_GetObjectInfoEx = 0x9109
    EOS_SetObjectAttributes = 0x910C
    EOS_SetDevicePropValueEx = 0x9110
    EOS_GetRemoteMode = 0x9113
    EOS_SetRemoteMode = 0x9114
    EOS_SetEventMode = 0x9115
    EOS_GetEvent = 0x9116
    EOS_TransferComplete = 0x9117
    EOS_PCHDDCapacity = 0x911A
    EOS_SetUILock = 0x911B
    EOS_ResetUILock = 0x911C
    EOS_KeepDeviceOn = 0x911D
    EOS_RequestDevicePropValue = 0x9127
    EOS_RemoteReleaseOn = 0x9128
    EOS_RemoteReleaseOff = 0x9129
    EOS_ResetMirrorLockupState = 0x9130
    EOS_SetRequestOLCInfoGroup = 0x913D
    EOS_GetViewFinderData = 0x9153
    EOS_DoAf = 0x9154
    EOS_DriveLens = 0x9155
    EOS_Zoom = 0x9158
    EOS_ZoomPosition = 0x9159
    EOS_AfCancel = 0x9160
    MTP_GetObjectPropsSupported = 0x9801


class ResponseCode(IntEnum):
    """How the camera answers (``PTP_RC_``)."""

    OK = 0x2001
    GeneralError = 0x2002
    SessionNotOpen = 0x2003
    OperationNotSupported = 0x2005
    InvalidStorageId = 0x2008
    InvalidObjectHandle = 0x2009
    DevicePropNotSupported = 0x200A
    StoreFull = 0x200C
    ObjectWriteProtected = 0x200D
    AccessDenied = 0x200F
    NoThumbnailPresent = 0x2010
    StoreNotAvailable = 0x2013
    DeviceBusy = 0x2019
    InvalidDevicePropFormat = 0x201B
    InvalidDevicePropValue = 0x201C
    InvalidParameter = 0x201D
    SessionAlreadyOpened = 0x201E
    EOS_OperationRefused = 0xA005
    EOS_ObjectNotReady = 0xA102


class EventCode(IntEnum):
    """Records in the answer to ``EOS_GetEvent`` (``PTP_EC_CANON_EOS_``)."""

    ObjectAddedEx = 0xC181
    ObjectRemoved = 0xC182
    RequestObjectTransfer = 0xC186
    PropValueChanged = 0xC189
    AvailListChanged = 0xC18A
    CameraStatusChanged = 0xC18B
    WillSoonShutdown = 0xC18D
    BulbExposureTime = 0xC194
    OLCInfoChanged = 0xC1A5


class ObjectFormat(IntEnum):
    """What a stored object is (``PTP_OFC_``)."""

    Association = 0x3001
    """A folder."""
    EXIF_JPEG = 0x3801
    CANON_CRW3 = 0xB103
    """A CR2 file."""


class DataType(IntEnum):
    """How a standard property's value is written (``PTP_DTC_``)."""

    UINT8 = 0x0002
    UINT32 = 0x0006
    STR = 0xFFFF


class ReleaseButton(IntFlag):
    """The shutter button's two contacts, as ``EOS_RemoteReleaseOn`` and ``Off`` name them."""

    HALF = 1
    FULL = 2


class CaptureDestination(IntFlag):
    """Where a frame goes; ``HOST`` keeps it in the camera's memory until the host has fetched it."""

    CARD = 2
    HOST = 4


class MirrorLockup(IntEnum):
    """Values of the mirror lockup state (Canon EDSDK, ``EdsMirrorLockupState``)."""

    DISABLED = 0
    ENABLED = 1
    DURING_SHOOTING = 2
    """The mirror is up and waits for the second press."""


ANY_STORAGE = 0xFFFFFFFF
ROOT_FOLDER = 0xFFFFFFFF
"""As a parent in a question: the objects that lie in no folder (``PTP_HANDLER_SPECIAL``)."""


def operation_name(code: int) -> str:
    """libgphoto2's name of an operation, or its number where this camera does not simulate it."""
    return OperationCode(code).name if code in frozenset(OperationCode) else f"0x{code:04x}"
