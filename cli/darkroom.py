"""What ``sidcap shoot-darks`` and ``sidcap shoot-flats`` have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sidcap.cli.bracket_screen import spoken
from sidcap.cli.completion import isos
from sidcap.cli.connection import LOOPBACK, SIMULATED, simulated_camera
from sidcap.cli.screen import console, print_json, warn
from sidcap.cli.simulate_camera import Sensor
from sidcap.data_manifest.errors import CameraError, RawError, UsageError
from sidcap.data_manifest.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidcap.capture import Tether
    from sidcap.capture.darks import DarkPlan, DarkSetting
    from sidcap.data_manifest.calibration_frames import Kind
    from sidcap.data_manifest.schema import CalibrationFrame
    from sidcap.data_manifest.store import Store

N = TypeVar("N", int, float)

SensorOption = Annotated[
    Sensor | None, typer.Option(show_default="full", help="Simulated camera only: size of its frames.")
]
TimeScaleOption = Annotated[
    float | None,
    typer.Option(min=0.1, max=10_000, show_default="1", help="Simulated camera only: how much faster time runs."),
]
IsoOption = Annotated[str, typer.Option(metavar="ISO,...", help="Sensitivities, comma-separated.", autocompletion=isos)]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the plan; touch neither shutter nor disk.")]


def check_simulated_options(camera: str | None, sensor: Sensor | None, time_scale: float | None) -> None:
    """UsageError where an option of the simulated camera is given for another one."""
    is_of_this_machine = camera is not None and (camera == SIMULATED or camera.startswith(LOOPBACK))
    if (camera != SIMULATED and sensor is not None) or (not is_of_this_machine and time_scale is not None):
        raise UsageError("--sensor and --time-scale belong to --camera simulated: leave them out")


def numbers(option: str, text: str, kind: type[N]) -> list[N]:
    """The numbers of a comma-separated list; UsageError where it is none."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a list of numbers such as 12800,200") from None


@contextmanager
def tethered(
    port: str | None, dataset: Path, kind: Kind, *, sensor: Sensor | None, time_scale: float, light_ev: float = 0.0
) -> Iterator[Tether]:
    """The camera at ``port``, which ends as it was; a simulated one has its cap on, or an even light before it."""
    from sidcap.capture import Tether
    from sidcap.capture.journal import Journal
    from sidcap.data_manifest.store import Store

    with simulated_camera(port, sensor=sensor or Sensor.FULL, light_ev=light_ev, time_scale=time_scale) as simulated:
        if simulated is not None:
            simulated.scene = "capped" if kind == "dark" else "flat"
        tether = Tether(port if simulated is None else simulated.port_string, Journal(Store(dataset).journal_path))
        tether.open()
        try:
            yield tether
        finally:
            for line in tether.close():
                warn(line)


def planned(tether: Tether, isos: Sequence[int], exposures_s: Sequence[float], repeats: int) -> DarkPlan:
    """Frames for every ISO and exposure, each with the nearest that the camera offers."""
    from sidcap.capture.darks import plan_darks

    return plan_darks(
        isos=isos,
        exposures_s=exposures_s,
        repeats=repeats,
        iso_labels=tether.body.iso_labels(),
        shutter_labels=tether.body.shutter_labels(),
    )


def there_in(dataset: Path, kind: Kind) -> Sequence[CalibrationFrame]:
    """The dark frames, or flats, of a dataset; none where there is no dataset yet."""
    from sidcap.capture.darks import frames_there
    from sidcap.data_manifest.store import Store

    return frames_there(Store.open(dataset), kind) if (dataset / "dataset.json").exists() else ()


def show_plan(plan: DarkPlan, missing: list[DarkSetting], title: str) -> None:
    """What is wanted, what is there, and how long the rest takes."""
    from rich.table import Table

    from sidcap.capture.darks import duration_s

    table = Table("ISO", "shutter s", "true s", "wanted", "there", "to shoot", title=title)
    for column in table.columns:
        column.justify = "right"
    for setting in plan.settings:
        left = missing.count(setting)
        dial = f"{setting.nominal_s:.3g}"
        there = str(plan.repeats - left)
        table.add_row(str(setting.iso_set), dial, f"{setting.true_s:.4g}", str(plan.repeats), there, str(left))
    console.print(table)
    nearest = {setting.iso_requested: setting.iso_set for setting in plan.settings}
    for requested, iso in nearest.items():
        if iso != requested:
            warn(f"ISO {requested} does not exist on this camera; ISO {iso} is the nearest it has")
    if missing:
        console.print(f"{counted(len(missing), 'frame')}, about {spoken(duration_s(missing))}")
    else:
        console.print("all of them are there already")


@contextmanager
def ready(tether: Tether, dataset: Path, prepare: str | None) -> Iterator[Store]:
    """The dataset, claimed, and the camera connected and checked; ``prepare`` is what a person is asked to do first."""
    from sidcap.data_manifest.store import Store

    checks = tether.body.checks()
    if problems := [str(check) for check in checks if check.state == "problem"]:
        raise CameraError("; ".join(problems))
    for check in checks:
        if check.state == "warning":
            warn(str(check))
    if prepare is not None:
        _wait_for_enter(f"{prepare}, then press Enter")
    store = Store.create(dataset)
    with store.claimed():
        tether.connect()
        yield store


def shoot_plan(tether: Tether, store: Store, plan: DarkPlan, kind: Kind, *, time_scale: float, ask: bool) -> None:
    """Shoot what is missing; where it ends early, say how it goes on."""
    from sidcap.capture import Clock
    from sidcap.capture.darks import Darkroom

    with _told_how_to_go_on(lambda: plan.missing(there_in(store.root, kind), tether.reported.serial)):
        Darkroom(
            tether, store, Clock(time_scale), lit_wrongly=_mended if ask else _refused, took=_say, lost=warn, kind=kind
        ).shoot(plan)


def print_outcome(plan: DarkPlan, dataset: Path, kind: Kind, serial: str) -> None:
    """The JSON document of either command."""
    there = there_in(dataset, kind)
    frames = [frame for frame in there if frame.camera.serial == serial]
    print_json(
        {
            "plan": plan.model_dump(mode="json"),
            "missing": len(plan.missing(there, serial)),
            f"{kind}s": [frame.model_dump(mode="json") for frame in frames],
        }
    )


def _mended(text: str) -> None:
    warn(text)
    _wait_for_enter("press Enter to shoot it again")


def _refused(text: str) -> None:
    raise RawError(text)  # no CameraError: that would be tried again


@contextmanager
def _told_how_to_go_on(missing: Callable[[], list[DarkSetting]]) -> Iterator[None]:
    """Whatever ends it early: say what is still missing, and that the same command goes on."""
    try:
        yield
    except BaseException:
        warn(f"{counted(len(missing()), 'frame')} to go: the same command goes on where it was")
        raise


def _say(frame: CalibrationFrame) -> None:
    above = sum(frame.mean_dn) / 4 - sum(frame.black.per_plane_dn) / 4
    console.print(f"[green]✓[/] {frame.path}  {frame.size_bytes / 1e6:.1f} MB, {above:+.1f} DN above black")


def _wait_for_enter(text: str) -> None:
    console.print(text)
    try:
        input()
    except EOFError:
        raise UsageError(
            "nobody pressed Enter: where nobody watches, prepare the camera and say so with --yes"
        ) from None
