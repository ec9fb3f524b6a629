"""Register the pairs of scenes and write what was found into their files.

Two steps, so that each is done again only when it has to be. Registering decodes the files and measures; what it finds
is recorded together with a fingerprint of all it follows from. Judging makes verdicts, reasons and findings of what is
recorded, and is done anew every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from sidcap.curate.record import as_record
from sidcap.curate.registration import METHOD, Reference, Registration
from sidcap.curate.scene_checks import judged
from sidcap.curate.verdict import TOLERANCE_PX
from sidcap.curate.workers import cores, lost_workers, processes
from sidcap.data_manifest.errors import RawError, RegistrationError, SidcapError, UsageError
from sidcap.data_manifest.noise import NoiseModel, published_noise
from sidcap.data_manifest.raw import RawFrame, read_raw
from sidcap.data_manifest.schema import Alignment, Frame, Pair, Scene
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.validate import file_problem
from sidcap.data_manifest.words import Verdict


@dataclass(frozen=True)
class Verified:
    """A scene, as it is written now, and what that took."""

    scene: Scene
    registered: int
    """How many of its pairs were registered."""
    current: int
    """How many had been registered before, with all that would be used now."""


@dataclass(frozen=True)
class Failed:
    """A scene that could not be verified: its file is broken, say."""

    scene_id: int
    error: SidcapError


def verify_scene(store: Store, scene_id: int, tolerance_px: float = TOLERANCE_PX, *, again: bool = False) -> Verified:
    """Register the pairs of a scene that are not current, ``again`` all of them; judge all; write the scene's file.

    A pair is current where it was registered by this method, from files that still are as they are recorded, with the
    calibration there is now. A file that was written to since is hashed to find out; else its size and time tell.

    A frame that is missing, broken or not comparable makes its pair undetermined, with that reason. The dataset is
    locked for the write only; nothing but alignments, ratios and findings is changed, and where these stay the same
    nothing is written. Raises ManifestError or UsageError where the file of the scene cannot be read.
    """
    scene = store.scene(scene_id)
    stale = [pair for pair in scene.all_pairs if again or not _is_current(store, scene, pair)]
    found = {
        (pair.frame, pair.reference): pair
        for reference in dict.fromkeys(pair.reference for pair in stale)
        for pair in _registered(store, scene, [pair for pair in stale if pair.reference == reference])
    }

    def with_verdicts(now: Scene) -> Scene:
        return judged(_with_measurements(now, scene, found), tolerance_px)

    if with_verdicts(scene) != scene:
        scene = store.change_scene(scene_id, with_verdicts)
    return Verified(scene, len(stale), len(scene.all_pairs) - len(stale))


def verify_dataset(
    store: Store,
    scene_ids: Iterable[int] | None = None,
    *,
    tolerance_px: float = TOLERANCE_PX,
    again: bool = False,
    executor: Executor | None = None,
) -> Iterator[Verified | Failed]:
    """`verify_scene` over many scenes, all of the dataset for None; gives what came of each as it is done.

    Runs on ``executor``, one scene at a time to a worker; for None on one process per core. Each scene is written as
    soon as it is done: whatever ends this loses no more than the scenes under way, and the next call goes on from
    there. Raises UsageError for a scene that is not there, WorkersError where workers die.
    """
    there = store.scene_ids()
    scenes = there if scene_ids is None else list(dict.fromkeys(scene_ids))
    if unknown := set(scenes) - set(there):
        raise UsageError(f"no scene {min(unknown):05d} in {store.root}")
    if executor is None and len(scenes) > 1:
        with processes(min(cores(), len(scenes))) as pool:
            yield from verify_dataset(store, scenes, tolerance_px=tolerance_px, again=again, executor=pool)
    elif executor is None:
        yield from (_outcome(store, scene, tolerance_px, again) for scene in scenes)
    else:
        here = Store(store.root.absolute())  # a worker may stand in another folder
        futures = [executor.submit(_outcome, here, scene, tolerance_px, again) for scene in scenes]
        yield from _as_done(futures)


def _outcome(store: Store, scene_id: int, tolerance_px: float, again: bool) -> Verified | Failed:
    """In a worker."""
    try:
        return verify_scene(store, scene_id, tolerance_px, again=again)
    except SidcapError as error:
        return Failed(scene_id, error)


def _as_done(futures: list[Future[Verified | Failed]]) -> Iterator[Verified | Failed]:
    for done in as_completed(futures):
        try:
            yield done.result()
        except (BrokenProcessPool, CancelledError) as error:
            raise lost_workers() from error


def _is_current(store: Store, scene: Scene, pair: Pair) -> bool:
    alignment = pair.alignment
    return (
        alignment is not None
        and alignment.inputs_sha256 == _inputs_sha256(scene, pair)
        and all(_is_untouched(store, frame, alignment.measured_utc) for frame in _frames(scene, pair))
    )


def _is_untouched(store: Store, frame: Frame, since: datetime) -> bool:
    """Whether the frame's file is still what its record says, if it was so at a time."""
    try:
        path = store.path(frame.path)
        stat = path.stat()
        if stat.st_size != frame.size_bytes:
            return False
        return stat.st_mtime <= since.timestamp() or _hashed(path, stat.st_mtime_ns) == frame.sha256
    except (SidcapError, OSError):
        return False


