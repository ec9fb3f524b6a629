"""The camera that a command was told to use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.simulate_camera import Sensor

if TYPE_CHECKING:
    from sidcap.capture import Camera
    from sidcap.capture.simulated import SimulatedCamera

SIMULATED = "simulated"
LOOPBACK = "ptpip:127.0.0.1"
"""Where cameras of this machine answer, all of them simulated."""

CameraOption = Annotated[
    str | None,
    typer.Option(
        "--camera",
        metavar="PORT",
        show_default="the one on USB",
        help="usb:001,004 or ptpip:192.168.1.9 as `gphoto2` names them, or 'simulated'.",
    ),
]

_PANEL = "The simulated camera"
SensorOption = Annotated[
    Sensor | None, typer.Option(rich_help_panel=_PANEL, show_default="full", help="Size of its frames.")
]
LightOption = Annotated[
    float | None,
    typer.Option(metavar="STOPS", rich_help_panel=_PANEL, show_default="0", help="How much brighter its scene is."),
]
TimeScaleOption = Annotated[
    float | None,
    typer.Option(min=0.1, max=10_000, rich_help_panel=_PANEL, show_default="1", help="How much faster its time runs."),
]


@contextmanager
def simulated_camera(
    port: str | None, *, scene: int = 1, sensor: Sensor = Sensor.FULL, light_ev: float = 0.0, time_scale: float = 1.0
) -> Iterator[SimulatedCamera | None]:
    """A simulated camera for the occasion where ``port`` asks for one; None where it names another camera."""
    if port != SIMULATED:
        yield None
        return
    from sidcap.capture.simulated import SimulatedCamera

    with SimulatedCamera(scene=scene, size=sensor.value, light_ev=light_ev, time_scale=time_scale) as simulated:
        yield simulated


@contextmanager
def open_camera(port: str | None, *, sensor: Sensor = Sensor.FULL) -> Iterator[Camera]:
    """The camera at ``port``; a simulated one is reached over the wire like any other."""
    from sidcap.capture import Camera

    with (
        simulated_camera(port, sensor=sensor) as simulated,
        Camera(simulated.port_string if simulated else port) as camera,
    ):
        yield camera
