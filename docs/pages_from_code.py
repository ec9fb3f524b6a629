"""The pages of the documentation that are written by the code itself: commands, records, settings, errors, changes.

mkdocs calls `on_files` before each build, so that they are never older than the code. They are in the built site only.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parent.parent
_EVERYWHERE = ("help", "install_completion", "show_completion")
"""Options that are not worth a row."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those that lie in docs/."""
    from mkdocs.structure.files import File

    pages = {
        "reference/commands.md": commands(),
        "reference/records.md": records(),
        "reference/settings.md": settings(),
        "reference/errors.md": errors(),
        "changes.md": (ROOT / "CHANGELOG.md").read_text().replace("](docs/", "]("),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def commands() -> str:
    """What ``--help`` says of every command."""
    import typer

    from sidcap.cli import app

    sections = [_command(name, command) for name, command in walk(typer.main.get_command(app), "sidcap")]
    return "# Commands\n\nAs `--help` has it.\n\n" + "\n".join(sections)


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command and all below it, with their full names."""
    yield name, command
    for below, child in getattr(command, "commands", {}).items():
        yield from walk(child, f"{name} {below}")


def records() -> str:
    """The records of a dataset's files."""
    from sidcap.data_manifest import schema

    title = (
        "# Records of a dataset\n\n"
        f"Version {schema.SCHEMA_VERSION}. `dataset.json` holds a Dataset, each file in `scenes/` a Scene, "
        "`calibration/calibration.json` a Calibration. `sidcap schema` prints the same as JSON Schema.\n"
    )
    first = (schema.Dataset, schema.Scene, schema.Calibration)
    rest = (kind for kind in vars(schema).values() if inspect.isclass(kind) and issubclass(kind, schema.Record))
    kinds = dict.fromkeys((*first, *(kind for kind in rest if kind is not schema.Record)))
    return "\n".join([title, *(_record(kind) for kind in kinds)])


def settings() -> str:
    """The settings of a training run."""
    from sidcap.model import InputConfig, TrainConfig

    title = (
        "# Settings of a run\n\nEach is an option of `sidcap train`, and a `--set NAME=VALUE` of `sidcap study`; a run "
        "keeps them in its checkpoint and its log. What the presets make of them: [training](../training.md#presets).\n"
    )
    return "\n".join([title, _record(TrainConfig), _record(InputConfig)])


def errors() -> str:
    """Exit codes, and the tree of errors."""
    from sidcap.data_manifest import errors as tree

    kinds = [kind for kind in vars(tree).values() if inspect.isclass(kind) and issubclass(kind, tree.SidcapError)]
    rows = [
        f"| `{kind.__name__}` | {', '.join(f'`{base.__name__}`' for base in kind.__bases__ if base in kinds)} "
        f"| {kind.exit_code} | {_cell(inspect.getdoc(kind) or '')} |"
        for kind in kinds
    ]
    return """# Exit codes and errors

| exit code | |
|--:|---|
| 0 | done |
| 1 | failed; the one line on stderr says what to do |
| 2 | wrong usage: nothing was tried, nothing was written |
| 3 | done, but something is not usable: a pair that is not aligned, a frame that fails its checksum |
| 130 | ended with Ctrl-C; what was done until then is kept |

With `--json` a command prints exactly one JSON document on stdout, also where it fails:

    {"error": {"kind": "CameraNotFoundError", "message": "no camera on USB: ..."}, "exit_code": 1}

`kind` is one of these, or `OSError` where the system itself refuses (no room, no permission). In Python they are in
`sidcap.data_manifest.errors`, all of them a `SidcapError`.

| kind | is a | exit code | |
|---|---|--:|---|
""" + "\n".join(rows)


def _command(name: str, command: Any) -> str:
    import typer

    depth = "#" * (1 + len(name.split()))
    context = typer.Context(command, info_name=name)
    usage = context.get_usage().removeprefix("Usage: ")
    parts = [f"{depth} {name}", f"    {' '.join(usage.split())}", *_prose(command.help or "")]
    shown = [one for one in command.params if not one.hidden and one.name not in _EVERYWHERE]
    rows = [_parameter(one, one.display_type_rich(ctx=context) or "") for one in shown]
    if rows:
        parts.append("\n".join(["| | | default |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _prose(text: str) -> Iterator[str]:
    """A docstring's paragraphs; the lines of examples as code below their headings."""
    for paragraph in inspect.cleandoc(text).replace("\\[", "[").split("\n\n"):
        lines = paragraph.splitlines()
        examples = [line for line in lines if re.match(r"(sidcap|torchrun) |    ", line)]
        words = " ".join(line for line in lines if line not in examples)
        if words:
            yield _escaped(re.sub(r"\[bold\](.*?)\[/\]", r"\1", words))
        if examples:
            yield "\n".join(f"    {line.strip()}" for line in examples)


def _parameter(parameter: Any, kind: str) -> str:
    """A row of the table. ``kind``: what of value it takes, as --help has it."""
    is_option = parameter.opts[0].startswith("-")
    name = " / ".join([*parameter.opts, *parameter.secondary_opts]) if is_option else parameter.name.upper()
    value = f" {kind}" if is_option and kind not in ("", "<bool>") else ""
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    if parameter.required:
        default = "required"
    elif default is None or default is False:
        default = ""
    variable = f" Environment: `{parameter.envvar}`." if parameter.envvar else ""
    shown = f"{name}{value}".replace("|", "\\|")
    return f"| `{shown}` | {_cell(parameter.help or '')}{variable} | {_cell(str(getattr(default, 'value', default)))} |"


def _record(kind: Any) -> str:
    rows = [
        f"| `{name}` | {_cell(_in_words(field.annotation))} | {_default(field)} | {_cell(field.description or '')} |"
        for name, field in kind.model_fields.items()
    ]
    table = ["| field | | default | |", "|---|---|---|---|", *rows] if rows else []
    return "\n\n".join([f"## {kind.__name__}", _escaped(inspect.getdoc(kind) or ""), "\n".join(table)]) + "\n"


def _default(field: Any) -> str:
    """As JSON has it; nothing where a value is needed, or is a record of its own."""
    if field.is_required() or not isinstance(field.default, str | int | float | NoneType | tuple):
        return ""
    return f"`{json.dumps(field.default)}`"


_WORDS = {NoneType: "null", str: "text", int: "whole number", float: "number", bool: "true or false"}


def _in_words(kind: Any) -> str:
    """A type as a reader of JSON sees it."""
    if kind in _WORDS:
        return _WORDS[kind]
    if inspect.isclass(kind):
        return _values(kind) if issubclass(kind, Enum) else kind.__name__.replace("AwareDatetime", "date and time")
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in arguments)
    inner = [_in_words(argument) for argument in arguments if argument is not Ellipsis]
    if origin is tuple:
        return f"list of {inner[0]}" if Ellipsis in arguments else f"[{', '.join(inner)}]"
    if origin is dict:
        return f"{inner[1]} by {inner[0]}"
    if origin is UnionType or origin is Union:
        return " or ".join(inner)
    return inner[0] if origin is Annotated else "any value"


def _values(kind: type[Enum]) -> str:
    return " or ".join(f'"{member.value}"' for member in kind)


def _cell(text: str) -> str:
    """For one cell of a table."""
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    """As it is: no HTML, and reStructuredText's double backquotes as Markdown's single ones."""
    return text.replace("``", "`").replace("<", "&lt;").replace("*", r"\*")
