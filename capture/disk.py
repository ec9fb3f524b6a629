"""Whether the disk can hold the frames to come."""

from __future__ import annotations

from pathlib import Path

from sidcap.data_manifest.disk import require_room

RAW_SIZE_BYTES = 35_000_000
"""Upper estimate of one raw file, to see before a shot whether the disk can hold it."""


def check_disk(folder: Path, frames: int) -> None:
    """Raise DiskFullError where the disk below ``folder`` cannot hold so many frames."""
    require_room(folder, frames * RAW_SIZE_BYTES)
