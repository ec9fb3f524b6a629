"""Verifying again: what is registered anew, what is not, and what no input ever is: aligned by mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import records
import textured_datasets
from textured_datasets import LONG_E, SHAPE, make_dataset, rewrite
from verification import alignment, counts, error_line, run, when_measured

from sidcap.curate import verify_scene
from sidcap.curate.measure import Measurement, measure
from sidcap.curate.photometry import Light, Photometer
from sidcap.curate.registration import Guard
from sidcap.data_manifest.raw import RawFrame, read_raw
from sidcap.data_manifest.schema import Measured, Pair, Scene, SensorRecord
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Verdict

PUBLISHED = "published for the EOS 6D"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One scene: two shorts and a closing long, all of which stood still."""
    return make_dataset(tmp_path / "dataset")


# What is done again


def test_what_is_current_is_neither_registered_nor_written_again(store: Store) -> None:
    first = verify_scene(store, 1)
    assert counts(first) == (3, 0, 0)
    assert {alignment(pair).verdict for pair in first.scene.all_pairs} == {Verdict.ALIGNED}
    written = store.scene_path(1).stat().st_mtime_ns
    second = verify_scene(store, 1)
    assert counts(second) == (0, 3, 0)
    assert second.scene == first.scene
    assert store.scene_path(1).stat().st_mtime_ns == written


def test_a_short_with_two_longs_is_measured_with_each(store: Store) -> None:
    scene = store.scene(1)
    assert scene.closing is not None
    first, second = scene.pairs
    to_the_closing_long = first.replace(reference=scene.closing.frame)
    store.change_scene(1, lambda scene: scene.replace(pairs=(first, to_the_closing_long, second)))
    done = verify_scene(store, 1)
    assert counts(done) == (4, 0, 0)
    one, other, _ = (alignment(pair) for pair in done.scene.pairs)
    assert one.shift_px != other.shift_px
    assert one.inputs_sha256 != other.inputs_sha256
    assert counts(verify_scene(store, 1)) == (0, 4, 0)


def test_what_is_written_to_a_ratio_while_its_pair_is_measured_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_another_nominal_ratio(scene: Scene) -> Scene:
        return scene.with_pairs(lambda pair: pair.replace(ratio=pair.ratio.replace(nominal=21.0)))

    def interrupted(there: Store, scene: Scene, pairs: list[Pair]) -> Iterator[tuple[Pair, Measurement]]:
        store.change_scene(1, with_another_nominal_ratio)
        yield from measure(there, scene, pairs)

    monkeypatch.setattr("sidcap.curate.verify.measure", interrupted)
    ratios = [pair.ratio for pair in verify_scene(store, 1).scene.pairs]
    assert [ratio.nominal for ratio in ratios] == [21.0, 21.0]
    assert all(ratio.measured and ratio.measured_sigma for ratio in ratios)


def test_again_registers_everything_anew(store: Store) -> None:
    first = verify_scene(store, 1)
    again = verify_scene(store, 1, again=True)
    assert counts(again) == (3, 0, 0)
    assert min(when_measured(again.scene)) > max(when_measured(first.scene))


def test_another_tolerance_is_judged_without_registering(store: Store) -> None:
    first = verify_scene(store, 1).scene
    strict = verify_scene(store, 1, 1e-4)
    assert counts(strict) == (0, 3, 0)
    assert when_measured(strict.scene) == when_measured(first)
    for pair in strict.scene.all_pairs:
        assert alignment(pair).verdict is not Verdict.ALIGNED
        assert alignment(pair).tolerance_px == 1e-4
    assert verify_scene(store, 1).scene == first


def test_judging_what_is_recorded_gives_what_registering_gave(tmp_path: Path) -> None:
    shorts = ({}, {"shift_px": (0.8, 0.0)}, {"light": 0.02})
    store = make_dataset(tmp_path / "dataset", shorts=shorts)
    for tolerance_px in (0.5, 2.0):
        judged = verify_scene(store, 1, tolerance_px).scene
        registered = verify_scene(store, 1, tolerance_px, again=True).scene
        assert [alignment(pair).reasons for pair in judged.all_pairs] == [
            alignment(pair).reasons for pair in registered.all_pairs
        ]
        assert [alignment(pair).verdict for pair in judged.all_pairs] == [
            alignment(pair).verdict for pair in registered.all_pairs
        ]


