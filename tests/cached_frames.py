"""Pairs whose decoded frames are put into the cache as arrays: pixels that a test knows, without raw files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import records
from numpy.typing import NDArray

from sidcap.data_manifest.schema import BlackLevel, Frame, Ratio, SensorRecord, WhiteLevel
from sidcap.data_manifest.store import Store
from sidcap.model.cache import FrameCache
from sidcap.model.data import AlignedPair, Selection

PATTERNS = {
    "RGGB": [[0, 1], [3, 2]],
    "GRBG": [[1, 0], [2, 3]],
    "GBRG": [[3, 2], [0, 1]],
    "BGGR": [[2, 3], [1, 0]],
    "X-Trans": [["RGB".index(colour) for colour in row] for row in "RBGBRG GGRGGB GGBGGR BRGRBG GGBGGR GGRGGB".split()],
}
"""Colour filter arrays as LibRaw counts the colours. X-Trans: as in SID's pack_raw, at the origin of a Fuji X-T2."""
PATTERNS["X-Trans, shifted"] = np.roll(PATTERNS["X-Trans"], (2, -1), (0, 1)).tolist()
Mosaic = NDArray[np.uint16]


class Cached:
    """A cache that is filled by hand."""

    def __init__(self, root: Path, pattern: str = "RGGB", *, black_dn: float = 0, white_dn: float = 65535) -> None:
        self.store = Store.create(root)
        self.cache = FrameCache(self.store)
        self.cfa = np.array(PATTERNS[pattern], np.uint8)
        self.black = BlackLevel(per_plane_dn=(black_dn,) * self.cfa.size, source="file")
        self.white = WhiteLevel(dn=white_dn, source="test")

    def scene(
        self,
        number: int,
        shorts: Sequence[Mosaic],
        picture: Mosaic,
        *,
        long: Mosaic | None = None,
        ratios: Ratio | None = None,
        sensor: SensorRecord | None = None,
        **frame: Any,
    ) -> tuple[AlignedPair, ...]:
        """A pair for each of the ``shorts``, with a long that was developed to ``picture``."""
        of_long = self._frame(f"long/{number:05d}_00_10s.CR2", **frame)
        self._put(self.cache.developed_path(of_long), picture)
        if long is not None:
            self._put_mosaic(of_long, long)
        pairs = []
        for index, short in enumerate(shorts):
            of_short = self._frame(f"short/{number:05d}_{index:02d}_0.1s.CR2", **frame)
            self._put_mosaic(of_short, short)
            pairs.append(
                AlignedPair(f"{number:05d}", of_short, of_long, ratios or Ratio(nominal=1, true=1), sensor=sensor)
            )
        return tuple(pairs)

    def _frame(self, path: str, **changes: Any) -> Frame:
        sha256 = hashlib.sha256(path.encode()).hexdigest()
        return records.frame(path, **({"sha256": sha256, "black": self.black, "white": self.white} | changes))

    def _put_mosaic(self, frame: Frame, mosaic: Mosaic) -> None:
        path = self.cache.mosaic_path(frame)
        self._put(path, mosaic)
        path.with_suffix(".json").write_text(json.dumps({"cfa": self.cfa.tolist()}))

    @staticmethod
    def _put(path: Path, array: Mosaic) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)


def selection(*scenes: tuple[AlignedPair, ...]) -> Selection:
    return Selection(scenes, ())


def numbered(height: int, width: int) -> tuple[Mosaic, Mosaic]:
    """A mosaic and a picture that hold each photosite's own number, from 1 on."""
    numbers = np.arange(1, height * width + 1, dtype=np.uint16).reshape(height, width)
    return numbers, numbers[..., None].repeat(3, axis=2)
