"""What is known of the sensor that shot a pair: calibrated, else published, else told by the pair itself."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sidcap.curate.pair_noise import noise_of_pair
from sidcap.data_manifest.errors import RegistrationError
from sidcap.data_manifest.noise import NoiseModel, published_noise
from sidcap.data_manifest.raw import RawFrame
from sidcap.data_manifest.schema import Calibration, CameraBody, SensorRecord
from sidcap.data_manifest.sensor import Sensor
from sidcap.data_manifest.store import Store


def noise_of(long: RawFrame, short: RawFrame, *, ratio: float, sensor: Sensor | None = None) -> NoiseModel:
    """The noise model of the body and ISO that shot a pair: as calibrated, else as published, else as the pair tells.

    Its ``source`` says which. RegistrationError where the pair has to tell, and cannot.
    """
    known = (sensor and sensor.noise) or published_noise(long.exif)
    if known is not None:
        return known
    if not long.is_bayer:
        raise RegistrationError("only Bayer mosaics can be registered: give raw frames of a camera that has one")
    return noise_of_pair(long, short, ratio=ratio)


def sensor_of(store: Store, camera: CameraBody, iso: int) -> Sensor | None:
    """What calibration found of a body at an ISO; None where it found nothing. ManifestError where it cannot be read.

    The last one is kept: its maps are large, and the next scene mostly needs the same.
    """
    record = store.calibration().sensor(camera, iso)
    return None if record is None else _read(store.root, record)


def dark_dn(sensor: Sensor | None, exposure_s: float) -> NDArray[np.float32] | None:
    """(H, W), what a frame of this exposure has above black without light; None where no darks tell it."""
    return None if sensor is None else sensor.dark_dn(exposure_s)


def calibration_id(calibration: Calibration, camera: CameraBody, iso: int) -> str:
    """Changes with everything that calibration says of a body at an ISO; told without reading its maps."""
    record = calibration.sensor(camera, iso)
    if record is None:
        return "none"
    return hashlib.sha256(record.model_dump_json(exclude={"measured_utc"}).encode()).hexdigest()


@lru_cache(maxsize=1)
def _read(root: Path, record: SensorRecord) -> Sensor | None:
    return Store(root).sensor(record.camera, record.iso)
