"""What a bracket as a whole tells: light that flickers or drifts, a camera that creeps."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import records
import textured_datasets
import tiny_raw
from hypothesis import given
from hypothesis import strategies as st
from simulated_frames import SHOT

from sidcap.capture.simulated import Flicker, Surroundings
from sidcap.capture.simulated.frame import FrameMaker
from sidcap.curate import verify_scene
from sidcap.curate.scene_checks import judged
from sidcap.data_manifest.schema import Pair, Ratio, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split, Verdict

LONG = "long/00001_00_10s.CR2"
CLOSING = "long/00001_01_10s.CR2"
REGISTRATION: dict[str, Any] = {
    "shift_px": [0.0, 0.0],
    "covariance_px2": [[1e-4, 0.0], [0.0, 1e-4]],
    "ratio": 100.0,
    "ratio_sigma": 0.1,
    "chi2": 1.0,
    "explained": 1.0,
    "problem": None,
}


def measured(
    frame: str, light: float, sigma: float, *, true: float = 101.6, shift_px: tuple[float, float] = (0.0, 0.0)
) -> Pair:
    """A pair that got ``light`` times the light it should have, known to ``sigma`` of it."""
    ratio = Ratio(nominal=100, true=true, measured=true / light, measured_sigma=sigma * true / light)
    found = REGISTRATION | {"ratio": ratio.measured, "ratio_sigma": ratio.measured_sigma, "shift_px": list(shift_px)}
    alignment = tiny_raw.alignment(Verdict.UNDETERMINED).replace(
        shift_px=shift_px, registration=found, light=light, light_sigma=sigma * light
    )
    return Pair(frame=frame, reference=LONG, ratio=ratio, alignment=alignment)


def scene(
    lights: list[float],
    sigma: float = 0.003,
    *,
    closing: float | None = 1.0,
    creep_px: tuple[float, float] = (0.0, 0.0),
) -> Scene:
    """A bracket whose shorts, all of one exposure, got so much light, and are known to ``sigma``."""
    shorts = [f"short/00001_{index:02d}_0.1s.CR2" for index in range(len(lights))]
    frames = [LONG, *shorts] + ([] if closing is None else [CLOSING])
    return Scene(
        id=1,
        split=Split.TRAIN,
        complete=True,
        frames=tuple(records.frame(path) for path in frames),
        pairs=tuple(measured(path, light, sigma) for path, light in zip(shorts, lights, strict=True)),
        closing=None if closing is None else measured(CLOSING, closing, 2e-4, true=1.0, shift_px=creep_px),
    )


def reasons(pair: Pair | None) -> tuple[str, ...]:
    assert pair is not None
    assert pair.alignment is not None
    return pair.alignment.reasons


def test_light_that_goes_there_and_back_is_flicker_and_spoils_nothing() -> None:
    found = judged(scene([1.0, 1.02, 1.0]), 0.5)
    words = "the light flickered: 2.0% between shorts of equal exposure (0.1 s)"
    assert found.findings == (words,)
    assert all(reasons(pair)[-1] == words for pair in found.pairs)
    assert words not in reasons(found.closing)
    assert all(pair.usable for pair in found.all_pairs)


@pytest.mark.parametrize("closing", [1.0, None])
def test_two_shorts_are_enough_for_flicker(closing: float | None) -> None:
    found = judged(scene([1.0, 1.02], closing=closing), 0.5)
    assert found.findings == ("the light flickered: 2.0% between shorts of equal exposure (0.1 s)",)


@pytest.mark.parametrize(
    ("lights", "closing", "words"),
    [
        ([1.01, 1.02, 1.03], 1.04, "the light rose by 4.0% over the bracket"),
        ([1.03, 1.035, 1.038], 1.04, "the light rose by 4.0% over the bracket"),
        ([0.99, 0.97], 0.95, "the light fell by 5.0% over the bracket"),
        ([1.0, 1.02, 1.04], None, "the light rose by 4.0% from the first to the last short of 0.1 s"),
    ],
)
def test_light_that_goes_one_way_is_drift_and_no_flicker(
    lights: list[float], closing: float | None, words: str
) -> None:
    (finding,) = judged(scene(lights, closing=closing), 0.5).findings
    assert finding.startswith(words)


def test_flicker_is_named_beside_a_drift() -> None:
    drift, flicker = judged(scene([1.05, 1.0, 1.05], closing=1.05), 0.5).findings
    assert drift.startswith("the light rose by 5.0%")
    assert flicker.startswith("the light flickered: 5.0%")


@pytest.mark.parametrize(("light", "sigma"), [(1.009, 1e-4), (1.02, 0.006)])
def test_a_small_or_uncertain_change_is_not_named(light: float, sigma: float) -> None:
    assert judged(scene([1.0, light], sigma), 0.5).findings == ()


def test_shorts_of_different_exposures_are_not_compared() -> None:
    equal = scene([1.0, 1.05])
    longer = records.frame(equal.frames[2].path).exposure.replace(nominal_s=0.2, true_s=0.2)
    frames = (*equal.frames[:2], equal.frames[2].replace(exposure=longer), equal.frames[3])
    assert judged(equal, 0.5).findings != ()
    assert judged(equal.replace(frames=frames), 0.5).findings == ()


def test_a_camera_that_creeps_is_named_before_it_spoils_a_pair() -> None:
    found = judged(scene([1.0], creep_px=(0.2, 0.1)), 0.5)
    assert found.findings == (
        "the camera moved by 0.22 px while the bracket was shot (the closing long against the first)",
    )
    assert all(pair.usable for pair in found.all_pairs)
    assert judged(scene([1.0], creep_px=(0.08, 0.0)), 0.5).findings == ()


@given(st.lists(st.floats(0.9, 1.1), min_size=1, max_size=5), st.floats(0.9, 1.1) | st.none())
def test_judging_again_changes_nothing(lights: list[float], closing: float | None) -> None:
    once = judged(scene(lights, closing=closing), 0.5)
    assert judged(once, 0.5) == once
    assert once.with_pairs(lambda pair: pair.replace(alignment=None)) == scene(lights, closing=closing).with_pairs(
        lambda pair: pair.replace(alignment=None)
    ).replace(findings=once.findings)


@given(st.floats(0.85, 1.15), st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_no_light_that_goes_one_way_is_called_flicker(last: float, when: list[float]) -> None:
    lights = [1 + (last - 1) * share for share in sorted(when)]
    assert not any("flicker" in finding for finding in judged(scene(lights, closing=last), 0.5).findings)


# From frames


def test_a_flicker_between_frames_is_named(tmp_path: Path) -> None:
    store = textured_datasets.make_dataset(tmp_path / "dataset", shorts=({}, {"light": 1.04}, {}))
    (finding,) = verify_scene(store, 1).scene.findings
    assert finding.startswith("the light flickered: ")
    assert finding == store.scene(1).findings[0]
    assert float(finding.split()[3].rstrip("%")) == pytest.approx(4, abs=1.5)


def test_a_drift_between_frames_is_named(tmp_path: Path) -> None:
    shorts = ({"light": 1.01}, {"light": 1.02})
    store = textured_datasets.make_dataset(tmp_path / "dataset", shorts=shorts, closing=1.03)
    (finding,) = verify_scene(store, 1).scene.findings
    assert finding.startswith("the light rose by ")
    assert float(finding.split()[4].rstrip("%")) == pytest.approx(3, abs=0.5)


def test_an_object_that_came_is_no_flicker(tmp_path: Path) -> None:
    store = textured_datasets.make_dataset(tmp_path / "dataset", shorts=({}, {}, {}))
    electrons = textured_datasets.shifted_scenes.Scene(textured_datasets.SHAPE, 1).mosaic() * 8
    electrons[100:150, 200:300] = 40  # 5 % of the frame, five times as bright as the rest
    textured_datasets.rewrite(store, 1, "short/00001_01_0.5s.DNG", textured_datasets.raw(electrons))
    scene = verify_scene(store, 1).scene
    assert scene.findings == ()
    assert scene.pairs[1].alignment is not None
    assert scene.pairs[1].alignment.light is None


def test_steady_light_is_not_called_anything(tmp_path: Path) -> None:
    store = textured_datasets.make_dataset(tmp_path / "dataset", scenes=range(1, 9), shorts=({}, {}, {}))
    assert [verify_scene(store, scene).scene.findings for scene in range(1, 9)] == [()] * 8


def simulated(store: Store, surroundings: Surroundings, shutter_s: float, starts_s: list[float]) -> Scene:
    """A bracket of the simulated EOS 6D: a long at 0 s, shorts as given, a closing long a minute later."""
    maker = FrameMaker(serial="1", size="small", surroundings=surroundings)
    shots = [(0.0, 2 ** (10 / 3), "long/00001_00_10s.CR2")]
    shots += [(start, shutter_s, f"short/00001_{index:02d}_0.1s.CR2") for index, start in enumerate(starts_s)]
    shots += [(60.0, 2 ** (10 / 3), "long/00001_01_10s.CR2")]
    frames = []
    for number, (start_s, seconds, path) in enumerate(shots, start=1):
        nominal = Fraction(seconds).limit_denominator(100)
        shot = replace(SHOT, start_s=start_s, shutter_s=seconds, nominal_shutter=nominal, frame_number=number)
        frame = textured_datasets.write(store, path, maker.make(shot))
        frames.append(frame.replace(exposure=frame.exposure.replace(true_s=seconds)))
    store.save_scene(textured_datasets.scene_of(1, frames))
    return verify_scene(store, 1).scene


def test_lamps_on_the_mains_flicker_in_the_simulated_camera_s_frames(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "dataset")
    quarter_s = 1 / 400  # of a period of the light, which swings a hundred times a second
    lamps = Surroundings(flicker=Flicker(mains_hz=50, depth=1.0))
    found = simulated(store, lamps, 2**-5, [20.0, 20.0 + quarter_s, 20.0 + 2 * quarter_s, 20.0 + 3 * quarter_s])
    (finding,) = found.findings
    assert finding.startswith("the light flickered: ")
    truth = 2 * math.sin(math.pi * 100 / 32) / (math.pi * 100 / 32)
    assert float(finding.split()[3].rstrip("%")) / 100 == pytest.approx(abs(truth), abs=0.03)


def test_an_evening_that_falls_is_a_drift_in_the_simulated_camera_s_frames(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "dataset")
    found = simulated(store, Surroundings(light_drift_per_hour=-0.9), 2 ** (-10 / 3), [20.0, 30.0, 40.0])
    (finding,) = found.findings
    assert finding.startswith("the light fell by ")
    assert float(finding.split()[4].rstrip("%")) == pytest.approx(100 * (1 - 0.1 ** (60 / 3600)), abs=0.3)
