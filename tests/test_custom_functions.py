"""Canon's custom functions: one value changes, and whatever does not fit together is left alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidcap.capture.bodies.custom_functions import MIRROR_LOCKUP, single_value, with_single_value

EOS_1000D = (
    "c8,4,1,20,2,101,1,0,10f,1,0,2,2c,3,201,1,0,202,1,0,204,1,0,3,2c,3,50e,1,0,511,1,0,60f,1,0,"
    "4,38,4,701,1,0,704,1,0,811,1,0,80f,1,0,"
)
EOS_760D = (
    "e0,4,1,20,2,101,1,0,103,1,0,2,14,1,203,1,0,3,50,6,50e,1,0,51b,1,0,51c,1,0,50c,1,0,51d,1,0,60f,1,0,"
    "4,44,5,701,1,0,704,1,0,811,1,1,70f,1,2,814,1,0,"
)
EOS_T7I = (
    "c8,1,1,bc,f,101,1,0,103,1,0,113,1,0,203,1,0,50e,1,0,51b,1,0,51c,1,0,50c,1,0,51d,1,0,60f,1,0,40a,1,c3,"
    "702,1,0,704,1,0,811,1,0,814,1,0,"
)
"""From libgphoto2's dumps of real bodies (camlibs/ptp2/cameras/)."""

word = st.integers(0, 0xFFFF_FFFF)


@dataclass(frozen=True)
class Function:
    number: int
    values: tuple[int, ...]

    @property
    def words(self) -> list[int]:
        return [self.number, len(self.values), *self.values]


@st.composite
def groups(draw: st.DrawFn) -> list[list[Function]]:
    numbers = draw(st.lists(st.integers(1, 0xFFFF), min_size=1, max_size=12, unique=True))
    functions = [Function(number, tuple(draw(st.lists(word, max_size=4)))) for number in numbers]
    cut = draw(st.integers(0, len(functions)))
    return [functions[:cut], functions[cut:]]


def text_of(groups: list[list[Function]]) -> str:
    words = []
    for number, functions in enumerate(groups, start=1):
        inner = [word for function in functions for word in function.words]
        words += [number, 4 * (len(inner) + 2), len(functions), *inner]
    return "".join(f"{word:x}," for word in [4 * (len(words) + 2), len(groups), *words])


@pytest.mark.parametrize("text", [EOS_1000D, EOS_760D, EOS_T7I])
def test_mirror_lockup_is_found_and_changed_in_what_real_bodies_say(text: str) -> None:
    assert single_value(text, MIRROR_LOCKUP) == 0
    assert with_single_value(text, MIRROR_LOCKUP, 1) == text.replace("60f,1,0,", "60f,1,1,")


@pytest.mark.parametrize("text", ["bad length", "10,c189,d194,0,", "20,1,6,14,1,102,1,1,", "", "None"])
def test_without_lockup_or_without_sense_there_is_nothing_to_change(text: str) -> None:
    assert single_value(text, MIRROR_LOCKUP) is None
    assert with_single_value(text, MIRROR_LOCKUP, 1) is None


@given(groups(), st.data(), word)
def test_exactly_one_value_changes(groups: list[list[Function]], data: st.DataObject, value: int) -> None:
    functions = [function for group in groups for function in group]
    function = data.draw(st.sampled_from(functions))
    text = text_of(groups)
    changed = with_single_value(text, function.number, value)
    if len(function.values) != 1:
        assert changed is None
        return
    replaced = Function(function.number, (value,))
    assert changed == text_of([[replaced if one == function else one for one in group] for group in groups])
    assert with_single_value(changed, function.number, function.values[0]) == text


@given(groups(), st.data())
def test_a_number_too_few_or_too_many_makes_it_unreadable(groups: list[list[Function]], data: st.DataObject) -> None:
    words = text_of(groups).split(",")[:-1]
    at = data.draw(st.integers(0, len(words) - 1))
    fewer = "".join(f"{word}," for word in [*words[:at], *words[at + 1 :]])
    more = text_of(groups) + "0,"
    for function in (function for group in groups for function in group):
        assert with_single_value(fewer, function.number, 1) is None
        assert with_single_value(more, function.number, 1) is None


@given(st.one_of(st.text(), st.lists(word, max_size=30).map(lambda words: "".join(f"{word:x}," for word in words))))
def test_nothing_that_is_read_is_an_accident(text: str) -> None:
    changed = with_single_value(text, MIRROR_LOCKUP, 1)
    if changed is not None:
        assert changed.count(",") == text.count(",")
        assert single_value(changed, MIRROR_LOCKUP) == 1
