"""`sidcap doctor` on this machine, and on machines where something is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sidcap.capture.host import UDEV_RULE, Places, grabbers, udev_rules, usb_cameras
from sidcap.cli import app
from sidcap.cli.diagnosis import Finding, Subject, examine

STATES = {"ok", "look", "broken"}
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A computer with an EOS 6D, a printer of Canon's and a hub; nothing else is there."""
    devices, nodes = tmp_path / "sys", tmp_path / "dev"
    for number, (product, name, interface) in enumerate(
        [("3250", "Canon Digital Camera", "06"), ("1746", "Canon MG3600", "07"), ("0002", "Hub", "09")], start=4
    ):
        device = devices / f"1-{number}"
        (devices / f"1-{number}" / f"1-{number}:1.0").mkdir(parents=True)
        (device / f"1-{number}:1.0" / "bInterfaceClass").write_text(f"{interface}\n")
        for key, text in {"busnum": "1", "devnum": str(number), "idVendor": "04a9", "idProduct": product}.items():
            (device / key).write_text(f"{text}\n")
        (device / "product").write_text(f"{name}\n")
        (nodes / "001").mkdir(parents=True, exist_ok=True)
        (nodes / "001" / f"{number:03d}").touch()
    (tmp_path / "proc").mkdir()
    return Places(devices, nodes, tmp_path / "proc", (tmp_path / "rules",))


def found(places: Places, dataset: Path, camera: str | None = None) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(Subject(dataset, places, camera))}


def in_another_process(*arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """Exit code and findings of the command, in an environment that is set before anything is imported."""
    command = [sys.executable, "-m", "sidcap.cli", "doctor", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_a_line_for_each_thing_and_the_same_as_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--json", "--dataset", str(tmp_path)])
    findings = json.loads(result.stdout)["findings"]
    assert {finding["state"] for finding in findings} <= STATES
    assert result.exit_code == (3 if any(finding["state"] == "broken" for finding in findings) else 0)
    for finding in findings:
        assert any(
            line.split(maxsplit=1)[0] == finding["state"] and f"{finding['name']}: {finding['found']}" in line
            for line in result.stderr.splitlines()
        )
    names = [finding["name"] for finding in findings]
    wanted = "sidcap packages LibRaw libgphoto2 cameras GPU processor disk writing clock".split()
    assert [name for name in wanted if name not in names] == []
    assert list(tmp_path.iterdir()) == [], "the file that was written to measure the disk is gone"


def test_versions_are_those_that_are_installed(tmp_path: Path, places: Places) -> None:
    import numpy
    import rawpy

    findings = found(places, tmp_path)
    assert f"numpy {numpy.__version__}" in findings["packages"].found
    assert findings["LibRaw"].found == ".".join(map(str, rawpy.libraw_version))
    assert "ptpip" in findings["libgphoto2"].found


def test_a_camera_is_told_from_other_devices_of_its_maker(places: Places) -> None:
    (camera,) = usb_cameras(places)
    assert (camera.port, camera.name, camera.product) == ("usb:001,004", "Canon Digital Camera", "3250")


def test_a_camera_that_may_be_opened_is_fine(tmp_path: Path, places: Places) -> None:
    access = found(places, tmp_path)["USB access"]
    assert access.state == "ok"
    assert "usb:001,004" in access.found


def test_a_camera_that_may_not_be_opened_comes_with_the_rule_to_install(tmp_path: Path, places: Places) -> None:
    node = places.usb_nodes / "001" / "004"
    node.chmod(0)
    if os.access(node, os.R_OK):  # root may open everything
        node.unlink()
    access = found(places, tmp_path)["USB access"]
    assert access.state == "broken"
    assert UDEV_RULE in access.remedy
    assert "/etc/udev/rules.d/" in access.remedy


def test_a_device_that_was_named_is_looked_at(tmp_path: Path, places: Places) -> None:
    assert "MG3600" in found(places, tmp_path, "usb:001,005")["USB access"].found
    assert found(places, tmp_path, "usb:002,001")["USB access"].state == "broken"


def test_a_port_that_is_none_of_usb_is_wrong_usage() -> None:
    result = CliRunner().invoke(app, ["doctor", "--camera", "ptpip:192.168.1.9"])
    assert result.exit_code == 2
    assert "usb:001,004" in result.stderr


def test_a_rule_of_udev_is_found_and_a_comment_is_none(tmp_path: Path, places: Places) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "60-none.rules").write_text(f"# {UDEV_RULE}\n")
    assert udev_rules(places) == []
    (rules / "70-camera.rules").write_text(f"{UDEV_RULE}\n")
    assert udev_rules(places) == [rules / "70-camera.rules"]


@contextmanager
def running(program: Path) -> Iterator[int]:
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


@LINUX
@pytest.mark.parametrize(
    ("name", "state", "remedy"),
    [
        ("gvfsd-gphoto2", "broken", "gio mount -s gphoto2"),
        ("gvfs-gphoto2-volume-monitor", "look", "systemctl --user mask --now gvfs-gphoto2-volume-monitor"),
        ("PTPCamera", "broken", "com.apple.PTPCamera"),
    ],
)
def test_a_program_that_takes_cameras_is_named_with_what_stops_it(
    tmp_path: Path, name: str, state: str, remedy: str
) -> None:
    with running(tmp_path / name) as pid:
        deadline = time.monotonic() + 20
        while pid not in {grabber.pid for grabber in grabbers(Places())} and time.monotonic() < deadline:
            time.sleep(0.01)  # the new process still has its parent's name
        others = [finding for finding in examine(Subject(tmp_path, Places())) if finding.name == "other programs"]
    (finding,) = (finding for finding in others if f"(process {pid})" in finding.found)
    assert (finding.state, remedy in finding.remedy) == (state, True)


@LINUX
def test_a_dataset_where_nothing_can_be_written_is_broken() -> None:
    result = CliRunner().invoke(app, ["doctor", "--dataset", "/proc/dataset"])
    assert result.exit_code == 3
    assert "broken writing: /proc" in result.stderr
    assert "give a --dataset where you may write" in result.stderr


def test_a_clock_that_went_back_is_broken(tmp_path: Path, places: Places) -> None:
    assert found(places, tmp_path)["clock"].state == "ok"
    journal = tmp_path / "journal.jsonl"
    journal.touch()
    tomorrow = time.time() + 86_400
    os.utime(journal, (tomorrow, tomorrow))
    assert found(places, tmp_path)["clock"].state == "broken"


@LINUX
def test_compiled_code_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    only_there = "numba.core.caching._UserProvidedCacheLocator"
    code, findings = in_another_process(
        "--dataset", str(tmp_path), NUMBA_CACHE_DIR="/proc/numba", NUMBA_CACHE_LOCATOR_CLASSES=only_there
    )
    assert findings["compiled code"]["state"] == "look"
    assert "NUMBA_CACHE_DIR" in findings["compiled code"]["remedy"]
    assert code == 0


def test_libgphoto2_without_its_connections_is_broken(tmp_path: Path) -> None:
    code, findings = in_another_process("--dataset", str(tmp_path), VCAMERADIR=str(tmp_path))
    assert findings["libgphoto2"]["state"] == "broken"
    assert "ptpip" in findings["libgphoto2"]["found"]
    assert code == 3
