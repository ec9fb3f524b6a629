"""Everything that can go wrong with the simulated camera, and what libgphoto2 makes of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import exifread
import pytest
from hosts import (
    CARD_FOLDER,
    PATIENCE_S,
    change,
    connect,
    connected,
    download,
    file_added,
    file_names,
    gp,
    leave,
    read,
    shoot,
    when_not_busy,
)
from hypothesis import given
from hypothesis import strategies as st

from sidcap.capture.simulated import Fault, FaultKind, SimulatedCamera
from sidcap.capture.simulated.faults import EVENTS, OPERATIONS, FaultPlan
from sidcap.data_manifest.errors import UsageError

Said = int | str | None
"""libgphoto2's error, None where it said that all was well, or what was noticed otherwise."""


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCamera]:
    """A camera with autofocus that has its scene before its eyes: the first frame takes longer."""
    with SimulatedCamera(size="small", time_scale=50, settings={"focusmode": "One Shot"}) as camera:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("HOME", str(tmp_path_factory.mktemp("home")))
            with connected(camera) as host:
                shoot(host)
        yield camera


@pytest.fixture
def host(body: SimulatedCamera) -> Iterator[Any]:
    """A connection to a camera that is well."""
    with connected(body) as camera:
        yield camera
    body.plug_in()
    body.switch_on()


def error_of(step: Callable[[], Any]) -> Said:
    try:
        step()
    except gp.GPhoto2Error as error:
        return int(error.code)
    return None


def set_iso(host: Any) -> Said:
    return error_of(lambda: change(host, "iso", "200"))


def press(host: Any) -> Said:
    return error_of(lambda: when_not_busy(host.trigger_capture))


def press_once(host: Any) -> Said:
    return error_of(host.trigger_capture)


def expose(host: Any) -> Said:
    """Takes a frame, and waits for it for a moment."""
    when_not_busy(host.trigger_capture)
    return None if file_added(host, patience_s=3) else "no frame was announced"


def fetch(host: Any) -> Said:
    """Takes a frame and compares what comes with what was announced."""
    path = shoot(host)
    try:
        data = download(host, path)
    except gp.GPhoto2Error as error:
        return int(error.code)
    announced = host.file_get_info(path.folder, path.name).file.size
    if len(data) != announced:
        return "fewer bytes than announced"
    return None if data == download(host, path) else "other bytes than later"


WELL = (None,)
LOST = (gp.GP_ERROR, gp.GP_ERROR_IO)
"""The connection is gone; which of the two it is depends on what libgphoto2 was about to ask."""

CASES: list[tuple[str, Callable[[Any], Said], tuple[Said, ...]]] = [
    ("cable-pulled@EOS_SetDevicePropValueEx", set_iso, LOST),
    ("cable-pulled@EOS_RemoteReleaseOn", press, LOST),
    ("cable-pulled@exposure", press, LOST),
    ("busy=30@EOS_SetDevicePropValueEx", set_iso, (gp.GP_ERROR_CAMERA_BUSY,)),
    ("busy=30@EOS_RemoteReleaseOn", press_once, (gp.GP_ERROR_CAMERA_BUSY,)),
    ("reply-late=3@EOS_SetDevicePropValueEx", set_iso, (gp.GP_ERROR_TIMEOUT,)),
    ("event-lost@ObjectAddedEx", expose, ("no frame was announced",)),
    ("transfer-truncated=1000@GetPartialObject", fetch, WELL),  # it asks for the rest
    ("transfer-empty@GetPartialObject", fetch, ("fewer bytes than announced",)),
    ("bits-flipped=3@GetPartialObject", fetch, ("other bytes than later",)),
    ("battery-empty@exposure", press, LOST),
    ("power-off@exposure", press, LOST),
    ("power-off@EOS_SetDevicePropValueEx", set_iso, LOST),
    ("autofocus-failed@autofocus", press, (gp.GP_ERROR,)),
    ("exif-wrong=3@exposure", expose, WELL),
]


@pytest.mark.parametrize(("text", "step", "said"), CASES, ids=[text for text, _, _ in CASES])
def test_what_libgphoto2_says_of_each_fault(
    body: SimulatedCamera, host: Any, text: str, step: Callable[[Any], Said], said: tuple[Said, ...]
) -> None:
    body.inject(Fault.parse(text))
    assert step(host) in said


@pytest.mark.parametrize(
    ("text", "step", "said"),
    [
        ("card-error@exposure", expose, "no frame was announced"),
        ("card-error@EOS_GetEvent", press, gp.GP_ERROR),
    ],
)
def test_what_libgphoto2_says_of_a_broken_card(text: str, step: Callable[[Any], Said], said: Said) -> None:
    with SimulatedCamera(size="small", time_scale=50, faults=[Fault.parse(text)]) as body, connected(body) as host:
        assert step(host) == said
        assert read(host, "availableshots") == "0"


def test_every_kind_of_fault_is_in_the_table() -> None:
    assert {Fault.parse(text).kind for text, _, _ in CASES} | {FaultKind.CARD_ERROR, FaultKind.CARD_FULL} == set(
        FaultKind
    )


# What happens afterwards.


def test_a_cable_that_is_plugged_in_again_finds_the_frame_that_was_taken(body: SimulatedCamera, host: Any) -> None:
    body.inject(Fault(FaultKind.CABLE_PULLED, at="exposure", value=0.2))
    assert press(host) in LOST
    leave(host)
    eventually(body, last_file_name, f"IMG_{len(body.shots):04d}.CR2")


