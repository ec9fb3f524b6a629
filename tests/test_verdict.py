"""From measurements to words, and from a dataset's files to verdicts in its scenes."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_raw
from hypothesis import given
from hypothesis import strategies as st

from sidcap.capture.simulated.frame import FrameMaker, Shot
from sidcap.curate import Failed, Registration, Verified, judge, verify_dataset, verify_scene
from sidcap.data_manifest.errors import ManifestError, UsageError
from sidcap.data_manifest.raw import read_raw
from sidcap.data_manifest.schema import Alignment, Frame, Pair, Scene
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.words import Verdict


def registration(shift_px: tuple[float, float] = (0.0, 0.0), sigma_px: float = 0.01, **changes: Any) -> Registration:
    measured: dict[str, Any] = {"ratio": 100.0, "ratio_sigma": 0.2, "chi2": 1.0, "explained": 1.0, "signal_e": 1.0}
    return Registration(shift_px, np.eye(2) * sigma_px**2, **(measured | changes))


lengths = st.floats(-20, 20)


@given(lengths, lengths, st.floats(1e-4, 3), st.floats(0.05, 5))
def test_a_verdict_holds_at_three_standard_deviations(dx: float, dy: float, sigma_px: float, tolerance: float) -> None:
    verdict, reasons = judge(registration((dx, dy), sigma_px), true_ratio=100, tolerance_px=tolerance)
    shift = math.hypot(dx, dy)
    if verdict is Verdict.ALIGNED:
        assert shift + 3 * sigma_px < tolerance
    elif verdict is Verdict.MISALIGNED:
        assert shift - 3 * sigma_px > tolerance
    else:
        assert abs(shift - tolerance) <= 3 * math.hypot(sigma_px, 0.0101)
    assert all(reasons)


@pytest.mark.parametrize(
    ("shift_px", "words"),
    [
        ((3.1, 0.0), "the short lies 3.10 px to the right of the long (uncertainty 0.039 px): something moved"),
        ((-3.1, 0.05), "the short lies 3.10 px to the left of the long (uncertainty"),
        ((0.0, -2.0), "the short lies 2.00 px above the long (uncertainty"),
        ((1.0, 2.0), "the short lies 1.00 px to the right of the long and 2.00 px below it (uncertainty"),
    ],
)
def test_a_shift_is_told_as_a_photographer_would(shift_px: tuple[float, float], words: str) -> None:
    _, (reason,) = judge(registration(shift_px, 0.0387), true_ratio=100)
    assert reason.startswith(words)


def test_a_shift_at_the_tolerance_is_not_called() -> None:
    verdict, (reason,) = judge(registration((0.45, 0.0), 0.05), true_ratio=100)
    assert verdict is Verdict.UNDETERMINED
    assert "too close to the tolerance of 0.5 px to call" in reason


def test_an_uncertain_shift_is_called_too_dark() -> None:
    verdict, (reason,) = judge(registration((0.1, 0.0), 0.3, signal_e=0.02), true_ratio=100)
    assert verdict is Verdict.UNDETERMINED
    assert reason == "too dark to tell: 0.02 electrons a pixel leave the shift uncertain by 0.3 px"


@pytest.mark.parametrize(
    ("measured", "verdict", "words"),
    [
        (103.0, Verdict.ALIGNED, None),
        (88.0, Verdict.ALIGNED, "14% brighter"),
        (118.0, Verdict.ALIGNED, "15% darker"),
        (50.0, Verdict.UNDETERMINED, "100% brighter"),
        (160.0, Verdict.UNDETERMINED, "38% darker"),
    ],
)
def test_a_ratio_far_from_the_true_one_is_named(measured: float, verdict: Verdict, words: str | None) -> None:
    found, reasons = judge(registration(ratio=measured), true_ratio=100)
    assert found is verdict
    of_light = [reason for reason in reasons if "the light changed" in reason]
    assert len(of_light) == len(reasons) - 1 == (words is not None)
    assert words is None or words in of_light[0]
    assert (reasons[0] in of_light) == (verdict is Verdict.UNDETERMINED), "what decides comes first"


def test_a_short_that_shows_more_than_the_long_is_undetermined() -> None:
    verdict, reasons = judge(registration(chi2=9.0, explained=0.4), true_ratio=100)
    assert verdict is Verdict.UNDETERMINED
    assert "only 40% of what the short shows is in the long" in reasons[0]


def alignment(pair: Pair | None) -> Alignment:
    assert pair is not None
    assert pair.alignment is not None
    return pair.alignment


def replaced(store: Store, scene: Scene, pair: Pair, **changes: Any) -> None:
    """Shoot a frame of the dataset again, by the same simulated body, changed as given."""
    path = store.path(pair.frame)
    exif = read_raw(path).exif
    assert exif.taken is not None
    shot: dict[str, Any] = {
        "iso": exif.iso,
        "shutter_s": scene.frame(pair.frame).exposure.true_s,
        "nominal_shutter": Fraction(exif.exposure_s or 1).limit_denominator(8000),
        "aperture": exif.aperture or 2.8,
        "scene": scene.id,
        "start_s": 0.0,
        "taken": exif.taken,
        "frame_number": 77,
    }
    rewritten(store, scene, pair, FrameMaker(serial=exif.serial, size="small").make(Shot(**(shot | changes))))


def rewritten(store: Store, scene: Scene, pair: Pair, content: bytes) -> None:
    """Write another file for a frame, and its checksum into the scene."""
    path = store.path(pair.frame)
    path.write_bytes(content)

    def as_recorded(frame: Frame) -> Frame:
        return frame.replace(size_bytes=len(content), sha256=sha256_of(path)) if frame.path == pair.frame else frame

    store.change_scene(scene.id, lambda scene: scene.replace(frames=tuple(map(as_recorded, scene.frames))))


def test_a_scene_that_stood_still_is_aligned_and_its_ratios_are_measured(dataset: Path) -> None:
    store = Store.open(dataset)
    before = store.scene(1)
    scene = verify_scene(store, 1).scene
    assert scene == store.scene(1)
    assert scene.frames == before.frames
    assert scene.closing is not None
    for pair in scene.all_pairs:
        assert alignment(pair).verdict is Verdict.ALIGNED, alignment(pair).reasons
        assert pair.ratio.measured == pytest.approx(pair.ratio.true, rel=0.02)
        assert pair.ratio.measured_sigma is not None
        assert pair.ratio.measured_sigma < 0.01 * pair.ratio.true
        assert alignment(pair).noise_source == "published for the EOS 6D"
    assert alignment(scene.closing).sigma_px == pytest.approx(0, abs=0.01)


def test_a_knock_and_darkness_are_told_apart(dataset: Path) -> None:
    store = Store.open(dataset)
    scene = store.scene(1)
    knocked, darkened = scene.pairs
    replaced(store, scene, knocked, shift_px=(3.0, 0.0))
    replaced(store, scene, darkened, shutter_s=1 / 4000)
    store.change_scene(
        1,
        lambda scene: scene.replace(
            pairs=(knocked, darkened.replace(ratio=darkened.ratio.replace(true=10.079 * 4000)))
        ),
    )
    scene = verify_scene(store, 1).scene
    verdicts = [alignment(pair).verdict for pair in scene.all_pairs]
    assert verdicts == [Verdict.MISALIGNED, Verdict.UNDETERMINED, Verdict.ALIGNED]
    assert "to the right of the long" in alignment(scene.pairs[0]).reasons[0]
    assert "too dark to tell" in alignment(scene.pairs[1]).reasons[0]
    assert alignment(scene.pairs[1]).shift_px is None


def test_the_tolerance_decides_and_is_recorded(dataset: Path) -> None:
    store = Store.open(dataset)
    scene = store.scene(1)
    replaced(store, scene, scene.pairs[0], shift_px=(0.8, 0.0))
    assert alignment(verify_scene(store, 1, 0.5).scene.pairs[0]).verdict is Verdict.MISALIGNED
    found = alignment(verify_scene(store, 1, 2.0).scene.pairs[0])
    assert found.verdict is Verdict.ALIGNED
    assert found.tolerance_px == 2.0


def test_missing_and_truncated_frames_are_undetermined_and_the_others_go_on(dataset: Path) -> None:
    store = Store.open(dataset)
    scene = store.scene(1)
    store.path(scene.pairs[0].frame).unlink()
    truncated = store.path(scene.pairs[1].frame)
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size // 2])
    scene = verify_scene(store, 1).scene
    missing, broken = (alignment(pair) for pair in scene.pairs)
    assert missing.verdict is broken.verdict is Verdict.UNDETERMINED
    assert "missing" in missing.reasons[0]
    assert truncated.name in broken.reasons[0]
    assert alignment(scene.closing).verdict is Verdict.ALIGNED


def test_without_its_long_a_scene_is_undetermined_and_old_measurements_go(dataset: Path) -> None:
    store = Store.open(dataset)
    assert verify_scene(store, 1).scene.pairs[0].ratio.measured is not None
    store.path(store.scene(1).pairs[0].reference).unlink()
    scene = verify_scene(store, 1).scene
    assert {alignment(pair).verdict for pair in scene.all_pairs} == {Verdict.UNDETERMINED}
    assert scene.pairs[0].ratio.measured is None


def test_frames_of_two_isos_or_bodies_are_not_compared(dataset: Path) -> None:
    store = Store.open(dataset)
    scene = store.scene(1)
    replaced(store, scene, scene.pairs[0], iso=6400)
    path = store.path(scene.pairs[1].frame)
    serial = read_raw(path).exif.serial.encode()
    rewritten(store, scene, scene.pairs[1], path.read_bytes().replace(serial, b"9" * len(serial)))
    reasons = [alignment(pair).reasons[0] for pair in verify_scene(store, 1).scene.pairs]
    assert "ISO 12800 and ISO 6400" in reasons[0]
    assert "two cameras" in reasons[1]


def test_a_camera_without_a_noise_model_is_undetermined(tmp_path: Path) -> None:
    store = tiny_raw.make_dataset(tmp_path / "set", scenes=(1,), verdict=None)
    for pair in verify_scene(store, 1).scene.pairs:
        assert alignment(pair).verdict is Verdict.UNDETERMINED
        assert "calibrate" in alignment(pair).reasons[0]


def test_every_scene_of_a_dataset_is_verified_in_processes(dataset: Path) -> None:
    store = Store.open(dataset)
    done = list(verify_dataset(store))
    scenes = [verified.scene for verified in done if isinstance(verified, Verified)]
    assert sorted(scene.id for scene in scenes) == [1, 10001]
    assert all(store.scene(scene.id) == scene for scene in scenes)
    assert all(pair.alignment for scene in scenes for pair in scene.all_pairs)


def test_a_broken_scene_file_does_not_stop_the_others(dataset: Path) -> None:
    store = Store.open(dataset)
    store.scene_path(1).write_text("{}")
    with ThreadPoolExecutor(2) as threads:
        (failed,) = (done for done in verify_dataset(store, executor=threads) if isinstance(done, Failed))
    assert failed.scene_id == 1
    assert isinstance(failed.error, ManifestError)
    assert alignment(store.scene(10001).pairs[0]).verdict is Verdict.ALIGNED


def test_an_unknown_scene_is_a_wrong_call(dataset: Path) -> None:
    with pytest.raises(UsageError, match="no scene 00005"):
        list(verify_dataset(Store.open(dataset), [5]))
