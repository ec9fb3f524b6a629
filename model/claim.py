"""A run's folder before the first step: who may train into it, and from where the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from sidcap.data_manifest.disk import remedy
from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.model.checkpoint import CHECKPOINT_NAME, RunState, read_state

LOG_NAME: Final = "log.jsonl"
_LOCK_NAME: Final = ".lock"


@contextmanager
def claimed(run: Path, resume: bool) -> Iterator[None]:
    """Be the only program that trains into the run; one that is killed lets go. Leaves no folder with nothing in it.

    UsageError where there is something else, or, for a new run, anything.
    """
    if resume and not run.is_dir():
        yield  # to be told that there is nothing to resume
        return
    if not resume:
        _must_be_new(run)
    lock, new = FileLock(run / _LOCK_NAME, timeout=0), not run.exists()
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise UsageError(f"another sidcap is training into {run}: wait for it, or give another --out") from error
    except OSError as error:
        raise unwritable(run, error) from error
    try:
        if not resume:
            _must_be_new(run)  # still
        yield
    finally:
        (run / _LOCK_NAME).unlink(missing_ok=True)
        lock.release()
        if new and run.is_dir() and not any(run.iterdir()):
            run.rmdir()


def _must_be_new(run: Path) -> None:
    if not run.exists():
        return
    if not run.is_dir():
        raise UsageError(f"{run} is a file; a run is a folder: give another --out")
    if (run / CHECKPOINT_NAME).exists() and ((state := read_state(run)).step or state.imported_from):
        raise UsageError(f"{run} already holds a run: go on with it with --resume, or give another --out")
    # What a start leaves that failed before the first step.
    if {path.name for path in run.iterdir()} - {_LOCK_NAME, LOG_NAME, CHECKPOINT_NAME}:
        raise UsageError(f"{run} holds other files: give an empty or new folder as --out")


def unwritable(run: Path, error: OSError) -> TrainingError:
    """What to raise where the run's folder takes nothing."""
    return TrainingError(f"cannot write to {run} ({error.strerror}): {remedy(error)}, or give another --out")


def resumed(run: Path, wanted: RunState, anyway: bool) -> RunState:
    """Where the run stands; UsageError where it was begun with other settings or other pairs, unless ``anyway``."""
    saved = read_state(run)
    if saved.imported_from:
        raise UsageError(f"{run} holds weights that were imported, which are not trained on: give another --out")
    other = saved.config.conflict_with(wanted.config)
    others = saved.data_sha256 != wanted.data_sha256
    if other and not anyway:
        then, now = saved.config.settings[other], wanted.config.settings[other]
        why = ", with which its cosine ends" if other == "epochs" else ""
        raise UsageError(
            f"{run} was begun with {other} {then}{why}, not {now}: resume with {then}, go on --anyway, or give another "
            "--out"
        )
    if others and not anyway:
        raise UsageError(
            f"{run} was begun on other pairs than this dataset has now, or with another calibration of them: go on "
            "--anyway, or give another --out"
        )
    if wanted.config.epochs < saved.epoch:
        raise UsageError(f"{run} already has {saved.epoch} epochs: give more than that as --epochs")
    if other or others:
        return _changed(run, saved, wanted)
    return saved.replace(
        config=wanted.config,
        learned_from=wanted.learned_from,
        include=wanted.include,
        dark_shaded=wanted.dark_shaded,
    )


def _changed(run: Path, saved: RunState, wanted: RunState) -> RunState:
    """The run as it goes on with other settings or pairs, its whole epochs done; UsageError where it cannot."""
    for name, (then, now) in {
        "depth": (saved.config.depth, wanted.config.depth),
        "ema": (bool(saved.config.ema), bool(wanted.config.ema)),
    }.items():
        if then != now:
            raise UsageError(f"{run} cannot go on with another {name}: its checkpoint has no such weights")
    learned_from = set(saved.learned_from) | set(wanted.learned_from)
    return wanted.replace(
        step=-(-saved.epoch * wanted.scenes // wanted.config.batch),
        learned_from=tuple(sorted(learned_from)),
        cfa=saved.cfa,
    )