def test_busy_passes(body: SimulatedCamera, host: Any) -> None:
    body.inject(Fault(FaultKind.BUSY, at="EOS_SetDevicePropValueEx", value=10.0))
    assert set_iso(host) == gp.GP_ERROR_CAMERA_BUSY
    when_not_busy(lambda: change(host, "iso", "200"))
    assert read(host, "iso") == "200"


def test_after_a_late_reply_a_new_connection_works(body: SimulatedCamera, host: Any) -> None:
    body.inject(Fault(FaultKind.REPLY_LATE, at="EOS_SetDevicePropValueEx", value=3.0))
    assert set_iso(host) == gp.GP_ERROR_TIMEOUT
    leave(host)
    eventually(body, lambda again: read(again, "iso"), "200")


def test_a_camera_that_went_off_while_it_exposed_has_the_frame_on_its_card(body: SimulatedCamera, host: Any) -> None:
    body.inject(Fault(FaultKind.POWER_OFF, at="exposure"))
    assert press(host) in LOST
    assert not body.is_on
    leave(host)
    with pytest.raises(gp.GPhoto2Error):
        connect(body)
    body.switch_on()
    eventually(body, last_file_name, f"IMG_{len(body.shots):04d}.CR2")


def test_a_full_card_has_room_again_after_a_deletion(body: SimulatedCamera, host: Any) -> None:
    path = shoot(host)
    body.inject(Fault(FaultKind.CARD_FULL, at="exposure"))
    assert press(host) == gp.GP_ERROR
    assert read(host, "availableshots") == "0"
    host.file_delete(path.folder, path.name)
    assert expose(host) is None


def test_a_failed_autofocus_leaves_the_lens_out_of_focus_and_takes_no_frame(body: SimulatedCamera, host: Any) -> None:
    before = len(body.shots)
    body.inject(Fault(FaultKind.AUTOFOCUS_FAILED, at="autofocus"))
    assert press(host) == gp.GP_ERROR
    assert body.focus_steps != 0
    assert len(body.shots) == before
    assert expose(host) is None


def test_a_wrong_exposure_is_stated_and_the_true_one_taken(body: SimulatedCamera, host: Any, tmp_path: Path) -> None:
    when_not_busy(lambda: change(host, "shutterspeed", "1/4"))
    body.inject(Fault(FaultKind.EXIF_WRONG, at="exposure", value=3.0))
    file = tmp_path / "wrong.cr2"
    file.write_bytes(download(host, shoot(host)))
    with file.open("rb") as stream:
        stated = exifread.process_file(stream, details=False)["EXIF ExposureTime"].values[0]
    assert float(stated) == pytest.approx(0.75, rel=0.01)
    assert body.shots[-1].shutter_s == 0.25


def test_an_event_can_be_lost_that_is_not_the_first(host: Any, body: SimulatedCamera) -> None:
    body.inject(Fault(FaultKind.EVENT_LOST, at="ObjectAddedEx", count=2))
    assert [expose(host) for _ in range(3)] == [None, "no frame was announced", None]


def last_file_name(host: Any) -> str:
    return file_names(host, CARD_FOLDER)[-1]


def eventually(body: SimulatedCamera, ask: Callable[[Any], Any], wanted: Any) -> None:
    """Asks a camera that may not yet be back, or not yet have written, until it answers what is wanted."""
    deadline_s = time.monotonic() + PATIENCE_S
    answer: Any = None
    while answer != wanted and time.monotonic() < deadline_s:
        time.sleep(0.1)
        with contextlib.suppress(gp.GPhoto2Error), connected(body) as host:
            answer = ask(host)
    assert answer == wanted


# How a fault is written.


@pytest.mark.parametrize(
    "text",
    [
        *("", "cable-pulled", "melt@exposure", "busy@exposure", "event-lost@exposure", "busy@Nothing"),
        *("autofocus-failed@exposure", "exif-wrong@autofocus", "cable-pulled@exposure:0", "event-lost=2@ObjectAddedEx"),
        *("busy=.@EOS_GetEvent", "card-full@exposure:", "cable-pulled@exposure:1:2"),
        *("exif-wrong=0@exposure", "exif-wrong=1000000@exposure"),
    ],
)
def test_what_is_no_fault_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Fault.parse(text)
    assert "\n" not in str(refusal.value)


def test_a_fault_is_read_as_it_is_written() -> None:
    assert Fault.parse("reply-late=4@EOS_GetEvent:10") == Fault(FaultKind.REPLY_LATE, "EOS_GetEvent", 10, 4.0)
    assert Fault.parse("cable-pulled@exposure:3") == Fault(FaultKind.CABLE_PULLED, "exposure", 3)
    assert Fault.parse("busy@EOS_GetEvent").value == 1.0


@given(
    st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)[:4]), st.integers(1, 6)), max_size=5),
    st.lists(st.sampled_from(sorted(OPERATIONS)[:4]), max_size=30),
)
def test_each_fault_comes_once_at_its_count(planned: list[tuple[str, int]], moments: list[str]) -> None:
    plan = FaultPlan(Fault(FaultKind.POWER_OFF, at, count) for at, count in planned)
    came = [moment for moment in counted(moments) if plan.happens(moment[0])]
    assert came == [moment for moment in counted(moments) if moment in planned]


def counted(moments: list[str]) -> list[tuple[str, int]]:
    return [(moment, moments[: index + 1].count(moment)) for index, moment in enumerate(moments)]


def test_moments_are_those_of_libgphoto2() -> None:
    assert {"EOS_RemoteReleaseOn", "GetPartialObject", "EOS_GetEvent"} <= OPERATIONS
    assert {"ObjectAddedEx", "RequestObjectTransfer"} <= EVENTS
