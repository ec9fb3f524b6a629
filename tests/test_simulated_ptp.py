"""The simulated camera as libgphoto2 sees it: python-gphoto2, the gphoto2 command, and hosts that misbehave."""

from __future__ import annotations

import contextlib
import functools
import random
import socket
import struct
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rawpy
from hosts import (
    CARD_FOLDER,
    FULL_PRESS,
    PATIENCE_S,
    RawHost,
    change,
    connect,
    connected,
    download,
    file_added,
    file_names,
    gp,
    gphoto2,
    leave,
    needs_gphoto2,
    read,
    shoot,
    wait_until,
    when_not_busy,
)
from hypothesis import given
from hypothesis import strategies as st

from sidcap.capture.simulated import Fault, FaultKind, Knock, SimulatedCamera, Surroundings
from sidcap.capture.simulated.properties import (
    JPEG_FILES,
    PROPERTIES,
    RAW,
    RAW_FILE,
    SHUTTER_TIMES,
    PropertyCode,
    ValueType,
    decode_value,
    encode_value,
)
from sidcap.capture.simulated.ptpip import PacketError, decode_request
from sidcap.data_manifest.errors import CameraError, UsageError


@pytest.fixture(scope="module")
def body() -> Iterator[SimulatedCamera]:
    """One camera for all tests that need nothing special. 30 s pass in 1.5."""
    with SimulatedCamera(size="small", time_scale=20) as camera:
        yield camera


@pytest.fixture
def host(body: SimulatedCamera) -> Iterator[Any]:
    """A libgphoto2 connection to that camera, which is left as it was found."""
    with connected(body) as camera:
        yield camera
    with connected(body) as camera:
        for name, value in (("mirrorlock", "0"), ("shutterspeed", "1/60"), ("iso", "100")):
            when_not_busy(functools.partial(change, camera, name, value))


def full_presses(body: SimulatedCamera) -> int:
    return sum(name == "EOS_RemoteReleaseOn" and bool(params[0] & FULL_PRESS) for _, name, params in body.operations)


# Settings.


def test_a_camera_just_switched_on_says_what_it_is_set_to(host: Any) -> None:
    expected = {
        "autoexposuremode": "Manual",
        "focusmode": "Manual",
        "drivemode": "Single",
        "imageformat": "RAW",
        "iso": "100",
        "shutterspeed": "1/60",
        "aperture": "2.8",
        "batterylevel": "100%",
        "eosserialnumber": "000000006001",
        "lensname": "EF40mm f/2.8 STM",
        "mirrorlock": "0",
        "mirrorlockstatus": "0",
        "mirrordownstatus": "0",
        "autopoweroff": "60",
        "eosremoterelease": "None",
        "viewfinder": 0,
    }
    assert {name: read(host, name) for name in expected} == expected


def test_it_offers_the_isos_and_shutter_times_of_a_6d(host: Any) -> None:
    isos = list(host.get_single_config("iso").get_choices())
    times = list(host.get_single_config("shutterspeed").get_choices())
    assert isos[:4] == ["Auto", "50", "100", "125"]
    assert isos[-4:] == ["12800", "16000", "20000", "25600"]
    assert "12600" not in isos
    assert times[:6] == ["30", "25", "20", "15", "13", "10.3"]
    assert times[-1] == "1/4000"


@pytest.mark.parametrize(
    ("name", "value"),
    [("iso", "12800"), ("shutterspeed", "10.3"), ("aperture", "5.6"), ("mirrorlock", "1"), ("artist", "A. B.")],
)
def test_a_setting_that_was_changed_is_still_there_for_the_next_host(
    body: SimulatedCamera, name: str, value: str
) -> None:
    with connected(body) as host:
        before = read(host, name)
        change(host, name, value)
    with connected(body) as host:
        assert read(host, name) == value
        change(host, name, before)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("iso", "12600", gp.GP_ERROR),
        ("mirrorlock", "7", gp.GP_ERROR),
        ("autoexposuremode", "P", gp.GP_ERROR),
        ("autopoweroff", "0", gp.GP_ERROR_CAMERA_BUSY),
    ],
)
def test_a_value_that_the_body_does_not_take_is_refused_and_changes_nothing(
    body: SimulatedCamera, name: str, value: str, error: int
) -> None:
    with connected(body) as host:
        before = read(host, name)
        with pytest.raises(gp.GPhoto2Error) as refusal:
            change(host, name, value)
        assert refusal.value.code == error
    with connected(body) as host:
        assert read(host, name) == before


# Release, mirror and frames.


