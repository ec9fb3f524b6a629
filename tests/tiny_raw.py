"""Tiny raw files and datasets: uncompressed Bayer DNG that LibRaw opens, of any size and phase, in milliseconds.

Source of the tags: Adobe, Digital Negative Specification 1.4.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import records
import torch
from numpy.typing import NDArray

from sidcap.data_manifest.schema import Alignment, BlackLevel, Exposure, Frame, Pair, Ratio, Scene, WhiteLevel
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.words import Split, Verdict

BLACK_DN = 512
WHITE_DN = 16383
PHASES = {
    "RGGB": ((0, 1), (3, 2)),
    "GRBG": ((1, 0), (2, 3)),
    "GBRG": ((3, 2), (0, 1)),
    "BGGR": ((2, 3), (1, 0)),
}
"""Name -> pattern as LibRaw counts the colours: 0 R, 1 G in red's rows, 2 B, 3 G in blue's rows."""

_COLOUR_CODE = {"R": 0, "G": 1, "B": 2}
SHORT, LONG, RATIONAL, SRATIONAL, BYTE, ASCII = 3, 4, 5, 10, 1, 2
Tag = tuple[int, int, Sequence[int]]
"""Number, type and values; a rational is two of them."""
_FORMAT = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "I", SRATIONAL: "i"}


def dng(
    mosaic: NDArray[np.uint16],
    phase: str = "RGGB",
    orientation: int = 1,
    *,
    make: str = "sidcap",
    model: str = "tiny",
    exif: Sequence[Tag] = (),
) -> bytes:
    """A DNG file of this (H, W) mosaic, with `BLACK_DN` and `WHITE_DN`, white balance 2, 1, 2.

    ``phase`` is the colour filter array row by row: 4 letters for Bayer, 36 for X-Trans.
    """
    height, width = mosaic.shape
    side = math.isqrt(len(phase))
    pixels = mosaic.astype("<u2").tobytes()
    pixels += b"\0" * (len(pixels) % 2)
    matrix = [value for row in np.eye(3, dtype=int).tolist() for number in row for value in (number, 1)]
    tags: list[Tag] = [
        (254, LONG, [0]),
        (256, LONG, [width]),
        (257, LONG, [height]),
        (258, SHORT, [16]),
        (259, SHORT, [1]),
        (262, SHORT, [32803]),
        (271, ASCII, make.encode() + b"\0"),
        (272, ASCII, model.encode() + b"\0"),
        (273, LONG, [8]),
        (274, SHORT, [orientation]),
        (277, SHORT, [1]),
        (278, LONG, [height]),
        (279, LONG, [len(pixels)]),
        (33421, SHORT, [side, side]),
        (33422, BYTE, [_COLOUR_CODE[colour] for colour in phase]),
        (50706, BYTE, [1, 4, 0, 0]),
        (50708, ASCII, b"sidcap tiny\0"),
        (50714, LONG, [BLACK_DN]),
        (50717, LONG, [WHITE_DN]),
        (50721, SRATIONAL, matrix),
        (50728, RATIONAL, [1, 2, 1, 1, 1, 2]),
    ]
    exif_at = 8 + len(pixels)
    exif_directory = directory(exif, exif_at)
    start = exif_at + len(exif_directory)
    tags = sorted([*tags, (34665, LONG, [exif_at])])
    return b"II*\0" + struct.pack("<I", start) + pixels + exif_directory + directory(tags, start)


def directory(tags: Sequence[Tag], start: int) -> bytes:
    """A TIFF directory that begins at byte ``start`` of its file, with its values; no other follows."""
    entries, values = b"", b""
    for tag, kind, numbers in tags:
        data = struct.pack(f"<{len(numbers)}{_FORMAT[kind]}", *numbers)
        count = len(numbers) // 2 if kind in (RATIONAL, SRATIONAL) else len(numbers)
        if len(data) > 4:
            place = start + 2 + 12 * len(tags) + 4 + len(values)
            values += data + b"\0" * (len(data) % 2)
            data = struct.pack("<I", place)
        entries += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + b"\0" * 4 + values


@contextmanager
def one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from a second thread, and lose much to it where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def radiance(seed: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """A smooth, textured mosaic of ``size``, in 0.05..0.8 of the way from black to white."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float64) / 20.0
    phases = np.random.default_rng(seed).uniform(0, 6, 4)
    waves: NDArray[np.float64] = np.sin(rows + phases[0]) * np.sin(columns + phases[1])
    waves += np.sin(3 * rows - 2 * columns + phases[2])
    return 0.05 + 0.75 * (waves + 2) / 4


def make_dataset(
    root: Path,
    scenes: Sequence[int] = (1, 2, 10001),
    *,
    ratios: Sequence[float] = (100.0, 300.0),
    size: tuple[int, int] = (101, 141),
    phase: str = "RGGB",
    verdict: Verdict | None = Verdict.ALIGNED,
    orientation: int = 1,
) -> Store:
    """A dataset of tiny frames: each scene a long and, for every ratio, a noisy short. All pairs have one verdict."""
    store = Store.create(root)
    for scene in scenes:
        signal = radiance(scene, size) * (WHITE_DN - BLACK_DN)
        name = f"{scene:05d}_00"
        frames = [_write(store, f"long/{name}_10s.DNG", signal, phase, orientation, scene)]
        for ratio in ratios:
            path = f"short/{name}_{10 / ratio:.3g}s.DNG"
            frames.append(_write(store, path, signal / ratio, phase, orientation, scene + round(ratio)))
        pairs = tuple(
            Pair(
                frame=frame.path,
                reference=frames[0].path,
                ratio=Ratio(nominal=ratio, true=ratio),
                alignment=None if verdict is None else alignment(verdict),
            )
            for frame, ratio in zip(frames[1:], ratios, strict=True)
        )
        split = (Split.TRAIN, Split.TEST, Split.VAL)[scene // 10000]
        store.save_scene(Scene(id=scene, split=split, complete=True, frames=tuple(frames), pairs=pairs))
    return store


def alignment(verdict: Verdict) -> Alignment:
    """What registration might have said."""
    return Alignment(
        verdict=verdict,
        reasons=("the short lies 3.0 px from the long",) if verdict is Verdict.MISALIGNED else (),
        shift_px=(0.0, 0.0),
        covariance_px2=((0.01, 0.0), (0.0, 0.01)),
        chi2=1.0,
        tolerance_px=0.5,
        noise_source="test",
        method="test",
        measured_utc=records.MOMENT,
    )


def _write(store: Store, path: str, signal: NDArray[np.float64], phase: str, orientation: int, seed: int) -> Frame:
    noise = np.random.default_rng(seed).normal(0, 8, signal.shape)
    mosaic = np.clip(np.rint(BLACK_DN + signal + noise), 0, WHITE_DN).astype(np.uint16)
    file = store.root / path
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(dng(mosaic, phase, orientation))
    seconds = float(path.rsplit("_", 1)[1].removesuffix("s.DNG"))
    return records.frame(
        path,
        size_bytes=file.stat().st_size,
        sha256=sha256_of(file),
        exposure=Exposure(requested_s=seconds, nominal_s=seconds, true_s=seconds),
        black=BlackLevel(per_plane_dn=(BLACK_DN,) * len(phase), source="file"),
        white=WhiteLevel(dn=WHITE_DN, source="test"),
    )
