"""Dark frames: what the sensor says with the cap on, per ISO and exposure, for a dataset's calibration.

A frame is fetched under a temporary name and looked into. If no light fell on it, ``calibration.json`` names it first
and its file gets its name after that; what a kill leaves in between is finished at the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from sidcap.capture.camera import CardFile
from sidcap.capture.clock import Clock
from sidcap.capture.disk import check_disk
from sidcap.capture.exposure import choose_exposure, choose_iso, in_bulb, offer
from sidcap.capture.fetching import LATE_S, TRIES, await_file, card_file, fetch, is_whole, mismatch, move, part_of
from sidcap.capture.inspection import Expectation, contradiction
from sidcap.capture.journal import Journal, accounted_for
from sidcap.capture.tether import Tether
from sidcap.data_manifest.errors import RawError, UsageError
from sidcap.data_manifest.naming import seconds_text
from sidcap.data_manifest.raw import RawFrame, read_raw
from sidcap.data_manifest.schema import CameraBody, DarkFrame, Exposure, Iso, Record
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Release

FOLDER = "calibration/darks"
MOST_REPEATS = 1000

_FETCH_S = 4.0
"""Guess for writing a frame to the card and fetching it, as for a bracket."""
_BLOCK_PX = 64
_LIGHT_LIMIT = 1e-3
"""A dark frame lies less above black, relative to white. Guess, 13 DN of a 6D: the simulated one, which has no light at
all, comes to 1.4 DN in 30 s at ISO 25600, and a room lit for 10 s at ISO 12800 to 17 DN in 1/10 s."""


class DarkSetting(Record):
    """What one dark frame is exposed with."""

    iso_requested: int
    iso_set: int
    shutter: str
    """The camera's own label of the shutter setting."""
    requested_s: float
    nominal_s: float
    true_s: float

    def __str__(self) -> str:
        return f"ISO {self.iso_set}, {seconds_text(self.nominal_s)} s"

    def made(self, dark: DarkFrame) -> bool:
        """Whether a dark frame was exposed with this."""
        return (dark.iso.set, dark.exposure.nominal_s) == (self.iso_set, self.nominal_s)


