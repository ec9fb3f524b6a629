"""Live view, through the command, the real libgphoto2, a simulated camera and a real browser."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from browsers import Browser, Page, chromium, needs_chromium
from live_pages import LiveProcess, live_process, opened, wait_until

from sidcap.capture.simulated import SimulatedCamera
from sidcap.data_manifest.store import Store

pytestmark = needs_chromium

TIME_SCALE = "40"
LIVE = "status.phase === 'live' && status.frames > 2"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as chrome:
        yield chrome


@pytest.fixture(scope="module")
def camera() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(size="small", time_scale=float(TIME_SCALE)) as camera:
        yield camera


@pytest.fixture(scope="module")
def live(camera: SimulatedCamera, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveProcess]:
    """One process for all: starting it takes longer than what most tests do with it."""
    options = ("--iso", "12600", "--ratios", "30", "--camera", camera.port_string, "--time-scale", TIME_SCALE)
    with live_process(tmp_path_factory.mktemp("live"), *options, "--pause-after", "1") as live:
        yield live


@pytest.fixture(autouse=True)
def _lens_on_af(camera: SimulatedCamera) -> None:
    camera.set_by_hand(focusmode="One Shot")
    camera.focus_steps = 0


def test_the_picture_moves_and_a_focus_step_changes_its_sharpness(
    chrome: Browser, camera: SimulatedCamera, live: LiveProcess
) -> None:
    with opened(chrome, live.address) as page:
        wait_until(page, f"{LIVE} && status.camera.focus_refusal === '' && status.look?.box_sharpness > 0")
        assert page.locator("#picture").evaluate("img => img.naturalWidth") == 960
        first = page.locator("#picture").screenshot()
        sharp = page.evaluate("status.look.box_sharpness")
        page.keyboard.press("]")
        wait_until(page, f"status.look?.box_sharpness < {0.9 * sharp}")
        assert camera.focus_steps == -30
        assert page.locator("#picture").screenshot() != first
        page.get_by_role("button", name="nearer, large step").click()
        wait_until(page, f"status.look?.box_sharpness > {0.97 * sharp}")
        assert camera.focus_steps == 0
        wait_until(page, "status.history.length > 3 && status.best !== null")
        assert page.get_by_text("% of the best").is_visible()


def test_what_is_in_focus_is_drawn_red_and_a_dragged_box_is_measured_in_every_window(
    chrome: Browser, live: LiveProcess
) -> None:
    with opened(chrome, live.address) as page, opened(chrome, live.address) as other:
        wait_until(page, LIVE)
        before = red_share(page, above=0.0)
        page.keyboard.press("p")
        red_share(page, above=before + 0.01)
        area = page.locator("#zoomed").bounding_box()
        assert area is not None
        page.mouse.move(area["x"] + 0.1 * area["width"], area["y"] + 0.2 * area["height"])
        page.mouse.down()
        page.mouse.move(area["x"] + 0.3 * area["width"], area["y"] + 0.5 * area["height"])
        page.mouse.up()
        wait_until(other, "Math.abs(status.box.left - 0.1) < 0.01 && Math.abs(status.box.height - 0.3) < 0.01")
        for key, name in (("g", "thirds"), ("m", "3×")):
            page.keyboard.press(key)
            assert page.get_by_text(name).is_visible()
        assert page.locator("#lines line").count() == 4


def red_share(page: Page, *, above: float) -> float:
    """Of the picture that is shown, once it is ``above``."""
    for _ in range(600):
        share = float(page.locator("#picture").evaluate(_RED_SHARE))
        if share > above:
            return share
        page.wait_for_timeout(100)
    pytest.fail(f"never more than {above:.3f} of the picture was red")


_RED_SHARE = """img => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [img.naturalWidth, img.naturalHeight];
  if (!canvas.width) return 0;
  const pen = canvas.getContext("2d");
  pen.drawImage(img, 0, 0);
  const data = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  let red = 0;
  for (let at = 0; at < data.length; at += 4) red += data[at] > 200 && data[at + 1] < 110 && data[at + 2] < 110;
  return red / (data.length / 4);
}"""


def test_a_scene_shot_from_the_page_is_in_the_dataset_and_another_window_sees_it_come(
    chrome: Browser, camera: SimulatedCamera, live: LiveProcess
) -> None:
    with opened(chrome, live.address) as page, opened(chrome, live.address) as other:
        wait_until(page, LIVE)
        wait_until(page, "status.shoot_refusal !== ''")
        assert page.get_by_role("button", name="Shoot this scene").is_disabled()
        assert "switch the lens to MF" in page.locator("#shoot-refusal").inner_text()
        camera.set_by_hand(focusmode="Manual")
        wait_until(page, "status.shoot_refusal === ''")
        assert "turn its ring" in page.locator("#focus-refusal").inner_text()
        assert page.get_by_role("button", name="nearer, small step").is_disabled()
        page.keyboard.press("Space")
        page.get_by_label("for").select_option("test")
        page.get_by_role("button", name="Shoot Enter").click()
        wait_until(other, "status.phase === 'shooting' && status.bracket?.done > 0")
        assert other.locator("#veil #shots tr").count() == 3
        wait_until(other, "status.bracket?.outcome !== 'running'")
        wait_until(other, "status.phase === 'live'")
        assert "scene 10001 is complete" in other.locator("#bracket-text").inner_text()
        assert other.locator("#shots .badge.good").count() == 2
    scene = Store.open(live.dataset).scene(10001)
    assert scene.complete
    assert [frame.role for frame in scene.frames] == ["long", "short", "long"]
    assert all((live.dataset / frame.path).is_file() for frame in scene.frames)
    assert {shot.mirror_up_s is None for shot in camera.shots[-3:]} == {
        False
    }  # with the mirror locked up, not live view


def test_a_bracket_that_is_stopped_says_how_it_goes_on_and_live_view_comes_back(
    chrome: Browser, camera: SimulatedCamera, live: LiveProcess
) -> None:
    camera.set_by_hand(focusmode="Manual")
    with opened(chrome, live.address) as page:
        wait_until(page, "status.phase === 'live' && status.shoot_refusal === ''")
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        wait_until(page, "status.bracket !== null && status.bracket.shots[0].doing === 'exposing'")
        page.get_by_role("button", name="Stop the bracket").click()
        wait_until(page, "status.phase === 'live' && status.bracket?.outcome === 'stopped'")
        said = page.locator("#bracket-text").inner_text()
        assert f"it goes on with: sidcap shoot --resume --camera {camera.port_string} --time-scale {TIME_SCALE}" in said
    assert not Store.open(live.dataset).scene(1).complete


def test_ctrl_c_in_a_bracket_brings_the_frame_home_and_says_how_the_scene_is_completed(
    chrome: Browser, tmp_path: Path
) -> None:
    options = ("--iso", "12600", "--ratios", "30", "--camera", "simulated", "--sensor", "small", "--time-scale", "4")
    with live_process(tmp_path, *options) as live, opened(chrome, live.address) as page:
        wait_until(page, "status.phase === 'live'")
        page.request.post(live.address.partition("?")[0] + "lens/mf", headers=origin(live))
        wait_until(page, "status.phase === 'live' && status.shoot_refusal === ''")
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        wait_until(page, "status.bracket !== null && status.bracket.shots[0].doing === 'exposing'")
        page.goto("about:blank")
        live.process.send_signal(signal.SIGINT)
        _, said = live.process.communicate(timeout=60)
    assert live.process.returncode == 130, said
    go_on = "sidcap shoot --resume --camera simulated --sensor small --time-scale 4"
    assert (
        f"note: scene 00001 is incomplete, 1 of 3 frames; it goes on with: {go_on} --dataset {live.dataset}\n" in said
    )
    assert len(list(live.dataset.glob("long/*"))) == 1
    assert "Traceback" not in said


def origin(live: LiveProcess) -> dict[str, str]:
    return {"Origin": live.address.partition("/?")[0]}


def test_the_cable_comes_off_and_the_picture_comes_back_with_it(
    chrome: Browser, camera: SimulatedCamera, live: LiveProcess
) -> None:
    with opened(chrome, live.address) as page:
        wait_until(page, LIVE)
        camera.unplug()
        wait_until(page, "status.phase === 'lost'")
        assert "waiting for the camera" in page.locator("#veil-text").inner_text()
        assert page.get_by_role("button", name="nearer, small step").is_disabled()
        seen = page.evaluate("status.frames")
        camera.plug_in()
        wait_until(page, f"status.phase === 'live' && status.frames > {seen}")
        assert page.locator("#veil").is_hidden()


def test_live_view_is_off_while_nobody_watches(chrome: Browser, camera: SimulatedCamera, live: LiveProcess) -> None:
    with opened(chrome, live.address) as page:
        wait_until(page, LIVE)
        page.locator("#picture").evaluate("img => img.removeAttribute('src')")  # as for a window that is not seen
        wait_until(page, "status.phase === 'paused'")
        assert "nobody watches" in page.locator("#veil-text").inner_text()
        asked = count_of(camera, "EOS_GetViewFinderData")
        page.wait_for_timeout(1000)
        assert count_of(camera, "EOS_GetViewFinderData") == asked
        page.evaluate("watch()")
        wait_until(page, "status.phase === 'live'")


def count_of(camera: SimulatedCamera, operation: str) -> int:
    return sum(received.name == operation for received in camera.operations)


def test_without_the_token_nothing_is_served(live: LiveProcess) -> None:
    host = live.address.removeprefix("http://").partition("/")[0]

    def status(method: str, path: str) -> int:
        with closing(HTTPConnection(host, timeout=10)) as connection:
            connection.request(method, path, b"{}" if method == "POST" else None, {"Origin": f"http://{host}"})
            with connection.getresponse() as response:
                return response.status

    for path in ("/", "/stream", "/status", "/live.js", "/?token=guess"):
        assert status("GET", path) == 403
    for path in ("/shoot", "/focus/near%201", "/box", "/stop", "/lens/af"):
        assert status("POST", path) == 403


def test_the_camera_itself_magnifies_what_is_in_the_box(
    chrome: Browser, camera: SimulatedCamera, live: LiveProcess
) -> None:
    with opened(chrome, live.address) as page:
        wait_until(page, f"{LIVE} && status.camera.magnifications.length > 0")
        page.keyboard.press("z")
        wait_until(page, "status.phase === 'live' && status.magnified === 5 && status.look?.sharpness > 0")
        box = page.evaluate("status.box")
        asked = next(received for received in camera.operations if received.name == "EOS_ZoomPosition")
        left, top = (box[start] + box[side] / 2 - 0.1 for start, side in (("left", "width"), ("top", "height")))
        assert asked.params[:2] == (round(5472 * left), round(3648 * top))  # a fifth of the picture, around the box
        magnified = page.evaluate("status.history.length === 0 ? status.look.sharpness : status.history.at(-1).whole")
        page.keyboard.press("Shift+ArrowRight")  # too little to see in the whole picture
        wait_until(page, f"status.look?.sharpness < {0.9 * magnified}")
        for times in (10, 1):
            page.keyboard.press("z")
            wait_until(page, f"status.magnified === {times}")
