"""The memory card: folders and frames under the handles a body gives them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sidcap.capture.simulated.codes import ROOT_FOLDER, ObjectFormat

STORAGE_ID = 0x00020001
CAPACITY_BYTES = 31_902_400_512
FREE_BYTES = 30_790_516_736
"""The card that was in the body that libgphoto2 described, and what was free on it."""

ATTRIBUTE_FOLDER = 0x10
ATTRIBUTE_NEW = 0x20
"""Not yet fetched by a host (libgphoto2, ``canon_flags``). Both are attributes of the FAT file system."""

_DCIM = 0x9000_0000
_HANDLES_PER_FOLDER = 1 << 18
_HANDLES_PER_FRAME = 1 << 4
_DIGIT_OF_FORMAT = {ObjectFormat.CANON_CRW3: 1, ObjectFormat.EXIF_JPEG: 2}
_FRAMES_PER_FOLDER = 9999


@dataclass(frozen=True)
class StoredObject:
    """A folder or a file. ``content`` is the file's place on the host's disk, or its bytes in the camera's memory."""

    handle: int
    parent: int
    name: str
    format: ObjectFormat
    taken: datetime
    size: int = 0
    content: Path | bytes = b""
    attributes: int = 0

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer at the end, none behind it."""
        if isinstance(self.content, bytes):
            return self.content[offset:] if size is None else self.content[offset : offset + size]
        with self.content.open("rb") as file:
            file.seek(offset)
            return file.read() if size is None else file.read(size)


def frame_handle(number: int, kind: ObjectFormat) -> int:
    """The handle of the ``number``-th frame's CR2 or JPEG file, counted from 1.

    A real body packs folder and file number into it: 100CANON is 0x91900000 (100 << 18), and IMG_0199 of
    157CANON is 0x92740c7x (libgphoto2's ``ptp-pack.c``). The last digits are guesses.
    """
    folder, in_folder = divmod(number - 1, _FRAMES_PER_FOLDER)
    return _folder_handle(100 + folder) + (in_folder + 1) * _HANDLES_PER_FRAME + _DIGIT_OF_FORMAT[kind]


def frame_name(number: int, kind: ObjectFormat) -> str:
    """The name of the ``number``-th frame's file."""
    extension = "JPG" if kind is ObjectFormat.EXIF_JPEG else "CR2"
    return f"IMG_{(number - 1) % _FRAMES_PER_FOLDER + 1:04d}.{extension}"


def _folder_handle(folder_number: int) -> int:
    return _DCIM + folder_number * _HANDLES_PER_FOLDER


class MemoryCard:
    """Frames as files under ``root``/DCIM/100CANON, so that a long session does not fill the memory.

    The directory is made when the card is, and holds nothing that is not on the card.
    """

    def __init__(self, root: Path, *, formatted: datetime, free_bytes: int = FREE_BYTES) -> None:
        self._root = root
        self._free_bytes = free_bytes
        self.is_full = False
        """Says that there is no room, whatever there is, until something is deleted."""
        self.has_failed = False
        """Can neither be read nor written."""
        self._formatted = formatted
        self._objects: dict[int, StoredObject] = {}
        self._make_folder(_DCIM, parent=0, name="DCIM")
        self.current_folder = self._frame_folder(100)

    @property
    def free_bytes(self) -> int:
        if self.is_full or self.has_failed:
            return 0
        return max(self._free_bytes - sum(stored.size for stored in self._objects.values()), 0)

    def find(self, handle: int) -> StoredObject | None:
        return self._objects.get(handle)

    def children(self, parent: int) -> list[StoredObject]:
        """What lies in a folder; in the root with ``ROOT_FOLDER``."""
        wanted = 0 if parent == ROOT_FOLDER else parent
        return [stored for stored in self._objects.values() if stored.parent == wanted]

    def everything(self) -> list[StoredObject]:
        return list(self._objects.values())

    def store(self, data: bytes, kind: ObjectFormat, *, number: int, taken: datetime) -> StoredObject:
        """Writes a file of the ``number``-th frame."""
        self.current_folder = self._frame_folder(100 + (number - 1) // _FRAMES_PER_FOLDER)
        name = frame_name(number, kind)
        path = self._path(self.current_folder) / name
        path.write_bytes(data)
        stored = StoredObject(
            handle=frame_handle(number, kind),
            parent=self.current_folder,
            name=name,
            format=kind,
            taken=taken,
            size=len(data),
            content=path,
            attributes=ATTRIBUTE_NEW,
        )
        self._objects[stored.handle] = stored
        return stored

    def set_attributes(self, stored: StoredObject, attributes: int) -> None:
        self._objects[stored.handle] = replace(stored, attributes=attributes)

    def delete(self, stored: StoredObject) -> None:
        """Removes a file. Folders stay."""
        self._path(stored.handle).unlink()
        del self._objects[stored.handle]
        self.is_full = False

    def _frame_folder(self, folder_number: int) -> int:
        handle = _folder_handle(folder_number)
        if handle not in self._objects:
            self._make_folder(handle, parent=_DCIM, name=f"{folder_number}CANON")
        return handle

    def _make_folder(self, handle: int, *, parent: int, name: str) -> None:
        folder = StoredObject(
            handle, parent, name, ObjectFormat.Association, self._formatted, attributes=ATTRIBUTE_FOLDER
        )
        self._objects[handle] = folder
        self._path(handle).mkdir(parents=True)

    def _path(self, handle: int) -> Path:
        stored = self._objects.get(handle)
        return self._path(stored.parent) / stored.name if stored else self._root
