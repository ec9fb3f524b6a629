"""From the files of a scene's pairs to what registration finds in them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import cv2
import numpy as np

from sidcap.curate.known_sensor import dark_dn, noise_of, sensor_of
from sidcap.curate.photometry import Light, Photometer
from sidcap.curate.registration import Reference, Registration
from sidcap.data_manifest.errors import ManifestError, RawError, RegistrationError, SidcapError
from sidcap.data_manifest.noise import NoiseModel
from sidcap.data_manifest.raw import RawFrame, read_raw
from sidcap.data_manifest.schema import Frame, Pair, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.validate import file_problem

_STILL_PX, _STILL_SHARE = 1.0, 0.01
"""Light is told by blocks of 16 pixels, which show other things when more than this is off or moves on its own."""
_UNFORESEEN = (np.linalg.LinAlgError, ValueError, ArithmeticError, cv2.error, MemoryError)
"""What arithmetic on a picture that nobody thought of may end in: that pair is refused, and the next one goes on."""


@dataclass(frozen=True)
class Measurement:
    """What was found in a pair's frames, or why they could not be registered."""

    began_utc: datetime
    """Before the first file was opened."""
    noise_source: str = "unknown"
    found: Registration | None = None
    light: Light | None = None
    """None where something moved."""
    refusal: str = ""
    """Why the frames could not be registered; empty where they were."""
    lacking: bool = False
    """True where that was for want of a file, or a calibration, that may be put back, or of memory."""


class _FileError(RawError):
    """The file is not the one that was recorded."""


def measure(store: Store, scene: Scene, pairs: list[Pair]) -> Iterator[tuple[Pair, Measurement]]:
    """Register pairs that have one long. Every file is read, hashed and decoded once; no more than two are in memory.

    Nothing is raised for what is wrong with a file or a calibration, or cannot be computed: the measurement says it.
    """
    began = datetime.now(UTC)
    reference = scene.frame(pairs[0].reference)
    try:
        long = _read(store, reference)
        sensor = sensor_of(store, reference.camera, reference.iso.set)
        dark, hot = dark_dn(sensor, reference.exposure.true_s), sensor.hot if sensor else None
    except (SidcapError, *_UNFORESEEN) as error:
        refusal = _refusal(began, error)
        yield from ((pair, refusal) for pair in pairs)
        return
    prepared: _Prepared | None = None
    for pair in pairs:
        source = "unknown"
        try:
            short = _read(store, scene.frame(pair.frame))
            _must_be_of_one_setting(long, short)
            noise = noise_of(long, short, ratio=pair.ratio.true, sensor=sensor)
            source = noise.source
            if prepared is None or prepared.noise != noise:
                prepared = _Prepared(noise, Reference(long, noise, dark=dark, mask=hot), Photometer(long, noise))
            dark_of_short = dark_dn(sensor, scene.frame(pair.frame).exposure.true_s)
            found = prepared.reference.register(short, ratio=pair.ratio.true, dark=dark_of_short)
            light = prepared.photometer.light_on(short, pair.ratio.true) if _stood_still(found) else None
        except (SidcapError, *_UNFORESEEN) as error:
            yield pair, _refusal(began, error, source)
        else:
            yield pair, Measurement(began, source, found, light)


@dataclass(frozen=True)
class _Prepared:
    """What is made of a long, once for all that is compared with it, as long as the noise is the same."""

    noise: NoiseModel
    reference: Reference
    photometer: Photometer


def _stood_still(found: Registration) -> bool:
    return found.shift_px is not None and math.hypot(*found.shift_px) < _STILL_PX and found.moving < _STILL_SHARE


def _refusal(began: datetime, error: Exception, noise_source: str = "unknown") -> Measurement:
    lacking = isinstance(error, (_FileError, ManifestError, MemoryError))
    reason = str(error)
    if not isinstance(error, SidcapError):
        in_one_line = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        reason = f"could not be registered ({in_one_line})"
    return Measurement(began, noise_source, refusal=reason, lacking=lacking)


def _read(store: Store, frame: Frame) -> RawFrame:
    """The frame as its record describes it; RawError, without the place of the dataset on this disk, where not."""
    if problem := file_problem(store, frame):
        raise _FileError(f"{frame.path}: {problem}")
    try:
        return read_raw(store.path(frame.path))
    except RawError as error:
        raise RawError(str(error).replace(f"{store.root.resolve()}/", "")) from error


def _must_be_of_one_setting(long: RawFrame, short: RawFrame) -> None:
    if long.exif.iso != short.exif.iso:
        raise RegistrationError(
            f"shot at ISO {long.exif.iso} and ISO {short.exif.iso}: only frames of one ISO can be registered"
        )
    if (long.exif.model, long.exif.serial) != (short.exif.model, short.exif.serial):
        raise RegistrationError("shot with two cameras: only frames of one body can be registered")
