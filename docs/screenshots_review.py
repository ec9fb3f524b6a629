"""Make docs/images/review-grid.png and review-pair.png: `sidcap review` in chromium, on simulated scenes.

python docs/screenshots_review.py                     # shoots ten scenes on the simulated camera first
python docs/screenshots_review.py --dataset demo      # of a copy of a dataset that is there already
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from sidcap.capture import Clock, Inspector, Session, Tether, plan_bracket
from sidcap.capture.journal import Journal
from sidcap.capture.simulated import SimulatedCamera
from sidcap.capture.simulated.surroundings import Knock, Surroundings
from sidcap.curate import verify_dataset
from sidcap.data_manifest.pages.printing import installed_browser
from sidcap.data_manifest.schema import Decision, Remark, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split

IMAGES = Path(__file__).with_name("images")
SCENES = (*range(1, 9), 10001, 10002)
TIME_SCALE = 40.0
KNOCKED = 3
"""A scene during whose bracket somebody knocks at the tripod."""


def main() -> None:
    """Shoot or copy a dataset, say something about its scenes, and take the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="an existing dataset; it is copied")
    arguments = parser.parse_args()
    chromium = installed_browser()
    if chromium is None:
        sys.exit("chromium is not installed")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "evenings"
        store = shot(root) if arguments.dataset is None else Store.open(Path(shutil.copytree(arguments.dataset, root)))
        say_something(store)
        with served(root) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            take(browser.new_page(viewport={"width": 1440, "height": 900}, bypass_csp=True), address, store)
            browser.close()


def shot(root: Path) -> Store:
    """A dataset shot on the simulated camera, at ratios 100, 250 and 300, and verified."""
    store = Store.create(root)
    knock = Knock(before_frame=5 * (KNOCKED - 1) + 3, shift_px=(2.4, 1.1))  # five frames a scene
    simulated = SimulatedCamera(size="small", time_scale=TIME_SCALE, surroundings=Surroundings(knocks=(knock,)))
    tether = Tether(simulated.port_string, Journal(store.journal_path))
    with simulated, Inspector() as inspector, Session(tether, store, Clock(TIME_SCALE), inspector) as session:
        plan = plan_bracket(
            iso=12600,
            ratios=[100, 250, 300],
            long_s=10,
            iso_labels=tether.body.iso_labels(),
            shutter_labels=tether.body.shutter_labels(),
        )
        for scene in SCENES:
            simulated.scene = scene
            session.shoot(scene, Split.TEST if scene > 10000 else Split.TRAIN, plan)
    for _ in verify_dataset(store):
        pass
    return store


def say_something(store: Store) -> None:
    """What two reviewers might have said before."""
    now = datetime.now(UTC)

    def remarked(scene: Scene, **said: object) -> Scene:
        return scene.replace(**said, remarks=(*scene.remarks, Remark(by="anna", made_utc=now, **said)))

    def accepted(scene: Scene) -> Scene:
        first, *others = scene.pairs
        decision = Decision(choice="accepted", by="bert", decided_utc=now, why="the curtain moved, the rest did not")
        return scene.replace(pairs=(first.replace(decisions=(decision,)), *others))

    store.change_scene(1, lambda scene: remarked(scene, starred=True, tags=("indoors", "lamp")))
    store.change_scene(2, lambda scene: remarked(scene, note="a car passed during the last short"))
    store.change_scene(4, accepted)


@contextmanager
def served(root: Path) -> Iterator[str]:
    """The address of a review of the dataset."""
    command = [sys.executable, "-m", "sidcap.cli", "review", "--no-browser", "--who", "anna", "--dataset", str(root)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 (our own command)
        assert process.stderr is not None  # noqa: S101
        try:
            yield process.stderr.readline().split()[1]
        finally:
            process.send_signal(signal.SIGINT)


def take(page: Page, address: str, store: Store) -> None:
    """The grid, and a pair with the line between short and long."""
    page.goto(address)
    scenes = len(store.scene_ids())
    page.wait_for_function(f"document.querySelectorAll('.card img:not([hidden])').length === {scenes}", timeout=300_000)
    page.wait_for_timeout(500)
    page.screenshot(path=IMAGES / "review-grid.png")
    page.goto(f"{address.split('?')[0]}scenes/4?pair=0")
    page.wait_for_selector("#stage.ready", timeout=120_000)
    page.wait_for_selector("#histograms svg", timeout=120_000)
    page.keyboard.press("m")
    page.wait_for_function("document.getElementById('short').currentSrc.includes('smooth')", timeout=120_000)
    page.wait_for_selector("#developing", state="hidden", timeout=120_000)
    page.locator("#slider").fill("45")
    page.locator("body").click(position={"x": 2, "y": 890})  # nothing is to look as if it had the focus
    page.set_viewport_size({"width": 1440, "height": 1060})
    page.wait_for_timeout(500)
    page.screenshot(path=IMAGES / "review-pair.png")


if __name__ == "__main__":
    main()
