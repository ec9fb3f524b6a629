"""Writing results, with one line of advice where the disk refuses."""

from __future__ import annotations

from pathlib import Path

from sidcap.data_manifest.disk import remedy
from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.store import write_atomic


def write_result(path: Path, content: bytes) -> None:
    """Write ``path`` whole, and the folders above it.

    UsageError where a folder or a file is in the way, TrainingError where the disk refuses.
    """
    must_be_free(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except OSError as error:
        raise TrainingError(f"cannot write {path} ({error.strerror}): {remedy(error)}, then try again") from error


def must_be_free(path: Path) -> None:
    """UsageError where a folder or a file is in the way: to be asked before what is to be written there is computed."""
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder: write elsewhere")
    if (above := next(folder for folder in path.parents if folder.exists())).is_file():
        raise UsageError(f"cannot write {path}: {above} is a file, no folder: write elsewhere")
