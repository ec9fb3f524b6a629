"""How the tests run a command that the documents show."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
import tiny_raw
from document_commands import Run, Serve
from document_folders import Folders
from typer.testing import CliRunner, Result

from sidcap.capture.simulated import SimulatedCamera
from sidcap.cli import app, demo

_MODULES = {"demo": demo}
_PATIENCE_S = 120
_HERE = "--nnodes 1 --nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:0"
"""What torchrun is told instead: two processes on this machine."""


def each_runs(commands: Mapping[str, Run | Serve]) -> Callable[..., None]:
    """The test of these commands, for a file of their own: xdist gives each file to one process."""

    @pytest.mark.timeout(600)  # the first one prepares a folder for all
    @pytest.mark.parametrize(("text", "how"), commands.items(), ids=[text.replace("/", "|") for text in commands])
    def test(text: str, how: Run | Serve, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with tiny_raw.one_thread():
            folders.copy(how.at if isinstance(how, Run) else "usual", tmp_path / "work")
            _check(text, how, tmp_path / "work", monkeypatch)

    return test


def _check(text: str, how: Run | Serve, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Run it in a folder, which is the home too; it must do what it says."""
    patch.chdir(folder)
    patch.setenv("HOME", str(folder))
    patch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # it is told
    patch.delenv("SIDCAP_DATASET", raising=False)
    with ExitStack() as stack:
        shown = text.split(" > ")[0]
        places = _places(folder, shown, stack)
        here = re.sub("|".join(map(re.escape, places)), lambda found: places[found[0]], shown)
        words = [*shlex.split(here), *shlex.split(how.more)]
        if isinstance(how, Serve):
            _serve(words)
        elif words[0] == "torchrun":
            _launch(words, how)
        else:
            _run(words, how, patch, document="--json" in words or ">" in text)


def _places(folder: Path, shown: str, stack: ExitStack) -> dict[str, str]:
    """What stands here for the places that the documents name."""
    places = {
        "/data/SID": f"{folder}/SID",
        "/data/": f"{folder}/data/",
        "/archive/": f"{folder}/archive/",
        "/media/EOS_DIGITAL/DCIM": f"{folder}/card",
        "/shared/": f"{folder}/",
        "/tmp/": f"{folder}/",  # noqa: S108 (as it is shown)
        "~/": f"{folder}/",
    }
    if cameras := [
        name for name in ("usb:001,004", "ptpip:192.168.1.9", "ptpip:127.0.0.1:15740:15740") if name in shown
    ]:
        camera = stack.enter_context(SimulatedCamera(size="small", time_scale=40))
        places |= dict.fromkeys(cameras, camera.port_string)
    if "--dask" in shown:
        places["tcp://10.0.0.1:8786"] = stack.enter_context(_cluster())
    return places


@contextmanager
def _cluster() -> Iterator[str]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


def _run(words: list[str], how: Run, patch: pytest.MonkeyPatch, *, document: bool) -> None:
    if how.without:
        shutil.rmtree(how.without)
    for name, value in how.smaller.items():
        patch.setattr(_MODULES[words[1]], name, value)
    result = _sidcap(words, how.says)
    assert result.exit_code == 0, result.stderr
    if document:
        assert json.loads(result.stdout)


def _sidcap(words: list[str], says: str = "") -> Result:
    return CliRunner().invoke(app, words[1:], input=says)


def _launch(words: list[str], how: Run) -> None:
    if how.without:
        shutil.rmtree(how.without)
    module = words.index("-m")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words[1:module], *_HERE.split(), *words[module:]],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert "in 2 processes" in done.stderr


def _serve(words: list[str]) -> None:
    """Start it, look once at what it serves at the address that it says, and end it with Ctrl-C."""
    command = [sys.executable, "-m", "sidcap.cli", *words[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        try:
            said = server.stdout.readline()
            found = re.search(r"http://\S+|ptpip:\S+", said)
            assert found, said + server.stdout.read()
            _look_at(found[0])
        finally:
            server.send_signal(signal.SIGINT)
            rest = server.stdout.read()
    assert server.returncode == 0, rest
    assert "Traceback" not in rest


def _look_at(address: str) -> None:
    if address.startswith("ptpip:"):
        result = _sidcap(["sidcap", "camera", "status", "--camera", address])
        assert result.exit_code == 0, result.stderr
        return
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with browser.open(address, timeout=_PATIENCE_S) as page:
        assert page.status == 200
        assert b"sidcap" in page.read()
