"""One connection to one camera, over python-gphoto2.

The camera's vocabulary is libgphoto2's: settings have names (``iso``) and values that are words (``"12800"``). Every
call either does what it says or raises a `CameraError` that says what to do. A busy camera is asked again for a while.
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path, PurePosixPath
from types import ModuleType, TracebackType
from typing import Any, Self, TypeVar

from sidcap.data_manifest.errors import (
    CameraBusyError,
    CameraError,
    CameraLostError,
    CameraNotFoundError,
    SettingError,
)

T = TypeVar("T")

HOW_TO_CONNECT = (
    "connect one by USB and switch it on, name one on the network with --camera ptpip:ADDRESS, "
    "or use --camera simulated"
)
_BUSY_PATIENCE_S = 20.0
_BUSY_FIRST_PAUSE_S = 0.05
_BUSY_LONGEST_PAUSE_S = 1.0
_EVENT_WAIT_MS = 500
_LONGEST_COLLECTION_S = 2.0
"""For how long a press may be put off by a camera that does not stop telling."""
_NETWORK_MODEL = "PTP/IP Camera"
"""libgphoto2's driver for every camera reached by PTP/IP, whatever its model."""
_IMAGE_SUFFIXES = frozenset(
    ".3fr .arw .cr2 .cr3 .crw .dng .fff .heic .hif .iiq .jpeg .jpg .nef .nrw .orf .pef .raf .raw .rw2 .rwl .sr2 .srf "
    ".srw .tif .tiff .x3f".split()
)


@dataclass(frozen=True)
class DetectedCamera:
    """A camera that libgphoto2 sees and nobody has opened yet."""

    model: str
    """As libgphoto2's list of cameras calls it."""
    port: str
    """What ``Camera`` takes: ``usb:001,004``."""


@dataclass(frozen=True)
class CardFile:
    """A file on the camera's card, or in its memory."""

    folder: str
    name: str

    def __str__(self) -> str:
        return f"{self.folder.rstrip('/')}/{self.name}"


@dataclass(frozen=True)
class CardFileInfo:
    """What the camera tells of a file without sending it."""

    size_bytes: int
    mtime: datetime | None
    """When it was made by the camera's clock. PTP carries no time zone: libgphoto2 takes an EOS's local time for UTC
    and other cameras' for the host's, so use it to order files, not to date them. None where the camera is silent."""


