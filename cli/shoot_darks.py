"""``sidcap shoot-darks``."""

from __future__ import annotations

from typing import Annotated

import typer

from sidcap.cli.connection import CameraOption
from sidcap.cli.darkroom import (
    DryRunOption,
    IsoOption,
    SensorOption,
    TimeScaleOption,
    check_simulated_options,
    numbers,
    planned,
    print_outcome,
    ready,
    shoot_plan,
    show_plan,
    tethered,
    there_in,
)
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import ended_like_ctrl_c, without_c_chatter


def shoot_darks(
    iso: IsoOption,
    exposures: Annotated[str, typer.Option(metavar="SECONDS,...", help="Exposure times, comma-separated.")],
    repeats: Annotated[int, typer.Option(help="Frames of every ISO and exposure.")] = 5,
    camera: CameraOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="The cap is on: do not ask.")] = False,
    dry_run: DryRunOption = False,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
    sensor: SensorOption = None,
    time_scale: TimeScaleOption = None,
) -> None:
    """Shoot dark frames, with the cap on, to calibrate with.

    What is there already is not shot again: the same command goes on
    where it was interrupted.

    [bold]Two sensitivities, three times[/]: the longest in use, a short one, one between
    sidcap shoot-darks --iso 12800,200 --exposures 10,1,0.033

    [bold]How long will that take?[/]
    sidcap shoot-darks --iso 12800 --exposures 10,1,0.033 --dry-run
    """
    check_simulated_options(camera, sensor, time_scale)
    isos = numbers("--iso", iso, int)
    exposures_s = numbers("--exposures", exposures, float)
    scale = time_scale or 1.0
    with (
        ended_like_ctrl_c(),
        without_c_chatter(),
        tethered(camera, dataset, "dark", sensor=sensor, time_scale=scale) as tether,
    ):
        plan = planned(tether, isos, exposures_s, repeats)
        serial = tether.reported.serial
        missing = plan.missing(there_in(dataset, "dark"), serial)
        show_plan(plan, missing, "dark frames")
        if missing and not dry_run:
            cap_on = None if yes else "put the cap on the lens and cover the viewfinder"
            with ready(tether, dataset, cap_on) as store:
                shoot_plan(tether, store, plan, "dark", time_scale=scale, ask=not yes)
        if json:
            print_outcome(plan, dataset, "dark", serial)
