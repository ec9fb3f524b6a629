"""A small dataset in which everything occurs that an export has to carry or to leave out; and how exports are run."""

from __future__ import annotations

from pathlib import Path

import records
import textured_datasets
from typer.testing import CliRunner, Result

from sidcap.cli import app
from sidcap.data_manifest.schema import (
    Alignment,
    BlackLevel,
    CameraBody,
    DarkFrame,
    Decision,
    Discarded,
    Exposure,
    Iso,
    Pair,
    Scene,
    WhiteLevel,
)
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.words import Verdict

SCENES = (1, 2, 10001, 20001)
PAIRS_OF_A_SCENE = 2


def make(root: Path) -> Store:
    """Four scenes of all splits, each of a long, two shorts and a closing long.

    Scene 1 is aligned and has a note and a discarded frame; of scene 2 one pair is rejected; in scene 10001 a person
    accepted one pair that nothing was measured of; one pair of scene 20001 is undetermined. There is one dark frame,
    and a journal.
    """
    store = textured_datasets.make_dataset(root, SCENES)
    store.add_camera(CameraBody(model="Canon EOS 6D", serial="1"))
    for scene in SCENES:
        store.change_scene(scene, _with_the_levels_of_its_files)
    for scene in SCENES:
        store.change_scene(scene, lambda scene: scene.with_pairs(lambda pair: pair.replace(alignment=alignment())))
    store.change_scene(1, lambda scene: _with_a_discarded_frame(store, scene))
    _change_second_pair(store, 2, lambda pair: pair.replace(decisions=(decision("rejected", "a cat"),)))
    unmeasured = alignment(Verdict.UNDETERMINED).replace(shift_px=None, covariance_px2=None)
    _change_second_pair(
        store, 10001, lambda pair: pair.replace(alignment=unmeasured, decisions=(decision("accepted", "I was there"),))
    )
    _change_second_pair(store, 20001, lambda pair: pair.replace(alignment=alignment(Verdict.UNDETERMINED)))
    _add_a_dark(store)
    store.journal_path.write_text('{"utc": "2026-01-02T03:04:05+00:00", "event": "connected"}\n')
    return store


def alignment(verdict: Verdict = Verdict.ALIGNED) -> Alignment:
    return Alignment(
        verdict=verdict,
        reasons=("looked at",),
        shift_px=(0.125, -0.25),
        covariance_px2=((0.01, 0.0), (0.0, 0.04)),
        chi2=1.0,
        tolerance_px=0.5,
        noise_source="test",
        method="test",
        measured_utc=records.MOMENT,
    )


def decision(choice: str, why: str) -> Decision:
    return Decision.model_validate({"choice": choice, "by": "anna", "decided_utc": records.MOMENT, "why": why})


def _with_the_levels_of_its_files(scene: Scene) -> Scene:
    black, white = BlackLevel(per_plane_dn=(512, 512, 512, 512), source="file"), WhiteLevel(dn=16383, source="file")
    return scene.replace(frames=tuple(frame.replace(black=black, white=white) for frame in scene.frames))


def _change_second_pair(store: Store, scene: int, change: object) -> None:
    def changed(scene: Scene) -> Scene:
        first, second = scene.pairs
        assert callable(change)
        new: Pair = change(second)
        return scene.replace(pairs=(first, new))

    store.change_scene(scene, changed)


def _with_a_discarded_frame(store: Store, scene: Scene) -> Scene:
    content = textured_datasets.raw(textured_datasets.shifted_scenes.Scene((256, 384), 77).mosaic() * 8, 77)
    (store.root / "discarded").mkdir()
    path = store.root / "discarded" / "00001_00_0.5s.DNG"
    path.write_bytes(content)
    short = scene.frame(scene.pairs[0].frame)
    frame = short.replace(path="discarded/00001_00_0.5s.DNG", size_bytes=len(content), sha256=sha256_of(path))
    return scene.replace(note='kitchen, "door" open\nand läuft', discarded=(Discarded(frame=frame, reason="a bus"),))


def _add_a_dark(store: Store) -> None:
    path = store.root / "calibration" / "darks" / "ISO12800_0.5s_00.DNG"
    path.parent.mkdir(parents=True)
    path.write_bytes(textured_datasets.raw(textured_datasets.shifted_scenes.Scene((256, 384), 5).mosaic() * 0, 5))
    dark = DarkFrame(
        path=path.relative_to(store.root).as_posix(),
        size_bytes=path.stat().st_size,
        sha256=sha256_of(path),
        camera=CameraBody(model="Canon EOS 6D", serial="1"),
        iso=Iso(requested=12600, set=12800),
        exposure=Exposure(requested_s=0.5, nominal_s=0.5, true_s=0.5),
        start_utc=records.MOMENT,
        black=BlackLevel(per_plane_dn=(512, 512, 512, 512), source="file"),
        mean_dn=(512, 512, 512, 512),
    )
    store.change_calibration(lambda calibration: calibration.with_frame(dark))


def run(*arguments: str | Path) -> Result:
    """A command, as a person types it."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error_line(result: Result) -> str:
    """The one line that a failed command leaves."""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return line


def contents(folder: Path) -> dict[str, str]:
    """Path -> checksum of every file in a folder."""
    return {p.relative_to(folder).as_posix(): sha256_of(p) for p in sorted(folder.rglob("*")) if p.is_file()}
