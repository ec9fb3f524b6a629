"""Is everything there that a bracket needs, and how long will it last: camera, card, battery, this computer's disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sidcap.capture.bodies import Body, Check
from sidcap.capture.disk import RAW_SIZE_BYTES
from sidcap.data_manifest.disk import disk_free_bytes


@dataclass(frozen=True)
class Supplies:
    """What runs out in the course of an evening. None where the camera does not tell."""

    disk_bytes: int
    """Room on the disk that holds the dataset."""
    card_shots: int | None
    battery_percent: int | None


def supplies(body: Body, dataset: Path) -> Supplies:
    """What is left. CameraError where the camera does not answer."""
    return Supplies(disk_free_bytes(dataset), body.free_shots, body.battery_percent)


def checks(body: Body, dataset: Path, *, frames: int, frames_in_all: int) -> tuple[Check, ...]:
    """Whether each thing is there: those of the body, then the disk, which has to hold ``frames`` for the next scene.

    ``frames_in_all`` is what the whole session is to bring. CameraError where the camera does not answer.
    """
    return (*body.checks(), _disk_check(disk_free_bytes(dataset), frames, frames_in_all))


def _disk_check(free_bytes: int, frames: int, frames_in_all: int) -> Check:
    found = f"{free_bytes / 1e9:.1f} GB free, {frames_in_all * RAW_SIZE_BYTES / 1e9:.1f} GB needed at most"
    if free_bytes < frames * RAW_SIZE_BYTES:
        return Check("disk", "problem", found, "make room, or give a --dataset on another disk")
    if free_bytes < frames_in_all * RAW_SIZE_BYTES:
        return Check("disk", "warning", found, "make room before it is full, or give a --dataset on another disk")
    return Check("disk", "ok", found)
