"""From the darks and flats of a dataset to what is known of each of its bodies at each ISO.

>>> for group in groups(store):
...     record = current(store, group) or calibrate(store, group)

Darks give black, read noise, dark shading and hot pixels (`dark_shading`), flats the gain (`photon_transfer`). Where
only one of the two was shot, the record says what is missing, and a published gain is named as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidcap.curate.dark_shading import DarkStack, glow_dn_per_s, median_rate_dn_per_s
from sidcap.curate.photon_transfer import Levels, levels_of, photon_transfer
from sidcap.data_manifest.errors import CalibrationError, ManifestError, RawError
from sidcap.data_manifest.noise import published_noise
from sidcap.data_manifest.raw import Exif, RawFrame, read_raw
from sidcap.data_manifest.schema import (
    CalibrationFrame,
    CameraBody,
    DarkFrame,
    FlatFrame,
    Measured,
    SensorRecord,
)
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.data_manifest.store import Store, sha256_of

METHOD = "sidcap calibration 1"

_FLATS_UP_TO = 0.7
"""Flats count up to this share of white: above, noise cuts off at white, and sensors bend (EMVA 1288, 6.6)."""
_PILED_UP = 0.05
"""A frame of whose photosites so many have one and the same number, in the upper half of the range, is overexposed."""
_CERTAIN_SIGMA = 3.0
_CALIBRATION = "calibration/calibration.json"

OnFrame = Callable[[], None]


@dataclass(frozen=True)
class Group:
    """The calibration frames of one body at one ISO."""

    camera: CameraBody
    iso: int
    darks: tuple[DarkFrame, ...]
    """Those of one exposure in succession, the shortest first."""
    flats: tuple[FlatFrame, ...]
    """Those of one exposure and aperture in succession."""

    @property
    def frames(self) -> tuple[CalibrationFrame, ...]:
        """The darks and, after them, the flats."""
        return (*self.darks, *self.flats)

    @property
    def checksums(self) -> tuple[str, ...]:
        """Of all frames, ascending."""
        return tuple(sorted(frame.sha256 for frame in self.frames))

    def __str__(self) -> str:
        return f"{self.camera.model} {self.camera.serial} at ISO {self.iso}".replace("  ", " ")


def groups(store: Store) -> list[Group]:
    """The calibration frames of a dataset by body and ISO. CalibrationError where there are none."""
    calibration = store.calibration()
    if not calibration.frames:
        raise CalibrationError(
            f"{store.root} has no darks and no flats: shoot some with `sidcap shoot-darks` and `sidcap shoot-flats`, "
            "or name files with --darks and --flats"
        )
    found: dict[tuple[str, str, int], Group] = {}
    for frame in calibration.frames:
        key = (frame.camera.model, frame.camera.serial.lstrip("0"), frame.iso.set)
        found.setdefault(key, Group(frame.camera, frame.iso.set, (), ()))
    return [
        Group(
            group.camera,
            group.iso,
            tuple(sorted(_of(group, calibration.darks), key=lambda dark: dark.exposure.true_s)),
            tuple(sorted(_of(group, calibration.flats), key=_setting)),
        )
        for group in found.values()
    ]


def _of(group: Group, frames: Iterable[Any]) -> list[Any]:
    return [f for f in frames if f.camera.is_same_body(group.camera) and f.iso.set == group.iso]


def _setting(flat: FlatFrame) -> tuple[float, float]:
    return flat.exposure.true_s, flat.aperture or 0.0


def current(store: Store, group: Group) -> SensorRecord | None:
    """What was found of these very frames by this very method; None where it has to be found anew."""
    record = store.calibration().sensor(group.camera, group.iso)
    if record is None or (record.method, record.frames) != (METHOD, group.checksums):
        return None
    try:
        store.sensor(group.camera, group.iso)
    except ManifestError:
        return None
    return record


def calibrate(store: Store, group: Group, on_frame: OnFrame = lambda: None) -> SensorRecord:
    """Compute what a body's frames at one ISO tell, and write it into the dataset; gives what was written.

    One frame is decoded at a time. Raises CalibrationError where the frames cannot tell anything, RawError where one
    cannot be read or is not what it was, or is
    no Bayer mosaic.
    """
    try:
        record, maps = _measured(store, group, on_frame)
    except CalibrationError as error:
        raise CalibrationError(f"{group}: {error}") from error
    return store.save_sensor(_in_electrons(record), maps)


def _measured(store: Store, group: Group, on_frame: OnFrame) -> tuple[SensorRecord, DarkMaps | None]:
    darks = _Darkness.of(store, group, on_frame)
    flats = _Light.of(store, group, on_frame)
    record = SensorRecord(
        camera=group.camera,
        iso=group.iso,
        measured_utc=datetime.now(UTC),
        method=METHOD,
        frames=group.checksums,
        white_dn=flats.white_dn,
    )
    record = record.replace(**darks.facts)
    return record.replace(**_gain_and_read_noise(group, record, darks.levels, flats)), darks.maps


@dataclass(frozen=True)
class _Darkness:
    """What the darks of a group tell."""

    facts: dict[str, Any]
    levels: list[Levels]
    maps: DarkMaps | None

    @classmethod
    def of(cls, store: Store, group: Group, on_frame: OnFrame) -> _Darkness:
        if not group.darks:
            return cls({}, [], None)
        stack, source = DarkStack(), ""
        for dark, frame in _decoded(store, group.darks, on_frame):
            stack.add(frame, dark.exposure.true_s)
            source = frame.black.source
        rows = stack.row_structure()
        facts = {
            "dark_exposures_s": stack.exposures_s,
            "read_noise_dn": stack.read_noise_dn(),
            "read_noise_source": "darks",
            "black_dn": tuple(stack.visible_black_dn()),
            "masked_black_dn": tuple(stack.masked_black_dn()) if source == "masked pixels" else None,
            "row_noise_dn": rows.row_noise,
            "row_offset_rms_dn": rows.row_offset_rms,
            "column_offset_rms_dn": rows.column_offset_rms,
        }
        levels = stack.levels
        visible, masked = stack.visible_growth_dn_per_s(), stack.masked_growth_dn_per_s()
        maps = stack.maps()
        facts["hot_pixels"] = int(maps.hot.sum())
        if visible is not None and masked is not None:
            rate = median_rate_dn_per_s(maps) + masked.value
            facts["dark_current_dn_per_s"] = Measured(value=rate, sigma=visible.sigma)
            facts["glow_dn_per_s"] = Measured(value=glow_dn_per_s(maps))
        return cls(facts, levels, maps)


@dataclass(frozen=True)
class _Light:
    """What the flats of a group tell."""

    levels: list[Levels]
    white_dn: float | None

    @classmethod
    def of(cls, store: Store, group: Group, on_frame: OnFrame) -> _Light:
        levels: list[Levels] = []
        whites: list[int] = []
        decoded = _decoded(store, group.flats, on_frame)
        for _, same_setting in groupby(decoded, key=lambda pair: _setting(pair[0])):
            before: NDArray[np.float32] | None = None
            for _, frame in same_setting:
                black_dn = float(np.mean(frame.black.per_plane_dn))
                white = piled_up_dn(frame.mosaic, black_dn)
                whites += [] if white is None else [white]
                signal = frame.signal()
                if before is None:
                    before = signal
                    continue
                limit = _FLATS_UP_TO * (frame.white.dn - black_dn)
                levels += [plane.below(limit) for plane in levels_of(before, signal, lit=True)]
                before = None
        return cls(levels, float(np.median(whites)) if whites else None)


def piled_up_dn(mosaic: NDArray[np.uint16], black_dn: float) -> int | None:
    """The number at which an overexposed frame piles up; None where it is not overexposed."""
    counts = np.bincount(mosaic.ravel())
    lowest = int((counts.size + black_dn) / 2)
    if counts[lowest:].max(initial=0) < _PILED_UP * mosaic.size:
        return None
    return lowest + int(counts[lowest:].argmax())


def _gain_and_read_noise(
    group: Group, record: SensorRecord, dark_levels: Sequence[Levels], flats: _Light
) -> dict[str, Any]:
    """The fields about both; from the flats where there are some, else from what was published."""
    if group.flats:
        if not any(level.mean_dn.size for level in flats.levels):
            raise CalibrationError(
                f"no two flats of one exposure are below {_FLATS_UP_TO:.0%} of white: shoot pairs at several levels"
            )
        transfer = photon_transfer(Levels.joined([*dark_levels, *flats.levels]))
        facts: dict[str, Any] = {"gain_e_per_dn": transfer.gain_e_per_dn, "gain_source": "photon transfer"}
        if record.read_noise_dn is None and (read_noise := _root(transfer.dark_variance_dn2)) is not None:
            facts |= {"read_noise_dn": read_noise, "read_noise_source": "photon transfer without darks"}
        return facts
    published = published_noise(Exif(model=group.camera.model, iso=group.iso))
    if published is None:
        return {}
    return {"gain_e_per_dn": Measured(value=published.gain_e_per_dn), "gain_source": published.source}


def _root(variance: Measured) -> Measured | None:
    """The standard deviation; None where the variance is not surely above zero."""
    sigma = variance.sigma or 0.0
    if variance.value <= _CERTAIN_SIGMA * sigma:
        return None
    root = float(np.sqrt(variance.value))
    return Measured(value=root, sigma=sigma / (2 * root))


def _in_electrons(record: SensorRecord) -> SensorRecord:
    """The record with what follows from the gain."""
    gain = record.gain_e_per_dn
    if gain is None:
        return record
    pairs = {
        "read_noise_e": record.read_noise_dn,
        "dark_current_e_per_s": record.dark_current_dn_per_s,
        "glow_e_per_s": record.glow_dn_per_s,
    }
    return record.replace(**{name: _product(gain, in_dn) for name, in_dn in pairs.items() if in_dn is not None})


def _product(gain: Measured, in_dn: Measured) -> Measured:
    value = gain.value * in_dn.value
    if in_dn.sigma is None:
        return Measured(value=value)
    return Measured(value=value, sigma=float(np.hypot(gain.value * in_dn.sigma, (gain.sigma or 0.0) * in_dn.value)))


def _decoded(store: Store, frames: Sequence[Any], on_frame: OnFrame) -> Iterator[tuple[Any, RawFrame]]:
    """Each frame with its record, the next one decoded meanwhile. RawError where one is not as recorded, or not like
    the first."""
    first: RawFrame | None = None
    with ThreadPoolExecutor(1) as pool:  # LibRaw works outside the interpreter lock
        coming = [pool.submit(_read, store, frame) for frame in frames[:1]]
        for index, record in enumerate(frames):
            frame = coming.pop().result()
            coming += [pool.submit(_read, store, following) for following in frames[index + 1 : index + 2]]
            first = first or frame
            if frame.mosaic.shape != first.mosaic.shape or not np.array_equal(frame.cfa, first.cfa):
                raise RawError(
                    f"{record.path} is of another size or pattern than {frames[0].path}: take one of them out of "
                    f"{_CALIBRATION}"
                )
            yield record, frame
            on_frame()


def _read(store: Store, record: CalibrationFrame) -> RawFrame:
    path = store.path(record.path)
    frame = read_raw(path)
    if sha256_of(path) != record.sha256:
        raise RawError(f"{record.path} fails its checksum: restore it from a copy")
    if not frame.is_bayer:
        raise RawError(f"{record.path} is no Bayer mosaic, which calibration needs: take it out of {_CALIBRATION}")
    return frame
