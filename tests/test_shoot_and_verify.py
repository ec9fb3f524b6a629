"""From the shutter to the verdict: what happened before the lens must be what the manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidcap.capture import Clock, Inspector, Session, Tether, plan_bracket
from sidcap.capture.journal import Journal
from sidcap.capture.simulated import Knock, SimulatedCamera, Surroundings
from sidcap.curate import verify_scene
from sidcap.data_manifest.schema import Alignment, Pair, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split, Verdict

TIME_SCALE = 40.0


def shot_and_verified(folder: Path, **camera_arguments: Any) -> Scene:
    """A bracket of ratios 100 and 300, shot through libgphoto2 on the simulated camera, and judged."""
    store = Store.create(folder / "set")
    simulated = SimulatedCamera(size="small", time_scale=TIME_SCALE, scene=2, seed=5, **camera_arguments)
    tether = Tether(simulated.port_string, Journal(store.journal_path))
    with simulated, Inspector() as inspector, Session(tether, store, Clock(TIME_SCALE), inspector) as session:
        plan = plan_bracket(
            iso=12600,
            ratios=[100, 300],
            long_s=10,
            iso_labels=tether.body.iso_labels(),
            shutter_labels=tether.body.shutter_labels(),
        )
        session.shoot(1, Split.TRAIN, plan)
    return verify_scene(store, 1).scene


def alignment(pair: Pair | None) -> Alignment:
    assert pair is not None
    assert pair.alignment is not None
    return pair.alignment


def test_an_undisturbed_bracket_is_aligned(tmp_path: Path) -> None:
    scene = shot_and_verified(tmp_path)
    assert [alignment(pair).verdict for pair in scene.all_pairs] == [Verdict.ALIGNED] * 3
    for pair in scene.all_pairs:
        assert pair.ratio.measured == pytest.approx(pair.ratio.true, rel=0.05)


def test_a_tripod_that_moves_in_the_middle_is_noticed(tmp_path: Path) -> None:
    knock = Knock(before_frame=3, shift_px=(3.0, 0.0))
    scene = shot_and_verified(tmp_path, surroundings=Surroundings(knocks=(knock,)))
    verdicts = [alignment(pair).verdict for pair in scene.all_pairs]
    assert verdicts == [Verdict.ALIGNED, Verdict.MISALIGNED, Verdict.MISALIGNED]
    after = alignment(scene.pairs[1])
    assert after.shift_px == pytest.approx((3.0, 0.0), abs=4 * (after.sigma_px or 0))
    assert "to the right of the long" in after.reasons[0]
    assert alignment(scene.closing).shift_px == pytest.approx((3.0, 0.0), abs=0.03)


def test_a_scene_too_dark_to_tell_is_undetermined(tmp_path: Path) -> None:
    scene = shot_and_verified(tmp_path, light_ev=-6)
    darkest = alignment(scene.pairs[1])
    assert darkest.verdict == Verdict.UNDETERMINED
    assert darkest.reasons[0].startswith("too dark to tell")
