"""Does a session lose a frame? Shoots brackets while the camera fails, the program is killed, the disk fills up.

    python bench/fault_campaign.py --runs 500 --kills 200 --disks 10 --jobs 4

Every run shoots one bracket (long, two shorts, closing long; the simulated camera's small sensor, time 40 times
faster) through libgphoto2. Then it is counted, by what the camera says it exposed: is every frame on the card or on the
disk, and named in the journal or the scene; is anything there twice; is the dataset sound and the bracket complete; are
all settings and the mirror as they were. Where a session gives up because only a person can help (an empty battery),
the person helps, and it is resumed.

Fault, moment and count of a run follow from the seed and its number: ``--seed 1 --only faults:17`` repeats one, as far
as time does. Ends with 1 where a run failed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from sidcap.capture import Camera, Clock, Event, EventKind, Inspector, Session, Tether, plan_bracket
from sidcap.capture.journal import Journal
from sidcap.capture.simulated import Fault, FaultKind, SimulatedCamera
from sidcap.data_manifest.errors import CameraError, SidcapError
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.validate import validate
from sidcap.data_manifest.words import Split

Seen = TypeVar("Seen")
TIME_SCALE = 40.0
PATIENCE_S = 20.0
RESUMES = 5
"""How often a person comes and helps before a run counts as failed."""
COMES_AFTER_S = 3.0
RUNS_PER_CAMERA = 20
SCENE = 1
BEFORE = {"iso": "400", "shutterspeed": "1/125", "imageformat": "L", "mirrorlock": "0"}
"""What the photographer had set."""
LOSES_FRAMES = frozenset({FaultKind.CARD_ERROR, FaultKind.BATTERY_EMPTY, FaultKind.POWER_OFF, FaultKind.CARD_FULL})
"""After these the camera itself may not have a frame that it exposed."""
MAY_CRASH_THE_HOST = frozenset(
    {FaultKind.TRANSFER_TRUNCATED, FaultKind.TRANSFER_EMPTY, FaultKind.BITS_FLIPPED, FaultKind.REPLY_LATE}
)
"""What libgphoto2 may not survive; these are shot by a program of their own."""
DISK_MB = 45
"""One frame fits, by the session's estimate."""

AT_OPERATIONS = (
    "EOS_SetDevicePropValueEx", "EOS_RemoteReleaseOn", "EOS_RemoteReleaseOff", "EOS_GetEvent", "GetPartialObject",
    "GetObjectInfo", "GetStorageIDs", "GetObjectHandles", "EOS_RequestDevicePropValue", "OpenSession", "CloseSession",
    "EOS_TransferComplete",
)  # fmt: skip
WITH_DATA = ("EOS_GetEvent", "GetPartialObject", "GetObjectInfo", "GetObjectHandles", "GetStorageIDs")


@dataclass
class Outcome:
    """What became of one run."""

    name: str
    kind: str
    exposed: int = 0
    resumed: int = 0
    crashed: int = 0
    """How often libgphoto2 took the program down with it."""
    lost_by_camera: int = 0
    complaints: list[str] = field(default_factory=list)
    hit: bool = True
    """Whether the moment came at all."""


def main() -> int:
    options = _options()
    jobs = [("faults", i) for i in range(options.runs)]
    jobs += [("kills", i) for i in range(options.kills)] + [("disks", i) for i in range(options.disks)]
    if options.only:
        kind, number = options.only.split(":")
        jobs = [(kind, int(number))]
    begun = time.monotonic()
    chunks = [(options.seed, jobs[i : i + RUNS_PER_CAMERA]) for i in range(0, len(jobs), RUNS_PER_CAMERA)]
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        for some in pool.map(_runs_on_one_camera, chunks):
            outcomes += some
            bad = sum(bool(outcome.complaints) for outcome in outcomes)
            print(f"{len(outcomes)}/{len(jobs)} runs, {bad} failed", file=sys.stderr, flush=True)
    _report(outcomes, time.monotonic() - begun)
    return int(any(outcome.complaints for outcome in outcomes))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40, help="runs with a fault of the camera or the cable")
    parser.add_argument("--kills", type=int, default=10, help="runs in which the program is killed (kill -9)")
    parser.add_argument(
        "--disks", type=int, default=2, help="runs in which the disk fills up; needs the right to mount"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="KIND:NUMBER", help="one run, such as faults:17")
    return parser.parse_args()


