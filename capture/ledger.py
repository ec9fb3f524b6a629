"""What a dataset knows of its brackets: frames, scene files and journal, changed in an order that survives a kill.

A frame is journaled before it gets its name, discarded in the scene file before its file moves, and so on: whatever was
begun is finished by `Ledger.reopen`, which reads where things stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from sidcap.capture.bracket import Arrival, Bracket
from sidcap.capture.camera import CardFile
from sidcap.capture.fetching import card_file, is_whole, move, numbered, part_of
from sidcap.capture.inspection import Expectation, Inspection
from sidcap.capture.journal import Journal
from sidcap.capture.plan import Shot
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.naming import FrameName
from sidcap.data_manifest.schema import CameraBody, Discarded, Exposure, Frame, Iso, Scene
from sidcap.data_manifest.store import Store

_NUMBERED = re.compile(r"\.\d+(?=\.[^.]+$)")


@dataclass(frozen=True)
class Ledger:
    """The books of one dataset."""

    store: Store

    @property
    def journal(self) -> Journal:
        """The dataset's journal."""
        return Journal(self.store.journal_path)

    # Frames come.

    def free_path(self, bracket: Bracket, shot: Shot, extension: str) -> Path:
        """The first SID name of this scene and exposure that no file has yet."""
        folder = self.store.root / shot.role
        folder.mkdir(exist_ok=True)
        for sequence in range(100):
            path = folder / str(FrameName(bracket.scene_id, sequence, shot.nominal_s, extension))
            if not path.exists():
                return path
        raise UsageError(f"scene {bracket.scene_id:05d} has 100 frames of {shot.nominal_s:g} s: take another scene")

    def accept(self, bracket: Bracket, arrival: Arrival) -> None:
        """A frame lies whole beside where it belongs: write down that it came, and give it its name."""
        # In this order: a file without a line in the journal would be a stranger.
        facts = arrival.model_dump(mode="json")
        self.journal.record("file", scene=bracket.scene_id, attempt=bracket.attempt, arrival=facts)
        target = self.store.root / arrival.path
        move(part_of(target), target)
        bracket.arrivals[arrival.index] = arrival

    def frame_of(self, bracket: Bracket, index: int, found: Inspection, reported: CameraBody) -> Frame:
        """The record of a frame that somebody looked into; ``reported`` fills in what its EXIF does not tell."""
        arrival, shot, plan, exif = bracket.arrivals[index], bracket.shot(index), bracket.plan, found.exif
        camera = CameraBody(
            model=exif.model or reported.model,
            serial=exif.serial or reported.serial,
            firmware=exif.firmware or reported.firmware,
            simulated=exif.simulated,
        )
        self.store.add_camera(camera)
        return Frame(
            path=arrival.path,
            role=shot.role,
            size_bytes=arrival.size_bytes,
            sha256=arrival.sha256,
            camera=camera,
            lens=exif.lens,
            iso=Iso(requested=plan.iso_requested, set=plan.iso_set, exif=exif.iso),
            exposure=Exposure(
                requested_s=shot.requested_s, nominal_s=shot.nominal_s, true_s=shot.true_s, exif_s=exif.exposure_s
            ),
            aperture=exif.aperture or None,
            start_utc=arrival.start_utc,
            end_utc=arrival.end_utc,
            release=plan.release,
            settle_s=plan.settle_s,
            black=found.black,
            white=found.white,
            battery=arrival.battery,
            card=arrival.card,
            clipped=found.clipped,
        )

    def first_long(self, bracket: Bracket, index: int) -> Path | None:
        """The file that the frame of a shot is compared with; None for that frame itself, and while it is missing."""
        first = bracket.arrivals.get(0)
        return None if index == 0 or first is None else self.store.root / first.path

    def count(self, bracket: Bracket, index: int, frame: Frame) -> None:
        """The frame counts from now on."""
        bracket.frames[index] = frame
        self.store.change_scene(bracket.scene_id, bracket.written_into)
        self.journal.record("frame", scene=bracket.scene_id, attempt=bracket.attempt, index=index, path=frame.path)

    def complete(self, bracket: Bracket) -> Scene:
        """Nothing is missing any more: the scene, complete."""
        scene = self.store.change_scene(bracket.scene_id, lambda scene: bracket.written_into(scene, complete=True))
        self.journal.record("complete", scene=bracket.scene_id)
        return scene

    # Frames go.

    def set_aside(self, scene_id: int, frames: tuple[Frame, ...], reason: str) -> None:
        """Let these frames count for nothing: the scene file says so first, then their files move."""
        aside = self.store.root / "discarded"
        recorded = {discarded.frame.path for discarded in self.store.scene(scene_id).discarded}

        def place(frame: Frame) -> str:
            # Past what is recorded, too: somebody may have deleted discarded files to make room.
            names = (numbered(aside / frame.name, first).relative_to(self.store.root).as_posix() for first in count(1))
            return next(name for name in names if name not in recorded)

        moved = {frame.path: frame.replace(path=place(frame)) for frame in frames}

        def change(scene: Scene) -> Scene:
            return scene.replace(
                frames=tuple(frame for frame in scene.frames if frame.path not in moved),
                pairs=tuple(pair for pair in scene.pairs if not {pair.frame, pair.reference} & moved.keys()),
                closing=None,
                discarded=(*scene.discarded, *(Discarded(frame=f, reason=reason) for f in moved.values())),
            )

        self._finish_moving(self.store.change_scene(scene_id, change))

    def set_unreadable_aside(self, arrival: Arrival) -> None:
        """Keep a file that nobody can decode, and that no scene can name for that reason; the journal does."""
        move(self.store.root / arrival.path, numbered(self.store.root / "discarded" / "unreadable" / arrival.name))

    def _finish_moving(self, scene: Scene) -> None:
        """Move the files of discarded frames that still lie where they counted."""
        for discarded in scene.discarded:
            path = self.store.root / discarded.frame.path
            counted = self.store.root / discarded.frame.role / _NUMBERED.sub("", path.name)
            if not path.exists() and is_whole(counted, discarded.frame.checksum):
                move(counted, path)

    # Once more.

    def reopen(self, bracket: Bracket) -> set[CardFile]:
        """Finish what a program that was killed had begun to move, and note the frames that count.

        Gives the files on the card that have to be fetched once more.
        """
        lost = self._tidy_up(bracket)
        counting = {frame.path: frame for frame in self.store.scene(bracket.scene_id).frames}
        bracket.frames = {i: counting[a.path] for i, a in bracket.arrivals.items() if a.path in counting}
        return lost

    def _tidy_up(self, bracket: Bracket) -> set[CardFile]:
        scene = self.store.scene(bracket.scene_id)
        self._finish_moving(scene)
        arrived = {arrival.path for arrival in bracket.arrivals.values()}
        stale = tuple(frame for frame in scene.frames if frame.path not in arrived)
        if stale:
            self.set_aside(bracket.scene_id, stale, "the attempt before this one")
        lost = set()
        for index, arrival in list(bracket.arrivals.items()):
            path = self.store.root / arrival.path
            if is_whole(part_of(path), arrival.sha256):
                move(part_of(path), path)
            if not path.exists():
                lost.add(card_file(arrival.card))
                del bracket.arrivals[index]
        for pattern in (f"*/.{bracket.scene_id:05d}_*.part", f"*/.{bracket.scene_id:05d}_*.again", ".*.part"):
            for part in self.store.root.glob(pattern):
                part.unlink()
        return lost


def expectation(bracket: Bracket, index: int) -> Expectation:
    """What the frame of a shot should be."""
    shot = bracket.shot(index)
    return Expectation(shot.role, bracket.plan.iso_set, shot.nominal_s, bracket.true_ratio(index), shot.in_bulb)
