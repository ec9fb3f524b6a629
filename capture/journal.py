"""What happened at the camera: one JSON object a line, append-only, on disk before the next thing happens."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Journal:
    """An append-only record. Every line reaches the disk before ``record`` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self, event: str, **facts: Any) -> None:
        """Append one event with its time (host clock, UTC) and JSON-serialisable facts."""
        line = json.dumps({"utc": datetime.now(UTC).isoformat(), "event": event, **facts})
        with self.path.open("ab") as file:
            file.write(f"{line}\n".encode() if self._ends_whole() else f"\n{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    def events(self) -> list[dict[str, Any]]:
        """All whole events. A last line cut short by a power loss is left out."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        return [event for line in lines if (event := _parsed(line)) is not None]

    def _ends_whole(self) -> bool:
        """False where a power loss cut the last line short: the next one must not be glued to it."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return True
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def accounted_for(event: Mapping[str, Any]) -> str | None:
    """Where the file lies on the card that an event tells of: fetched, refused, or named as a stranger."""
    if event["event"] == "deleted":
        return None
    card = event.get("arrival", event).get("card")
    return card if isinstance(card, str) else None


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    is_event = isinstance(event, dict) and isinstance(event.get("event"), str) and "utc" in event
    return event if is_event else None
