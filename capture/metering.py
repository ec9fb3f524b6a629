"""Find the longest exposure that keeps the highlights below white, with a few test frames.

The brightest parts are judged on the raw numbers, channel by channel: the 99.9th percentile of the signal above black,
relative to white. A thousandth of the photosites may be white: lamps, reflections, hot pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from sidcap.capture.camera import CardFile
from sidcap.capture.clock import Clock
from sidcap.capture.disk import check_disk
from sidcap.capture.exposure import Offer, Shutter, choose_short, offer
from sidcap.capture.fetching import LATE_S, await_file, fetch
from sidcap.capture.journal import Journal
from sidcap.capture.tether import Tether
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.raw import RawFrame, read_raw
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Release

HIGHLIGHT_PERCENTILE = 99.9
TARGET = 0.9
"""Where the highlights may come to, relative to white: a shutter time is off by some per cent, and light flickers."""
CLIPPED = 0.98
"""From here on a level says no more than that it is too high: noise cuts off at white, and sensors bend before it."""
TRUSTED = 0.5
"""From here on the level of another exposure is foreseen from this one; below, noise passes for highlights."""
MOST_TEST_FRAMES = 4

_FIRST_TEST_S = 1.0
_STEP_DOWN = 16.0
"""How much shorter the next test is where one is clipped and none below is known: four stops."""
_CHANNELS = ("red", "green", "blue", "green")


@dataclass(frozen=True)
class TestFrame:
    """What one test exposure showed."""

    __test__ = False  # for pytest, which takes the name for one of its own

    shutter: Shutter
    levels: tuple[float, ...]
    """Highlights above black, relative to white, channel by channel."""

    @property
    def level(self) -> float:
        """Of the channel that is nearest to white."""
        return max(self.levels)

    @property
    def channel(self) -> str:
        """The one that is nearest to white."""
        return _CHANNELS[self.levels.index(self.level)]

    @property
    def is_clipped(self) -> bool:
        """Whether its highlights are too near to white to be measured."""
        return self.level >= CLIPPED

    def level_at(self, shutter: Shutter) -> float:
        """What its highlights would come to with another exposure: raw numbers are proportional to it."""
        return self.level * shutter.true_s / self.shutter.true_s


@dataclass(frozen=True)
class LongChoice:
    """The exposure that was found for the long, and why."""

    shutter: Shutter
    level: float
    """What the highlights come to, relative to white: measured on a test frame, or foreseen from one."""
    channel: str
    """The one that comes nearest to white."""
    limit: str
    """What kept it from being better exposed; empty where it is as wanted."""
    test_frames: tuple[TestFrame, ...]

    @property
    def long_s(self) -> float:
        """Nominal seconds, as ``plan_bracket`` takes them."""
        return self.shutter.nominal_s

    @property
    def text(self) -> str:
        """One line for the photographer."""
        tested = f"{len(self.test_frames)} test frame" + "s" * (len(self.test_frames) > 1)
        reason = f"{self.limit}; " if self.limit else ""
        level = "white" if self.level >= 1 else f"{self.level:.0%} of white"
        return (
            f"long of {self.shutter.dial} after {tested}: {reason}"
            f"its highlights ({HIGHLIGHT_PERCENTILE} % of {self.channel}) come to {level}"
        )


def highlight_levels(frame: RawFrame) -> tuple[float, ...]:
    """The signal that all but a thousandth of the photosites stay below, relative to white, by colour as in the CFA."""
    signal, white = frame.signal(), frame.white.dn - float(np.mean(frame.black.per_plane_dn))
    return tuple(_percentile(signal, frame.cfa == colour) / white for colour in np.unique(frame.cfa))


def _percentile(signal: NDArray[np.float32], sites: NDArray[np.bool_]) -> float:
    rows, columns = sites.shape
    values = [signal[y::rows, x::columns].ravel() for y, x in zip(*np.nonzero(sites), strict=True)]
    return float(np.percentile(np.concatenate(values), HIGHLIGHT_PERCENTILE))


def longs_serving(offered: Offer, ratios: Sequence[float]) -> tuple[Shutter, ...]:
    """The timed exposures, longest first, from which the shutter serves every ratio. UsageError where there is none."""
    longs = tuple(long for long in offered.timed if _serves(offered, long, ratios))
    if not longs:
        raise UsageError("no timed exposure serves these ratios: turn the mode dial to M, or give smaller --ratios")
    return longs


def _serves(offered: Offer, long: Shutter, ratios: Sequence[float]) -> bool:
    try:
        for ratio in ratios:
            choose_short(offered, long, ratio)
    except UsageError:
        return False
    return True


def next_test(longs: Sequence[Shutter], seen: Sequence[TestFrame]) -> Shutter | None:
    """The exposure to be tested next, among ``longs`` (longest first); None where enough is known."""
    if not seen:
        return _nearest(longs, _FIRST_TEST_S)
    if len(seen) == MOST_TEST_FRAMES:
        return None
    clear = [test for test in seen if not test.is_clipped]
    if clear and clear[-1].level >= TRUSTED:
        return None
    wanted = _best(longs, clear[-1]) if clear else _nearest(longs, min(t.shutter.true_s for t in seen) / _STEP_DOWN)
    return None if wanted in [test.shutter for test in seen] else wanted


def choose(longs: Sequence[Shutter], seen: Sequence[TestFrame]) -> LongChoice:
    """The longest exposure that keeps the highlights at `TARGET`, by what the test frames showed."""
    clear = [test for test in seen if not test.is_clipped]
    if not clear:
        shortest = min(seen, key=lambda test: test.shutter.true_s)
        limit = f"too bright even at {shortest.shutter.dial}: close the aperture, or lower --iso"
        return LongChoice(shortest.shutter, 1.0, shortest.channel, limit, tuple(seen))
    test = clear[-1]
    long = _best(longs, test)
    level, limit = test.level_at(long), ""
    if level > TARGET:
        limit = "these ratios need at least this long: close the aperture, lower --iso, or give smaller --ratios"
    elif long == longs[0] and level < TARGET / 2:
        limit = "the longest that the camera times and these ratios allow"
    return LongChoice(long, level, test.channel, limit, tuple(seen))


def _best(longs: Sequence[Shutter], test: TestFrame) -> Shutter:
    """The longest whose highlights stay at the target; the shortest where none does."""
    return next((long for long in longs if test.level_at(long) <= TARGET), longs[-1])


def _nearest(longs: Sequence[Shutter], true_s: float) -> Shutter:
    return min(longs, key=lambda long: abs(np.log2(long.true_s / true_s)))


def find_long(
    tether: Tether,
    store: Store,
    clock: Clock,
    *,
    iso: int,
    ratios: Sequence[float],
    shutter_labels: Iterable[str],
    told: Callable[[str], None] = lambda _: None,
) -> LongChoice:
    """Shoot test frames, at most four, and choose the long. The camera is connected (``Tether.connect``).

    The frames stay on the card and are named in the journal; nothing of them stays in the dataset. ``told`` gets a line
    before and after each.

    Args:
        iso: one of the camera's own.
        ratios: nominal ratios that the long has to serve.
        shutter_labels: the camera's own choices.

    Raises UsageError where no long serves the ratios, CameraError where the camera fails, RawError where its frame
    cannot be read.
    """
    longs = longs_serving(offer(shutter_labels), ratios)
    meter = _Meter(tether, store, clock, iso, told)
    seen: list[TestFrame] = []
    while (shutter := next_test(longs, seen)) is not None:
        told(f"test frame of {shutter.dial}")
        seen.append(meter.test(shutter))
        level = "too bright" if seen[-1].is_clipped else f"{seen[-1].level:.0%} of white in {seen[-1].channel}"
        told(f"test frame of {shutter.dial}: {level}")
    return choose(longs, seen)


@dataclass
class _Meter:
    """Shoots test frames, whatever the camera does meanwhile."""

    tether: Tether
    store: Store
    clock: Clock
    iso: int
    told: Callable[[str], None]
    _was_lost: bool = False

    @property
    def _journal(self) -> Journal:
        return Journal(self.store.journal_path)

    def test(self, shutter: Shutter) -> TestFrame:
        return self.tether.persist(lambda: self._exposed(shutter), progress=lambda: 0, lost=self._lost)

    def _lost(self, text: str) -> None:
        self._was_lost = True
        self.told(text)

    def _exposed(self, shutter: Shutter) -> TestFrame:
        if self._was_lost:
            self._account_for_lost(shutter)
        body, keep = self.tether.body, self.tether.keep
        body.lower_mirror()
        with self.tether.released_by(Release.PLAIN):
            body.configure(self.iso, keep)
            body.set_shutter(shutter.label, keep)
            check_disk(self.store.root, frames=1)
            self._journal.record("test", iso=self.iso, shutter=shutter.label)
            body.expose(shutter.true_s, Release.PLAIN, 0.0, self.clock)
            file = await_file(self.tether.camera, shutter.true_s / self.clock.scale, self.tether.known)
            part = self.store.root / f".{file.name}.part"
            try:
                fetch(self.tether.camera, file, part)
                self._account_for(file, shutter)
                frame = read_raw(part)
            finally:
                part.unlink(missing_ok=True)
        return TestFrame(shutter, highlight_levels(frame))

    def _account_for_lost(self, shutter: Shutter) -> None:
        """A test frame that the broken connection left on the card must not be taken for a frame of the bracket."""
        over = self.clock.now() + timedelta(seconds=shutter.true_s + LATE_S)
        self.tether.find_on_card(lambda _: False, is_over=lambda: self.clock.now() > over)
        for file in self.tether.new_files():
            self._account_for(file, shutter)
        self._was_lost = False

    def _account_for(self, file: CardFile, shutter: Shutter) -> None:
        self._journal.record("test frame", card=str(file), iso=self.iso, shutter=shutter.label)
        self.tether.consider_known([file])
