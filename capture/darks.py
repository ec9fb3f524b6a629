"""Dark frames, what the sensor says with the cap on, and flats, what it says of an evenly lit surface; per ISO and
exposure, for a dataset's calibration.

A frame is fetched under a temporary name and looked into. If it is lit as it should be, ``calibration.json`` names it
first and its file gets its name after that; what a kill leaves in between is finished at the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sidcap.capture.camera import CardFile
from sidcap.capture.clock import Clock
from sidcap.capture.disk import check_disk
from sidcap.capture.exposure import choose_exposure, choose_iso, in_bulb, offer
from sidcap.capture.fetching import LATE_S, TRIES, await_file, card_file, fetch, is_whole, mismatch, move, part_of
from sidcap.capture.inspection import Expectation, contradiction
from sidcap.capture.journal import Journal, accounted_for
from sidcap.capture.metering import LongChoice
from sidcap.capture.tether import Tether
from sidcap.data_manifest.calibration_frames import FOLDERS, Kind, frame_record, free_path, wrongly_lit
from sidcap.data_manifest.errors import RawError, UsageError
from sidcap.data_manifest.naming import seconds_text
from sidcap.data_manifest.raw import RawFrame, read_raw
from sidcap.data_manifest.schema import CalibrationFrame, CameraBody, Exposure, Iso, Record
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Release

MOST_REPEATS = 1000
FLAT_LEVELS = (0.033, 0.066, 0.13, 0.25, 0.4, 0.6, 4.0)
"""How bright the highlights of flats are, relative to white; the last are overexposed and show where white is."""
_FEWEST_LEVELS = 3

_FETCH_S = 4.0
"""Guess for writing a frame to the card and fetching it, as for a bracket."""


class DarkSetting(Record):
    """What one dark frame, or flat, is exposed with."""

    iso_requested: int
    iso_set: int
    shutter: str
    """The camera's own label of the shutter setting."""
    requested_s: float
    nominal_s: float
    true_s: float

    def __str__(self) -> str:
        return f"ISO {self.iso_set}, {seconds_text(self.nominal_s)} s"

    def made(self, frame: CalibrationFrame) -> bool:
        """Whether a frame was exposed with this."""
        return (frame.iso.set, frame.exposure.nominal_s) == (self.iso_set, self.nominal_s)


class DarkPlan(Record):
    """Dark frames, or flats, to be made: so many of every setting."""

    settings: tuple[DarkSetting, ...]
    """The longest first: light that falls in shows best in them."""
    repeats: int

    def missing(self, frames: Iterable[CalibrationFrame], serial: str) -> list[DarkSetting]:
        """What is still to be exposed with the body of that serial number, one entry a frame."""
        there = [frame for frame in frames if frame.camera.serial == serial]
        return [
            setting
            for setting in self.settings
            for _ in range(self.repeats - sum(setting.made(frame) for frame in there))
        ]


def duration_s(settings: Iterable[DarkSetting]) -> float:
    """Expected time for these frames, seconds; the time to fetch one is a guess."""
    return sum(setting.true_s + _FETCH_S for setting in settings)


def plan_darks(
    *,
    isos: Sequence[int],
    exposures_s: Sequence[float],
    repeats: int,
    iso_labels: Iterable[str],
    shutter_labels: Iterable[str],
) -> DarkPlan:
    """Dark frames, or flats, for every ISO and exposure, each with the nearest that the camera offers.

    Raises UsageError where it offers none near.
    """
    if not isos or not exposures_s:
        raise UsageError("an ISO and an exposure are needed: --iso 12800,200 --exposures 10,0.1")
    if not 1 <= repeats <= MOST_REPEATS:
        raise UsageError(f"--repeats {repeats} is out of range: 1 to {MOST_REPEATS} frames of each setting")
    offered, labels = offer(shutter_labels), tuple(iso_labels)
    settings: dict[tuple[int, float], DarkSetting] = {}
    for seconds in exposures_s:
        shutter = choose_exposure(offered, seconds) if seconds > 0 else None
        if shutter is None:
            raise UsageError(f"the camera offers {offered.reach}, not {seconds:g} s: give --exposures within that")
        for iso in isos:
            setting = DarkSetting(
                iso_requested=iso,
                iso_set=choose_iso(labels, iso),
                shutter=shutter.label,
                requested_s=seconds,
                nominal_s=shutter.nominal_s,
                true_s=shutter.true_s,
            )
            settings.setdefault((setting.iso_set, setting.nominal_s), setting)
    in_order = sorted(settings.values(), key=lambda setting: (-setting.nominal_s, -setting.iso_set))
    return DarkPlan(settings=tuple(in_order), repeats=repeats)


