"""One raw file, read through LibRaw: the mosaic, its levels, its EXIF; and the same file developed to RGB.

>>> frame = read_raw(Path("long/00001_00_10s.CR2"))
>>> signal = frame.signal()          # float32 DN above black, negatives kept
"""

from __future__ import annotations

import io
import logging
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import exifread
import numpy as np
import rawpy
from numpy.typing import NDArray

from sidcap.data_manifest.errors import RawError
from sidcap.data_manifest.schema import BlackLevel, WhiteLevel

SIMULATED_SOFTWARE = "sidcap simulated camera"
"""EXIF Software of every file that sidcap's simulated camera writes, so that no one takes it for a photograph."""

DEVELOPMENT: dict[str, Any] = {
    "use_camera_wb": True,
    "half_size": False,
    "no_auto_bright": True,
    "output_bps": 16,
    "user_flip": 0,  # as the sensor saw it: a pair's mosaic is not turned either
    "adjust_maximum_thr": 0.0,  # else the brightest pixel of a frame would set its brightness
}
"""LibRaw's settings for every developed picture, beside its white level; all others are LibRaw's defaults."""

# White level of the EOS 6D by ISO, DN. Source: RawTherapee, camconst.json. The full-stop and the 2/3-stop ISOs clip at
# one level, the 1/3-stop ISOs, which are digital pulls, at another.
_WHITE_6D = dict.fromkeys((100, 200, 400, 800, 1600, 3200, 4000, 6400, 8000, 12800, 16000, 25600), 15283.0)
_WHITE_6D |= dict.fromkeys((160, 320, 640, 1250, 2500, 5000, 10000, 20000), 13225.0)

_XYZ_OF_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""IEC 61966-2-1, D65."""

_RAF = b"FUJIFILMCCD-RAW"

_MASK_GUARD_COLUMNS = 4
"""The masked columns next to the visible ones see stray light (Canon EOS 6D: columns 68 to 71 of 72)."""
_MASK_MIN_COLUMNS = 16

logging.getLogger("exifread").setLevel(logging.ERROR)  # it comments on maker notes it does not know


@dataclass(frozen=True)
class Exif:
    """What the file says of how it was made. None and "" where it is silent."""

    make: str = ""
    model: str = ""
    serial: str = ""
    lens: str = ""
    firmware: str = ""
    software: str = ""
    iso: int | None = None
    exposure_s: float | None = None
    """ExposureTime: the nominal time of the dial."""
    shutter_speed_s: float | None = None
    """2^-ShutterSpeedValue: APEX, the true time where the camera tells it."""
    aperture: float | None = None
    taken: datetime | None = None
    """DateTimeOriginal; UTC is assumed where the file has no offset."""

    @property
    def simulated(self) -> bool:
        """Whether sidcap's simulated camera wrote the file."""
        return self.software == SIMULATED_SOFTWARE


