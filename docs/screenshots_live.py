"""Make docs/images/live.png: `sidcap live` in chromium, on the simulated camera. python docs/screenshots_live.py"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from sidcap.capture.simulated import SimulatedCamera
from sidcap.data_manifest.pages.printing import installed_browser

IMAGES = Path(__file__).with_name("images")
_LABEL = (0.30, 0.47, 0.39, 0.63)
"""The label of a bottle of scene 1: left, top, right, bottom of the picture."""
_TURNS = "far 2,far 2,far 2,far 2,far 2,far 2,far 2,near 2,near 1,near 1,near 1".split(",")
_SEEN_S = 2.5


def main() -> None:
    """Focus on a bottle, a little too far and back, and take the page."""
    chromium = installed_browser()
    if chromium is None:
        sys.exit("chromium is not installed")
    with (
        SimulatedCamera(size="small", scene=1, settings={"focusmode": "One Shot"}, focus_steps=33, seed=1) as camera,
        _live(camera.port_string) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 850})
        page.goto(address)
        _wait_until(page, "status.phase === 'live' && status.camera.focus_refusal === ''")
        _drag(page)
        page.keyboard.press("g")
        for turn in _TURNS:
            page.wait_for_timeout(1000 * _SEEN_S)
            page.locator(f'[data-step="{turn}"]').click()
        page.keyboard.press("p")
        page.locator("body").click(position={"x": 1, "y": 1})  # no button is to look as if it were pressed
        page.wait_for_timeout(3000 * _SEEN_S)
        camera.set_by_hand(focusmode="Manual")  # so that it can be shot
        _wait_until(page, "status.shoot_refusal === ''")
        page.screenshot(path=IMAGES / "live.png")
        _in_few_colours(IMAGES / "live.png")
        browser.close()


@contextmanager
def _live(port: str) -> Iterator[str]:
    """The address of a page that looks through the camera."""
    options = ["--iso", "12800", "--ratios", "100,250,300", "--camera", port, "--no-browser"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sidcap.cli", "live", *options, "--dataset", f"{folder}/dataset"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 (our own command)
            address = re.search(r"http://\S+", process.stderr.readline() if process.stderr else "")
            if address is None:
                sys.exit("sidcap live does not start")
            yield address[0]
            process.terminate()


def _wait_until(page: Page, condition: str) -> None:
    deadline = time.monotonic() + 60
    while not page.evaluate(f"status !== null && ({condition})"):
        if time.monotonic() > deadline:
            sys.exit(f"never: {condition}")
        page.wait_for_timeout(100)


def _in_few_colours(path: Path) -> None:
    """A palette: the noise of a picture at ISO 12800 does not compress otherwise."""
    Image.open(path).convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE).save(path, optimize=True)


def _drag(page: Page) -> None:
    area = page.locator("#zoomed").bounding_box()
    if area is None:
        sys.exit("there is no picture")
    left, top, right, bottom = _LABEL
    page.mouse.move(area["x"] + left * area["width"], area["y"] + top * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + right * area["width"], area["y"] + bottom * area["height"])
    page.mouse.up()


if __name__ == "__main__":
    main()