def test_a_plain_release_takes_one_press_and_the_frame_comes_home_whole(body: SimulatedCamera, host: Any) -> None:
    presses = full_presses(body)
    path = shoot(host)
    announced = host.file_get_info(path.folder, path.name).file.size
    data = download(host, path)
    assert full_presses(body) - presses == 1
    assert len(data) == announced
    assert data.startswith(b"II*\0")
    assert path.folder == CARD_FOLDER


def test_every_frame_under_mirror_lockup_takes_two_presses(body: SimulatedCamera, host: Any) -> None:
    change(host, "mirrorlock", "1")
    for frames in (1, 2):
        presses, counter = full_presses(body), int(read(host, "shuttercounter"))
        when_not_busy(host.trigger_capture)
        assert read(host, "mirrorlockstatus") == "2", frames
        assert read(host, "mirrordownstatus") == "1"
        assert int(read(host, "shuttercounter")) == counter
        shoot(host)
        wait_until(host, "mirrorlockstatus", "1")
        wait_until(host, "mirrordownstatus", "0")
        assert int(read(host, "shuttercounter")) == counter + 1
        assert full_presses(body) == presses + 2


def test_a_locked_up_mirror_drops_by_itself_after_30_s_and_no_frame_is_taken(host: Any) -> None:
    counter = read(host, "shuttercounter")
    change(host, "mirrorlock", "1")
    when_not_busy(host.trigger_capture)
    wait_until(host, "mirrorlockstatus", "1")
    assert read(host, "mirrordownstatus") == "0"
    assert read(host, "shuttercounter") == counter


def test_lockup_cannot_be_switched_off_while_the_mirror_waits(host: Any) -> None:
    change(host, "mirrorlock", "1")
    when_not_busy(host.trigger_capture)
    with pytest.raises(gp.GPhoto2Error) as refusal:
        change(host, "mirrorlock", "0")
    assert refusal.value.code == gp.GP_ERROR_CAMERA_BUSY


def test_live_view_holds_the_mirror_up_so_that_one_press_exposes_even_under_lockup(
    body: SimulatedCamera, host: Any
) -> None:
    change(host, "mirrorlock", "1")
    change(host, "viewfinder", 1)
    wait_until(host, "mirrordownstatus", "1")
    presses = full_presses(body)
    counter = int(read(host, "shuttercounter"))
    shoot(host)
    assert int(read(host, "shuttercounter")) == counter + 1
    assert full_presses(body) == presses + 1
    assert read(host, "mirrordownstatus") == "1"
    change(host, "viewfinder", 0)
    wait_until(host, "mirrordownstatus", "0")


def test_the_camera_is_busy_while_it_exposes(host: Any) -> None:
    counter = int(read(host, "shuttercounter"))
    change(host, "shutterspeed", "10.3")
    when_not_busy(host.trigger_capture)
    for name, value in (("eosremoterelease", "Press Full MF"), ("iso", "200")):
        with pytest.raises(gp.GPhoto2Error) as refusal:
            change(host, name, value)
        assert refusal.value.code == gp.GP_ERROR_CAMERA_BUSY
    assert file_added(host) is not None
    assert int(read(host, "shuttercounter")) == counter + 1


def test_files_on_the_card_can_be_listed_read_again_and_deleted(body: SimulatedCamera, host: Any) -> None:
    first, second = shoot(host), shoot(host)
    data = download(host, first)
    leave(host)
    with connected(body) as again:
        assert file_names(again, first.folder)[-2:] == [first.name, second.name]
        assert download(again, first) == data
        again.file_delete(first.folder, first.name)
    with connected(body) as again:
        assert first.name not in file_names(again, first.folder)
        assert second.name in file_names(again, first.folder)


def test_a_frame_in_the_cameras_memory_is_fetched_and_not_on_the_card(body: SimulatedCamera, host: Any) -> None:
    before = file_names(host, CARD_FOLDER)
    change(host, "capturetarget", "Internal RAM")
    path = host.capture(gp.GP_CAPTURE_IMAGE)
    assert path.folder == "/"
    assert download(host, path).startswith(b"II*\0")
    assert "EOS_TransferComplete" in [name for _, name, _ in body.operations]
    leave(host)
    with connected(body) as again:
        assert file_names(again, CARD_FOLDER) == before


def test_a_knock_shifts_the_frames_from_the_one_it_came_before(tmp_path: Path) -> None:
    knocked = Surroundings(knocks=(Knock(before_frame=2, shift_px=(6.0, -4.0)),))
    with SimulatedCamera(size="small", time_scale=50, surroundings=knocked, seed=1) as body, connected(body) as host:
        change(host, "shutterspeed", "2.5")
        frames = []
        for number in (1, 2):
            file = tmp_path / f"{number}.cr2"
            file.write_bytes(download(host, shoot(host)))
            with rawpy.imread(str(file)) as raw:
                frames.append(raw.raw_image_visible[::2, ::2].astype(np.float32))
    (right, down), _ = cv2.phaseCorrelate(frames[0], frames[1], cv2.createHanningWindow(frames[0].shape[::-1], 5))
    assert (2 * right, 2 * down) == pytest.approx((6.0, -4.0), abs=0.5)


