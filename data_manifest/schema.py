"""The contract between the wings: what a dataset says about itself.

Every record is a frozen pydantic model that refuses unknown fields. Units are in the names. Paths are relative to the
dataset's folder, use forward slashes, and cannot climb out of it. ``sidcap schema`` prints all of it as JSON Schema.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PositiveFloat,
    StringConstraints,
    field_validator,
    model_validator,
)

from sidcap.data_manifest.errors import ManifestError
from sidcap.data_manifest.words import SPLIT_OF_DIGIT, Release, Split, Verdict

SCHEMA_VERSION = 4
"""Version of the files this sidcap writes. Older ones are migrated on load, newer ones refused."""


class Record(BaseModel):
    """Base of every record: frozen, strict about unknown fields, documented by attribute docstrings."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, validate_default=True
    )

    def replace(self, **changes: Any) -> Self:
        """A copy with ``changes``, validated again (pydantic's ``model_copy`` would not)."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate(fields | changes)


def _inside_dataset(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or "\\" in path or "\0" in path or path.startswith("/") or ".." in parts or ":" in parts[0]:
        raise ValueError(f"{path!r} is not a path inside the dataset")
    return str(PurePosixPath(path))


DatasetPath = Annotated[str, AfterValidator(_inside_dataset), Field(examples=["short/00001_00_0.1s.CR2"])]
"""A file of the dataset, relative to its folder."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CameraBody(Record):
    """One camera body, as it reports itself."""

    model: str
    """As in EXIF, for example ``Canon EOS 6D``; empty for a frame whose file is missing."""
    serial: str
    """The body's serial number, an empty string where the camera does not tell."""
    firmware: str = ""
    """Firmware version, as the camera words it."""
    simulated: bool = False
    """True where the frames come from sidcap's simulated camera, told by what its files say of their origin."""

    def is_same_body(self, other: CameraBody) -> bool:
        """Whether both are one body; EXIF and the wire may pad a serial number differently, and firmware changes."""
        return (self.model, self.serial.lstrip("0")) == (other.model, other.serial.lstrip("0"))


class Iso(Record):
    """Sensitivity, kept three times because the three can differ."""

    requested: Annotated[int, Field(gt=0)] | None
    """What the user asked for; 12600 stays 12600 here. None for a frame that sidcap did not shoot."""
    set: Annotated[int, Field(gt=0)]
    """What the camera was set to, read back from it; for an imported frame what its EXIF says, else a list."""
    exif: int | None = None
    """What the raw file says."""


class Exposure(Record):
    """Exposure time, in seconds."""

    requested_s: PositiveFloat | None
    """What the plan asked for: the long exposure divided by the nominal ratio. None for a frame that sidcap did not
    shoot."""
    nominal_s: PositiveFloat
    """What the camera's dial says (1/30 is 0.0333); for an imported frame what its file name says (0.033)."""
    true_s: PositiveFloat
    """What the shutter does: a power of two in third stops (1/30 is 1/32)."""
    exif_s: PositiveFloat | None = None
    """ExposureTime of the raw file."""


