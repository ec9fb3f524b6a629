"""A run's figures for TensorBoard, as an extra to its log: `pip install 'sidcap[tensorboard]'`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sidcap.data_manifest.errors import UsageError
from sidcap.model.events import EpochDone, Event


@contextmanager
def tensorboard_of(run: Path) -> Iterator[Callable[[Event], None]]:
    """Gives what writes a run's events to ``RUN/tensorboard``; UsageError where the package is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError("--tensorboard needs a package more: pip install 'sidcap[tensorboard]'") from error
    # Made with the first event only: a run that is refused leaves no folder behind.
    writer: SummaryWriter | None = None

    def write(event: Event) -> None:
        nonlocal writer
        if not isinstance(event, EpochDone):
            return
        if writer is None:
            writer = SummaryWriter(str(run / "tensorboard"))
        for name in ("loss", "lr", "crops_per_s", "data_wait", "utilisation"):
            if (value := getattr(event, name)) is not None:
                writer.add_scalar(name, value, event.epoch)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
