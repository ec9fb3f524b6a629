"""``sidcap decide``."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from sidcap.cli.completion import pairs as pairs_there
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import console, print_json
from sidcap.data_manifest.errors import UsageError


def decide(
    pairs: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENE|FRAME",
            help="Number of a scene, for all its pairs, or name of a short.",
            autocompletion=pairs_there,
        ),
    ],
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, for whoever looks at the data later.")],
    accept: Annotated[bool, typer.Option("--accept", help="Use the pair, whatever the verdict.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Do not use the pair, whatever the verdict.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Let the verdict decide again.")] = False,
    by: Annotated[str | None, typer.Option(metavar="NAME", show_default="you", help="Who decided.")] = None,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Decide yourself whether pairs are used.

    It weighs more than any verdict, and stays when they are verified again.
    All decisions are kept in the scene files: who, when and why.

    [bold]One pair[/], by the name of its short
    sidcap decide 00012_00_0.1s --accept --why "only the curtain moved"

    [bold]All pairs of a scene[/]
    sidcap decide 17 --reject --why "a cat"

    [bold]Let the verdict decide again[/]
    sidcap decide 17 --withdraw --why "wrong scene"
    """
    from sidcap.curate import decide as append_decision
    from sidcap.data_manifest.schema import Decision
    from sidcap.data_manifest.store import Store

    if not _one_line(why):
        raise UsageError("--why is empty: say in a few words why")
    decision = Decision(
        choice=_choice(accept=accept, reject=reject, withdraw=withdraw),
        by=_one_line(by or "") or getpass.getuser(),
        decided_utc=datetime.now(UTC),
        why=_one_line(why),
    )
    decided = append_decision(Store.open(dataset), pairs, decision)
    for pair in decided:
        console.print(f"{pair.frame}: {pair.standing_in_words}", soft_wrap=True, markup=False)
    if json:
        print_json({"pairs": [pair.model_dump(mode="json") for pair in decided]})


def _one_line(text: str) -> str:
    """Without line breaks and what a terminal would take for commands."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _choice(*, accept: bool, reject: bool, withdraw: bool) -> Literal["accepted", "rejected", "withdrawn"]:
    match accept, reject, withdraw:
        case True, False, False:
            return "accepted"
        case False, True, False:
            return "rejected"
        case False, False, True:
            return "withdrawn"
        case _:
            raise UsageError("give one of --accept, --reject and --withdraw")
