"""``sidcap train``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.completion import runs
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption, dataset_suffix
from sidcap.cli.screen import console, is_watched, print_json, progress, warn
from sidcap.data_manifest.errors import StoppedError, UsageError
from sidcap.data_manifest.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from sidcap.data_manifest.store import Store
    from sidcap.model import EpochDone, Event, LeftOut, Started, TrainConfig, TrainReport

DEFAULT_RUN = Path("run")


class Device(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


class Precision(StrEnum):
    """Of the convolutions."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


class Schedule(StrEnum):
    """How the learning rate falls."""

    STEP = "step"
    COSINE = "cosine"


class Turns(StrEnum):
    """How crops are flipped and transposed."""

    MOSAIC = "mosaic"
    PLANES = "planes"
    NONE = "none"


class LevelsFrom(StrEnum):
    """Where black and white come from."""

    MEASURED = "measured"
    SID = "sid"


class RatioFrom(StrEnum):
    """Where the amplification comes from."""

    TRUE = "true"
    MEASURED = "measured"
    NOMINAL = "nominal"


class Include(StrEnum):
    """Pairs that are used though they are not known to be aligned."""

    UNDETERMINED = "undetermined"


IncludeOption = Annotated[list[Include] | None, typer.Option(help="Use undetermined pairs, too.")]
DeviceOption = Annotated[Device, typer.Option(help="Where to compute; auto takes cuda, then mps, then cpu.")]


class PresetName(StrEnum):
    """Where the settings come from that are not given."""

    STUDY = "study"
    SID_ORIGINAL = "sid-original"
    BEST = "best"


_RECIPE, _INPUT, _MACHINE = "The recipe (defaults: the preset's)", "What the network is given", "The machine"
_EITHER = "One or the other (defaults: the preset's)"
"""Apart, since two long names in a row leave the other columns no room at 80 columns."""


