"""The command line as a whole: which commands there are, and how errors reach a person.

Every command imports what it needs only when it runs: ``sidcap shoot --help`` must not wait for torch.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sidcap.cli import (
    calibrate,
    camera,
    decide,
    demo,
    doctor,
    enhance,
    evaluate,
    export,
    export_model,
    import_,
    import_weights,
    live,
    recover,
    report,
    review,
    schema,
    shoot,
    shoot_darks,
    shoot_flats,
    simulate_camera,
    split,
    study,
    train,
    validate,
    verify_alignment,
)
from sidcap.cli.screen import complain, print_failure
from sidcap.data_manifest.errors import SidcapError, StoppedError, UsageError

_WrongUsage: Any = typer.BadParameter.__base__
"""What typer raises for an option it does not know or a value it cannot read; it has no public name."""
_JSON_ASKED = "sidcap.json"


class _Commands(TyperGroup):
    """Turns every foreseen error into one line and its exit code, and into a JSON document where one was asked for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[_JSON_ASKED] = "--json" in args  # before anything can be wrong with them
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise typer.Exit(1) from None  # whoever read the output, `head` for one, has seen enough
        except (SidcapError, _WrongUsage, KeyboardInterrupt, OSError) as error:
            kind, message, exit_code = _failure(error)
            complain(message)
            if ctx.meta[_JSON_ASKED]:
                print_failure(kind, message, exit_code)
            raise typer.Exit(exit_code) from error


def _failure(error: BaseException) -> tuple[str, str, int]:
    """The name of a foreseen error, its one line, and its exit code. What is not foreseen is raised again."""
    match error:
        case SidcapError():
            return type(error).__name__, str(error), error.exit_code
        case KeyboardInterrupt():
            kept = "what was written until then stays, and `sidcap validate` tells what is incomplete"
            return _failure(StoppedError(f"interrupted; {kept}"))
        case OSError(strerror=str() as reason):  # disk full, no permission: the system's own words say it best
            return "OSError", f"{reason}: {error.filename}" if error.filename else reason, 1
        case _WrongUsage():
            words = error.format_message().replace("Value error, ", "")  # pydantic's words, not ours
            return UsageError.__name__, words, error.exit_code
    raise error


app = typer.Typer(
    name="sidcap",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    """Shoot, check and learn from pairs of short and long raw exposures.

    [bold]The whole of it[/]
    sidcap shoot --iso 12600 --ratios 100,250,300
    sidcap verify-alignment
    sidcap train
    """
    if version:
        from importlib.metadata import version as version_of

        sys.stdout.write(f"sidcap {version_of('sidcap')}\n")
        raise typer.Exit


_SHOOT, _CURATE, _TRAIN = "Shoot", "Curate: can it be trained on?", "Train and judge"
_SHARE, _HELP = "Share with others", "Find your way"

app.command("shoot", rich_help_panel=_SHOOT)(shoot.shoot)
app.command("live", rich_help_panel=_SHOOT)(live.live)
app.command("shoot-darks", rich_help_panel=_SHOOT)(shoot_darks.shoot_darks)
app.command("shoot-flats", rich_help_panel=_SHOOT)(shoot_flats.shoot_flats)
app.command("recover", rich_help_panel=_SHOOT)(recover.recover)
app.add_typer(camera.app, name="camera", rich_help_panel=_SHOOT)

app.command("calibrate", rich_help_panel=_CURATE)(calibrate.calibrate)
app.command("verify-alignment", rich_help_panel=_CURATE)(verify_alignment.verify_alignment)
app.command("decide", rich_help_panel=_CURATE)(decide.decide)
app.command("review", rich_help_panel=_CURATE)(review.review)
app.command("validate", rich_help_panel=_CURATE)(validate.validate)
app.command("split", rich_help_panel=_CURATE)(split.split)

app.command("train", rich_help_panel=_TRAIN)(train.train)
app.command("evaluate", rich_help_panel=_TRAIN)(evaluate.evaluate)
app.command("study", rich_help_panel=_TRAIN)(study.study)
app.command("enhance", rich_help_panel=_TRAIN)(enhance.enhance)
app.command("import-weights", rich_help_panel=_TRAIN)(import_weights.import_weights)

app.add_typer(import_.app, name="import", rich_help_panel=_SHARE)
app.add_typer(export.app, name="export", rich_help_panel=_SHARE)
app.command("report", rich_help_panel=_SHARE)(report.report)
app.command("export-model", rich_help_panel=_SHARE)(export_model.export_model)
app.command("schema", rich_help_panel=_SHARE)(schema.schema)

app.command("doctor", rich_help_panel=_HELP)(doctor.doctor)
app.command("demo", rich_help_panel=_HELP)(demo.demo)
app.command("simulate-camera", rich_help_panel=_HELP)(simulate_camera.simulate_camera)
