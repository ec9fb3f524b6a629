"""What ``sidcap evaluate`` shows on a narrow terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tiny_raw
from typer.testing import CliRunner

from sidcap.cli import app
from sidcap.cli.screen import console
from sidcap.model import TrainConfig, train


@pytest.mark.parametrize("count", [2, 3])
def test_tables_are_whole_at_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "width", 80)
    runs = ["original", "best", "depth+1"][:count]
    with tiny_raw.one_thread():
        store = tiny_raw.make_dataset(Path("dataset"), (1, 10001, 10002, 10003, 10004))
        for seed, run in enumerate(runs):
            config = TrainConfig.of_preset("best", epochs=1, patch=16, depth=-2, device="cpu", seed=seed)
            train(store, config, Path(run))
        result = CliRunner().invoke(app, ["evaluate", *runs, "--device", "cpu"])
    assert result.exit_code == 0, result.stderr
    tables = result.stderr[: result.stderr.index("all scores:")]
    assert "…" not in tables
    lines = [line for line in tables.splitlines() if not line.startswith("note:")]  # which the terminal wraps
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if re.search(r" to$|\($", line)] == [], "no interval is broken"
    for run in runs:
        number = r" +-?[0-9.]+"
        assert (
            len(re.findall(rf"^{re.escape(run)}{4 * number}\n{number} to{number}{number} to{number} *$", tables, re.M))
            >= 3
        )
    evaluation = Path("original/evaluation") / f"test-beside-{'-'.join(runs[1:])}"
    for name in (f"{evaluation}.csv", f"{evaluation}.json", str(evaluation / "crops.png")):
        assert name in result.stderr.replace("\n", "")
        assert Path(name).is_file()
