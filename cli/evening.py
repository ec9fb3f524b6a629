"""An evening of scenes: one camera, one dataset, and whoever stands beside them, or nobody."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

from sidcap.cli.bracket_screen import BracketScreen, show_check, show_plan, spoken
from sidcap.cli.order import Destination, Wish
from sidcap.cli.screen import ask, complain, console, status, warn
from sidcap.data_manifest.errors import CameraError, CameraLostError, DiskFullError, RawError, UsageError
from sidcap.data_manifest.words import Split, counted

if TYPE_CHECKING:
    from sidcap.capture import BracketPlan, Check, Session
    from sidcap.capture.bracket import Bracket
    from sidcap.capture.tally import Tally
    from sidcap.data_manifest.schema import Scene
    from sidcap.data_manifest.store import Store


@dataclass(frozen=True)
class LongFinder:
    """Finds the exposure of the long with test frames, and plans the bracket with it."""

    session: Session
    wish: Wish

    def plan(self, plan: BracketPlan) -> BracketPlan:
        """The same bracket with a long that suits the scene. SidcapError as `find_long`."""
        from sidcap.capture.metering import find_long

        session = self.session
        with status("") as line:
            found = find_long(
                session.tether,
                session.store,
                session.clock,
                iso=plan.iso_set,
                ratios=self.wish.ratios,
                shutter_labels=session.tether.body.shutter_labels(),
                told=line.update,
            )
        console.print(f"  {found.text}", soft_wrap=True)
        better = self.wish.plan(session.tether.body, found.long_s)
        show_plan(better)
        return better


@dataclass
class Evening:
    """Scene after scene in one open session."""

    session: Session
    screen: BracketScreen
    tally: Tally
    destination: Destination
    compose: Callable[[int], None] = lambda _: None
    """Told the number of each scene before it is shot: the simulated camera turns to it."""
    free_card: bool = False
    finder: LongFinder | None = None
    """Finds the long of each scene, where it was not given."""
    plans: dict[int, BracketPlan] = field(default_factory=dict)
    """Scenes completed this evening, by number, in their order."""
    _last: int | None = None
    _warned: set[str] = field(default_factory=set)
    _left_out: set[int] = field(default_factory=set)
    _every_s: float = 0.0
    _took_s: list[float] = field(default_factory=list)

    # One scene.

    def shoot(self, scene_id: int, split: Split, plan: BracketPlan, *, to_come: int = 0) -> None:
        """Shoot a scene. SidcapError as `Session.shoot`, and where something is not ready."""
        self.check(plan, scenes=1 + to_come)
        self.compose(scene_id)
        if self.finder is not None:
            plan = self.finder.plan(plan)
        self._complete(scene_id, plan, lambda: self.session.shoot(scene_id, split, plan), to_come)

    def resume(self, bracket: Bracket, *, to_come: int = 0) -> None:
        """Complete an interrupted scene. SidcapError as ``shoot``."""
        self.check(bracket.plan)
        console.print(f"scene {bracket.scene_id:05d} goes on: {bracket.progress}")
        self.compose(bracket.scene_id)
        self._complete(bracket.scene_id, bracket.plan, lambda: self.session.resume(bracket.scene_id), to_come)

    def redo(self, scene_id: int, *, to_come: int = 0) -> None:
        """Shoot a scene of this evening again; what it had is set aside. SidcapError as ``shoot``."""
        plan = self.plans[scene_id]
        self.check(plan)
        self.tally.remove(self._store.scene(scene_id))
        self.screen.unusable.pop(scene_id, None)
        del self.plans[scene_id]
        self.compose(scene_id)
        self._complete(scene_id, plan, lambda: self.session.redo(scene_id, plan), to_come)

    def check(self, plan: BracketPlan, *, scenes: int = 1) -> None:
        """Look whether everything is there, and show it: all of it once, later only what has become worse.

        Raises CameraError where something keeps the bracket from being shot.
        """
        first = not self._warned
        found = self._checks(len(plan.shots), scenes)
        for check in found:
            if first or (check.state != "ok" and check.name not in self._warned):
                show_check(check)
        self._warned |= {check.name for check in found if check.state != "ok"} | {"once"}
        if problems := [str(check) for check in found if check.state == "problem"]:
            raise CameraError(f"not ready: {'; '.join(problems)}")

    def _checks(self, frames: int, scenes: int) -> tuple[Check, ...]:
        from sidcap.capture.readiness import checks

        tether, root = self.session.tether, self._store.root
        try:
            return checks(tether.body, root, frames=frames, frames_in_all=frames * scenes)
        except CameraLostError:
            tether.reconnect(lambda text: warn(text))
            return checks(tether.body, root, frames=frames, frames_in_all=frames * scenes)

    def _complete(self, scene_id: int, plan: BracketPlan, shoot: Callable[[], Scene], to_come: int) -> None:
        began_s = time.monotonic()
        with self.screen.of(plan):
            scene = shoot()
        took_s = time.monotonic() - began_s
        self._took_s.append(took_s)
        self.tally.add(scene)
        self.plans[scene_id] = plan
        self._last = scene_id
        good = (
            "[yellow]complete, but of no use as it is[/]" if scene_id in self.screen.unusable else "[green]complete[/]"
        )
        content = f"{counted(len(scene.frames), 'frame')}, {counted(len(scene.pairs), 'pair')}, {spoken(took_s)}"
        console.print(f"scene [bold]{scene.name}[/] ({scene.split}) {good}: {content}", soft_wrap=True)
        if self.free_card:
            self._free_card(scene)
        self._show_totals(to_come)

    def _free_card(self, scene: Scene) -> None:
        from sidcap.capture.card import free_card

        try:
            freed = free_card(self.session.tether, self._store, scene)
        except (RawError, CameraError) as error:
            warn(f"the card was not freed: {error}")
        else:
            console.print(f"  deleted from the card, safe in the dataset: {counted(freed, 'frame')}")

    def _show_totals(self, to_come: int) -> None:
        from sidcap.capture.readiness import supplies

        parts = [f"{to_come} to come, about {spoken(self._pace_s * to_come)}"] if to_come else []
        with suppress(CameraError):  # it will be noticed when it is needed
            left = supplies(self.session.tether.body, self._store.root)
            parts.append(f"disk {left.disk_bytes / 1e9:.1f} GB")
            parts += [f"card {left.card_shots} shots"] if left.card_shots is not None else []
            parts += [f"battery {left.battery_percent} %"] if left.battery_percent is not None else []
        console.print(f"  left: {' · '.join(parts)}", soft_wrap=True)
        console.print(f"  dataset: {self.tally}", soft_wrap=True)

    @property
    def _pace_s(self) -> float:
        """From scene to scene, on this computer's clock; the time to compose is not in it."""
        return max(sum(self._took_s) / len(self._took_s), self._every_s / self.session.clock.scale)

    @property
    def _store(self) -> Store:
        return self.session.store

    # Unattended.

    def repeat(self, plan: BracketPlan, *, every_s: float, scenes: int | None) -> None:
        """Shoot scenes with nobody there, from start to start ``every_s`` apart.

        Ends when all are done or the quota is filled, and with the first error.
        """
        clock, self._every_s = self.session.clock, every_s
        start = clock.now()
        for number in count():
            split = self.destination.known(self.tally)
            if number == scenes or split is None:
                return
            wait_s = (start + timedelta(seconds=number * every_s) - clock.now()).total_seconds()
            if wait_s > 0:
                with status(f"the next scene begins in {spoken(wait_s)}; Ctrl-C ends the evening"):
                    self.session.tether.rest(wait_s / clock.scale)
            elif number and every_s and "late" not in self._warned:
                self._warned.add("late")
                warn(f"a scene takes longer than {spoken(every_s)}: they follow one another without a pause")
            self.shoot(self.next_id(split), split, plan, to_come=self._to_come(scenes, number + 1))

    # Led by a photographer.

    def walk(self, plan: BracketPlan, stops: int) -> None:
        """Lead a photographer through scenes: compose, Enter. Ends with them, the quota, q, or standard input."""
        with suppress(EOFError):
            self._walk(plan, stops)

    def _walk(self, plan: BracketPlan, stops: int) -> None:
        try:
            self.check(plan, scenes=stops)
        except CameraError as error:
            complain(str(error))  # there is time to put it right until Enter
        stop = 1
        while True:
            is_over = stop > stops or self.destination.is_reached(self.tally)
            if is_over and self._last is None:
                return
            match self._command(stop, stops, is_over):
                case "q", _:
                    return
                case "", _ if is_over:
                    return
                case "", _:
                    split = self.destination.known(self.tally) or ask_split()
                    scene_id, to_come = self.next_id(split), self._to_come(stops, stop)
                    self._attended(scene_id, lambda: self.shoot(scene_id, split, plan, to_come=to_come))  # noqa: B023
                    stop += scene_id in self.plans
                case "s", _:
                    self._leave_out()
                    stop += 1
                case "r", _ if self._last is not None:
                    last, to_come = self._last, self._to_come(stops, stop - 1)
                    self._attended(last, lambda: self.redo(last, to_come=to_come))  # noqa: B023
                case "n", words if self._last is not None:
                    self._note(self._last, words or ask(f"note for {self._last:05d}:"))

    def _command(self, stop: int, stops: int, is_over: bool) -> tuple[str, str]:
        """What the photographer wants: a letter, or nothing for Enter, and words after it."""
        console.print()
        split = self.destination.known(self.tally)
        where = "" if split is None else f" · {self.next_id(split):05d} ({split})"
        offers = {"": "Enter ends"} if is_over else {"": "Enter shoots", "s": "s skips"}
        if self._last is not None:
            offers |= {"r": f"r redoes {self._last:05d}", "n": f"n notes on {self._last:05d}"}
        offers["q"] = "q quits"
        console.print("[bold]all scenes are done[/]" if is_over else f"[bold]scene {stop} of {stops}[/]{where}")
        while True:
            letter, _, words = ask(" · ".join(offers.values()) + " >").partition(" ")
            if letter.lower() in offers and (not words or letter.lower() == "n"):
                return letter.lower(), words.strip()
            warn(f"{letter!r} is not among these")

    def _attended(self, scene_id: int, begin: Callable[[], None]) -> None:
        """Shoot while somebody is there who can put right what goes wrong. The error, where they give it up."""
        shoot = begin
        while True:
            try:
                shoot()
            except (CameraError, DiskFullError, UsageError) as error:
                bracket = self._interrupted(scene_id)
                complain(str(error))
                if bracket is None:
                    return  # nothing was shot
                if not self._goes_on(bracket):
                    raise
                shoot = self._resuming(bracket)
            else:
                return

    def _resuming(self, bracket: Bracket) -> Callable[[], None]:
        return lambda: self.resume(bracket)

    def _goes_on(self, bracket: Bracket) -> bool:
        try:
            return ask(f"scene {bracket.scene_id:05d}: {bracket.progress}. Enter goes on with it · q quits >") == ""
        except EOFError:
            return False

    def _interrupted(self, scene_id: int) -> Bracket | None:
        from sidcap.capture.bracket import unfinished
        from sidcap.capture.journal import Journal

        return unfinished(Journal(self._store.journal_path).events()).get(scene_id)

    def _leave_out(self) -> None:
        split = self.destination.known(self.tally)
        if split is not None:
            number = self.next_id(split)
            self._left_out.add(number)
            console.print(f"{number:05d} is left out")

    def _note(self, scene_id: int, words: str) -> None:
        def noted(scene: Scene) -> Scene:
            return scene.replace(note="; ".join(note for note in (scene.note, words) if note))

        scene = self._store.change_scene(scene_id, noted)
        console.print(f"noted on {scene.name}: {scene.note}", markup=False, soft_wrap=True)

    # Numbers.

    def next_id(self, split: Split) -> int:
        """The number of the next scene of a split."""
        first = self._store.next_scene_id(split)
        return next(number for number in count(first) if number not in self._left_out)

    def _to_come(self, scenes: int | None, done: int) -> int:
        """How many scenes come after the next one: ``done`` counts that one."""
        by_number = None if scenes is None else scenes - done
        quota = self.destination.quota
        by_quota = None if quota is None else self.tally.missing(quota) - 1
        return max(min((left for left in (by_number, by_quota) if left is not None), default=0), 0)


def ask_split() -> Split:
    """Ask what the next scene is for. EOFError as `ask`."""
    while True:
        answer = ask(f"for {', '.join(Split)}? >").lower()
        meant = [split for split in Split if answer and split.startswith(answer)]
        if len(meant) == 1:
            return meant[0]
        warn(f"{answer!r} is none of these")


def offer(brackets: list[Bracket], question: str) -> bool:
    """Ask whether to complete interrupted scenes. EOFError as `ask`, also for q."""
    for bracket in brackets:
        console.print(f"scene [bold]{bracket.scene_id:05d}[/] ({bracket.split}) was interrupted: {bracket.progress}")
    while True:
        match ask(question).lower():
            case "":
                return True
            case "n":
                return False
            case "q":
                raise EOFError
            case other:
                warn(f"{other!r} is not among these")