def train(
    context: typer.Context,
    preset: Annotated[
        PresetName,
        typer.Option(
            help="study: the published recipe. sid-original: with the quirks of its code. best: what we recommend."
        ),
    ] = PresetName.STUDY,
    epochs: Annotated[int, typer.Option(min=1, help="How often every scene is shown.")] = 4000,
    depth: Annotated[int, typer.Option(min=-2, max=1, help="Levels of the network more or fewer than SID's.")] = 0,
    out: Annotated[
        Path, typer.Option(metavar="RUN", show_default="./run", help="The run's folder.", autocompletion=runs)
    ] = DEFAULT_RUN,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="With --resume: even with other settings or pairs than it was begun with.")
    ] = False,
    include: IncludeOption = None,
    patch: Annotated[int, typer.Option(min=16, help="Side of a crop in packed pixels, two sensor pixels each.")] = 512,
    sample_every: Annotated[int, typer.Option(min=1, help="Epochs between two checkpoints with sample crops.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Of the first weights and of the crops.")] = 0,
    batch: Annotated[int | None, typer.Option(help="Crops in a step.", rich_help_panel=_RECIPE, min=1)] = None,
    lr: Annotated[
        float | None, typer.Option(help="Adam's learning rate.", rich_help_panel=_RECIPE, min=1e-9, max=1)
    ] = None,
    schedule: Annotated[
        Schedule | None,
        typer.Option(
            help="step: a tenth of the rate from --drop-lr-at on; cosine: to a hundredth.", rich_help_panel=_RECIPE
        ),
    ] = None,
    drop_lr_at: Annotated[
        int | None, typer.Option(help="Epoch from which on the rate is a tenth.", rich_help_panel=_RECIPE, min=1)
    ] = None,
    ema: Annotated[
        float | None,
        typer.Option(
            help="What an average of the weights keeps in each step; 0: no average.",
            rich_help_panel=_RECIPE,
            min=0,
            max=0.99999,
        ),
    ] = None,
    shot_noise: Annotated[
        bool | None,
        typer.Option(
            "--shot-noise/--no-shot-noise", help="Add light to half of the crops, as photons.", rich_help_panel=_EITHER
        ),
    ] = None,
    turns: Annotated[
        Turns | None,
        typer.Option(
            help="Flip crops as mosaics, as packed planes (which displaces colours), or not.", rich_help_panel=_RECIPE
        ),
    ] = None,
    freeze_upsampling: Annotated[
        bool | None,
        typer.Option(
            "--freeze-upsampling/--train-upsampling",
            help="Never train the transposed convolutions.",
            rich_help_panel=_EITHER,
        ),
    ] = None,
    levels: Annotated[
        LevelsFrom | None,
        typer.Option(help="Black and white: of each frame, or SID's constants.", rich_help_panel=_INPUT),
    ] = None,
    keep_negatives: Annotated[
        bool | None,
        typer.Option("--keep-negatives/--clip-negatives", help="What lies below black.", rich_help_panel=_EITHER),
    ] = None,
    ratio: Annotated[
        RatioFrom | None,
        typer.Option(help="The amplification: by shutter times, by pixels, or by file names.", rich_help_panel=_INPUT),
    ] = None,
    ratio_cap: Annotated[
        float | None,
        typer.Option(help="No amplification beyond this; 0: none is too much.", rich_help_panel=_INPUT, min=0),
    ] = None,
    dark_shading: Annotated[
        bool | None,
        typer.Option(
            "--dark-shading/--no-dark-shading",
            help="Subtract the fixed pattern that calibration found.",
            rich_help_panel=_EITHER,
        ),
    ] = None,
    device: DeviceOption = Device.AUTO,
    precision: Annotated[
        Precision,
        typer.Option(help="Of the convolutions; auto: bf16 where the device is made for it.", rich_help_panel=_MACHINE),
    ] = Precision.AUTO,
    compiled: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            help="Let torch compile the network.",
            show_default="on CUDA",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write RUN/tensorboard, too.", rich_help_panel=_MACHINE)
    ] = False,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Train the See-in-the-Dark network on the aligned pairs.

    Those of the train split, and those that a person accepted. Ctrl-C saves the
    run; --resume goes on with it, in its own settings, as if it had never
    stopped.

    [bold]The published recipe[/], into ./run
    sidcap train

    [bold]What we recommend[/]
    sidcap train --preset best --out best

    [bold]Go on[/]
    sidcap train --resume --out best

    [bold]Several processes[/], on one machine or more
    torchrun --nproc-per-node 4 -m sidcap.cli train --batch 8
    """
    from sidcap.data_manifest.store import Store
    from sidcap.model import InputConfig, TrainConfig, read_state

    suffix = dataset_suffix(dataset)
    settings = {*TrainConfig.model_fields, *InputConfig.model_fields} - {"preset"}
    given = {
        name: getattr(value, "value", value)
        for name, value in context.params.items()
        if name in settings and _was_given(context, name)
    }
    if resume and _was_given(context, "preset"):
        given["preset"] = preset.value  # another one than the run's is refused
    if ratio_cap == 0:
        given["ratio_cap"] = None
    store = Store.open(dataset)
    if anyway and not resume:
        raise UsageError("--anyway is for a run that goes on: give --resume, too")
    asked_for = frozenset[str](include or ())
    if resume:
        state = read_state(out)
        asked_for = asked_for or frozenset(state.include)
    with settings_named():
        config = state.config.changed(**given) if resume else TrainConfig.of_preset(preset.value, **given)
    if config.schedule == "cosine" and "drop_lr_at" in given:
        raise UsageError("--drop-lr-at changes nothing with a cosine: give --schedule step, too, or leave it out")
    report = train_showing_progress(
        store, config, out, resume=resume, anyway=anyway, include=asked_for, tensorboard=tensorboard
    )
    if report.interrupted:
        go_on = f"sidcap train --resume --out {out}{suffix}"
        raise StoppedError(f"stopped after {counted(report.epochs, 'epoch')}; go on with: {go_on}")
    if int(os.environ.get("RANK", "0")):
        return  # under torchrun the first process speaks for all
    console.print(f"trained {counted(report.epochs, 'epoch')} into {out}. Next: sidcap evaluate {out}{suffix}")
    if json:
        print_json(report)


@contextmanager
def settings_named() -> Iterator[None]:
    """UsageError, with its name, for a setting that cannot have its value."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{first['loc'][-1]}: {first['msg'][0].lower()}{first['msg'][1:]}") from error


