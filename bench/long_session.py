"""Does a long evening stay as it began? Shoots many frames in one session; memory and time per frame must not grow.

    python bench/long_session.py --frames 300

Brackets of ten frames (a long, eight shorts, the closing long) on the simulated camera, small sensor, time 40 times
faster, one connection throughout, every frame decoded and registered as `sidcap shoot` does. Memory is this process's
resident set; the inspecting process is counted apart. Ends with 1 where memory or time grew.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from sidcap.capture import Clock, Diligence, Event, EventKind, Inspector, Session, Tether, plan_bracket
from sidcap.capture.journal import Journal
from sidcap.capture.simulated import SimulatedCamera
from sidcap.cli.comparison import compare
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split

TIME_SCALE = 40.0
FRAMES_PER_BRACKET = 10
GROWTH_LIMIT_MB = 20.0
"""Over the whole session, after the first bracket. One small frame is 2.6 MB, a full-size one 31."""
SLOWER_LIMIT = 1.25
"""Median time per frame of the last third over that of the first."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    brackets = max(3, parser.parse_args().frames // FRAMES_PER_BRACKET)
    home_s: list[float] = []
    resident_mb: list[float] = []
    inspecting_mb: list[float] = []

    def watch(event: Event) -> None:
        if event.kind is EventKind.HOME:
            home_s.append(time.monotonic())
        elif event.kind is EventKind.COMPLETE:
            resident_mb.append(_resident_mb(os.getpid()))
            inspecting_mb.append(max(map(_resident_mb, _children()), default=0.0))

    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatedCamera(size="small", time_scale=TIME_SCALE) as simulated,
        Inspector(compare) as inspector,
    ):
        os.environ["HOME"] = folder  # libgphoto2 keeps settings there
        store = Store.create(Path(folder) / "set")
        tether = Tether(simulated.port_string, Journal(store.journal_path))
        with Session(tether, store, Clock(TIME_SCALE), inspector, watch, Diligence(longest_gap_s=3600)) as session:
            plan = plan_bracket(
                iso=12800,
                ratios=[100, 300],
                repeats=(FRAMES_PER_BRACKET - 2) // 2,
                long_s=10,
                iso_labels=tether.body.iso_labels(),
                shutter_labels=tether.body.shutter_labels(),
            )
            for number in range(1, brackets + 1):
                session.shoot(number, Split.TRAIN, plan)
    return _report(home_s, resident_mb, inspecting_mb)


def _resident_mb(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _children() -> list[int]:
    """Python processes that this one has spawned to inspect frames; the simulated camera is none of them."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def _report(home_s: list[float], resident_mb: list[float], inspecting_mb: list[float]) -> int:
    apart_s = [after - before for before, after in pairwise(home_s)]
    third = len(apart_s) // 3
    first_s, last_s = statistics.median(apart_s[:third]), statistics.median(apart_s[-third:])
    growth_mb = max(resident_mb) - resident_mb[0]
    print(f"{len(home_s)} frames; {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"memory: {resident_mb[0]:.0f} MB after the first bracket, at most {max(resident_mb):.0f}, "
          f"{resident_mb[-1]:.0f} after the last")  # fmt: skip
    print(f"the inspecting process: {inspecting_mb[0]:.0f} MB, at most {max(inspecting_mb):.0f}")
    print(f"time per frame: {first_s:.3f} s in the first third, {last_s:.3f} s in the last ({last_s / first_s:.2f})")
    if growth_mb > GROWTH_LIMIT_MB:
        print(f"memory grew by {growth_mb:.0f} MB")
    if last_s > SLOWER_LIMIT * first_s:
        print("frames became slower")
    return int(growth_mb > GROWTH_LIMIT_MB or last_s > SLOWER_LIMIT * first_s)


if __name__ == "__main__":
    sys.exit(main())