def test_another_method_registers_everything_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    verify_scene(store, 1)
    monkeypatch.setattr("sidcap.curate.verify.METHOD", "a better one, 2")
    assert counts(verify_scene(store, 1)) == (3, 0, 0)
    assert alignment(store.scene(1).pairs[0]).method == "a better one, 2"


def test_records_of_an_older_sidcap_are_registered_anew(store: Store) -> None:
    def as_it_was(pair: Pair) -> Pair:
        return pair.replace(alignment=alignment(pair).replace(inputs_sha256=None, registration=None))

    verify_scene(store, 1)
    store.change_scene(1, lambda scene: scene.with_pairs(as_it_was))
    assert counts(verify_scene(store, 1)) == (3, 0, 0)


def test_a_file_that_was_replaced_is_noticed_and_so_is_its_return(store: Store) -> None:
    first = verify_scene(store, 1).scene
    path = store.path(first.pairs[0].frame)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    replaced = verify_scene(store, 1)
    assert counts(replaced) == (0, 2, 1)
    assert alignment(replaced.scene.pairs[0]).verdict is Verdict.UNDETERMINED
    assert "fails its checksum" in alignment(replaced.scene.pairs[0]).reasons[0]
    assert replaced.scene.pairs[0].ratio.measured is None
    path.write_bytes(content)
    restored = verify_scene(store, 1)
    assert counts(restored) == (1, 2, 0)
    assert alignment(restored.scene.pairs[0]).verdict is Verdict.ALIGNED


def test_a_file_that_was_only_copied_stays_current(store: Store) -> None:
    verify_scene(store, 1)
    for pair in store.scene(1).all_pairs:
        store.path(pair.frame).touch()
    assert counts(verify_scene(store, 1)) == (0, 3, 0)


def test_a_file_that_is_gone_is_noticed(store: Store) -> None:
    verify_scene(store, 1)
    store.path(store.scene(1).pairs[0].reference).unlink()
    done = verify_scene(store, 1)
    assert counts(done) == (0, 0, 3)
    assert all("is missing" in alignment(pair).reasons[0] for pair in done.scene.all_pairs)


def sensor_record(read_noise_e: float = textured_datasets.READ_NOISE_E, **changes: object) -> SensorRecord:
    fields: dict[str, object] = {
        "camera": records.frame().camera,
        "iso": textured_datasets.ISO,
        "measured_utc": records.MOMENT,
        "method": "test",
        "frames": (),
        "gain_e_per_dn": Measured(value=textured_datasets.GAIN_E_PER_DN),
        "gain_source": "flats",
        "read_noise_e": Measured(value=read_noise_e),
        "read_noise_source": "darks",
    }
    return SensorRecord.model_validate(fields | changes)


def test_a_calibration_is_used_and_a_new_one_registers_everything_anew(store: Store) -> None:
    assert alignment(verify_scene(store, 1).scene.pairs[0]).noise_source == PUBLISHED
    store.save_sensor(sensor_record(), None)
    calibrated = verify_scene(store, 1)
    assert counts(calibrated) == (3, 0, 0)
    assert alignment(calibrated.scene.pairs[0]).noise_source == "calibrated: flats and darks"
    assert alignment(calibrated.scene.pairs[0]).verdict is Verdict.ALIGNED
    store.save_sensor(sensor_record(measured_utc=records.MOMENT + timedelta(days=1)), None)
    assert counts(verify_scene(store, 1)) == (0, 3, 0), "the same was found again"
    store.save_sensor(sensor_record(read_noise_e=1.8), None)
    assert counts(verify_scene(store, 1)) == (3, 0, 0)
    store.save_sensor(sensor_record(iso=100), None)
    assert counts(verify_scene(store, 1)) == (0, 3, 0), "another ISO is no concern of this scene"


def test_of_a_body_that_nobody_knows_the_pair_itself_tells_the_noise(tmp_path: Path) -> None:
    store = make_dataset(tmp_path / "dataset", shorts=({},))
    for frame in store.scene(1).frames:
        rewrite(store, 1, frame.path, store.path(frame.path).read_bytes().replace(b"EOS 6D\0", b"EOS 9X\0"))
    known = verify_scene(store, 1)
    assert {alignment(pair).noise_source for pair in known.scene.all_pairs} == {"estimated from the pair"}
    assert {alignment(pair).verdict for pair in known.scene.all_pairs} == {Verdict.ALIGNED}
    assert counts(verify_scene(store, 1)) == (0, 2, 0)