@lru_cache(maxsize=1)
def _hashed(path: Path, _changed_ns: int) -> str:
    """A long is asked about once for each of its pairs."""
    return sha256_of(path)


def _inputs_sha256(scene: Scene, pair: Pair) -> str:
    """What a pair's measurement follows from, all of it, told without opening a file."""
    frame, reference = _frames(scene, pair)
    inputs = (METHOD, frame.sha256, reference.sha256, repr(pair.ratio.true))
    return hashlib.sha256("\n".join(inputs).encode()).hexdigest()


def _frames(scene: Scene, pair: Pair) -> tuple[Frame, Frame]:
    return scene.frame(pair.frame), scene.frame(pair.reference)


def _with_measurements(now: Scene, then: Scene, found: dict[tuple[str, str], Pair]) -> Scene:
    """``now`` with what was found in the frames that it still has in common with ``then``."""

    def measured(pair: Pair) -> Pair:
        new = found.get((pair.frame, pair.reference))
        if new is None or _frames(now, pair) != _frames(then, pair):
            return pair
        return pair.replace(alignment=new.alignment, ratio=new.ratio)

    return now.with_pairs(measured)


class _FileError(RawError):
    """The file is not the one that was recorded: worth another look as soon as it was put back."""


def _registered(store: Store, scene: Scene, pairs: list[Pair]) -> Iterator[Pair]:
    """The pairs of one long, with what was measured, not judged yet. Every file is read and decoded once."""
    began = datetime.now(UTC)
    try:
        long = _read(store, scene.frame(pairs[0].reference))
    except SidcapError as error:
        yield from (_refused(scene, pair, began, error) for pair in pairs)
        return
    prepared: Reference | None = None
    for pair in pairs:
        noise = None
        try:
            short = _read(store, scene.frame(pair.frame))
            _must_be_of_one_setting(long, short)
            noise = noise_of(long)
            if prepared is None:
                prepared = Reference(long, noise)
            found = prepared.register(short, ratio=pair.ratio.true)
        except SidcapError as error:
            yield _refused(scene, pair, began, error, noise)
        else:
            yield _measured(scene, pair, began, noise, found)


def _read(store: Store, frame: Frame) -> RawFrame:
    """The frame as its record describes it; RawError, without the place of the dataset on this disk, where not."""
    if problem := file_problem(store, frame):
        raise _FileError(f"{frame.path}: {problem}")
    try:
        return read_raw(store.path(frame.path))
    except RawError as error:
        raise RawError(str(error).replace(f"{store.root.resolve()}/", "")) from error


def noise_of(long: RawFrame) -> NoiseModel:
    """The noise model of the body and ISO that shot a frame. RegistrationError where there is none."""
    noise = published_noise(long.exif)
    if noise is None:
        camera = long.exif.model or "a camera that does not name itself"
        raise RegistrationError(
            f"no noise model for {camera} at ISO {long.exif.iso}: calibrate it with dark frames and flats"
        )
    return noise


def _must_be_of_one_setting(long: RawFrame, short: RawFrame) -> None:
    if long.exif.iso != short.exif.iso:
        raise RegistrationError(
            f"shot at ISO {long.exif.iso} and ISO {short.exif.iso}: only frames of one ISO can be registered"
        )
    if (long.exif.model, long.exif.serial) != (short.exif.model, short.exif.serial):
        raise RegistrationError("shot with two cameras: only frames of one body can be registered")


def _measured(scene: Scene, pair: Pair, began: datetime, noise: NoiseModel, found: Registration) -> Pair:
    """The pair with what was measured; its verdict is for `judged` to say."""
    alignment = Alignment(
        verdict=Verdict.UNDETERMINED,
        reasons=(),
        shift_px=found.shift_px,
        covariance_px2=None if found.covariance_px2 is None else found.covariance_px2.tolist(),
        chi2=found.chi2,
        tolerance_px=TOLERANCE_PX,
        noise_source=noise.source,
        method=METHOD,
        measured_utc=began,
        inputs_sha256=_inputs_sha256(scene, pair),
        registration=as_record(found),
    )
    ratio = pair.ratio.replace(measured=found.ratio, measured_sigma=found.ratio_sigma)
    return pair.replace(alignment=alignment, ratio=ratio)


def _refused(scene: Scene, pair: Pair, began: datetime, error: SidcapError, noise: NoiseModel | None = None) -> Pair:
    """The pair with the reason why nothing could be measured."""
    alignment = Alignment(
        verdict=Verdict.UNDETERMINED,
        reasons=(str(error),),
        shift_px=None,
        covariance_px2=None,
        chi2=None,
        tolerance_px=TOLERANCE_PX,
        noise_source="unknown" if noise is None else noise.source,
        method=METHOD,
        measured_utc=began,
        inputs_sha256=None if isinstance(error, _FileError) else _inputs_sha256(scene, pair),
    )
    return pair.replace(alignment=alignment, ratio=pair.ratio.replace(measured=None, measured_sigma=None))
