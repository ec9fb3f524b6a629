"""The three lists of the See-in-the-Dark dataset itself, through the command line: what goes in comes out again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sidcap.cli import app

LISTS = Path(__file__).parent / "data" / "sid"
ROWS_AND_SCENES = {"train": (1865, 161), "val": (234, 20), "test": (598, 50)}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sid")
    for split in ROWS_AND_SCENES:
        shutil.copy(LISTS / f"Sony_{split}_list.txt", folder)
    result = run("import", "sid", folder, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["pairs"], report["scenes"]) == tuple(map(sum, zip(*ROWS_AND_SCENES.values(), strict=True)))
    return folder


@pytest.mark.parametrize("split", ROWS_AND_SCENES)
def test_a_real_list_is_exported_byte_for_byte(split: str, imported: Path, tmp_path: Path) -> None:
    out = tmp_path / "list.txt"
    assert run("export", "sid-list", "--split", split, "-o", out, "--dataset", imported).exit_code == 0
    assert out.read_bytes() == (LISTS / f"Sony_{split}_list.txt").read_bytes()
    rows, scenes = ROWS_AND_SCENES[split]
    lines = run("export", "sid-list", "--split", split, "--dataset", imported).stdout.splitlines()
    assert len(lines) == rows
    assert len({Path(line.split()[0]).name[:5] for line in lines}) == scenes


def test_a_second_import_of_the_real_lists_changes_nothing(imported: Path) -> None:
    before = {path: path.read_bytes() for path in imported.rglob("*.json")}
    assert run("import", "sid", imported).exit_code == 0
    assert {path: path.read_bytes() for path in imported.rglob("*.json")} == before
