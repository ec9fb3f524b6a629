"""Verifying thousands of pairs: what is done again and what is not, on which machines, and what ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
import records
import textured_datasets
from distributed import LocalCluster
from textured_datasets import LONG_E, SHAPE, make_dataset, rewrite
from typer.testing import CliRunner, Result

from sidcap.capture.tally import Tally
from sidcap.cli import app
from sidcap.curate import Verified, verify_dataset, verify_scene
from sidcap.data_manifest.schema import Alignment, Measured, Pair, Scene, SensorRecord
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split, Verdict
from sidcap.model.data import select

PUBLISHED = "published for the EOS 6D"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error_line(result: Result) -> str:
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def alignment(pair: Pair | None) -> Alignment:
    assert pair is not None
    assert pair.alignment is not None
    return pair.alignment


def when_measured(scene: Scene) -> list[object]:
    return [alignment(pair).measured_utc for pair in scene.all_pairs]


def counts(done: Verified) -> tuple[int, int, int]:
    return done.registered, done.current, done.failed


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


def test_again_registers_everything_anew(store: Store) -> None:
    first = verify_scene(store, 1)
    again = verify_scene(store, 1, again=True)
    assert counts(again) == (3, 0, 0)
    assert min(when_measured(again.scene)) > max(when_measured(first.scene))  # type: ignore[type-var]


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
        (lambda: textured_datasets.of_6d(np.full(SHAPE, 600, np.uint16)), "the short"),
        (lambda: textured_datasets.of_6d(np.full(SHAPE, 512, np.uint16)), "the short"),
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
    assert {alignment(pair).verdict for pair in verify_scene(store, 1).scene.all_pairs} == {Verdict.ALIGNED}


# Many scenes, on every core or a cluster


def test_every_broken_scene_file_is_named_and_stops_no_other(tmp_path: Path) -> None:
    store = make_dataset(tmp_path / "dataset", scenes=(1, 2, 3))
    store.scene_path(1).write_text("{}")
    store.scene_path(3).write_text("no JSON")
    result = run("verify-alignment", "--dataset", store.root, "--json")
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "00001.json" in errors[0]
    assert "00003.json" in errors[1]
    assert "2 scenes failed" in result.stderr
    document = json.loads(result.stdout)
    assert [failure["scene"] for failure in document["failed_scenes"]] == [1, 3]
    assert {alignment(pair).verdict for pair in store.scene(2).all_pairs} == {Verdict.ALIGNED}


def test_the_summary_says_what_was_done(tmp_path: Path) -> None:
    store = make_dataset(tmp_path / "dataset", scenes=(1, 2))
    assert "6 pairs registered, 0 current" in run("verify-alignment", "--dataset", store.root, "--jobs", "2").stderr
    store.path(store.scene(2).pairs[1].frame).unlink()
    partly = run("verify-alignment", "--dataset", store.root, "--jobs", "1", "--json")
    assert partly.exit_code == 3
    assert "0 pairs registered, 5 current, 1 failed" in partly.stderr
    document = json.loads(partly.stdout)
    assert (document["registered"], document["current"], document["failed"]) == (0, 5, 1)
    assert "5 pairs registered" in run("verify-alignment", "--dataset", store.root, "--again").stderr


def many_scenes(root: Path, count: int) -> Store:
    """Scenes that share the files of the first: registered one by one all the same."""
    store = make_dataset(root, shorts=({},) * 4)
    for scene in range(2, count + 1):
        store.save_scene(store.scene(1).replace(id=scene))
    return store


def verified(store: Store) -> list[int]:
    return [scene.id for scene in store.scenes() if all(pair.alignment for pair in scene.all_pairs)]


@contextmanager
def verifying(store: Store, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`sidcap verify-alignment` in a process group of its own, which has some scenes done and more to do."""
    command = [sys.executable, "-m", "sidcap.cli", "verify-alignment", "--dataset", str(store.root), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not verified(store):
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.01)
        yield process


def test_a_killed_run_leaves_no_process_and_the_next_one_goes_on(tmp_path: Path) -> None:
    store = many_scenes(tmp_path / "dataset", 24)
    with verifying(store, "--jobs", "2") as process:
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    done = verified(store)
    before = {scene: when_measured(store.scene(scene)) for scene in done}
    assert 0 < len(done) < 24
    result = run("verify-alignment", "--dataset", store.root, "--jobs", "2", "--json")
    document = json.loads(result.stdout)
    assert document["current"] == 5 * len(done)
    assert document["registered"] == 5 * (24 - len(done))
    assert {scene: when_measured(store.scene(scene)) for scene in done} == before
    assert len(verified(store)) == 24


def test_ctrl_c_ends_it_at_once_and_says_how_to_go_on(tmp_path: Path) -> None:
    store = many_scenes(tmp_path / "dataset", 24)
    with verifying(store, "--jobs", "2") as process:
        workers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].startswith("error: interrupted: ")
    assert "the same command goes on from there" in stderr
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    assert 0 < len(verified(store)) < 24
    list(verify_dataset(store))
    assert len(verified(store)) == 24


