"""What review shows of raw frames: pictures of a pair that are rendered alike, and histograms of the mosaic.

Both frames of a pair go the same way: black subtracted, the short multiplied by the ratio of the exposures, the long's
white balance, cut at white, camera to sRGB, the curve of BT.709. Pictures are reduced in size and smoothed before they
are cut, so that a noisy short gets the colours of its long; cut at black first, as raw converters do, its shadows would
turn bright and magenta. X-Trans is developed by LibRaw, which cuts first.

The functions run in worker processes; what they make is JPEG and JSON in the dataset's cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import RawError
from sidcap.data_manifest.raw import Colours, RawFrame, develop_amplified, read_colours, read_raw
from sidcap.data_manifest.schema import Frame, Record, Scene
from sidcap.data_manifest.store import Store, write_atomic

_METHOD = "review 1"
"""Part of every cached name: another rendering makes other files."""

_SMOOTH_PX = 3.0
"""Standard deviation of the Gaussian over which noise is averaged: ten times less of it."""

_BINS = 160
_SOFT_DN = 32.0
"""Histograms are linear to about this far around black, and logarithmic beyond."""

_DEMOSAIC: dict[tuple[int, ...], int] = {
    (0, 1, 3, 2): cv2.COLOR_BayerRGGB2RGB,
    (2, 3, 1, 0): cv2.COLOR_BayerBGGR2RGB,
    (1, 0, 2, 3): cv2.COLOR_BayerGRBG2RGB,
    (3, 2, 0, 1): cv2.COLOR_BayerGBRG2RGB,
}
_PEDESTAL, _SPAN = 16384.0, 24576.0
"""How a signal of 0 to 1 is put into 16 bits for OpenCV's demosaicing, with room for noise below and light above."""


class Size(Enum):
    """How large a picture is: the most pixels across, and the quality of its JPEG."""

    THUMBNAIL = "thumbnail"
    STAGE = "stage"
    SMOOTH = "smooth"
    """As large as the stage, with noise averaged away, so that structure is seen."""
    FULL = "full"
    """A pixel for every photosite."""

    @property
    def width_px(self) -> int | None:
        """None: as large as the frame."""
        return {"thumbnail": 320, "stage": 1600, "smooth": 1600, "full": None}[self.value]

    @property
    def quality(self) -> int:
        """Of the JPEG, 0 to 100."""
        return {"thumbnail": 82, "stage": 92, "smooth": 92, "full": 95}[self.value]


@dataclass(frozen=True)
class Picture:
    """One picture to be made, and all that it follows from."""

    frame: Frame
    """Whose mosaic."""
    balance: Frame
    """Whose white balance."""
    ratio: float
    """What the signal is multiplied by."""
    size: Size

    @property
    def key(self) -> str:
        """Names what is made: 64 hexadecimal digits, other ones for anything else."""
        black, white = self.frame.levels
        facts = (_METHOD, self.frame.checksum, self.balance.checksum, self.ratio, black.per_plane_dn, white.dn)
        return hashlib.sha256(repr((*facts, self.size.value)).encode()).hexdigest()


@dataclass(frozen=True)
class HistogramOf:
    """One histogram to be made."""

    frame: Frame

    @property
    def key(self) -> str:
        """As `Picture.key`."""
        black, white = self.frame.levels
        facts = (_METHOD, self.frame.checksum, black.per_plane_dn, white.dn, _BINS)
        return hashlib.sha256(repr(facts).encode()).hexdigest()


class Histogram(Record):
    """How many photosites of each colour have which DN."""

    edges_dn: tuple[float, ...]
    """Bounds of the bins, one more than there are bins; equal steps of asinh((DN - black) / 32)."""
    counts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    """Of red, green and blue photosites."""
    black_dn: float
    """Mean of the planes."""
    white_dn: float


def thumbnail_of(scene: Scene) -> Picture | None:
    """The picture that stands for a scene: its first long; None where no file is there."""
    shown = next((frame for frame in scene.frames if not frame.missing), None)
    if shown is None:
        return None
    first = scene.frames[0]
    return Picture(shown, shown, first.exposure.true_s / shown.exposure.true_s, Size.THUMBNAIL)


def make_picture(store: Store, picture: Picture, target: Path) -> None:
    """Render and write a picture. RawError where a frame cannot be read, ManifestError where it lies outside."""
    path = store.path(picture.frame.path)
    colours = read_colours(store.path(picture.balance.path))
    frame = read_raw(path)
    if frame.is_bayer:
        rgb = _rendered(frame, picture, colours)
    else:
        black, white = picture.frame.levels
        developed = develop_amplified(path, picture.ratio, black, white, white_balance=colours.white_balance)
        rgb = _smoothed(_fitted((developed >> 8).astype(np.uint8), picture.size), picture.size)
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        picture.size.quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    _, encoded = cv2.imencode(".jpg", rgb[..., ::-1], options)
    _write(target, encoded.tobytes())


