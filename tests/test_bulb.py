"""Brackets in bulb, with the simulated camera's mode dial on B."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidcap.capture import Clock, Inspector, Session, Tether, plan_bracket
from sidcap.capture.journal import Journal
from sidcap.capture.plan import BracketPlan
from sidcap.capture.simulated import SimulatedCamera
from sidcap.data_manifest.errors import SettingError, UsageError
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.validate import validate
from sidcap.data_manifest.words import Release, Split

TIME_SCALE = 4.0


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # libgphoto2 keeps settings there


def plan_with(tether: Tether, *, long_s: float, ratios: list[float], release: Release = Release.PLAIN) -> BracketPlan:
    return plan_bracket(
        iso=800,
        ratios=ratios,
        long_s=long_s,
        iso_labels=tether.body.iso_labels(),
        shutter_labels=tether.body.shutter_labels(),
        release=release,
        settle_s=1.0,
    )


def shoot(tether: Tether, store: Store, plan: BracketPlan) -> Scene:
    with Inspector() as inspector, Session(tether, store, Clock(TIME_SCALE), inspector) as session:
        return session.shoot(1, Split.TRAIN, plan)


@pytest.mark.parametrize("release", [Release.PLAIN, Release.MIRROR_LOCKUP])
def test_on_b_every_exposure_is_held_by_the_host(tmp_path: Path, release: Release) -> None:
    store = Store.create(tmp_path / "set")
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, mode_dial="B") as camera:
        tether = Tether(camera.port_string, Journal(store.journal_path), patience_s=20)
        tether.connect()
        scene = shoot(tether, store, plan_with(tether, long_s=8, ratios=[4], release=release))
        held_s = [shot.shutter_s for shot in camera.shots]
    assert scene.complete
    assert [frame.path for frame in scene.frames] == [
        "long/00001_00_8s.CR2", "short/00001_00_2s.CR2", "long/00001_01_8s.CR2",
    ]  # fmt: skip
    assert [frame.exposure.true_s for frame in scene.frames] == [8, 2, 8]
    assert min(held_s) >= 1.9
    assert max(held_s) >= 7.9
    assert validate(store).sound


def test_a_dial_turned_to_m_in_the_meantime_is_one_line(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "set")
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, mode_dial="B") as camera:
        tether = Tether(camera.port_string, Journal(store.journal_path), patience_s=20)
        tether.connect()
        plan = plan_with(tether, long_s=60, ratios=[4])
        tether.close()
        camera.mode_dial = "M"
        again = Tether(camera.port_string, Journal(store.journal_path), patience_s=20)
        with pytest.raises(SettingError, match="turn its mode dial to B"):
            shoot(again, store, plan)
        assert camera.shots == ()


def test_on_m_a_long_of_a_minute_names_the_dial(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "set")
    with SimulatedCamera(size="small", time_scale=TIME_SCALE) as camera:
        tether = Tether(camera.port_string, Journal(store.journal_path))
        tether.connect()
        with pytest.raises(UsageError, match="with the mode dial on B"):
            plan_with(tether, long_s=60, ratios=[4])
        camera.mode_dial = "B"
        tether.reconnect()
        assert {shot.shutter for shot in plan_with(tether, long_s=60, ratios=[4, 30]).shots} == {"bulb"}
        with pytest.raises(UsageError, match="ratios up to 60, or turn the mode dial to M"):
            plan_with(tether, long_s=60, ratios=[100])
        tether.close()