class BlackLevel(Record):
    """Black level of one frame."""

    per_plane_dn: tuple[float, ...]
    """DN, in the order of the colour filter array, row by row: 4 values for the 2 x 2 of Bayer, 36 for the 6 x 6 of
    X-Trans."""
    source: Literal["masked pixels", "file"]
    """Measured on the masked pixels of this frame, or as the file claims."""

    @field_validator("per_plane_dn")
    @classmethod
    def _fits_a_filter_array(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if len(levels) not in (4, 36):
            raise ValueError(f"{len(levels)} levels fit neither a Bayer (4) nor an X-Trans (36) filter array")
        return levels


class WhiteLevel(Record):
    """The DN at which the sensor or its converter saturates."""

    dn: PositiveFloat
    """In DN, black included."""
    source: str
    """Where the number comes from: a measured table, or the file."""


class Frame(Record):
    """One raw file and how every photon in it was obtained.

    A dataset that others made may name files that are not there: such a frame is `missing`, and what only its file
    could tell is None until it is imported again with the file in place.
    """

    path: DatasetPath
    """Where the file lies, relative to the dataset's folder."""
    role: Literal["long", "short"]
    """long: the reference exposure; short: a deliberately underexposed one."""
    size_bytes: Annotated[int, Field(gt=0)] | None
    """Size of the file; None where it is missing."""
    sha256: Sha256 | None
    """SHA-256 of the file, hexadecimal; None where it is missing."""
    camera: CameraBody
    """The body that shot it."""
    lens: str = ""
    """The lens, as the file or the camera names it."""
    iso: Iso
    """Sensitivity."""
    exposure: Exposure
    """Exposure time."""
    aperture: float | None = None
    """f-number; None where a lens without contacts does not tell."""
    start_utc: AwareDatetime | None
    """When the shutter was released, by the host's clock; for an imported frame by the camera's, as its EXIF says, and
    None where that is silent."""
    end_utc: AwareDatetime | None
    """When the camera announced the file; None for an imported frame."""
    release: Release | None
    """How the shutter was fired; None for an imported frame."""
    settle_s: Annotated[float, Field(ge=0)] | None
    """Pause between mirror up and exposure; 0 where nothing had to settle, None for an imported frame."""
    black: BlackLevel | None
    """Black level of this frame; None where its file is missing."""
    white: WhiteLevel | None
    """White level of this frame; None where its file is missing."""
    battery: str = ""
    """As the camera words it, for example ``75%``."""
    card: str = ""
    """Where the camera stored it, for example ``/store_00020001/DCIM/100CANON/IMG_0001.CR2``; empty where unknown."""
    clipped: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the photosites that are white; None where nobody looked."""

    @model_validator(mode="after")
    def _is_missing_or_not(self) -> Self:
        of_the_file = (self.size_bytes, self.sha256, self.black, self.white)
        if any(fact is None for fact in of_the_file) and any(fact is not None for fact in of_the_file):
            raise ValueError("size_bytes, sha256, black and white are null together, where the file is missing")
        return self

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return PurePosixPath(self.path).name

    @property
    def missing(self) -> bool:
        """Whether the file was not there, or could not be read, when the frame was imported."""
        return self.sha256 is None

    @property
    def why_missing(self) -> str:
        """What to say of a frame that is missing, in one line."""
        return f"missing: {self.path} was not there, or broken, when it was imported: put it there and import again"

    @property
    def checksum(self) -> str:
        """The SHA-256 of the file. ManifestError where the frame is missing."""
        if self.sha256 is None:
            raise ManifestError(self.why_missing)
        return self.sha256

    @property
    def levels(self) -> tuple[BlackLevel, WhiteLevel]:
        """Black and white level. ManifestError where the frame is missing."""
        if self.black is None or self.white is None:
            raise ManifestError(self.why_missing)
        return self.black, self.white


class Discarded(Record):
    """A frame that counts for nothing any more, and why. Its file lies in ``discarded/``."""

    frame: Frame
    """The frame, with the path it has now."""
    reason: str
    """Why it was shot again, in words a photographer understands."""


class Ratio(Record):
    """Exposure of the long over exposure of the short, kept three times."""

    nominal: PositiveFloat
    """What was asked for, for example 100."""
    true: PositiveFloat
    """From the real shutter times and the ISO set, for example 101.6."""
    measured: PositiveFloat | None = None
    """From the pixels, by registration."""
    measured_sigma: Annotated[float, Field(ge=0)] | None = None
    """One standard deviation of ``measured``."""


class Alignment(Record):
    """What registration measured of a pair, and what follows from it."""

    verdict: Verdict
    """What follows from shift, uncertainty and tolerance."""
    reasons: tuple[str, ...]
    """Why, in words a photographer understands."""
    shift_px: tuple[float, float] | None
    """(dx, dy): where the content of the short lies relative to the long, right and down positive, in sensor pixels.
    None where nothing could be measured."""
    covariance_px2: tuple[tuple[float, float], tuple[float, float]] | None
    """Covariance of ``shift_px``."""
    chi2: float | None
    """Residual variance over the variance that the noise model predicts; 1 is perfect."""
    light: PositiveFloat | None = None
    """Light on the frame over what the true ratio lets expect, from the large structures of the picture. Frames of one
    exposure can be compared by it. None where something moved by a pixel or more."""
    light_sigma: Annotated[float, Field(ge=0)] | None = None
    """One standard deviation of ``light``."""
    tolerance_px: PositiveFloat
    """The largest shift still called aligned, in sensor pixels."""
    noise_source: str
    """Where gain and read noise came from."""
    method: str
    """Name and version of the estimator."""
    measured_utc: AwareDatetime
    """When it was measured."""
    inputs_sha256: Sha256 | None = None
    """SHA-256 of all that the measurement follows from: method, both files, true ratio, calibration. As long as that
    stays the same, the pair need not be registered again. None where a file was missing or not as recorded."""
    registration: dict[str, JsonValue] | None = None
    """All that registration measured, by the names of ``sidcap.curate.Registration``: what the verdict is judged from.
    None where the frames cannot be compared."""

    @property
    def sigma_px(self) -> float | None:
        """One standard deviation of the shift along its worst direction, in sensor pixels."""
        if self.covariance_px2 is None:
            return None
        (xx, xy), (_, yy) = self.covariance_px2
        return math.sqrt((xx + yy) / 2 + math.hypot((xx - yy) / 2, xy))


class Decision(Record):
    """What a person says of a pair; it weighs more than any verdict."""

    choice: Literal["accepted", "rejected", "withdrawn"]
    """accepted: use the pair; rejected: do not; withdrawn: the verdict decides again."""
    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    """Who."""
    decided_utc: AwareDatetime
    """When."""
    why: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    """The person's reason."""


class ListRow(Record):
    """What SID's list of pairs says of a pair, kept so that the list can be written again as it was."""

    row: Annotated[int, Field(ge=1)]
    """Its line in the list; the first is 1."""
    folder: Annotated[str, Field(pattern=r"^[^./\\][^/\\]*$|^$")]
    """The camera's folder, with which the list's paths begin: ``Sony``; empty where they begin with ``short``."""
    iso: Annotated[int, Field(gt=0)]
    """Sensitivity."""
    f_number: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]
    """As the list writes it: ``8``, ``3.5``."""


