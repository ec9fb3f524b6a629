"""Register the pairs of scenes and write what was found into their files."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from datetime import UTC, datetime

from sidcap.curate.registration import METHOD, Reference, Registration
from sidcap.curate.verdict import TOLERANCE_PX, judge
from sidcap.data_manifest.errors import RawError, RegistrationError, SidcapError
from sidcap.data_manifest.noise import NoiseModel, published_noise
from sidcap.data_manifest.raw import RawFrame, read_raw
from sidcap.data_manifest.schema import Alignment, Frame, Pair, Scene
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.words import Verdict


def verify_scene(store: Store, scene_id: int, tolerance_px: float = TOLERANCE_PX) -> Scene:
    """Register every pair of a scene, judge it, write the verdicts into the scene's file; gives the scene as written.

    A frame that is missing, broken or not comparable makes its pair undetermined, with that reason. The dataset is
    locked for the write only, and nothing but the pairs is changed. Raises ManifestError or UsageError where the file
    of the scene cannot be read.
    """
    scene = store.scene(scene_id)
    verified = {
        (pair.frame, pair.reference): pair
        for reference in dict.fromkeys(pair.reference for pair in scene.all_pairs)
        for pair in _verified(store, scene, reference, tolerance_px)
    }

    def with_verdicts(current: Scene) -> Scene:
        *pairs, closing = (
            pair and verified.get((pair.frame, pair.reference), pair) for pair in (*current.pairs, current.closing)
        )
        return current.replace(pairs=pairs, closing=closing)

    return store.change_scene(scene_id, with_verdicts)


def verify_dataset(
    store: Store,
    scene_ids: Iterable[int] | None = None,
    *,
    tolerance_px: float = TOLERANCE_PX,
    executor: Executor | None = None,
) -> Iterator[Scene]:
    """`verify_scene` over many scenes, all of the dataset for None; gives each as it is done, in any order.

    Runs on ``executor``; for None on a pool of one process per core. The first error is raised after every other scene
    is done.
    """
    scenes = store.scene_ids() if scene_ids is None else list(scene_ids)
    if executor is None and len(scenes) > 1:
        workers = min(os.cpu_count() or 1, len(scenes))
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield from verify_dataset(store, scenes, tolerance_px=tolerance_px, executor=pool)
    elif executor is None:
        yield from (verify_scene(store, scene, tolerance_px) for scene in scenes)
    else:
        failures: list[SidcapError] = []
        for done in as_completed([executor.submit(verify_scene, store, scene, tolerance_px) for scene in scenes]):
            try:
                yield done.result()
            except SidcapError as error:
                failures.append(error)
        if failures:
            raise failures[0]


def _verified(store: Store, scene: Scene, reference_path: str, tolerance_px: float) -> Iterator[Pair]:
    """The pairs of one long, registered and judged. Every file is decoded once."""
    pairs = [pair for pair in scene.all_pairs if pair.reference == reference_path]
    try:
        long = _read(store, scene.frame(reference_path))
        noise = noise_of(long)
        reference = Reference(long, noise)
    except SidcapError as error:
        yield from (_with(pair, tolerance_px, Verdict.UNDETERMINED, (str(error),)) for pair in pairs)
        return
    for pair in pairs:
        try:
            short = _read(store, scene.frame(pair.frame))
            _must_be_of_one_setting(long, short)
            found = reference.register(short, ratio=pair.ratio.true)
        except SidcapError as error:
            yield _with(pair, tolerance_px, Verdict.UNDETERMINED, (str(error),), noise)
            continue
        name = "the closing long" if pair == scene.closing else "the short"
        verdict, reasons = judge(found, true_ratio=pair.ratio.true, tolerance_px=tolerance_px, frame=name)
        yield _with(pair, tolerance_px, verdict, reasons, noise, found)


def _read(store: Store, frame: Frame) -> RawFrame:
    """The frame as its record describes it; SidcapError, without the place of the dataset on this disk, where not."""
    if frame.missing:
        raise RawError(frame.why_missing)
    try:
        path = store.path(frame.path)
        raw = read_raw(path)
        if sha256_of(path) != frame.sha256:
            raise RawError(f"{frame.path} fails its checksum: restore it from a copy")
    except SidcapError as error:
        raise RawError(str(error).replace(f"{store.root.resolve()}/", "")) from error
    return raw


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


def _with(
    pair: Pair,
    tolerance_px: float,
    verdict: Verdict,
    reasons: tuple[str, ...],
    noise: NoiseModel | None = None,
    found: Registration | None = None,
) -> Pair:
    """The pair with a verdict, and with what was measured where something was."""
    found = found or Registration(shift_px=None, covariance_px2=None)
    alignment = Alignment(
        verdict=verdict,
        reasons=reasons,
        shift_px=found.shift_px,
        covariance_px2=None if found.covariance_px2 is None else found.covariance_px2.tolist(),
        chi2=found.chi2,
        tolerance_px=tolerance_px,
        noise_source="unknown" if noise is None else noise.source,
        method=METHOD,
        measured_utc=datetime.now(UTC),
    )
    ratio = pair.ratio.replace(measured=found.ratio, measured_sigma=found.ratio_sigma)
    return pair.replace(alignment=alignment, ratio=ratio)
