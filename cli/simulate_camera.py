"""``sidcap simulate-camera``."""

from __future__ import annotations

import signal
import sys
import threading
from enum import StrEnum
from typing import Annotated

import typer

from sidcap.cli.screen import console


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


def simulate_camera(
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port on the loopback; 0 takes a free one.")] = 0,
    scene: Annotated[int, typer.Option(min=1, help="Number of the simulated scene before the lens.")] = 1,
    sensor: SensorOption = Sensor.FULL,
    light: Annotated[float, typer.Option(help="Brightness of the scene in stops; 0 suits 10 s at ISO 12800.")] = 0.0,
    time_scale: TimeScaleOption = 1.0,
) -> None:
    """Serve a simulated Canon EOS 6D over PTP/IP until interrupted.

    Prints its port string on stdout once it is ready; any gphoto2 program can use it:

        gphoto2 --port ptpip:127.0.0.1:15740:15740 --summary
    """
    from sidcap.capture.simulated import SimulatedCamera

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with SimulatedCamera(port=port, scene=scene, size=sensor.value, light_ev=light, time_scale=time_scale) as camera:
        sys.stdout.write(f"{camera.port_string}\n")
        sys.stdout.flush()
        console.print("a simulated Canon EOS 6D is ready; stop it with Ctrl-C")
        stop.wait()
