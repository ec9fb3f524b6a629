"""Bring one frame from the camera to the host, whole, under a name that nobody takes for a frame until it is."""

from __future__ import annotations

from collections.abc import Container
from itertools import count
from pathlib import Path

from sidcap.capture.camera import Camera, CardFile
from sidcap.capture.inspection import Expectation, contradiction
from sidcap.data_manifest.errors import CameraBusyError, CameraError, CameraLostError, RawError
from sidcap.data_manifest.raw import read_exif
from sidcap.data_manifest.store import sha256_of, sync_folder

FILE_PATIENCE_S = 10.0
"""How long after the exposure a frame may take to reach the card. Guess; a 6D needs about a second."""
LATE_S = 5.0
"""How long after its exposure should have ended a frame is looked for on the card, in the camera's seconds."""
TRIES = 3
"""How often something is tried that brings nothing."""


class NothingCameError(CameraLostError):
    """An exposure that no file followed; a new connection may find it."""


def await_file(camera: Camera, exposure_s: float, known: Container[CardFile]) -> CardFile:
    """The file of an exposure that has begun and lasts ``exposure_s`` of the host's time. Raises NothingCameError.

    Noise reduction may follow, and lasts as long.

    One of the ``known`` is none: a file that a new connection found on the card may be announced on top of it.
    """
    while (file := camera.wait_for_file(2 * exposure_s + FILE_PATIENCE_S)) in known:
        pass
    if file is None:
        raise NothingCameError(
            f"no frame came within {FILE_PATIENCE_S:g} s after the exposure: check the card and, with mirror lockup, "
            "that the mirror was still up (it drops 30 s after the first press)"
        )
    return file


def fetch(camera: Camera, file: CardFile, part: Path, *, twice: bool = False) -> tuple[int, str]:
    """Size and SHA-256 of a frame copied to ``part``; with ``twice``, of two copies that are the same.

    Raises CameraError where it does not come whole; nothing is left at ``part`` then.
    """
    for left in reversed(range(TRIES)):
        try:
            return _fetched(camera, file, part, twice=twice)
        except CameraError as error:
            part.unlink(missing_ok=True)
            if left == 0 or isinstance(error, CameraLostError | CameraBusyError):
                raise
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    raise AssertionError("unreachable")


def _fetched(camera: Camera, file: CardFile, part: Path, *, twice: bool) -> tuple[int, str]:
    size = camera.download(file, part)
    digest = sha256_of(part)
    if twice and digest != _digest_again(camera, file, part):
        raise CameraError(f"{file.name} came differently twice: try another cable")
    return size, digest


def _digest_again(camera: Camera, file: CardFile, part: Path) -> str:
    again = part.with_suffix(".again")
    try:
        camera.download(file, again)
        return sha256_of(again)
    finally:
        again.unlink(missing_ok=True)


def mismatch(
    camera: Camera, file: CardFile, part: Path, expected: Expectation, home: Container[str] = ()
) -> str | None:
    """Why a file on the card cannot be what was to be shot; None where it can. Fetched to ``part``, and removed.

    ``home`` are the checksums of frames that came home, from a card in a reader for instance.
    """
    try:
        camera.download(file, part)
        if sha256_of(part) in home:
            return "it is home already"
        return contradiction(read_exif(part), expected)
    except RawError as error:
        return str(error)
    finally:
        part.unlink(missing_ok=True)


def card_file(path: str) -> CardFile:
    """A file on the card by its path, as the journal has it."""
    folder, _, name = path.rpartition("/")
    return CardFile(folder or "/", name)


def part_of(path: Path) -> Path:
    """Where a file lies until it is whole."""
    return path.with_name(f".{path.name}.part")


def is_whole(path: Path, sha256: str) -> bool:
    """Whether a file is there and has this checksum."""
    return path.exists() and sha256_of(path) == sha256


def numbered(path: Path, first: int = 1) -> Path:
    """``name.1.CR2``, or the next number from ``first`` on that no file has."""
    return next(free for k in count(first) if not (free := path.with_suffix(f".{k}{path.suffix}")).exists())


def move(path: Path, to: Path) -> None:
    """Rename a file, so that not even a power cut loses it."""
    to.parent.mkdir(parents=True, exist_ok=True)
    path.replace(to)
    sync_folder(to.parent)
    sync_folder(path.parent)
