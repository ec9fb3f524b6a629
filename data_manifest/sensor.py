"""A sensor as calibration found it: its noise, and what it says without light, photosite by photosite.

>>> sensor = Store.open(Path("dataset")).sensor(frame.camera, frame.iso.set)
>>> signal = raw.signal() - sensor.dark_dn(frame.exposure.true_s)      # shading and glow gone
>>> signal[sensor.hot] = 0                                             # or left out otherwise
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import ManifestError
from sidcap.data_manifest.noise import NoiseModel
from sidcap.data_manifest.schema import MapFile, SensorRecord

_AGAIN = "run `sidcap calibrate` again"


@dataclass(frozen=True)
class DarkMaps:
    """What a sensor says without light, photosite by photosite.

    The mean of a dark of t seconds, each plane's masked black subtracted, is ``offset_dn + t * rate_dn_per_s`` (dark
    shading linear in time: Feng et al., "Learnability Enhancement for Low-light Raw Denoising" (PMN), 2022).
    """

    offset_dn: NDArray[np.float16] = field(repr=False)
    """(H, W), DN."""
    rate_dn_per_s: NDArray[np.float16] = field(repr=False)
    """(H, W), DN/s."""
    hot: NDArray[np.bool_] = field(repr=False)
    """(H, W): photosites that stand out of their surroundings; better left out than corrected."""

    @property
    def shape_px(self) -> tuple[int, int]:
        """Height and width of the mosaic."""
        height, width = self.hot.shape
        return height, width

    def dark_dn(self, exposure_s: float) -> NDArray[np.float32]:
        """(H, W) float32: the mean of a dark of so many seconds, DN above the frame's own black."""
        dark = self.rate_dn_per_s.astype(np.float32)
        dark *= np.float32(exposure_s)
        dark += self.offset_dn
        return dark

    def packed(self) -> bytes:
        """The content of a map file: float16 and single bits, uncompressed, for noise does not compress."""
        file = io.BytesIO()
        np.savez(file, offset_dn=self.offset_dn, rate_dn_per_s=self.rate_dn_per_s, hot=np.packbits(self.hot, axis=1))
        return file.getvalue()

    @classmethod
    def unpacked(cls, content: bytes, shape_px: tuple[int, int]) -> DarkMaps:
        """Inverse of `packed`. ValueError where the content is no such file, of another size, or not finite."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            try:
                offset, rate, bits = (arrays[name] for name in ("offset_dn", "rate_dn_per_s", "hot"))
            except KeyError as error:
                raise ValueError(f"it has no {error}") from error
        for map_ in (offset, rate):
            if map_.dtype != np.float16 or map_.shape != shape_px:
                raise ValueError(f"it holds {map_.dtype} of {map_.shape} instead of float16 of {shape_px}")
            if not np.isfinite(map_).all():
                raise ValueError("it holds numbers that are not finite")
        if bits.dtype != np.uint8 or bits.shape != (shape_px[0], -(-shape_px[1] // 8)):
            raise ValueError("its map of hot pixels is of another size")
        return cls(offset, rate, np.unpackbits(bits, axis=1, count=shape_px[1]).astype(np.bool_))


@dataclass(frozen=True)
class Sensor:
    """What calibration found of one body at one ISO."""

    record: SensorRecord
    maps: DarkMaps | None = None

    @property
    def noise(self) -> NoiseModel | None:
        """Gain and read noise; None where the frames told only one of them, and nobody published the other."""
        gain, read_noise = self.record.gain_e_per_dn, self.record.read_noise_e
        if gain is None or read_noise is None:
            return None
        sources = dict.fromkeys((self.record.gain_source, self.record.read_noise_source))
        return NoiseModel(gain.value, read_noise.value, source=f"calibrated: {' and '.join(sources)}")

    @property
    def hot(self) -> NDArray[np.bool_] | None:
        """(H, W), True where a photosite is better left out; None without darks."""
        return None if self.maps is None else self.maps.hot

    def dark_dn(self, exposure_s: float) -> NDArray[np.float32] | None:
        """(H, W) float32: the mean of a dark of so many seconds, DN above the frame's own black; None without darks.

        ``exposure_s`` is the true open time.
        """
        return None if self.maps is None else self.maps.dark_dn(exposure_s)


def read_maps(path: Path, expected: MapFile) -> DarkMaps:
    """The maps of a file that is as its record says. ManifestError where it is absent, changed or broken."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{expected.path} cannot be read ({error.strerror}): {_AGAIN}") from error
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        raise ManifestError(f"{expected.path} fails its checksum: {_AGAIN}")
    try:
        return DarkMaps.unpacked(content, expected.shape_px)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ManifestError(f"{expected.path} holds no dark maps ({error}): {_AGAIN}") from error
