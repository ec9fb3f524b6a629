"""A dataset as the See-in-the-Dark code reads one: folders ``long`` and ``short``, and a list of pairs for each split.

What that code would take for a pair and is none (the closing long, shorts that were left out, discarded frames) lies
in ``sidcap/``. Source: the authors' train_Sony.py and test_Sony.py, which glob ``0*`` and ``1*`` in the longs' folder
and take every ``short/SCENE_00*`` for a short of the first ``long/SCENE_00*`` (Chen et al., CVPR 2018).
"""

from __future__ import annotations

from pathlib import Path

from sidcap.data_manifest.exporters.about import cameras
from sidcap.data_manifest.exporters.cargo import Cargo
from sidcap.data_manifest.exporters.listing import OnStep, aside, placed, unheard, write_listing
from sidcap.data_manifest.exporters.sid_list import sid_list
from sidcap.data_manifest.exporters.target import bring, must_lie_outside, new_folder, write_document
from sidcap.data_manifest.schema import ListRow, Pair, Scene
from sidcap.data_manifest.words import Split


def export_sid(cargo: Cargo, target: Path, *, link: bool = False, on_step: OnStep = unheard) -> None:
    """Write ``target``. With ``link`` the raw files are hard links, which need no room and the same disk.

    UsageError and DiskFullError before anything is written; ManifestError where a file is not what its record says.
    """
    must_lie_outside(cargo.store, target)
    at = {frame.path: f"{frame.role}/{frame.name}" for frame in cargo.frames}
    with new_folder(target, 0 if link else cargo.size_bytes) as folder:
        files = []
        for done, file in enumerate(cargo.files, start=1):
            files.append(placed(file, at.get(file.path, aside(file.path))))
            bring(cargo.store, file, folder / files[-1].at, link=link)
            on_step(done, len(cargo.files))
        for split in Split:
            rows = sid_list(_as_placed(scene) for scene in cargo.scenes if scene.split == split)
            if rows:
                write_document(folder / f"{_maker(cargo)}_{split}_list.txt", rows.encode())
        write_listing(folder, "sid", cargo, files)


def _maker(cargo: Cargo) -> str:
    """What the lists' names begin with: ``Canon``, as SID's ``Sony``."""
    return "".join(letter for letter in cameras(cargo).split()[0] if letter.isalnum()) or "sidcap"


def _as_placed(scene: Scene) -> Scene:
    """The scene with what its list has to say of each pair: where its frames lie in the export."""

    def listed(pair: Pair) -> Pair:
        short = scene.frame(pair.frame)
        by_default = ListRow(row=1, folder="", iso=short.iso.set, f_number=f"{short.aperture or 0:g}")
        return pair.replace(listed=(pair.listed or by_default).replace(folder=""))

    return scene.with_pairs(listed)
