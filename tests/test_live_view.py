"""The thread that has the camera, without pages: what it says, what it puts back, how it goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidcap.capture import BracketPlan, Camera, Event, EventKind, Tether, body_of, plan_bracket
from sidcap.capture.bodies.generic import GenericBody
from sidcap.capture.journal import Journal
from sidcap.capture.live import LiveView
from sidcap.capture.live.latest import Latest
from sidcap.capture.live.progress import Progress
from sidcap.capture.live.status import Phase, Status
from sidcap.capture.live.viewing import Begun
from sidcap.capture.session import Watcher
from sidcap.capture.simulated import Fault, SimulatedCamera
from sidcap.capture.simulated.faults import FaultKind
from sidcap.data_manifest.errors import DiskFullError
from sidcap.data_manifest.words import Split

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class BracketOnFullDisk:
    """A bracket that cannot be shot."""

    split: Split = Split.TRAIN
    resume: str = "sidcap shoot --resume"

    def plan(self, tether: Tether) -> BracketPlan:
        body = tether.body
        return plan_bracket(
            iso=12600, ratios=[30], long_s=10, iso_labels=body.iso_labels(), shutter_labels=body.shutter_labels()
        )

    def shoot(self, split: Split, begun: Begun, watch: Watcher) -> None:  # noqa: ARG002 (it never begins)
        raise DiskFullError(f"no room for the frames of {split}: make some")


@contextmanager
def viewing(
    camera: SimulatedCamera, folder: Path, shooting: BracketOnFullDisk | None = None, pause_after_s: float = 60.0
) -> Iterator[LiveView]:
    view = LiveView(Tether(camera.port_string, Journal(folder / "journal")), shooting, pause_after_s=pause_after_s)
    view.open()
    thread = threading.Thread(target=view.run)
    thread.start()
    try:
        yield view
    finally:
        view.stop()
        thread.join(_PATIENCE_S)
        assert not thread.is_alive()


def wait_for(view: LiveView, condition: Callable[[Status], object]) -> Status:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition(view.status.value):
        assert time.monotonic() < deadline, view.status.value
        time.sleep(0.02)
    return view.status.value


@pytest.fixture(scope="module")
def camera() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(size="small", time_scale=40) as camera:
        yield camera


def test_pictures_are_exposed_as_the_long_and_the_camera_ends_as_it_was(
    camera: SimulatedCamera, tmp_path: Path
) -> None:
    with Camera(camera.port_string) as connection:
        before = {name: connection.get(name) for name in ("iso", "shutterspeed", "imageformat")}
    with viewing(camera, tmp_path, BracketOnFullDisk()) as view:
        status = wait_for(view, lambda status: status.frames > 1)
        assert (status.camera.settings["ISO"], status.camera.settings["shutter"]) == ("12800", "10.3")
        assert status.look is not None
        assert status.look.black_share < 0.5
    assert view.left_changed == {}
    with Camera(camera.port_string) as connection:
        assert {name: connection.get(name) for name in before} == before
        assert "PC" not in connection.get("output")
    assert not (tmp_path / "journal").exists()


def test_a_bracket_that_fails_says_why_and_pictures_come_again(camera: SimulatedCamera, tmp_path: Path) -> None:
    with viewing(camera, tmp_path, BracketOnFullDisk()) as view:
        wait_for(view, lambda status: status.frames > 0)
        view.shoot(Split.VAL)
        wait_for(view, lambda status: status.phase is Phase.SHOOTING or "no room" in status.notice)
        status = wait_for(view, lambda status: status.phase is Phase.LIVE and status.notice)
        assert status.notice == "no room for the frames of val: make some"


def test_a_busy_camera_is_said_to_be_busy_and_asked_again(camera: SimulatedCamera, tmp_path: Path) -> None:
    with viewing(camera, tmp_path) as view:
        seen = wait_for(view, lambda status: status.frames > 1).frames
        camera.inject(Fault(FaultKind.BUSY, "EOS_GetViewFinderData", value=200))
        wait_for(view, lambda status: "busy" in status.text)
        wait_for(view, lambda status: status.frames > seen + 1 and not status.text)


def test_live_view_pauses_without_viewers_and_begins_for_the_next_one(camera: SimulatedCamera, tmp_path: Path) -> None:
    with viewing(camera, tmp_path, pause_after_s=0.3) as view:
        wait_for(view, lambda status: status.phase is Phase.PAUSED)
        with view.watched(edges=True) as pictures:
            wait_for(view, lambda status: status.phase is Phase.LIVE)
            assert pictures.value[:2] == b"\xff\xd8"
        wait_for(view, lambda status: status.phase is Phase.PAUSED)


def test_what_runs_out_is_said_and_keeps_a_bracket_from_being_shot(tmp_path: Path) -> None:
    with (
        SimulatedCamera(size="small", time_scale=40, battery=0.2, card_free_bytes=20_000_000) as camera,
        viewing(camera, tmp_path, BracketOnFullDisk()) as view,
    ):
        status = view.status.value
        assert len(status.camera.warnings) == 2
        assert "25 %" in status.camera.warnings[0]
        assert "put in a memory card with room" in status.shoot_refusal


def test_nothing_is_shot_without_a_plan(camera: SimulatedCamera, tmp_path: Path) -> None:
    with viewing(camera, tmp_path) as view:
        view.shoot(Split.TRAIN)
        assert "--iso" in wait_for(view, lambda status: status.frames > 1).shoot_refusal
    assert camera.shots == ()


def test_a_body_without_focus_drive_or_magnifier_says_so(camera: SimulatedCamera) -> None:
    with Camera(camera.port_string) as connection:
        generic, canon = GenericBody(connection), body_of(connection)
        assert "turn the ring" in generic.focus_refusal()
        assert generic.magnifications() == ()
        assert canon.magnifications() == (5, 10)
        assert "lens is on MF" in canon.focus_refusal()


# Who is slow skips.


@given(st.integers(1, 30))
def test_whoever_is_slow_gets_the_newest_alone(count: int) -> None:
    async def slow() -> tuple[int, int]:
        latest = Latest(0)
        waiting = asyncio.create_task(latest.after(0))
        await asyncio.sleep(0)

        def puts() -> None:
            for value in range(1, count + 1):
                latest.put(value)

        thread = threading.Thread(target=puts)
        thread.start()
        thread.join()
        return await waiting

    assert asyncio.run(slow()) == (count, count)


# The progress of a bracket.


@pytest.fixture
def plan() -> BracketPlan:
    return plan_bracket(
        iso=800, ratios=[10, 100], long_s=1, iso_labels=["800"], shutter_labels=["1", "1/10", "1/100"], settle_s=2
    )


def event_of(plan: BracketPlan, kind: EventKind, index: int | None = None, text: str = "") -> Event:
    return Event(kind, 3, text, index, None if index is None else plan.shots[index])


def test_frames_that_are_home_count_as_shot_before_they_are_compared(plan: BracketPlan) -> None:
    progress = Progress.of(3, "train", plan)
    for index in range(len(plan.shots)):
        progress = progress.after(event_of(plan, EventKind.HOME, index), plan)
        assert (progress.home, progress.done) == (index + 1, 0)
    assert progress.left_s == 0
    assert Status(bracket=progress).to_dict()["bracket"]["home"] == len(plan.shots)
    assert progress.after(event_of(plan, EventKind.FRAME, 0), plan).done == 1
    assert progress.after(event_of(plan, EventKind.SET, 1), plan).home == len(plan.shots) - 1, "it is shot again"


def test_the_time_left_falls_and_every_frame_counts(plan: BracketPlan) -> None:
    progress = Progress.of(3, "train", plan)
    assert progress.left_s == pytest.approx(plan.duration_s)
    kinds = (EventKind.SET, EventKind.SETTLE, EventKind.EXPOSE, EventKind.FETCH, EventKind.HOME)
    left_s = [progress.left_s]
    for index in range(len(plan.shots)):
        for kind in kinds:
            progress = progress.after(event_of(plan, kind, index), plan)
            left_s.append(progress.left_s)
        progress = progress.after(event_of(plan, EventKind.FRAME, index, "aligned" if index else ""), plan)
    progress = progress.after(event_of(plan, EventKind.COMPLETE), plan)
    assert left_s == sorted(left_s, reverse=True)
    assert left_s[-1] == 0
    assert (progress.done, progress.outcome) == (4, "complete")
    assert [shot.found for shot in progress.shots] == ["the reference", "aligned", "aligned", "aligned"]


def test_a_bracket_that_is_shot_again_begins_anew_and_says_why(plan: BracketPlan) -> None:
    progress = Progress.of(3, "train", plan)
    for index in (0, 1):
        progress = progress.after(event_of(plan, EventKind.FRAME, index, "aligned"), plan)
    again = progress.after(event_of(plan, EventKind.AGAIN, 1, "its EXIF says ISO 100; shooting it again"), plan)
    assert (again.done, again.notes) == (1, ("its EXIF says ISO 100; shooting it again",))
    anew = again.after(event_of(plan, EventKind.AGAIN, None, "the camera moved"), plan)
    assert (anew.done, anew.notes[-1]) == (0, "the camera moved")


def test_a_complete_scene_of_no_use_does_not_look_like_a_good_one(plan: BracketPlan) -> None:
    progress = Progress.of(3, "train", plan).after(event_of(plan, EventKind.UNUSABLE, 1, "the light flickers"), plan)
    done = progress.after(event_of(plan, EventKind.COMPLETE), plan)
    assert done.outcome == "unusable"
    assert "of no use" in done.text