def flat_exposures_s(metered: LongChoice, shutter_labels: Iterable[str]) -> list[float]:
    """Nominal seconds of flats from a thirtieth of white to overexposed, by what test frames showed.

    Levels that the camera cannot time are left out. UsageError where fewer than three remain.
    """
    offered = offer(shutter_labels)
    if metered.level >= 1:
        raise UsageError(f"the light is {metered.limit}")
    wanted_s = [metered.shutter.true_s * level / metered.level for level in FLAT_LEVELS]
    longest_s, shortest_s = offered.timed[0].nominal_s, offered.timed[-1].nominal_s
    within = [shutter for s in wanted_s if shortest_s <= s <= longest_s and (shutter := choose_exposure(offered, s))]
    if len(within) < _FEWEST_LEVELS:
        raise UsageError("the camera cannot time flats of several levels in this light: make it brighter or darker")
    return list(dict.fromkeys(shutter.nominal_s for shutter in within))


@dataclass
class Darkroom:
    """Shoots dark frames, or flats, with one camera into one dataset.

    The tether is connected, and closed by whoever made it.
    """

    tether: Tether
    store: Store
    clock: Clock
    lit_wrongly: Callable[[str], None]
    """Told that light fell on a dark frame, or too little on a flat; returns when that is mended, or raises."""
    took: Callable[[CalibrationFrame], None] = lambda _: None
    """Told of every frame that counts."""
    lost: Callable[[str], None] = lambda _: None
    """Told that the camera fell silent, or that a frame has to be shot again, and why."""
    kind: Kind = "dark"
    _intended: tuple[DarkSetting, datetime] | None = None
    _made: int = 0
    _spoilt: int = 0

    @property
    def _journal(self) -> Journal:
        return Journal(self.store.journal_path)

    @property
    def there(self) -> Sequence[CalibrationFrame]:
        """The frames of this kind that the dataset has, of every body."""
        return frames_there(self.store, self.kind)

    def missing(self, plan: DarkPlan) -> list[DarkSetting]:
        """What is still to be exposed with the camera that is connected."""
        return plan.missing(self.there, self.tether.reported.serial)

    def shoot(self, plan: DarkPlan) -> None:
        """Shoot what is missing. What an earlier program left on the card or half moved is brought home first.

        Raises CameraError where the camera cannot be brought to do it, RawError where its files cannot be read.
        """
        self._tidy_up()
        interrupted = interrupted_frame(self._journal.events(), self.tether.reported.serial, self.kind)
        if interrupted is not None:
            setting, at, known = interrupted
            self._intended = (setting, at)
            self.tether.consider_known(known, only=True)
        self.tether.persist(lambda: self._shoot_missing(plan), progress=lambda: self._made, lost=self.lost)

    def _tidy_up(self) -> None:
        for frame in self.there:
            path = self.store.path(frame.path)
            if not path.exists() and is_whole(part_of(path), frame.sha256):
                move(part_of(path), path)
        for part in (self.store.root / FOLDERS[self.kind]).glob(".*.part"):
            part.unlink()

    def _shoot_missing(self, plan: DarkPlan) -> None:
        self._collect()
        self.tether.body.lower_mirror()
        with self.tether.released_by(Release.PLAIN):
            while missing := self.missing(plan):
                self._shoot_one(missing[0])

    def _shoot_one(self, setting: DarkSetting) -> None:
        body = self.tether.body
        body.configure(setting.iso_set, self.tether.keep)
        body.set_shutter(setting.shutter, self.tether.keep)
        check_disk(self.store.root, frames=1)
        self._journal.record(self.kind, serial=self.tether.reported.serial, setting=setting.model_dump(mode="json"))
        self._intended = (setting, self.clock.now())
        body.expose(setting.true_s, Release.PLAIN, 0.0, self.clock)
        start = self.clock.now()
        file = await_file(self.tether.camera, setting.true_s / self.clock.scale, self.tether.known)
        self._bring_home(setting, file, start)

    def _collect(self) -> None:
        """Bring home what the card has of the exposure during which the connection broke or the program was killed."""
        if self._intended is None:
            return
        setting, at = self._intended
        over = at + timedelta(seconds=setting.true_s + LATE_S)
        file = self.tether.find_on_card(
            lambda file: self._is_of(file, setting), is_over=lambda: self.clock.now() > over
        )
        if file is None:
            self._journal.record(f"{self.kind} refused", serial=self.tether.reported.serial, reason="no frame came")
            self._intended = None
        else:
            self._bring_home(setting, file, at)

    def _is_of(self, file: CardFile, setting: DarkSetting) -> bool:
        part = self.store.root / f".{file.name}.part"
        home = {frame.sha256 for frame in self.store.calibration().frames}
        stranger = mismatch(self.tether.camera, file, part, self._expectation(setting), home)
        if stranger is not None:
            self._journal.record("stray", card=str(file), reason=stranger)
            self.tether.consider_known([file])
        return stranger is None

    def _bring_home(self, setting: DarkSetting, file: CardFile, start: datetime) -> None:
        suffix = Path(file.name).suffix
        target = free_path(self.store, self.kind, setting.iso_set, setting.nominal_s, suffix)
        part = part_of(target)
        size, digest = fetch(self.tether.camera, file, part)
        try:
            frame = read_raw(part)
            wrong = contradiction(frame.exif, self._expectation(setting))
        except RawError as error:
            self._refuse(part, file, str(error))
            return
        if wrong is not None:
            self._refuse(part, file, wrong)
        elif (wrong := wrongly_lit(frame, self.kind)) is not None:
            self._refuse(part, file, wrong, by_light=True)
        else:
            path = target.relative_to(self.store.root).as_posix()
            self._take(self._record(setting, frame, path, size, digest, start, str(file)))

    def _refuse(self, part: Path, file: CardFile, reason: str, *, by_light: bool = False) -> None:
        """A frame is no good: it stays on the card, and is shot again."""
        part.unlink()
        self._account(file, f"{self.kind} refused", reason=reason)
        if by_light:
            self.lit_wrongly(f"{file.name} is no {self.kind}: {reason}")
            return
        self._spoilt += 1
        if self._spoilt == TRIES:
            raise RawError(f"{TRIES} {self.kind}s in a row are no good ({reason}): check cable and card")
        self.lost(f"{file.name}: {reason}; shooting it again")

    def _take(self, frame: CalibrationFrame) -> None:
        target = self.store.root / frame.path
        self.store.add_camera(frame.camera)
        self.store.change_calibration(lambda calibration: calibration.with_frame(frame))
        move(part_of(target), target)
        self._account(card_file(frame.card), f"{self.kind} frame", path=frame.path)
        self._made, self._spoilt = self._made + 1, 0
        self.took(frame)

    def _account(self, file: CardFile, event: str, **facts: Any) -> None:
        self._journal.record(event, serial=self.tether.reported.serial, card=str(file), **facts)
        self.tether.consider_known([file])
        self._intended = None

    def _expectation(self, setting: DarkSetting) -> Expectation:
        return Expectation(self.kind, setting.iso_set, setting.nominal_s, 1.0, in_bulb(setting.shutter))

    def _record(
        self,
        setting: DarkSetting,
        frame: RawFrame,
        path: str,
        size_bytes: int,
        sha256: str,
        start_utc: datetime,
        card: str,
    ) -> CalibrationFrame:
        exif, reported = frame.exif, self.tether.reported
        return frame_record(
            self.kind,
            frame,
            path=path,
            size_bytes=size_bytes,
            sha256=sha256,
            camera=CameraBody(
                model=exif.model or reported.model,
                serial=reported.serial,
                firmware=exif.firmware or reported.firmware,
                simulated=exif.simulated,
            ),
            iso=Iso(requested=setting.iso_requested, set=setting.iso_set, exif=exif.iso),
            exposure=Exposure(
                requested_s=setting.requested_s,
                nominal_s=setting.nominal_s,
                true_s=setting.true_s,
                exif_s=exif.exposure_s,
            ),
            start_utc=start_utc,
            card=card,
        )


def frames_there(store: Store, kind: Kind) -> Sequence[CalibrationFrame]:
    """The dark frames, or flats, that a dataset has, of every body."""
    calibration = store.calibration()
    return calibration.darks if kind == "dark" else calibration.flats


def interrupted_frame(
    events: Sequence[Mapping[str, Any]], serial: str, kind: Kind
) -> tuple[DarkSetting, datetime, set[CardFile]] | None:
    """The exposure that a killed program had begun with this body: its setting, when, and the files on the card that it
    cannot be. None where there is none."""
    intended: tuple[DarkSetting, datetime] | None = None
    listed: set[CardFile] = set()
    known: set[CardFile] = set()
    for event in events:
        is_of_body = event.get("serial") == serial
        if event["event"] == "connected":
            listed = {card_file(path) for path in event["card"]}
        elif is_of_body and event["event"] == kind:
            intended = (DarkSetting.model_validate(event["setting"]), datetime.fromisoformat(event["utc"]))
            known |= listed
        elif is_of_body and event["event"] in (f"{kind} frame", f"{kind} refused"):
            intended = None
        if card := accounted_for(event):
            known.add(card_file(card))
    return None if intended is None else (*intended, known)
