"""``sidcap live``."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.connection import (
    LOOPBACK,
    SIMULATED,
    CameraOption,
    LightOption,
    SensorOption,
    TimeScaleOption,
    simulated_camera,
)
from sidcap.cli.gear import Gear, told_how_to_go_on
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption
from sidcap.cli.order import Book, Destination, Wish, must_be_finite, parse_long, parse_ratios
from sidcap.cli.screen import console, ended_like_ctrl_c, warn, without_c_chatter
from sidcap.cli.simulate_camera import Sensor
from sidcap.data_manifest.errors import StoppedError, UsageError
from sidcap.data_manifest.words import Release, Split

if TYPE_CHECKING:
    from sidcap.capture import BracketPlan, Tether
    from sidcap.capture.live import LiveView
    from sidcap.capture.live.app import LensSwitch
    from sidcap.capture.live.viewing import Begun
    from sidcap.capture.session import Watcher
    from sidcap.capture.simulated import SimulatedCamera

_BRACKET = "The bracket that can be shot from the page"


def live(
    iso: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_BRACKET, help="Sensitivity; the nearest one the camera has. Without it, only look."
        ),
    ] = None,
    ratios: Annotated[
        str, typer.Option(rich_help_panel=_BRACKET, help="Long over short, comma-separated.")
    ] = "100,250,300",
    long: Annotated[
        str,
        typer.Option(
            metavar="SECONDS|auto", rich_help_panel=_BRACKET, help="Exposure time of the long, as for sidcap shoot."
        ),
    ] = "10",
    release: Annotated[
        Release, typer.Option(rich_help_panel=_BRACKET, help="How the shutter is fired.")
    ] = Release.MIRROR_LOCKUP,
    settle: Annotated[
        float,
        typer.Option(metavar="SECONDS", rich_help_panel=_BRACKET, help="Pause between mirror up and exposure."),
    ] = 2.0,
    split: Annotated[
        Split, typer.Option(rich_help_panel=_BRACKET, help="What scenes are for; can be changed on the page.")
    ] = Split.TRAIN,
    dataset: DatasetOption = DEFAULT_DATASET,
    camera: CameraOption = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="TCP port of the page, on this machine only; 0 takes a free one.")
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    pause_after: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=1, help="Switch live view off when nobody has watched for so long: sensors get warm."
        ),
    ] = 60.0,
    sensor: SensorOption = None,
    light: LightOption = None,
    time_scale: TimeScaleOption = None,
) -> None:
    """Look through the camera in the browser: frame, focus, and shoot the scene.

    The picture is as bright as the long will be. Ctrl-C ends it and puts the
    camera back; exit code 130 where that left a scene incomplete.

    [bold]Frame, focus, shoot[/]
    sidcap live --iso 12600 --ratios 100,250,300

    [bold]Only look[/]
    sidcap live

    [bold]Without a camera[/]
    sidcap live --iso 12600 --camera simulated --sensor small --time-scale 10
    """
    _refuse_without_simulation(camera, {"--sensor": sensor, "--light": light, "--time-scale": time_scale})
    must_be_finite("--settle", settle)
    wish = None if iso is None else Wish(iso, parse_ratios(ratios), parse_long(long), 1, release, settle)
    gear = Gear(dataset, camera, sensor or Sensor.FULL, light or 0.0, time_scale or 1.0)
    with ended_like_ctrl_c(), without_c_chatter(), _simulated(gear) as simulated:
        from sidcap.capture import Tether
        from sidcap.capture.journal import Journal
        from sidcap.capture.live import LiveView, live_app
        from sidcap.data_manifest.pages.serving import serve
        from sidcap.data_manifest.store import Store

        resume = gear.resume  # with the camera as it was named
        if simulated is not None:  # it serves pictures and brackets alike
            gear = replace(gear, camera=simulated.port_string)
        tether = Tether(gear.camera, Journal(Store(dataset).journal_path))
        shooting = None if wish is None else _Shooting(wish, split, gear, resume)
        view = LiveView(tether, shooting, pause_after_s=pause_after)
        view.open()
        with _running(view):
            app = live_app(view, None if simulated is None else partial(_switch_lens, simulated))
            serve(app, port=port, on_ready=lambda address: _ready(address, browser=browser))
        for name, value in view.left_changed.items():
            warn(f"{name} was {value} and could not be put back: set it on the camera itself")
        if view.cut_short:
            raise typer.Exit(StoppedError.exit_code)


@dataclass(frozen=True)
class _Shooting:
    """What *shoot this scene* does: the way of ``sidcap shoot``, for one scene."""

    wish: Wish
    split: Split
    gear: Gear
    resume: str

    def plan(self, tether: Tether) -> BracketPlan:
        return self.wish.plan(tether.body)

    def shoot(self, split: Split, begun: Begun, watch: Watcher) -> None:
        from sidcap.cli.bracket_screen import BracketScreen
        from sidcap.cli.evening import Evening, LongFinder

        screen, book = BracketScreen(), Book.at(self.gear.dataset, must_exist=False)
        with (
            told_how_to_go_on(self.gear.dataset, self.resume, book.interrupted),
            self.gear.connected() as (tether, _),
            self.gear.session(tether, None, screen, watch) as session,
        ):
            plan, number = self.wish.plan(tether.body), book.number(None, split)
            evening = Evening(session, screen, book.tally, Destination(split))
            if self.wish.long_s is None:
                evening.check(plan)
                plan = LongFinder(session, self.wish).plan(plan)
            begun(number, plan)
            evening.shoot(number, split, plan)


def _simulated(gear: Gear) -> AbstractContextManager[SimulatedCamera | None]:
    return simulated_camera(gear.camera, sensor=gear.sensor, light_ev=gear.light_ev, time_scale=gear.time_scale)


def _switch_lens(simulated: SimulatedCamera, to: LensSwitch) -> None:
    simulated.set_by_hand(focusmode="One Shot" if to == "AF" else "Manual")


@contextmanager
def _running(view: LiveView) -> Iterator[None]:
    """A thread that has the camera. If it dies of what nobody foresaw, so does the command."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            view.run()
        except BaseException as failure:  # noqa: BLE001 (raised again below)
            failures.append(failure)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=run, name="camera")
    thread.start()
    try:
        yield
    finally:
        view.stop()
        if view.is_shooting:
            console.print("ending the bracket: the frame that is being exposed is brought home")
        thread.join()
    if failures:
        raise failures[0]


def _ready(address: str, *, browser: bool) -> None:
    console.print(f"live view: {address}", markup=False, soft_wrap=True)
    console.print("only browsers of this machine reach it; Ctrl-C ends it and puts the camera back")
    if browser:
        import webbrowser

        webbrowser.open(address)


def _refuse_without_simulation(camera: str | None, given: dict[str, object]) -> None:
    """UsageError where what belongs to the simulated camera is given without one."""
    known = {"--time-scale"} if (camera or "").startswith(LOOPBACK) else set()
    wrong = [name for name, value in given.items() if value is not None and name not in known]
    if camera != SIMULATED and wrong:
        raise UsageError(f"{', '.join(wrong)}: only with --camera simulated; leave it out")
