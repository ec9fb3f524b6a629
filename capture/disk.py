"""Whether the disk can hold the frames to come."""

from __future__ import annotations

import shutil
from pathlib import Path

from sidcap.data_manifest.errors import DiskFullError

RAW_SIZE_BYTES = 35_000_000
"""Upper estimate of one raw file, to see before a shot whether the disk can hold it."""


def check_disk(folder: Path, frames: int) -> None:
    """Raise DiskFullError where the disk below ``folder`` cannot hold so many frames."""
    free, needed = disk_free_bytes(folder), frames * RAW_SIZE_BYTES
    if free < needed:
        raise DiskFullError(
            f"the disk of {folder} has {free / 1e6:.0f} MB left, {needed / 1e6:.0f} are needed: make room"
        )


def disk_free_bytes(folder: Path) -> int:
    """Room on the disk where ``folder`` is, or would be."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free
