"""A session on the screen: lasting lines for what matters, one line that changes for what passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape

from sidcap.cli.screen import complain, console, status, warn

if TYPE_CHECKING:
    from rich.status import Status

    from sidcap.capture import BracketPlan, Check, Event, Shot
    from sidcap.cli.order import Outlook

SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[red]✗[/]"}

_DOING = {
    "set": "setting",
    "settle": "mirror settles",
    "expose": "exposing",
    "fetch": "fetching",
    "home": "checking",
}


def show_plan(plan: BracketPlan) -> None:
    """The bracket as a table, and a line for every wish that the camera meets only nearly."""
    from rich.table import Table

    for note in plan.notes:
        warn(note)
    table = Table("shot", "shutter", "true s", "ratio asked", "true ratio", "difference", title=_plan_title(plan))
    for column in table.columns[1:]:
        column.justify = "right"
    for shot in plan.shots:
        table.add_row(shot.role, shot.dial, f"{shot.true_s:.4g}", *_ratio_cells(shot))
    console.print(table)


def show_outlook(outlook: Outlook) -> None:
    """One line: how often the shutter runs, how long it takes, how much disk it needs and there is."""
    scenes = {None: "each scene: ", 1: ""}.get(outlook.scenes, f"{outlook.scenes} scenes: ")
    disk = f"{_gigabytes(outlook.needed_bytes)} of disk at most, {_gigabytes(outlook.free_bytes)} free"
    parts = (f"{outlook.actuations} shutter actuations", f"about {spoken(outlook.duration_s)}", disk)
    console.print(scenes + " · ".join(parts), soft_wrap=True)


def show_check(check: Check) -> None:
    """One line: what was looked at, how it was found, what to do."""
    remedy = f": {escape(check.remedy)}" if check.remedy else ""
    console.print(f"  {SIGNS[check.state]} {check.name}: {escape(check.found)}{remedy}", soft_wrap=True)


class BracketScreen:
    """Shows what a session tells of. ``unusable`` keeps what is wrong with scenes, by their numbers."""

    def __init__(self) -> None:
        self.unusable: dict[int, list[str]] = {}
        self._frames = 0
        self._status: Status | None = None

    @contextmanager
    def of(self, plan: BracketPlan) -> Iterator[None]:
        """While a bracket of this plan is shot; nothing changes on the screen before and after."""
        self._frames = len(plan.shots)
        with status("") as self._status:
            yield

    def watch(self, event: Event) -> None:
        """Show one event."""
        from sidcap.capture import EventKind

        match event.kind:
            case EventKind.SET | EventKind.SETTLE | EventKind.EXPOSE | EventKind.FETCH | EventKind.HOME:
                self._passing(event)
            case EventKind.FRAME:
                console.print(self._frame_line(event), soft_wrap=True)
            case EventKind.UNUSABLE:
                complain(event.text)
                self.unusable.setdefault(event.scene, []).append(event.text)
            case EventKind.COMPLETE:
                pass  # whoever shoots says more about it
            case _:
                if event.kind is EventKind.AGAIN and event.index is None:
                    self.unusable.pop(event.scene, None)
                warn(f"{self._dial_of(event)}{event.text}")

    def _passing(self, event: Event) -> None:
        if self._status is not None and event.shot is not None:
            dial = f"{event.shot.role} {event.shot.dial}"
            self._status.update(f"{self._place(event)} {dial}: {_DOING[event.kind.value]}")

    def _dial_of(self, event: Event) -> str:
        """Which shot is made again: other frames may have come meanwhile."""
        if event.kind != "again" or event.shot is None:
            return ""
        return f"{self._place(event)} {event.shot.role} {event.shot.dial}: "

    def _frame_line(self, event: Event) -> str:
        frame, verdict = event.frame, event.text.partition(":")[0]
        if frame is None:
            return ""
        colour = {"": "green", "aligned": "green", "misaligned": "red"}.get(verdict, "yellow")
        sign = {"green": "✓", "red": "✗", "yellow": "?"}[colour]
        megabytes = f"{(frame.size_bytes or 0) / 1e6:.1f} MB"
        words = verdict if verdict == "misaligned" else event.text  # why, the next line tells, and what comes of it
        return f"[{colour}]{sign}[/] {self._place(event)} {frame.path}  {megabytes}  {escape(words)}".rstrip()

    def _place(self, event: Event) -> str:
        return f"{(event.index or 0) + 1}/{self._frames}"


def spoken(seconds: float) -> str:
    """A length of time as one says it: 40 s, 12 min, 2 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"


def _plan_title(plan: BracketPlan) -> str:
    settle = f", {plan.settle_s:g} s to settle" if plan.settle_s else ""
    return f"ISO {plan.iso_set}, {plan.release}{settle}; about {plan.duration_s:.0f} s at the camera"


def _ratio_cells(shot: Shot) -> tuple[str, str, str]:
    if shot.role == "long":
        return ("", "", "")
    return (f"{shot.ratio_nominal:g}", f"{shot.ratio_true:.1f}", f"{shot.ratio_difference:+.1%}")
