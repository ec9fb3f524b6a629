"""How a session compares every frame with the long while the next one is shot. Runs in the session's other process."""

from __future__ import annotations

from pathlib import Path

from sidcap.capture import Comparison
from sidcap.curate import NoiseModel, Reference, dark_dn, judge, noise_of, sensor_of
from sidcap.data_manifest.errors import ManifestError, RegistrationError
from sidcap.data_manifest.raw import RawFrame
from sidcap.data_manifest.schema import CameraBody
from sidcap.data_manifest.sensor import Sensor
from sidcap.data_manifest.store import Store

_prepared: list[tuple[RawFrame, NoiseModel, Reference]] = []
"""The long of the last comparison and what was made of it: one at most, for a bracket has many frames and one long."""


def compare(long: RawFrame, frame: RawFrame, true_ratio: float, dataset: Path | None = None) -> Comparison:
    """Register a frame against the long, and judge; with the default tolerance. RegistrationError as `Reference`.

    What ``dataset`` knows of the body by calibration is used.
    """
    sensor = None if dataset is None else _sensor(long, Store(dataset))
    noise = noise_of(long, frame, ratio=true_ratio, sensor=sensor)
    reference = _reference(long, noise, sensor)
    found = reference.register(frame, ratio=true_ratio, dark=dark_dn(sensor, _exposure_s(frame)))
    name = "the short" if true_ratio > 1 else "the closing long"
    verdict, reasons = judge(found, true_ratio=true_ratio, frame=name)
    return Comparison(verdict, reasons, found.ratio, found.ratio_sigma or 0.0)


def _reference(long: RawFrame, noise: NoiseModel, sensor: Sensor | None) -> Reference:
    if not _prepared or _prepared[0][0] is not long or _prepared[0][1] != noise:
        hot = None if sensor is None else sensor.hot
        _prepared[:] = [(long, noise, Reference(long, noise, dark=dark_dn(sensor, _exposure_s(long)), mask=hot))]
    return _prepared[0][2]


def _exposure_s(frame: RawFrame) -> float:
    """As its EXIF tells it; dark current is small enough for the dial's rounding."""
    return frame.exif.shutter_speed_s or frame.exif.exposure_s or 0.0


def _sensor(long: RawFrame, store: Store) -> Sensor | None:
    """RegistrationError where the calibration is broken: the frame is not compared then, and the session goes on."""
    camera = CameraBody(model=long.exif.model, serial=long.exif.serial)
    try:
        return None if long.exif.iso is None else sensor_of(store, camera, long.exif.iso)
    except ManifestError as error:
        raise RegistrationError(str(error)) from error
