"""How much room a disk has."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from sidcap.data_manifest.errors import DiskFullError


def existing_folder(folder: Path) -> Path:
    """The folder itself where it is there, else the nearest one above it that is."""
    absolute = folder.absolute()
    return next(parent for parent in (absolute, *absolute.parents) if parent.exists())


def disk_free_bytes(folder: Path) -> int:
    """Room on the disk where ``folder`` is, or would be."""
    return shutil.disk_usage(existing_folder(folder)).free


def remedy(error: OSError) -> str:
    """What to do where something cannot be written."""
    return "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "make it writable"


def require_room(folder: Path, needed_bytes: int) -> None:
    """Raise DiskFullError where the disk of ``folder`` cannot hold so much more."""
    free = disk_free_bytes(folder)
    if free < needed_bytes:
        raise DiskFullError(
            f"the disk of {folder} has {free / 1e6:.0f} MB left, {needed_bytes / 1e6:.0f} are needed: make room"
        )