class Camera:
    """An open connection. Use it as a context manager, or call ``close``.

    ``port`` is libgphoto2's: ``usb:001,004`` or ``ptpip:192.168.1.9``; None takes the only camera on USB.
    Raises CameraNotFoundError where nothing answers, CameraError where the camera is taken by another program.
    """

    def __init__(self, port: str | None = None) -> None:
        self._gp = _gphoto2()
        self.port = port
        self._announced: deque[CardFile] = deque()
        self._is_closed = False
        self._camera = self._connected(port)
        self.opened_at_s = time.time()
        """When the connection was opened, host clock, seconds since 1970."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session; never raises, for the camera may be gone already. What is asked afterwards is refused."""
        if self._is_closed:
            return
        self._is_closed = True
        with _descriptor_0_kept():
            with suppress(self._gp.GPhoto2Error):
                self._camera.exit()
            # First let libgphoto2 forget the camera: later on it would close descriptors that are others' by then.
            del self._camera
        _close_sockets(self._sockets & _sockets())

    @property
    def driver(self) -> str:
        """The model that libgphoto2 takes the camera for; ``PTP/IP Camera`` for every one on the network."""
        return str(self._call(lambda: self._camera.get_abilities()).model)

    @property
    def address(self) -> str:
        """The port at which libgphoto2 found the camera; another one after it was plugged in again."""
        return str(self._call(lambda: self._camera.get_port_info()).get_path())

    def free_bytes(self) -> int | None:
        """Room left on the cards; None where the camera does not tell."""
        try:
            stores = self._call(lambda: self._camera.get_storageinfo())
        except SettingError:
            return None
        told = [store.freekbytes for store in stores if store.fields & self._gp.GP_STORAGEINFO_FREESPACEKBYTES]
        return 1024 * sum(told) if told else None

    def get(self, name: str) -> str:
        """The value of a setting, in the camera's words. SettingError where it has no such setting."""
        return str(self._widget(name).get_value())

    def find(self, name: str) -> str | None:
        """As `get`, but None where the camera has no such setting."""
        try:
            return self.get(name)
        except SettingError:
            return None

    def choices(self, name: str) -> tuple[str, ...]:
        """The values a setting may take; empty where it is free text or a number."""
        widget = self._widget(name)
        if widget.get_type() not in (self._gp.GP_WIDGET_RADIO, self._gp.GP_WIDGET_MENU):
            return ()
        return tuple(str(choice) for choice in widget.get_choices())

    def set(self, name: str, value: str) -> None:
        """Change one setting and read it back. SettingError where the camera does not take the value."""
        if self.get(name) == value:
            return
        self.send(name, value)
        if (found := self.get(name)) != value:
            raise SettingError(f"the camera kept {name} at {found!r} instead of {value!r}: set it on the camera itself")

    def send(self, name: str, value: str) -> None:
        """Change one setting that cannot be read back. SettingError where the camera refuses the value."""
        widget = self._widget(name)
        choices = self.choices(name)
        if choices and value not in choices:
            raise SettingError(f"this camera has no {name} {value!r}; it offers {', '.join(choices)}")
        is_number = widget.get_type() in (self._gp.GP_WIDGET_TOGGLE, self._gp.GP_WIDGET_DATE)
        widget.set_value(int(value) if is_number else value)
        try:
            self._call(lambda: self._camera.set_single_config(name, widget))
        except CameraLostError:
            # libgphoto2 says "unspecified error" to a refusal too: if the camera still answers, it was one. Settings
            # would be answered from memory, events are not.
            self._call(self._collect_announcements)
            raise SettingError(f"the camera refused {name} {value!r}: set it on the camera itself") from None

    def press(self) -> None:
        """Press the shutter button fully and let go. Returns at once; the exposure follows."""
        self._call(self._press)

    def _press(self) -> None:
        # libgphoto2's trigger_capture throws away what a Canon EOS has told until then. What comes between these two
        # lines is still lost: press only when no frame is due.
        self._collect_announcements()
        self._camera.trigger_capture()

    def wait_for_file(self, timeout_s: float) -> CardFile | None:
        """The next file the camera announces, or has announced during a press; None where none within ``timeout_s``.

        An announcement can still be lost: on the wire, or in libgphoto2 when the call in which it came failed. The file
        is on the card all the same, and a new connection lists it.
        """
        deadline = time.monotonic() + timeout_s
        while not self._announced and time.monotonic() < deadline:
            self._call(lambda: self._take_event(_EVENT_WAIT_MS))
        return self._announced.popleft() if self._announced else None

    def announced(self) -> tuple[CardFile, ...]:
        """The files that the camera has announced until now and nobody has waited for; each once."""
        self._call(self._collect_announcements)
        files = tuple(self._announced)
        self._announced.clear()
        return files

    def _collect_announcements(self) -> None:
        """Keep the files already announced for `wait_for_file`."""
        deadline = time.monotonic() + _LONGEST_COLLECTION_S
        while self._take_event(0) != self._gp.GP_EVENT_TIMEOUT and time.monotonic() < deadline:
            pass

    def _take_event(self, patience_ms: int) -> int:
        """Take one event from the camera and give its kind."""
        kind, data = self._camera.wait_for_event(patience_ms)
        # After a transfer that went wrong, libgphoto2 announces files whose name it does not know: "<none>".
        if kind == self._gp.GP_EVENT_FILE_ADDED and _is_image(data.name):
            self._announced.append(CardFile(data.folder, data.name))
        return int(kind)

    def preview(self, patience_s: float = _BUSY_PATIENCE_S) -> bytes:
        """One picture of live view, a JPEG; switches live view on. `Body.end_live_view` switches it off.

        CameraBusyError where none comes within ``patience_s``, SettingError where the camera has no live view.
        """
        picture = self._call(lambda: self._camera.capture_preview(), patience_s)
        return bytes(picture.get_data_and_size())

    def files(self) -> tuple[CardFile, ...]:
        """Every image on the card or cards, by path.

        A connection lists a folder once, and adds what the camera announces. What came while nobody was connected, or
        was announced in vain, shows on a new connection.
        """
        return tuple(sorted(self._files_below("/"), key=str))

    def _files_below(self, folder: str) -> Iterator[CardFile]:
        for name in self._listed(lambda: self._camera.folder_list_files(folder)):
            if _is_image(name):
                yield CardFile(folder, name)
        for name in self._listed(lambda: self._camera.folder_list_folders(folder)):
            yield from self._files_below(str(PurePosixPath(folder, name)))

    def _listed(self, request: Callable[[], Any]) -> list[str]:
        entries = self._call(request)
        return [entries.get_name(index) for index in range(entries.count())]

    def info(self, file: CardFile) -> CardFileInfo:
        """Size and time of a file on the camera, as the camera announces them."""
        about = self._call(lambda: self._camera.file_get_info(file.folder, file.name)).file
        mtime = datetime.fromtimestamp(about.mtime, UTC) if about.mtime > 0 else None
        return CardFileInfo(int(about.size), mtime)

    def size(self, file: CardFile) -> int:
        """Size of a file on the camera, bytes, as the camera announces it."""
        return self.info(file).size_bytes

    def delete(self, file: CardFile) -> None:
        """Remove a file from the camera's card; there is no way back."""
        self._call(lambda: self._camera.file_delete(file.folder, file.name))

    def download(self, file: CardFile, target: Path) -> int:
        """Copy a file to ``target``, flushed to disk. Gives its size, which is the one the camera announced.

        libgphoto2 reports success on a transfer that the camera cut short, so the size is compared here;
        CameraError where it differs.
        """
        announced = self.size(file)
        content = self._call(lambda: self._camera.file_get(file.folder, file.name, self._gp.GP_FILE_TYPE_NORMAL))
        with target.open("wb") as handle:
            handle.write(content.get_data_and_size())
            handle.flush()
            os.fsync(handle.fileno())
        if (received := target.stat().st_size) != announced:
            raise CameraError(
                f"{file} arrived with {received} of {announced} bytes: it is still on the card, fetch it again"
            )
        return announced

    def _widget(self, name: str) -> Any:
        try:
            return self._call(lambda: self._camera.get_single_config(name))
        except SettingError as error:
            raise SettingError(f"this camera has no setting {name!r}") from error

    def _call(self, request: Callable[[], T], patience_s: float = _BUSY_PATIENCE_S) -> T:
        """Do one request; ask a busy camera again, and turn libgphoto2's numbers into the errors of the tree."""
        if self._is_closed:  # libgphoto2 would connect again, silently
            raise CameraLostError("the connection to the camera is closed")
        deadline = time.monotonic() + patience_s
        pause_s = _BUSY_FIRST_PAUSE_S
        while True:
            try:
                return request()
            except self._gp.GPhoto2Error as error:
                failure = self._failure(error.code)
                if not isinstance(failure, CameraBusyError) or time.monotonic() > deadline:
                    raise failure from error
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _BUSY_LONGEST_PAUSE_S)

    def _failure(self, code: int) -> CameraError:
        text = self._gp.gp_result_as_string(code)
        if code == self._gp.GP_ERROR_CAMERA_BUSY:
            return CameraBusyError("the camera stays busy: wait for its card light, or switch it off and on")
        if code in (self._gp.GP_ERROR_BAD_PARAMETERS, self._gp.GP_ERROR_NOT_SUPPORTED):
            return SettingError(f"the camera does not know this request ({text})")
        if code == self._gp.GP_ERROR_FILE_NOT_FOUND:
            return CameraError("the camera has no such file: was the card taken out?")
        return CameraLostError(f"the camera stopped answering ({text}): check cable and battery")

    def _connected(self, port: str | None) -> Any:
        gp = self._gp
        camera, others = gp.Camera(), _sockets()
        try:
            _address(gp, camera, port if port is not None else the_only(detect()).port)
            camera.init()
        except gp.GPhoto2Error as error:
            with _descriptor_0_kept():
                del camera
            _close_sockets(_sockets() - others)
            raise _no_connection(gp, error.code, port) from error
        self._sockets = _sockets() - others
        return camera


