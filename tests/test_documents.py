"""Every command that README, docs/ and --help show does what it says, or is at least one; and the site builds."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import document_commands
import pytest
import typer
from document_commands import DOCUMENTS, ROOT, TABLE, Shown

from sidcap.cli import app

SHOWN = [*document_commands.in_blocks(), *document_commands.in_help()]


def test_every_command_that_is_shown_has_an_entry() -> None:
    places = {shown.text: shown.place for shown in SHOWN}
    assert [f"{place}: {text}" for text, place in places.items() if text not in TABLE] == [], "add them to a table"
    assert [text for text in TABLE if text not in places] == [], "shown no longer: take them out"


def test_what_make_is_told_it_can_make() -> None:
    told = {
        name for document in DOCUMENTS for name in re.findall(r"(?:^    |`)make ([a-z]+)", document.read_text(), re.M)
    }
    assert told >= {"demo", "test", "docs"}
    subprocess.run(["make", "--dry-run", *sorted(told)], cwd=ROOT, check=True, capture_output=True)


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
