"""What the simulated body does with its shutter, mirror, lens, card and battery, as a host sees it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import exifread
import numpy as np
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
    read,
    shoot,
    wait_until,
    when_not_busy,
)
from numpy.typing import NDArray

from sidcap.capture.simulated import SimulatedCamera

TIME_SCALE = 20.0


@pytest.fixture(scope="module")
def body() -> Iterator[SimulatedCamera]:
    """A camera whose lens stands on AF, in good light."""
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, settings={"focusmode": "One Shot"}, light_ev=8) as camera:
        yield camera


@pytest.fixture
def host(body: SimulatedCamera) -> Iterator[Any]:
    with connected(body) as camera:
        yield camera
    body.mode_dial = "M"
    body.focus_steps = 0
    with connected(body) as camera:
        for name, value in (("imageformat", "RAW"), ("shutterspeed", "1/60"), ("iso", "100"), ("aeb", "off")):
            when_not_busy(lambda name=name, value=value: change(camera, name, value))


def picture(data: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return decoded.astype(np.uint8)


def preview(host: Any) -> NDArray[np.uint8]:
    file = host.capture_preview()
    return picture(bytes(file.get_data_and_size()))


def expose_well(host: Any) -> None:
    when_not_busy(lambda: change(host, "iso", "400"))
    change(host, "shutterspeed", "1")


def sharpness(image: NDArray[np.uint8]) -> float:
    """Detail that is coarser than the noise."""
    return float(cv2.Laplacian(cv2.GaussianBlur(image, (0, 0), 1), cv2.CV_64F).var())


def wait_for(condition: Any) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail("it never happened")
        time.sleep(0.02)


# Bulb.


def test_on_b_the_shutter_is_open_for_as_long_as_the_button_is_held(
    body: SimulatedCamera, host: Any, tmp_path: Path
) -> None:
    body.mode_dial = "B"
    wait_until(host, "shutterspeed", "bulb")
    assert list(host.get_single_config("shutterspeed").get_choices()) == ["bulb"]
    assert read(host, "autoexposuremode") == "Bulb"
    change(host, "eosremoterelease", "Press Full MF")
    time.sleep(4 / TIME_SCALE)
    with pytest.raises(gp.GPhoto2Error):
        change(host, "iso", "200")
    change(host, "eosremoterelease", "Release Full")
    path = file_added(host)
    shot = body.shots[-1]
    assert 4 <= shot.shutter_s < 40
    file = tmp_path / "bulb.cr2"
    file.write_bytes(download(host, path))
    with file.open("rb") as stream:
        exif = exifread.process_file(stream, details=False)
    stated = exif["EXIF ExposureTime"].values[0]
    assert float(stated) == pytest.approx(shot.shutter_s, abs=0.51)


def test_turning_the_dial_back_to_m_finds_the_shutter_time_that_was_set(body: SimulatedCamera, host: Any) -> None:
    change(host, "shutterspeed", "1/8")
    body.mode_dial = "B"
    wait_until(host, "shutterspeed", "bulb")
    body.mode_dial = "M"
    wait_until(host, "shutterspeed", "1/8")


def test_a_host_that_is_lost_in_a_bulb_exposure_lets_go_of_the_button(body: SimulatedCamera) -> None:
    body.mode_dial = "B"
    before = len(body.shots)
    with connected(body) as host:
        change(host, "eosremoterelease", "Press Full MF")
        body.unplug()
    body.plug_in()
    body.mode_dial = "M"
    assert len(body.shots) == before + 1


# Files.


@pytest.mark.parametrize("target", ["Memory card", "Internal RAM"])
def test_raw_and_jpeg_are_two_files_of_one_exposure(host: Any, target: str) -> None:
    change(host, "capturetarget", target)
    when_not_busy(lambda: change(host, "imageformat", "RAW + L"))
    when_not_busy(host.trigger_capture)
    files = [file_added(host), file_added(host)]
    data = [download(host, path) for path in files]
    assert len({path.name.rpartition(".")[0] for path in files}) == (1 if target == "Memory card" else 2)
    assert data[0].startswith(b"II*\0")
    assert picture(data[1]).shape == (1024, 1536)


@pytest.mark.parametrize(("label", "width"), [("M", 1024), ("S3", 202)])
def test_a_jpeg_alone_has_the_size_that_was_asked_for(host: Any, label: str, width: int) -> None:
    when_not_busy(lambda: change(host, "imageformat", label))
    path = shoot(host)
    assert path.name.endswith(".JPG")
    assert picture(download(host, path)).shape[1] == width


@pytest.mark.parametrize("label", ["mRAW", "sRAW", "mRAW + L"])
def test_small_raw_formats_are_offered_and_refused(host: Any, label: str) -> None:
    assert label in list(host.get_single_config("imageformat").get_choices())
    with pytest.raises(gp.GPhoto2Error):
        change(host, "imageformat", label)


def test_the_card_counts_down_refuses_when_full_and_has_room_again_after_a_deletion() -> None:
    noisy = {"iso": "25600"}  # such frames are nearly as large as they are counted
    with SimulatedCamera(size="small", time_scale=50, settings=noisy, light_ev=8, card_free_bytes=5_700_000) as body:
        with connected(body) as host:
            assert read(host, "availableshots") == "2"
            first = shoot(host)
            assert read(host, "availableshots") == "1"
            shoot(host)
            wait_until(host, "availableshots", "0")
            with pytest.raises(gp.GPhoto2Error):
                when_not_busy(host.trigger_capture)
        with connected(body) as host:
            host.file_delete(first.folder, first.name)
            wait_until(host, "availableshots", "1")
            shoot(host)


# Live view and focus.


def test_live_view_shows_the_scene_sharper_or_softer_as_the_focus_is_driven(body: SimulatedCamera, host: Any) -> None:
    expose_well(host)
    change(host, "viewfinder", 1)
    sharp = preview(host)
    assert sharp.shape == (640, 960)
    change(host, "manualfocusdrive", "Near 3")
    change(host, "manualfocusdrive", "Near 3")
    soft = preview(host)
    change(host, "manualfocusdrive", "Far 3")
    change(host, "manualfocusdrive", "Far 3")
    assert body.focus_steps == 0
    assert sharpness(soft) < 0.5 * sharpness(sharp)
    assert sharpness(preview(host)) > 2 * sharpness(soft)


def test_live_view_is_as_bright_as_the_exposure_would_be(host: Any) -> None:
    expose_well(host)
    change(host, "viewfinder", 1)
    means = []
    for time_set in ("1/15", "1/4", "1"):
        when_not_busy(lambda time_set=time_set: change(host, "shutterspeed", time_set))
        means.append(float(preview(host).mean()))
    assert means[0] < means[1] < means[2]


def test_live_view_is_not_shown_while_it_is_off(host: Any) -> None:
    with pytest.raises(gp.GPhoto2Error):
        change(host, "manualfocusdrive", "Near 1")


def test_autofocus_finds_the_focus_before_the_exposure(body: SimulatedCamera, host: Any) -> None:
    body.focus_steps = 40
    shoot(host)
    assert body.shots[-1].focus_steps == 0


def test_a_lens_on_mf_stays_where_it_stands() -> None:
    with SimulatedCamera(size="small", time_scale=50, focus_steps=40) as body, connected(body) as host:
        shoot(host)
        assert body.shots[-1].focus_steps == 40
        change(host, "viewfinder", 1)
        with pytest.raises(gp.GPhoto2Error):
            change(host, "manualfocusdrive", "Near 1")
        with pytest.raises(gp.GPhoto2Error):
            change(host, "focusmode", "AI Servo")


def test_autofocus_in_live_view(body: SimulatedCamera, host: Any) -> None:
    body.focus_steps = -40
    change(host, "viewfinder", 1)
    when_not_busy(lambda: change(host, "autofocusdrive", 1))
    wait_for(lambda: body.focus_steps == 0)


# Exposures.


def test_automatic_bracketing_takes_one_as_set_one_darker_and_one_brighter() -> None:
    with SimulatedCamera(size="small", time_scale=50) as body, connected(body) as host:
        change(host, "aeb", "+/- 1")
        for _ in range(3):
            shoot(host)
        assert [shot.shutter_s for shot in body.shots] == pytest.approx([1 / 64, 1 / 128, 1 / 32])


def test_how_the_mirror_was_raised_is_known_to_the_shot(body: SimulatedCamera, host: Any) -> None:
    shoot(host)
    assert body.shots[-1].mirror_up_s == pytest.approx(0.05)
    change(host, "viewfinder", 1)
    shoot(host)
    assert body.shots[-1].mirror_up_s is None
    change(host, "viewfinder", 0)
    when_not_busy(lambda: change(host, "mirrorlock", "1"))
    when_not_busy(host.trigger_capture)
    time.sleep(2 / TIME_SCALE)
    shoot(host)
    when_not_busy(lambda: change(host, "mirrorlock", "0"))
    settled_s = body.shots[-1].mirror_up_s
    assert settled_s is not None
    assert 2 <= settled_s < 30


def test_noise_reduction_of_long_exposures_takes_as_long_again() -> None:
    with (
        SimulatedCamera(size="small", time_scale=50, long_exposure_noise_reduction=True) as body,
        connected(body) as host,
    ):
        change(host, "shutterspeed", "10.3")
        started_s = time.monotonic()
        shoot(host)
        assert 50 * (time.monotonic() - started_s) >= 2 * 10.079
        change(host, "shutterspeed", "1/2" if "1/2" in host.get_single_config("shutterspeed").get_choices() else "0.5")
        shoot(host)
        assert [shot.noise_reduction for shot in body.shots] == [True, False]


def test_the_sensor_warms_up_from_exposure_to_exposure(body: SimulatedCamera, host: Any) -> None:
    change(host, "shutterspeed", "10.3")
    for _ in range(3):
        shoot(host)
    temperatures_c = [shot.sensor_c for shot in body.shots[-3:]]
    assert temperatures_c == sorted(temperatures_c)
    assert temperatures_c[0] < temperatures_c[-1]


# Power and time.


def test_a_battery_drains_from_shot_to_shot_until_the_camera_is_off() -> None:
    with SimulatedCamera(size="small", time_scale=50, battery=0.7505) as body, connected(body) as host:
        assert read(host, "batterylevel") == "100%"
        shoot(host)
        wait_until(host, "batterylevel", "75%")
    with SimulatedCamera(size="small", time_scale=50, battery=0.0005) as body:
        with connected(body) as host, contextlib.suppress(gp.GPhoto2Error):
            shoot_blindly(host)
        wait_for(lambda: not body.is_on)
        body.switch_on()
        with connected(body) as host:
            assert read(host, "batterylevel") == "100%"


def shoot_blindly(host: Any) -> None:
    when_not_busy(host.trigger_capture)
    file_added(host, patience_s=0.5)


def test_a_camera_that_nobody_uses_switches_itself_off_and_keeps_its_settings() -> None:
    with SimulatedCamera(size="small", time_scale=100, auto_power_off=True) as body:
        with connected(body) as host:
            change(host, "iso", "1600")
        wait_for(lambda: not body.is_on)
        with pytest.raises(gp.GPhoto2Error):
            connect(body)
        body.switch_on()
        with connected(body) as host:
            assert read(host, "iso") == "1600"


def test_the_date_can_be_set_and_is_in_the_file(tmp_path: Path) -> None:
    with SimulatedCamera(size="small", time_scale=50) as body, connected(body) as host:
        change(host, "datetime", 1_000_000_000)
        assert abs(body_time(host) - 1_000_000_000) < 3600
        file = tmp_path / "then.cr2"
        file.write_bytes(download(host, shoot(host)))
        with file.open("rb") as stream:
            assert str(exifread.process_file(stream, details=False)["Image DateTime"]).startswith("2001:09:09")


def body_time(host: Any) -> int:
    return int(read(host, "datetime"))


def test_it_begins_with_the_settings_that_it_was_given() -> None:
    given = {
        "iso": "6400",
        "shutterspeed": "10",
        "aperture": "5.6",
        "imageformat": "RAW + Large Fine JPEG",
        "mirrorlock": "1",
        "artist": "A. B.",
        "shuttercounter": "99",
        "drivemode": "Timer 2 sec",
    }
    with SimulatedCamera(size="small", settings=given, mode_dial="M") as body, connected(body) as host:
        seen = {name: read(host, name) for name in given}
    assert seen == given | {"shutterspeed": "10.3", "imageformat": "RAW + L"}


def test_four_cameras_side_by_side_take_their_own_frames() -> None:
    with contextlib.ExitStack() as stack:
        bodies = [
            stack.enter_context(SimulatedCamera(size="small", time_scale=50, serial=f"00000000600{number}"))
            for number in range(4)
        ]
        hosts = [stack.enter_context(connected(body)) for body in bodies]
        for host in hosts:
            when_not_busy(host.trigger_capture)
        frames = [download(host, file_added(host)) for host in hosts]
        assert [read(host, "eosserialnumber") for host in hosts] == [f"00000000600{number}" for number in range(4)]
        assert [file_names(host, CARD_FOLDER) for host in hosts] == [["IMG_0001.CR2"]] * 4
    assert len(set(frames)) == 4