@contextmanager
def _descriptor_0_kept() -> Iterator[None]:
    """Keep descriptor 0 (stdin) open: libgphoto2 2.5.34 closes it at the end of every PTP/IP session.

    Its ``ptp_ptpip_disconnect`` closes a socket for pictures that only Fuji cameras have; where none was opened, the
    number in its place is 0. Left closed, the next file opened would get that number, and lose it a session later.
    """
    try:
        kept = os.dup(0)
    except OSError:  # a service without standard input has none to lose
        yield
        return
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def _sockets() -> set[tuple[int, int]]:
    """This process's sockets: descriptor and inode, which together are never used again.

    libgphoto2 2.5.34 leaves its sockets open where a connection is refused half-way, or breaks. A camera that serves
    one host at a time would take the next connection for a second host.
    """
    folder = Path("/dev/fd")
    if not folder.is_dir():
        return set()
    found = set()
    for descriptor in [int(entry.name) for entry in folder.iterdir()]:
        with suppress(OSError):
            status = os.fstat(descriptor)
            if stat.S_ISSOCK(status.st_mode):
                found.add((descriptor, status.st_ino))
    return found


def _close_sockets(sockets: set[tuple[int, int]]) -> None:
    for descriptor, _ in sockets:
        with suppress(OSError):
            os.close(descriptor)


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _IMAGE_SUFFIXES


