"""``sidcap shoot-flats``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
from sidcap.cli.screen import console, ended_like_ctrl_c, without_c_chatter
from sidcap.data_manifest.errors import UsageError

if TYPE_CHECKING:
    from sidcap.capture import Tether
    from sidcap.capture.darks import DarkPlan
    from sidcap.data_manifest.store import Store

_SIMULATED_LIGHT_EV = 8.0
"""How much brighter than a dim scene the simulated camera's wall is, in stops: as bright as a lamp makes it."""


def shoot_flats(
    iso: IsoOption,
    exposures: Annotated[
        str | None,
        typer.Option(metavar="SECONDS,...", show_default="found with test frames", help="Exposure times."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="Frames of every ISO and exposure.")] = 2,
    camera: CameraOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="The light is even: do not ask.")] = False,
    dry_run: DryRunOption = False,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
    sensor: SensorOption = None,
    time_scale: TimeScaleOption = None,
) -> None:
    """Shoot flats, frames of an even light, to calibrate with.

    A sheet of white paper or a screen out of focus will do; steady light
    matters more than even light. Test frames find the exposures, from a
    thirtieth of white to overexposed, unless --exposures names them. What is
    there already is not shot again: the same command goes on where it was
    interrupted.

    [bold]Two sensitivities[/]
    sidcap shoot-flats --iso 12800,200

    [bold]At exposures of your own[/]
    sidcap shoot-flats --iso 200 --exposures 0.5,1,2
    """
    check_simulated_options(camera, sensor, time_scale)
    isos = numbers("--iso", iso, int)
    exposures_s = None if exposures is None else numbers("--exposures", exposures, float)
    if dry_run and exposures_s is None:
        raise UsageError("without --exposures, test frames find them: give --exposures to a --dry-run")
    scale = time_scale or 1.0
    with (
        ended_like_ctrl_c(),
        without_c_chatter(),
        tethered(camera, dataset, "flat", sensor=sensor, time_scale=scale, light_ev=_SIMULATED_LIGHT_EV) as tether,
    ):
        if dry_run and exposures_s is not None:
            plan = planned(tether, isos, exposures_s, repeats)
            show_plan(plan, plan.missing(there_in(dataset, "flat"), tether.reported.serial), "flats")
        else:
            lit = None if yes else "put an evenly and steadily lit surface before the lens, out of focus"
            with ready(tether, dataset, lit) as store:
                plan = (
                    _metered_plan(tether, store, isos, repeats, scale)
                    if exposures_s is None
                    else planned(tether, isos, exposures_s, repeats)
                )
                show_plan(plan, plan.missing(there_in(dataset, "flat"), tether.reported.serial), "flats")
                shoot_plan(tether, store, plan, "flat", time_scale=scale, ask=not yes)
        if json:
            print_outcome(plan, dataset, "flat", tether.reported.serial)


def _metered_plan(tether: Tether, store: Store, isos: list[int], repeats: int, time_scale: float) -> DarkPlan:
    """Exposures for every ISO by its own test frames."""
    from sidcap.capture import Clock
    from sidcap.capture.darks import DarkPlan, flat_exposures_s
    from sidcap.capture.exposure import choose_iso
    from sidcap.capture.metering import find_long

    labels = tether.body.shutter_labels()
    plans = []
    for iso in isos:
        legal = choose_iso(tether.body.iso_labels(), iso)
        found = find_long(
            tether, store, Clock(time_scale), iso=legal, ratios=(), shutter_labels=labels, told=console.print
        )
        plans.append(planned(tether, [iso], flat_exposures_s(found, labels), repeats))
    return DarkPlan(settings=tuple(dict.fromkeys(s for plan in plans for s in plan.settings)), repeats=repeats)
