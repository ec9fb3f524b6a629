"""``sidcap simulate-camera``: what is said on the command line shows in what a host reads, and in the frames."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import rawpy
from hosts import PATIENCE_S, change, connect, connected, download, gp, leave, read, shoot, when_not_busy
from numpy.typing import NDArray
from typer.testing import CliRunner

from sidcap.cli import app

BLACK_DN = 2048
BRIGHT = ("--light", "8", "--setting", "iso=12800", "--setting", "aperture=2.8")
"""Well exposed at 1/30 s."""
Mosaic = NDArray[np.float32]


class Served(NamedTuple):
    """A camera in a process of the command's."""

    port_string: str


@contextmanager
def served(*arguments: str) -> Iterator[Served]:
    quick = ("--sensor", "small", "--time-scale", "20")
    command = [sys.executable, "-m", "sidcap.cli", "simulate-camera", *quick, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield Served(server.stdout.readline().strip())
        finally:
            server.terminate()


def frames(*arguments: str, count: int = 1, pause_s: float = 0.0, **settings: str) -> list[Mosaic]:
    """What is on the sensor above black, frame after frame, of a camera that was started like this."""
    with served(*arguments) as camera, connected(camera) as host:
        for name, value in settings.items():
            change(host, name, value)
        return [mosaic(host, pause_s) for _ in range(count)]


def mosaic(host: Any, pause_s: float) -> Mosaic:
    time.sleep(pause_s)
    file = Path.home() / "frame.cr2"
    file.write_bytes(download(host, shoot(host)))
    with rawpy.imread(str(file)) as raw:
        return raw.raw_image_visible.astype(np.float32) - BLACK_DN


def shift_px(first: Mosaic, second: Mosaic) -> tuple[float, float]:
    """How far the image has moved, right and down, from one of the green planes."""
    window = cv2.createHanningWindow((first.shape[1] // 2, first.shape[0] // 2), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(first[::2, 1::2], second[::2, 1::2], window)
    return 2 * x, 2 * y


def test_what_is_said_is_what_a_host_reads() -> None:
    said = ("--serial", "000000006042", "--card-free", "6", "--setting", "iso=1600", "--mode-dial", "B")
    with served(*said) as camera, connected(camera) as host:
        names = ("eosserialnumber", "availableshots", "iso", "autoexposuremode")
        assert [read(host, name) for name in names] == ["000000006042", "2", "1600", "Bulb"]


def test_a_wall_is_evenly_lit_and_behind_the_cap_is_no_light() -> None:
    (wall,) = frames("--scene", "flat", *BRIGHT, aperture="8", shutterspeed="1/4")
    (dark,) = frames("--scene", "capped", *BRIGHT)
    wall_green = cv2.resize(wall[::2, 1::2], (8, 8), interpolation=cv2.INTER_AREA)
    assert wall_green.mean() > 100
    assert np.ptp(wall_green) < 0.35 * wall_green.mean()  # the corners are darker
    assert abs(dark.mean()) < 1


def test_a_lens_that_stands_beside_the_focus_shows_less_detail() -> None:
    sharp, soft = (frames(*BRIGHT, "--focus-steps", steps, shutterspeed="1/30")[0] for steps in ("0", "-20"))
    assert detail(soft) < 0.7 * detail(sharp)


def detail(image: Mosaic) -> float:
    return float(cv2.Laplacian(cv2.GaussianBlur(image[::2, 1::2], (0, 0), 1), cv2.CV_32F).std())


def test_the_same_seed_gives_the_same_noise() -> None:
    one, same, other = (frames("--scene", "capped", "--seed", seed, iso="1600")[0] for seed in ("7", "7", "8"))
    assert (one == same).mean() > 0.9
    assert (one == other).mean() < 0.5


def test_after_a_knock_the_image_lies_elsewhere() -> None:
    before, after = frames(*BRIGHT, "--knock", "-10,6@2", count=2, shutterspeed="1/30")
    assert shift_px(before, after) == pytest.approx((-10, 6), abs=0.5)


def test_a_knock_within_an_exposure_smears_it() -> None:
    still, knocked, after = frames(*BRIGHT, "--knock", "20,0@2+0.015", count=3, shutterspeed="1/30")
    assert shift_px(still, after) == pytest.approx((20, 0), abs=0.5)
    assert detail(knocked) < 0.9 * detail(still)


def test_a_tripod_that_creeps_moves_the_image_with_time() -> None:
    first, second, third = frames("--light", "8", "--time-scale", "50", "--creep", "0.1,-0.05", count=3, pause_s=0.3)
    (x, y), (further_x, further_y) = shift_px(first, second), shift_px(first, third)
    assert x > 1
    assert y == pytest.approx(-x / 2, abs=0.5)
    assert further_x > x + 1
    assert further_y < y - 0.5


def test_light_that_flickers_makes_bands() -> None:
    said = ("--scene", "flat", *BRIGHT, "--light", "13")
    steady, swinging = (rows(frames(*said, *more, shutterspeed="1/2000")[0]) for more in ((), ("--flicker", "50,0.8")))
    assert np.ptp(swinging / steady) > 0.2


def rows(image: Mosaic) -> NDArray[np.float32]:
    """The mean of each band of 32 rows."""
    return image.reshape(-1, 32 * image.shape[1]).mean(axis=1)


def test_light_that_drifts_changes_from_frame_to_frame() -> None:
    said = ("--scene", "flat", *BRIGHT, "--time-scale", "1000", "--drift", "-0.9")
    first, second = frames(*said, count=2, pause_s=0.3, shutterspeed="1/30")
    assert second.mean() < 0.9 * first.mean()


def test_in_warm_air_more_pixels_are_hot() -> None:
    cold, warm = (
        frames("--scene", "capped", "--time-scale", "50", "--ambient", air, shutterspeed="10.3", iso="1600")[0]
        for air in ("0", "45")
    )
    assert (warm > 500).sum() > 3 * (cold > 500).sum()


def test_noise_reduction_takes_as_long_again() -> None:
    with served("--noise-reduction") as camera, connected(camera) as host:
        change(host, "shutterspeed", "10.3")
        started_s = time.monotonic()
        shoot(host)
        assert 20 * (time.monotonic() - started_s) >= 2 * 10.079


def test_automatic_power_off_ends_every_connection() -> None:
    with served("--auto-power-off", "--time-scale", "200") as camera:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            try:
                leave(connect(camera))
            except gp.GPhoto2Error:
                return
            time.sleep(0.5)
        pytest.fail("it never went off")


def test_a_fault_happens_when_it_was_told_to() -> None:
    with served("--fault", "card-full@exposure:2") as camera, connected(camera) as host:
        shoot(host)
        with pytest.raises(gp.GPhoto2Error):
            when_not_busy(host.trigger_capture)


@pytest.mark.parametrize(
    "wrong",
    [
        *("--scene nope", "--scene -3", "--serial 12", "--seed -1", "--focus-steps 500", "--card-free -2"),
        *("--battery 0", "--light 1000", "--ambient -300", "--ambient nan", "--drift -1", "--drift inf"),
        *("--knock 4@3", "--knock 4,0", "--knock 4,0@0", "--knock 400,0@3", "--knock 4,0@3+-1", "--creep 3"),
        *("--creep nan,0", "--flicker x", "--flicker 50,2", "--flicker 0", "--fault busy", "--setting iso"),
        *("--fault exif-wrong=0@exposure", "--setting iso=3"),
    ],
)
def test_what_no_camera_can_be_is_refused_in_one_line(wrong: str) -> None:
    result = CliRunner().invoke(app, ["simulate-camera", *wrong.split()])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
