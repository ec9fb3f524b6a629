"""A folder that Hugging Face's ``datasets`` loads as an image folder, and that can be pushed to its hub as it is.

``train``, ``test`` and ``validation`` hold previews and a metadata.jsonl with one row for each pair; the raw files lie
in ``raw/long`` and ``raw/short``, where each row points. Source: https://huggingface.co/docs/datasets/image_dataset.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

from sidcap.data_manifest.exporters.about import About, cameras, described, simulation
from sidcap.data_manifest.exporters.cargo import Cargo
from sidcap.data_manifest.exporters.listing import OnStep, Placed, aside, placed, unheard, write_listing
from sidcap.data_manifest.exporters.previews import preview_of_long, preview_of_short
from sidcap.data_manifest.exporters.tables import PairRow, pair_row
from sidcap.data_manifest.exporters.target import bring, must_lie_outside, new_folder, write_document
from sidcap.data_manifest.schema import Frame, Pair, Scene
from sidcap.data_manifest.words import Split

PREVIEW_PX = 1024
_FOLDER = {Split.TRAIN: "train", Split.TEST: "test", Split.VAL: "validation"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
_LICENCE_ID = re.compile(r"[A-Za-z0-9.+-]+")
_PREVIEW_BYTES = 3
"""Upper estimate a pixel of a PNG: that of none that is compressed."""


def export_hugging_face(
    cargo: Cargo,
    target: Path,
    about: About | None = None,
    *,
    link: bool = False,
    preview_px: int = PREVIEW_PX,
    on_step: OnStep = unheard,
) -> None:
    """Write ``target``, with previews at most ``preview_px`` wide. With ``link`` the raw files are hard links.

    UsageError and DiskFullError before anything is written; ManifestError where a file is not what its record says,
    RawError where one cannot be developed.
    """
    must_lie_outside(cargo.store, target)
    at = {frame.path: f"raw/{frame.role}/{frame.name}" for frame in cargo.frames}
    files = cargo.files
    total = len(files) + len(cargo.scenes)
    progress = count(1)
    with new_folder(target, _needed_bytes(cargo, preview_px, link=link)) as folder:
        places: list[Placed] = []
        for file in files:
            places.append(placed(file, at.get(file.path, aside(file.path))))
            bring(cargo.store, file, folder / places[-1].at, link=link)
            on_step(next(progress), total)
        for _ in _with_previews(cargo, folder, preview_px):
            on_step(next(progress), total)
        for split, rows in _tables(cargo, at).items():
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            write_document(folder / _FOLDER[split] / "metadata.jsonl", lines.encode())
        write_document(folder / "README.md", _card(cargo, about or About()).encode())
        write_listing(folder, "hugging-face", cargo, places)


def _needed_bytes(cargo: Cargo, preview_px: int, *, link: bool) -> int:
    previews = len(cargo.frames) * preview_px * preview_px * _PREVIEW_BYTES
    return previews + (0 if link else cargo.size_bytes)


# Previews.


def _with_previews(cargo: Cargo, folder: Path, width_px: int) -> Iterator[None]:
    """Make the previews, on every core, for LibRaw works outside the interpreter lock; gives after each scene."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = [pool.submit(_preview_scene, cargo, folder, scene, width_px) for scene in cargo.scenes]
        try:
            for future in done:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _preview_scene(cargo: Cargo, folder: Path, scene: Scene, width_px: int) -> None:
    split = folder / _FOLDER[scene.split]
    for path in sorted({pair.reference for pair in scene.pairs}):
        content = preview_of_long(cargo.store.path(path), width_px)
        write_document(split / _preview_name(scene.frame(path)), content)
    for pair in scene.pairs:
        short = scene.frame(pair.frame)
        content = preview_of_short(cargo.store.path(pair.frame), short, pair.ratio.true, width_px)
        write_document(split / _preview_name(short, pair), content)


