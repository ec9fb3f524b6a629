"""Canon's custom functions, as libgphoto2's ``customfuncex`` words them: hexadecimal numbers, a comma after each.

    c8, 4,   1, 20, 2, 101,1,0, 10f,1,0,   2, 2c, 3, 201,1,0, ...
    |   |    |  |   |  |   | |
    |   |    |  |   |  |   | its values
    |   |    |  |   |  |   how many values it has
    |   |    |  |   |  number of a function
    |   |    |  |   how many functions the group has
    |   |    |  bytes of the group, from this number on
    |   |    number of the group
    |   how many groups follow
    bytes of the whole, this number included

Source: ``customfuncex`` in libgphoto2's dumps of real bodies (camlibs/ptp2/cameras/canon-eos-1000d.txt,
canon-eos600d.txt and others), which all fit. Function 60f is mirror lockup where a body has it; the 6D has not, and was
left in a bad state when it was sent one (indi-3rdparty, issue 804), so nothing is written that was not read.
"""

from __future__ import annotations

import re

MIRROR_LOCKUP = 0x60F
_WORD_BYTES = 4
_TEXT = re.compile(r"(?:[0-9a-f]{1,8},)+")


def single_value(text: str, function: int) -> int | None:
    """The value of a function that has exactly one; None where there is none, or ``text`` is no custom functions."""
    words = _words(text)
    places = _places_of_values(words)
    place = places.get(function) if places is not None else None
    return words[place] if place is not None else None


def with_single_value(text: str, function: int, value: int) -> str | None:
    """``text`` with one function's single value changed and nothing else; None where `single_value` is None."""
    words = _words(text)
    places = _places_of_values(words)
    place = places.get(function) if places is not None else None
    if place is None:
        return None
    words[place] = value
    return "".join(f"{word:x}," for word in words)


def _words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split(",")[:-1]] if _TEXT.fullmatch(text) else []


def _places_of_values(words: list[int]) -> dict[int, int] | None:
    """Where the value of each function with a single one stands; None where the numbers do not fit together."""
    if len(words) < 2 or words[0] != _WORD_BYTES * len(words):
        return None
    places: dict[int, int] = {}
    at = 2
    for _ in range(words[1]):
        if at + 3 > len(words):
            return None
        group_end = at + 1 + words[at + 1] // _WORD_BYTES
        functions, at = words[at + 2], at + 3
        for _ in range(functions):
            if at + 2 > len(words):
                return None
            function, values = words[at : at + 2]
            if values == 1 and at + 2 < len(words):
                places[function] = at + 2
            at += 2 + values
        if at != group_end:
            return None
    return places if at == len(words) else None
