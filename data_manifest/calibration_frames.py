"""Darks and flats of a dataset: where they lie, what is recorded of them, and how files from elsewhere come in."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from sidcap.data_manifest.errors import RawError
from sidcap.data_manifest.naming import seconds_text
from sidcap.data_manifest.raw import Exif, RawFrame, read_raw
from sidcap.data_manifest.schema import CalibrationFrame, CameraBody, DarkFrame, Exposure, FlatFrame, Iso
from sidcap.data_manifest.store import Store, sha256_of, write_atomic

Kind = Literal["dark", "flat"]
FOLDERS: dict[Kind, str] = {"dark": "calibration/darks", "flat": "calibration/flats"}

_BLOCK_PX = 64
_MOST_LIGHT = 1e-3
"""A dark frame lies less above black, relative to white. Guess, 13 DN of a 6D: the simulated one, which has no light at
all, comes to 1.4 DN in 30 s at ISO 25600, and a room lit for 10 s at ISO 12800 to 17 DN in 1/10 s."""
_LEAST_LIGHT = 5e-3
"""A flat lies more above black, relative to white; below, it says little about the gain."""


def light_on(frame: RawFrame) -> float:
    """How far half of a frame lies above black, relative to white.

    It is the median over blocks of 64 x 64 photosites: noise, hot pixels and a glow at the edges are no light.
    """
    rows, columns = (side // _BLOCK_PX * _BLOCK_PX for side in frame.mosaic.shape)
    blocks = frame.signal()[:rows, :columns].reshape(rows // _BLOCK_PX, _BLOCK_PX, columns // _BLOCK_PX, _BLOCK_PX)
    middle = np.median(blocks.mean(axis=(1, 3), dtype=np.float64))
    return float(middle / (frame.white.dn - np.mean(frame.black.per_plane_dn)))


def wrongly_lit(frame: RawFrame, kind: Kind) -> str | None:
    """Why a frame is no dark, or no flat, and what to do; None where it is one."""
    light = light_on(frame)
    if kind == "dark" and light > _MOST_LIGHT:
        return f"light fell on it, {light:.1%} of white; put the cap on and cover the viewfinder"
    if kind == "flat" and light < _LEAST_LIGHT:
        return f"it is dark, {max(light, 0):.1%} of white; take the cap off, and light what is before the lens evenly"
    return None


def free_path(store: Store, kind: Kind, iso: int, nominal_s: float, suffix: str) -> Path:
    """The first name of this setting that no file has: ``ISO12800_10s_00.CR2``. Makes its folder."""
    folder = store.root / FOLDERS[kind]
    folder.mkdir(parents=True, exist_ok=True)
    taken = {frame.path for frame in store.calibration().frames}
    stem, number = f"ISO{iso}_{seconds_text(nominal_s)}s", 0
    while (path := folder / f"{stem}_{number:02d}{suffix}").exists() or f"{FOLDERS[kind]}/{path.name}" in taken:
        number += 1
    return path


def frame_record(
    kind: Kind,
    frame: RawFrame,
    *,
    path: str,
    size_bytes: int,
    sha256: str,
    camera: CameraBody,
    iso: Iso,
    exposure: Exposure,
    start_utc: datetime,
    card: str = "",
) -> CalibrationFrame:
    """What is recorded of a dark or a flat."""
    means = [float(frame.mosaic[y::2, x::2].mean(dtype=np.float64)) for y in (0, 1) for x in (0, 1)]
    facts = {
        "path": path,
        "size_bytes": size_bytes,
        "sha256": sha256,
        "camera": camera,
        "iso": iso,
        "exposure": exposure,
        "start_utc": start_utc,
        "black": frame.black,
        "mean_dn": tuple(means),
        "card": card,
    }
    if kind == "dark":
        return DarkFrame.model_validate(facts)
    return FlatFrame.model_validate(facts | {"aperture": frame.exif.aperture or None})


def bring_in(store: Store, kind: Kind, file: Path) -> CalibrationFrame | None:
    """Copy a dark or flat of any folder into the dataset and record it; None where the dataset has it already.

    RawError where it cannot be read, is no Bayer mosaic, is lit wrongly, or does not say how it was exposed;
    ManifestError where another sidcap brings frames home at the time.
    """
    frame = read_raw(file)
    if not frame.is_bayer:
        raise RawError(f"{file} is no Bayer mosaic, which calibration needs: leave it out")
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if any(there.sha256 == digest for there in store.calibration().frames):
        return None
    if (wrong := wrongly_lit(frame, kind)) is not None:
        raise RawError(f"{file} is no {kind}: {wrong}, or leave it out")
    iso, exposure = _setting_of(frame.exif, file)
    exif = frame.exif
    with store.claimed():  # a name that is free stays so
        target = free_path(store, kind, iso.set, exposure.nominal_s, file.suffix)
        record = frame_record(
            kind,
            frame,
            path=target.relative_to(store.root).as_posix(),
            size_bytes=len(content),
            sha256=digest,
            camera=CameraBody(model=exif.model, serial=exif.serial, firmware=exif.firmware, simulated=exif.simulated),
            iso=iso,
            exposure=exposure,
            start_utc=exif.taken or datetime.fromtimestamp(file.stat().st_mtime, UTC),
        )
        write_atomic(target, content)
        if sha256_of(target) != digest:
            target.unlink()
            raise RawError(f"{file} was copied and came out differently: check the disk")
        store.add_camera(record.camera)
        store.change_calibration(lambda calibration: calibration.with_frame(record))
    return record


def _setting_of(exif: Exif, file: Path) -> tuple[Iso, Exposure]:
    nominal_s = exif.exposure_s or exif.shutter_speed_s
    if not exif.model or not exif.iso or not nominal_s:
        raise RawError(
            f"{file} does not say with which camera, ISO and exposure it was shot: use the camera's own file"
        )
    true_s = exif.shutter_speed_s or nominal_s
    return (
        Iso(requested=exif.iso, set=exif.iso, exif=exif.iso),
        Exposure(requested_s=nominal_s, nominal_s=nominal_s, true_s=true_s, exif_s=exif.exposure_s),
    )
