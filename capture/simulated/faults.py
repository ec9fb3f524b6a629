"""What goes wrong, and when: told to a simulated camera before it is used, or while it is.

A fault is written ``KIND[=VALUE]@MOMENT[:COUNT]``, for example ``reply-late=4@EOS_GetEvent:10``: the tenth time that
a host asks for events, the answer comes four seconds late. A moment is

- an operation that a host asks for, by libgphoto2's name (``EOS_RemoteReleaseOn``, ``GetPartialObject``, ...),
- an event that the camera announces (``ObjectAddedEx``, ``RequestObjectTransfer``, ...),
- ``exposure``: the shutter opens, or ``autofocus``: the lens begins to look for the focus.

Moments are counted from 1 since the fault was told, over all hosts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sidcap.capture.simulated.codes import EventCode, OperationCode
from sidcap.data_manifest.errors import UsageError

EXPOSURE = "exposure"
AUTOFOCUS = "autofocus"


class FaultKind(StrEnum):
    """What can go wrong. What ``Fault.value`` means, and its usual value, is in brackets."""

    CABLE_PULLED = "cable-pulled"
    """The camera does what it was asked for, and every connection is cut. (Real seconds until somebody plugs
    the cable in again; without a value nobody does.)"""
    BUSY = "busy"
    """From this operation on, and for a while, it is answered "busy". (Simulated seconds: 1.)"""
    REPLY_LATE = "reply-late"
    """The camera does what it was asked for, and answers late. (Real seconds: 4; libgphoto2 waits 2.5.)"""
    EVENT_LOST = "event-lost"
    """The event never reaches the host."""
    TRANSFER_TRUNCATED = "transfer-truncated"
    """The data end early, and the answer says that all is well. (Bytes that arrive: half of them.)"""
    TRANSFER_EMPTY = "transfer-empty"
    """No data at all, and the answer says that all is well."""
    BITS_FLIPPED = "bits-flipped"
    """Some bits of the data arrive wrong. (How many: 1.)"""
    CARD_FULL = "card-full"
    """There is no room left on the card, until something is deleted."""
    CARD_ERROR = "card-error"
    """The card cannot be read or written from now on: frames meant for it are lost."""
    BATTERY_EMPTY = "battery-empty"
    """The battery is empty: the camera is off at once, and what was being exposed is lost."""
    POWER_OFF = "power-off"
    """The camera switches itself off. An exposure that has begun still reaches the card."""
    AUTOFOCUS_FAILED = "autofocus-failed"
    """The lens does not find the focus, and stays where it is."""
    EXIF_WRONG = "exif-wrong"
    """The file states a wrong exposure time. (How many times the true one: 2.)"""


_USUAL_VALUE = {
    FaultKind.BUSY: 1.0,
    FaultKind.REPLY_LATE: 4.0,
    FaultKind.BITS_FLIPPED: 1.0,
    FaultKind.EXIF_WRONG: 2.0,
}
_WITH_OPTIONAL_VALUE = frozenset({FaultKind.CABLE_PULLED, FaultKind.TRANSFER_TRUNCATED})

_LARGEST_VALUE = 1e9

OPERATIONS = frozenset(OperationCode.__members__)
EVENTS = frozenset(EventCode.__members__)
_AT_OPERATIONS = frozenset(
    {
        FaultKind.BUSY,
        FaultKind.REPLY_LATE,
        FaultKind.TRANSFER_TRUNCATED,
        FaultKind.TRANSFER_EMPTY,
        FaultKind.BITS_FLIPPED,
    }
)
_GRAMMAR = re.compile(r"(?P<kind>[a-z-]+)(=(?P<value>[0-9.]+))?@(?P<moment>\w+)(:(?P<count>\d{1,9}))?")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, at the ``count``-th time that ``at`` happens.

    ``value`` is explained with each kind; None stands for the usual one.

    Raises:
        UsageError: no such moment, or a kind that cannot happen at it.
    """

    kind: FaultKind
    at: str
    count: int = 1
    value: float | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"a fault at time {self.count} never happens; count from 1")
        if self.value is not None and self.kind not in _WITH_OPTIONAL_VALUE | _USUAL_VALUE.keys():
            raise UsageError(f"{self.kind} takes no value; write {self.kind}@{self.at}")
        if self.value is not None and not 0 <= self.value <= _LARGEST_VALUE:
            raise UsageError(f"{self.kind} cannot be {self.value:g}; choose 0 to {_LARGEST_VALUE:g}")
        if self.kind is FaultKind.EXIF_WRONG and self.value is not None and not 0.001 <= self.value <= 1000:
            raise UsageError(f"no file states {self.value:g} times the true exposure; choose 0.001 to 1000")
        if self.value is None and self.kind in _USUAL_VALUE:
            object.__setattr__(self, "value", _USUAL_VALUE[self.kind])
        if self.at not in _moments(self.kind):
            raise UsageError(f"{self.kind} cannot happen at {self.at!r}; {_hint(self.kind)}")

    @property
    def number(self) -> float:
        """The value of a kind that always has one."""
        if self.value is None:
            raise TypeError(f"{self.kind} has no value")
        return self.value

    @classmethod
    def parse(cls, text: str) -> Fault:
        """A fault from ``KIND[=VALUE]@MOMENT[:COUNT]``.

        Raises:
            UsageError: it is not written like that.
        """
        found = _GRAMMAR.fullmatch(text)
        if found is None:
            raise UsageError(f"{text!r} is not a fault; write KIND[=VALUE]@MOMENT[:COUNT], cable-pulled@exposure:3")
        try:
            kind = FaultKind(found["kind"])
        except ValueError:
            raise UsageError(f"no fault is called {found['kind']!r}; choose from {', '.join(FaultKind)}") from None
        try:
            value = None if found["value"] is None else float(found["value"])
        except ValueError:
            raise UsageError(f"{found['value']!r} is not a number") from None
        return cls(kind, found["moment"], int(found["count"] or 1), value)