def _runs_on_one_camera(chunk: tuple[int, Sequence[tuple[str, int]]]) -> list[Outcome]:
    seed, jobs = chunk
    outcomes = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home  # libgphoto2 keeps settings there
        sys.stdout.flush()
        with (
            _quiet(),
            SimulatedCamera(size="small", time_scale=TIME_SCALE, settings=BEFORE, seed=seed) as simulated,
            Inspector() as inspector,
        ):
            bench = _Bench(simulated, inspector, Path(home))
            bench.run("calm", "none", lambda _: bench.session(bench.person))
            for kind, number in jobs:
                rng = random.Random(f"{seed}/{kind}/{number}")  # noqa: S311
                outcomes.append(getattr(bench, kind)(f"{kind}:{number}", number, rng))
    return outcomes


class _Bench:
    """One simulated camera, and everything that happens to it."""

    def __init__(self, simulated: SimulatedCamera, inspector: Inspector, folder: Path) -> None:
        self.simulated = simulated
        self.inspector = inspector
        self.folder = folder
        self.root = folder / "set"
        self.calm: Counter[str] = Counter()
        """How often each moment comes in a bracket in which nothing fails."""
        self.calm_s = 0.0

    # Kinds of runs.

    def faults(self, name: str, number: int, rng: random.Random) -> Outcome:
        """Something fails at a moment of the bracket."""
        every = list(_possible(self.calm))
        kind, moment = every[number % len(every)]
        fault = Fault(kind, moment, rng.randint(1, self.calm[moment]), _value(kind, rng))

        def shoot(outcome: Outcome) -> None:
            self.simulated.inject(fault)
            if kind in MAY_CRASH_THE_HOST:
                self.child(outcome, killed_after_s=None)
            else:
                self.session(self.person)

        return self.run(name, kind, shoot)

    def kills(self, name: str, _: int, rng: random.Random) -> Outcome:
        """The program is killed at any moment, and started again."""
        moment_s = rng.uniform(0, 1.1 * self.calm_s)
        return self.run(name, "kill -9", lambda outcome: self.child(outcome, killed_after_s=moment_s))

    def child(self, outcome: Outcome, killed_after_s: float | None) -> None:
        """The session as a program of its own."""
        command = [sys.executable, __file__, "--child", str(self.root), self.simulated.port_string]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            assert child.stdout is not None
            child.stdout.readline()  # it is connected, or has ended
            with suppress(subprocess.TimeoutExpired):
                child.wait(killed_after_s)
            child.kill()
        if killed_after_s is None and child.returncode < 0:
            outcome.crashed += 1
        if child.returncode != 0:
            raise SidcapError("the program ended early")

    def disks(self, name: str, _: int, rng: random.Random) -> Outcome:
        """Something else fills the disk while a frame is on its way; it is gone before the program starts again."""
        index, left_bytes = rng.randrange(4), rng.choice((0, 100, 5_000, 300_000))
        with _small_disk(self.root) as mounted:
            if not mounted:
                return Outcome(name, "disk full", hit=False)

            def fill(event: Event) -> None:
                if event.kind is EventKind.EXPOSE and event.index == index:
                    _fill(self.root, left_bytes)

            def shoot(_: Outcome) -> None:
                try:
                    self.session(fill)
                finally:
                    (self.root / ".filler").unlink(missing_ok=True)

            return self.run(name, "disk full", shoot)

    # One run.

    def run(self, name: str, kind: str, shoot: Callable[[Outcome], None]) -> Outcome:
        """Shoot into a new dataset, with help where it is needed, and count."""
        outcome = Outcome(name, kind)
        self.simulated.set_by_hand(**BEFORE)
        first_shot, first_operation = len(self.simulated.shots), len(self.simulated.operations)
        begun = time.monotonic()
        try:
            shoot(outcome)
        except (SidcapError, OSError):
            self.helped_through(outcome)
        except Exception as error:  # noqa: BLE001 - a campaign counts what must not happen
            outcome.complaints.append(f"{type(error).__name__}: {error}")
        if name == "calm":
            self.calm_s = time.monotonic() - begun
            self.calm.update(operation.name for operation in self.simulated.operations[first_operation:])
            self.calm["exposure"] = len(self.simulated.shots) - first_shot
            self.calm["ObjectAddedEx"] = self.calm["exposure"]
        self.make_whole()
        outcome.exposed = len(self.simulated.shots) - first_shot
        self.count(outcome, first_shot)
        for entry in self.root.iterdir() if self.root.exists() else ():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return outcome

    def helped_through(self, outcome: Outcome) -> None:
        """A person comes, sees to the camera, and resumes."""
        for _ in range(RESUMES):
            outcome.resumed += 1
            if outcome.kind != "kill -9":
                time.sleep(COMES_AFTER_S)
            self.make_whole()
            try:
                self.session(self.person)
            except (SidcapError, OSError) as error:
                last = error
                if os.environ.get("KEEP"):
                    print(outcome.resumed, error, [o.name for o in self.simulated.operations[-12:]])
            else:
                return
        outcome.complaints.append(f"never complete: {last}")

    def session(self, watch: Callable[[Event], None]) -> None:
        shoot_or_resume(self.root, self.simulated.port_string, self.inspector, watch)

    def person(self, event: Event) -> None:
        """Who is near while the session waits for the camera: switches it on, plugs it in."""
        if event.kind is EventKind.LOST:
            self.make_whole()

    def make_whole(self) -> None:
        self.simulated.mend_card()
        self.simulated.plug_in()
        self.simulated.switch_on()

    # Counting.

    def count(self, outcome: Outcome, first_shot: int) -> None:
        complain = outcome.complaints.append
        try:
            store = Store.open(self.root)
            scene = store.scene(SCENE)
        except SidcapError as error:
            complain(str(error))
            return
        if not scene.complete or len(scene.frames) != 4 or len(scene.pairs) != 2 or scene.closing is None:
            complain(f"incomplete: {len(scene.frames)} frames")
        for finding in validate(store).findings:
            complain(f"{finding.path} {finding.problem}")
        cards = [frame.card for frame in scene.all_frames]
        digests = {frame.sha256 for frame in scene.all_frames}
        if len(set(cards)) < len(cards) or len(digests) < len(cards):
            complain("a frame is there twice")
        complain_of = [str(part) for part in self.root.rglob("*.part")]
        if complain_of:
            complain(f"left behind: {complain_of}")
        self.count_frames(outcome, first_shot, Journal(store.journal_path))
        self.count_settings(outcome)

    def count_frames(self, outcome: Outcome, first_shot: int, journal: Journal) -> None:
        events = journal.events()
        named = {event["arrival"]["card"] for event in events if event["event"] == "file"}
        named |= {event["card"] for event in events if event["event"] == "stray"}
        on_card = self.seen(lambda camera: {str(file) for file in camera.files()})
        for shot in self.simulated.shots[first_shot:]:
            place = f"/store_00020001/DCIM/100CANON/IMG_{shot.frame_number:04d}.CR2"
            if place not in on_card:
                outcome.lost_by_camera += 1
                if FaultKind(outcome.kind) not in LOSES_FRAMES:
                    outcome.complaints.append(f"{place} is nowhere")
            elif place not in named:
                outcome.complaints.append(f"{place} is on the card, and nobody knows")

    def seen(self, look: Callable[[Camera], Seen]) -> Seen:
        """What a look at the camera shows; a fault whose moment the bracket did not reach may spoil the first."""
        for left in reversed(range(3)):
            self.make_whole()
            try:
                with Camera(self.simulated.port_string) as camera:
                    return look(camera)
            except CameraError:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def count_settings(self, outcome: Outcome) -> None:
        now = self.seen(lambda camera: {name: camera.get(name) for name in (*BEFORE, "mirrordownstatus")})
        for name, value in BEFORE.items():
            if now[name] != value:
                outcome.complaints.append(f"{name} was {value} and is {now[name]}")
        if now["mirrordownstatus"] != "0":
            outcome.complaints.append("the mirror is up")


