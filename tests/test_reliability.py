"""A short version of the fault campaign and of the long evening: the whole ones are in bench/."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCH / script), *arguments], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize("only", ["faults:5", "faults:30", "faults:60", "kills:1", "kills:2", "disks:0"])
def test_whatever_fails_no_frame_is_lost_and_the_bracket_completes(only: str) -> None:
    result = run("fault_campaign.py", "--only", only, "--jobs", "1")
    assert result.returncode == 0, result.stderr
    assert "| all |" in result.stdout


def test_memory_stays_flat_over_an_evening() -> None:
    result = run("long_session.py", "--frames", "30")
    frames = re.match(r"(\d+) frames", result.stdout)
    assert frames, result.stderr
    assert int(frames[1]) >= 30  # more, where a busy machine made a frame unusable and its bracket was shot again
    assert "memory grew" not in result.stdout
