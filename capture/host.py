"""What the computer has for cameras: libgphoto2, the devices on USB, who may open them, and who else does.

Nothing here opens a camera. Where the system keeps these things is given as `Places`, so that they may be looked for
elsewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from sidcap.data_manifest.errors import UsageError

UDEV_RULE = (
    'SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ENV{ID_USB_INTERFACES}=="*:060101:*", '
    'GROUP="plugdev", MODE="0660", TAG+="uaccess"'
)
"""Lets whoever sits at the machine, and the group plugdev, open cameras. As systemd's own rule for devices that speak
PTP (70-uaccess.rules), with a group for those who come over the network. Never tried on a real camera."""
UDEV_RULE_PATH = Path("/etc/udev/rules.d/70-camera.rules")
"""Before 73-seat-late.rules, which acts on the tag."""

_STILL_IMAGE_CLASS = "06"
"""USB's interface class of cameras that speak PTP."""
_PTP = "060101"
_GRABBERS = {
    "gvfsd-gphoto2": True,
    "gvfs-gphoto2-volume-monitor": False,
    "PTPCamera": True,
    "ptpcamerad": True,
}
"""Programs of desktops, and whether one that runs has a camera open; the others open it once it is plugged in."""
_LINUX_NAME_LENGTH = 15


@dataclass(frozen=True)
class Places:
    """Where the system keeps what is looked at."""

    usb_devices: Path = Path("/sys/bus/usb/devices")
    usb_nodes: Path = Path("/dev/bus/usb")
    processes: Path = Path("/proc")
    udev_rules: tuple[Path, ...] = (
        Path("/etc/udev/rules.d"),
        Path("/run/udev/rules.d"),
        Path("/usr/lib/udev/rules.d"),
        Path("/lib/udev/rules.d"),
    )


@dataclass(frozen=True)
class Libgphoto2:
    """The library that python-gphoto2 carries."""

    version: str
    drivers: tuple[str, ...]
    """Camera drivers (camlibs) that are there; ``ptp2`` is the one for Canon EOS and most others."""
    ports: tuple[str, ...]
    """Kinds of connections (iolibs) that are there: ``usb1``, ``ptpip``, ..."""


@dataclass(frozen=True)
class UsbDevice:
    """A device on USB."""

    bus: int
    device: int
    vendor: str
    """Four hexadecimal digits; 04a9 is Canon."""
    product: str
    name: str
    """As the device calls itself; empty where it does not."""
    node: Path
    """What a program opens to talk to it."""

    @property
    def port(self) -> str:
        """As libgphoto2 and --camera name it."""
        return f"usb:{self.bus:03d},{self.device:03d}"

    @property
    def usable(self) -> bool:
        """Whether this user may talk to it."""
        return os.access(self.node, os.R_OK | os.W_OK)


@dataclass(frozen=True)
class Grabber:
    """A program that takes cameras for itself."""

    name: str
    pid: int
    holds_a_camera: bool
    """It has one open now; else it will open the next one that is plugged in."""


def libgphoto2() -> Libgphoto2:
    """What libgphoto2 there is. ImportError where there is none."""
    gp = import_module("gphoto2")
    folders = (Path(os.environ.get(name, "")) for name in ("CAMLIBS", "IOLIBS"))  # set by the import
    drivers, ports = (tuple(sorted(file.stem for file in folder.glob("*.so"))) for folder in folders)
    return Libgphoto2(version=gp.gp_library_version(gp.GP_VERSION_SHORT)[0], drivers=drivers, ports=ports)


def usb_cameras(places: Places) -> list[UsbDevice]:
    """The devices on USB that say of themselves that they are cameras."""
    return [device for device, folder in _usb_devices(places) if _is_camera(folder)]


def usb_device(port: str, places: Places) -> UsbDevice | None:
    """The device at ``usb:001,004``, camera or not; None where there is none. UsageError for another kind of port."""
    match = re.fullmatch(r"usb:(\d{3}),(\d{3})", port)
    if match is None:
        raise UsageError(f"{port!r} is not a USB port such as usb:001,004")
    wanted = int(match[1]), int(match[2])
    return next((device for device, _ in _usb_devices(places) if (device.bus, device.device) == wanted), None)


def udev_rules(places: Places) -> list[Path]:
    """The installed rules of udev that let users open cameras."""
    files = [file for folder in places.udev_rules if folder.is_dir() for file in sorted(folder.glob("*.rules"))]
    return [file for file in files if _grants_cameras(file.read_text(errors="replace"))]


def grabbers(places: Places) -> list[Grabber]:
    """Running programs that keep a camera from others."""
    running = _from_proc(places.processes) if places.processes.is_dir() else _from_ps()
    return [
        Grabber(name, pid, holds)
        for pid, running_name in sorted(running)
        for name, holds in _GRABBERS.items()
        if running_name in (name, name[:_LINUX_NAME_LENGTH])
    ]


def _usb_devices(places: Places) -> Iterator[tuple[UsbDevice, Path]]:
    for folder in sorted(places.usb_devices.glob("*")):
        bus, device = _text(folder / "busnum"), _text(folder / "devnum")
        if bus.isdecimal() and device.isdecimal():  # interfaces have neither
            yield (
                UsbDevice(
                    bus=int(bus),
                    device=int(device),
                    vendor=_text(folder / "idVendor"),
                    product=_text(folder / "idProduct"),
                    name=" ".join(filter(None, (_text(folder / "manufacturer"), _text(folder / "product")))),
                    node=places.usb_nodes / f"{int(bus):03d}" / f"{int(device):03d}",
                ),
                folder,
            )


def _is_camera(folder: Path) -> bool:
    return any(_text(file) == _STILL_IMAGE_CLASS for file in folder.glob("*:*/bInterfaceClass"))


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:  # unplugged meanwhile, or not told
        return ""


def _grants_cameras(rules: str) -> bool:
    return any(
        _PTP in line and ("uaccess" in line or "MODE=" in line)
        for line in rules.splitlines()
        if not line.lstrip().startswith("#")
    )


def _from_proc(folder: Path) -> Iterator[tuple[int, str]]:
    for process in folder.iterdir():
        if process.name.isdecimal() and (name := _text(process / "comm")):
            yield int(process.name), name


def _from_ps() -> Iterator[tuple[int, str]]:
    if sys.platform == "win32":
        return
    listed = subprocess.run(["/bin/ps", "-Ao", "pid=,comm="], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), Path(command.strip()).name
