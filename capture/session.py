"""Shoot one bracket: preflight, then for every shot lock up, settle, expose, fetch, verify, record.

      plan ──> preflight ──> configure ──> release mode on ─┐
                                                           v
          ┌── set shutter ──> intent to journal ──> press, settle, press
          │                                                 v
          │                    file announced <──── exposure runs
          │                           v
          │   download ──> size, sha256, decode, EXIF ──> SID name ──> scene file ──> result to journal
          └───────────────────────────┘                         (for every shot)
                                                           v
                            release mode off ──> scene complete

A frame is written under a temporary name and gets its own only when it is whole. Whatever fails, frames that were
brought home stay, and the scene file names them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from sidcap.capture.bodies import Body
from sidcap.capture.camera import Camera, CardFile
from sidcap.capture.clock import Clock
from sidcap.capture.journal import Journal
from sidcap.capture.plan import BracketPlan, Shot
from sidcap.data_manifest.errors import CameraError, UsageError
from sidcap.data_manifest.naming import FrameName
from sidcap.data_manifest.raw import RawFrame, read_raw
from sidcap.data_manifest.schema import CameraBody, Exposure, Frame, Iso, Pair, Ratio, Scene
from sidcap.data_manifest.store import Store, sha256_of, sync_folder
from sidcap.data_manifest.words import Split

_FILE_PATIENCE_S = 30.0
"""How long after the exposure a frame may take to reach the card. Guess; a 6D needs about a second."""
_RAW_SIZE_BYTES = 30_000_000
"""Upper estimate of one raw file, to see before shooting whether the disk can hold the bracket."""
_EXIF_TOLERANCE = 0.05

Phase = Literal["set", "settle", "expose", "fetch", "done"]


@dataclass(frozen=True)
class Step:
    """Where the session is; told to whoever watches."""

    index: int
    """0-based number of the shot."""
    shot: Shot
    phase: Phase
    frame: Frame | None = None
    """The frame, once it is recorded."""
    problem: str | None = None
    """What makes the frame unusable."""


Watcher = Callable[[Step], None]


@dataclass
class Session:
    """Shoots brackets with one camera into one dataset."""

    camera: Camera
    body: Body
    store: Store
    clock: Clock

    def shoot(self, scene_id: int, split: Split, plan: BracketPlan, watch: Watcher = lambda _: None) -> Scene:
        """Shoot ``plan`` as scene ``scene_id`` and give the complete scene.

        Raises CameraError where the camera fails on the way: what was shot until then is in the scene file, which
        stays marked incomplete.
        """
        with self.store.locked():
            if self.store.scene_path(scene_id).exists():
                raise UsageError(f"scene {scene_id:05d} exists already: leave --scene out to take the next number")
            self.store.save_scene(Scene(id=scene_id, split=split, complete=False))
        self._journal.record("bracket", scene=scene_id, split=split, plan=plan.model_dump(mode="json"))
        try:
            self._shoot_all(scene_id, plan, watch)
        except BaseException as error:
            self._journal.record("interrupted", scene=scene_id, reason=str(error) or type(error).__name__)
            raise
        scene = self.store.change_scene(scene_id, lambda scene: scene.replace(complete=True))
        self._journal.record("complete", scene=scene_id)
        return scene

    @property
    def _journal(self) -> Journal:
        return Journal(self.store.journal_path)

    def _shoot_all(self, scene_id: int, plan: BracketPlan, watch: Watcher) -> None:
        self.body.configure(plan.iso_set, self.camera.set)
        with self.body.released_by(plan.release, self.camera.set):
            for index, shot in enumerate(plan.shots):
                self._shoot_one(scene_id, index, shot, plan, watch)

    def _shoot_one(self, scene_id: int, index: int, shot: Shot, plan: BracketPlan, watch: Watcher) -> None:
        watch(Step(index, shot, "set"))
        self.body.set_shutter(shot.shutter, self.camera.set)
        self._journal.record("shot", scene=scene_id, index=index, shot=shot.model_dump(mode="json"))
        watch(Step(index, shot, "settle" if plan.settle_s else "expose"))
        self.body.expose(shot.true_s, plan.release, plan.settle_s, self.clock)
        start = self.clock.now()
        watch(Step(index, shot, "expose"))
        on_card = self.camera.wait_for_file(shot.true_s / self.clock.scale + _FILE_PATIENCE_S)
        if on_card is None:
            raise CameraError(
                f"no frame came within {_FILE_PATIENCE_S:g} s after the exposure: check the card, and that the mirror "
                "was still up (it drops 30 s after the first press), then shoot again"
            )
        end = self.clock.now()
        watch(Step(index, shot, "fetch"))
        frame, problem = self._bring_home(on_card, scene_id, shot, plan, start, end)
        self.store.change_scene(scene_id, lambda scene: with_frame(scene, frame, shot))
        self._journal.record("frame", scene=scene_id, index=index, path=frame.path, card=str(on_card), problem=problem)
        watch(Step(index, shot, "done", frame, problem))

    def _bring_home(
        self, on_card: CardFile, scene_id: int, shot: Shot, plan: BracketPlan, start: datetime, end: datetime
    ) -> tuple[Frame, str | None]:
        """Fetch, verify and name one frame. Gives its record and, where its EXIF contradicts the settings, why."""
        target = self._free_path(scene_id, shot, Path(on_card.name).suffix.lstrip("."))
        arriving = target.with_name(f".{target.name}.part")
        try:
            size = self.camera.download(on_card, arriving)
            raw = read_raw(arriving)
            digest = sha256_of(arriving)
            arriving.replace(target)
        finally:
            arriving.unlink(missing_ok=True)
        sync_folder(target.parent)
        frame = Frame(
            path=target.relative_to(self.store.root).as_posix(),
            role=shot.role,
            size_bytes=size,
            sha256=digest,
            camera=self._camera_body(raw),
            lens=raw.exif.lens or self.camera.find("lensname") or "",
            iso=Iso(requested=plan.iso_requested, set=plan.iso_set, exif=raw.exif.iso),
            exposure=Exposure(
                requested_s=shot.requested_s,
                nominal_s=shot.nominal_s,
                true_s=shot.true_s,
                exif_s=raw.exif.exposure_s,
            ),
            aperture=raw.exif.aperture or None,
            start_utc=start,
            end_utc=end,
            release=plan.release,
            settle_s=plan.settle_s,
            black=raw.black,
            white=raw.white,
            battery=self.camera.find("batterylevel") or "",
        )
        return frame, exif_contradiction(frame)

    def _free_path(self, scene_id: int, shot: Shot, extension: str) -> Path:
        """The first SID name of this scene and exposure that no file has yet."""
        folder = self.store.root / shot.role
        folder.mkdir(exist_ok=True)
        for sequence in range(100):
            path = folder / str(FrameName(scene_id, sequence, shot.nominal_s, extension))
            if not path.exists():
                return path
        raise UsageError(f"scene {scene_id:05d} already has 100 frames of {shot.nominal_s:g} s: take another scene")

    def _camera_body(self, raw: RawFrame) -> CameraBody:
        camera = CameraBody(
            model=raw.exif.model or self.camera.find("cameramodel") or "",
            serial=raw.exif.serial or self.camera.find("eosserialnumber") or "",
            firmware=raw.exif.firmware or self.camera.find("deviceversion") or "",
            simulated=raw.exif.simulated,
        )
        self.store.add_camera(camera)
        return camera


def check_disk(folder: Path, plan: BracketPlan) -> None:
    """Raise UsageError where the disk below ``folder`` cannot hold the bracket."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    needed = plan.shutter_actuations * _RAW_SIZE_BYTES
    if free < needed:
        raise UsageError(f"{existing} has {free / 1e6:.0f} MB left, the bracket needs {needed / 1e6:.0f}: make room")


def with_frame(scene: Scene, frame: Frame, shot: Shot) -> Scene:
    """The scene with one more frame and the pair it makes with the first long."""
    longs = [known for known in scene.frames if known.role == "long"]
    scene = scene.replace(frames=(*scene.frames, frame))
    if not longs:
        return scene
    ratio = Ratio(nominal=shot.ratio_nominal, true=longs[0].exposure.true_s / frame.exposure.true_s)
    pair = Pair(frame=frame.path, reference=longs[0].path, ratio=ratio)
    return scene.replace(closing=pair) if frame.role == "long" else scene.replace(pairs=(*scene.pairs, pair))


def exif_contradiction(frame: Frame) -> str | None:
    """Why the file's EXIF is not what was set; None where it agrees or is silent."""
    if frame.iso.exif is not None and frame.iso.exif != frame.iso.set:
        return f"{frame.path} says ISO {frame.iso.exif}, but ISO {frame.iso.set} was set"
    exif_s, nominal_s = frame.exposure.exif_s, frame.exposure.nominal_s
    if exif_s is not None and abs(exif_s / nominal_s - 1) > _EXIF_TOLERANCE:
        return f"{frame.path} says {exif_s:g} s, but {nominal_s:g} s was set"
    return None
