"""The benchmarks that the documents show: run at their smallest, or at least there with their options."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import tiny_raw
from document_commands import BENCHMARKS, ROOT, Read, Run

DATA = ROOT / "tests" / "data" / "tensorflow"


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what benchmarks are given: a dataset, and what TensorFlow wrote."""
    monkeypatch.chdir(tmp_path)
    tiny_raw.make_dataset(tmp_path / "DATASET", size=(100, 140))
    with tarfile.open(DATA / "depth-2.tar.xz") as archive:
        archive.extractall(tmp_path / "FOLDER", filter="data")
    for written, name in (("depth-2.json", "tensors.json"), ("depth-2.npz", "expected.npz")):
        (tmp_path / "FOLDER" / name).write_bytes((DATA / written).read_bytes())


@pytest.mark.usefixtures("_folder")
@pytest.mark.parametrize("text", [text for text, how in BENCHMARKS.items() if isinstance(how, Run)])
def test_a_benchmark_that_is_shown_runs(text: str) -> None:
    if "outcomes.json" in text and "--json" not in text:
        _run(next(shown for shown in BENCHMARKS if "--json outcomes.json" in shown))
    _run(text)


def _run(text: str) -> None:
    how = BENCHMARKS[text]
    assert isinstance(how, Run)
    script, *words = shlex.split(f"{text} {how.more}")[1:]
    done = subprocess.run([sys.executable, ROOT / script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout or "plot" in script


@pytest.mark.parametrize("text", [text for text, how in BENCHMARKS.items() if isinstance(how, Read)])
def test_a_benchmark_that_is_not_run_has_the_options_that_are_shown(text: str) -> None:
    script, *words = shlex.split(text)[1:]
    tree = ast.parse((ROOT / script).read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert [word for word in words if word.startswith("--") and word not in texts] == []
