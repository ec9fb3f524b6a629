"""What ``sidcap doctor`` looks at: one function for each thing, none of which changes anything or opens a camera."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sidcap.data_manifest.disk import disk_free_bytes, existing_folder
from sidcap.data_manifest.errors import CameraError
from sidcap.data_manifest.pages.printing import installed_browser

if TYPE_CHECKING:
    from sidcap.capture.host import Places, UsbDevice

State = Literal["ok", "look", "broken"]

_EVENING_BYTES = 20 * 5 * 35_000_000
"""Twenty brackets of five frames."""
_BRACKET_BYTES = 5 * 35_000_000
_PROBE_BYTES = 16 << 20
_FRAME_MB = 35
_FAST_MB_PER_S = 200
_EXTRAS = (
    ("dask", "distributed", "sidcap verify-alignment --dask"),
    ("onnx", "onnxruntime", "sidcap export-model"),
    ("tensorboard", "tensorboard", "sidcap train --tensorboard"),
)


@dataclass(frozen=True)
class Finding:
    """One thing, how it was found, and what to do about it."""

    name: str
    state: State
    """look: works, but may not be what is wanted. broken: something of sidcap will fail."""
    found: str
    remedy: str = ""
    """What to do; empty where nothing is to be done."""


@dataclass(frozen=True)
class Subject:
    """What is examined."""

    dataset: Path
    places: Places
    camera: str | None = None
    """A port such as usb:001,004; None for every camera on USB."""


def examine(subject: Subject) -> Iterator[Finding]:
    """One finding after the other, as they are made. UsageError where ``camera`` is no port of USB."""
    looks: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
        _python,
        _libraw,
        _libgphoto2,
        _cameras,
        _permissions,
        _grabbers,
        _compute,
        _disk,
        _clock,
        _compiled,
        _extras,
    )
    for look in looks:
        yield from look(subject)


def _python(_: Subject) -> Iterator[Finding]:
    sidcap, python = metadata.version("sidcap"), platform.python_version()
    yield Finding("sidcap", "ok", f"{sidcap} on Python {python}, {platform.system()} {platform.machine()}")
    there, absent = [], []
    for line in metadata.requires("sidcap") or ():
        requirement, __, marker = line.partition(";")
        if "extra ==" in marker or ("win32" in marker and sys.platform == "win32"):
            continue
        name = re.split(r"[<>=!~ \[(]", requirement.strip())[0]
        try:
            there.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            absent.append(name)
    if absent:
        yield Finding("packages", "broken", f"missing: {', '.join(absent)}", f"pip install {' '.join(absent)}")
    else:
        yield Finding("packages", "ok", ", ".join(there))


def _libraw(_: Subject) -> Iterator[Finding]:
    try:
        import rawpy
    except ImportError as error:
        yield Finding("LibRaw", "broken", f"rawpy cannot be loaded: {error}", "pip install --force-reinstall rawpy")
        return
    yield Finding("LibRaw", "ok", ".".join(str(part) for part in rawpy.libraw_version))


def _libgphoto2(_: Subject) -> Iterator[Finding]:
    from sidcap.capture.host import libgphoto2

    try:
        found = libgphoto2()
    except ImportError as error:
        if sys.platform == "win32":
            yield Finding("libgphoto2", "look", "not for Windows: no camera can be used, all else can")
        else:
            remedy = "pip install --force-reinstall gphoto2"
            yield Finding("libgphoto2", "broken", f"gphoto2 cannot be loaded: {error}", remedy)
        return
    absent = [*({"ptp2"} - set(found.drivers)), *({"usb1", "ptpip"} - set(found.ports))]
    words = f"{found.version}, {len(found.drivers)} camera drivers, connections {', '.join(found.ports)}"
    if absent:
        remedy = "pip install --force-reinstall gphoto2; unset CAMLIBS and IOLIBS where they are set"
        yield Finding("libgphoto2", "broken", f"{words}; without {', '.join(absent)}", remedy)
    else:
        yield Finding("libgphoto2", "ok", words)


def _cameras(_: Subject) -> Iterator[Finding]:
    from sidcap.capture import detect
    from sidcap.capture.camera import HOW_TO_CONNECT

    try:
        found = detect()
    except (CameraError, ImportError) as error:
        yield Finding("cameras", "look", f"cannot be listed: {error}")
        return
    if found:
        yield Finding("cameras", "ok", ", ".join(f"{camera.model} at {camera.port}" for camera in found))
    else:
        yield Finding("cameras", "look", "none on USB", HOW_TO_CONNECT)


def _permissions(subject: Subject) -> Iterator[Finding]:
    from sidcap.capture.host import udev_rules, usb_cameras, usb_device

    if subject.camera is not None:
        device = usb_device(subject.camera, subject.places)
        if device is None:
            yield Finding("USB access", "broken", f"nothing at {subject.camera}", "sidcap camera list")
            return
        devices = [device]
    else:
        devices = usb_cameras(subject.places)
    for device in devices:
        yield _permission(device)
    if devices or not sys.platform.startswith("linux"):
        return
    rules = udev_rules(subject.places)
    if rules:
        yield Finding("USB access", "ok", f"udev lets users open cameras: {rules[0]}")
    elif os.geteuid() == 0:
        yield Finding("USB access", "ok", "you are root, who may open every camera")
    else:
        yield Finding("USB access", "look", "no rule of udev lets users open cameras", how_to_install_the_rule())


def _permission(device: UsbDevice) -> Finding:
    name = device.name or f"{device.vendor}:{device.product}"
    if device.usable:
        return Finding("USB access", "ok", f"{name} at {device.port}: {device.node} may be read and written")
    return Finding(
        "USB access", "broken", f"{name} at {device.port}: you may not open {device.node}", how_to_install_the_rule()
    )


def how_to_install_the_rule() -> str:
    """Two commands, and what to do then."""
    from sidcap.capture.host import UDEV_RULE, UDEV_RULE_PATH

    return (
        f"echo '{UDEV_RULE}' | sudo tee {UDEV_RULE_PATH}\n"
        "sudo udevadm control --reload\n"
        "then plug the camera in again; over ssh you must be of the group plugdev, too"
    )


def _grabbers(subject: Subject) -> Iterator[Finding]:
    from sidcap.capture.host import grabbers

    found = grabbers(subject.places)
    if not found:
        yield Finding("other programs", "ok", "none that takes cameras for itself")
    for grabber in found:
        who = f"{grabber.name} (process {grabber.pid})"
        if grabber.name.startswith("gvfs"):
            remedy = "gio mount -s gphoto2" if grabber.holds_a_camera else f"systemctl --user mask --now {grabber.name}"
        else:
            remedy = f"quit Photos and Image Capture; launchctl disable gui/$(id -u)/com.apple.{grabber.name}"
        if grabber.holds_a_camera:
            yield Finding("other programs", "broken", f"{who} has the camera open, or takes it at once", remedy)
        else:
            yield Finding("other programs", "look", f"{who} opens cameras as they are plugged in", remedy)


def _compute(_: Subject) -> Iterator[Finding]:
    from sidcap.curate import cores

    try:
        import torch
    except ImportError as error:
        yield Finding("PyTorch", "broken", f"cannot be loaded: {error}", "pip install --force-reinstall torch")
        return
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(index)
            bf16 = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no bf16, so fp32"
            yield Finding("GPU", "ok", f"{about.name}, {about.total_memory / 1e9:.0f} GB, {bf16}")
    elif torch.backends.mps.is_available():
        yield Finding("GPU", "ok", "Apple's, through MPS; fp32")
    else:
        without = "" if torch.version.cuda else "; this PyTorch is built without CUDA"
        remedy = "the full recipe takes hours on a GPU and days on a processor: to try, give train fewer --epochs"
        yield Finding("GPU", "look", f"none that PyTorch can use{without}", remedy)
    able = torch.cpu.get_capabilities()
    if able.get("amx_bf16"):
        bf16 = "bf16 with AMX, which train uses"
    elif able.get("avx512_bf16"):
        bf16 = "bf16 without AMX: train stays with fp32"
    else:
        bf16 = "no bf16: train uses fp32"
    yield Finding("processor", "ok", f"{cores()} cores, {bf16}")


def _disk(subject: Subject) -> Iterator[Finding]:
    folder = existing_folder(subject.dataset)
    free = disk_free_bytes(folder)
    room = f"{free / 1e9:.1f} GB free at {folder}"
    if free < _BRACKET_BYTES:
        yield Finding("disk", "broken", room, "one bracket needs 0.2 GB: make room, or give another --dataset")
    elif free < _EVENING_BYTES:
        yield Finding("disk", "look", room, "an evening of 20 scenes needs 3.5 GB")
    else:
        yield Finding("disk", "ok", room)
    try:
        speed = _mb_per_s(folder)
    except OSError as error:
        yield Finding(
            "writing", "broken", f"{folder}: {error.strerror or error}", "give a --dataset where you may write"
        )
        return
    words = f"{speed:.0f} MB/s, {_FRAME_MB / speed:.2g} s a frame"
    if speed >= _FAST_MB_PER_S:
        yield Finding("writing", "ok", f"fast: {words}")
    elif speed >= _FRAME_MB:
        yield Finding("writing", "ok", f"fast enough: {words}")
    else:
        yield Finding("writing", "look", f"slow: {words}", "shoot onto a disk of this machine, and copy afterwards")


def _mb_per_s(folder: Path) -> float:
    """Of a small file that is written and forced to the disk. OSError where that is impossible."""
    content = os.urandom(_PROBE_BYTES)  # some file systems compress
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".sidcap-doctor-") as probe:
        start = time.perf_counter()
        probe.write(content)
        probe.flush()
        os.fsync(probe.fileno())
        return _PROBE_BYTES / 1e6 / max(time.perf_counter() - start, 1e-6)


def _clock(subject: Subject) -> Iterator[Finding]:
    """Times of frames are this clock's: it must not be before what it has itself dated already."""
    now = datetime.now(UTC)
    dated = [Path(__file__), subject.dataset / "dataset.json", subject.dataset / "journal.jsonl"]
    latest = max(datetime.fromtimestamp(file.stat().st_mtime, UTC) for file in dated if file.exists())
    words = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now < latest:
        remedy = "set the clock: sudo timedatectl set-ntp true"
        yield Finding(
            "clock", "broken", f"{words} is before {latest:%Y-%m-%d %H:%M:%S}, when files were written", remedy
        )
    else:
        yield Finding("clock", "ok", words)


def _compiled(_: Subject) -> Iterator[Finding]:
    """Registration is compiled once, where it can be kept."""
    from sidcap.curate.compiled import kept_in

    folder = kept_in()
    if folder is not None:
        yield Finding("compiled code", "ok", f"is kept in {folder}")
    else:
        remedy = "set NUMBA_CACHE_DIR to a folder where you may write"
        yield Finding("compiled code", "look", "cannot be kept: every process compiles for 10 to 20 s", remedy)


def _extras(_: Subject) -> Iterator[Finding]:
    for extra, module, purpose in _EXTRAS:
        if find_spec(module):
            yield Finding(f"extra {extra}", "ok", f"{module} {metadata.version(module)}, for {purpose}")
        else:
            words = f"not installed; only {purpose} needs it"
            yield Finding(f"extra {extra}", "ok", words, f"pip install 'sidcap[{extra}]'")
    browser = installed_browser()
    words = "not installed; only `sidcap report --pdf` and sidcap's own tests need it"
    yield Finding("chromium", "ok", browser or words)