# Cables, other hosts and noise on the line.


def test_after_a_pulled_cable_a_new_connection_finds_the_frame_that_was_taken_meanwhile() -> None:
    pulled = Fault(FaultKind.CABLE_PULLED, at="exposure", count=2)
    with SimulatedCamera(size="small", time_scale=50, faults=[pulled]) as body:
        with connected(body) as host:
            shoot(host)
            with pytest.raises(gp.GPhoto2Error):
                shoot(host)
            with pytest.raises(gp.GPhoto2Error):
                connect(body)
        body.plug_in()
        deadline_s = time.monotonic() + PATIENCE_S
        names: list[str] = []
        while len(names) < 2 and time.monotonic() < deadline_s:
            with connected(body) as host:
                names = file_names(host, CARD_FOLDER)
        assert names == ["IMG_0001.CR2", "IMG_0002.CR2"]


def test_a_host_that_leaves_without_a_word_leaves_a_free_camera(body: SimulatedCamera) -> None:
    gone = RawHost(body)
    assert gone.ask(0x1002, 1) == 0x2001
    assert gone.ask(0x9128, 2) == 0x2001
    gone.hang_up()
    with connected(body) as host:
        shoot(host)


def test_a_second_host_is_turned_away_and_the_first_goes_on(body: SimulatedCamera) -> None:
    with connected(body) as host:
        second = RawHost(body)
        assert second.greeting == 5
        second.hang_up()
        assert read(host, "eosserialnumber") == "000000006001"


def test_an_operation_outside_a_session_and_one_that_nobody_knows_are_answered(body: SimulatedCamera) -> None:
    host = RawHost(body)
    assert host.ask(0x1004) == 0x2003
    assert host.ask(0x1002, 1) == 0x2001
    assert host.ask(0x1002, 1) == 0x201E
    assert host.ask(0x915A) == 0x2005
    assert host.ask(0x1008, 12345) == 0x2009
    host.hang_up()


@pytest.mark.parametrize(
    "opening",
    [
        b"",
        b"\x05",
        struct.pack("<II", 7, 1),
        struct.pack("<II", 0xFFFFFFFF, 1),
        struct.pack("<II", 8, 99),
        struct.pack("<III", 12, 3, 1),
        struct.pack("<II", 1000, 1) + bytes(10),
        b"GET / HTTP/1.1\r\nHost: camera\r\n\r\n",
    ],
)
def test_a_connection_that_begins_wrong_is_dropped_and_the_camera_serves_on(
    body: SimulatedCamera, opening: bytes
) -> None:
    line = socket.create_connection(("127.0.0.1", int(body.port_string.rsplit(":", 1)[1])), PATIENCE_S)
    line.sendall(opening)
    with connected(body) as host:
        assert read(host, "eosserialnumber") == "000000006001"
    line.close()


def test_random_operations_with_random_parameters_and_data_are_all_answered() -> None:
    rng = random.Random(6)
    with SimulatedCamera(size="small", time_scale=1000) as body:
        host = RawHost(body)
        host.ask(0x1002, 1)
        known = [code for code, name, _ in body.operations] + list(range(0x1001, 0x1020))
        known += list(range(0x9101, 0x9162))
        known.remove(0x1003)
        for _ in range(600):
            params = [rng.choice((0, 1, 2, 3, 0x20001, 0xD13A, 0xD101, 0xFFFFFFFF, rng.getrandbits(32)))] * 5
            if rng.random() < 0.3:
                data = struct.pack("<II", rng.choice((12, 12, 13)), rng.choice((0xD102, 0xD120, 0xD1D0, 7)))
                data += rng.randbytes(rng.randint(0, 24))
                host.send(host.commands, 6, struct.pack("<IHI", 2, 0x9110, 1))
                host.send(host.commands, 9, struct.pack("<IQ", 1, len(data)))
                host.send(host.commands, 12, struct.pack("<I", 1) + data)
                while host.receive(host.commands)[0] != 7:
                    pass
            else:
                host.ask(rng.choice(known), *params[: rng.randint(0, 5)])
        host.hang_up()
        with connected(body) as again:
            assert read(again, "eosserialnumber") == "000000006001"


