"""What a session tells other programs: a file of events, and commands of the user's that run when something is done."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sidcap.capture.session import Event, EventKind
from sidcap.data_manifest.errors import HookError, UsageError
from sidcap.data_manifest.store import Store


class EventLog:
    """A file to which every event is appended as one line of JSON, flushed. Use it as a context manager.

    ``utc`` is the time of the host, everything else is what `Event.to_dict` says. UsageError where the file cannot be
    written to.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise UsageError(f"events cannot be written to {path} ({error.strerror}): name another file") from error

    def watch(self, event: Event) -> None:
        """Append one event."""
        self._file.write(json.dumps({"utc": datetime.now(UTC).isoformat(), **event.to_dict()}) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


@dataclass(frozen=True)
class Hooks:
    """Commands of the shell, run after every frame that counts and after every complete scene; the session waits.

    A command finds the event as a line of JSON on its standard input; in its environment ``SIDCAP_SCENE`` (five
    digits), ``SIDCAP_PATH`` (the raw file, or the scene's file) and ``SIDCAP_DATASET``, the latter two absolute. What
    it prints is shown only where it fails.
    """

    store: Store
    on_frame: str | None = None
    on_scene: str | None = None

    def watch(self, event: Event) -> None:
        """Run the command that is meant for this event, if any. HookError where it fails."""
        if event.kind is EventKind.FRAME and event.frame is not None and self.on_frame:
            self._run(self.on_frame, event, self.store.path(event.frame.path))
        elif event.kind is EventKind.COMPLETE and self.on_scene:
            self._run(self.on_scene, event, self.store.scene_path(event.scene))

    def _run(self, command: str, event: Event, path: Path) -> None:
        done = subprocess.run(  # noqa: S602 (a shell command is what the user gave)
            command,
            shell=True,
            input=(json.dumps(event.to_dict()) + "\n").encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self._environment(event, path)},
            check=False,
        )
        if done.returncode != 0:
            said = done.stdout.decode(errors="replace").strip().splitlines()
            why = f" ({said[-1]})" if said else ""
            raise HookError(
                f"`{command}` ended with {done.returncode} for {path.name}{why}: put it right; what was shot is kept"
            )

    def _environment(self, event: Event, path: Path) -> Mapping[str, str]:
        return {
            "SIDCAP_SCENE": f"{event.scene:05d}",
            "SIDCAP_PATH": str(path.absolute()),
            "SIDCAP_DATASET": str(self.store.root.absolute()),
        }
