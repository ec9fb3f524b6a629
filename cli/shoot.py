"""``sidcap shoot``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.bracket_screen import BracketScreen, show_check, show_outlook, show_plan, spoken
from sidcap.cli.completion import isos
from sidcap.cli.completion import scenes as scenes_there
from sidcap.cli.connection import LOOPBACK, SIMULATED, LightOption, SensorOption, TimeScaleOption
from sidcap.cli.evening import Evening, LongFinder, ask_split, offer
from sidcap.cli.gear import Gear, set_clock, told_how_to_go_on
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption, dataset_suffix, seconds_of
from sidcap.cli.order import Book, Destination, Order, Outlook, Pace, Wish, must_be_finite, parse_long, parse_ratios
from sidcap.cli.screen import NOT_USABLE, console, ended_like_ctrl_c, print_json, warn, without_c_chatter
from sidcap.cli.simulate_camera import Sensor
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.words import Release, Split

if TYPE_CHECKING:
    from sidcap.capture import Body, BracketPlan
    from sidcap.capture.bracket import Bracket

_BRACKET, _SCENES, _CAMERA = "The bracket", "Scenes", "The camera"
_TROUBLE, _PROGRAMS = "When things go wrong", "Other programs"


class SplitChoice(StrEnum):
    """What a scene is for, or: ask."""

    TRAIN = "train"
    TEST = "test"
    VAL = "val"
    ASK = "ask"


def shoot(
    ctx: typer.Context,
    iso: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_BRACKET,
            help="Sensitivity; the nearest one the camera has. Not needed with --resume.",
            autocompletion=isos,
        ),
    ] = None,
    ratios: Annotated[
        str, typer.Option(rich_help_panel=_BRACKET, help="Long over short, comma-separated.")
    ] = "100,250,300",
    long: Annotated[
        str,
        typer.Option(
            metavar="SECONDS|auto",
            rich_help_panel=_BRACKET,
            help="Exposure time of the long. auto: test frames find the longest that keeps highlights below white, for "
            "each scene anew.",
        ),
    ] = "10",
    repeats: Annotated[
        int, typer.Option(metavar="N", rich_help_panel=_BRACKET, help="How often each short is shot.")
    ] = 1,
    release: Annotated[
        Release, typer.Option(rich_help_panel=_BRACKET, help="How the shutter is fired.")
    ] = Release.MIRROR_LOCKUP,
    settle: Annotated[
        float,
        typer.Option(metavar="SECONDS", rich_help_panel=_BRACKET, help="Pause between mirror up and exposure."),
    ] = 2.0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            rich_help_panel=_BRACKET,
            help="Show the plan, what it takes, and whether all is ready; touch neither shutter nor disk.",
        ),
    ] = False,
    scenes: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, rich_help_panel=_SCENES, help="Lead through so many: compose, Enter, and so on."
        ),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", rich_help_panel=_SCENES, help="Nobody there: a scene every 90s, 10m or 1h, start to start."
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            rich_help_panel=_SCENES,
            show_default="until Ctrl-C, or the quota",
            help="Nobody there: so many scenes.",
        ),
    ] = None,
    split: Annotated[
        SplitChoice | None,
        typer.Option(rich_help_panel=_SCENES, show_default="train", help="What the scenes are for; or ask each time."),
    ] = None,
    quota: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT=N,...",
            rich_help_panel=_SCENES,
            help="train=50,test=12: each scene goes where most is missing; ends when all are there.",
        ),
    ] = None,
    scene: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=_SCENES,
            show_default="the next one",
            help="Number of the scene in its split.",
            autocompletion=scenes_there,
        ),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="PORT",
            rich_help_panel=_CAMERA,
            show_default="the one on USB",
            help="usb:001,004 or ptpip:192.168.1.9 as `gphoto2` names them, or 'simulated'.",
        ),
    ] = None,
    clock: Annotated[
        bool, typer.Option("--set-clock", rich_help_panel=_CAMERA, help="Set the camera's clock to this computer's.")
    ] = False,
    free_card: Annotated[
        bool,
        typer.Option(
            "--free-card",
            rich_help_panel=_CAMERA,
            help="Delete a complete scene's frames from the card, once their checksums on disk are verified.",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            rich_help_panel=_TROUBLE,
            help="Complete the scenes that were interrupted, or --scene N, as they were planned.",
        ),
    ] = False,
    retries: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            rich_help_panel=_TROUBLE,
            help="How often a misaligned or changed bracket is shot again.",
        ),
    ] = 2,
    patience: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, rich_help_panel=_TROUBLE, help="How long a silent camera is waited for."
        ),
    ] = 300.0,
    read_twice: Annotated[
        bool,
        typer.Option(
            "--read-twice", rich_help_panel=_TROUBLE, help="Fetch every frame twice and compare: for cables in doubt."
        ),
    ] = False,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
    events: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel=_PROGRAMS, help="Append every event to it, a line of JSON each."),
    ] = None,
    on_frame: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            rich_help_panel=_PROGRAMS,
            help="Run after every frame: the event on stdin, SIDCAP_PATH and SIDCAP_SCENE set. "
            "If it fails, the session ends; --resume goes on.",
        ),
    ] = None,
    on_scene: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", rich_help_panel=_PROGRAMS, help="The same, after every complete scene."),
    ] = None,
    sensor: SensorOption = None,
    light: LightOption = None,
    time_scale: TimeScaleOption = None,
) -> None:
    """Shoot brackets: a long, its shorts, the long again.

    Each frame is compared with the long while the next one is shot.
    What moved, or changed its light, is shot again by itself.

    [bold]One scene[/]
    sidcap shoot --iso 12600 --ratios 100,250,300

    [bold]An evening[/]: compose, Enter, and so on
    sidcap shoot --iso 12600 --scenes 20 --quota train=50,test=12

    [bold]Nobody there[/]
    sidcap shoot --iso 12600 --every 10m --count 30

    [bold]After an interruption[/]
    sidcap shoot --resume

    [bold]Without a camera[/]
    sidcap shoot --iso 12600 --camera simulated --time-scale 10

    Exit code 3: a scene is complete, but of no use as it is.
    130: Ctrl-C; the camera is as it was, --resume goes on.
    """
    _refuse_contradictions({name for name in ctx.params if _is_given(ctx, name)}, camera, split)
    long_s = parse_long(long)
    _refuse_impossible(long_s, settle, patience, light, on_frame, on_scene)
    order = Order(
        wish=None if resume else _wish(iso, ratios, long_s, repeats, release, settle),
        pace=Pace(scenes, None if every is None else seconds_of(every), count),
        destination=_destination(split, quota),
        number=scene,
        dry_run=dry_run,
        set_clock=clock,
        free_card=free_card,
    )
    gear = Gear(
        dataset=dataset,
        camera=camera,
        sensor=sensor or Sensor.FULL,
        light_ev=light or 0.0,
        time_scale=time_scale or 1.0,
        patience_s=patience,
        retries=retries,
        read_twice=read_twice,
        events=events,
        on_frame=on_frame,
        on_scene=on_scene,
    )
    book = Book.at(dataset, must_exist=resume)
    if why := order.nothing_to_do(book):
        console.print(why, markup=False, soft_wrap=True)
        if json:
            print_json({"scenes": []})
        return
    try:
        agenda = _agenda(order, book, gear.resume)
    except EOFError:  # nobody answers, so nobody wants anything
        console.print("nothing was shot")
        if json:
            print_json({"scenes": []})
        return
    _carry_out(order, agenda, book, gear, json=json)


@dataclass(frozen=True)
class _Agenda:
    """What is shot, once everybody was asked."""

    again: list[Bracket]
    """Interrupted brackets to complete first."""
    one: tuple[int, Split] | None = None
    """Then one scene, by number and split."""
    is_many: bool = False
    """Or then many."""


def _agenda(order: Order, book: Book, resume: str) -> _Agenda:
    """EOFError where somebody has to be asked and does not answer, or quits."""
    if order.is_resumption:
        return _Agenda(book.to_resume(order.number))
    again = [] if order.dry_run else _accepted(book, order.pace, resume)
    if again or order.pace.is_many:
        return _Agenda(again, is_many=order.pace.is_many)
    split = order.destination.known(book.tally)
    if split is None:
        split = Split.TRAIN if order.dry_run else ask_split()  # a dry run takes the same for any split
    return _Agenda([], (book.number(order.number, split), split))


def _accepted(book: Book, pace: Pace, resume: str) -> list[Bracket]:
    """Interrupted brackets that are completed first, or instead of the one new scene. EOFError for: quit."""
    brackets = list(book.interrupted.values())
    if not brackets:
        return []
    if pace.is_unattended or not (pace.stops or sys.stdin.isatty()):
        names = ", ".join(f"{bracket.scene_id:05d}" for bracket in brackets)
        warn(f"interrupted: {names}; complete with: {resume}")
        return []
    do = "completes it first" if pace.stops else "completes it instead of a new one"
    return brackets if offer(brackets, f"Enter {do} · n leaves it · q quits >") else []


def _carry_out(order: Order, agenda: _Agenda, book: Book, gear: Gear, *, json: bool) -> None:
    screen = BracketScreen()
    with ended_like_ctrl_c(), without_c_chatter(), gear.connected() as (tether, compose), gear.event_log() as log:
        plan = None
        if order.wish and (agenda.one or agenda.is_many):
            plan = order.wish.plan(tether.body)
            outlook = order.outlook(plan, book)
            if order.wish.long_s is None:
                warn("--long auto: test frames find the long before each scene; 10 s stands for it here")
            show_plan(plan)
            show_outlook(outlook)
            if order.dry_run:
                _end_dry_run(tether.body, outlook, gear.dataset, json)
                return
        known = book.interrupted.keys() - {bracket.scene_id for bracket in agenda.again}  # these were named before
        with told_how_to_go_on(gear.dataset, gear.resume, known), gear.session(tether, log, screen) as session:
            if order.set_clock:
                set_clock(tether, gear.dataset)
            finder = None if order.wish is None or order.wish.long_s is not None else LongFinder(session, order.wish)
            evening = Evening(session, screen, book.tally, order.destination, compose, order.free_card, finder)
            for bracket in agenda.again:
                evening.resume(bracket)
            if plan:
                _shoot_new(evening, plan, agenda, order.pace)
    _end(evening, as_list=agenda.is_many or (order.is_resumption and order.number is None), json=json)


def _shoot_new(evening: Evening, plan: BracketPlan, agenda: _Agenda, pace: Pace) -> None:
    if agenda.one:
        evening.shoot(*agenda.one, plan)
    elif pace.stops:
        evening.walk(plan, pace.stops)
    else:
        evening.repeat(plan, every_s=pace.every_s or 0.0, scenes=pace.count)


# Before: what was asked for.

_ONE_OR_THE_OTHER = (
    *(("resume", name) for name in ("iso", "ratios", "long", "repeats", "release", "settle", "dry_run")),
    *(("resume", name) for name in ("scenes", "every", "count", "split", "quota")),
    *(("scene", name) for name in ("scenes", "every", "count", "quota")),
    ("scenes", "every"),
    ("scenes", "count"),
    ("split", "quota"),
)


def _is_given(ctx: typer.Context, name: str) -> bool:
    """Whether an option is on the command line, rather than at its default."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _refuse_contradictions(given: set[str], camera: str | None, split: SplitChoice | None) -> None:
    """UsageError where two options exclude one another."""
    for one, other in _ONE_OR_THE_OTHER:
        if {one, other} <= given:
            why = ": what was interrupted goes on as it was planned" if one == "resume" else ""
            raise UsageError(f"{_option(one)} and {_option(other)} do not go together{why}; leave one of them out")
    if split is SplitChoice.ASK and given & {"every", "count"}:
        raise UsageError("--split ask needs somebody to ask: give train, test or val, or a --quota")
    simulated_only = {"sensor", "light", "time_scale"} - (
        {"time_scale"} if (camera or "").startswith(LOOPBACK) else set()
    )
    if camera != SIMULATED and given & simulated_only:
        raise UsageError("--sensor, --light and --time-scale belong to --camera simulated: leave them out")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _refuse_impossible(
    long_s: float | None, settle_s: float, patience_s: float, light_ev: float | None, *commands: str | None
) -> None:
    """UsageError for values that typer lets through and nothing can be done with."""
    numbers = {"--long": long_s or 0.0, "--settle": settle_s, "--patience": patience_s, "--light": light_ev or 0.0}
    for option, number in numbers.items():
        must_be_finite(option, number)
    if any(command is not None and not command.strip() for command in commands):
        raise UsageError("--on-frame and --on-scene need a command of the shell: give one, or leave them out")


