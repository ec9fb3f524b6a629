"""Free the card of frames that are safe on this computer."""

from __future__ import annotations

from sidcap.capture.fetching import card_file
from sidcap.capture.journal import Journal
from sidcap.capture.tether import Tether
from sidcap.data_manifest.errors import RawError
from sidcap.data_manifest.schema import Frame, Scene
from sidcap.data_manifest.store import Store, sha256_of


def free_card(tether: Tether, store: Store, scene: Scene) -> int:
    """Delete the frames of a complete scene from the camera's card, discarded ones too; gives how many there were.

    All or nothing is deleted: first every frame's file in the dataset is read again and compared with its checksum.
    A file on the card that is not exactly as long as the frame is another one of that name, and stays. Each deletion
    goes to the journal.

    Raises:
        RawError: a frame on this computer is not what it was; nothing is deleted.
        CameraError: the camera does not answer or refuses; what was deleted until then is in the journal.
    """
    if not scene.complete:
        return 0
    for frame in scene.all_frames:
        _must_be_safe(store, frame)
    journal = Journal(store.journal_path)
    deleted = 0
    on_card = set(tether.camera.files())
    for frame in scene.all_frames:
        file = card_file(frame.card)
        if file not in on_card or tether.camera.size(file) != frame.size_bytes:
            continue
        journal.record("deleted", scene=scene.id, card=frame.card, path=frame.path, sha256=frame.sha256)
        tether.delete(file)
        deleted += 1
    return deleted


def _must_be_safe(store: Store, frame: Frame) -> None:
    path = store.path(frame.path)
    if not path.is_file() or sha256_of(path) != frame.sha256:
        raise RawError(f"{frame.path} is not what was fetched: the card keeps the frames of this scene")
