"""``sidcap export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption
from sidcap.cli.screen import console
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.words import Split, Verdict

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def main() -> None:
    """Write a dataset's manifest in the words of other programs.

    [bold]As See-in-the-Dark's lists[/]
    sidcap export sid-list --split train -o Sony_train_list.txt
    """


@app.command("sid-list")
def sid_list(
    split: Annotated[Split | None, typer.Option(show_default="all", help="Only the scenes of one split.")] = None,
    verdict: Annotated[
        Verdict | None,
        typer.Option(
            show_default="all",
            help="Only pairs with this verdict. What a person decided outweighs it: accepted pairs count as aligned, "
            "rejected ones are left out.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", show_default="stdout", help="Where to write it.")
    ] = None,
    dataset: DatasetOption = DEFAULT_DATASET,
) -> None:
    """List the pairs as See-in-the-Dark does: short, long, ISO and f-number, one pair a line.

    What `sidcap import sid` read from a list is written again as it stood there, byte for byte.

    sidcap export sid-list --split train -o Sony_train_list.txt
    """
    from sidcap.data_manifest.exporters.sid_list import sid_list as listed
    from sidcap.data_manifest.store import Store, write_atomic

    store = Store.open(dataset)
    rows = listed(store.scenes(split), verdict)
    if not rows:
        kind = " ".join(word for word in (verdict, "pair", f"in split {split}" if split else "") if word)
        raise UsageError(f"{dataset} has no {kind}: nothing was written")
    if out is None:
        sys.stdout.write(rows)
        return
    write_atomic(out, rows.encode())
    console.print(f"{rows.count(chr(10))} pairs in {out}", soft_wrap=True)