def _was_given(context: typer.Context, option: str) -> bool:
    """Whether the option was typed; those left out are the run's own when it is resumed."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def train_showing_progress(
    store: Store,
    config: TrainConfig,
    run: Path,
    *,
    resume: bool,
    anyway: bool = False,
    include: frozenset[str] = frozenset(),
    tensorboard: bool = False,
) -> TrainReport:
    """Train, with progress, loss and time left on the terminal."""
    from sidcap.model import tensorboard_of
    from sidcap.model import train as fit

    with _progress() as show, tensorboard_of(run) if tensorboard else nullcontext(_nobody) as write:

        def told(event: Event) -> None:
            show(event)
            write(event)

        return fit(store, config, run, resume=resume, anyway=anyway, include=include, on_event=told)


def _nobody(_event: Event) -> None:
    """Not interested."""


@contextmanager
def _progress() -> Iterator[Callable[[Event], None]]:
    from sidcap.model import Decoded, EpochDone, SampleWritten, Started, StepDone

    with progress() as bar:
        task = bar.add_task("decoding", total=None)

        def show(event: Event) -> None:
            match event:
                case Decoded():
                    bar.update(task, completed=event.done, total=event.total)
                case Started():
                    _show_start(event)
                    bar.reset(task, description="training", completed=event.epoch * event.scenes)
                case StepDone():
                    bar.update(task, completed=event.step, total=event.steps)
                case EpochDone():
                    bar.update(task, description=_pace(event))
                    if not is_watched() and event.epoch % max(1, event.epochs // 10) == 0:
                        console.print(f"epoch {event.epoch} of {event.epochs}: {_pace(event)}")
                case SampleWritten():
                    console.print(f"epoch {event.epoch}: {event.path}", soft_wrap=True)

        yield show


def _pace(epoch: EpochDone) -> str:
    """Loss, speed, and what holds it up."""
    busy = "" if epoch.utilisation is None else f", GPU {epoch.utilisation:.0%}"
    return f"loss {epoch.loss:.4f}, {epoch.crops_per_s:.3g} crops/s, {epoch.data_wait:.0%} waiting for data{busy}"


def _show_start(start: Started) -> None:
    together = f" in {start.processes} processes" if start.processes > 1 else ""
    resident = ", all pairs in its memory" if start.on_device else ""
    console.print(
        f"training {start.parameters / 1e6:.2f} M parameters "
        f"on {counted(start.pairs, 'pair')} of {counted(start.scenes, 'scene')}, "
        f"{counted(start.config.epochs, 'epoch')}, preset {start.config.preset}, "
        f"on {start.device} in {start.precision}{together}{resident}"
    )
    if start.config.patch < start.reach:
        warn(
            f"--patch {start.config.patch} is less than the {start.reach} packed pixels that the network sees around "
            "each: it may do badly on whole frames"
        )
    if start.included:
        warn(f"{counted(start.included, 'pair')} of them undetermined: used since --include says so")
    if start.unshaded:
        warn(
            f"no dark shading is subtracted from {counted(start.unshaded, 'pair')}: their body is not calibrated at "
            "their ISO (sidcap calibrate)"
        )
    show_left_out(start.left_out)


def show_left_out(pairs: Iterable[LeftOut]) -> None:
    """Which pairs are not used, and why; only how many where it is for want of files, which may be thousands."""
    missing = 0
    for pair in pairs:
        if pair.verdict == "missing":
            missing += 1
        else:
            warn(f"{pair.frame} is left out, {pair.verdict}: {pair.reason}")
    if missing:
        warn(f"{counted(missing, 'pair')} left out, missing: put the files there and import again")
