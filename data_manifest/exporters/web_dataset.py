"""Tar shards as the webdataset library reads them: one sample for every pair, its files side by side.

A sample ``00001_000`` has the members ``00001_000.long.cr2``, ``00001_000.short.cr2`` and ``00001_000.json``; its long
is repeated with every short, so that a sample needs no other. The same dataset gives the same bytes.
Source: webdataset's description of its format, https://github.com/webdataset/webdataset.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from sidcap.data_manifest.exporters.about import About, described
from sidcap.data_manifest.exporters.cargo import Cargo, CargoFile
from sidcap.data_manifest.exporters.listing import OnStep, Placed, aside, placed, unheard, write_listing
from sidcap.data_manifest.exporters.tables import pair_row
from sidcap.data_manifest.exporters.target import bring, must_lie_outside, new_folder, unbroken, write_document
from sidcap.data_manifest.schema import Pair, Scene
from sidcap.data_manifest.store import to_json
from sidcap.data_manifest.words import Split

SHARD_BYTES = 1_000_000_000
_BLOCK = 512
_RECORD = 20 * _BLOCK
"""A tar file is filled up to a multiple of this."""


@dataclass(frozen=True)
class Sample:
    """One pair."""

    key: str
    scene: Scene
    pair: Pair
    long: CargoFile
    short: CargoFile

    @property
    def members(self) -> list[tuple[str, CargoFile]]:
        """Its raw files and their names in the shard."""
        return [
            (f"{self.key}.{role}{Path(file.path).suffix.lower()}", file)
            for role, file in (("long", self.long), ("short", self.short))
        ]

    @property
    def document(self) -> bytes:
        """The pair's values."""
        return to_json(pair_row(self.scene, self.pair))

    @property
    def size_bytes(self) -> int:
        """In the shard, headers and filling included."""
        sizes = (self.long.size_bytes, self.short.size_bytes, len(self.document))
        return sum(_BLOCK + -(-size // _BLOCK) * _BLOCK for size in sizes)


def export_webdataset(
    cargo: Cargo,
    target: Path,
    about: About | None = None,
    *,
    shard_bytes: int = SHARD_BYTES,
    on_step: OnStep = unheard,
) -> None:
    """Write ``target``: shards such as ``train-000000.tar`` of at most ``shard_bytes``, more only for a single pair.

    UsageError and DiskFullError before anything is written; ManifestError where a file is not what its record says.
    """
    must_lie_outside(cargo.store, target)
    files = {file.path: file for file in cargo.files}
    shards = {
        f"{split}-{number:06d}.tar": shard
        for split in Split
        for number, shard in enumerate(_shards(_samples(cargo, split, files), shard_bytes))
    }
    in_shards = {file.path for shard in shards.values() for sample in shard for _, file in sample.members}
    others = [file for path, file in files.items() if path not in in_shards]
    total = sum(map(len, shards.values())) + len(others)
    needed = sum(sample.size_bytes for shard in shards.values() for sample in shard)
    progress = count(1)
    with new_folder(target, needed + sum(file.size_bytes for file in others)) as folder:
        first: dict[str, Placed] = {}
        for name, shard in shards.items():
            for sample in _written(cargo, folder / name, shard):
                for member, file in sample.members:
                    first.setdefault(file.path, placed(file, name, member))
                on_step(next(progress), total)
        for file in others:
            bring(cargo.store, file, folder / aside(file.path))
            on_step(next(progress), total)
        write_document(folder / "README.txt", _readme(cargo, about or About(), shards).encode())
        write_listing(
            folder, "webdataset", cargo, [*first.values(), *(placed(file, aside(file.path)) for file in others)]
        )


def _samples(cargo: Cargo, split: Split, files: dict[str, CargoFile]) -> Iterator[Sample]:
    for scene in cargo.scenes:
        if scene.split == split:
            for index, pair in enumerate(scene.pairs):
                yield Sample(f"{scene.name}_{index:03d}", scene, pair, files[pair.reference], files[pair.frame])


def _shards(samples: Iterator[Sample], shard_bytes: int) -> Iterator[list[Sample]]:
    shard: list[Sample] = []
    room = shard_bytes - _RECORD  # for its end
    for sample in samples:
        if shard and sample.size_bytes > room:
            yield shard
            shard, room = [], shard_bytes - _RECORD
        shard.append(sample)
        room -= sample.size_bytes
    if shard:
        yield shard


def _written(cargo: Cargo, path: Path, samples: list[Sample]) -> Iterator[Sample]:
    """Write one shard; gives each sample once it is in it."""
    with path.open("xb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for sample in samples:
                for member, content in sample.members:
                    with unbroken(cargo.store, content) as reader:
                        tar.addfile(_entry(member, content.size_bytes), reader)
                tar.addfile(_entry(f"{sample.key}.json", len(sample.document)), io.BytesIO(sample.document))
                yield sample
        file.flush()
        os.fsync(file.fileno())


def _entry(name: str, size_bytes: int) -> tarfile.TarInfo:
    """Nothing of this machine, its users or its clock: the same input gives the same bytes."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime, entry.uid, entry.gid = size_bytes, 0o644, 0, 0, 0
    return entry


def _readme(cargo: Cargo, about: About, shards: dict[str, list[Sample]]) -> str:
    said = {"Licence": about.licence, "Creator": about.creator, "Citation": about.citation}
    lines = [cargo.dataset.name, "", described(cargo, about), ""]
    lines += [f"{word}: {' '.join(text.split())}" for word, text in said.items() if text]
    lines += [f"{name}: {len(shard)} pairs" for name, shard in shards.items()]
    return "\n".join(lines) + "\n"
