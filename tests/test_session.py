"""Brackets shot through the real libgphoto2 on the simulated camera, with and without mishaps."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from sidcap.capture import (
    BracketPlan,
    Camera,
    Clock,
    Comparison,
    Diligence,
    Event,
    EventKind,
    Inspector,
    Session,
    Tether,
    body_of,
    plan_bracket,
)
from sidcap.capture.journal import Journal
from sidcap.capture.session import unusable
from sidcap.capture.simulated import (
    Fault,
    FaultKind,
    Knock,
    ReceivedOperation,
    SimulatedCamera,
    Surroundings,
)
from sidcap.cli.comparison import compare
from sidcap.data_manifest.errors import (
    CameraError,
    CameraNotFoundError,
    DiskFullError,
    ManifestError,
    SettingError,
    UsageError,
)
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.validate import validate
from sidcap.data_manifest.words import Release, Split, Verdict

TIME_SCALE = 40.0
PATIENCE_S = 10.0
PRESS = ("EOS_RemoteReleaseOn", 2)
"""Name and first parameter of a full press of the shutter button."""
UNHURRIED = Diligence(longest_gap_s=3600)
BEFORE = {"iso": "400", "shutterspeed": "1/125", "imageformat": "L", "mirrorlock": "0"}
"""What the photographer had set."""


@pytest.fixture(scope="module")
def inspector() -> Iterator[Inspector]:
    with Inspector() as inspector:
        yield inspector


@pytest.fixture
def simulated() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE) as camera:
        yield camera


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "set")


def plan_for(tether: Tether, release: Release = Release.MIRROR_LOCKUP) -> BracketPlan:
    return plan_bracket(
        iso=12600,
        ratios=[100, 300],
        long_s=10,
        iso_labels=tether.body.iso_labels(),
        shutter_labels=tether.body.shutter_labels(),
        release=release,
    )


def session_with(
    simulated: SimulatedCamera,
    store: Store,
    inspector: Inspector,
    watch: Callable[[Event], None] = lambda _: None,
    diligence: Diligence = UNHURRIED,
) -> Session:
    tether = Tether(simulated.port_string, Journal(store.journal_path), patience_s=PATIENCE_S)
    return Session(tether, store, Clock(TIME_SCALE), inspector, watch, diligence)


def shoot(
    simulated: SimulatedCamera,
    store: Store,
    inspector: Inspector,
    watch: Callable[[Event], None] = lambda _: None,
    *,
    release: Release = Release.MIRROR_LOCKUP,
    diligence: Diligence = UNHURRIED,
) -> Scene:
    with session_with(simulated, store, inspector, watch, diligence) as session:
        return session.shoot(1, Split.TRAIN, plan_for(session.tether, release))


def resume(simulated: SimulatedCamera, store: Store, inspector: Inspector) -> Scene:
    with session_with(simulated, store, inspector) as session:
        return session.resume(1)


def settings_now(simulated: SimulatedCamera) -> dict[str, str]:
    with Camera(simulated.port_string) as camera:
        return {name: camera.get(name) for name in (*BEFORE, "mirrordownstatus")}


AS_BEFORE = BEFORE | {"mirrordownstatus": "0"}


def assert_all_is_well(simulated: SimulatedCamera, store: Store, scene: Scene) -> None:
    assert store.scene(1) == scene
    assert scene.complete
    assert [frame.path for frame in scene.frames] == [
        "long/00001_00_10s.CR2", "short/00001_00_0.1s.CR2", "short/00001_00_0.033s.CR2", "long/00001_01_10s.CR2",
    ]  # fmt: skip
    assert len(scene.pairs) == 2
    assert scene.closing is not None
    assert validate(store).findings == ()
    assert list(store.root.rglob("*.part")) == []
    assert settings_now(simulated) == AS_BEFORE


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
    events: list[Event]


@pytest.fixture(scope="module")
def shooting(tmp_path_factory: pytest.TempPathFactory, inspector: Inspector) -> Shooting:
    store = Store.create(tmp_path_factory.mktemp("bracket") / "set")
    events: list[Event] = []
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE) as simulated:
        scene = shoot(simulated, store, inspector, events.append)
        assert_all_is_well(simulated, store, scene)
    return Shooting(store, scene, events)


def test_the_ratios_are_those_of_the_real_shutter(shooting: Shooting) -> None:
    assert [pair.ratio.true for pair in shooting.scene.pairs] == pytest.approx([101.59, 322.54], abs=0.01)
    assert shooting.scene.closing is not None
    assert shooting.scene.closing.ratio.true == 1


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
    assert frame.card == "/store_00020001/DCIM/100CANON/IMG_0003.CR2"
    assert frame.clipped is not None
    assert frame.clipped < 0.05
    assert frame.end_utc > frame.start_utc


def test_the_journal_says_what_is_intended_before_it_happens(shooting: Shooting) -> None:
    events = [event["event"] for event in Journal(shooting.store.journal_path).events()]
    assert events[:2] == ["connected", "bracket"]
    assert [event for event in events if event in ("shot", "file")] == ["shot", "file"] * 4
    assert events.count("setting") == events.count("restored") > 0


def test_who_watches_sees_every_frame(shooting: Shooting) -> None:
    assert [event.frame for event in shooting.events if event.kind is EventKind.FRAME] == list(shooting.scene.frames)
    first = [event.kind for event in shooting.events if event.index == 1 and event.kind is not EventKind.FRAME]
    assert first == [EventKind.SET, EventKind.SETTLE, EventKind.EXPOSE, EventKind.FETCH, EventKind.HOME]


@pytest.mark.parametrize(
    ("release", "presses_per_frame"), [(Release.MIRROR_LOCKUP, 2), (Release.PLAIN, 1), (Release.LIVE_VIEW, 1)]
)
def test_lockup_presses_twice_a_frame_and_others_once(
    simulated: SimulatedCamera, store: Store, inspector: Inspector, release: Release, presses_per_frame: int
) -> None:
    scene = shoot(simulated, store, inspector, release=release)
    assert len(full_presses(simulated)) == presses_per_frame * len(scene.frames)
    assert {frame.release for frame in scene.frames} == {release}


# What goes wrong, and is put right.


@pytest.mark.parametrize(
    "fault",
    [
        "cable-pulled=0.3@exposure:2",
        "cable-pulled=0.3@GetPartialObject:3",
        "cable-pulled=0.3@EOS_RemoteReleaseOn:3",
        "reply-late=3@EOS_RemoteReleaseOn:4",
        "busy=20@EOS_RemoteReleaseOn:3",
        "transfer-empty@GetPartialObject:2",
        "transfer-truncated@GetPartialObject:2",
        "power-off@exposure:3",
    ],
)
def test_a_mishap_costs_time_and_no_frame(store: Store, inspector: Inspector, fault: str) -> None:
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE, faults=[Fault.parse(fault)]) as camera:

        def near(event: Event) -> None:
            if event.kind is EventKind.LOST and not camera.is_on:
                camera.switch_on()

        scene = shoot(camera, store, inspector, near)
        assert_all_is_well(camera, store, scene)
        assert len(camera.shots) == 4


def test_a_frame_that_was_announced_in_vain_is_found_on_the_card(store: Store, inspector: Inspector) -> None:
    fault = Fault(FaultKind.EVENT_LOST, "ObjectAddedEx", 2)
    events: list[Event] = []
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE, faults=[fault]) as camera:
        scene = shoot(camera, store, inspector, events.append)
        assert_all_is_well(camera, store, scene)
    assert [event.text for event in events if event.kind is EventKind.FOUND] == ["IMG_0002.CR2 was on the card"]


def test_a_frame_found_on_the_card_is_not_taken_again_for_the_next_one(
    simulated: SimulatedCamera, store: Store, inspector: Inspector
) -> None:
    # The exposure is still on the way when a new session looks at the card: it finds the file, and is told of it, too.
    class PulledError(Exception):
        pass

    def pull(event: Event) -> None:
        if event.kind is EventKind.EXPOSE and event.index == 0:
            raise PulledError

    with pytest.raises(PulledError):
        shoot(simulated, store, inspector, pull)
    scene = resume(simulated, store, inspector)
    assert_all_is_well(simulated, store, scene)
    assert len(simulated.shots) == 4


def test_a_frame_spoilt_on_the_way_is_fetched_again(store: Store, inspector: Inspector) -> None:
    fault = Fault.parse("bits-flipped=20000@GetPartialObject:2")
    events: list[Event] = []
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE, faults=[fault]) as camera:
        scene = shoot(camera, store, inspector, events.append)
        assert_all_is_well(camera, store, scene)
        assert len(camera.shots) == 4
    again = next(event.text for event in events if event.kind is EventKind.AGAIN)
    assert again.startswith("fetched again")


def test_a_flipped_bit_that_decodes_is_found_by_reading_twice(store: Store, inspector: Inspector) -> None:
    fault = Fault.parse("bits-flipped=1@GetPartialObject:1")
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, faults=[fault]) as camera:
        scene = shoot(camera, store, inspector, diligence=Diligence(read_twice=True, longest_gap_s=3600))
        with Camera(camera.port_string) as host:
            for frame, file in zip(scene.frames, host.files(), strict=True):
                copy = store.root / "copy"
                host.download(file, copy)
                assert hashlib.sha256(copy.read_bytes()).hexdigest() == frame.sha256


def test_a_frame_that_is_not_what_was_set_is_shot_again_and_kept_aside(store: Store, inspector: Inspector) -> None:
    fault = Fault(FaultKind.EXIF_WRONG, "exposure", 2)
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE, faults=[fault]) as camera:
        scene = shoot(camera, store, inspector)
        assert_all_is_well(camera, store, scene)
    (discarded,) = scene.discarded
    assert discarded.frame.path == "discarded/00001_00_0.1s.1.CR2"
    assert discarded.reason == "its EXIF says 0.2 s, but 0.1 s was set"


def test_a_bracket_in_which_something_moved_is_shot_again(store: Store) -> None:
    knocked = Surroundings(knocks=(Knock(before_frame=3, shift_px=(4.0, 0.0)),))
    events: list[Event] = []
    with (
        SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE, surroundings=knocked) as camera,
        Inspector(compare) as inspector,
    ):
        scene = shoot(camera, store, inspector, events.append)
        assert_all_is_well(camera, store, scene)
    assert scene.discarded
    assert all("something moved" in discarded.reason for discarded in scene.discarded)
    assert any("shooting the bracket again" in event.text for event in events)


def test_a_bracket_that_moves_every_time_is_kept_and_called_unusable(store: Store) -> None:
    events: list[Event] = []
    knocked = Surroundings(knocks=(Knock(before_frame=3, shift_px=(4.0, 0.0)),))
    with (
        SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE, surroundings=knocked) as camera,
        Inspector(compare) as inspector,
    ):
        scene = shoot(camera, store, inspector, events.append, diligence=Diligence(retries=0, longest_gap_s=3600))
    assert scene.complete
    assert scene.discarded == ()
    assert [event.index for event in events if event.kind is EventKind.UNUSABLE] == [2, 3]


def test_after_a_long_interruption_the_bracket_begins_anew(
    simulated: SimulatedCamera, store: Store, inspector: Inspector
) -> None:
    scene = interrupted_at(2, simulated, store, inspector)
    assert len(scene.frames) <= 2
    with session_with(simulated, store, inspector, diligence=Diligence(longest_gap_s=0)) as session:
        scene = session.resume(1)
    assert_all_is_well(simulated, store, scene)
    assert "light or framing may have changed" in scene.discarded[0].reason


def interrupted_at(index: int, simulated: SimulatedCamera, store: Store, inspector: Inspector) -> Scene:
    def stop(event: Event) -> None:
        if event.kind is EventKind.EXPOSE and event.index == index:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shoot(simulated, store, inspector, stop)
    return store.scene(1)


@pytest.mark.parametrize("index", [0, 1, 3])
def test_ctrl_c_puts_everything_back_and_resume_completes(
    simulated: SimulatedCamera, store: Store, inspector: Inspector, index: int
) -> None:
    scene = interrupted_at(index, simulated, store, inspector)
    assert settings_now(simulated) == AS_BEFORE
    assert not scene.complete
    assert any("`sidcap shoot --resume`" in finding.problem for finding in validate(store).findings)
    assert_all_is_well(simulated, store, resume(simulated, store, inspector))
    assert len(simulated.shots) == 4


def test_on_a_card_that_counts_from_one_again_an_interrupted_bracket_is_completed(
    simulated: SimulatedCamera, store: Store, inspector: Inspector
) -> None:
    """Its frames get names that frames of before had; they are no old ones for that."""
    interrupted_at(3, simulated, store, inspector)
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE) as with_another_card:
        assert_all_is_well(with_another_card, store, resume(with_another_card, store, inspector))
        assert len(with_another_card.shots) == 1


def test_a_frame_shot_by_hand_takes_nobody_s_place(store: Store, inspector: Inspector) -> None:
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE) as camera:
        session = session_with(camera, store, inspector)

        def press_once(event: Event) -> None:
            if event.kind is EventKind.SET and not camera.shots:
                free_bytes = session.tether.camera.free_bytes()
                session.tether.camera.press()
                while session.tether.camera.free_bytes() == free_bytes:
                    session.tether.camera.get("iso")

        session.watch = press_once
        with session:
            scene = session.shoot(1, Split.TRAIN, plan_for(session.tether, Release.PLAIN))
        assert_all_is_well(camera, store, scene)
        assert len(camera.shots) == 5
    strays = [event["card"][-12:] for event in Journal(store.journal_path).events() if event["event"] == "stray"]
    assert strays == ["IMG_0001.CR2"]


def test_a_first_long_that_is_not_what_was_set_costs_the_whole_bracket(store: Store, inspector: Inspector) -> None:
    fault = Fault(FaultKind.EXIF_WRONG, "exposure", 1)
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE, faults=[fault]) as camera:
        scene = shoot(camera, store, inspector)
        assert_all_is_well(camera, store, scene)
    assert {discarded.reason for discarded in scene.discarded} == {"its EXIF says 20 s, but 10 s was set"}


def test_a_frame_found_bad_after_an_interruption_is_shot_again(store: Store, inspector: Inspector) -> None:
    fault = Fault(FaultKind.EXIF_WRONG, "exposure", 4)
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE, faults=[fault]) as camera:

        def stop(event: Event) -> None:
            if event.kind is EventKind.HOME and event.index == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            shoot(camera, store, inspector, stop)
        scene = resume(camera, store, inspector)
        assert_all_is_well(camera, store, scene)
        assert len(camera.shots) == 5


def test_a_bracket_that_lacks_nothing_is_not_shot_again_however_late(
    simulated: SimulatedCamera, store: Store, inspector: Inspector
) -> None:
    def stop(event: Event) -> None:
        if event.kind is EventKind.HOME and event.index == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shoot(simulated, store, inspector, stop)
    with session_with(simulated, store, inspector, diligence=Diligence(longest_gap_s=0)) as session:
        scene = session.resume(1)
    assert_all_is_well(simulated, store, scene)
    assert len(simulated.shots) == 4


def test_a_bracket_of_which_only_the_journal_knows_is_shot(
    simulated: SimulatedCamera, store: Store, inspector: Inspector
) -> None:
    interrupted_at(0, simulated, store, inspector)
    store.scene_path(1).unlink()
    assert_all_is_well(simulated, store, resume(simulated, store, inspector))


def test_discarded_files_may_be_deleted_to_make_room(
    simulated: SimulatedCamera, store: Store, inspector: Inspector
) -> None:
    with session_with(simulated, store, inspector) as session:
        plan = plan_for(session.tether)
        session.shoot(1, Split.TRAIN, plan)
        session.redo(1, plan)
        for file in (store.root / "discarded").iterdir():
            file.unlink()
        scene = session.redo(1, plan)
    assert scene.complete
    assert len({discarded.frame.path for discarded in scene.discarded}) == 8
    assert [frame.path for frame in scene.frames if not store.path(frame.path).exists()] == []


def test_a_scene_that_is_complete_has_nothing_to_resume(shooting: Shooting, inspector: Inspector) -> None:
    with (
        SimulatedCamera(size="small", time_scale=TIME_SCALE) as camera,
        session_with(camera, shooting.store, inspector) as session,
        pytest.raises(UsageError, match="no interrupted bracket"),
    ):
        session.resume(1)


def test_a_camera_that_stays_away_is_named_and_what_was_shot_stays(store: Store, inspector: Inspector) -> None:
    fault = Fault(FaultKind.CABLE_PULLED, at="exposure", count=3)
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE, faults=[fault]) as simulated:
        session = session_with(simulated, store, inspector)
        session.tether.patience_s = 0.5
        with pytest.raises(CameraError, match="check that it is on") as caught, session:
            session.shoot(1, Split.TRAIN, plan_for(session.tether))
        assert "\n" not in str(caught.value)
        assert not store.scene(1).complete
        simulated.plug_in()
        scene = resume(simulated, store, inspector)
        assert_all_is_well(simulated, store, scene)
        assert len(simulated.shots) == 4


def test_another_camera_does_not_take_the_place_of_the_lost_one(
    simulated: SimulatedCamera, store: Store, inspector: Inspector
) -> None:
    session = session_with(simulated, store, inspector)
    session.tether.patience_s = 0.5
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, serial="000000000042") as other, session:
        session.tether.port = other.port_string
        with pytest.raises(CameraError, match="camera 000000000042 answers"):
            session.tether.reconnect()
        session.tether.port = simulated.port_string


def test_a_full_disk_stops_before_the_shutter(
    simulated: SimulatedCamera, store: Store, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=10**9, used=10**9 - 10**6, free=10**6))
        with pytest.raises(DiskFullError, match="make room"):
            shoot(simulated, store, inspector)
    assert simulated.shots == ()
    assert_all_is_well(simulated, store, resume(simulated, store, inspector))


def test_two_programs_do_not_shoot_into_one_dataset(
    simulated: SimulatedCamera, store: Store, inspector: Inspector
) -> None:
    with session_with(simulated, store, inspector) as first:
        with (
            pytest.raises(ManifestError, match="another sidcap is shooting"),
            session_with(simulated, store, inspector),
        ):
            pass
        assert first.shoot(1, Split.TRAIN, plan_for(first.tether)).complete


def test_a_scene_is_never_shot_over(simulated: SimulatedCamera, store: Store, inspector: Inspector) -> None:
    before = shoot(simulated, store, inspector)
    with pytest.raises(UsageError, match="exists already"):
        shoot(simulated, store, inspector)
    assert store.scene(1) == before


def test_a_foreign_file_with_the_same_name_is_left_alone(
    simulated: SimulatedCamera, store: Store, inspector: Inspector
) -> None:
    (store.root / "long").mkdir()
    stranger = store.root / "long" / "00001_00_10s.CR2"
    stranger.write_bytes(b"someone's only copy")
    scene = shoot(simulated, store, inspector)
    assert stranger.read_bytes() == b"someone's only copy"
    assert scene.frames[0].path == "long/00001_01_10s.CR2"


# When a bracket is of no use.


def finding(verdict: Verdict, ratio: float | None, sigma: float = 0.0, detail: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(comparison=Comparison(verdict, ("it moved",), ratio, sigma), detail=detail)


@pytest.mark.parametrize(
    ("role", "true_ratio", "found", "words"),
    [
        ("short", 100.0, finding(Verdict.MISALIGNED, 100.0), "it moved"),
        ("short", 100.0, finding(Verdict.UNDETERMINED, None), None),
        ("short", 100.0, finding(Verdict.ALIGNED, 105.0), None),
        ("short", 100.0, finding(Verdict.ALIGNED, 80.0), "25% brighter"),
        ("short", 100.0, finding(Verdict.ALIGNED, 80.0, 10.0), None),
        ("long", 1.0, finding(Verdict.ALIGNED, 1.01, detail=0.99), None),
        ("long", 1.0, finding(Verdict.ALIGNED, 1.05, detail=0.99), "4.8% darker"),
        ("long", 1.0, finding(Verdict.ALIGNED, 1.0, detail=0.7), "70% of the first one's detail"),
    ],
)
def test_movement_flicker_drift_and_blur_are_told_from_noise(
    role: str, true_ratio: float, found: SimpleNamespace, words: str | None
) -> None:
    reason = unusable(role, true_ratio, found)  # type: ignore[arg-type]
    assert (reason is None) if words is None else (reason is not None and words in reason)


# The connection.


def test_an_unknown_iso_is_refused_by_the_camera_wing(simulated: SimulatedCamera) -> None:
    with Camera(simulated.port_string) as camera, pytest.raises(SettingError, match="it offers Auto, 50, 100"):
        camera.set("iso", "12600")


def test_no_camera_says_how_to_connect_one() -> None:
    with pytest.raises(CameraNotFoundError, match="check that it is on"):
        Camera("ptpip:127.0.0.1:9:9")


def test_closing_a_camera_leaves_standard_input_open(simulated: SimulatedCamera) -> None:
    before = os.fstat(0)
    Camera(simulated.port_string).close()
    assert os.fstat(0) == before


def test_a_refused_connection_does_not_keep_the_camera_to_itself(simulated: SimulatedCamera) -> None:
    simulated.inject(Fault.parse("busy=0.5@OpenSession:1"))
    with pytest.raises(CameraNotFoundError):
        Camera(simulated.port_string)
    with Camera(simulated.port_string) as camera:
        assert body_of(camera).model == "Canon EOS 6D"


def test_nothing_is_asked_of_a_closed_connection(simulated: SimulatedCamera) -> None:
    camera = Camera(simulated.port_string)
    camera.close()
    received = len(simulated.operations)
    with pytest.raises(CameraError, match="is closed"):
        camera.get("iso")
    assert len(simulated.operations) == received


def test_a_port_that_is_none_is_named() -> None:
    with pytest.raises(CameraNotFoundError, match="'nonsense' is not a port"):
        Camera("nonsense")
