"""The lists of pairs that the See-in-the-Dark dataset comes with (Chen et al., CVPR 2018).

One row a pair: ``./Sony/short/00001_00_0.04s.ARW ./Sony/long/00001_00_10s.ARW ISO200 F8``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sidcap.data_manifest.errors import ManifestError
from sidcap.data_manifest.naming import FrameName, parse_frame_name, split_of
from sidcap.data_manifest.schema import ListRow

LIST_PATTERN = "*_list.txt"
_ROW = re.compile(r"(\S+) (\S+) ISO([1-9]\d*) F(\d+(?:\.\d+)?)")
_PATH = re.compile(r"\./(?:([^./\\][^/\\]*)/)?(short|long)/([^/\\]+)")


@dataclass(frozen=True)
class ListedPair:
    """One row of a list."""

    scene: int
    short: str
    """File name, as all that follow without the folder."""
    long: str
    row: ListRow


def read_lists(paths: Iterable[Path]) -> list[ListedPair]:
    """The rows of all lists, in their order.

    ManifestError names the file and the line that is no row, leads out of the folder, or repeats another one.
    """
    first_seen: dict[tuple[str, str, str], str] = {}
    pairs = []
    for path in paths:
        for number, line in _lines(path):
            try:
                pair = _parse(line, number)
            except ManifestError as error:
                raise ManifestError(f"{path}, line {number}: {error}") from error
            here = f"{path.name}, line {number}"
            before = first_seen.setdefault((pair.row.folder, pair.short, pair.long), here)
            if before != here:
                raise ManifestError(f"{path}, line {number}: this pair stands in {before} too: remove one of the two")
            pairs.append(pair)
    return pairs


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Every line that is not empty, with its number."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is no text: remove it, or restore it from a copy") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def _parse(line: str, number: int) -> ListedPair:
    match = _ROW.fullmatch(line)
    if match is None:
        raise ManifestError(f"{line[:120]!r} is not a row such as ./Sony/short/A ./Sony/long/B ISO200 F8: correct it")
    short_path, long_path, iso, f_number = match.groups()
    short_folder, short, short_name = _place(short_path, "short")
    long_folder, long, long_name = _place(long_path, "long")
    if (short_folder, short_name.scene) != (long_folder, long_name.scene):
        raise ManifestError(f"{short_path} and {long_path} are not of one scene: correct it")
    split_of(short_name.scene)
    row = ListRow(row=number, folder=short_folder, iso=int(iso), f_number=f_number)
    return ListedPair(short_name.scene, short, long, row)


def _place(path: str, role: str) -> tuple[str, str, FrameName]:
    """Folder of the camera, file name, and the parts of that name."""
    if ".." in path.split("/") or path.startswith("/") or "\\" in path:
        raise ManifestError(f"{path!r} leads out of the folder; nothing was imported")
    match = _PATH.fullmatch(path)
    if match is None or match[2] != role:
        raise ManifestError(f"{path!r} is not a path such as ./Sony/{role}/00001_00_10s.ARW: correct it")
    return match[1] or "", match[3], parse_frame_name(match[3])
