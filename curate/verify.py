"""Register the pairs of scenes and write what was found into their files.

Two steps, so that each is done again only when it has to be. Registering decodes the files and measures; what it finds
is recorded together with a fingerprint of all it follows from. Judging makes verdicts, reasons and findings of what is
recorded, and is done anew every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from sidcap.curate import photometry
from sidcap.curate.known_sensor import calibration_id
from sidcap.curate.measure import Measurement, measure
from sidcap.curate.record import as_record
from sidcap.curate.registration import METHOD, Registration
from sidcap.curate.scene_checks import judged
from sidcap.curate.verdict import TOLERANCE_PX
from sidcap.curate.workers import cores, lost_workers, processes
from sidcap.data_manifest.errors import SidcapError, UsageError
from sidcap.data_manifest.schema import Alignment, Calibration, Frame, Pair, Scene
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.words import Verdict

_Files = tuple[str, str]


@dataclass(frozen=True)
class Verified:
    """A scene, as it is written now, and what that took."""

    scene: Scene
    registered: int
    """How many of its pairs were registered."""
    current: int
    """How many had been registered before, with all that would be used now."""
    failed: int
    """How many could not be registered: a file is missing or not the one that was recorded, or memory ran out."""


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
    scene, calibration = store.scene(scene_id), store.calibration()
    inputs = {_files(pair): _inputs_sha256(scene, pair, calibration) for pair in scene.all_pairs}
    stale = [pair for pair in scene.all_pairs if again or not _is_current(store, scene, pair, inputs[_files(pair)])]
    found: dict[_Files, Pair] = {}
    lacking = 0
    for reference in dict.fromkeys(pair.reference for pair in stale):
        for pair, measured in measure(store, scene, [pair for pair in stale if pair.reference == reference]):
            lacking += measured.lacking
            found[_files(pair)] = _recorded(pair, measured, None if measured.lacking else inputs[_files(pair)])

    def with_verdicts(now: Scene) -> Scene:
        return judged(_with_measurements(now, scene, found), tolerance_px)

    if with_verdicts(scene) != scene:
        scene = store.change_scene(scene_id, with_verdicts)
    return Verified(scene, len(stale) - lacking, len(scene.all_pairs) - len(stale), lacking)


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


def _is_current(store: Store, scene: Scene, pair: Pair, inputs_sha256: str) -> bool:
    alignment = pair.alignment
    return (
        alignment is not None
        and alignment.inputs_sha256 == inputs_sha256
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


def _inputs_sha256(scene: Scene, pair: Pair, calibration: Calibration) -> str:
    """Of all that a pair's measurement follows from, told without opening a frame."""
    frame, reference = _frames(scene, pair)
    calibrated = calibration_id(calibration, reference.camera, reference.iso.set)
    inputs = (METHOD, photometry.METHOD, frame.sha256, reference.sha256, pair.ratio.true, calibrated)
    return hashlib.sha256(repr(inputs).encode()).hexdigest()


def _files(pair: Pair) -> _Files:
    """What tells a pair from the others of its scene: a short may be compared with more than one long."""
    return pair.frame, pair.reference


def _frames(scene: Scene, pair: Pair) -> tuple[Frame, Frame]:
    return scene.frame(pair.frame), scene.frame(pair.reference)


def _with_measurements(now: Scene, then: Scene, found: Mapping[_Files, Pair]) -> Scene:
    """``now`` with what was found in the frames that it still has in common with ``then``."""

    def measured(pair: Pair) -> Pair:
        new = found.get(_files(pair))
        if new is None or _frames(now, pair) != _frames(then, pair):
            return pair
        ratio = pair.ratio.replace(measured=new.ratio.measured, measured_sigma=new.ratio.measured_sigma)
        return pair.replace(alignment=new.alignment, ratio=ratio)

    return now.with_pairs(measured)


def _recorded(pair: Pair, measured: Measurement, inputs_sha256: str | None) -> Pair:
    """The pair with what was measured; its verdict is for `judged` to say."""
    found = measured.found or Registration(shift_px=None, covariance_px2=None)
    alignment = Alignment(
        verdict=Verdict.UNDETERMINED,
        reasons=(measured.refusal,),
        shift_px=found.shift_px,
        covariance_px2=None if found.covariance_px2 is None else found.covariance_px2.tolist(),
        chi2=found.chi2,
        light=None if measured.light is None else measured.light.relative,
        light_sigma=None if measured.light is None else measured.light.sigma,
        tolerance_px=TOLERANCE_PX,
        noise_source=measured.noise_source,
        method=METHOD,
        measured_utc=measured.began_utc,
        inputs_sha256=inputs_sha256,
        registration=None if measured.found is None else as_record(measured.found),
    )
    ratio = pair.ratio.replace(measured=found.ratio, measured_sigma=found.ratio_sigma)
    return pair.replace(alignment=alignment, ratio=ratio)