def _gphoto2() -> ModuleType:
    try:
        return import_module("gphoto2")
    except ImportError as error:
        raise CameraNotFoundError("python-gphoto2 is not installed (there is none for Windows): no camera") from error


def detect() -> tuple[DetectedCamera, ...]:
    """The cameras on USB. One on the network does not show: it is named by its address."""
    listed = _gphoto2().Camera.autodetect()
    found = (DetectedCamera(listed.get_name(index), listed.get_value(index)) for index in range(listed.count()))
    return tuple(camera for camera in found if camera.port.startswith("usb:"))


def the_only(found: tuple[DetectedCamera, ...]) -> DetectedCamera:
    """The one camera that was found; CameraNotFoundError where there is none, or a choice."""
    if not found:
        raise CameraNotFoundError(f"no camera found: {HOW_TO_CONNECT}")
    if len(found) > 1:
        listing = ", ".join(f"{camera.model} at {camera.port}" for camera in found)
        raise CameraNotFoundError(f"{len(found)} cameras found ({listing}): name one with --camera")
    return found[0]


def _address(gp: ModuleType, camera: Any, port: str) -> None:
    """Point ``camera`` at a port by name."""
    ports = gp.PortInfoList()
    ports.load()
    try:
        camera.set_port_info(ports[ports.lookup_path(port)])
    except gp.GPhoto2Error as error:
        raise CameraNotFoundError(f"{port!r} is not a port such as usb:001,004 or ptpip:192.168.1.9") from error
    if port.startswith("ptpip:"):
        abilities = gp.CameraAbilitiesList()
        abilities.load()
        camera.set_abilities(abilities[abilities.lookup_model(_NETWORK_MODEL)])


def _no_connection(gp: ModuleType, code: int, port: str | None) -> CameraError:
    where = "the camera" if port is None else f"the camera at {port}"
    if code in (gp.GP_ERROR_IO_USB_CLAIM, gp.GP_ERROR_IO_LOCK):
        return CameraError(
            f"{where} is in use by another program: close it; on a desktop, unmount the camera (gvfs grabs it)"
        )
    nowhere = (
        gp.GP_ERROR_MODEL_NOT_FOUND, gp.GP_ERROR_BAD_PARAMETERS, gp.GP_ERROR_FILE_NOT_FOUND, gp.GP_ERROR_IO_USB_FIND,
    )  # fmt: skip
    if code in nowhere:
        return CameraNotFoundError(f"there is no camera at {port!r}: sidcap camera list shows those on USB")
    if code == gp.GP_ERROR:
        return CameraError(
            f"{where} refuses the connection: end the other program that uses it, or switch it off and on"
        )
    reason = gp.gp_result_as_string(code)
    return CameraNotFoundError(
        f"{where} does not answer ({reason}): check that it is on and connected, and no other program uses it"
    )
