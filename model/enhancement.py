"""One raw file enhanced by a trained network: what a run is for, once it is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.apex import open_seconds
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.raw import RawFrame, read_raw
from sidcap.data_manifest.schema import CameraBody, Record
from sidcap.data_manifest.sensor import Sensor
from sidcap.data_manifest.store import Store
from sidcap.model.checkpoint import RunState, load_network, read_state
from sidcap.model.config import DeviceChoice
from sidcap.model.files import must_be_free, write_result
from sidcap.model.inference import choose_device, enhance, memory_told
from sidcap.model.input import network_input
from sidcap.model.packing import Levels, layout_of, pack

PICTURE_SUFFIXES: Final = (".tiff", ".tif", ".png")


class Enhanced(Record):
    """What was made of a raw file."""

    file: Path
    run: Path
    picture: Path
    width_px: int
    height_px: int
    ratio: float
    """The amplification, after the run's cap on it."""
    dark_shading: bool | None
    """Whether the body's fixed pattern was subtracted; None where the run was trained without."""
    simulated: bool
    """True where the frame comes from the simulated camera."""


def enhance_file(
    file: Path,
    run: Path,
    picture: Path,
    ratio: float,
    *,
    dataset: Path | None = None,
    device: DeviceChoice = "auto",
    on_tile: Callable[[int, int], None] = lambda _done, _total: None,
) -> Enhanced:
    """Write ``picture``, a 16-bit TIFF or PNG in sRGB as the sensor saw it, not turned: ``file`` enhanced by ``run``.

    ``ratio`` is how many times brighter than exposed it is to be. The calibration in ``dataset`` is asked for the
    body's dark shading where the run was trained with it. Raises UsageError where there is no such file or run, or the
    picture's name or the sensor do not fit, TrainingError for a broken checkpoint, RawError for an unreadable frame,
    ManifestError for broken maps.
    """
    if picture.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"{picture} is no TIFF or PNG: end the picture's name in {', '.join(PICTURE_SUFFIXES)}")
    if not 0 < ratio < float("inf"):
        raise UsageError(f"--ratio {ratio:g} cannot be amplified by: give 100, for example")
    if not file.is_file():
        raise UsageError(f"{file} is {'a folder' if file.is_dir() else 'not there'}: give a raw file")
    must_be_free(picture)
    state = read_state(run)
    raw = read_raw(file)
    cfa = layout_of(raw.cfa)[0].name
    if cfa != state.cfa:
        raise UsageError(
            f"{file} has a {cfa} mosaic, {run} takes {state.cfa}: use a run that was trained on such frames"
        )
    sensor = _sensor(raw, dataset) if state.input.dark_shading else None
    planes = _planes(raw, ratio, state, sensor)
    with memory_told("give --device cpu"):
        result = enhance(load_network(run, choose_device(device)), planes, on_tile=on_tile)
    write_picture(picture, result)
    height, width, _ = result.shape
    cap = state.config.input.ratio_cap
    return Enhanced(
        file=file,
        run=run,
        picture=picture,
        width_px=width,
        height_px=height,
        ratio=ratio if cap is None else min(ratio, cap),
        dark_shading=sensor is not None if state.input.dark_shading else None,
        simulated=raw.exif.simulated,
    )


def write_picture(path: Path, picture: NDArray[np.float32]) -> None:
    """Write (H, W, 3) RGB with 16 bits, cut at 0 and 1; the array is changed. TrainingError where writing fails."""
    np.clip(picture, 0, 1, out=picture)
    np.multiply(picture, 65535, out=picture)
    content = np.rint(picture, out=picture).astype(np.uint16)
    _, encoded = cv2.imencode(path.suffix.lower(), cv2.cvtColor(content, cv2.COLOR_RGB2BGR))
    write_result(path, encoded.tobytes())


def _planes(raw: RawFrame, ratio: float, state: RunState, sensor: Sensor | None) -> NDArray[np.float32]:
    """(P, h, w): what the network is given."""
    exposure_s = None if raw.exif.exposure_s is None else open_seconds(raw.exif.exposure_s, raw.exif.shutter_speed_s)
    dark = None if sensor is None or exposure_s is None else sensor.dark_dn(exposure_s)
    hot = None if sensor is None else sensor.hot
    return network_input(
        pack(raw.mosaic, raw.cfa),
        Levels.measured(raw.black, raw.white, raw.cfa),
        ratio,
        state.input,
        dark_dn=None if dark is None else pack(dark, raw.cfa),
        hot=None if hot is None else pack(hot, raw.cfa),
    )


def _sensor(raw: RawFrame, dataset: Path | None) -> Sensor | None:
    """What calibration found of the body that shot the frame; None where it found nothing without light."""
    exif = raw.exif
    if dataset is None or exif.iso is None or exif.exposure_s is None:
        return None
    camera = CameraBody(model=exif.model, serial=exif.serial, simulated=exif.simulated)
    sensor = Store.open(dataset).sensor(camera, exif.iso)
    if sensor is None or sensor.maps is None:
        return None
    if sensor.maps.shape_px != raw.mosaic.shape:
        raise UsageError(f"the dark maps of {dataset} are of another size than the frame: shoot darks like it")
    return sensor