class Pair(Record):
    """A frame and the long it is compared with."""

    frame: DatasetPath
    """The short; in ``Scene.closing``, the closing long."""
    reference: DatasetPath
    """The first long of the bracket."""
    ratio: Ratio
    """How much more light the reference got."""
    alignment: Alignment | None = None
    """None until ``sidcap verify-alignment`` has looked."""
    listed: ListRow | None = None
    """What SID's list says of the pair; None for a pair that no list named."""
    decisions: tuple[Decision, ...] = ()
    """What people decided, in that order; the last one counts (``sidcap decide``)."""

    @property
    def decision(self) -> Decision | None:
        """The decision that holds; None where there is none, or the last one was withdrawn."""
        last = self.decisions[-1] if self.decisions else None
        return None if last is None or last.choice == "withdrawn" else last

    @property
    def standing(self) -> str:
        """``accepted`` or ``rejected`` where a person decided, else the verdict, or ``not verified``."""
        if self.decision is not None:
            return self.decision.choice
        return "not verified" if self.alignment is None else self.alignment.verdict

    @property
    def standing_in_words(self) -> str:
        """For example ``aligned``, or ``accepted by anna (was undetermined)``."""
        if self.decision is None:
            return self.standing
        verdict = "not verified" if self.alignment is None else self.alignment.verdict
        return f"{self.decision.choice} by {self.decision.by} (was {verdict})"

    @property
    def usable(self) -> bool:
        """Whether the pair can be trained on: a person accepted it, or it is aligned and nobody rejected it."""
        return self.standing in ("accepted", Verdict.ALIGNED)


Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40, pattern=r"^[^,\n]+$")]
"""A word or two by which scenes are found again: ``indoors``, ``shoot again``."""


class Remark(Record):
    """What a person said of a scene as a whole, and when; only what that changed is not None."""

    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    """Who."""
    made_utc: AwareDatetime
    """When."""
    starred: bool | None = None
    """Whether the scene is a favourite from now on."""
    note: str | None = None
    """The scene's note from now on."""
    tags: tuple[Tag, ...] | None = None
    """The scene's tags from now on."""


