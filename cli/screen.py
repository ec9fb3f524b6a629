"""What commands show: words for people on stderr, one JSON document on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import BaseModel
from rich.console import Console

NOT_USABLE = 3
"""Exit code of a command that did its work and found something that cannot be used."""

console = Console(stderr=True, highlight=False)


def complain(message: str) -> None:
    """One line that says what went wrong and what to do."""
    console.print(f"[bold red]error:[/] {_plain(message)}", soft_wrap=True)


def warn(message: str) -> None:
    """One line the user should know, though nothing failed."""
    console.print(f"[yellow]note:[/] {_plain(message)}", soft_wrap=True)


def print_json(document: BaseModel | dict[str, Any]) -> None:
    """The one JSON document of a command that was asked for ``--json``."""
    content = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    json.dump(content, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _plain(message: str) -> str:
    """Keep rich from reading file names in brackets as markup."""
    return message.replace("[", r"\[")
