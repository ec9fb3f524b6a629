"""``sidcap shoot``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption, dataset_suffix
from sidcap.cli.screen import NOT_USABLE, complain, console, print_json, warn, without_c_chatter
from sidcap.cli.simulate_camera import Sensor
from sidcap.data_manifest.errors import CameraError, UsageError
from sidcap.data_manifest.words import Release, Split

if TYPE_CHECKING:
    from sidcap.capture import BracketPlan, Camera, Clock, Shot, Step
    from sidcap.data_manifest.schema import Frame, Scene

SIMULATED = "simulated"


def shoot(
    iso: Annotated[int, typer.Option(help="Sensitivity; the nearest one the camera has is taken.")],
    ratios: Annotated[str, typer.Option(help="Long over short, comma-separated.")] = "100,250,300",
    long: Annotated[float, typer.Option(metavar="SECONDS", help="Exposure time of the long.")] = 10.0,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="PORT",
            show_default="the one on USB",
            help="usb:001,004 or ptpip:192.168.1.9 as `gphoto2` names them, or 'simulated'.",
        ),
    ] = None,
    scene: Annotated[
        int | None, typer.Option(metavar="N", show_default="the next one", help="Number of the scene in its split.")
    ] = None,
    split: Annotated[Split, typer.Option(help="What the scene is for.")] = Split.TRAIN,
    release: Annotated[Release, typer.Option(help="How the shutter is fired.")] = Release.MIRROR_LOCKUP,
    settle: Annotated[float, typer.Option(metavar="SECONDS", help="Pause between mirror up and exposure.")] = 2.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; touch neither shutter nor disk.")] = False,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
    sensor: Annotated[
        Sensor | None, typer.Option(show_default="full", help="Simulated camera only: size of its frames.")
    ] = None,
    light: Annotated[
        float | None, typer.Option(show_default="0", help="Simulated camera only: brightness of the scene in stops.")
    ] = None,
    time_scale: Annotated[
        float | None,
        typer.Option(min=0.1, max=10_000, show_default="1", help="Simulated camera only: how much faster time runs."),
    ] = None,
) -> None:
    """Shoot one bracket: a long, a short for every ratio, and the long again.

    sidcap shoot --iso 12600 --ratios 100,250,300

    sidcap shoot --iso 12600 --camera simulated --sensor small --time-scale 10
    """
    from sidcap.capture import Clock, body_of, plan_bracket

    if camera != SIMULATED and (sensor, light, time_scale) != (None, None, None):
        raise UsageError("--sensor, --light and --time-scale belong to --camera simulated: leave them out")
    wanted = parse_ratios(ratios)
    scene_id = _scene_id(dataset, scene, split)
    clock = Clock(time_scale or 1.0)
    with without_c_chatter(), _camera(camera, scene_id, sensor or Sensor.FULL, light or 0.0, clock) as connected:
        body = body_of(connected)
        body.require_raw()
        release, note = body.release_for(release)
        if note:
            warn(note)
        plan = plan_bracket(
            iso=iso,
            ratios=wanted,
            long_s=long,
            iso_labels=body.iso_labels(),
            shutter_labels=body.shutter_labels(),
            release=release,
            settle_s=settle,
        )
        show_plan(plan)
        if dry_run:
            for check in body.checks():
                if check.state != "ok":
                    warn(str(check))
            if json:
                print_json(plan)
            return
        shot, problems = shoot_bracket(connected, clock, dataset, scene_id, split, plan)
    console.print(
        f"scene [bold]{shot.name}[/] ({shot.split}): {len(shot.frames)} frames, {len(shot.pairs)} pairs in {dataset}. "
        f"Next: sidcap verify-alignment{dataset_suffix(dataset)}"
    )
    if json:
        print_json(shot)
    if problems:
        raise typer.Exit(NOT_USABLE)


def parse_ratios(text: str) -> list[float]:
    """``100,250,300`` as numbers; UsageError where one is none."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--ratios {text!r} is not a list of numbers such as 100,250,300") from None


