"""The pixels that crops are cut from: memory-mapped, or all of them on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sidcap.data_manifest.schema import Frame
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.model.cache import CachedMosaic, FrameCache
from sidcap.model.config import InputConfig
from sidcap.model.data import AlignedPair, Selection, open_pair
from sidcap.model.input import Index, medians_around
from sidcap.model.packing import pack


@dataclass(frozen=True)
class Window:
    """A square of a frame, in photosites of the whole mosaic."""

    top: int
    left: int
    side: int

    def of(self, image: Tensor) -> Tensor:
        """A view of (H, W, ...)."""
        return image[self.top : self.top + self.side, self.left : self.left + self.side]


@dataclass(frozen=True)
class _HotPhotosites:
    """Of one frame, and what is put in their place."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    numbers: NDArray[np.int16]

    @classmethod
    def of(cls, mosaic: CachedMosaic, maps: DarkMaps, hot: NDArray[np.bool_], exposure_s: float) -> Self:
        """``hot``: those of the maps, (P, h, w).

        Their numbers are such that, once the dark is taken from them, they are the median of their neighbours.
        """
        layout, origin = mosaic.packing

        def dark_dn(*there: Index) -> NDArray[np.float32]:
            return maps.offset_dn[there] + np.float32(exposure_s) * maps.rate_dn_per_s[there]

        def read(plane: Index, row: Index, column: Index) -> NDArray[np.float32]:
            there = layout.photosites(plane, row, column, origin)
            return mosaic.numbers[there] - dark_dn(*there)

        plane, row, column = places = np.nonzero(hot)
        there = layout.photosites(plane, row, column, origin)
        numbers = np.clip(np.rint(medians_around(places, hot, read) + dark_dn(*there)), 0, 65535)
        return cls(*there, numbers.astype(np.uint16).view(np.int16))

    def mend(self, numbers: Tensor, window: Window) -> Tensor:
        """A copy of a window of the frame with them replaced."""
        rows, columns = self.rows - window.top, self.columns - window.left
        inside = (rows >= 0) & (rows < window.side) & (columns >= 0) & (columns < window.side)
        mended = numbers.clone()
        mended[rows[inside], columns[inside]] = torch.from_numpy(self.numbers[inside])
        return mended


class Frames:
    """The frames of a run on a device: 16-bit numbers, typed int16, for torch can do little with unsigned ones.

    Each is mapped from the disk when it is asked for and let go after that, so that no memory is held however many
    there are; only what is asked for goes to the device. `keep_all` reads all of them once and keeps them there.
    """

    def __init__(self, cache: FrameCache, selection: Selection, config: InputConfig, device: torch.device) -> None:
        self._cache = cache
        self._device = device
        self._maps = {pair.short.path: open_pair(cache, pair).dark_maps(config) for pair in selection.pairs}
        self._kept: dict[tuple[str, str], Tensor] = {}
        self._hot: dict[str, _HotPhotosites] = {}
        self._packed_hot: dict[int, NDArray[np.bool_]] = {}
        self._shading: dict[int, tuple[Tensor, Tensor]] = {}

    def short(self, pair: AlignedPair, window: Window) -> Tensor:
        """(side, side) of the short's mosaic, hot photosites replaced."""
        if (kept := self._kept.get(("short", pair.short.checksum))) is not None:
            return window.of(kept)
        mosaic = self._cache.mosaic(pair.short)
        numbers = window.of(_signed(mosaic.numbers))
        maps = self._maps[pair.short.path]
        return self._sent(numbers if maps is None else self._hot_of(pair.short, mosaic, maps).mend(numbers, window))

    def long(self, pair: AlignedPair, window: Window) -> Tensor:
        """(side, side) of the long's mosaic."""
        if (kept := self._kept.get(("long", pair.long.checksum))) is not None:
            return window.of(kept)
        return self._sent(window.of(_signed(self._cache.mosaic(pair.long).numbers)))

    def developed(self, pair: AlignedPair, window: Window) -> Tensor:
        """(side, side, 3) of the developed long."""
        if (kept := self._kept.get(("developed", pair.long.checksum))) is not None:
            return window.of(kept)
        return self._sent(window.of(_signed(self._cache.developed(pair.long))))

    def shading(self, pair: AlignedPair, window: Window) -> tuple[Tensor, Tensor] | None:
        """(side, side) twice: DN, and DN per second, that the short's sensor says without light; float16 typed int16.

        None where that is not asked for, or not known.
        """
        maps = self._maps[pair.short.path]
        if maps is None:
            return None
        if id(maps) not in self._shading:
            offset, rate = (_signed(each).to(self._device) for each in (maps.offset_dn, maps.rate_dn_per_s))
            self._shading[id(maps)] = offset, rate
        offset, rate = self._shading[id(maps)]
        return window.of(offset), window.of(rate)

    def keep_all(self, selection: Selection, *, longs: bool) -> None:
        """Read all frames of the selection onto the device; the mosaics of its ``longs`` where they are needed."""
        for pair in selection.pairs:
            mosaic = self._cache.mosaic(pair.short)
            short = _signed(mosaic.numbers)
            maps = self._maps[pair.short.path]
            if maps is not None:
                short = self._hot_of(pair.short, mosaic, maps).mend(short, Window(0, 0, max(short.shape)))
            self._keep("short", pair.short, short)
            self._keep("developed", pair.long, _signed(self._cache.developed(pair.long)))
            if longs:
                self._keep("long", pair.long, _signed(self._cache.mosaic(pair.long).numbers))
        self._hot.clear()
        self._packed_hot.clear()

    def _keep(self, kind: str, frame: Frame, numbers: Tensor) -> None:
        if (kind, frame.checksum) not in self._kept:
            # A copy even where the device is the CPU: what is mapped is let go.
            self._kept[kind, frame.checksum] = numbers.to(self._device, copy=True)

    def _sent(self, numbers: Tensor) -> Tensor:
        """On the device; to a GPU from memory that it can read while the CPU goes on."""
        if self._device.type == "cpu":
            return numbers
        pinned = self._device.type == "cuda"
        whole = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=pinned).copy_(numbers)
        return whole.to(self._device, non_blocking=pinned)

    def _hot_of(self, frame: Frame, mosaic: CachedMosaic, maps: DarkMaps) -> _HotPhotosites:
        """Found once for a frame: it is some thousand numbers."""
        if frame.checksum not in self._hot:
            if id(maps) not in self._packed_hot:
                self._packed_hot[id(maps)] = pack(maps.hot, mosaic.cfa)
            self._hot[frame.checksum] = _HotPhotosites.of(
                mosaic, maps, self._packed_hot[id(maps)], frame.exposure.true_s
            )
        return self._hot[frame.checksum]


def size_of(cache: FrameCache, selection: Selection, *, longs: bool) -> int:
    """How many bytes `Frames.keep_all` takes."""
    mosaics = {pair.short.checksum: pair.short for pair in selection.pairs}
    developed = {pair.long.checksum: pair.long for pair in selection.pairs}
    if longs:
        mosaics |= developed
    of_mosaics = sum(cache.mosaic(frame).numbers.nbytes for frame in mosaics.values())
    return of_mosaics + sum(cache.developed(frame).nbytes for frame in developed.values())


def _signed(numbers: NDArray[Any]) -> Tensor:
    """Without a copy, the bits of 16-bit numbers."""
    view: NDArray[Any] = numbers.view(np.int16)
    return torch.from_numpy(view)