# What it is told when it is made.


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_scale": 0.0},
        {"size": "tiny"},
        {"serial": "12"},
        {"port": 70000},
        {"light_ev": float("nan")},
        {"mode_dial": "P"},
        {"battery": 0.0},
        {"scene": "nowhere"},
        {"focus_steps": 121},
        {"settings": {"iso": "12600"}},
        {"settings": {"colour": "red"}},
        {"settings": {"shutterspeed": "60"}},
    ],
)
def test_a_camera_that_cannot_be_is_not_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SimulatedCamera(**wrong)


def test_what_cannot_stand_before_the_lens_is_refused_later_too(body: SimulatedCamera) -> None:
    with pytest.raises(UsageError):
        body.scene = -1
    with pytest.raises(UsageError):
        body.focus_steps = 1000
    assert body.focus_steps == 0


def test_a_port_that_is_taken_is_said_in_one_line(body: SimulatedCamera) -> None:
    port = int(body.port_string.rsplit(":", 1)[1])
    with pytest.raises(CameraError, match=f"port {port}"):
        SimulatedCamera(port=port)


def test_a_camera_that_was_closed_says_so() -> None:
    camera = SimulatedCamera(size="small")
    camera.close()
    camera.close()
    with pytest.raises(CameraError, match="switched off"):
        camera.scene = 2


# Numbers.


@given(st.binary(max_size=64))
def test_a_request_is_decoded_or_refused(body: bytes) -> None:
    try:
        request, _ = decode_request(body)
    except PacketError:
        return
    assert len(body) == 10 + 4 * len(request.params)


@given(st.sampled_from(sorted(PROPERTIES)))
def test_every_choice_survives_the_wire(code: PropertyCode) -> None:
    row = PROPERTIES[code]
    for value in (row.first, *row.choices) if row.type is not ValueType.RECORDS else ():
        assert decode_value(row.type, encode_value(row.type, value)) == value


@given(st.binary(max_size=40), st.sampled_from([kind for kind in ValueType if kind is not ValueType.RECORDS]))
def test_bytes_from_a_host_are_a_value_or_refused(data: bytes, kind: ValueType) -> None:
    with contextlib.suppress(ValueError):
        value = decode_value(kind, data)
        assert decode_value(kind, encode_value(kind, value)) == value


def test_shutter_times_are_powers_of_two_in_third_stops_and_near_what_is_printed() -> None:
    assert SHUTTER_TIMES[0x10] == (32.0, Fraction(30))
    assert SHUTTER_TIMES[0x38] == (1.0, Fraction(1))
    assert SHUTTER_TIMES[0x1D].true_s == pytest.approx(10.079, abs=5e-4)
    assert SHUTTER_TIMES[0x53].true_s == pytest.approx(0.09921, abs=5e-6)
    for true_s, nominal_s in SHUTTER_TIMES.values():
        assert true_s == pytest.approx(float(nominal_s), rel=0.1)


def test_an_image_format_is_a_count_and_four_words_for_each_file() -> None:
    assert encode_value(ValueType.IMAGE_FORMAT, RAW) == struct.pack("<5I", 1, 16, 6, 0, 4)
    both = (RAW_FILE, next(iter(JPEG_FILES)))
    assert encode_value(ValueType.IMAGE_FORMAT, both) == struct.pack("<9I", 2, 16, 6, 0, 4, 16, 1, 0, 3)


# The gphoto2 command: another build of libgphoto2.


@needs_gphoto2
def test_the_gphoto2_command_summarises_the_camera(body: SimulatedCamera, tmp_path: Path) -> None:
    summary = gphoto2(body, "--summary", folder=tmp_path)
    assert "Model: Canon EOS 6D" in summary
    assert "Canon EOS Capture" in summary
    assert "Removable RAM (memory card)" in summary


@needs_gphoto2
def test_the_gphoto2_command_reads_and_changes_a_setting(body: SimulatedCamera, tmp_path: Path) -> None:
    gphoto2(body, "--set-config", "iso=12800", folder=tmp_path)
    assert "Current: 12800" in gphoto2(body, "--get-config", "iso", folder=tmp_path)
    gphoto2(body, "--set-config", "iso=100", folder=tmp_path)


@needs_gphoto2
@pytest.mark.parametrize("target", ["Internal RAM", "Memory card"])
def test_what_the_gphoto2_command_captures_opens_in_libraw(body: SimulatedCamera, tmp_path: Path, target: str) -> None:
    gphoto2(
        body,
        *("--set-config", f"capturetarget={target}"),
        *("--set-config", "shutterspeed=1/60"),
        *("--capture-image-and-download", "--filename", "frame.cr2"),
        folder=tmp_path,
    )
    with rawpy.imread(str(tmp_path / "frame.cr2")) as raw:
        assert raw.raw_image_visible.shape == (1024, 1536)
