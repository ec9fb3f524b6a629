"""The files that a body writes: how much room they are counted with, how many pixels they have, who renders them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sidcap.capture.simulated.codes import ObjectFormat
from sidcap.capture.simulated.frame import FrameMaker, SensorSize, Shot
from sidcap.capture.simulated.properties import RAW_FILE, FileFormat, ImageFormat

_JPEG_SHARE_OF_WIDTH: Mapping[int, float] = MappingProxyType(
    {0: 1.0, 1: 3648 / 5472, 14: 2736 / 5472, 15: 1920 / 5472, 16: 720 / 5472}
)
"""Width of a JPEG by its size code, as a share of the largest (Canon: 5472, 3648, 2736, 1920, 720)."""

_LARGEST_JPEG_PX: Mapping[SensorSize, tuple[int, int]] = MappingProxyType({"full": (5472, 3648), "small": (1536, 1024)})

_LARGEST_RAW_BYTES: Mapping[SensorSize, int] = MappingProxyType({"full": 34_000_000, "small": 2_850_000})
"""Noise is what fills a CR2 file: full-size frames had 15.0 MB at ISO 100, 30.9 at 12800 and at most 33.3 (well exposed
at ISO 25600), small ones 1.24 to 2.81. Counted as the largest, a shot that is promised always fits."""

_LARGE_FINE_BYTES = 6_590_000
"""A body with 30.79 GB free counted 4672 of them (libgphoto2). This camera's need a third of that."""

_NORMAL_COMPRESSION_SHARE = 0.5
"""Of a fine JPEG's bytes. A guess."""

CARD_BYTES_PER_S = 40e6
"""How fast a full-size frame reaches the card. A guess."""


class FileMaker:
    """Turns shots into files of the formats that a body offers; ``size`` is the sensor's."""

    def __init__(self, frames: FrameMaker, size: SensorSize) -> None:
        self.frames = frames
        self._size = size

    def make(self, file: FileFormat, shot: Shot) -> bytes:
        """The bytes of one file; takes a while."""
        if file.is_raw:
            return self.frames.make(shot)
        width, height = _LARGEST_JPEG_PX[self._size]
        share = _JPEG_SHARE_OF_WIDTH[file.size]
        return self.frames.jpeg(shot, (round(width * share), round(height * share)))

    def counted_bytes(self, files: ImageFormat) -> int:
        """What an exposure is taken to need when the free shots are counted: as much as it may become."""
        return sum(self._counted_bytes(file) for file in files)

    def writing_s(self, files: ImageFormat) -> float:
        """How long the card takes for an exposure; a small sensor's frames count as much as large ones."""
        of_full_size = _LARGEST_RAW_BYTES["full"] / _LARGEST_RAW_BYTES[self._size]
        return self.counted_bytes(files) * of_full_size / CARD_BYTES_PER_S

    def _counted_bytes(self, file: FileFormat) -> int:
        raw_bytes = _LARGEST_RAW_BYTES[self._size]
        if file.is_raw:
            return raw_bytes
        share = _JPEG_SHARE_OF_WIDTH[file.size] ** 2 * (1.0 if file.compression == 3 else _NORMAL_COMPRESSION_SHARE)
        return round(_LARGE_FINE_BYTES * share * raw_bytes / _LARGEST_RAW_BYTES["full"])


def object_format(file: FileFormat) -> ObjectFormat:
    return ObjectFormat.CANON_CRW3 if file == RAW_FILE else ObjectFormat.EXIF_JPEG