def test_a_worker_that_dies_is_one_line(tmp_path: Path) -> None:
    store = many_scenes(tmp_path / "dataset", 24)
    with verifying(store, "--jobs", "2") as process:
        python = [
            child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())
        ]
        python[0].kill()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.splitlines()[-1].startswith("error: the workers are lost, most likely for want of memory")
    assert "Traceback" not in stderr


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers, each a process, on this machine."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as local:
        yield local


def test_a_dask_cluster_does_the_same_work(tmp_path: Path, cluster: LocalCluster) -> None:
    store = make_dataset(tmp_path / "dataset", scenes=(1, 2, 3))
    on_cluster = run("verify-alignment", "--dataset", store.root, "--dask", cluster.scheduler_address)
    assert on_cluster.exit_code == 0, on_cluster.stderr
    assert "9 pairs registered, 0 current" in on_cluster.stderr
    found = list(store.scenes())
    for scene in found:
        here = verify_scene(store, scene.id, again=True).scene
        assert [pair.ratio for pair in here.all_pairs] == [pair.ratio for pair in scene.all_pairs]
        assert [alignment(pair).shift_px for pair in here.all_pairs] == [
            alignment(pair).shift_px for pair in scene.all_pairs
        ]
    again = run("verify-alignment", "--dataset", store.root, "--dask", cluster.scheduler_address)
    assert "0 pairs registered, 9 current" in again.stderr


def test_ctrl_c_takes_back_what_no_worker_of_a_cluster_has_begun(tmp_path: Path, cluster: LocalCluster) -> None:
    store = many_scenes(tmp_path / "dataset", 24)
    with verifying(store, "--dask", cluster.scheduler_address) as process:
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in stderr
    assert "Traceback" not in stderr
    assert len(verified(store)) < 24
    assert run("verify-alignment", "--dataset", store.root, "--dask", cluster.scheduler_address).exit_code == 0
    assert len(verified(store)) == 24


@contextmanager
def serving(before: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A scheduler and a worker in one process of their own, and the scheduler's address."""
    serve = (
        f"import sys, time; {before}\n"
        "from distributed import LocalCluster\n"
        "if __name__ == '__main__':\n"
        "    with LocalCluster(1, threads_per_worker=1, processes=False, protocol='tcp', host='127.0.0.1',\n"
        "                      dashboard_address='127.0.0.1:0') as cluster:\n"
        "        print(cluster.scheduler_address, flush=True); sys.stdin.read()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", serve], text=True, **pipes) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def test_a_scheduler_that_dies_is_one_line(tmp_path: Path) -> None:
    store = many_scenes(tmp_path / "dataset", 24)
    with serving() as (scheduler, address), verifying(store, "--dask", address) as process:
        scheduler.kill()
        _, stderr = process.communicate(timeout=100)
    assert process.returncode == 1, stderr
    assert stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in stderr


def test_workers_without_sidcap_are_one_line(store: Store) -> None:
    with serving("sys.modules['sidcap'] = None") as (_, address):
        result = run("verify-alignment", "--dataset", store.root, "--dask", address)
    assert result.exit_code == 1
    assert "cannot run sidcap" in error_line(result)
    assert "install it there" in error_line(result)


def test_a_broken_scene_does_not_stop_a_cluster(tmp_path: Path, cluster: LocalCluster) -> None:
    store = make_dataset(tmp_path / "dataset", scenes=(1, 2))
    store.scene_path(1).write_text("{}")
    result = run("verify-alignment", "--dataset", store.root, "--dask", cluster.scheduler_address)
    assert result.exit_code == 1
    assert "00001.json" in error_line(result)
    assert verified_alone(store, 2)


def verified_alone(store: Store, scene: int) -> bool:
    return all(pair.alignment for pair in store.scene(scene).all_pairs)


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs a path that each process sees differently")
def test_workers_that_do_not_see_the_dataset_are_one_line(
    store: Store, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.root)
    result = run("verify-alignment", "--dataset", "/proc/self/cwd", "--dask", cluster.scheduler_address)
    assert result.exit_code == 1
    assert "does not see this dataset at /proc/self/cwd" in error_line(result)
    assert verify_scene(store, 1).registered == 3, "nothing was done"


def test_a_cluster_without_workers_is_one_line(store: Store) -> None:
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as local:
        result = run("verify-alignment", "--dataset", store.root, "--dask", local.scheduler_address)
    assert result.exit_code == 1
    assert "has no workers" in error_line(result)


