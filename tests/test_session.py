"""Brackets shot through the real libgphoto2 on the simulated camera."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidcap.capture import Camera, Clock, Session, Step, body_of, plan_bracket
from sidcap.capture.journal import Journal
from sidcap.capture.plan import BracketPlan
from sidcap.capture.simulated import Fault, FaultKind, ReceivedOperation, SimulatedCamera
from sidcap.data_manifest.errors import CameraError, CameraLostError, CameraNotFoundError, SettingError, UsageError
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.validate import validate
from sidcap.data_manifest.words import Release, Split

TIME_SCALE = 40.0
PRESS = ("EOS_RemoteReleaseOn", 2)
"""Name and first parameter of a full press of the shutter button."""


@pytest.fixture
def simulated() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(size="small", time_scale=TIME_SCALE) as camera:
        yield camera


@pytest.fixture
def camera(simulated: SimulatedCamera) -> Iterator[Camera]:
    with Camera(simulated.port_string) as camera:
        yield camera


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "set")


def plan_for(camera: Camera, release: Release = Release.MIRROR_LOCKUP, *, long_s: float = 10) -> BracketPlan:
    return plan_bracket(
        iso=12600,
        ratios=[100, 300],
        long_s=long_s,
        iso_labels=camera.choices("iso"),
        shutter_labels=camera.choices("shutterspeed"),
        release=release,
    )


def shoot(camera: Camera, store: Store, plan: BracketPlan, *, scene: int = 1, steps: list[Step] | None = None) -> Scene:
    session = Session(camera, body_of(camera), store, Clock(TIME_SCALE))
    return session.shoot(scene, Split.TRAIN, plan, steps.append if steps is not None else lambda _: None)


def full_presses(simulated: SimulatedCamera) -> list[ReceivedOperation]:
    return [
        operation
        for operation in simulated.operations
        if (operation.name, operation.params[:1]) == (PRESS[0], PRESS[1:])
    ]


@dataclass(frozen=True)
class Shooting:
    """One bracket that several tests look at."""

    store: Store
    scene: Scene
    steps: list[Step]


@pytest.fixture(scope="module")
def shooting(tmp_path_factory: pytest.TempPathFactory) -> Shooting:
    store = Store.create(tmp_path_factory.mktemp("bracket") / "set")
    steps: list[Step] = []
    with SimulatedCamera(size="small", time_scale=TIME_SCALE) as simulated, Camera(simulated.port_string) as camera:
        scene = shoot(camera, store, plan_for(camera), steps=steps)
    return Shooting(store, scene, steps)


def test_a_bracket_is_long_shorts_long_and_every_frame_is_sound(shooting: Shooting) -> None:
    scene = shooting.scene
    assert scene.complete
    assert shooting.store.scene(1) == scene
    assert [frame.path for frame in scene.frames] == [
        "long/00001_00_10s.CR2", "short/00001_00_0.1s.CR2", "short/00001_00_0.033s.CR2", "long/00001_01_10s.CR2",
    ]  # fmt: skip
    assert [pair.ratio.true for pair in scene.pairs] == pytest.approx([101.59, 322.54], abs=0.01)
    assert scene.closing is not None
    assert scene.closing.ratio.true == 1
    assert validate(shooting.store).sound


def test_a_frame_records_how_it_was_obtained(shooting: Shooting) -> None:
    frame = shooting.scene.frames[2]
    assert frame.iso.model_dump() == {"requested": 12600, "set": 12800, "exif": 12800}
    assert frame.exposure.nominal_s == pytest.approx(1 / 30)
    assert frame.exposure.true_s == pytest.approx(1 / 32)
    assert frame.exposure.requested_s == pytest.approx(1 / 30)
    assert frame.exposure.exif_s == pytest.approx(1 / 30)
    assert frame.camera.model == "Canon EOS 6D"
    assert frame.camera.simulated
    assert frame.camera in shooting.store.dataset().cameras
    assert frame.lens == "EF40mm f/2.8 STM"
    assert frame.black.source == "masked pixels"
    assert frame.black.per_plane_dn == pytest.approx([2048] * 4, abs=3)
    assert frame.white.dn == 15283
    assert frame.battery == "100%"
    assert frame.settle_s == 2
    assert frame.end_utc > frame.start_utc


def test_the_journal_says_what_is_intended_before_it_happens(shooting: Shooting) -> None:
    events = Journal(shooting.store.journal_path).events()
    assert [event["event"] for event in events] == ["bracket", *["shot", "frame"] * 4, "complete"]
    assert events[0]["plan"]["iso_requested"] == 12600


def test_who_watches_sees_every_frame(shooting: Shooting) -> None:
    assert [step.frame for step in shooting.steps if step.phase == "done"] == list(shooting.scene.frames)
    assert [step.phase for step in shooting.steps if step.index == 1] == ["set", "settle", "expose", "fetch", "done"]


@pytest.mark.parametrize(
    ("release", "presses_per_frame"), [(Release.MIRROR_LOCKUP, 2), (Release.PLAIN, 1), (Release.LIVE_VIEW, 1)]
)
def test_lockup_presses_twice_a_frame_and_others_once(
    simulated: SimulatedCamera, camera: Camera, store: Store, release: Release, presses_per_frame: int
) -> None:
    scene = shoot(camera, store, plan_for(camera, release))
    assert len(full_presses(simulated)) == presses_per_frame * len(scene.frames)
    assert {frame.release for frame in scene.frames} == {release}


@pytest.mark.parametrize("before", ["0", "1"])
def test_the_mirror_setting_is_put_back(camera: Camera, store: Store, before: str) -> None:
    camera.set("mirrorlock", before)
    shoot(camera, store, plan_for(camera))
    assert camera.get("mirrorlock") == before


def test_the_camera_vanishes_and_what_was_shot_stays(store: Store) -> None:
    with SimulatedCamera(
        size="small", time_scale=TIME_SCALE, faults=[Fault(FaultKind.CABLE_PULLED, at="exposure", count=3)]
    ) as simulated:
        camera = Camera(simulated.port_string)
        with pytest.raises(CameraLostError, match="check cable and battery") as caught:
            shoot(camera, store, plan_for(camera))
        assert "\n" not in str(caught.value)
    scene = store.scene(1)
    assert not scene.complete
    assert len(scene.frames) == 2
    assert [finding.path for finding in validate(store).findings] == ["scenes/00001.json"]
    assert [event["event"] for event in Journal(store.journal_path).events()] == [
        "bracket", "shot", "frame", "shot", "frame", "shot", "interrupted",
    ]  # fmt: skip


def test_a_scene_is_never_shot_over(camera: Camera, store: Store) -> None:
    before = shoot(camera, store, plan_for(camera))
    with pytest.raises(UsageError, match="exists already"):
        shoot(camera, store, plan_for(camera))
    assert store.scene(1) == before


def test_a_foreign_file_with_the_same_name_is_left_alone(camera: Camera, store: Store) -> None:
    (store.root / "long").mkdir()
    stranger = store.root / "long" / "00001_00_10s.CR2"
    stranger.write_bytes(b"someone's only copy")
    scene = shoot(camera, store, plan_for(camera))
    assert stranger.read_bytes() == b"someone's only copy"
    assert scene.frames[0].path == "long/00001_01_10s.CR2"


def test_an_unknown_iso_is_refused_by_the_camera_wing(camera: Camera) -> None:
    with pytest.raises(SettingError, match="it offers Auto, 50, 100"):
        camera.set("iso", "12600")


def test_no_camera_says_how_to_connect_one() -> None:
    with pytest.raises(CameraNotFoundError, match="check that it is on"):
        Camera("ptpip:127.0.0.1:9:9")


def test_closing_a_camera_leaves_standard_input_open(simulated: SimulatedCamera) -> None:
    before = os.fstat(0)
    Camera(simulated.port_string).close()
    assert os.fstat(0) == before


def test_a_port_that_is_none_is_named() -> None:
    with pytest.raises(CameraNotFoundError, match="'nonsense' is not a port"):
        Camera("nonsense")


def test_a_transfer_that_ends_early_is_noticed(camera: Camera, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    size = camera.size
    monkeypatch.setattr(camera, "size", lambda file: size(file) + 1)
    with pytest.raises(CameraError, match="still on the card"):
        shoot(camera, store, plan_for(camera))
    assert list((store.root / "long").iterdir()) == []
    assert json.loads(store.scene_path(1).read_text())["frames"] == []
