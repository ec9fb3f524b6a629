"""What `sidcap review` takes on a dataset of 2,000 scenes: first page, scrolling, memory of the server.

    python bench/review.py                      # 2,000 scenes, thumbnails made before
    python bench/review.py --scenes 500 --folder /somewhere/fast

Every scene has a long, three shorts and a closing long, all registered: the record of a real registration, copied. The
frames are not there, for none is opened: thumbnails of noise, as large as real ones, lie in the cache already. "First
page" is from opening the address to the first picture, and to all pictures of the first screen, in a chromium that was
started for it: the median of five, and each, for only the first meets a server that has just begun. CPU time is what
the command and chromium spent meanwhile. Scrolling goes down the whole grid in steps as a wheel makes them, and counts
frames that took longer than two at 60 Hz. Memory is that of all processes of the command, resident, what they share
counted once (PSS).
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from playwright.sync_api import BrowserType, Page, ViewportSize, sync_playwright

from sidcap.curate import verify_scene
from sidcap.curate.review.pictures import thumbnail_of
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from textured_datasets import make_dataset

PAIRS = 3
COLD = 5
"""Browsers that open the page for the first time."""

_FIRST = """[...document.querySelectorAll('.card img')].some((one) => one.complete && one.naturalWidth)"""
_SCREEN = """(() => {
  const seen = [...document.querySelectorAll('.card')].filter((one) => one.getBoundingClientRect().top < innerHeight);
  const pictures = seen.map((one) => one.querySelector('img'));
  return pictures.length > 0 && pictures.every((one) => one.complete && one.naturalWidth);
})()"""

_SCROLL = """async () => {
  const spans = [];
  const long = [];
  const watching = new PerformanceObserver((list) => long.push(...list.getEntries().map((one) => one.duration)));
  watching.observe({entryTypes: ["longtask"]});
  let last = performance.now();
  const end = document.documentElement.scrollHeight - innerHeight;
  for (let at = 0; at <= end; at += 120) {
    scrollTo(0, at);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    spans.push(now - last);
    last = now;
  }
  spans.sort((a, b) => a - b);
  return {
    frames: spans.length,
    median: spans[Math.floor(spans.length / 2)],
    p99: spans[Math.floor(spans.length * 0.99)],
    dropped: spans.filter((span) => span > 2 * 1000 / 60).length,
    longest: Math.max(0, ...long),
  };
}"""


_MEASURED = ("first picture", "all pictures of the first screen", "CPU time of the command", "CPU time of chromium")
_VIEW = ViewportSize(width=1440, height=900)

_ALL = "document.getElementById('count').textContent === '{scenes} scenes'"

_EMPTY = """() => {
  const grid = document.getElementById("grid").cloneNode();  // nothing listens to a copy
  grid.style.height = `${document.getElementById("grid").offsetHeight}px`;
  document.getElementById("grid").replaceWith(grid);
  scrollTo(0, 0);
}"""
"""What this machine needs for scrolling, whatever is shown: without a graphics card, chromium draws by itself."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where the dataset is made; a temporary one without")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        store = generated(Path(folder) / "dataset", arguments.scenes)
        size = sum(path.stat().st_size for path in store.root.glob("scenes/*"))
        print(f"{arguments.scenes} scenes, {size / 1e6:.0f} MB of scene files; {machine()}")
        for start in ("first start", "second start"):
            measure(store, start, arguments.scenes, arguments.chromium)


def generated(root: Path, scenes: int) -> Store:
    """A dataset of copies of one registered scene, each with a thumbnail of its own."""
    store = make_dataset(root, (1,), shorts=({},) * PAIRS)
    verify_scene(store, 1)
    text = store.scene_path(1).read_text()
    thumbnails = store.cache_dir / "review" / "thumbnails"
    thumbnails.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(1, scenes + 1):
        scene = Scene.model_validate_json(
            text.replace("00001_", f"{number:05d}_").replace('"id": 1,', f'"id": {number},')
        )
        frames = tuple(one.replace(sha256=f"{number:032x}{index:032x}") for index, one in enumerate(scene.frames))
        scene = scene.replace(frames=frames, split=Split.TRAIN)
        store.save_scene(scene)
        picture = thumbnail_of(scene)
        assert picture is not None
        small = cv2.resize(rng.integers(0, 256, (27, 40, 3), np.uint8), (320, 213), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(thumbnails / f"{picture.key}.jpg"), small + rng.integers(0, 12, small.shape, np.uint8))
    return store