def shoot_or_resume(
    root: Path,
    port: str,
    inspector: Inspector,
    watch: Callable[[Event], None],
    connected: Callable[[], None] = lambda: None,
) -> None:
    """Shoot the scene, or go on where it was interrupted: what a person does at the command line."""
    store = Store.create(root)
    tether = Tether(port, Journal(store.journal_path), patience_s=PATIENCE_S)
    with Session(tether, store, Clock(TIME_SCALE), inspector, watch) as session:
        connected()
        if not store.scene_path(SCENE).exists():
            plan = plan_bracket(
                iso=12800,
                ratios=[100, 300],
                long_s=10,
                iso_labels=tether.camera.choices("iso"),
                shutter_labels=tether.camera.choices("shutterspeed"),
            )
            session.shoot(SCENE, Split.TRAIN, plan)
        elif not store.scene(SCENE).complete:
            session.resume(SCENE)


def child(root: str, port: str) -> None:
    """The program that is killed."""

    def connected() -> None:
        print("connected", flush=True)

    with Inspector() as inspector:
        shoot_or_resume(Path(root), port, inspector, lambda _: None, connected)


def _possible(calm: Counter[str]) -> Iterator[tuple[FaultKind, str]]:
    """Every fault at every moment that a bracket has."""
    at: dict[FaultKind, tuple[str, ...]] = defaultdict(lambda: (*AT_OPERATIONS, "exposure"))
    at |= dict.fromkeys((FaultKind.BUSY, FaultKind.REPLY_LATE), AT_OPERATIONS)
    at |= dict.fromkeys((FaultKind.TRANSFER_TRUNCATED, FaultKind.TRANSFER_EMPTY, FaultKind.BITS_FLIPPED), WITH_DATA)
    at |= {FaultKind.EVENT_LOST: ("ObjectAddedEx",), FaultKind.EXIF_WRONG: ("exposure",)}
    kinds = [kind for kind in FaultKind if kind is not FaultKind.AUTOFOCUS_FAILED]  # a lens on MF does not look for it
    return (
        (kind, moment)
        for kind, moment in itertools.chain(*(zip(itertools.repeat(k), at[k]) for k in kinds))
        if calm[moment]
    )


