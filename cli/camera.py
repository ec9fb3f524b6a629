"""``sidcap camera list`` and ``sidcap camera status``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from sidcap.cli.bracket_screen import SIGNS
from sidcap.cli.connection import SIMULATED, CameraOption, open_camera
from sidcap.cli.options import JsonOption
from sidcap.cli.screen import NOT_USABLE, console, print_json, without_c_chatter
from sidcap.cli.simulate_camera import Sensor
from sidcap.data_manifest.words import counted

if TYPE_CHECKING:
    from sidcap.capture import Check

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@dataclass(frozen=True)
class _Status:
    """What is shown of a camera; its fields are those of the JSON document."""

    model: str
    driver: str
    """The model that libgphoto2 takes it for."""
    simulated: bool
    """Started for the occasion. One that was started by hand is reached by its port, and not told from a real one."""
    port: str
    serial: str
    firmware: str
    lens: str
    battery_percent: int | None
    free_shots: int | None
    clock_offset_s: float | None
    settings: dict[str, str]
    checks: tuple[Check, ...]


@app.callback()
def main() -> None:
    """Show what is connected, and whether it is ready.

    [bold]Which cameras are there?[/]
    sidcap camera list

    [bold]Is it ready?[/]
    sidcap camera status
    """


@app.command("list")
def list_cameras(json: JsonOption = False) -> None:
    """List the cameras on USB, with the port to give to --camera.

    A camera on the network does not show: give its address,
    --camera ptpip:192.168.1.9.

    [bold]For a person, or for a program[/]
    sidcap camera list
    sidcap camera list --json
    """
    from sidcap.capture import detect
    from sidcap.capture.camera import HOW_TO_CONNECT

    with without_c_chatter():
        found = detect()
    if json:
        print_json({"cameras": [asdict(one) for one in found]})
    if not found:
        console.print(f"no camera on USB: {HOW_TO_CONNECT}", soft_wrap=True)
    for one in found:
        console.print(f"{one.port}  {one.model}", markup=False, soft_wrap=True)


@app.command("status")
def status(camera: CameraOption = None, json: JsonOption = False) -> None:
    """Show a camera, its settings, and whether it is ready for a bracket.

    Changes nothing. Ends with exit code 3 where something keeps the camera
    from shooting a bracket.

    [bold]The one on USB[/]
    sidcap camera status

    [bold]One on the network, for a program[/]
    sidcap camera status --camera ptpip:192.168.1.9 --json

    [bold]Without a camera[/]
    sidcap camera status --camera simulated
    """
    with without_c_chatter():
        found = _look(camera)
    _show(found)
    if json:
        print_json(asdict(found))
    if any(check.state == "problem" for check in found.checks):
        raise typer.Exit(NOT_USABLE)


def _look(port: str | None) -> _Status:
    from sidcap.capture import body_of

    with open_camera(port, sensor=Sensor.SMALL) as camera:
        body = body_of(camera)
        return _Status(
            model=body.model,
            driver=camera.driver,
            simulated=port == SIMULATED,
            port=camera.address,
            serial=body.serial,
            firmware=body.firmware,
            lens=body.lens,
            battery_percent=body.battery_percent,
            free_shots=body.free_shots,
            clock_offset_s=body.clock_offset_s(),
            settings=dict(body.settings()),
            checks=body.checks(),
        )


def _show(found: _Status) -> None:
    from rich.table import Table

    console.print(f"[bold]{escape(found.model)}[/] {escape(_where(found))}", soft_wrap=True)
    about = Table.grid(padding=(0, 2))
    about.add_row("lens", escape(found.lens) or "-")
    about.add_row("serial", escape(found.serial) or "-")
    about.add_row("firmware", escape(found.firmware) or "-")
    about.add_row("settings", escape(", ".join(f"{name} {value}" for name, value in found.settings.items())))
    console.print(about)
    checks = Table.grid(padding=(0, 2))
    for check in found.checks:
        checks.add_row(SIGNS[check.state], check.name, _found_and_remedy(check))
    console.print()
    console.print(checks)
    console.print()
    console.print(_summary(found.checks), soft_wrap=True)


def _where(found: _Status) -> str:
    if found.simulated:
        return "(simulated)"
    port = f"at {found.port}"
    return port if found.driver == found.model else f"{port}; libgphoto2 takes it for a {found.driver}"


def _found_and_remedy(check: Check) -> str:
    return escape(check.found) + (f"\n[dim]{escape(check.remedy)}[/]" if check.remedy else "")


def _summary(checks: tuple[Check, ...]) -> str:
    problems = sum(check.state == "problem" for check in checks)
    if not problems:
        return "[green]ready for a bracket[/]: sidcap shoot --iso 12800"
    return f"[red]not ready for a bracket[/]: {counted(problems, 'thing')} to put right"
