"""Pairs and frames as flat rows, in one wording for every format."""

from __future__ import annotations

from collections.abc import Iterator

from sidcap.data_manifest.exporters.cargo import Cargo
from sidcap.data_manifest.schema import Frame, Pair, Record, Scene


class FrameRow(Record):
    """One raw file."""

    path: str
    """Where it lies in the dataset."""
    scene: str
    """Five digits."""
    split: str
    """train, test or val."""
    role: str
    """long: the reference exposure; short: a deliberately underexposed one."""
    sha256: str
    """SHA-256 of the file."""
    size_bytes: int
    """Size of the file."""
    camera: str
    """The body's model, as in EXIF."""
    simulated: bool
    """Whether sidcap's simulated camera made the file."""
    lens: str
    """As the file or the camera names it."""
    iso: int
    """What the camera was set to."""
    exposure_nominal_s: float
    """What the dial says, seconds."""
    exposure_true_s: float
    """What the shutter does, seconds."""
    aperture: float | None
    """f-number."""
    black_dn: float
    """Mean black level over the colour filter array's sites, DN."""
    white_dn: float
    """The DN at which the sensor saturates, black included."""
    taken_utc: str
    """When the shutter was released, ISO 8601; empty where unknown."""


class PairRow(Record):
    """A short and the long it is compared with."""

    scene: str
    """Five digits, the first of which is the split."""
    split: str
    """train, test or val."""
    short: str
    """Where the short lies in the dataset."""
    long: str
    """Where the long lies in the dataset."""
    iso: int
    """What the camera was set to for the short."""
    exposure_short_s: float
    """True exposure of the short, seconds."""
    exposure_long_s: float
    """True exposure of the long, seconds."""
    ratio_nominal: float
    """Long over short, as asked for."""
    ratio_true: float
    """Long over short, from the real shutter times and the ISO set."""
    ratio_measured: float | None
    """Long over short, from the pixels."""
    ratio_measured_sigma: float | None
    """One standard deviation of it."""
    shift_x_px: float | None
    """Where the content of the short lies relative to the long, right positive, sensor pixels."""
    shift_y_px: float | None
    """The same, down positive."""
    shift_sigma_px: float | None
    """One standard deviation of the shift along its worst direction."""
    verdict: str
    """aligned, misaligned, undetermined, or ``not verified``."""
    standing: str
    """The verdict, or accepted or rejected where a person decided."""
    camera: str
    """The body's model, as in EXIF."""
    simulated: bool
    """Whether sidcap's simulated camera made either file."""


def pair_rows(cargo: Cargo) -> Iterator[PairRow]:
    """The pairs, scene by scene."""
    for scene, pair in cargo.pairs:
        yield pair_row(scene, pair)


def pair_row(scene: Scene, pair: Pair) -> PairRow:
    """One pair."""
    short, long, alignment = scene.frame(pair.frame), scene.frame(pair.reference), pair.alignment
    x_px, y_px = (None, None) if alignment is None or alignment.shift_px is None else alignment.shift_px
    return PairRow(
        scene=scene.name,
        split=scene.split,
        short=short.path,
        long=long.path,
        iso=short.iso.set,
        exposure_short_s=short.exposure.true_s,
        exposure_long_s=long.exposure.true_s,
        ratio_nominal=pair.ratio.nominal,
        ratio_true=pair.ratio.true,
        ratio_measured=pair.ratio.measured,
        ratio_measured_sigma=pair.ratio.measured_sigma,
        shift_x_px=x_px,
        shift_y_px=y_px,
        shift_sigma_px=None if alignment is None else alignment.sigma_px,
        verdict="not verified" if alignment is None else alignment.verdict,
        standing=pair.standing,
        camera=short.camera.model,
        simulated=short.camera.simulated or long.camera.simulated,
    )


def frame_rows(cargo: Cargo) -> Iterator[FrameRow]:
    """The frames of the pairs, each once, in the order of their paths."""
    scene_of = {path: scene for scene, pair in cargo.pairs for path in (pair.frame, pair.reference)}
    for frame in cargo.frames:
        yield _frame_row(scene_of[frame.path], frame)


def _frame_row(scene: Scene, frame: Frame) -> FrameRow:
    black, white = frame.levels
    return FrameRow(
        path=frame.path,
        scene=scene.name,
        split=scene.split,
        role=frame.role,
        sha256=frame.checksum,
        size_bytes=frame.size_bytes or 0,
        camera=frame.camera.model,
        simulated=frame.camera.simulated,
        lens=frame.lens,
        iso=frame.iso.set,
        exposure_nominal_s=frame.exposure.nominal_s,
        exposure_true_s=frame.exposure.true_s,
        aperture=frame.aperture,
        black_dn=sum(black.per_plane_dn) / len(black.per_plane_dn),
        white_dn=white.dn,
        taken_utc="" if frame.start_utc is None else frame.start_utc.isoformat(),
    )