class Scene(Record):
    """One static composition: its bracket, its pairs, their verdicts. One file; the truth."""

    schema_version: int = SCHEMA_VERSION
    """Version of this file's structure."""
    id: Annotated[int, Field(ge=1, le=29999)]
    """Five digits, the first of which is the split: 0 train, 1 test, 2 val."""
    split: Split
    """What the scene is used for."""
    complete: bool
    """False while a bracket is being shot, and where it was interrupted."""
    frames: tuple[Frame, ...] = ()
    """In the order they were shot: long, shorts, closing long."""
    pairs: tuple[Pair, ...] = ()
    """Each short with the first long."""
    closing: Pair | None = None
    """The closing long with the first long: what moved or changed while the bracket was shot."""
    discarded: tuple[Discarded, ...] = ()
    """What was shot and then shot again: a bracket in which something moved, a frame that did not fit."""
    note: str = ""
    """A person's words about the scene."""
    starred: bool = False
    """Whether the scene is somebody's favourite."""
    tags: tuple[Tag, ...] = ()
    """By which the scene is found again."""
    remarks: tuple[Remark, ...] = ()
    """How `starred`, `note` and `tags` came about in ``sidcap review``: who changed them and when, in that order."""
    findings: tuple[str, ...] = ()
    """What ``sidcap verify-alignment`` noticed about the bracket as a whole: flicker, drift."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if SPLIT_OF_DIGIT.get(self.id // 10000) != self.split or self.id % 10000 == 0:
            raise ValueError(f"scene {self.id:05d} cannot belong to split {self.split}")
        paths = [frame.path for frame in self.all_frames]
        if len(set(paths)) != len(paths):
            raise ValueError("two frames share one path")
        counting = {frame.path for frame in self.frames}
        for pair in self.all_pairs:
            if missing := {pair.frame, pair.reference} - counting:
                raise ValueError(f"a pair names {min(missing)!r}, which is not among the scene's frames")
        return self

    @property
    def all_pairs(self) -> tuple[Pair, ...]:
        """The pairs and, last, the closing one."""
        return self.pairs if self.closing is None else (*self.pairs, self.closing)

    @property
    def all_frames(self) -> tuple[Frame, ...]:
        """The frames and, last, the discarded ones."""
        return (*self.frames, *(discarded.frame for discarded in self.discarded))

    @property
    def name(self) -> str:
        """The scene's number as file names carry it, for example ``00001``."""
        return f"{self.id:05d}"

    def with_pairs(self, change: Callable[[Pair], Pair]) -> Self:
        """The scene with each pair, the closing one too, changed."""
        closing = None if self.closing is None else change(self.closing)
        return self.replace(pairs=tuple(map(change, self.pairs)), closing=closing)

    def frame(self, path: str) -> Frame:
        """The frame with this path; KeyError where there is none."""
        for frame in self.frames:
            if frame.path == path:
                return frame
        raise KeyError(path)


class Dataset(Record):
    """What ``dataset.json`` holds: facts about the dataset as a whole."""

    schema_version: int = SCHEMA_VERSION
    """Version of this file's structure."""
    name: str
    """Name of the dataset; its folder's, unless changed."""
    created_utc: AwareDatetime
    """When it was made."""
    made_with: str
    """Program and version, for example ``sidcap 0.1.0``."""
    cameras: tuple[CameraBody, ...] = ()
    """Every body that shot frames of this dataset."""


class CalibrationFrame(Record):
    """One frame that says what the sensor does, of which a calibration is made."""

    path: DatasetPath
    """Where the file lies, relative to the dataset's folder."""
    size_bytes: Annotated[int, Field(gt=0)]
    """Size of the file."""
    sha256: Sha256
    """SHA-256 of the file, hexadecimal."""
    camera: CameraBody
    """The body that shot it."""
    iso: Iso
    """Sensitivity."""
    exposure: Exposure
    """Exposure time."""
    start_utc: AwareDatetime
    """When the shutter was released, by the host's clock; for a file brought in, what its EXIF says."""
    black: BlackLevel
    """Black level of this frame, from its masked pixels where it has some."""
    mean_dn: tuple[float, float, float, float]
    """Mean of the visible photosites, plane by plane in the order of the 2 x 2 colour filter array, black included."""
    card: str = ""
    """Where the camera stored it; empty where unknown."""


class DarkFrame(CalibrationFrame):
    """One frame shot with the cap on: what the sensor says without light."""


class FlatFrame(CalibrationFrame):
    """One frame of an evenly lit surface: how the sensor answers to light."""

    aperture: float | None = None
    """f-number; None where unknown. Canon bodies multiply raw numbers by a little more than 1 at wide apertures."""


class Measured(Record):
    """A number that was measured, with its uncertainty."""

    value: float
    """In the unit that the field's name ends with."""
    sigma: Annotated[float, Field(ge=0)] | None = None
    """One standard deviation; None where nothing tells it."""


