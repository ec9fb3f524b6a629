"""How a session compares every frame with the long while the next one is shot. Runs in the session's other process."""

from __future__ import annotations

from sidcap.capture import Comparison
from sidcap.curate import Reference, judge, noise_of
from sidcap.data_manifest.raw import RawFrame

_prepared: list[tuple[RawFrame, Reference]] = []
"""The long of the last comparison and what was made of it: one at most, for a bracket has many frames and one long."""


def compare(long: RawFrame, frame: RawFrame, true_ratio: float) -> Comparison:
    """Register a frame against the long, and judge; with the default tolerance. RegistrationError as `Reference`."""
    found = _reference(long).register(frame, ratio=true_ratio)
    name = "the short" if true_ratio > 1 else "the closing long"
    verdict, reasons = judge(found, true_ratio=true_ratio, frame=name)
    return Comparison(verdict, reasons, found.ratio, found.ratio_sigma or 0.0)


def _reference(long: RawFrame) -> Reference:
    if not _prepared or _prepared[0][0] is not long:
        _prepared[:] = [(long, Reference(long, noise_of(long)))]
    return _prepared[0][1]
