"""``sidcap simulate-camera``."""

from __future__ import annotations

import signal
import sys
import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.screen import console
from sidcap.data_manifest.errors import UsageError

if TYPE_CHECKING:
    from sidcap.capture.simulated.scenes import SceneChoice


class Sensor(StrEnum):
    """Frame size of the simulated camera."""

    FULL = "full"
    SMALL = "small"


SensorOption = Annotated[
    Sensor,
    typer.Option(help="Simulated camera: frames of a real 6D's size, or small ones for quick tries."),
]
TimeScaleOption = Annotated[
    float,
    typer.Option(
        min=0.1,
        max=10_000,
        help="How many times faster its time runs. A locked-up mirror drops after 30 of its seconds: "
        "with 2 s to settle, stay below 15.",
    ),
]


class Dial(StrEnum):
    """Positions of the simulated mode dial."""

    M = "M"
    B = "B"


_AT_FIRST = "What it is set to at first"
_SCENE = "What stands before the lens"
_SURROUNDINGS = "What the camera cannot help"


def simulate_camera(
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port on the loopback; 0 takes a free one.")] = 0,
    sensor: SensorOption = Sensor.FULL,
    time_scale: TimeScaleOption = 1.0,
    serial: Annotated[
        str | None, typer.Option(metavar="DIGITS", help="Serial number, 12 digits: its hot pixels go by it.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Of the noise, so that it is the same again; else chance.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="FAULT", help="What goes wrong, and when: see above. Repeatable."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=LABEL", help="Such as iso=1600. Repeatable.", rich_help_panel=_AT_FIRST),
    ] = None,
    mode_dial: Annotated[Dial, typer.Option(help="Where the mode dial stands.", rich_help_panel=_AT_FIRST)] = Dial.M,
    focus_steps: Annotated[
        int,
        typer.Option(
            metavar="STEPS", help="How far the lens stands from sharp, -120 to 120.", rich_help_panel=_AT_FIRST
        ),
    ] = 0,
    battery: Annotated[
        float, typer.Option(metavar="CHARGE", help="Of the battery; 1 is full.", rich_help_panel=_AT_FIRST)
    ] = 1.0,
    card_free: Annotated[
        int | None,
        typer.Option(
            metavar="MB", help="Room on the card.", show_default="30791 MB, 905 raw frames", rich_help_panel=_AT_FIRST
        ),
    ] = None,
    auto_power_off: Annotated[
        bool,
        typer.Option(
            "--auto-power-off",
            help="Switch off after 60 simulated seconds in which nobody uses it.",
            rich_help_panel=_AT_FIRST,
        ),
    ] = False,
    noise_reduction: Annotated[
        bool,
        typer.Option(
            "--noise-reduction",
            help="Follow exposures of a second or more with a dark one.",
            rich_help_panel=_AT_FIRST,
        ),
    ] = False,
    scene: Annotated[
        str,
        typer.Option(
            metavar="SCENE",
            help="A number from 0 on, flat (an evenly lit wall) or capped (the cap is on the lens).",
            rich_help_panel=_SCENE,
        ),
    ] = "1",
    light: Annotated[
        float,
        typer.Option(
            metavar="STOPS", help="Brighter than usual, which suits 10 s at ISO 12800.", rich_help_panel=_SCENE
        ),
    ] = 0.0,
    ambient: Annotated[
        float | None,
        typer.Option(
            metavar="CELSIUS", help="Temperature of the air.", show_default="20.0", rich_help_panel=_SURROUNDINGS
        ),
    ] = None,
    knock: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y@FRAME[+SECONDS]",
            help="Somebody knocks the tripod before a frame, or so long into its exposure: from then on the image "
            "lies X px further right and Y px further down. 4,0@3+0.5. Repeatable.",
            rich_help_panel=_SURROUNDINGS,
        ),
    ] = None,
    creep: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="The tripod gives way: pixels that the image moves right and down in a second. 0.01,-0.02.",
            rich_help_panel=_SURROUNDINGS,
        ),
    ] = None,
    flicker: Annotated[
        str | None,
        typer.Option(
            metavar="HZ[,DEPTH]",
            help="Lamps on the mains: their light swings by DEPTH (0 to 1, else 0.3) around its mean. 50,0.2.",
            rich_help_panel=_SURROUNDINGS,
        ),
    ] = None,
    drift: Annotated[
        float,
        typer.Option(
            metavar="PER_HOUR",
            help="Change of the light in an hour; -0.2 is a fifth less.",
            rich_help_panel=_SURROUNDINGS,
        ),
    ] = 0.0,
) -> None:
    """Serve a simulated Canon EOS 6D over PTP/IP, until Ctrl-C.

    Prints its port string on stdout once it is ready; sidcap and any other
    program that works with gphoto2 can use it.

    [bold]A camera[/], and in another terminal somebody who uses it
    sidcap simulate-camera --port 15740 --sensor small
    sidcap camera status --camera ptpip:127.0.0.1:15740:15740

    [bold]One whose cable comes off in its third exposure[/]
    sidcap simulate-camera --port 15740 --fault cable-pulled@exposure:3

    A FAULT is written KIND\\[=VALUE]@MOMENT\\[:COUNT]: cable-pulled@exposure:3,
    busy=5@EOS_RemoteReleaseOn, transfer-empty@GetPartialObject:2. A moment is
    an operation or event by libgphoto2's name, exposure, or autofocus; it is
    counted from 1. Kinds: cable-pulled, busy, reply-late, event-lost,
    transfer-truncated, transfer-empty, bits-flipped, card-full, card-error,
    battery-empty, power-off, autofocus-failed, exif-wrong.
    """
    from sidcap.capture.simulated import SIMULATED_SERIAL, Fault, Flicker, Knock, SimulatedCamera, Surroundings
    from sidcap.capture.simulated.card import FREE_BYTES
    from sidcap.capture.simulated.surroundings import pair

    usual = Surroundings()
    surroundings = Surroundings(
        tripod_creep_px_per_s=pair(creep) if creep else usual.tripod_creep_px_per_s,
        knocks=tuple(Knock.parse(text) for text in knock or ()),
        flicker=Flicker.parse(flicker) if flicker else None,
        light_drift_per_hour=drift,
        ambient_c=usual.ambient_c if ambient is None else ambient,
    )
    camera = SimulatedCamera(
        port=port,
        scene=scene_choice(scene),
        size=sensor.value,
        time_scale=time_scale,
        serial=SIMULATED_SERIAL if serial is None else serial,
        light_ev=light,
        settings=dict(name_and_label(text) for text in setting or ()),
        mode_dial=mode_dial.value,
        focus_steps=focus_steps,
        battery=battery,
        card_free_bytes=FREE_BYTES if card_free is None else card_free * 1_000_000,
        auto_power_off=auto_power_off,
        long_exposure_noise_reduction=noise_reduction,
        surroundings=surroundings,
        faults=[Fault.parse(text) for text in fault or ()],
        seed=seed,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with camera:
        sys.stdout.write(f"{camera.port_string}\n")
        sys.stdout.flush()
        console.print("a simulated Canon EOS 6D is ready; stop it with Ctrl-C")
        stop.wait()


def scene_choice(text: str) -> SceneChoice:
    """A scene's number, or ``flat`` or ``capped``.

    Raises:
        UsageError: there is no such scene.
    """
    match text:
        case "flat" | "capped":
            return text
        case _ if text.isdecimal() and len(text) < 10:
            return int(text)
        case _:
            raise UsageError(f"there is no scene {text!r}; choose a number from 0 on, flat or capped")


def name_and_label(text: str) -> tuple[str, str]:
    """A setting from ``NAME=LABEL``.

    Raises:
        UsageError: it is not written like that.
    """
    name, equals, label = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not a setting; write NAME=LABEL, iso=1600")
    return name, label