def _value(kind: FaultKind, rng: random.Random) -> float | None:
    match kind:
        case FaultKind.CABLE_PULLED:
            return rng.choice((None, 0.3, 2.0))
        case FaultKind.BUSY:
            return rng.choice((1.0, 20.0, 400.0))
        case FaultKind.REPLY_LATE:
            return 3.0
        case FaultKind.BITS_FLIPPED:
            return float(rng.choice((1, 100, 10_000)))
        case _:
            return None


@contextmanager
def _small_disk(root: Path) -> Iterator[bool]:
    """A disk of DISK_MB at ``root``; False where this user may not mount one."""
    root.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(root)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(root)], check=True)


def _fill(root: Path, left_bytes: int) -> None:
    free = shutil.disk_usage(root).free - left_bytes
    with (root / ".filler").open("wb") as filler, suppress(OSError):
        for _ in range(free // 4096):
            filler.write(bytes(4096))
            filler.flush()


@contextmanager
def _quiet() -> Iterator[None]:
    """libgphoto2 prints what it is about to report."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _report(outcomes: Sequence[Outcome], took_s: float) -> None:
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.hit:
            by_kind[outcome.kind].append(outcome)
    columns = ("what fails", "runs", "exposed", "libgphoto2 crashed", "resumed by hand", "lost by the camera", "failed")
    print(f"| {' | '.join(columns)} |\n|---|{'--:|' * (len(columns) - 1)}")
    for kind, some in (*by_kind.items(), ("all", [outcome for outcome in outcomes if outcome.hit])):
        sums = [sum(getattr(o, name) for o in some) for name in ("exposed", "crashed", "resumed", "lost_by_camera")]
        numbers = (len(some), *sums, sum(bool(outcome.complaints) for outcome in some))
        print(f"| {kind} | {' | '.join(map(str, numbers))} |")
    if skipped := [outcome for outcome in outcomes if not outcome.hit]:
        print(f"\n{len(skipped)} runs skipped: this user may not mount a small disk")
    for outcome in outcomes:
        for complaint in outcome.complaints:
            print(f"{outcome.name} ({outcome.kind}): {complaint}", file=sys.stderr)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"\n{took_s / 60:.0f} min; {machine}, libgphoto2 {_libgphoto2()}")


def _libgphoto2() -> str:
    import gphoto2

    return str(gphoto2.gp_library_version(gphoto2.GP_VERSION_SHORT)[0])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:4])
    else:
        sys.exit(main())
