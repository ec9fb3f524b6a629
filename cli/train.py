"""``sidcap train``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption, dataset_suffix
from sidcap.cli.screen import INTERRUPTED, console, counted, print_json, progress, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from sidcap.data_manifest.store import Store
    from sidcap.model import Event, LeftOut, Started, TrainConfig, TrainReport

DEFAULT_RUN = Path("run")


class Device(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


DeviceOption = Annotated[Device, typer.Option(help="Where to compute; auto takes cuda, then mps, then cpu.")]


def train(
    context: typer.Context,
    epochs: Annotated[int, typer.Option(min=1, help="How often every scene is shown.")] = 4000,
    patch: Annotated[int, typer.Option(min=16, help="Side of a crop in packed pixels, two sensor pixels each.")] = 512,
    lr: Annotated[float, typer.Option(min=1e-9, max=1, help="Adam's learning rate.")] = 1e-4,
    drop_lr_at: Annotated[int, typer.Option(min=1, help="Epoch from which on the rate is a tenth.")] = 2000,
    sample_every: Annotated[int, typer.Option(min=1, help="Epochs between two checkpoints with sample crops.")] = 500,
    depth: Annotated[int, typer.Option(min=-2, max=1, help="Levels of the network more or fewer than SID's.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the first weights and of the crops.")] = 0,
    out: Annotated[Path, typer.Option(metavar="RUN", show_default="./run", help="The run's folder.")] = DEFAULT_RUN,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN.")] = False,
    device: DeviceOption = Device.AUTO,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Train the See-in-the-Dark network on the aligned pairs of the train split.

    Ctrl-C saves the run; --resume goes on with it, in its own settings, as if it had never stopped.
    """
    from sidcap.data_manifest.store import Store
    from sidcap.model import TrainConfig, read_state

    suffix = dataset_suffix(dataset)
    config = TrainConfig(
        epochs=epochs,
        patch=patch,
        lr=lr,
        drop_lr_at=drop_lr_at,
        sample_every=sample_every,
        depth=depth,
        seed=seed,
        device=device.value,
    )
    store = Store.open(dataset)
    if resume:
        given = {name: getattr(config, name) for name in TrainConfig.model_fields if _was_given(context, name)}
        config = read_state(out).config.replace(**given)
    report = train_showing_progress(store, config, out, resume=resume)
    if report.interrupted:
        console.print(f"stopped after {report.epochs} epochs; go on with: sidcap train --resume --out {out}{suffix}")
        raise typer.Exit(INTERRUPTED)
    console.print(f"trained {report.epochs} epochs into {out}. Next: sidcap evaluate {out}{suffix}")
    if json:
        print_json(report)


def _was_given(context: typer.Context, option: str) -> bool:
    """Whether the option was typed; those left out are the run's own when it is resumed."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def train_showing_progress(store: Store, config: TrainConfig, run: Path, *, resume: bool) -> TrainReport:
    """Train, with progress, loss and time left on the terminal."""
    from sidcap.model import train as fit

    with _progress() as show:
        return fit(store, config, run, resume=resume, on_event=show)


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
                    bar.update(task, description=f"training, loss {event.loss:.4f}")
                    if not console.is_terminal and event.epoch % max(1, event.epochs // 10) == 0:
                        console.print(f"epoch {event.epoch} of {event.epochs}: loss {event.loss:.4f}")
                case SampleWritten():
                    console.print(f"epoch {event.epoch}: {event.path}", soft_wrap=True)

        yield show


def _show_start(start: Started) -> None:
    console.print(
        f"training {start.parameters / 1e6:.2f} M parameters on {start.pairs} pairs of {start.scenes} scenes, "
        f"{start.config.epochs} epochs, on {start.device}"
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