@pytest.mark.parametrize(
    ("address", "exit_code", "words"),
    [
        ("tcp://127.0.0.1:9", 1, "no Dask scheduler answers at tcp://127.0.0.1:9"),
        ("carrier-pigeon", 2, "give one like tcp://host:8786"),
        ("pigeon://host:1", 2, "give one like tcp://host:8786"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(
    store: Store, address: str, exit_code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidcap.curate.workers._PATIENCE_S", 1)
    result = run("verify-alignment", "--dataset", store.root, "--dask", address)
    assert result.exit_code == exit_code
    assert words in error_line(result)


def test_without_the_extra_dask_is_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = run("verify-alignment", "--dataset", store.root, "--dask", "tcp://127.0.0.1:8786")
    assert result.exit_code == 2
    assert "pip install 'sidcap[dask]'" in error_line(result)


def test_jobs_and_a_cluster_exclude_each_other(store: Store) -> None:
    result = run("verify-alignment", "--dataset", store.root, "--jobs", "2", "--dask", "tcp://127.0.0.1:8786")
    assert result.exit_code == 2
    assert "give one of them" in error_line(result)


# What a person decides


def test_a_decision_outweighs_the_verdict_and_is_kept(tmp_path: Path) -> None:
    store = make_dataset(tmp_path / "dataset", shorts=({}, {"shift_px": (0.5, 0.0)}))
    assert run("verify-alignment", "--dataset", store.root).exit_code == 3
    decide = ("decide", "00001_01_0.5s", "--dataset", store.root)
    accepted = run(*decide, "--accept", "--why", "good enough", "--by", "anna")
    assert accepted.exit_code == 0, accepted.stderr
    assert "short/00001_01_0.5s.DNG: accepted by anna (was undetermined)" in accepted.stderr
    again = run("verify-alignment", "--dataset", store.root, "--again")
    assert again.exit_code == 0
    assert "accepted by anna (was undetermined): good enough" in again.stderr
    assert "2 aligned, 0 misaligned, 0 undetermined, 1 accepted" in again.stderr
    rejected = run(*decide, "--reject", "--why", "it is not", "--by", "bert", "--json")
    (pair,) = json.loads(rejected.stdout)["pairs"]
    assert [(one["choice"], one["by"], one["why"]) for one in pair["decisions"]] == [
        ("accepted", "anna", "good enough"),
        ("rejected", "bert", "it is not"),
    ]
    assert not store.scene(1).pairs[1].usable
    assert run(*decide, "--withdraw", "--why", "let it be measured").exit_code == 0
    last = store.scene(1).pairs[1]
    assert (last.decision, last.standing, len(last.decisions)) == (None, "undetermined", 3)


def test_a_scene_s_number_stands_for_all_its_pairs(store: Store) -> None:
    verify_scene(store, 1)
    assert run("decide", "1", "--reject", "--why", "a cat", "--dataset", store.root).exit_code == 0
    assert {pair.standing for pair in store.scene(1).all_pairs} == {"rejected"}
    assert run("verify-alignment", "--dataset", store.root).exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("1", "--why", "x"), "give one of --accept, --reject and --withdraw"),
        (("1", "--accept", "--reject", "--why", "x"), "give one of --accept, --reject and --withdraw"),
        (("1", "--accept", "--why", " "), "say in a few words why"),
        (("7", "--accept", "--why", "x"), "no scene 00007"),
        (("1", "7", "--accept", "--why", "x"), "no scene 00007"),
        (("00001_09_0.5s", "--accept", "--why", "x"), "no pair '00001_09_0.5s'"),
        (("the cat", "--accept", "--why", "x"), "neither a scene's number nor a frame"),
    ],
)
def test_a_wrong_decision_is_one_line_and_changes_nothing(store: Store, arguments: tuple[str, ...], words: str) -> None:
    result = run("decide", *arguments, "--dataset", store.root)
    assert result.exit_code == 2
    assert words in error_line(result)
    assert not any(pair.decisions for pair in store.scene(1).all_pairs)


def test_a_decision_made_while_pairs_are_registered_is_not_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before_writing = Store.change_scene

    def decided_meanwhile(self: Store, scene: int, change: Callable[[Scene], Scene]) -> Scene:
        monkeypatch.setattr(Store, "change_scene", before_writing)
        assert run("decide", "1", "--accept", "--why", "I was there", "--dataset", self.root).exit_code == 0
        return before_writing(self, scene, change)

    monkeypatch.setattr(Store, "change_scene", decided_meanwhile)
    scene = verify_scene(store, 1).scene
    assert {pair.standing for pair in scene.all_pairs} == {"accepted"}
    assert all(pair.alignment for pair in scene.all_pairs)


def test_the_tally_counts_no_pair_that_is_known_to_be_unusable(store: Store) -> None:
    tally = Tally.of(store.scenes())
    assert tally.pairs == {(Split.TRAIN, 20.0): 2}
    verify_scene(store, 1)
    run("decide", "00001_00_0.5s", "--reject", "--why", "a cat", "--dataset", store.root)
    assert Tally.of(store.scenes()).pairs == {(Split.TRAIN, 20.0): 1}


def test_training_follows_the_person(tmp_path: Path) -> None:
    store = make_dataset(tmp_path / "dataset", shorts=({}, {"shift_px": (3.0, 0.0)}))
    verify_scene(store, 1)
    run("decide", "00001_00_0.5s", "--reject", "--why", "a cat", "--by", "anna", "--dataset", store.root)
    run("decide", "00001_01_0.5s", "--accept", "--why", "meant so", "--dataset", store.root)
    selection = select(store, Split.TRAIN)
    assert [pair.short.path for pair in selection.pairs] == ["short/00001_01_0.5s.DNG"]
    (left_out,) = selection.left_out
    assert (left_out.verdict, left_out.reason) == ("rejected", "anna: a cat")
