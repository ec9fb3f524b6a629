"""What a session works with: camera, dataset, the process that compares, and who is told."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sidcap.cli.bracket_screen import BracketScreen
from sidcap.cli.connection import simulated_camera
from sidcap.cli.options import dataset_suffix
from sidcap.cli.screen import console, warn
from sidcap.cli.simulate_camera import Sensor

if TYPE_CHECKING:
    from sidcap.capture import Event, Session, Tether
    from sidcap.capture.hooks import EventLog

Compose = Callable[[int], None]
"""Turns the camera to a scene, given its number: a simulated one; a real one has been pointed by somebody."""


@dataclass(frozen=True)
class Gear:
    """As the options of ``sidcap shoot`` have it."""

    dataset: Path
    camera: str | None
    sensor: Sensor = Sensor.FULL
    light_ev: float = 0.0
    time_scale: float = 1.0
    patience_s: float = 300.0
    retries: int = 2
    read_twice: bool = False
    events: Path | None = None
    on_frame: str | None = None
    on_scene: str | None = None

    @property
    def resume(self) -> str:
        """The command that completes what was interrupted: the same camera, the same dataset."""
        options = {
            "--camera": self.camera,
            "--sensor": None if self.sensor is Sensor.FULL else self.sensor.value,
            "--light": f"{self.light_ev:g}" if self.light_ev else None,
            "--time-scale": None if self.time_scale == 1 else f"{self.time_scale:g}",
        }
        given = "".join(f" {name} {shlex.quote(value)}" for name, value in options.items() if value is not None)
        return f"sidcap shoot --resume{given}{dataset_suffix(self.dataset)}"

    @contextmanager
    def connected(self) -> Iterator[tuple[Tether, Compose]]:
        """The camera, to look at; nothing is written. CameraError where it does not answer."""
        from sidcap.capture import Tether
        from sidcap.capture.journal import Journal
        from sidcap.data_manifest.store import Store

        with simulated_camera(
            self.camera, sensor=self.sensor, light_ev=self.light_ev, time_scale=self.time_scale
        ) as simulated:

            def compose(scene_id: int) -> None:
                if simulated is not None:
                    simulated.scene = scene_id

            port = self.camera if simulated is None else simulated.port_string
            tether = Tether(port, Journal(Store(self.dataset).journal_path), patience_s=self.patience_s)
            tether.open()
            try:
                yield tether, compose
            finally:
                tether.drop()

    @contextmanager
    def event_log(self) -> Iterator[EventLog | None]:
        """Where events are written to, if anywhere. UsageError where that is impossible."""
        from sidcap.capture.hooks import EventLog

        if self.events is None:
            yield None
            return
        with EventLog(self.events) as log:
            yield log

    @contextmanager
    def session(
        self, tether: Tether, log: EventLog | None, screen: BracketScreen, *others: Callable[[Event], None]
    ) -> Iterator[Session]:
        """An open session with this camera; the dataset is made where there is none. The camera ends as it was.

        ``others`` are told of every event, too.
        """
        from sidcap.capture import Clock, Diligence, Inspector, Session
        from sidcap.capture.hooks import Hooks
        from sidcap.cli.comparison import compare
        from sidcap.data_manifest.store import Store

        store = Store.create(self.dataset)
        hooks = Hooks(store, self.on_frame, self.on_scene)
        watchers: list[Callable[[Event], None]] = [screen.watch, hooks.watch, *others]
        if log is not None:
            watchers.insert(0, log.watch)

        def watch(event: Event) -> None:
            for told in watchers:
                told(event)

        with ExitStack() as stack:
            inspector = stack.enter_context(Inspector(partial(compare, dataset=store.root)))
            diligence = Diligence(retries=self.retries, read_twice=self.read_twice)
            clock = Clock(self.time_scale)
            yield stack.enter_context(Session(tether, store, clock, inspector, watch, diligence))


@contextmanager
def told_how_to_go_on(dataset: Path, resume: str, known: Collection[int]) -> Iterator[None]:
    """Whatever ends the block early: say which scenes ``resume`` completes, but for those that are ``known``."""
    from sidcap.capture.bracket import unfinished
    from sidcap.capture.journal import Journal
    from sidcap.data_manifest.store import Store

    try:
        yield
    except BaseException:
        for scene_id, bracket in unfinished(Journal(Store(dataset).journal_path).events()).items():
            if scene_id not in known:
                warn(f"scene {scene_id:05d} is incomplete, {bracket.progress}; it goes on with: {resume}")
        raise


def set_clock(tether: Tether, dataset: Path) -> None:
    """Set the camera's clock to this computer's; the journal says by how much it was off. SettingError if refused."""
    from sidcap.capture.journal import Journal
    from sidcap.data_manifest.store import Store

    before_s = tether.body.clock_offset_s()
    tether.body.set_clock()
    after_s = tether.body.clock_offset_s()
    Journal(Store(dataset).journal_path).record("clock set", offset_before_s=before_s, offset_after_s=after_s)
    if before_s is None or after_s is None:
        warn("the camera's clock was set, but cannot be read")
    else:
        console.print(f"clock set: it was {before_s:+.0f} s off, now {after_s:+.0f} s")
