"""Writing results, with one line of advice where the disk refuses."""

from __future__ import annotations

from pathlib import Path

from sidcap.data_manifest.errors import TrainingError
from sidcap.data_manifest.store import write_atomic


def write_result(path: Path, content: bytes) -> None:
    """Write ``path`` whole, and the folders above it. TrainingError where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except OSError as error:
        raise TrainingError(f"cannot write {path} ({error.strerror}): make room, then try again") from error
