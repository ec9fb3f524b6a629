"""TAB: what the shell is offered, by the shell itself where it is there, and what is not imported for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sidcap.cli.completion import isos

SIDCAP = [sys.executable, "-m", "sidcap.cli"]
HEAVY = ("numpy", "torch", "cv2", "numba", "gphoto2", "rawpy")  # pydantic is typer's own


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two datasets with scenes and shorts, two runs, and a folder that is neither."""
    for dataset, scenes in (("dataset", (1, 17, 10001)), ("other", (2,))):
        for name in ("scenes", "short"):
            (tmp_path / dataset / name).mkdir(parents=True)
        (tmp_path / dataset / "dataset.json").touch()
        for scene in scenes:
            (tmp_path / dataset / "scenes" / f"{scene:05d}.json").touch()
            (tmp_path / dataset / "short" / f"{scene:05d}_00_0.1s.CR2").touch()
    for run in ("best", "study/depth-2"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "checkpoint.safetensors").touch()
    (tmp_path / "bench").mkdir()
    return tmp_path


def offered(folder: Path, line: str, shell: str = "bash", **environment: str) -> list[str]:
    """What the program offers for the last word of a line."""
    words = line.split(" ")
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    # typer names the variable after the program: sidcap
    code = "import sys; sys.argv[0] = 'sidcap'; from sidcap.cli import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | asked | environment | {"_SIDCAP_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sidcap verify", ["verify-alignment"]),
        ("sidcap shoot --split ", ["train", "test", "val", "ask"]),
        ("sidcap shoot --iso 12", ["125", "1250", "12800"]),
        ("sidcap shoot-darks --iso 12800,20", ["12800,200", "12800,2000", "12800,20000"]),
        ("sidcap verify-alignment --scene 1", ["1", "17", "10001"]),
        ("sidcap verify-alignment --dataset other --scene ", ["2"]),
        ("sidcap decide 1000", ["10001", "10001_00_0.1s"]),
        ("sidcap decide 10001_", ["10001_00_0.1s"]),
        ("sidcap evaluate ", ["best", "study/depth-2"]),
        ("sidcap evaluate be", ["best"]),
        ("sidcap evaluate study/", ["study/depth-2"]),
        ("sidcap validate --dataset ", ["dataset", "other"]),
        ("sidcap export sid-list --verdict a", ["aligned"]),
        ("sidcap camera ", ["list", "status"]),
    ],
)
def test_what_is_offered(folder: Path, line: str, words: list[str]) -> None:
    assert offered(folder, line) == words


def test_the_dataset_of_the_environment_counts(folder: Path) -> None:
    assert offered(folder, "sidcap verify-alignment --scene ", SIDCAP_DATASET="other") == ["2"]


def test_nothing_is_offered_where_there_is_no_dataset(tmp_path: Path) -> None:
    assert offered(tmp_path, "sidcap decide ") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_offered_the_same(folder: Path, shell: str) -> None:
    assert "12800" in " ".join(offered(folder, "sidcap shoot --iso 128", shell))


def test_a_list_of_isos_is_completed_at_its_end() -> None:
    assert isos("200,1280") == ["200,12800"]
    assert isos("nonsense") == []


@pytest.mark.parametrize("line", ["sidcap verify-alignment --scene 1", "sidcap decide ", "sidcap evaluate ", "sidcap "])
def test_nothing_heavy_is_imported_for_it(folder: Path, line: str) -> None:
    code = (
        "import sys; sys.argv[0] = 'sidcap'\nfrom sidcap.cli import app\n"
        "try:\n    app()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_SIDCAP_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout
    assert [name for name in HEAVY if name in done.stderr.split()] == []


@pytest.mark.parametrize(
    ("shell", "words"), [("bash", "complete -o default -F"), ("zsh", "#compdef sidcap"), ("fish", "complete --command")]
)
def test_the_script_is_shown_for_each_shell(shell: str, words: str) -> None:
    code = f"import sys; sys.argv = ['sidcap', '--show-completion', '{shell}']; from sidcap.cli import app; app()"
    environment = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert words in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_itself_completes_after_installation(folder: Path) -> None:
    """In a home of its own: installed, sourced as a new terminal does, and asked through bash's own variables."""
    home, programs = folder / "home", folder / "bin"
    home.mkdir()
    programs.mkdir()
    (programs / "sidcap").write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'sidcap'\nfrom sidcap.cli import app\napp()\n"
    )
    (programs / "sidcap").chmod(0o755)
    environment = os.environ | {
        "HOME": str(home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    installed = subprocess.run(
        [programs / "sidcap", "--install-completion", "bash"], env=environment, capture_output=True, check=False
    )
    assert installed.returncode == 0
    ask = (
        f'source "{home}/.bashrc"; COMP_WORDS=(sidcap decide 10001_); COMP_CWORD=2; '
        '"$(complete -p sidcap | sed -E "s/.*-F ([^ ]+).*/\\1/")" sidcap; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", ask], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["10001_00_0.1s"], done.stderr
