"""What tests of `sidcap verify-alignment` have in common."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from typer.testing import CliRunner, Result

from sidcap.cli import app
from sidcap.curate import Verified
from sidcap.data_manifest.schema import Alignment, Pair, Scene


def run(*arguments: str | Path) -> Result:
    """A command, as a person types it."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error_line(result: Result) -> str:
    """The one line that names an error."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def alignment(pair: Pair | None) -> Alignment:
    """Of a pair that was verified."""
    assert pair is not None
    assert pair.alignment is not None
    return pair.alignment


def when_measured(scene: Scene) -> list[datetime]:
    """Pair by pair."""
    return [alignment(pair).measured_utc for pair in scene.all_pairs]


def counts(done: Verified) -> tuple[int, int, int]:
    """Registered, current, failed."""
    return done.registered, done.current, done.failed
