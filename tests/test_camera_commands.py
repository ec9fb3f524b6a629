"""``sidcap camera``, and libgphoto2's own virtual Nikon: a USB camera made of software, which offers JPEG only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sidcap.cli import app

pytest.importorskip("gphoto2", reason="python-gphoto2 is not installed")

VIRTUAL_NIKON = {"model": "Nikon DSC D750", "port": "usb:001,001"}


def sidcap(*arguments: str, folder: Path, virtual: bool) -> subprocess.CompletedProcess[str]:
    """A process of its own: whether python-gphoto2 looks at its virtual USB or the real one is settled at import."""
    (folder / "virtual").mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(folder), "COLUMNS": "80"}
    environment.pop("VCAMERADIR", None)
    if virtual:
        environment["VCAMERADIR"] = str(folder / "virtual")
    command = [sys.executable, "-m", "sidcap.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_the_virtual_nikon_is_listed(tmp_path: Path) -> None:
    done = sidcap("camera", "list", "--json", folder=tmp_path, virtual=True)
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"cameras": [VIRTUAL_NIKON]}
    assert done.stderr.splitlines() == ["usb:001,001  Nikon DSC D750"]


@pytest.mark.parametrize("chosen", [(), ("--camera", "usb:001,001")])
def test_the_virtual_nikon_shows_its_status_and_what_it_lacks(tmp_path: Path, chosen: tuple[str, ...]) -> None:
    done = sidcap("camera", "status", "--json", *chosen, folder=tmp_path, virtual=True)
    assert done.returncode == 3
    shown = json.loads(done.stdout)
    assert (shown["driver"], shown["port"]) == (VIRTUAL_NIKON["model"], VIRTUAL_NIKON["port"])
    assert shown["battery_percent"] == 50
    assert [check["name"] for check in shown["checks"] if check["state"] == "problem"] == ["raw", "ISO"]
    assert abs(shown["clock_offset_s"]) < 5
    assert "a bracket needs a camera that writes raw files" in done.stderr
    assert max(map(len, done.stderr.splitlines())) <= 80


def test_a_bracket_on_a_camera_without_raw_is_refused_in_one_line(tmp_path: Path) -> None:
    done = sidcap("shoot", "--iso", "800", folder=tmp_path, virtual=True)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line] == [
        "error: VC offers no raw files: a bracket needs a camera that writes raw files"
    ]
    assert not (tmp_path / "dataset").exists()


def test_a_port_without_a_camera_is_refused_in_one_line(tmp_path: Path) -> None:
    done = sidcap("camera", "status", "--camera", "usb:009,009", folder=tmp_path, virtual=True)
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if line)
    assert line.startswith("error: there is no camera at 'usb:009,009'")


def test_the_simulated_camera_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["camera", "status", "--camera", "simulated", "--json"])
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert shown["model"] == "Canon EOS 6D"
    assert shown["simulated"] is True
    assert shown["settings"]["ISO"] == "100"
    assert {check["name"]: check["state"] for check in shown["checks"]} == {
        "raw": "ok", "ISO": "ok", "shutter": "ok", "mode dial": "ok", "focus": "ok", "drive mode": "ok",
        "auto power-off": "warning", "high-ISO noise reduction": "ok", "mirror": "ok", "battery": "ok", "card": "ok",
        "clock": "ok",
    }  # fmt: skip
    assert "(simulated)" in result.stderr
    assert "ready for a bracket" in result.stderr


@pytest.mark.parametrize("command", [("camera",), ("camera", "list"), ("camera", "status")])
def test_the_commands_explain_themselves(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
