"""The long's exposure is found with a few test frames, on the raw numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_exposure import EOS_6D_SHUTTER

from sidcap.capture import Clock, Tether
from sidcap.capture.exposure import offer
from sidcap.capture.journal import Journal
from sidcap.capture.metering import (
    CLIPPED,
    MOST_TEST_FRAMES,
    TARGET,
    LongChoice,
    TestFrame,
    choose,
    find_long,
    highlight_levels,
    longs_serving,
    next_test,
)
from sidcap.capture.simulated import Fault, SimulatedCamera
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.raw import Exif, RawFrame
from sidcap.data_manifest.schema import BlackLevel, WhiteLevel
from sidcap.data_manifest.store import Store

TIME_SCALE = 40.0
OFFERED = offer(EOS_6D_SHUTTER)
LONGS = longs_serving(OFFERED, [100, 300])


def metered(white_s: float) -> LongChoice:
    """What is chosen where highlights are white after ``white_s`` seconds, with a sensor that has no noise."""
    seen: list[TestFrame] = []
    while (shutter := next_test(LONGS, seen)) is not None:
        level = min(1.0, shutter.true_s / white_s)
        seen.append(TestFrame(shutter, (0.5 * level, level, 0.7 * level, level)))
    return choose(LONGS, seen)


@given(st.floats(-12, 12))
@example(0.0)
def test_the_longest_below_white_is_chosen_in_four_frames(white_stops: float) -> None:
    white_s = 2.0**white_stops
    choice = metered(white_s)
    assert len(choice.test_frames) <= MOST_TEST_FRAMES
    assert "\n" not in choice.text
    wanted = [long for long in LONGS if long.true_s <= TARGET * white_s * (1 + 1e-9)]
    assert choice.shutter == (wanted[0] if wanted else LONGS[-1])
    if white_s < CLIPPED * LONGS[-1].true_s:
        assert "close the aperture" in choice.limit


@given(st.floats(0.1, 30))
def test_what_limits_the_long_is_said_only_where_it_is_dark_or_bright(white_s: float) -> None:
    choice = metered(white_s)
    assert choice.level <= TARGET
    assert choice.channel == "green"
    assert choice.limit == ""


@pytest.mark.parametrize(
    ("ratios", "longest", "shortest"), [([100, 300], "30", "1/15"), ([1.3], "30", "1/3200"), ([30000], "30", "6.3")]
)
def test_longs_are_those_from_which_the_shutter_serves_the_ratios(
    ratios: list[float], longest: str, shortest: str
) -> None:
    longs = longs_serving(OFFERED, ratios)
    assert (longs[0].label, longs[-1].label) == (longest, shortest)


@pytest.mark.parametrize(("labels", "ratios"), [(["bulb"], [4]), (EOS_6D_SHUTTER, [1e9]), (EOS_6D_SHUTTER, [0])])
def test_no_long_for_the_ratios_is_wrong_usage(labels: list[str], ratios: list[float]) -> None:
    with pytest.raises(UsageError, match="no timed exposure serves"):
        longs_serving(offer(labels), ratios)


def test_a_level_is_by_channel_and_above_black() -> None:
    mosaic = np.full((400, 600), 2048, np.uint16)
    mosaic[0::2, 0::2] += 1000
    mosaic[1::2, 1::2] += 4000
    mosaic[0, 1::50] = 15283  # twelve white photosites of 60,000 are no highlight
    frame = RawFrame(
        mosaic,
        np.array([[0, 1], [3, 2]], np.uint8),
        BlackLevel(per_plane_dn=(2048, 2048, 2048, 2048), source="masked pixels"),
        WhiteLevel(dn=12048, source="test"),
        (1.0, 1.0, 1.0),
        Exif(),
    )
    assert highlight_levels(frame) == pytest.approx((0.1, 0, 0.4, 0))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # libgphoto2 keeps settings there


def find(camera: SimulatedCamera, store: Store) -> LongChoice:
    tether = Tether(camera.port_string, Journal(store.journal_path), patience_s=20)
    tether.connect()
    try:
        return find_long(
            tether,
            store,
            Clock(TIME_SCALE),
            iso=12800,
            ratios=[100, 300],
            shutter_labels=tether.body.shutter_labels(),
        )
    finally:
        assert tether.close() == []


@pytest.mark.parametrize(
    ("light_ev", "long", "limit"),
    [
        (0, "5", ""),
        (-3, "30", ""),
        (5, "1/6", ""),
        (-9, "30", "the longest"),
        (11, "1/15", "too bright even at 1/15 s"),
    ],
)
def test_the_long_suits_the_light(tmp_path: Path, light_ev: float, long: str, limit: str) -> None:
    store = Store.create(tmp_path / "set")
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, light_ev=light_ev, seed=1) as camera:
        choice = find(camera, store)
        exposed = [shot.shutter_s for shot in camera.shots]
    assert choice.shutter.label == long
    assert choice.limit.startswith(limit)
    assert bool(choice.limit) == bool(limit)
    assert len(exposed) == len(choice.test_frames) <= MOST_TEST_FRAMES


def test_test_frames_are_journaled_and_leave_nothing_here(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "set")
    before = {path.name for path in store.root.iterdir()}
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings={"shutterspeed": "1/250"}) as camera:
        choice = find(camera, store)
    assert {path.name for path in store.root.iterdir()} - before <= {"journal.jsonl"}
    named = [event["card"] for event in Journal(store.journal_path).events() if event["event"] == "test frame"]
    assert [Path(card).name for card in named] == [f"IMG_{n + 1:04d}.CR2" for n in range(len(choice.test_frames))]


def test_a_cable_pulled_meanwhile_costs_a_frame_and_accounts_for_it(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "set")
    fault = Fault.parse("cable-pulled=0.5@exposure:1")
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, faults=[fault], seed=1) as camera:
        choice = find(camera, store)
        exposed = len(camera.shots)
    assert choice.shutter.label == "5"
    named = [event["card"] for event in Journal(store.journal_path).events() if event["event"] == "test frame"]
    assert len(set(named)) == exposed == len(choice.test_frames) + 1