def _moments(kind: FaultKind) -> frozenset[str]:
    match kind:
        case FaultKind.EVENT_LOST:
            return EVENTS
        case FaultKind.AUTOFOCUS_FAILED:
            return frozenset({AUTOFOCUS})
        case FaultKind.EXIF_WRONG:
            return frozenset({EXPOSURE})
        case _ if kind in _AT_OPERATIONS:
            return OPERATIONS
        case _:
            return OPERATIONS | {EXPOSURE}


def _hint(kind: FaultKind) -> str:
    match kind:
        case FaultKind.EVENT_LOST:
            return "name an event, such as ObjectAddedEx"
        case FaultKind.AUTOFOCUS_FAILED:
            return f"its moment is {AUTOFOCUS}"
        case FaultKind.EXIF_WRONG:
            return f"its moment is {EXPOSURE}"
        case _ if kind in _AT_OPERATIONS:
            return "name an operation, such as GetPartialObject"
        case _:
            return f"name an operation, such as EOS_RemoteReleaseOn, or {EXPOSURE}"


class FaultPlan:
    """Counts what happens, and says what goes wrong with it."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._pending: list[tuple[Fault, int]] = []
        self._happened: Counter[str] = Counter()
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """From now on, too; its moments are counted from now."""
        self._pending.append((fault, self._happened[fault.at] + fault.count))

    def happens(self, moment: str) -> dict[FaultKind, Fault]:
        """``moment`` happens once more: the faults that come with it this time, by their kinds."""
        self._happened[moment] += 1
        due = {
            fault.kind: fault
            for fault, count in self._pending
            if fault.at == moment and count == self._happened[moment]
        }
        self._pending = [(fault, count) for fault, count in self._pending if due.get(fault.kind) is not fault]
        return due