# Bad input is never aligned


def never_aligned(store: Store, words: str) -> None:
    """The first pair, and it alone, is undetermined for this reason; and is not tried again without need."""
    done = verify_scene(store, 1).scene
    first, *others = done.all_pairs
    assert alignment(first).verdict is Verdict.UNDETERMINED
    assert words in alignment(first).reasons[0]
    assert {alignment(pair).verdict for pair in others} == {Verdict.ALIGNED}
    assert counts(verify_scene(store, 1)) == (0, 3, 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: textured_datasets.raw(np.full((SHAPE[0], SHAPE[1] - 2), 8.0)), "384 x 256 and 382 x 256 pixels"),
        (lambda: textured_datasets.raw(np.full(SHAPE, 8.0), phase="BGGR"), "different colour filter arrays"),
        (lambda: textured_datasets.raw(np.full(SHAPE, 8.0), model="Canon EOS 70D"), "two cameras"),
        (lambda: textured_datasets.raw(np.full(SHAPE, 8.0), exif=[(34855, 3, [100])]), "ISO 12800 and ISO 100"),
        (lambda: textured_datasets.of_6d(np.full(SHAPE, 600, np.uint16)), "nothing"),
        (lambda: textured_datasets.of_6d(np.full(SHAPE, 512, np.uint16)), "nothing"),
        (lambda: textured_datasets.of_6d(np.full(SHAPE, 16383, np.uint16)), "neither clipped nor broken"),
        (lambda: cv2.imencode(".jpg", np.zeros((*SHAPE, 3), np.uint8))[1].tobytes(), "LibRaw cannot open it"),
        (lambda: textured_datasets.linear_dng(SHAPE), "developed (linear) colours, not a mosaic"),
        (lambda: b"not a raw file", "LibRaw cannot open it"),
    ],
    ids=["size", "cfa", "body", "iso", "constant", "black", "white", "jpeg", "linear", "text"],
)
def test_a_short_that_cannot_be_compared_is_undetermined(
    store: Store, content: Callable[[], bytes], words: str
) -> None:
    rewrite(store, 1, store.scene(1).pairs[0].frame, content())
    never_aligned(store, words)


@pytest.mark.parametrize(
    ("error", "words", "failed"),
    [
        (np.linalg.LinAlgError("Singular matrix"), "could not be registered (LinAlgError: Singular matrix)", 0),
        (cv2.error("OpenCV: error:\n> size\n"), "could not be registered (error: OpenCV: error: > size)", 0),
        (ValueError("cannot broadcast"), "could not be registered (ValueError: cannot broadcast)", 0),
        (MemoryError(), "could not be registered (MemoryError)", 1),
    ],
    ids=["singular", "opencv", "value", "memory"],
)
def test_arithmetic_that_fails_refuses_that_pair_and_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str, failed: int
) -> None:
    light_on, errors = Photometer.light_on, iter([error])

    def fails_once(self: Photometer, frame: RawFrame, ratio: float) -> Light | None:
        if (error := next(errors, None)) is not None:
            raise error
        return light_on(self, frame, ratio)

    monkeypatch.setattr(Photometer, "light_on", fails_once)
    done = verify_scene(store, 1)
    refused, *others = (alignment(pair) for pair in done.scene.all_pairs)
    assert refused.reasons == (words,)
    assert [refused.verdict, *(other.verdict for other in others)] == [Verdict.UNDETERMINED, *[Verdict.ALIGNED] * 2]
    assert done.failed == failed


@pytest.mark.parametrize(
    "content",
    [
        textured_datasets.of_6d(np.full(SHAPE, 9000, np.uint16)),
        textured_datasets.of_6d(np.full(SHAPE, 16383, np.uint16)),
        textured_datasets.linear_dng(SHAPE),
    ],
    ids=["constant", "white", "linear"],
)
def test_a_long_that_shows_nothing_makes_every_pair_undetermined(store: Store, content: bytes) -> None:
    rewrite(store, 1, store.scene(1).pairs[0].reference, content)
    done = verify_scene(store, 1)
    assert {alignment(pair).verdict for pair in done.scene.all_pairs} == {Verdict.UNDETERMINED}
    assert all(alignment(pair).reasons[0] for pair in done.scene.all_pairs)
    assert counts(verify_scene(store, 1)) == (0, 3, 0)


