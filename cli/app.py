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
    enhance,
    evaluate,
    export,
    export_model,
    import_,
    import_weights,
    recover,
    report,
    schema,
    shoot,
    shoot_darks,
    shoot_flats,
    simulate_camera,
    study,
    train,
    validate,
    verify_alignment,
)
from sidcap.cli.screen import INTERRUPTED, complain
from sidcap.data_manifest.errors import SidcapError

_WrongUsage: Any = typer.BadParameter.__base__
"""What typer raises for an option it does not know or a value it cannot read; it has no public name."""


class _Commands(TyperGroup):
    """Turns every foreseen error into one line and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SidcapError as error:
            complain(str(error))
            raise typer.Exit(error.exit_code) from error
        except _WrongUsage as error:
            complain(error.format_message().replace("Value error, ", ""))  # pydantic's words, not ours
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            complain("interrupted; what was written until then stays, and `sidcap validate` tells what is incomplete")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise typer.Exit(1) from None  # whoever read the output, `head` for one, has seen enough
        except OSError as error:  # disk full, no permission: the system's own words and the file say it best
            if error.strerror is None:
                raise
            complain(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
            raise typer.Exit(1) from error


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
    """Shoot, check and learn from pairs of short and long raw exposures."""
    if version:
        from importlib.metadata import version as version_of

        sys.stdout.write(f"sidcap {version_of('sidcap')}\n")
        raise typer.Exit


app.command("shoot")(shoot.shoot)
app.command("shoot-darks")(shoot_darks.shoot_darks)
app.command("shoot-flats")(shoot_flats.shoot_flats)
app.command("calibrate")(calibrate.calibrate)
app.command("recover")(recover.recover)
app.add_typer(camera.app, name="camera")
app.add_typer(import_.app, name="import")
app.add_typer(export.app, name="export")
app.command("verify-alignment")(verify_alignment.verify_alignment)
app.command("decide")(decide.decide)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(report.report)
app.command("study")(study.study)
app.command("enhance")(enhance.enhance)
app.command("export-model")(export_model.export_model)
app.command("import-weights")(import_weights.import_weights)
app.command("validate")(validate.validate)
app.command("schema")(schema.schema)
app.command("simulate-camera")(simulate_camera.simulate_camera)
app.command("demo")(demo.demo)
