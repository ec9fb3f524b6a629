"""Every command that README, docs/ and --help show does what it says, or is at least one; and the site builds."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import document_commands
import pytest
import tiny_raw
import torch
import typer
from document_commands import ROOT, TABLE, Parse, Run, Shown
from typer.testing import CliRunner, Result

from sidcap.capture.simulated import SimulatedCamera
from sidcap.cli import app

SHOWN = [*document_commands.in_blocks(), *document_commands.in_help()]
BENCHMARKS = sorted({shown.text for shown in SHOWN if shown.text.startswith("python ")})
COMMANDS = sorted({shown.text for shown in SHOWN} - set(BENCHMARKS))
TO_RUN = [text for text in COMMANDS if isinstance(TABLE.get(text), Run)]
TO_PARSE = [text for text in COMMANDS if isinstance(TABLE.get(text), Parse)]
pytestmark = pytest.mark.timeout(600)  # the first test prepares for all
_LINKED = 1_000_000
"""Files larger than this are linked into copies, not copied: nothing writes into a raw file."""


def sidcap(*arguments: str | Path, says: str = "") -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=says)


def done(*arguments: str | Path) -> None:
    result = sidcap(*arguments)
    assert result.exit_code in (0, 3), result.stderr


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


@pytest.fixture(scope="module")
def prepared(_shot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the documents speak of: a dataset, runs, raw files, a card, others' data and weights."""
    folder = tmp_path_factory.mktemp("documents")
    before = Path.cwd(), os.environ["HOME"]
    os.environ["HOME"] = str(folder)  # libgphoto2 keeps settings there
    os.chdir(folder)
    try:
        _prepare(folder, _shot)
    finally:
        os.chdir(before[0])
        os.environ["HOME"] = before[1]
    return folder


def _prepare(folder: Path, shot: Path) -> None:
    for kind in ("long", "short"):
        shutil.copytree(shot / kind, folder / "SID" / "Canon" / kind)
    done("import", "sid", folder / "SID")
    done("verify-alignment", "--dataset", folder / "SID", "--scene", "1")
    shutil.copytree(shot, folder / "dataset")
    for command, exposure in (("shoot-darks", "0.033"), ("shoot-flats", "0.25")):
        done(
            *(command, "--iso", "12800", "--exposures", exposure, "--repeats", "2", "--yes"),
            *("--camera", "simulated", "--sensor", "small", "--time-scale", "40"),
        )
        kind = command.removeprefix("shoot-")
        shutil.copytree(folder / "dataset" / "calibration" / kind, folder / kind)
    done("verify-alignment", "--scene", "1")
    done("verify-alignment", "--scene", "10001")
    for number in (3, 7, 12, 17):
        _same_scene_again(folder / "dataset", number)
    (folder / "card").mkdir()
    short = folder / "dataset" / "short" / "10001_00_0.1s.CR2"
    for file in ("IMG_0001.CR2", "card/IMG_0001.CR2"):
        os.link(short, folder / file)
    done("export", "bagit", folder / "archive" / "2026-01-night")
    tiny = ("--epochs", "1", "--patch", "16", "--depth", "-2", "--sample-every", "1", "--device", "cpu")
    done("train", *tiny)
    done("train", "--preset", "best", *tiny, "--out", "best")
    _weights_of_others(folder)


def _same_scene_again(dataset: Path, number: int) -> None:
    """Scene 1 once more, under another number."""
    record = (dataset / "scenes" / "00001.json").read_text().replace("00001_", f"{number:05d}_")
    (dataset / "scenes" / f"{number:05d}.json").write_text(json.dumps(json.loads(record) | {"id": number}))
    for file in [*(dataset / "long").glob("00001_*"), *(dataset / "short").glob("00001_*")]:
        os.link(file, file.with_name(file.name.replace("00001_", f"{number:05d}_")))


def _weights_of_others(folder: Path) -> None:
    from sidcap.model import load_network

    with tarfile.open(ROOT / "tests" / "data" / "tensorflow" / "depth-2.tar.xz") as archive:
        archive.extractall(folder / "checkpoint" / "Sony", filter="data")
    torch.save(load_network(folder / "run").state_dict(), folder / "model.pth")


