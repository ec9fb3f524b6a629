"""``sidcap shoot-darks``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sidcap.cli.bracket_screen import spoken
from sidcap.cli.connection import LOOPBACK, SIMULATED, CameraOption, simulated_camera
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import console, counted, ended_like_ctrl_c, print_json, warn, without_c_chatter
from sidcap.cli.simulate_camera import Sensor
from sidcap.data_manifest.errors import CameraError, RawError, UsageError

if TYPE_CHECKING:
    from sidcap.capture import Tether
    from sidcap.capture.darks import DarkPlan, DarkSetting
    from sidcap.data_manifest.schema import DarkFrame

N = TypeVar("N", int, float)


def shoot_darks(
    iso: Annotated[str, typer.Option(metavar="ISO,...", help="Sensitivities, comma-separated.")],
    exposures: Annotated[str, typer.Option(metavar="SECONDS,...", help="Exposure times, comma-separated.")],
    repeats: Annotated[int, typer.Option(help="Frames of every ISO and exposure.")] = 5,
    camera: CameraOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="The cap is on: do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; touch neither shutter nor disk.")] = False,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
    sensor: Annotated[
        Sensor | None, typer.Option(show_default="full", help="Simulated camera only: size of its frames.")
    ] = None,
    time_scale: Annotated[
        float | None,
        typer.Option(min=0.1, max=10_000, show_default="1", help="Simulated camera only: how much faster time runs."),
    ] = None,
) -> None:
    """Shoot frames with the cap on, for the dataset's calibration.

    What is there already is not shot again: the same command goes on where it was interrupted.

    sidcap shoot-darks --iso 12800,200 --exposures 10,0.1,0.033
    """
    from sidcap.capture.darks import plan_darks

    is_of_this_machine = camera is not None and (camera == SIMULATED or camera.startswith(LOOPBACK))
    if (camera != SIMULATED and sensor is not None) or (not is_of_this_machine and time_scale is not None):
        raise UsageError("--sensor and --time-scale belong to --camera simulated: leave them out")
    isos = _numbers("--iso", iso, int)
    exposures_s = _numbers("--exposures", exposures, float)
    with (
        ended_like_ctrl_c(),
        without_c_chatter(),
        _capped(camera, dataset, sensor or Sensor.FULL, time_scale or 1.0) as tether,
    ):
        plan = plan_darks(
            isos=isos,
            exposures_s=exposures_s,
            repeats=repeats,
            iso_labels=tether.body.iso_labels(),
            shutter_labels=tether.body.shutter_labels(),
        )
        serial = tether.reported.serial
        missing = plan.missing(_darks_in(dataset), serial)
        _show(plan, missing)
        if missing and not dry_run:
            _shoot(tether, dataset, plan, time_scale or 1.0, ask=not yes)
            missing = plan.missing(_darks_in(dataset), serial)
        if json:
            darks = [dark for dark in _darks_in(dataset) if dark.camera.serial == serial]
            print_json(
                {
                    "plan": plan.model_dump(mode="json"),
                    "missing": len(missing),
                    "darks": [dark.model_dump(mode="json") for dark in darks],
                }
            )


def _numbers(option: str, text: str, kind: type[N]) -> list[N]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a list of numbers such as 12800,200") from None


@contextmanager
def _capped(port: str | None, dataset: Path, sensor: Sensor, time_scale: float) -> Iterator[Tether]:
    """The camera at ``port``, which ends as it was; a simulated one has its cap on."""
    from sidcap.capture import Tether
    from sidcap.capture.journal import Journal
    from sidcap.data_manifest.store import Store

    with simulated_camera(port, sensor=sensor, time_scale=time_scale) as simulated:
        if simulated is not None:
            simulated.scene = "capped"
        tether = Tether(port if simulated is None else simulated.port_string, Journal(Store(dataset).journal_path))
        tether.open()
        try:
            yield tether
        finally:
            for line in tether.close():
                warn(line)


def _darks_in(dataset: Path) -> tuple[DarkFrame, ...]:
    """The dark frames of a dataset; none where there is no dataset yet."""
    from sidcap.data_manifest.store import Store

    return Store.open(dataset).calibration().darks if (dataset / "dataset.json").exists() else ()


def _show(plan: DarkPlan, missing: list[DarkSetting]) -> None:
    from rich.table import Table

    from sidcap.capture.darks import duration_s

    table = Table("ISO", "shutter s", "true s", "wanted", "there", "to shoot", title="dark frames")
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


def _shoot(tether: Tether, dataset: Path, plan: DarkPlan, time_scale: float, *, ask: bool) -> None:
    from sidcap.capture import Clock
    from sidcap.capture.darks import Darkroom
    from sidcap.data_manifest.store import Store

    checks = tether.body.checks()
    if problems := [str(check) for check in checks if check.state == "problem"]:
        raise CameraError("; ".join(problems))
    for check in checks:
        if check.state == "warning":
            warn(str(check))
    if ask:
        _wait_for_enter("put the cap on the lens and cover the viewfinder, then press Enter")

    def light_fell(text: str) -> None:
        if not ask:
            raise RawError(text)  # no CameraError: that would be tried again
        warn(text)
        _wait_for_enter("press Enter to shoot it again")

    store = Store.create(dataset)
    with store.claimed(), _told_how_to_go_on(tether, dataset, plan):
        tether.connect()
        Darkroom(tether, store, Clock(time_scale), light_fell=light_fell, took=_say, lost=warn).shoot(plan)


@contextmanager
def _told_how_to_go_on(tether: Tether, dataset: Path, plan: DarkPlan) -> Iterator[None]:
    """Whatever ends it early: say what is still missing, and that the same command goes on."""
    try:
        yield
    except BaseException:
        missing = plan.missing(_darks_in(dataset), tether.reported.serial)
        warn(f"{counted(len(missing), 'frame')} to go: the same command goes on where it was")
        raise


def _say(dark: DarkFrame) -> None:
    above = sum(dark.mean_dn) / 4 - sum(dark.black.per_plane_dn) / 4
    console.print(f"[green]✓[/] {dark.path}  {dark.size_bytes / 1e6:.1f} MB, {above:+.1f} DN above black")


def _wait_for_enter(text: str) -> None:
    console.print(text)
    try:
        input()
    except EOFError:
        raise UsageError("nobody pressed Enter: where nobody watches, put the cap on and say so with --yes") from None
