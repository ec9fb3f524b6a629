"""Look into each frame as soon as it is home, in another process, while the camera goes on.

Decoding a raw file and registering it take seconds of computing, which is time the camera can use to shoot. How two
frames are compared is not this wing's business: whoever starts the session passes a function in.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from sidcap.data_manifest.errors import InspectionError, RawError, RegistrationError
from sidcap.data_manifest.raw import Exif, RawFrame, read_raw
from sidcap.data_manifest.schema import BlackLevel, WhiteLevel
from sidcap.data_manifest.words import Verdict

EXIF_TOLERANCE = 0.05
"""How far EXIF's exposure time may lie from the dial's: both are rounded, in different ways."""

_BULB_TOLERANCE_S = 1.0
"""EXIF says whole seconds of an exposure in bulb. Guess: no file of a 6D in bulb was at hand."""
_CLIPPED_LIMIT = 0.05
"""More white than that is no longer lamps and reflections: the long is overexposed."""
_DARK_LIMIT = 2e-3
"""A long whose brightest parts lie this little above black, relative to white, shows nothing."""
_LOWEST_PRIORITY = 19
_TRIES = 3


@dataclass(frozen=True)
class Comparison:
    """What a comparison of a frame with the first long says."""

    verdict: Verdict
    reasons: tuple[str, ...]
    ratio: float | None = None
    """Exposure of the long over that of the frame, measured; None where it could not be."""
    ratio_sigma: float = 0.0


Compare = Callable[[RawFrame, RawFrame, float], Comparison]
"""Compares a long and another frame, given the ratio of their true exposures. A function of a module, for it travels to
another process."""


@dataclass(frozen=True)
class Expectation:
    """What a frame should be."""

    role: str
    iso: int
    nominal_s: float
    true_ratio: float
    """True exposure of the first long over that of this frame."""
    in_bulb: bool = False


@dataclass(frozen=True)
class Inspection:
    """What was found in a frame."""

    exif: Exif
    black: BlackLevel
    white: WhiteLevel
    clipped: float
    """Share of the photosites that are white."""
    contradiction: str | None
    """Why EXIF says that this is not the frame that was to be shot."""
    warnings: tuple[str, ...]
    detail: float | None
    """Sharpness of a closing long relative to the first one; None for other frames."""
    comparison: Comparison | None
    """With the first long; None for itself, and where nobody compares."""


def inspect(path: Path, expected: Expectation, long: Path | None, compare: Compare | None) -> Inspection:
    """Decode a frame and say what is wrong with it. RawError where it cannot be decoded."""
    frame = read_raw(path)
    clipped = float(np.mean(frame.mosaic >= frame.white.dn))
    reference = None if long is None else _reference(long)
    return Inspection(
        exif=frame.exif,
        black=frame.black,
        white=frame.white,
        clipped=clipped,
        contradiction=contradiction(frame.exif, expected),
        warnings=tuple(_warnings(frame, clipped)) if expected.role == "long" else (),
        detail=sharpness(frame) / sharpness(reference) if reference is not None and expected.role == "long" else None,
        comparison=None if reference is None or compare is None else _compared(compare, reference, frame, expected),
    )


def contradiction(exif: Exif, expected: Expectation) -> str | None:
    """Why the file is not what was to be shot; None where EXIF agrees, or is silent."""
    if exif.iso is not None and exif.iso != expected.iso:
        return f"its EXIF says ISO {exif.iso}, but ISO {expected.iso} was set"
    tolerance_s = max(EXIF_TOLERANCE * expected.nominal_s, _BULB_TOLERANCE_S if expected.in_bulb else 0.0)
    if exif.exposure_s is not None and abs(exif.exposure_s - expected.nominal_s) > tolerance_s:
        return f"its EXIF says {exif.exposure_s:g} s, but {expected.nominal_s:g} s was set"
    return None


def _warnings(long: RawFrame, clipped: float) -> Iterator[str]:
    """What a photographer should know of a long, though it may be meant."""
    if clipped > _CLIPPED_LIMIT:
        yield f"{clipped:.0%} of the long is white: choose a shorter --long, or --long auto"
    if np.percentile(long.signal()[::4, ::4], 99.9) < _DARK_LIMIT * long.white.dn:
        yield "the long is black: is the cap on?"


def sharpness(frame: RawFrame) -> float:
    """Mean square of the finest detail that noise leaves standing, squared DN, of two-by-two sums of a green plane.

    Comparable between frames of one scene, exposure and ISO only: noise counts in both alike.
    """
    green = frame.signal()[0::2, 1::2]
    rows, columns = (side // 2 * 2 for side in green.shape)
    binned = green[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2).sum(axis=(1, 3))
    across, down = np.diff(binned, axis=1), np.diff(binned, axis=0)
    return float(np.mean(across * across) + np.mean(down * down))


def _compared(compare: Compare, long: RawFrame, frame: RawFrame, expected: Expectation) -> Comparison:
    try:
        return compare(long, frame, expected.true_ratio)
    except RegistrationError as error:
        return Comparison(Verdict.UNDETERMINED, (str(error),))


def _reference(long: Path) -> RawFrame | None:
    """The first long; None where it cannot be read, which is found out when it is looked into itself."""
    try:
        return _decoded(long, long.stat().st_mtime_ns)
    except (OSError, RawError):
        return None


@lru_cache(maxsize=1)
def _decoded(path: Path, _changed_ns: int) -> RawFrame:
    """The first long, which every frame of a bracket is compared with. Shot again, another one has its name."""
    return read_raw(path)


class Inspector:
    """A process that looks into frames, one after the other. Use it as a context manager, or call ``close``."""

    def __init__(self, compare: Compare | None = None) -> None:
        self._compare = compare
        self._process = _process()

    def submit(self, path: Path, expected: Expectation, long: Path | None) -> Looking:
        """Begin to look into a frame; ``long`` is the first long of its bracket."""
        return Looking(lambda: self._begun(path, expected, long))

    def _begun(self, path: Path, expected: Expectation, long: Path | None) -> Future[Inspection]:
        try:
            return self._process.submit(inspect, path, expected, long, self._compare)
        except BrokenProcessPool:
            self._process = _process()
            return self._process.submit(inspect, path, expected, long, self._compare)

    def close(self) -> None:
        """End the process; what it has not looked into yet stays so."""
        self._process.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Looking:
    """A frame that is being looked into; once more where the process died, for want of memory, say."""

    def __init__(self, begin: Callable[[], Future[Inspection]]) -> None:
        self._begin = begin
        self._future = begin()

    def done(self) -> bool:
        """Whether `result` will not wait."""
        return self._future.done()

    def result(self) -> Inspection:
        """What was found. RawError as `inspect`; InspectionError where the process dies every time."""
        for _ in range(_TRIES):
            try:
                return self._future.result()
            except BrokenProcessPool:
                self._future = self._begin()
        raise InspectionError("the process that looks into frames dies every time: is there memory left?")


def _process() -> ProcessPoolExecutor:
    # Not forked: the connection to the camera must not be open in two processes.
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_stand_back)


def _stand_back() -> None:
    """In the inspecting process: the camera goes first, Ctrl-C is for the session, and nobody outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_LOWEST_PRIORITY)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
