"""One connection to one camera, through the real libgphoto2 to the simulated camera."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidcap.capture import Camera, DetectedCamera
from sidcap.capture.camera import the_only
from sidcap.capture.simulated import Fault, FaultKind, SimulatedCamera
from sidcap.data_manifest.errors import CameraError, CameraNotFoundError

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # libgphoto2 keeps settings there


@pytest.fixture
def simulated() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(size="small", time_scale=40) as simulated:
        yield simulated


@pytest.fixture
def camera(simulated: SimulatedCamera) -> Iterator[Camera]:
    with Camera(simulated.port_string) as camera:
        camera.set("capturetarget", "Memory card")
        yield camera


def wait_until_stored(camera: Camera, free_bytes: int | None) -> None:
    """Until there is less room than that; reads events on the way, as every look at a setting does, and no files."""
    deadline_s = time.monotonic() + PATIENCE_S
    while camera.free_bytes() == free_bytes:
        assert time.monotonic() < deadline_s, "the frame never reached the card"
        time.sleep(0.01)
    camera.get("availableshots")


def test_a_frame_announced_while_a_press_goes_out_is_not_lost(camera: Camera) -> None:
    """libgphoto2's trigger_capture throws away what an EOS has told until then."""
    free_bytes = camera.free_bytes()
    camera.press()
    wait_until_stored(camera, free_bytes)  # reads events, among them the announcement
    camera.press()
    names = [str(camera.wait_for_file(PATIENCE_S)).rsplit("/", 1)[1] for _ in range(2)]
    assert names == ["IMG_0001.CR2", "IMG_0002.CR2"]


def test_nothing_is_announced_twice(camera: Camera) -> None:
    camera.press()
    assert camera.wait_for_file(PATIENCE_S) is not None
    assert camera.wait_for_file(0.5) is None


def test_the_card_is_listed_described_and_emptied(camera: Camera, tmp_path: Path) -> None:
    assert camera.files() == ()
    for _ in range(2):
        camera.press()
        assert camera.wait_for_file(PATIENCE_S) is not None
    first, second = camera.files()
    assert [str(file) for file in (first, second)] == [
        f"/store_00020001/DCIM/100CANON/IMG_000{number}.CR2" for number in (1, 2)
    ]
    info = camera.info(first)
    assert info.mtime is not None
    assert camera.download(first, tmp_path / "first.CR2") == info.size_bytes == (tmp_path / "first.CR2").stat().st_size
    camera.delete(first)
    assert camera.files() == (second,)


def test_what_nobody_heard_of_is_on_the_list_of_a_new_connection(simulated: SimulatedCamera) -> None:
    simulated.inject(Fault(FaultKind.EVENT_LOST, at="ObjectAddedEx"))
    with Camera(simulated.port_string) as camera:
        camera.set("capturetarget", "Memory card")
        free_bytes = camera.free_bytes()
        assert camera.files() == ()
        camera.press()
        wait_until_stored(camera, free_bytes)
        assert camera.wait_for_file(0.5) is None
    with Camera(simulated.port_string) as camera:
        assert [file.name for file in camera.files()] == ["IMG_0001.CR2"]


def test_room_on_the_card_is_told_in_bytes() -> None:
    free_bytes = 512 * 1024**2
    with (
        SimulatedCamera(size="small", time_scale=40, card_free_bytes=free_bytes) as simulated,
        Camera(simulated.port_string) as camera,
    ):
        assert camera.free_bytes() == pytest.approx(free_bytes, abs=1024**2)


def test_a_camera_that_another_program_uses_says_so(simulated: SimulatedCamera, camera: Camera) -> None:
    with pytest.raises(CameraError, match="refuses the connection: end the other program") as caught:
        Camera(simulated.port_string)
    assert "\n" not in str(caught.value)
    assert camera.get("iso") == "100"


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ("nonsense", "is not a port such as"),
        ("usb:009,009", "there is no camera at 'usb:009,009'"),
        ("ptpip:", "there is no camera at 'ptpip:'"),
        ("ptpip:127.0.0.1:9:9", "does not answer"),
        ("", "is not a port such as"),
    ],
)
def test_a_port_without_a_camera_is_one_line(port: str, words: str) -> None:
    with pytest.raises(CameraNotFoundError, match=words) as caught:
        Camera(port)
    assert "\n" not in str(caught.value)


def test_of_several_cameras_none_is_chosen() -> None:
    found = (DetectedCamera("Canon EOS 6D", "usb:001,004"), DetectedCamera("Nikon DSC D750", "usb:001,005"))
    assert the_only(found[:1]) == found[0]
    with pytest.raises(CameraNotFoundError, match=r"2 cameras found .*usb:001,004.*usb:001,005.*--camera"):
        the_only(found)
    with pytest.raises(CameraNotFoundError, match="connect one by USB"):
        the_only(())