def _wish(iso: int | None, ratios: str, long_s: float | None, repeats: int, release: Release, settle_s: float) -> Wish:
    if iso is None:
        raise UsageError("give the sensitivity, such as --iso 12600, or --resume to complete interrupted scenes")
    return Wish(iso, parse_ratios(ratios), long_s, repeats, release, settle_s)


def _destination(split: SplitChoice | None, quota: str | None) -> Destination:
    from sidcap.capture.tally import parse_quota

    if quota is not None:
        return Destination(quota=parse_quota(quota))
    if split is SplitChoice.ASK:
        return Destination()
    return Destination(Split(split) if split else Split.TRAIN)


# After.


def _end_dry_run(body: Body, outlook: Outlook, dataset: Path, json: bool) -> None:
    from sidcap.capture.readiness import checks

    frames = len(outlook.plan.shots)
    for check in checks(body, dataset, frames=frames, frames_in_all=frames * (outlook.scenes or 1)):
        show_check(check)
    if 0 < outlook.every_s < outlook.plan.duration_s:
        warn(f"a scene takes longer than {spoken(outlook.every_s)}: they will follow one another without a pause")
    if json:
        print_json(outlook.plan.model_dump(mode="json") | outlook.to_dict())


def _end(evening: Evening, *, as_list: bool, json: bool) -> None:
    """Say what comes next, and print the scenes as they are in the end. Exits with 3 where one is of no use."""
    store = evening.session.store
    scenes = [store.scene(number) for number in evening.plans]
    if scenes:
        console.print(f"Next: sidcap verify-alignment{dataset_suffix(store.root)}", markup=False, soft_wrap=True)
    if json and (as_list or len(scenes) != 1):
        print_json({"scenes": [scene.model_dump(mode="json") for scene in scenes]})
    elif json:
        print_json(scenes[0])
    if evening.screen.unusable:
        raise typer.Exit(NOT_USABLE)
