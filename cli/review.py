"""``sidcap review``."""

from __future__ import annotations

import getpass
import threading
import webbrowser
from functools import partial
from typing import Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption
from sidcap.cli.renumbering import note_renumbering
from sidcap.cli.screen import console
from sidcap.data_manifest.errors import UsageError


def review(
    port: Annotated[int, typer.Option(min=0, max=65535, show_default="a free one", help="Port on 127.0.0.1.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page, or only print its address.")
    ] = True,
    who: Annotated[str | None, typer.Option(metavar="NAME", show_default="you", help="Who decides.")] = None,
    dataset: DatasetOption = DEFAULT_DATASET,
) -> None:
    """Look at every pair in the browser, and decide by keyboard.

    The page is for this machine only, and only for who knows the address: it
    carries a random token. What is decided, starred, noted and tagged is in the
    scene files at once, with who, when and why. A scene can be put into another
    split, too. Ctrl-C ends it.

    [bold]In this machine's browser[/]
    sidcap review

    [bold]Under a name, at an address that stays[/]
    sidcap review --who anna --port 8765 --no-browser
    """
    name = getpass.getuser() if who is None else " ".join(who.split())
    if not name or not name.isprintable():
        raise UsageError("--who is empty: say who decides")

    from sidcap.curate.review import application
    from sidcap.curate.workers import cores, processes
    from sidcap.data_manifest.pages.serving import serve
    from sidcap.data_manifest.store import Store

    def ready(address: str) -> None:
        console.print(f"open {address}", soft_wrap=True, markup=False)
        console.print("decisions are written at once; Ctrl-C ends this")
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # text browsers block

    store = Store.open(dataset)
    with processes(min(cores(), 4)) as workers:
        app = application(store, name, workers, partial(note_renumbering, store, by=name))
        serve(app, port=port, on_ready=ready)