def make_histogram(store: Store, histogram: HistogramOf, target: Path) -> None:
    """Count and write a histogram. RawError and ManifestError as in `make_picture`."""
    frame = read_raw(store.path(histogram.frame.path))
    black, white = histogram.frame.levels
    black_dn = float(np.mean(black.per_plane_dn))
    low, high = (np.arcsinh((dn - black_dn) / _SOFT_DN) for dn in (black_dn - 16 * _SOFT_DN, white.dn * 1.05))
    edges = black_dn + _SOFT_DN * np.sinh(np.linspace(low, high, _BINS + 1))
    rows, columns = frame.cfa.shape
    counts = np.zeros((3, 65536), np.int64)
    for row in range(rows):
        for column in range(columns):
            counts[_colour(frame.cfa[row, column])] += np.bincount(
                frame.mosaic[row::rows, column::columns].ravel(), minlength=65536
            )
    numbers = np.clip(np.arange(65536), edges[0], edges[-1])
    binned = [np.histogram(numbers, edges, weights=count)[0].astype(int).tolist() for count in counts]
    red, green, blue = map(tuple, binned)
    found = Histogram(edges_dn=edges.tolist(), counts=(red, green, blue), black_dn=black_dn, white_dn=white.dn)
    _write(target, found.model_dump_json().encode())


def _rendered(frame: RawFrame, picture: Picture, colours: Colours) -> NDArray[np.uint8]:
    """(H, W, 3) sRGB of a Bayer mosaic."""
    black, white = picture.frame.levels
    signal = _signal(frame, black.per_plane_dn)
    signal *= np.float32(picture.ratio / (white.dn - np.mean(black.per_plane_dn)))
    rgb = _demosaiced(signal, frame.cfa) if picture.size is Size.FULL else _binned(signal, frame.cfa)
    rgb = _smoothed(_fitted(rgb, picture.size), picture.size)
    gains = np.array(colours.white_balance, np.float32)
    return _curved(np.minimum(rgb * (gains / gains.min()), 1) @ colours.to_srgb.T)


def _signal(frame: RawFrame, black_dn: tuple[float, ...]) -> NDArray[np.float32]:
    """The mosaic above the black level that the manifest records."""
    if len(black_dn) != 4:
        raise RawError("its black level is not that of a 2 x 2 mosaic: import it again")
    signal = frame.mosaic.astype(np.float32)
    for site, level in enumerate(black_dn):
        signal[site // 2 :: 2, site % 2 :: 2] -= np.float32(level)
    return signal


def _binned(signal: NDArray[np.float32], cfa: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H/2, W/2, 3): every 2 x 2 photosites one pixel."""
    height, width = (side // 2 for side in signal.shape)
    planes = [signal[y : 2 * height : 2, x : 2 * width : 2] for y in (0, 1) for x in (0, 1)]
    by_colour: list[list[NDArray[np.float32]]] = [[], [], []]
    for plane, colour in zip(planes, cfa.flat, strict=True):
        by_colour[_colour(colour)].append(plane)
    return np.stack([np.mean(same, axis=0) for same in by_colour], axis=-1)


def _colour(of_filter: np.uint8) -> int:
    """0 R, 1 G, 2 B; LibRaw counts the second green of a Bayer filter as 3."""
    return 1 if of_filter == 3 else int(of_filter)


def _demosaiced(signal: NDArray[np.float32], cfa: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3): bilinear, which invents nothing."""
    numbers = np.clip(signal * np.float32(_SPAN) + np.float32(_PEDESTAL), 0, 65535).astype(np.uint16)
    rgb = cv2.demosaicing(numbers, _DEMOSAIC[tuple(int(colour) for colour in cfa.flat)])
    return np.asarray((rgb.astype(np.float32) - np.float32(_PEDESTAL)) / np.float32(_SPAN))


def _fitted(rgb: NDArray[Any], size: Size) -> NDArray[Any]:
    """Made smaller by averaging where it is wider than the size allows."""
    height, width = rgb.shape[:2]
    if size.width_px is None or width <= size.width_px:
        return rgb
    return np.asarray(
        cv2.resize(rgb, (size.width_px, round(height * size.width_px / width)), interpolation=cv2.INTER_AREA)
    )


def _smoothed(rgb: NDArray[Any], size: Size) -> NDArray[Any]:
    """Noise averaged away where the size asks for it."""
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), _SMOOTH_PX)) if size is Size.SMOOTH else rgb


def _curved(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """ITU-R BT.709, as LibRaw's default."""
    linear = np.clip(linear, 0, 1)
    curved = np.where(linear < 0.018, 4.5 * linear, 1.099 * np.power(linear, np.float32(0.45)) - 0.099)
    return np.asarray(np.rint(curved * 255), np.uint8)


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, content)