def test_shorts_of_another_scene_are_never_aligned_and_the_long_is_suspected(store: Store) -> None:
    other = textured_datasets.shifted_scenes.Scene(SHAPE, 77)
    rewrite(store, 1, store.scene(1).pairs[0].reference, textured_datasets.raw(other.mosaic() * LONG_E))
    scene = verify_scene(store, 1, 10.0).scene
    assert {alignment(pair).verdict for pair in scene.all_pairs} == {Verdict.UNDETERMINED}


@pytest.mark.parametrize("gain", ["NaN", "-1.0", "0.0"])
def test_an_impossible_calibration_is_one_line_or_a_reason(store: Store, gain: str) -> None:
    store.save_sensor(sensor_record(gain_e_per_dn=Measured(value=0.0625)), None)
    path = store.root / "calibration" / "calibration.json"
    path.write_text(path.read_text().replace("0.0625", gain))
    result = run("verify-alignment", "--dataset", store.root)
    assert result.exit_code in (1, 3)
    verdicts = [pair.alignment.verdict for pair in store.scene(1).all_pairs if pair.alignment]
    assert result.exit_code == 1 or verdicts == [Verdict.UNDETERMINED] * 3
    assert "calibra" in result.stderr


def test_dark_maps_that_are_broken_make_pairs_undetermined_until_they_are_mended(store: Store) -> None:
    maps = DarkMaps(np.zeros(SHAPE, np.float16), np.zeros(SHAPE, np.float16), np.zeros(SHAPE, np.bool_))
    record = store.save_sensor(sensor_record(), maps)
    assert record.maps is not None
    path = store.path(record.maps.path)
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    broken = verify_scene(store, 1)
    assert counts(broken) == (0, 0, 3)
    assert {alignment(pair).verdict for pair in broken.scene.all_pairs} == {Verdict.UNDETERMINED}
    assert "run `sidcap calibrate` again" in alignment(broken.scene.pairs[0]).reasons[0]
    path.write_bytes(content)
    mended = verify_scene(store, 1).scene
    assert {alignment(pair).verdict for pair in mended.all_pairs} == {Verdict.ALIGNED}
    assert {(alignment(pair).registration or {})["guard"] for pair in mended.all_pairs} == {Guard.DARKS}


def test_darks_are_subtracted_from_each_frame_by_its_own_exposure(tmp_path: Path) -> None:
    cold = np.random.default_rng(5).random(SHAPE) < 0.05
    offset, rate = (np.where(cold, value, 0).astype(np.float16) for value in (-150, 15))  # 0 DN at 10 s, -142 at 0.5 s
    store = make_dataset(tmp_path / "dataset", shorts=({},))
    for frame in store.scene(1).frames:
        dark = np.rint(offset + rate * np.float16(frame.exposure.true_s)).astype(np.int32)
        mosaic = np.maximum(read_raw(store.path(frame.path)).mosaic + dark, 0).astype(np.uint16)
        rewrite(store, 1, frame.path, textured_datasets.of_6d(mosaic))
    assert (alignment(verify_scene(store, 1).scene.pairs[0]).chi2 or 0) > 1.1
    store.save_sensor(sensor_record(), DarkMaps(offset, rate, np.zeros(SHAPE, np.bool_)))
    assert alignment(verify_scene(store, 1).scene.pairs[0]).chi2 == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    "garbled",
    [
        {"shift_px": "left"},
        {"shift_px": [1.0]},
        {"problem": "tired"},
        {"covariance_px2": [["a"]]},
        {"mood": 1.0},
        {"ratio": []},
    ],
)
def test_a_garbled_record_is_one_line_and_registering_again_mends_it(store: Store, garbled: dict[str, object]) -> None:
    verify_scene(store, 1)

    def spoiled(pair: Pair) -> Pair:
        registration = {**(alignment(pair).registration or {}), **garbled}
        return pair.replace(alignment=alignment(pair).replace(registration=registration))

    store.change_scene(1, lambda scene: scene.with_pairs(spoiled))
    result = run("verify-alignment", "--dataset", store.root)
    assert result.exit_code == 1
    assert "run `sidcap verify-alignment --again`" in error_line(result)
    assert run("verify-alignment", "--dataset", store.root, "--again").exit_code == 0
