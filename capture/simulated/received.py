"""The record of what hosts asked a simulated camera for."""

from __future__ import annotations

from typing import NamedTuple

OPERATIONS_KEPT = 100_000


class ReceivedOperation(NamedTuple):
    """One operation that a host asked for."""

    code: int
    name: str
    """libgphoto2's name (``EOS_RemoteReleaseOn``), or the number where the operation is not simulated."""
    params: tuple[int, ...]
