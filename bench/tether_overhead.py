"""What a bracket costs beyond exposing and settling, against a shell script around the gphoto2 command.

    python bench/tether_overhead.py --rounds 3

Both shoot the same five frames (long, three shorts, closing long; mirror lockup, 2 s to settle) on the full-size
simulated camera in real time, in turn, and have the files on the disk at the end. The script calls gphoto2 for each
frame, as scripts do; or once for all of them, which is the fastest way there is: one connection, no checks. sidcap
compares sizes, hashes, journals, decodes and registers every frame besides. "To the last file" ends when the last one
is on the disk and the camera is free; "to the verdict" when the last frame is decoded and compared, too, and the
camera's settings are put back.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import statistics
import subprocess
import tempfile
import time
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sidcap.capture import Clock, Event, EventKind, Inspector, Session, Tether, plan_bracket
from sidcap.capture.journal import Journal
from sidcap.capture.plan import BracketPlan
from sidcap.capture.simulated import SimulatedCamera
from sidcap.cli.comparison import compare
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split

SETTLE_S = 2.0
RATIOS = (100.0, 250.0, 300.0)
ROUNDS_BY_DEFAULT = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS_BY_DEFAULT)
    rounds = parser.parse_args().rounds
    script_s: list[float] = []
    one_call_s: list[float] = []
    file_s: list[float] = []
    verdict_s: list[float] = []
    with tempfile.TemporaryDirectory() as home, SimulatedCamera(settings={"mirrorlock": "1"}) as simulated:
        os.environ["HOME"] = home  # libgphoto2 keeps settings there
        warm_up(simulated, Path(home))
        for turn in range(rounds):
            spent, plan = with_sidcap(simulated, Path(home) / f"set{turn}")
            least_s = sum(shot.true_s + SETTLE_S for shot in plan.shots)
            file_s.append(spent[0] - least_s)
            verdict_s.append(spent[1] - least_s)
            one_call_s.append(with_gphoto2(simulated, Path(home) / f"call{turn}", plan) - least_s)
            script_s.append(with_gphoto2(simulated, Path(home) / f"calls{turn}", plan, call_per_frame=True) - least_s)
    show(
        {
            "gphoto2, a call for each frame": script_s,
            "gphoto2, one call for all": one_call_s,
            "sidcap, to the last file": file_s,
            "sidcap, to the verdict": verdict_s,
        }
    )


def warm_up(simulated: SimulatedCamera, folder: Path) -> None:
    """The first frame of a body and a scene is also painted: neither of the two shall pay for it."""
    folder.mkdir(exist_ok=True)
    subprocess.run(
        [*gphoto2(simulated), "--capture-image", "--set-config", "mirrorlock=0"], capture_output=True, check=False
    )
    with_gphoto2(simulated, folder / "warm", None)


def with_sidcap(simulated: SimulatedCamera, folder: Path) -> tuple[tuple[float, float], BracketPlan]:
    """Seconds from connecting to the fifth file, and to the end."""
    last_file_s = 0.0

    def watch(event: Event) -> None:
        nonlocal last_file_s
        if event.kind is EventKind.HOME:
            last_file_s = time.monotonic()

    store = Store.create(folder)
    with Inspector(compare) as inspector:
        begun = time.monotonic()
        tether = Tether(simulated.port_string, Journal(store.journal_path))
        with Session(tether, store, Clock(), inspector, watch) as session:
            body = tether.body
            plan = plan_bracket(
                iso=12800,
                ratios=RATIOS,
                long_s=10,
                iso_labels=body.iso_labels(),
                shutter_labels=body.shutter_labels(),
                settle_s=SETTLE_S,
            )
            session.shoot(1, Split.TRAIN, plan)
        ended = time.monotonic()
    files = len(list(folder.glob("*/*.CR2")))
    if files != len(plan.shots):
        raise SystemExit(f"{files} files")
    return (last_file_s - begun, ended - begun), plan


def with_gphoto2(
    simulated: SimulatedCamera, folder: Path, plan: BracketPlan | None, *, call_per_frame: bool = False
) -> float:
    """Seconds that a shell script around the gphoto2 command takes for the same frames."""
    folder.mkdir()
    shutters = [shot.shutter for shot in plan.shots] if plan else ["1/30"]
    before = ["--set-config", "capturetarget=1", "--set-config", "iso=12800"]
    shots = [
        [
            *("--set-config", f"shutterspeed={shutter}", "--trigger-capture", f"--wait-event={SETTLE_S:g}s"),
            *("--trigger-capture", "--wait-event-and-download=FILEADDED"),
        ]
        for shutter in shutters
    ]
    calls = [before + shot for shot in shots] if call_per_frame else [before + list(chain.from_iterable(shots))]
    script = " && ".join(shlex.join([*gphoto2(simulated), *call]) for call in calls)
    begun = time.monotonic()
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    spent_s = time.monotonic() - begun
    files = len(list(folder.glob("*.[cC][rR]2")))
    if done.returncode or files != len(shutters):
        raise SystemExit(f"gphoto2 fetched {files} of {len(shutters)} files: {done.stdout}{done.stderr}")
    return spent_s


def gphoto2(simulated: SimulatedCamera) -> list[str]:
    return ["env", "-u", "CAMLIBS", "-u", "IOLIBS", "gphoto2", "--port", simulated.port_string]


def show(measured_s: dict[str, list[float]]) -> None:
    table = Table("", "median s", "each round", "ratio")
    reference = statistics.median(next(iter(measured_s.values())))
    for name, spent in measured_s.items():
        median = statistics.median(spent)
        table.add_row(name, f"{median:.2f}", " ".join(f"{s:.2f}" for s in spent), f"{median / reference:.2f}")
    console = Console(width=100)
    console.print("five frames, beyond exposures and settle times")
    console.print(table)
    version = subprocess.run(["gphoto2", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[
        0
    ]
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {version}")


if __name__ == "__main__":
    main()
