"""What tests of `sidcap review` have in common: a dataset with something to decide, and the real command."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tiny_raw
from textured_datasets import make_dataset

from sidcap.curate import verify_scene
from sidcap.data_manifest.schema import BlackLevel
from sidcap.data_manifest.store import Store


def reviewable(root: Path) -> Store:
    """Three scenes, of which 00001 is verified: a short that stood still, one that moved by 3 px, a closing long."""
    store = make_dataset(root, (1, 2, 10001), shorts=({}, {"shift_px": (3.0, 0.0)}))
    black = BlackLevel(per_plane_dn=(tiny_raw.BLACK_DN,) * 4, source="file")
    for scene_id in store.scene_ids():
        store.change_scene(
            scene_id, lambda scene: scene.replace(frames=tuple(one.replace(black=black) for one in scene.frames))
        )
    verify_scene(store, 1)
    return store


@contextmanager
def served(root: Path, *, who: str = "anna", port: int = 0) -> Iterator[str]:
    """The address that ``sidcap review`` prints, for as long as it runs; it must end well on Ctrl-C."""
    command = [sys.executable, "-m", "sidcap.cli", "review", "--no-browser", "--dataset", str(root), "--who", who]
    with subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said = process.stderr.readline()
            assert said.startswith("open http://127.0.0.1:"), said + process.stderr.read()
            yield said.split()[1]
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
    assert process.returncode == 0, rest
    assert "Traceback" not in rest, rest
