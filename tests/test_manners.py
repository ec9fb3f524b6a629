"""The manners of the command line: help with examples, colours, tables at 80 columns, failures as JSON."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from sidcap.cli import app
from sidcap.cli.calibrate import show_sensors
from sidcap.cli.screen import console
from sidcap.cli.verify_alignment import show_verdicts
from sidcap.curate.verdict import SYSTEMATIC_PX
from sidcap.data_manifest import errors
from sidcap.data_manifest.schema import CameraBody, Measured, SensorRecord
from sidcap.data_manifest.store import Store

GROUPS = ("Shoot", "Curate", "Train", "Share", "Find your way")


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)


def commands(command: Any = None, name: str = "") -> Iterator[str]:
    """Every command, with the groups, as they are typed."""
    command = command or typer.main.get_command(app)
    yield name
    for below, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{name} {below}".strip())


def in_a_pipe(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, its output read by another."""
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return subprocess.run(
        [sys.executable, "-m", "sidcap.cli", *arguments],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", list(commands()))
def test_the_help_of_every_command_has_examples_that_can_be_copied(name: str) -> None:
    shown = run(*name.split(), "--help", TERMINAL_WIDTH="80", COLUMNS="80").stdout
    examples = [line for line in shown.splitlines() if re.match(r" (sidcap|torchrun) ", line)]
    assert 1 <= len(examples) <= 5, shown
    command: Any = typer.main.get_command(app)
    for part in name.split():
        command = command.commands[part]
    written = [line for line in inspect.cleandoc(command.help).splitlines() if re.match(r"(sidcap|torchrun) ", line)]
    assert [line.strip() for line in examples] == written, "a line that wraps cannot be copied"


def test_the_overview_has_its_commands_in_groups() -> None:
    titles = re.findall(r"╭─ (.*?) ─", run("--help").stdout)
    assert [any(title.startswith(group) for title in titles) for group in GROUPS] == [True] * len(GROUPS)
    assert "Commands" not in titles, "a command without a group"


# Failures.


@pytest.mark.parametrize(
    ("arguments", "kind", "exit_code"),
    [
        (("validate", "--dataset", "nowhere"), "UsageError", 2),
        (("validate", "--no-such-option"), "UsageError", 2),
        (("no-such-command",), "UsageError", 2),
        (("camera", "status", "--camera", "ptpip:127.0.0.1:1"), "CameraNotFoundError", 1),
        (("decide", "1", "--accept", "--reject", "--why", "x", "--dataset", "nowhere"), "UsageError", 2),
        (("enhance", "no.CR2", "no-run", "--ratio", "100", "-o", "x.png"), "UsageError", 2),
    ],
)
def test_a_failure_is_one_json_document_where_json_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], kind: str, exit_code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, "--json")
    document = json.loads(result.stdout)
    assert (document["error"]["kind"], document["exit_code"], result.exit_code) == (kind, exit_code, exit_code)
    assert result.stderr.strip().endswith(document["error"]["message"])
    assert kind == "OSError" or issubclass(getattr(errors, kind), errors.SidcapError)
    assert run(*arguments).stdout == "", "without --json stdout stays empty"


def test_a_disk_that_refuses_is_json_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("import", "sid", tmp_path / "file" / "below", "--json")
    assert json.loads(result.stdout)["exit_code"] == result.exit_code != 0


def test_what_is_done_but_not_usable_keeps_its_own_document(dataset: Path) -> None:
    next((dataset / "short").glob("00001_*")).unlink()
    result = run("validate", "--dataset", dataset, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["findings"]


# Colours, and what moves.


def test_a_pipe_gets_neither_colours_nor_what_moves(dataset: Path) -> None:
    done = in_a_pipe("validate", "--dataset", str(dataset))
    assert done.returncode == 0
    assert "\x1b" not in done.stderr + done.stdout
    assert "\r" not in done.stderr


def test_forced_colours_bring_no_bars(dataset: Path) -> None:
    done = in_a_pipe("validate", "--dataset", str(dataset / "nowhere"), FORCE_COLOR="1")
    assert "\x1b[1;31merror:" in done.stderr
    sound = in_a_pipe("validate", "--dataset", str(dataset), FORCE_COLOR="1")
    assert re.findall(r"\x1b\[[\d;?]*[A-Zhl]|\r", sound.stderr.replace("\x1b[0m", "")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_has_colours_unless_they_are_not_wanted(tmp_path: Path, no_color: str, *, coloured: bool) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-m", "sidcap.cli", "validate", "--dataset", str(tmp_path / "nowhere")]
    terminal = {"NO_COLOR": no_color, "TERM": "xterm-256color"}
    subprocess.run(command, env=environment | terminal, stdout=theirs, stderr=theirs, check=False)
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "error:" in said
    assert ("\x1b[1;31m" in said) == coloured


# Tables on a narrow terminal.


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", 80)


def measured(value: float, sigma: float) -> Measured:
    return Measured(value=value, sigma=sigma)


@pytest.mark.usefixtures("narrow")
def test_the_table_of_calibrate_is_whole_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    record = SensorRecord(
        camera=CameraBody(model="Canon EOS 6D", serial="000000006001"),
        iso=12800,
        measured_utc=datetime(2026, 1, 1, tzinfo=UTC),
        method="made up for this test",
        frames=(),
        gain_e_per_dn=measured(0.0465231, 0.0000213),
        gain_source="photon transfer",
        read_noise_e=measured(13.91412, 0.00223),
        black_dn=(measured(2047.8815, 0.001),) * 4,
        dark_current_e_per_s=measured(0.05671, 0.00032),
        glow_e_per_s=measured(0.28432, 0.00321),
        hot_pixels=123456,
    )
    show_sensors([record])
    shown = capsys.readouterr().err
    for words in ("12800", "0.04652", "±0.00002", "13.914", "±0.002", "2047.88", "0.0567", "±0.0003", "123456"):
        assert words in shown
    assert "…" not in shown
    assert max(len(line) for line in shown.splitlines()[:7]) <= 80


@pytest.mark.usefixtures("narrow")
def test_the_table_of_verify_alignment_is_whole_at_80_columns(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify-alignment", "--scene", "1", "--dataset", dataset, "--tolerance", "0.03").exit_code == 3
    scene = Store.open(dataset).scene(1)
    capsys.readouterr()
    show_verdicts([scene])
    table = [line for line in capsys.readouterr().err.splitlines() if line.startswith(" ")]
    for pair in scene.all_pairs:
        assert pair.alignment is not None
        (row,) = [line for line in table if f" {Path(pair.frame).stem} " in line]
        assert row.rstrip().endswith(pair.standing)
        sigma_px = ((pair.alignment.sigma_px or 0) ** 2 + SYSTEMATIC_PX**2) ** 0.5
        assert f" {sigma_px:.3f} " in row, "the uncertainty that the verdict reckons with"
    assert "…" not in "".join(table)
    assert max(len(line) for line in table) <= 80