@pytest.fixture
def workplace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the prepared folder, which is also the home, and the current folder."""

    def copy(source: str, target: str) -> str:
        link: Callable[[str, str], Any] = os.link if Path(source).stat().st_size > _LINKED else shutil.copy2
        link(source, target)
        return target

    folder = tmp_path / "work"
    shutil.copytree(prepared, folder, copy_function=copy)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SIDCAP_DATASET", raising=False)
    return folder


def test_every_command_that_is_shown_has_an_entry() -> None:
    places = {shown.text: shown.place for shown in SHOWN}
    assert [f"{places[text]}: {text}" for text in COMMANDS if text not in TABLE] == [], "add them to the table"
    assert [text for text in TABLE if text not in places] == [], "shown no longer: take them out of the table"


@pytest.mark.parametrize("text", TO_RUN)
def test_a_command_that_is_shown_runs(workplace: Path, text: str) -> None:
    how = TABLE[text]
    assert isinstance(how, Run)
    if how.without:
        shutil.rmtree(workplace / how.without)
    words = text.split(" > ")[0]
    with SimulatedCamera(size="small", time_scale=40) as camera:
        places = {
            "/data/SID": str(workplace / "SID"),
            "/data/": f"{workplace}/data/",
            "/archive/": f"{workplace}/archive/",
            "/media/EOS_DIGITAL/DCIM": str(workplace / "card"),
            "~/": f"{workplace}/",
            "usb:001,004": camera.port_string,
            "ptpip:192.168.1.9": camera.port_string,
            "ptpip:127.0.0.1:15740:15740": camera.port_string,
        }
        for shown, here in places.items():
            words = words.replace(shown, here)
        result = sidcap(*shlex.split(words)[1:], *shlex.split(how.more), says=how.says)
    assert result.exit_code == how.exit_code, result.stderr
    if "--json" in words or ">" in text:
        assert json.loads(result.stdout)


@pytest.mark.parametrize("text", TO_PARSE)
def test_a_command_that_is_not_run_is_one_that_could_be(text: str) -> None:
    words = shlex.split(text)
    if words[0] == "torchrun":
        from torch.distributed.run import get_args_parser

        launched = get_args_parser().parse_args(words[1:])
        assert launched.training_script == "sidcap.cli"
        words = ["sidcap", *launched.training_script_args]
    if words[1].startswith("--"):
        assert words[1] in _options_of(typer.main.get_command(app))
        return
    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="sidcap")
    name, command, rest = command.resolve_command(context, words[1:])
    command.make_context(name, rest, parent=context)  # raises where an option is unknown or a value cannot be


@pytest.mark.parametrize("text", BENCHMARKS)
def test_a_benchmark_that_is_shown_exists_with_its_options(text: str) -> None:
    file, *words = shlex.split(text)[1:]
    tree = ast.parse((ROOT / file).read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert [word for word in words if word.startswith("--") and word not in texts] == []


def _options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("shown", [*document_commands.in_sentences()], ids=lambda shown: f"{shown.place}-{shown.text}")
def test_a_command_within_a_sentence_exists_with_its_options(shown: Shown) -> None:
    words = shown.text.split()[1:]
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    if words == ["PATH"] and command.name == "import":  # short for `sidcap import export PATH`
        command = command.commands["export"]
    assert not hasattr(command, "commands") or all(word.startswith("--") for word in words), "no such command"
    options = re.findall(r"(?<!\S)--[a-z-]+", " ".join(words))
    assert [option for option in options if option not in _options_of(command) | {"--help"}] == []


def test_every_variable_of_the_environment_is_in_its_page() -> None:
    code = [path.read_text() for wing in ("capture", "cli", "curate", "data_manifest", "model") for path in
            (ROOT / wing).rglob("*.py")]  # fmt: skip
    known = {name for text in code for name in re.findall(r"\bSIDCAP_[A-Z]+\b", text)}
    page = (ROOT / "docs" / "environment.md").read_text()
    assert [name for name in sorted(known) if f"`{name}`" not in page] == []


# The site.


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does, in which a warning is an error: a broken link or anchor, a page that no menu has."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder)))
    return folder


def test_the_site_has_every_command_record_setting_and_error(site: Path) -> None:
    from sidcap.data_manifest import errors, schema

    commands = (site / "reference" / "commands.html").read_text()
    assert [name for name, _ in document_commands.commands() if f">{name}<" not in commands] == []
    records = (site / "reference" / "records.html").read_text()
    assert [name for name in schema.Frame.model_fields if f"<code>{name}</code>" not in records] == []
    kinds = (site / "reference" / "errors.html").read_text()
    assert [name for name in vars(errors) if name.endswith("Error") and f"<code>{name}</code>" not in kinds] == []
    assert "drop_lr_at" in (site / "reference" / "settings.html").read_text()


def test_the_site_fetches_nothing(site: Path) -> None:
    fetched = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//")
    assert [page.name for page in site.rglob("*.html") if fetched.search(page.read_text())] == []
    imported = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//")
    assert [sheet.name for sheet in site.rglob("*.css") if imported.search(sheet.read_text())] == []
