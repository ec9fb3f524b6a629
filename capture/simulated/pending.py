"""An exposure from the moment the shutter opens until its files are announced."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from sidcap.capture.simulated.codes import CaptureDestination, ObjectFormat
from sidcap.capture.simulated.frame import Shot

_PROCESSING_S = 0.5
"""From the end of an exposure until its files are written. A guess."""


@dataclass(frozen=True)
class PendingFile:
    """A file that is being rendered."""

    format: ObjectFormat
    content: Future[bytes]


@dataclass(frozen=True)
class PendingExposure:
    """``writing_s`` is the time that its files take to be written, in simulated seconds."""

    shot: Shot
    destination: CaptureDestination
    files: tuple[PendingFile, ...]
    writing_s: float

    @property
    def closed_s(self) -> float:
        """When the shutter closes."""
        return self.shot.start_s + self.shot.shutter_s

    @property
    def sensor_free_s(self) -> float:
        """When the sensor is done: a dark frame of the same length may follow."""
        return self.closed_s + (self.shot.shutter_s if self.shot.noise_reduction else 0.0)

    def is_written(self, now_s: float) -> bool:
        ready_s = self.sensor_free_s + _PROCESSING_S + self.writing_s
        return now_s >= ready_s and all(file.content.done() for file in self.files)


def in_background(make: Callable[[], bytes], name: str) -> Future[bytes]:
    """Calls ``make`` in a thread that nobody has to wait for when the program ends."""
    future: Future[bytes] = Future()

    def render() -> None:
        try:
            future.set_result(make())
        except Exception as error:  # noqa: BLE001 - handed to whoever takes the result
            future.set_exception(error)

    threading.Thread(target=render, name=name, daemon=True).start()
    return future
