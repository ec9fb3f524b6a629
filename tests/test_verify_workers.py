"""Verifying many scenes: on every core, on a Dask cluster, and what happens when either is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from distributed import LocalCluster
from textured_datasets import make_dataset
from verification import alignment, error_line, run, when_measured

from sidcap.curate import verify_dataset, verify_scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Verdict


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One scene: two shorts and a closing long, all of which stood still."""
    return make_dataset(tmp_path / "dataset")


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


MANY = 60
"""Scenes: so many that there is still something to do when the first are done, on a busy machine, too."""


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
    store = many_scenes(tmp_path / "dataset", MANY)
    with verifying(store, "--jobs", "2") as process:
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    done = verified(store)
    before = {scene: when_measured(store.scene(scene)) for scene in done}
    assert 0 < len(done) < MANY
    result = run("verify-alignment", "--dataset", store.root, "--jobs", "2", "--json")
    document = json.loads(result.stdout)
    assert document["current"] == 5 * len(done)
    assert document["registered"] == 5 * (MANY - len(done))
    assert {scene: when_measured(store.scene(scene)) for scene in done} == before
    assert len(verified(store)) == MANY


def test_ctrl_c_ends_it_at_once_and_says_how_to_go_on(tmp_path: Path) -> None:
    store = many_scenes(tmp_path / "dataset", MANY)
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
    assert 0 < len(verified(store)) < MANY
    list(verify_dataset(store))
    assert len(verified(store)) == MANY


def test_a_worker_that_dies_is_one_line(tmp_path: Path) -> None:
    store = many_scenes(tmp_path / "dataset", MANY)
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
    store = many_scenes(tmp_path / "dataset", MANY)
    with verifying(store, "--dask", cluster.scheduler_address) as process:
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in stderr
    assert "Traceback" not in stderr
    assert len(verified(store)) < MANY
    assert run("verify-alignment", "--dataset", store.root, "--dask", cluster.scheduler_address).exit_code == 0
    assert len(verified(store)) == MANY


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
    store = many_scenes(tmp_path / "dataset", MANY)
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
