"""The pixels that crops are cut from: memory-mapped, or all of them on the device."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sidcap.data_manifest.schema import Frame
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.model.cache import CachedMosaic, FrameCache
from sidcap.model.data import AlignedPair, Selection
from sidcap.model.input import hot_replacements
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
    """Those of one frame, and what is put in their place."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    numbers: NDArray[np.int16]

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

    def __init__(self, cache: FrameCache, device: torch.device, *, dark_shading: bool) -> None:
        self._cache = cache
        self._device = device
        self._dark_shading = dark_shading
        self._kept: dict[tuple[str, str], Tensor] = {}
        self._hot: dict[str, _HotPhotosites] = {}
        self._shading: dict[str, tuple[Tensor, Tensor]] = {}

    def short(self, pair: AlignedPair, window: Window) -> Tensor:
        """(side, side) of the short's mosaic, hot photosites replaced."""
        if (kept := self._kept.get(("short", pair.short.checksum))) is not None:
            return window.of(kept)
        mosaic = self._cache.mosaic(pair.short)
        numbers = window.of(_signed(mosaic.numbers))
        maps = self._maps(pair)
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
        """(side, side) float16 twice: DN, and DN per second, that the short's sensor says without light.

        None where that is not asked for, or not known.
        """
        maps = self._maps(pair)
        if maps is None or pair.sensor is None or pair.sensor.maps is None:
            return None
        key = pair.sensor.maps.sha256
        if key not in self._shading:
            self._shading[key] = (
                torch.from_numpy(maps.offset_dn).to(self._device),
                torch.from_numpy(maps.rate_dn_per_s).to(self._device),
            )
        offset, rate = self._shading[key]
        return window.of(offset), window.of(rate)

    def keep_all(self, selection: Selection, *, longs: bool) -> None:
        """Read all frames of the selection onto the device; the mosaics of its ``longs`` where they are needed."""
        for pair in selection.pairs:
            mosaic = self._cache.mosaic(pair.short)
            short = _signed(mosaic.numbers)
            maps = self._maps(pair)
            if maps is not None:
                short = self._hot_of(pair.short, mosaic, maps).mend(short, Window(0, 0, max(short.shape)))
            self._keep("short", pair.short, short)
            self._keep("developed", pair.long, _signed(self._cache.developed(pair.long)))
            if longs:
                self._keep("long", pair.long, _signed(self._cache.mosaic(pair.long).numbers))
        self._hot.clear()

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

    def bytes_of(self, selection: Selection, *, longs: bool) -> int:
        """How much memory `keep_all` takes."""
        mosaics = {pair.short.checksum: pair.short for pair in selection.pairs}
        if longs:
            mosaics |= {pair.long.checksum: pair.long for pair in selection.pairs}
        developed = {pair.long.checksum: pair.long for pair in selection.pairs}
        frames = chain(
            (self._cache.mosaic(frame).numbers for frame in mosaics.values()),
            (self._cache.developed(frame) for frame in developed.values()),
        )
        return sum(frame.nbytes for frame in frames)

    def _maps(self, pair: AlignedPair) -> DarkMaps | None:
        sensor = self._cache.sensor(pair.sensor) if self._dark_shading else None
        return None if sensor is None else sensor.maps

    def _hot_of(self, frame: Frame, mosaic: CachedMosaic, maps: DarkMaps) -> _HotPhotosites:
        """Found once for a frame: it is some thousand numbers."""
        if frame.checksum not in self._hot:
            self._hot[frame.checksum] = _hot_photosites(mosaic, maps)
        return self._hot[frame.checksum]


def _hot_photosites(mosaic: CachedMosaic, maps: DarkMaps) -> _HotPhotosites:
    height, width = mosaic.numbers.shape
    hot = pack(maps.hot, mosaic.cfa)
    places = np.nonzero(hot)
    rows, columns = (pack(index, mosaic.cfa)[places] for index in np.indices((height, width), np.int32, sparse=False))
    numbers = hot_replacements(mosaic.planes, hot, places)
    return _HotPhotosites(rows.astype(np.intp), columns.astype(np.intp), numbers.view(np.int16))


def _signed(numbers: NDArray[np.uint16]) -> Tensor:
    view: NDArray[Any] = numbers.view(np.int16)
    return torch.from_numpy(view)