class MapFile(Record):
    """What was found of every photosite: a numpy .npz file without pickles, read by `Store.sensor`."""

    path: DatasetPath
    """Where the file lies, relative to the dataset's folder."""
    size_bytes: Annotated[int, Field(gt=0)]
    """Size of the file."""
    sha256: Sha256
    """SHA-256 of the file, hexadecimal."""
    shape_px: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    """Height and width of the mosaic."""


class SensorRecord(Record):
    """What `sidcap calibrate` found of one body at one ISO. None: the frames do not tell."""

    camera: CameraBody
    """The body."""
    iso: Annotated[int, Field(gt=0)]
    """The ISO that the camera was set to."""
    measured_utc: AwareDatetime
    """When it was computed."""
    method: str
    """Name and version of the method."""
    frames: tuple[Sha256, ...]
    """Checksums of the darks and flats it rests on, ascending."""
    dark_exposures_s: tuple[float, ...] = ()
    """True exposure times of the darks, ascending."""

    gain_e_per_dn: Measured | None = None
    """Conversion gain, electrons per DN."""
    gain_source: str = ""
    """Where the gain comes from; empty where there is none."""
    read_noise_dn: Measured | None = None
    """Temporal standard deviation of a photosite in the dark, DN; what a row has in common is left out."""
    read_noise_e: Measured | None = None
    """The same in electrons."""
    read_noise_source: str = ""
    """Where the read noise comes from; empty where there is none."""
    white_dn: float | None = None
    """DN at which overexposed flats pile up, black included."""

    black_dn: tuple[Measured, Measured, Measured, Measured] | None = None
    """Level of the visible photosites without light at 0 s, hot pixels left out, plane by plane in the order of the
    2 x 2 colour filter array."""
    masked_black_dn: tuple[Measured, Measured, Measured, Measured] | None = None
    """The same of the masked photosites; None for bodies without any."""
    row_noise_dn: float | None = None
    """What each row of one frame has in common, anew in every frame: standard deviation, DN."""
    row_offset_rms_dn: float | None = None
    """What each row has in common in every frame: standard deviation over the rows, DN."""
    column_offset_rms_dn: float | None = None
    """The same for columns."""
    dark_current_dn_per_s: Measured | None = None
    """Median over the photosites."""
    dark_current_e_per_s: Measured | None = None
    """The same in electrons."""
    glow_dn_per_s: Measured | None = None
    """Along the edges, a hundredth of the width deep: the brightest eighth of an edge, above the median."""
    glow_e_per_s: Measured | None = None
    """The same in electrons."""
    hot_pixels: int | None = None
    """Photosites that stand out of their surroundings by six times the read noise in the longest dark exposure."""
    maps: MapFile | None = None
    """Dark shading and hot pixels; None without darks."""

    def is_of(self, camera: CameraBody, iso: int) -> bool:
        """Whether this is about that body at that ISO."""
        return self.camera.is_same_body(camera) and self.iso == iso


class Calibration(Record):
    """What ``calibration/calibration.json`` holds."""

    schema_version: int = SCHEMA_VERSION
    """Version of this file's structure."""
    darks: tuple[DarkFrame, ...] = ()
    """Dark frames of every body, ISO and exposure, in the order they were shot."""
    flats: tuple[FlatFrame, ...] = ()
    """Flats of every body, ISO and exposure, in the order they were shot."""
    sensors: tuple[SensorRecord, ...] = ()
    """What follows from them, one for each body and ISO."""

    @property
    def frames(self) -> tuple[CalibrationFrame, ...]:
        """The darks and, after them, the flats."""
        return (*self.darks, *self.flats)

    @property
    def files(self) -> tuple[CalibrationFrame | MapFile, ...]:
        """Every file that the calibration names: the frames and the maps."""
        return (*self.frames, *(sensor.maps for sensor in self.sensors if sensor.maps is not None))

    def with_frame(self, frame: CalibrationFrame) -> Self:
        """The same, and one more dark or flat."""
        name = "flats" if isinstance(frame, FlatFrame) else "darks"
        return self.replace(**{name: (*getattr(self, name), frame)})

    def with_sensor(self, sensor: SensorRecord) -> Self:
        """The same with this record in place of what there was of its body and ISO."""
        others = [one for one in self.sensors if not one.is_of(sensor.camera, sensor.iso)]
        return self.replace(sensors=(*others, sensor))

    def sensor(self, camera: CameraBody, iso: int) -> SensorRecord | None:
        """What was found of a body at an ISO; None where nothing was."""
        return next((one for one in self.sensors if one.is_of(camera, iso)), None)
