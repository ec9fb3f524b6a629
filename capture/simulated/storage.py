"""Where frames go: the card, the camera's memory, and how many more fit."""

from __future__ import annotations

from sidcap.capture.simulated import datasets
from sidcap.capture.simulated.card import STORAGE_ID, MemoryCard, StoredObject, frame_name
from sidcap.capture.simulated.codes import CaptureDestination, ObjectFormat, ResponseCode
from sidcap.capture.simulated.files import FileMaker
from sidcap.capture.simulated.frame import Shot
from sidcap.capture.simulated.properties import PropertyCode
from sidcap.capture.simulated.state import State

_RAM_HANDLES = 0x1000_0000
"""Added to a frame's handle while it is in the camera's memory. A guess: hosts only hand it back."""


class Storage:
    """The card, and the memory in which a frame waits until the host has fetched it."""

    def __init__(self, state: State, card: MemoryCard, files: FileMaker) -> None:
        self.card = card
        self._state = state
        self._files = files
        self._memory: dict[int, StoredObject] = {}
        self._host_capacity_bytes = 0
        state.set(PropertyCode.CurrentStorage, STORAGE_ID)
        state.set(PropertyCode.CurrentFolder, card.current_folder)

    @property
    def destination(self) -> CaptureDestination:
        """Where the next exposure goes."""
        return CaptureDestination(self._state.number(PropertyCode.CaptureDestination))

    def find(self, handle: int) -> StoredObject | None:
        """A file or folder on the card, or a frame that waits in memory."""
        return self._memory.get(handle) or self.card.find(handle)

    def keep(self, shot: Shot, kind: ObjectFormat, data: bytes, destination: CaptureDestination) -> None:
        """Puts a file of an exposure where it goes and announces it. On a card that failed it is lost."""
        if CaptureDestination.CARD in destination and not self.card.has_failed:
            on_card = self.card.store(data, kind, number=shot.frame_number, taken=shot.taken)
            self._state.set(PropertyCode.CurrentFolder, self.card.current_folder)
            self._state.happened(datasets.object_added(on_card))
        if CaptureDestination.HOST in destination:
            in_memory = StoredObject(
                handle=_RAM_HANDLES + 2 * shot.frame_number + (kind is ObjectFormat.EXIF_JPEG),
                parent=0,
                name=frame_name(shot.frame_number, kind),
                format=kind,
                taken=shot.taken,
                size=len(data),
                content=data,
            )
            self._memory[in_memory.handle] = in_memory
            self._state.happened(datasets.object_transfer_requested(in_memory))
        self.count_available_shots()

    def forget(self, handle: int) -> None:
        """The host has fetched a frame from memory."""
        self._memory.pop(handle, None)

    def lose_memory(self) -> None:
        """Nobody will fetch what waits in memory."""
        self._memory.clear()

    def delete(self, handle: int) -> ResponseCode:
        stored = self.card.find(handle)
        if stored is None:
            return ResponseCode.InvalidObjectHandle
        if stored.format is ObjectFormat.Association:
            return ResponseCode.ObjectWriteProtected
        self.card.delete(stored)
        self._state.happened(datasets.object_removed(handle))
        self.count_available_shots()
        return ResponseCode.OK

    def mend_card(self) -> None:
        """There is room again, and the card can be read and written; what was on it still is."""
        self.card.is_full = self.card.has_failed = False
        self._state.set(PropertyCode.ErrorForDisplay, 0)
        self.count_available_shots()

    def set_host_capacity(self, free_bytes: int) -> None:
        """The host says how much it can store; until then no frame goes to it alone."""
        self._host_capacity_bytes = free_bytes
        self.count_available_shots()

    def count_available_shots(self) -> None:
        to_host = self.destination == CaptureDestination.HOST
        free_bytes = self._host_capacity_bytes if to_host else self.card.free_bytes
        each_bytes = self._files.counted_bytes(self._state.image_format)
        shots = min(free_bytes // each_bytes, 0xFFFF_FFFF)  # hosts promise 2^64 bytes
        self._state.set(PropertyCode.AvailableShots, shots)

    def refusal(self) -> ResponseCode | None:
        """Why nothing can be exposed, if so."""
        if CaptureDestination.CARD in self.destination and self.card.has_failed:
            return ResponseCode.StoreNotAvailable
        return ResponseCode.StoreFull if self._state.number(PropertyCode.AvailableShots) == 0 else None