def shoot_bracket(
    camera: Camera, clock: Clock, dataset: Path, scene_id: int, split: Split, plan: BracketPlan
) -> tuple[Scene, list[str]]:
    """Preflight, then shoot ``plan`` into the dataset while showing progress. Gives the scene and its problems."""
    from sidcap.capture import Session, body_of
    from sidcap.capture.session import check_disk
    from sidcap.data_manifest.store import Store

    body = body_of(camera)
    checks = body.checks()
    if problems := [str(check) for check in checks if check.state == "problem"]:
        raise CameraError("; ".join(problems))
    for check in checks:
        if check.state == "warning":
            warn(str(check))
    check_disk(dataset, plan)
    session = Session(camera, body, Store.create(dataset), clock)
    found: list[str] = []
    with console.status("") as status:

        def watch(step: Step) -> None:
            status.update(_progress(step, len(plan.shots)))
            if step.frame is not None:
                console.print(_frame_line(step.frame, step.index, len(plan.shots)))
            if step.problem is not None:
                complain(step.problem)
                found.append(step.problem)

        return session.shoot(scene_id, split, plan, watch), found


def show_plan(plan: BracketPlan) -> None:
    """The bracket as a table, and one line where the ISO asked for had to change."""
    from rich.table import Table

    for note in plan.notes:
        warn(note)
    table = Table("shot", "shutter", "true s", "ratio asked", "true ratio", "difference", title=_plan_title(plan))
    for column in table.columns[1:]:
        column.justify = "right"
    for shot in plan.shots:
        table.add_row(shot.role, _dial(shot), f"{shot.true_s:.4g}", *_ratio_cells(shot))
    console.print(table)


@contextmanager
def _camera(port: str | None, scene_id: int, sensor: Sensor, light: float, clock: Clock) -> Iterator[Camera]:
    """The camera at ``port``; a simulated one is started for the occasion and reached over the wire like any other."""
    from sidcap.capture import Camera

    if port != SIMULATED:
        with Camera(port) as camera:
            yield camera
        return
    from sidcap.capture.simulated import SimulatedCamera

    simulated = SimulatedCamera(scene=scene_id, size=sensor.value, light_ev=light, time_scale=clock.scale)
    with simulated, Camera(simulated.port_string) as camera:
        yield camera


def _scene_id(dataset: Path, number: int | None, split: Split) -> int:
    """The scene to shoot: the one asked for, which must be free, or the next one."""
    from sidcap.data_manifest.naming import scene_id
    from sidcap.data_manifest.store import Store

    store = Store.open(dataset) if (dataset / "dataset.json").exists() or dataset.is_file() else None
    if number is None:
        return store.next_scene_id(split) if store else scene_id(1, split)
    chosen = scene_id(number, split)
    if store and store.scene_path(chosen).exists():
        raise UsageError(f"scene {chosen:05d} exists already: leave --scene out to take the next number")
    return chosen


def _plan_title(plan: BracketPlan) -> str:
    settle = f", {plan.settle_s:g} s to settle" if plan.settle_s else ""
    return f"ISO {plan.iso_set}, {plan.release}{settle}; about {plan.duration_s:.0f} s at the camera"


def _dial(shot: Shot) -> str:
    """The shutter time as the camera's display shows it: libgphoto2 calls 10 s "10.3"."""
    return f"{shot.shutter} s" if "/" in shot.shutter else f"{shot.nominal_s:g} s"


def _ratio_cells(shot: Shot) -> tuple[str, str, str]:
    if shot.role == "long":
        return ("", "", "")
    return (f"{shot.ratio_nominal:g}", f"{shot.ratio_true:.1f}", f"{shot.ratio_difference:+.1%}")


def _progress(step: Step, total: int) -> str:
    words = {"set": "setting", "settle": "mirror settles", "expose": "exposing", "fetch": "fetching", "done": "done"}
    return f"{step.index + 1}/{total} {step.shot.role} {_dial(step.shot)}: {words[step.phase]}"


def _frame_line(frame: Frame, index: int, total: int) -> str:
    return f"[green]✓[/] {index + 1}/{total} {frame.path}  {frame.size_bytes / 1e6:.1f} MB"
