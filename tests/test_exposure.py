"""Exposure arithmetic and bracket plans."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidcap.capture.exposure import offer, parse_shutter
from sidcap.capture.plan import plan_bracket
from sidcap.data_manifest.apex import true_seconds
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.words import Release

EOS_6D_ISO = (
    "Auto 50 100 125 160 200 250 320 400 500 640 800 1000 1250 1600 2000 2500 3200 4000 5000 6400 8000 10000 12800 "
    "16000 20000 25600"
).split()
EOS_6D_SHUTTER = (
    "30 25 20 15 13 10.3 8 6.3 5 4 3.2 2.5 2 1.6 1.3 1 0.8 0.6 0.5 0.4 0.3 1/4 1/5 1/6 1/8 1/10 1/13 1/15 1/20 "
    "1/25 1/30 1/40 1/50 1/60 1/80 1/100 1/125 1/160 1/200 1/250 1/320 1/400 1/500 1/640 1/800 1/1000 1/1250 1/1600 "
    "1/2000 1/2500 1/3200 1/4000"
).split()


BULB_TOO = ["bulb", *EOS_6D_SHUTTER]


@pytest.mark.parametrize(
    ("label", "nominal_s", "true_s"),
    [("30", 30, 32), ("10.3", 10, 10.0794), ("15", 15, 16), ("1/30", 1 / 30, 1 / 32), ("1/60", 1 / 60, 1 / 64),
     ("1/10", 0.1, 0.09921), ("0.3", 0.3, 0.31498), ("1", 1, 1), ("1/4000", 1 / 4000, 1 / 4096)],
)  # fmt: skip
def test_a_label_has_a_nominal_and_a_true_time(label: str, nominal_s: float, true_s: float) -> None:
    shutter = parse_shutter(label)
    assert shutter is not None
    assert shutter.nominal_s == pytest.approx(nominal_s)
    assert shutter.true_s == pytest.approx(true_s, rel=1e-4)


@pytest.mark.parametrize("label", ["bulb", "Auto", "", "1/0", "0", "-1", "Unknown value 00ff"])
def test_what_is_no_time_is_left_out(label: str) -> None:
    assert parse_shutter(label) is None


def test_the_6d_runs_exact_third_stops_from_32_s_to_1_4096() -> None:
    steps = offer(EOS_6D_SHUTTER).timed
    assert len(steps) == 52
    ratios = [slow.true_s / fast.true_s for slow, fast in pairwise(steps)]
    assert ratios == pytest.approx([2 ** (1 / 3)] * 51)


@given(st.floats(1e-4, 1e3))
def test_true_time_is_within_a_sixth_of_a_stop(nominal_s: float) -> None:
    assert 2 ** (-1 / 6) * (1 - 1e-9) <= true_seconds(nominal_s) / nominal_s <= 2 ** (1 / 6) * (1 + 1e-9)


@dataclass
class Case:
    name: str
    request: dict[str, object] = field(default_factory=dict)
    shutter: list[str] = field(default_factory=list)
    true_ratios: list[float] = field(default_factory=list)
    iso: int = 12800
    refused: str = ""


CASES = [
    Case("the literature's ratios", {}, ["10.3", "1/10", "1/25", "1/30", "10.3"], [1, 101.6, 256, 322.5, 1]),
    Case("one ratio", {"ratios": [100]}, ["10.3", "1/10", "10.3"], [1, 101.6, 1]),
    Case("the longest timed exposure", {"long_s": 30, "ratios": [8]}, ["30", "4", "30"], [1, 8, 1]),
    Case("an ISO that exists", {"iso": 200, "ratios": [100]}, ["10.3", "1/10", "10.3"], [1, 101.6, 1], iso=200),
    Case("ISO 0", {"iso": 0}, refused="ISO 0 is not offered"),
    Case("an absurd ISO", {"iso": 10**9}, refused="50 to 25600"),
    Case("ratio 0", {"ratios": [0]}, refused="above 1"),
    Case("ratio 1", {"ratios": [1]}, refused="above 1"),
    Case("ratio 1.01", {"ratios": [1.01]}, refused="out of the shutter's reach"),
    Case("ratio 1e9", {"ratios": [1e9]}, refused="1.3 to 41285"),
    Case("ratio nan", {"ratios": [float("nan")]}, refused="impossible"),
    Case("no ratio", {"ratios": []}, refused="at least one ratio"),
    Case("a long beyond the dial", {"long_s": 60}, refused="give --long within that; with the mode dial on B"),
    Case("all in bulb", {"shutter_labels": ["bulb"], "long_s": 60, "ratios": [4, 30]}, ["bulb"] * 4, [1, 4, 30, 1]),
    Case("a short too short for bulb", {"shutter_labels": ["bulb"], "long_s": 60}, refused="ratios up to 60, or turn"),
    Case("a long too short for bulb", {"shutter_labels": ["bulb"], "long_s": 0.5}, refused="1 to 3600 s in bulb, not"),
    Case("a bulb of days", {"shutter_labels": BULB_TOO, "long_s": 1e6}, refused="1/4000 to 30 s and 1 to 3600 s in"),
    Case(
        "a camera with bulb beside its times",
        {"shutter_labels": BULB_TOO, "long_s": 60, "ratios": [8, 100]},
        ["bulb", "8", "0.6", "bulb"],
        [1, 7.5, 95.2, 1],
    ),
    Case(
        "what can be timed is not held",
        {"shutter_labels": BULB_TOO, "long_s": 33},
        ["30", "0.3", "1/8", "1/10", "30"],
        [1, 101.6, 256, 322.5, 1],
    ),
    Case("a long of nothing", {"long_s": 0}, refused="impossible"),
    Case("settling until the mirror drops", {"settle_s": 40}, refused="mirror drops"),
    Case("a camera off M", {"shutter_labels": ["Auto"]}, refused="mode dial to M"),
    Case("a camera on automatic ISO", {"iso_labels": ["Auto"]}, refused="Auto ISO"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bracket(case: Case) -> None:
    request = {
        "iso": 12600, "ratios": [100, 250, 300], "long_s": 10,
        "iso_labels": EOS_6D_ISO, "shutter_labels": EOS_6D_SHUTTER,
    } | case.request  # fmt: skip
    if case.refused:
        with pytest.raises(UsageError, match=case.refused):
            plan_bracket(**request)  # type: ignore[arg-type]
        return
    plan = plan_bracket(**request)  # type: ignore[arg-type]
    assert [shot.shutter for shot in plan.shots] == case.shutter
    assert [shot.ratio_true for shot in plan.shots] == pytest.approx(case.true_ratios, abs=0.05)
    assert plan.iso_set == case.iso
    assert [shot.role for shot in plan.shots] == ["long", *["short"] * (len(plan.shots) - 2), "long"]


def test_a_changed_iso_is_said_in_one_line() -> None:
    offers = {"iso_labels": EOS_6D_ISO, "shutter_labels": EOS_6D_SHUTTER}
    changed = plan_bracket(iso=12600, ratios=[100], long_s=10, **offers)
    assert changed.notes == ("ISO 12600 does not exist on this camera; ISO 12800 is the nearest it has",)
    assert plan_bracket(iso=12800, ratios=[100], long_s=10, **offers).notes == ()
    assert plan_bracket(iso=12800, ratios=[100], long_s=7, **offers).notes == (
        "this camera has no 7 s; 8 s is the nearest it has",
    )


def test_a_plain_release_does_not_settle() -> None:
    plan = plan_bracket(
        iso=100, ratios=[4], long_s=1, iso_labels=EOS_6D_ISO, shutter_labels=EOS_6D_SHUTTER, release=Release.PLAIN
    )
    assert plan.settle_s == 0


@given(st.floats(1.3, 40000), st.floats(1 / 10, 30))
def test_a_served_ratio_is_within_a_third_of_a_stop(ratio: float, long_s: float) -> None:
    try:
        plan = plan_bracket(
            iso=100, ratios=[ratio], long_s=long_s, iso_labels=EOS_6D_ISO, shutter_labels=EOS_6D_SHUTTER
        )
    except UsageError:
        return
    assert abs(plan.shots[1].ratio_difference) < 0.27


@given(st.floats(1.01, 5000), st.floats(1, 3600))
def test_in_bulb_a_ratio_is_exact_or_refused(ratio: float, long_s: float) -> None:
    labels = {"iso_labels": EOS_6D_ISO, "shutter_labels": ["bulb"]}
    if long_s / ratio < 1:
        with pytest.raises(UsageError, match="turn the mode dial to M"):
            plan_bracket(iso=100, ratios=[ratio], long_s=long_s, **labels)
        return
    plan = plan_bracket(iso=100, ratios=[ratio], long_s=long_s, **labels)
    assert plan.shots[1].ratio_true == pytest.approx(ratio)
    assert min(shot.true_s for shot in plan.shots) >= 1


def test_exposures_in_bulb_are_announced() -> None:
    plan = plan_bracket(iso=12800, ratios=[4], long_s=60, iso_labels=EOS_6D_ISO, shutter_labels=["bulb"])
    assert plan.notes == ("3 exposures in bulb, timed by this computer and the cable: true times are less certain",)
