"""How much room a disk has."""

from __future__ import annotations

import shutil
from pathlib import Path

from sidcap.data_manifest.errors import DiskFullError


def disk_free_bytes(folder: Path) -> int:
    """Room on the disk where ``folder`` is, or would be."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


def require_room(folder: Path, needed_bytes: int) -> None:
    """Raise DiskFullError where the disk of ``folder`` cannot hold so much more."""
    free = disk_free_bytes(folder)
    if free < needed_bytes:
        raise DiskFullError(
            f"the disk of {folder} has {free / 1e6:.0f} MB left, {needed_bytes / 1e6:.0f} are needed: make room"
        )
