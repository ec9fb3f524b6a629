"""``sidcap demo``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.bracket_screen import BracketScreen, show_plan
from sidcap.cli.evaluate import evaluate_showing_progress, show_scores
from sidcap.cli.evening import Evening
from sidcap.cli.gear import Gear
from sidcap.cli.order import Book, Destination, Wish
from sidcap.cli.report import write_report
from sidcap.cli.screen import console, without_c_chatter
from sidcap.cli.train import Device, train_showing_progress
from sidcap.cli.verify_alignment import show_verdicts
from sidcap.data_manifest.errors import StoppedError, UsageError
from sidcap.data_manifest.words import Release, Split

if TYPE_CHECKING:
    from sidcap.capture.simulated import SimulatedCamera
    from sidcap.data_manifest.store import Store

_SCENES = (
    (1, Split.TRAIN),
    (2, Split.TRAIN),
    (3, Split.TRAIN),
    (4, Split.TRAIN),
    (5, Split.TRAIN),
    (10001, Split.TEST),
)
_WISH = Wish(iso=12600, ratios=(100, 250, 300), long_s=10, repeats=1, release=Release.MIRROR_LOCKUP, settle_s=2)
_TIME_SCALE = 20.0
_SEED = 1
_PATCH = 128
_EPOCHS = 120
_DROP_LR_AT = 90
_LR = 3e-4


def demo(
    dataset: Annotated[
        Path, typer.Option(metavar="PATH", show_default="./demo", help="Where to; never your own dataset.")
    ] = Path("demo"),
) -> None:
    """Do the whole job once, on the simulated camera.

    Shoot, verify, train, evaluate, report: some minutes on two cores. What is
    done already is not done again.

    [bold]Into ./demo[/]
    sidcap demo

    [bold]Elsewhere[/]
    sidcap demo --dataset /tmp/first-try
    """
    from sidcap.data_manifest.store import Store

    store = Store.create(dataset)
    if any(not camera.simulated for camera in store.dataset().cameras):
        raise UsageError(f"{dataset} holds frames of a real camera: give the demo a folder of its own with --dataset")
    _headline("1. shoot: the simulated EOS 6D, small sensor, driven through libgphoto2")
    _shoot(store)
    _headline("2. verify-alignment: each short against its long")
    _verify(store)
    run = dataset / "run"
    _headline("3. train: the See-in-the-Dark network")
    _train(store, run)
    _headline("4. evaluate: on a scene it has not seen")
    show_scores(evaluate_showing_progress(store, [run], Split.TEST, Device.AUTO))
    _headline("5. report: all of it in one page")
    write_report(dataset / "report.html", dataset, [run])


def _shoot(store: Store) -> None:
    from sidcap.capture.simulated import SimulatedCamera

    book = Book.at(store.root, must_exist=True)
    missing = [
        (scene, split) for scene, split in _SCENES if scene in book.interrupted or not store.scene_path(scene).exists()
    ]
    if not missing:
        console.print("all scenes are there already")
        return
    simulated = SimulatedCamera(size="small", time_scale=_TIME_SCALE, seed=_SEED)
    gear, screen = Gear(store.root, simulated.port_string, time_scale=_TIME_SCALE), BracketScreen()
    with without_c_chatter(), simulated, gear.connected() as (tether, _):
        plan = _WISH.plan(tether.body)
        show_plan(plan)
        with gear.session(tether, None, screen) as session:
            evening = Evening(session, screen, book.tally, Destination(), compose=partial(_turn, simulated))
            for number, (scene, split) in enumerate(missing, start=1):
                if scene in book.interrupted:
                    evening.resume(book.interrupted[scene])
                else:
                    evening.shoot(scene, split, plan, to_come=len(missing) - number)


def _turn(simulated: SimulatedCamera, scene_id: int) -> None:
    simulated.scene = scene_id


def _verify(store: Store) -> None:
    from sidcap.curate import Failed, verify_dataset

    for done in verify_dataset(store):
        if isinstance(done, Failed):
            raise done.error
    show_verdicts(list(store.scenes()))


def _train(store: Store, run: Path) -> None:
    """StoppedError where training was stopped before its last epoch."""
    from sidcap.model import CHECKPOINT_NAME, TrainConfig

    config = TrainConfig(
        epochs=_EPOCHS, patch=_PATCH, lr=_LR, drop_lr_at=_DROP_LR_AT, sample_every=_EPOCHS, device="auto"
    )
    report = train_showing_progress(store, config, run, resume=(run / CHECKPOINT_NAME).exists())
    if report.interrupted:
        raise StoppedError(f"stopped after {report.epochs} of {_EPOCHS} epochs; the same command goes on from there")


def _headline(text: str) -> None:
    console.rule(f"[bold]{text}", align="left")
