"""What the camera is set to, and what it has to say: values, choices, and the events that tell of them."""

from __future__ import annotations

from sidcap.capture.simulated import datasets
from sidcap.capture.simulated.faults import FaultKind, FaultPlan
from sidcap.capture.simulated.properties import (
    CONSTANTS,
    PROPERTIES,
    FileFormat,
    ImageFormat,
    PropertyCode,
    Records,
    Value,
)


class State:
    """Every property's value and choices; whatever changes is announced while events are on."""

    def __init__(self, faults: FaultPlan) -> None:
        self._faults = faults
        self._values: dict[PropertyCode, Value] = {code: row.first for code, row in PROPERTIES.items()}
        self._choices: dict[PropertyCode, tuple[Value, ...]] = {code: row.choices for code, row in PROPERTIES.items()}
        self._events: list[bytes] = []
        self._events_on = False

    def __getitem__(self, code: PropertyCode) -> Value:
        return self._values[code]

    def number(self, code: PropertyCode) -> int:
        """The value of a property that is a number."""
        value = self._values[code]
        if not isinstance(value, int):
            raise TypeError(f"{code.name} is not a number")
        return value

    @property
    def image_format(self) -> ImageFormat:
        """The files of an exposure."""
        files = self._values[PropertyCode.ImageFormat]
        return tuple(file for file in files if isinstance(file, FileFormat)) if isinstance(files, tuple) else ()

    @property
    def custom_functions(self) -> Records:
        groups = self._values[PropertyCode.CustomFuncEx]
        return tuple(group for group in groups if isinstance(group, bytes)) if isinstance(groups, tuple) else ()

    def set(self, code: PropertyCode, value: Value) -> None:
        """Takes a value, and announces it where it is new."""
        if self._values[code] != value:
            self._values[code] = value
            self.announce(code)

    def allows(self, code: PropertyCode, value: Value) -> bool:
        """Whether a value is among the choices; says nothing about whether the property can be written."""
        return not self._choices[code] or value in self._choices[code]

    def offer(self, code: PropertyCode, choices: tuple[Value, ...]) -> None:
        """From now on a property can be set to these values."""
        if self._choices[code] != choices:
            self._choices[code] = choices
            self.happened(datasets.property_choices(code, PROPERTIES[code], choices))

    def switch_events(self, on: bool) -> None:
        """Switches events on or off. When they go on, every value and every list of choices is announced."""
        self._events.clear()
        self._events_on = on
        if not on:
            return
        for code, row in PROPERTIES.items():
            if row.announced:
                self.announce(code)
        for constant, value in CONSTANTS.items():
            self.happened(datasets.property_bytes(constant, value))
        for code, row in PROPERTIES.items():
            self.happened(datasets.property_choices(code, row, self._choices[code]))

    def take_events(self) -> bytes:
        """What has happened since the last call: the answer to ``EOS_GetEvent``."""
        events, self._events = self._events, []
        return b"".join(events) + datasets.END_OF_EVENTS

    def announce(self, code: PropertyCode) -> None:
        for event in datasets.property_value(code, PROPERTIES[code], self._values[code]):
            self.happened(event)

    def happened(self, event: bytes) -> None:
        """Announces an event, if somebody listens."""
        if self._events_on and FaultKind.EVENT_LOST not in self._faults.happens(datasets.event_name(event)):
            self._events.append(event)
