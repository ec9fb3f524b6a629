"""What commands show: words for people on stderr, one JSON document on stdout."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.progress import Progress
    from rich.status import Status
    from rich.table import Table

NOT_USABLE = 3
"""Exit code of a command that did its work and found something that cannot be used."""

console = Console(stderr=True, highlight=False)


def complain(message: str) -> None:
    """One line that says what went wrong and what to do."""
    console.print(f"[bold red]error:[/] {_plain(message)}", soft_wrap=True)


def narrow_table(*columns: str) -> Table:
    """Without lines between columns, and long names broken instead of cut: so that it is whole at 80 columns."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table

    whole = (Column(column, overflow="fold") for column in columns)
    return Table(*whole, box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))


def in_two_lines(interval: str) -> str:
    """``24.93 (23.10 to 26.75)``: the mean, and its interval below it."""
    return interval.replace(" (", "\n").removesuffix(")")


def warn(message: str) -> None:
    """One line the user should know, though nothing failed."""
    console.print(f"[yellow]note:[/] {_plain(message)}", soft_wrap=True)


def ask(question: str) -> str:
    """A person's answer, without white space around it. EOFError where standard input has ended."""
    console.print(_plain(question), end=" ", soft_wrap=True)
    line = sys.stdin.readline()
    if not sys.stdin.isatty():
        console.print(_plain(line.strip()))  # a terminal shows what is typed, a pipe does not
    if not line:
        raise EOFError
    return line.strip()


def progress() -> Progress:
    """A progress bar with time left; nothing where nobody watches."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=_moving(),
        transient=True,
        disable=not is_watched(),
    )


def status(text: str) -> Status:
    """A line that says what is being done, and changes; nothing where nobody watches."""
    return _moving().status(text)


def is_watched() -> bool:
    """Whether a person sees what moves. FORCE_COLOR asks for colours in a file, not for bars and spinners."""
    return console.file.isatty() and not console.is_dumb_terminal


def _moving() -> Console:
    return console if is_watched() else Console(quiet=True)


def print_json(document: BaseModel | dict[str, Any]) -> None:
    """The one JSON document of a command that was asked for ``--json``."""
    content = document if isinstance(document, dict) else document.model_dump(mode="json")
    json.dump(content, sys.stdout, indent=2)
    sys.stdout.write("\n")


def print_failure(kind: str, message: str, exit_code: int) -> None:
    """The one JSON document of a command that was asked for ``--json`` and failed."""
    print_json({"error": {"kind": kind, "message": message}, "exit_code": exit_code})


def _plain(message: str) -> str:
    """Keep rich from reading file names in brackets as markup."""
    return message.replace("[", r"\[")


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Let a terminal that closes, or a machine that shuts down, end a session as Ctrl-C does, the camera put back."""
    ends = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {end: signal.signal(end, _interrupt) for end in ends}
    try:
        yield
    finally:
        for end, handler in before.items():
            signal.signal(end, handler)


def _interrupt(*_: object) -> None:
    for name in ("SIGTERM", "SIGHUP"):  # one is enough, and they come in company
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def without_c_chatter() -> Iterator[None]:
    """Keep libgphoto2 from writing to the terminal: it prints the system's error texts before it reports them.

    C code finds descriptor 2 closed to it; Python's stderr, where it was that one, goes on under another.
    """
    sys.stderr.flush()
    kept, python_stderr = os.dup(2), sys.stderr
    with open(kept, "w", buffering=1) as stream, open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
        if _descriptor(python_stderr) == 2:
            sys.stderr = stream
        try:
            yield
        finally:
            stream.flush()
            sys.stderr = python_stderr
            os.dup2(kept, 2)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # a stream that is no file, in a test or a notebook
        return None
