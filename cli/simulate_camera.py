"""``sidcap simulate-camera``."""

from __future__ import annotations

import signal
import sys
import threading
from enum import StrEnum
from typing import Annotated

import typer

from sidcap.cli.screen import console
from sidcap.data_manifest.errors import UsageError


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


def simulate_camera(
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port on the loopback; 0 takes a free one.")] = 0,
    scene: Annotated[int, typer.Option(min=1, help="Number of the simulated scene before the lens.")] = 1,
    sensor: SensorOption = Sensor.FULL,
    light: Annotated[float, typer.Option(help="Brightness of the scene in stops; 0 suits 10 s at ISO 12800.")] = 0.0,
    time_scale: TimeScaleOption = 1.0,
    setting: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=LABEL", help="What it is set to at first, such as iso=1600. Repeatable."),
    ] = None,
    mode_dial: Annotated[Dial, typer.Option(help="Where the mode dial stands.")] = Dial.M,
    battery: Annotated[float, typer.Option(min=0.001, max=1.0, help="Charge of the battery; 1 is full.")] = 1.0,
    auto_power_off: Annotated[
        bool, typer.Option(help="Switch off after 60 simulated seconds in which nobody uses it.")
    ] = False,
    long_exposure_noise_reduction: Annotated[
        bool, typer.Option(help="Follow exposures of a second or more with a dark one.")
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[=VALUE]@MOMENT[:COUNT]",
            help="What goes wrong, and when: cable-pulled@exposure:3, busy=5@EOS_RemoteReleaseOn, "
            "transfer-empty@GetPartialObject:2. Repeatable. Kinds: cable-pulled, busy, reply-late, event-lost, "
            "transfer-truncated, transfer-empty, bits-flipped, card-full, card-error, battery-empty, power-off, "
            "autofocus-failed, exif-wrong. A moment is an operation or event by libgphoto2's name, exposure, or "
            "autofocus.",
        ),
    ] = None,
) -> None:
    """Serve a simulated Canon EOS 6D over PTP/IP until interrupted.

    Prints its port string on stdout once it is ready; any gphoto2 program can use it:

        gphoto2 --port ptpip:127.0.0.1:15740:15740 --summary
    """
    from sidcap.capture.simulated import Fault, SimulatedCamera

    settings = dict(name_and_label(text) for text in setting or ())
    faults = [Fault.parse(text) for text in fault or ()]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with SimulatedCamera(
        port=port,
        scene=scene,
        size=sensor.value,
        light_ev=light,
        time_scale=time_scale,
        settings=settings,
        mode_dial=mode_dial.value,
        battery=battery,
        auto_power_off=auto_power_off,
        long_exposure_noise_reduction=long_exposure_noise_reduction,
        faults=faults,
    ) as camera:
        sys.stdout.write(f"{camera.port_string}\n")
        sys.stdout.flush()
        console.print("a simulated Canon EOS 6D is ready; stop it with Ctrl-C")
        stop.wait()


def name_and_label(text: str) -> tuple[str, str]:
    """A setting from ``NAME=LABEL``.

    Raises:
        UsageError: it is not written like that.
    """
    name, equals, label = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not a setting; write NAME=LABEL, iso=1600")
    return name, label
