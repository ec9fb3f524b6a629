"""Which files are missing, damaged, discarded or incomplete."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from sidcap.curate.report.contents import Contents
from sidcap.data_manifest.errors import ManifestError
from sidcap.data_manifest.pages.document import Badge, Block, Section, Table, Words
from sidcap.data_manifest.schema import CalibrationFrame, Frame
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.validate import file_problem
from sidcap.data_manifest.words import counted


@dataclass(frozen=True)
class Problem:
    """One file that is not as it should be."""

    path: str
    kind: Literal["broken", "incomplete", "missing", "damaged"]
    text: str


def problems_of(contents: Contents, *, checksums: bool) -> tuple[Problem, ...]:
    """Records that cannot be read, brackets that were interrupted, files that are missing or damaged.

    ``checksums`` reads every file and compares it with its record; without it only presence and size are looked at.
    """
    return tuple(_problems(contents, checksums=checksums))


def files(contents: Contents, problems: Sequence[Problem], *, checksums: bool) -> Section:
    """What is wrong with the files, and what was looked at to tell."""
    rows = tuple(
        (one.path, Badge(one.kind, "doubt" if one.kind == "incomplete" else "bad"), one.text) for one in problems
    )
    discarded = tuple((one.frame.path, one.reason) for scene in contents.scenes for one in scene.discarded)
    count = counted(sum(1 for _ in contents.files), "file")
    looked = (
        f"Every byte of {count} was read and compared with its checksum."
        if checksums
        else f"Presence and size of {count} were looked at. `sidcap report --checksums` reads them, "
        "`sidcap validate` decodes them, too."
    )
    blocks: list[Block] = [Words(looked)]
    if rows:
        blocks.append(Table("What is wrong", ("File", "State", "Problem"), rows))
    else:
        blocks.append(Words("Nothing is missing and nothing is damaged, as far as that tells.", "good"))
    if discarded:
        blocks.append(
            Table(
                "Shot again: these count for nothing", ("File", "Why"), discarded, note="They are kept in discarded/."
            )
        )
    return Section("files", "Missing and damaged files", tuple(blocks))


def _problems(contents: Contents, *, checksums: bool) -> Iterator[Problem]:
    for path, text in contents.broken:
        yield Problem(path, "broken", text)
    for scene in contents.scenes:
        if not scene.complete:
            text = "its bracket was interrupted; `sidcap shoot --resume` completes it"
            yield Problem(f"scenes/{scene.name}.json", "incomplete", text)
    frames = list(contents.files)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        look = file_problem if checksums else _quick_problem
        for frame, found in zip(frames, pool.map(lambda frame: look(contents.store, frame), frames), strict=True):
            if found is not None:
                missing = found.startswith(("missing", "is missing"))
                yield Problem(frame.path, "missing" if missing else "damaged", found)


def _quick_problem(store: Store, frame: Frame | CalibrationFrame) -> str | None:
    """What `file_problem` finds without reading the file."""
    try:
        path = store.path(frame.path)
        if path.is_file() and path.stat().st_size == frame.size_bytes:
            return None
    except (ManifestError, OSError):
        pass
    return file_problem(store, frame)