@dataclass(frozen=True)
class RawFrame:
    """One raw file in memory, nothing subtracted, nothing interpolated."""

    mosaic: NDArray[np.uint16]
    """(H, W), the visible pixels, DN."""
    cfa: NDArray[np.uint8]
    """Colour of each photosite, 0 R, 1 G, 2 B, 3 the other G, for the pattern at the mosaic's origin: (2, 2) for Bayer,
    (6, 6) for X-Trans."""
    black: BlackLevel
    white: WhiteLevel
    white_balance: tuple[float, float, float]
    """As-shot gains of R, G, B, green = 1."""
    exif: Exif

    @property
    def is_bayer(self) -> bool:
        """True for a 2 x 2 pattern."""
        return self.cfa.shape == (2, 2)

    def signal(self) -> NDArray[np.float32]:
        """(H, W) float32: DN above black, each photosite with its own plane's black level. Negatives are kept."""
        signal = self.mosaic.astype(np.float32)
        rows, columns = self.cfa.shape
        for site, level in enumerate(self.black.per_plane_dn):
            signal[site // columns :: rows, site % columns :: columns] -= np.float32(level)
        return signal


def read_raw(path: Path) -> RawFrame:
    """Read a raw file. RawError where it is absent, broken, or holds no mosaic."""
    with _opened(path) as raw:
        image = _mosaic(raw, path)
        tags = _tags(path)
        _must_be_whole(path, tags)
        exif = _exif(tags)
        top, left = raw.sizes.top_margin, raw.sizes.left_margin
        height, width = raw.sizes.height, raw.sizes.width
        cfa = np.asarray(raw.raw_pattern, np.uint8)
        return RawFrame(
            mosaic=image[top : top + height, left : left + width].copy(),
            cfa=cfa,
            black=_black(image[top : top + height, :left], raw, exif),
            white=_white(raw, exif),
            white_balance=_white_balance(raw),
            exif=exif,
        )


def develop(path: Path) -> NDArray[np.uint16]:
    """(H, W, 3) uint16 sRGB as LibRaw develops it with the camera's white balance and no automatic brightening.

    The target of SID training (Chen et al. 2018), but for two settings (docs/decisions/0005): it is never turned, and
    scaled to the white level of `RawFrame` instead of the frame's own brightest pixel. RawError as in `read_raw`.
    """
    with _opened(path) as raw:
        _mosaic(raw, path)
        return _developed(raw, path, _white(raw, read_exif(path)))


def develop_amplified(
    path: Path,
    ratio: float,
    black: BlackLevel,
    white: WhiteLevel,
    *,
    white_balance: tuple[float, float, float] | None = None,
) -> NDArray[np.uint16]:
    """(H, W, 3) uint16 sRGB: the mosaic's signal times ``ratio``, cut at ``white``, then developed as in `develop`.

    What a short exposure looks like when nothing but its brightness is changed, with no knowledge of the long one;
    but for ``white_balance``, gains of R, G, B that may be another frame's, so that the two look alike.
    RawError as in `read_raw`, and where the black level is that of another colour filter array.
    """
    with _opened(path) as raw:
        _mosaic(raw, path)
        pattern = np.asarray(raw.raw_pattern)
        rows, columns = pattern.shape
        if len(black.per_plane_dn) != pattern.size:
            raise RawError(f"{path}: its black level is not that of a {rows} x {columns} mosaic: import it again")
        visible = raw.raw_image_visible
        # LibRaw will subtract its own black level, so the signal is put on top of that one.
        own_black_dn = [raw.black_level_per_channel[colour] for colour in pattern.flat]
        for plane, black_dn in enumerate(black.per_plane_dn):
            site = np.s_[plane // columns :: rows, plane % columns :: columns]
            signal = (visible[site].astype(np.float32) - black_dn) * ratio
            visible[site] = np.clip(np.rint(signal + own_black_dn[plane]), 0, white.dn)
        if white_balance is None:
            return _developed(raw, path, white)
        red, green, blue = white_balance
        return _developed(raw, path, white, use_camera_wb=False, user_wb=[red, green, blue, green])


@dataclass(frozen=True)
class Colours:
    """How a file's numbers become colours."""

    white_balance: tuple[float, float, float]
    """As-shot gains of R, G, B, green = 1."""
    to_srgb: NDArray[np.float32]
    """(3, 3): from white-balanced camera RGB to linear sRGB; its rows sum up to 1. From LibRaw's table of cameras; the
    identity where that does not know the camera."""


def read_colours(path: Path) -> Colours:
    """What LibRaw knows of a file's colours. RawError where it cannot open the file."""
    with _opened(path) as raw:
        return Colours(_white_balance(raw), _to_srgb(np.asarray(raw.rgb_xyz_matrix, np.float64)[:3]))


def _to_srgb(camera_of_xyz: NDArray[np.float64]) -> NDArray[np.float32]:
    """As dcraw's ``cam_xyz_coeff``, which LibRaw develops with."""
    camera_of_srgb = camera_of_xyz @ _XYZ_OF_SRGB
    white = camera_of_srgb.sum(axis=1, keepdims=True)
    if not (white > 0).all():
        return np.eye(3, dtype=np.float32)
    return np.linalg.inv(camera_of_srgb / white).astype(np.float32)


def read_exif(path: Path) -> Exif:
    """Read the EXIF fields that sidcap keeps. RawError where the file cannot be read."""
    return _exif(_tags(path))


def _tags(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            tags: dict[str, Any] = exifread.process_file(_exif_part(file), details=True)
    except OSError as error:
        raise RawError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:
        raise RawError(f"{path}: its EXIF is broken ({error})") from error
    return tags


def _must_be_whole(path: Path, tags: dict[str, Any]) -> None:
    """Raise RawError where the raw data end after the file does: of Sony's ARW, LibRaw decodes what there is."""
    start = _tag_integer(tags, "EXIF SubIFD0 StripOffsets")
    length = _tag_integer(tags, "EXIF SubIFD0 StripByteCounts")
    if start is not None and length is not None and start + length > (size := path.stat().st_size):
        raise RawError(f"{path}: is truncated: it has {size} bytes, its raw data end at {start + length}")


def _exif(tags: dict[str, Any]) -> Exif:
    return Exif(
        make=_tag_text(tags, "Image Make"),
        model=_tag_text(tags, "Image Model"),
        serial=_tag_text(tags, "EXIF BodySerialNumber"),
        lens=_tag_text(tags, "EXIF LensModel"),
        firmware=_tag_text(tags, "MakerNote FirmwareVersion"),
        software=_tag_text(tags, "Image Software"),
        iso=_tag_integer(tags, "EXIF ISOSpeedRatings"),
        exposure_s=_tag_number(tags, "EXIF ExposureTime"),
        shutter_speed_s=_apex_seconds(_tag_number(tags, "EXIF ShutterSpeedValue")),
        aperture=_tag_number(tags, "EXIF FNumber"),
        taken=_taken(tags),
    )


def _exif_part(file: BinaryIO) -> BinaryIO:
    """Where the EXIF lies: in the file itself, in Fuji's RAF in the JPEG whose place and length are at byte 84.

    Source: LibRaw, `LibRaw::identify`.
    """
    if file.read(len(_RAF)) != _RAF:
        return file
    file.seek(84)
    place, length = struct.unpack(">II", file.read(8))
    file.seek(place)
    return io.BytesIO(file.read(length))


def _opened(path: Path) -> rawpy.RawPy:
    if not path.is_file():
        raise RawError(f"{path} is missing: restore it, or shoot the scene again")
    try:
        return rawpy.imread(str(path))
    except rawpy.LibRawError as error:
        raise RawError(
            f"{path}: LibRaw cannot open it ({_text(error)}): it is truncated, broken or no raw file"
        ) from error


def _developed(raw: rawpy.RawPy, path: Path, white: WhiteLevel, **settings: Any) -> NDArray[np.uint16]:
    try:
        rgb = raw.postprocess(**DEVELOPMENT | settings, user_sat=round(white.dn))
    except rawpy.LibRawError as error:
        raise RawError(f"{path}: LibRaw cannot develop it ({_text(error)})") from error
    return rgb.view(np.uint16)


def _mosaic(raw: rawpy.RawPy, path: Path) -> NDArray[np.uint16]:
    """The whole sensor, masked pixels too."""
    try:
        image = raw.raw_image
    except rawpy.LibRawError as error:
        raise RawError(f"{path}: LibRaw cannot decode it ({_text(error)}): it is truncated or broken") from error
    if image is None or image.ndim != 2 or raw.raw_type != rawpy.RawType.Flat or raw.raw_pattern is None:
        raise RawError(f"{path}: holds developed (linear) colours, not a mosaic: use the camera's own raw file")
    return image


def _black(masked: NDArray[np.uint16], raw: rawpy.RawPy, exif: Exif) -> BlackLevel:
    """Black per plane from the masked columns where the body has them, else as the file says.

    LibRaw's Python binding tells one level a colour: where a file's 6 x 6 levels differ within one, that is not seen.
    """
    usable = masked[:, : masked.shape[1] - _MASK_GUARD_COLUMNS]
    if exif.make.startswith("Canon") and usable.shape[1] >= _MASK_MIN_COLUMNS:
        left_is_odd = masked.shape[1] % 2
        planes = [_robust_mean(usable[y::2, (x + left_is_odd) % 2 :: 2]) for y in (0, 1) for x in (0, 1)]
        return BlackLevel(per_plane_dn=(planes[0], planes[1], planes[2], planes[3]), source="masked pixels")
    by_colour = raw.black_level_per_channel
    levels = tuple(float(by_colour[colour]) for colour in np.asarray(raw.raw_pattern).flat)
    return BlackLevel(per_plane_dn=levels, source="file")


def _robust_mean(values: NDArray[np.uint16]) -> float:
    """Mean without hot pixels: what lies more than 6 robust standard deviations from the median is left out."""
    median = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - median))
    return float(values[np.abs(values - median) <= max(6 * spread, 1.0)].mean())


def _white(raw: rawpy.RawPy, exif: Exif) -> WhiteLevel:
    if exif.model == "Canon EOS 6D" and exif.iso in _WHITE_6D:
        return WhiteLevel(dn=_WHITE_6D[exif.iso], source="RawTherapee camconst")
    return WhiteLevel(dn=float(raw.white_level), source="LibRaw")


def _white_balance(raw: rawpy.RawPy) -> tuple[float, float, float]:
    red, green, blue = (float(gain) for gain in raw.camera_whitebalance[:3])
    if min(red, green, blue) <= 0:
        return (1.0, 1.0, 1.0)
    return (red / green, 1.0, blue / green)


def _tag_text(tags: dict[str, Any], name: str) -> str:
    return str(tags[name]).strip().strip("\0") if name in tags else ""


def _tag_number(tags: dict[str, Any], name: str) -> float | None:
    values = tags[name].values if name in tags else None
    if not isinstance(values, list) or not values:
        return None
    try:
        return float(Fraction(values[0]))
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def _tag_integer(tags: dict[str, Any], name: str) -> int | None:
    number = _tag_number(tags, name)
    return None if number is None else round(number)


def _apex_seconds(value: float | None) -> float | None:
    return None if value is None or abs(value) > 20 else 2.0**-value


def _taken(tags: dict[str, Any]) -> datetime | None:
    fraction = _tag_text(tags, "EXIF SubSecTimeOriginal") or "0"
    try:
        text = f"{_tag_text(tags, 'EXIF DateTimeOriginal')}.{fraction}"
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S.%f").replace(
            tzinfo=_offset(_tag_text(tags, "EXIF OffsetTimeOriginal"))
        )
    except ValueError:
        return None


def _offset(text: str) -> timezone:
    """``+02:00`` as a time zone; UTC where there is none."""
    if not text:
        return UTC
    hours, minutes = text[1:].split(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if text[0] == "-" else offset)


def _text(error: Exception) -> str:
    argument = error.args[0] if error.args else error
    return argument.decode(errors="replace") if isinstance(argument, bytes) else str(argument)