def _preview_name(frame: Frame, pair: Pair | None = None) -> str:
    """In the folder of its split. A short that is paired with two longs is amplified for each."""
    stem = Path(frame.name).stem
    amplified = "" if pair is None else f"_x{pair.ratio.true:.4g}"
    return f"previews/{frame.role}/{stem}{amplified}.png"


# Tables.


def _tables(cargo: Cargo, at: dict[str, str]) -> dict[Split, list[dict[str, Any]]]:
    """The rows of each split.

    The library tells each column's type from its first values, and refuses splits that differ in one: a column without
    any value in some split is left out of all of them. The records in ``sidcap/`` have it in any case.
    """
    tables = {
        split: [_row(scene, pair, at) for scene, pair in cargo.pairs if scene.split == split]
        for split in Split
        if any(scene.split == split for scene in cargo.scenes)
    }
    empty = {
        name for name in next(iter(tables.values()))[0] if any(all(r[name] is None for r in t) for t in tables.values())
    }
    return {
        split: [{name: value for name, value in row.items() if name not in empty} for row in rows]
        for split, rows in tables.items()
    }


def _row(scene: Scene, pair: Pair, at: dict[str, str]) -> dict[str, Any]:
    """``NAME_file_name`` becomes a column NAME of pictures."""
    values = pair_row(scene, pair).model_dump(mode="json", exclude={"short", "long"})
    return {
        "short_file_name": _preview_name(scene.frame(pair.frame), pair),
        "long_file_name": _preview_name(scene.frame(pair.reference)),
        "short_raw": at[pair.frame],
        "long_raw": at[pair.reference],
        "short_sha256": scene.frame(pair.frame).checksum,
        "long_sha256": scene.frame(pair.reference).checksum,
        **values,
    }


# The card.


def _card(cargo: Cargo, about: About) -> str:
    """README.md: YAML for machines, then words. JSON is YAML, which spares a library to quote with."""
    splits = {split: sum(scene.split == split for scene, _ in cargo.pairs) for split in Split}
    front = {
        "pretty_name": cargo.dataset.name,
        **_licence(about.licence),
        "task_categories": ["image-to-image"],
        "tags": ["low-light", "raw", "denoising", *(["simulated"] if simulation(cargo) else [])],
        "size_categories": [_size(sum(splits.values()))],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": _FOLDER[split], "path": f"{_FOLDER[split]}/**"}
                    for split, pairs in splits.items()
                    if pairs
                ],
            }
        ],
    }
    said = {"Licence": about.licence or "none was given: ask before use", "Creator": about.creator}
    lines = ["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()), "---"]
    lines += [f"# {cargo.dataset.name}", "", described(cargo, about), ""]
    lines += [f"- {word}: {' '.join(text.split())}" for word, text in said.items() if text]
    lines += [f"- Camera: {cameras(cargo)}"]
    lines += [f"- {_FOLDER[split]}: {pairs} pairs" for split, pairs in splits.items() if pairs]
    lines += ["", _LOADING, *_columns()]
    if about.citation:
        lines += ["", "## Citation", "", about.citation]
    return "\n".join(lines) + "\n"


_LOADING = """\
    from datasets import load_dataset
    pairs = load_dataset("imagefolder", data_dir="PATH")

`short` and `long` are previews: developed, 8 bit, made smaller; the short is amplified by the true ratio. The frames
to work with are the camera's own raw files that `short_raw` and `long_raw` name. `sidcap import PATH` makes a sidcap
dataset of this folder again; all of its records are in `sidcap/`.

## Columns
"""


def _columns() -> list[str]:
    return [
        f"- `{name}`: {' '.join((info.description or '').split())}"
        for name, info in PairRow.model_fields.items()
        if name not in ("short", "long")
    ]


def _licence(licence: str) -> dict[str, str]:
    """The hub knows licences by identifiers in small letters; all else is ``other`` with a name."""
    if not licence:
        return {}
    return (
        {"license": licence.lower()}
        if _LICENCE_ID.fullmatch(licence)
        else {"license": "other", "license_name": licence}
    )


def _size(pairs: int) -> str:
    return next((words for limit, words in _SIZES if pairs < limit), "100K<n<1M")