class DarkPlan(Record):
    """Dark frames to be made: so many of every setting."""

    settings: tuple[DarkSetting, ...]
    """The longest first: light that falls in shows best in them."""
    repeats: int

    def missing(self, darks: Iterable[DarkFrame], serial: str) -> list[DarkSetting]:
        """What is still to be exposed with the body of that serial number, one entry a frame."""
        there = [dark for dark in darks if dark.camera.serial == serial]
        return [
            setting
            for setting in self.settings
            for _ in range(self.repeats - sum(setting.made(dark) for dark in there))
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
    """Dark frames for every ISO and exposure, each with the nearest that the camera offers.

    Raises UsageError where it offers none near.
    """
    if not isos or not exposures_s:
        raise UsageError("dark frames need an ISO and an exposure: --iso 12800,200 --exposures 10,0.1")
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


def light_on(frame: RawFrame) -> float:
    """How far half of a frame lies above black, relative to white.

    It is the median over blocks of 64 x 64 photosites: noise, hot pixels and a glow at the edges are no light.
    """
    rows, columns = (side // _BLOCK_PX * _BLOCK_PX for side in frame.mosaic.shape)
    blocks = frame.signal()[:rows, :columns].reshape(rows // _BLOCK_PX, _BLOCK_PX, columns // _BLOCK_PX, _BLOCK_PX)
    middle = np.median(blocks.mean(axis=(1, 3), dtype=np.float64))
    return float(middle / (frame.white.dn - np.mean(frame.black.per_plane_dn)))


@dataclass
class Darkroom:
    """Shoots dark frames with one camera into one dataset; the tether is connected, and closed by whoever made it."""

    tether: Tether
    store: Store
    clock: Clock
    light_fell: Callable[[str], None]
    """Told that a frame was not dark; returns when that is mended, or raises."""
    took: Callable[[DarkFrame], None] = lambda _: None
    """Told of every frame that counts."""
    lost: Callable[[str], None] = lambda _: None
    """Told that the camera fell silent, or that a frame has to be shot again, and why."""
    _intended: tuple[DarkSetting, datetime] | None = None
    _made: int = 0
    _spoilt: int = 0

    @property
    def _journal(self) -> Journal:
        return Journal(self.store.journal_path)

    def missing(self, plan: DarkPlan) -> list[DarkSetting]:
        """What is still to be exposed with the camera that is connected."""
        return plan.missing(self.store.calibration().darks, self.tether.reported.serial)

    def shoot(self, plan: DarkPlan) -> None:
        """Shoot what is missing. What an earlier program left on the card or half moved is brought home first.

        Raises CameraError where the camera cannot be brought to do it, RawError where its files cannot be read.
        """
        self._tidy_up()
        interrupted = interrupted_dark(self._journal.events(), self.tether.reported.serial)
        if interrupted is not None:
            setting, at, known = interrupted
            self._intended = (setting, at)
            self.tether.consider_known(known, only=True)
        self.tether.persist(lambda: self._shoot_missing(plan), progress=lambda: self._made, lost=self.lost)

    def _tidy_up(self) -> None:
        for dark in self.store.calibration().darks:
            path = self.store.path(dark.path)
            if not path.exists() and is_whole(part_of(path), dark.sha256):
                move(part_of(path), path)
        for part in (self.store.root / FOLDER).glob(".*.part"):
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
        self._journal.record("dark", serial=self.tether.reported.serial, setting=setting.model_dump(mode="json"))
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
            self._journal.record("dark refused", serial=self.tether.reported.serial, reason="no frame came")
            self._intended = None
        else:
            self._bring_home(setting, file, at)

    def _is_of(self, file: CardFile, setting: DarkSetting) -> bool:
        part = self.store.root / f".{file.name}.part"
        home = {dark.sha256 for dark in self.store.calibration().darks}
        stranger = mismatch(self.tether.camera, file, part, _expectation(setting), home)
        if stranger is not None:
            self._journal.record("stray", card=str(file), reason=stranger)
            self.tether.consider_known([file])
        return stranger is None

    def _bring_home(self, setting: DarkSetting, file: CardFile, start: datetime) -> None:
        target = self._free_path(setting, Path(file.name).suffix)
        part = part_of(target)
        size, digest = fetch(self.tether.camera, file, part)
        try:
            frame = read_raw(part)
            wrong, light = contradiction(frame.exif, _expectation(setting)), light_on(frame)
        except RawError as error:
            self._refuse(part, file, str(error))
            return
        if wrong is not None:
            self._refuse(part, file, wrong)
        elif light > _LIGHT_LIMIT:
            self._refuse(part, file, f"light fell on it, {light:.1%} of white", by_light=True)
        else:
            path = target.relative_to(self.store.root).as_posix()
            self._take(_record(setting, frame, self.tether.reported, path, size, digest, start, str(file)))

    def _refuse(self, part: Path, file: CardFile, reason: str, *, by_light: bool = False) -> None:
        """A frame is no good: it stays on the card, and is shot again."""
        part.unlink()
        self._account(file, "dark refused", reason=reason)
        if by_light:
            self.light_fell(f"{file.name} is not dark: {reason}; put the cap on and cover the viewfinder")
            return
        self._spoilt += 1
        if self._spoilt == TRIES:
            raise RawError(f"{TRIES} dark frames in a row are no good ({reason}): check cable and card")
        self.lost(f"{file.name}: {reason}; shooting it again")

    def _take(self, dark: DarkFrame) -> None:
        target = self.store.root / dark.path
        self.store.add_camera(dark.camera)
        self.store.change_calibration(lambda calibration: calibration.replace(darks=(*calibration.darks, dark)))
        move(part_of(target), target)
        self._account(card_file(dark.card), "dark frame", path=dark.path)
        self._made, self._spoilt = self._made + 1, 0
        self.took(dark)

    def _account(self, file: CardFile, event: str, **facts: Any) -> None:
        self._journal.record(event, serial=self.tether.reported.serial, card=str(file), **facts)
        self.tether.consider_known([file])
        self._intended = None

    def _free_path(self, setting: DarkSetting, suffix: str) -> Path:
        """The first name of this setting that no file has: ``ISO12800_10s_00.CR2``."""
        folder = self.store.root / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        taken = {dark.path for dark in self.store.calibration().darks}
        stem, number = f"ISO{setting.iso_set}_{seconds_text(setting.nominal_s)}s", 0
        while (path := folder / f"{stem}_{number:02d}{suffix}").exists() or f"{FOLDER}/{path.name}" in taken:
            number += 1
        return path


def _expectation(setting: DarkSetting) -> Expectation:
    return Expectation("dark", setting.iso_set, setting.nominal_s, 1.0, in_bulb(setting.shutter))


def _record(
    setting: DarkSetting,
    frame: RawFrame,
    reported: CameraBody,
    path: str,
    size_bytes: int,
    sha256: str,
    start_utc: datetime,
    card: str,
) -> DarkFrame:
    exif = frame.exif
    mosaic = frame.mosaic
    means = [float(mosaic[y::2, x::2].mean(dtype=np.float64)) for y in (0, 1) for x in (0, 1)]
    return DarkFrame(
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
        black=frame.black,
        mean_dn=(means[0], means[1], means[2], means[3]),
        card=card,
    )


def interrupted_dark(
    events: Sequence[Mapping[str, Any]], serial: str
) -> tuple[DarkSetting, datetime, set[CardFile]] | None:
    """The dark exposure that a killed program had begun with this body: its setting, when, and the files on the card
    that it cannot be. None where there is none."""
    intended: tuple[DarkSetting, datetime] | None = None
    listed: set[CardFile] = set()
    known: set[CardFile] = set()
    for event in events:
        match event["event"]:
            case "connected":
                listed = {card_file(path) for path in event["card"]}
            case "dark" if event["serial"] == serial:
                intended = (DarkSetting.model_validate(event["setting"]), datetime.fromisoformat(event["utc"]))
                known |= listed
            case "dark frame" | "dark refused" if event["serial"] == serial:
                intended = None
        if card := accounted_for(event):
            known.add(card_file(card))
    return None if intended is None else (*intended, known)