def measure(store: Store, start: str, scenes: int, chromium: str) -> None:
    """Start the command, look at the page, print what it took."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "sidcap.cli", "review", "--no-browser", "--dataset", str(store.root)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[1]
        print(f"{start}: answers after {time.perf_counter() - began:.1f} s")
        try:
            with sync_playwright() as driver:
                opened = [cold(driver.chromium, chromium, address, process.pid) for _ in range(COLD)]
                for name, values in zip(_MEASURED, zip(*opened, strict=True), strict=True):
                    each = ", ".join(f"{one:.2f}" for one in values)
                    print(f"  {name}: {statistics.median(values):.2f} s ({each})")
                browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                look(browser.new_page(viewport=_VIEW, bypass_csp=True), address, scenes)
                print(f"  chromium {browser.version}; memory of the command {memory_mb(process.pid):.0f} MB")
                browser.close()
        finally:
            process.send_signal(signal.SIGINT)


def look(page: Page, address: str, scenes: int) -> None:
    """Open, wait, scroll, and open a second time; prints how long each took."""
    drawn(page, address)
    began = time.perf_counter()
    page.wait_for_function(_ALL.format(scenes=scenes), timeout=300_000)
    print(f"  all scenes known to the page {time.perf_counter() - began:.1f} s later")
    print(f"  opened again: {drawn(page, address.split('?')[0]):.2f} s to the first picture")
    page.wait_for_function(_ALL.format(scenes=scenes))
    scroll(page, "scrolling")
    page.evaluate(_EMPTY)
    scroll(page, "the same page without the scenes, as tall")


def scroll(page: Page, what: str) -> None:
    """Go down the page; prints how smooth that was."""
    found: dict[str, Any] = page.evaluate(_SCROLL)
    print(
        f"  {what}: {found['frames']} frames, median {found['median']:.1f} ms, 99 % within {found['p99']:.1f} ms, "
        f"{found['dropped']} took over 33 ms; longest task {found['longest']:.0f} ms"
    )


def cold(chromium: BrowserType, executable: str, address: str, command: int) -> tuple[float, ...]:
    """What it takes a browser that was just started to show the page; in the order of `_MEASURED`."""
    browser = chromium.launch(executable_path=executable, args=["--no-sandbox"])
    page = browser.new_page(viewport=_VIEW, bypass_csp=True)
    before = cpu_s(command), browsers_cpu_s()
    first = drawn(page, address)
    began = time.perf_counter()
    page.wait_for_function(_SCREEN, timeout=120_000)
    whole = first + time.perf_counter() - began
    spent = cpu_s(command) - before[0], browsers_cpu_s() - before[1]
    browser.close()
    return first, whole, *spent


def drawn(page: Page, address: str) -> float:
    """Seconds from opening an address to its first picture."""
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function(_FIRST, timeout=120_000)
    return time.perf_counter() - began


def cpu_s(pid: int, *names: str) -> float:
    """CPU time of a process and its children; of those alone whose names begin so, where any are given."""
    process = psutil.Process(pid)
    times = [
        one.cpu_times() for one in (process, *process.children(recursive=True)) if one.name().startswith(names or "")
    ]
    return float(sum(one.user + one.system for one in times))


def browsers_cpu_s() -> float:
    return cpu_s(os.getpid(), "chrom")


def memory_mb(pid: int) -> float:
    """Of a process and its children."""
    process = psutil.Process(pid)
    return sum(one.memory_full_info().pss for one in (process, *process.children(recursive=True))) / 1e6


def machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    return (
        f"{model or platform.machine()}, {psutil.cpu_count()} cores; Python {platform.python_version()}, "
        f"starlette {version('starlette')}, uvicorn {version('uvicorn')}"
    )


if __name__ == "__main__":
    main()
