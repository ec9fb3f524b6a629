"""Where the content of a short exposure lies relative to a long one, how bright it is, and how well both are known.

>>> found = register(long, short, ratio=101.6, noise=noise)
>>> found.shift_px, found.sigma_px, found.ratio

A correlation of binned planes (`sidcap.curate.planes`) finds the shift to a pixel or so; a weighted fit of shift,
rotation, growth, gain and blur on the raw planes (`sidcap.curate.fit`) does the rest and says how far it is to be
believed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sidcap.curate.compiled import means_of
from sidcap.curate.equations import GAIN, GROWTH, ROTATION, Equations, levers_at
from sidcap.curate.fit import Fit, better_of, fit_pair
from sidcap.curate.instruments import Texture
from sidcap.curate.moments import Template, texture_of
from sidcap.curate.planes import BayerPlanes, Mosaic, bayer_planes, coarse_shifts, dark_pattern
from sidcap.curate.reading import Matrix
from sidcap.data_manifest.errors import RegistrationError
from sidcap.data_manifest.noise import NoiseModel
from sidcap.data_manifest.raw import RawFrame

METHOD = "instrumental Gauss-Newton on raw planes, 6"
"""Name and version of the estimator, for records."""

SIGNIFICANT = 8.0
"""With fewer standard deviations of common structure than this, nothing is said about the shift."""

CERTAIN_PX = 0.35
"""With a larger standard deviation than this, nothing is said about the shift: the fit may have settled pixels away,
on a chance resemblance."""

_MIN_SIDE_PX = 128
_MIN_USABLE = 0.02
_LEAST_BRIGHTNESS = 0.5
"""With less than this of the light that was expected, structure in common is called chance: half of unrelated scenes
share a tenth of it."""
_SAME_PLACE_PX = 2.0
_FIELD = (8, 6)
_CELL_CERTAIN_PX = 0.5


class Problem(StrEnum):
    """Why a shift could not be measured."""

    CLIPPED = "clipped"
    """Hardly a pixel is neither clipped nor invalid."""
    FLAT = "flat"
    """The long has no structure that could move."""
    DARK = "dark"
    """The short is too dark to show the long's structure."""
    STRANGE = "strange"
    """The short is bright enough, but does not show the long's structure within the search."""
    REPEATING = "repeating"
    """The long's structure fits the short as well at another place: a fence, a row of windows."""
    UNSETTLED = "unsettled"
    """The fit did not converge."""


class Guard(StrEnum):
    """What kept fixed pattern, which is the same in both frames, from deciding the shift."""

    PHOTOSITES = "different photosites"
    """No photosite of the short was compared with the same photosite of the long."""
    DARKS = "dark frames and different photosites"
    """Besides, dark frames were subtracted."""


@dataclass(frozen=True)
class Cell:
    """A part of the frame, and how the content of the short lies there."""

    centre_px: tuple[float, float]
    """(x, y), from the frame's upper left corner, sensor pixels."""
    shift_px: tuple[float, float]
    """(dx, dy) as in `Registration`."""
    sigma_px: float
    """One standard deviation along the worst direction."""
    moving: float
    """Share (0 to 1) of the cell that moved or changed on its own."""


@dataclass(frozen=True)
class Registration:
    """What the pixels of a pair say. None stands for what could not be measured; ``problem`` says why."""

    shift_px: tuple[float, float] | None
    """(dx, dy): where the content of the short lies relative to the long at the frame's centre, right and down
    positive, sensor pixels."""
    covariance_px2: Matrix | None
    """(2, 2) covariance of the shift. Where the shift is None and this is not: what the light would have allowed."""
    rotation_deg: float = 0.0
    """By how much the content is turned, clockwise, degrees; 0 where it is not beyond doubt (5 standard deviations)."""
    rotation_sigma_deg: float | None = None
    """One standard deviation of ``rotation_deg``; None where it is 0."""
    growth: float = 0.0
    """By how much the content is larger, relative; 0 where it is not beyond doubt."""
    growth_sigma: float | None = None
    """One standard deviation of ``growth``; None where it is 0."""
    corner_shift_px: float | None = None
    corner_sigma_px: float | None = None
    """How far the corner lies off that lies off farthest, were the frame free to turn and grow, and how well that is
    known."""
    ratio: float | None = None
    """Exposure of the long over that of the short."""
    ratio_sigma: float | None = None
    """One standard deviation of ``ratio``."""
    offset_dn: float | None = None
    """What the short has beyond ``long / ratio``, mean of the planes: an error of black level, or stray light."""
    blur_px2: float | None = None
    """Variance per axis, px^2, that the point spread of the short has beyond that of the long: below 0, the long is the
    softer one. Linearised, and too small beyond 1 px^2."""
    blur_sigma_px2: float | None = None
    """One standard deviation of ``blur_px2``."""
    chi2: float | None = None
    """Residual variance over the variance that the noise model predicts; 1 is perfect."""
    explained: float | None = None
    """Share (0 to 1) of the short's local structure, noise set aside, that the long explains."""
    significance: float = 0.0
    """How many standard deviations of structure the two frames have in common."""
    moving: float = 0.0
    """Share (0 to 1) of the frame that moved or changed on its own."""
    moving_px: tuple[float, float] | None = None
    """(x, y) of the middle of that, from the frame's upper left corner; None where nothing did."""
    disagreement_px: float | None = None
    disagreement_sigma: float | None = None
    """How far the shift of one half of the frame lies from that of the other, at worst of three ways to halve it."""
    uneven_px: float | None = None
    uneven_sigma: float | None = None
    """How far the parts of the frame lie off the whole beyond their noise, rms per axis, and how sure that is."""
    field: tuple[Cell, ...] = ()
    """The shift over the frame, where it can be told."""
    guard: Guard | None = None
    """What kept fixed pattern from deciding."""
    signal_e: float = 0.0
    """Light in the short, electrons a pixel: that of the long over the ratio, which tells it however dark it is."""
    usable: float = 0.0
    """Share (0 to 1) of the frame that is neither clipped nor invalid in either frame."""
    size_px: tuple[int, int] | None = None
    """Width and height of the frames, sensor pixels."""
    problem: Problem | None = None
    """Why there is no shift; None where there is one."""

    @property
    def sigma_px(self) -> float | None:
        """One standard deviation of the shift along its worst direction, sensor pixels."""
        if self.covariance_px2 is None:
            return None
        return _worst(self.covariance_px2)


def register(
    long: RawFrame | Mosaic,
    short: RawFrame | Mosaic,
    *,
    ratio: float,
    noise: NoiseModel,
    dark: Mosaic | tuple[Mosaic, Mosaic] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Registration:
    """Register ``short`` against ``long``.

    Both are `RawFrame`s, or float32 Bayer mosaics (H, W) in DN with black subtracted; nobody knows the white level of a
    mosaic, so its clipped pixels must be NaN. ``ratio`` is the exposure of the long over that of the short as expected,
    ``noise`` holds for both. The long may be as noisy as the short (``ratio=1``).

    ``dark`` (H, W) is what a dark frame has above black, DN: one for both, or one for the long and one for the short.
    ``mask`` (H, W) is True where a photosite is not to be believed, such as a hot one.

    Raises RegistrationError where the frames are no Bayer mosaics of one size and one colour filter array, or dark and
    mask are not of that size, or dark is not finite. Frames in which there is nothing to measure (dark, constant,
    clipped, NaN) are no error: the result says so.
    """
    of_long, of_short = dark if isinstance(dark, tuple) else (dark, dark)
    return Reference(long, noise, dark=of_long, mask=mask).register(short, ratio=ratio, dark=of_short)


class Reference:
    """A long frame, prepared once and compared with several frames: `register` in two steps."""

    def __init__(
        self,
        long: RawFrame | Mosaic,
        noise: NoiseModel,
        *,
        dark: Mosaic | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> None:
        _must_be_bayer(long)
        _must_fit(long, dark, mask)
        self._long = long
        self._noise = noise
        self._dark = dark
        self._mask = mask
        self._pattern = None if dark is None else dark_pattern(dark)
        self._planes = bayer_planes(long, noise, self._pattern, mask)
        self._textures: dict[float, Texture] = {}

    @cached_property
    def _template(self) -> Template:
        return Template.of(self._planes)

    @cached_property
    def _light_e(self) -> float:
        """Electrons a pixel, mean of every fourth row of the planes."""
        return max(float(self._planes.dn[:, ::4].mean()), 0) * self._noise.gain_e_per_dn

    def register(self, short: RawFrame | Mosaic, *, ratio: float, dark: Mosaic | None = None) -> Registration:
        """Register ``short``, with a dark frame of its own, against this frame; everything as in `register`."""
        if not (math.isfinite(ratio) and ratio > 0):
            raise RegistrationError(f"an exposure ratio of {ratio} is impossible: give long over short, such as 100")
        _must_match(self._long, short)
        _must_fit(short, dark, None)
        pattern = self._pattern if dark is self._dark else None if dark is None else dark_pattern(dark)
        planes = bayer_planes(short, self._noise, pattern, self._mask)
        height, width = planes.usable.shape
        nothing = Registration(
            shift_px=None,
            covariance_px2=None,
            signal_e=self._light_e / ratio,
            usable=np.count_nonzero(self._planes.usable & planes.usable) / planes.usable.size,
            guard=Guard.PHOTOSITES if dark is None and self._dark is None else Guard.DARKS,
            size_px=(2 * width, 2 * height),
        )
        if nothing.usable < _MIN_USABLE:
            return replace(nothing, problem=Problem.CLIPPED)
        start, *rivals = coarse_shifts(self._planes, planes, 1 / ratio, self._noise)
        try:
            fit = self._fitted(planes, start, ratio)
        except np.linalg.LinAlgError:
            return replace(nothing, problem=Problem.FLAT)
        found = _described(fit, nothing, ratio)
        if found.ratio is not None and rivals:
            found = self._unrivalled(found, fit, planes, rivals, nothing, ratio)
        if found.ratio is None:
            return found
        return replace(found, offset_dn=_offset(self._planes, planes, 1 / found.ratio))

    def _fitted(self, planes: BayerPlanes, start_px: tuple[float, float], ratio: float) -> Fit:
        return fit_pair(self._template, self._texture(ratio), planes, self._noise, start_px, 1 / ratio)

    def _texture(self, ratio: float) -> Texture:
        if ratio not in self._textures:
            self._textures[ratio] = texture_of(self._template, self._noise, 1 / ratio)
        return self._textures[ratio]

    def _unrivalled(
        self,
        found: Registration,
        fit: Fit,
        planes: BayerPlanes,
        rivals_px: Sequence[tuple[float, float]],
        nothing: Registration,
        ratio: float,
    ) -> Registration:
        """What was found, or at a rival place where the short fits better; REPEATING where that cannot be told."""
        for rival_px in rivals_px:
            try:
                other = self._fitted(planes, rival_px, ratio)
            except np.linalg.LinAlgError:
                continue
            if math.dist(other.motion.shift_px, fit.motion.shift_px) < _SAME_PLACE_PX:
                continue
            described = _described(other, nothing, ratio)
            if described.ratio is None:
                continue
            better = better_of(self._template, self._texture(ratio), planes, self._noise, fit, other)
            if better is None:
                return replace(nothing, chi2=found.chi2, explained=found.explained, problem=Problem.REPEATING)
            if better is other:
                found, fit = described, other
        return found


def _described(fit: Fit, nothing: Registration, ratio: float) -> Registration:
    """The fit in the words of `Registration`."""
    covariance = fit.covariance[:2, :2]
    gain_sigma = max(math.sqrt(fit.covariance[GAIN, GAIN]), 1e-12 / ratio)
    measured = replace(
        nothing,
        chi2=fit.chi2,
        explained=fit.structure / (fit.structure + max(fit.chi2 - 1, 1e-9)),
        significance=fit.gain / gain_sigma,
    )
    # The covariance goes with 1 / gain^2. What gain is found in the dark is noise, so the expected one has to tell.
    expected = covariance * (fit.gain * ratio) ** 2
    if 1 / ratio < SIGNIFICANT * gain_sigma or _worst(expected) > CERTAIN_PX:
        return replace(measured, covariance_px2=expected, problem=Problem.DARK)
    if (
        measured.significance < SIGNIFICANT
        or _worst(covariance) > CERTAIN_PX
        or _is_chance(fit.gain * ratio, gain_sigma * ratio)
    ):
        return replace(measured, problem=Problem.STRANGE)
    if fit.torn or not fit.converged:
        return replace(measured, problem=Problem.UNSETTLED)
    measured = replace(
        measured,
        shift_px=fit.motion.shift_px,
        covariance_px2=covariance,
        ratio=1 / fit.gain,
        ratio_sigma=gain_sigma / fit.gain**2,
        blur_px2=fit.blur_px2,
        blur_sigma_px2=fit.blur_sigma_px2,
    )
    return _over_the_frame(fit, _with_turn(fit, measured))


def _is_chance(brightness: float, sigma: float) -> bool:
    """Whether so little of the expected light is found that it is a chance resemblance to another scene."""
    return brightness + 3 * sigma < _LEAST_BRIGHTNESS


def _with_turn(fit: Fit, measured: Registration) -> Registration:
    """With rotation and growth, where the fit has them."""
    if not (fit.motion.rotation or fit.motion.growth):
        return measured
    sigmas = np.sqrt(np.diag(fit.covariance))
    return replace(
        measured,
        rotation_deg=math.degrees(fit.motion.rotation),
        rotation_sigma_deg=math.degrees(sigmas[ROTATION]),
        growth=fit.motion.growth,
        growth_sigma=float(sigmas[GROWTH]),
    )


def _over_the_frame(fit: Fit, measured: Registration) -> Registration:
    """What the tiles say: where something moved, whether halves agree, and the shift field."""
    assert measured.size_px is not None  # noqa: S101
    middle = np.array(measured.size_px) / 2
    places = fit.equations.places_px
    corner_px, corner_sigma_px = _worst_corner(fit, middle)
    sound = fit.equations.of_tiles(~fit.stray)
    apart, uneven = _disagreement(sound, fit.step), sound.unevenness(fit.step)
    return replace(
        measured,
        corner_shift_px=corner_px,
        corner_sigma_px=corner_sigma_px,
        moving=float(fit.stray.mean()),
        moving_px=_pair(places[fit.stray].mean(0) + middle) if fit.stray.any() else None,
        disagreement_px=apart[0],
        disagreement_sigma=apart[1],
        uneven_px=uneven[0],
        uneven_sigma=uneven[1],
        field=tuple(_cells(fit, middle)),
    )


def _worst_corner(fit: Fit, middle: Matrix) -> tuple[float, float]:
    """How far the corner lies off that lies off farthest, and its standard deviation along the worst direction."""
    corners = np.array([middle * (x, y) for x in (-1, 1) for y in (-1, 1)])
    levers = levers_at(corners)[:, :2]
    shifts = np.array([fit.motion.at(corner) for corner in corners]) + levers @ (fit.freely - fit.step)
    covariances = levers @ fit.of_freely @ levers.transpose(0, 2, 1)
    return max(zip(np.hypot(*shifts.T).tolist(), map(_worst, covariances), strict=True))


def _disagreement(sound: Equations, step: Matrix) -> tuple[float, float]:
    """The worst of left against right, top against bottom, and one diagonal against the other.

    Rotation and growth are taken into account. (0, 0) where there are too few tiles.
    """
    x, y = sound.places_px.T
    halves = [half for half in (x > 0, y > 0, x * y > 0) if 2 <= half.sum() <= half.size - 2]
    return max((sound.disagreement(half, step) for half in halves), key=lambda apart: apart[1], default=(0.0, 0.0))


def _cells(fit: Fit, middle: Matrix) -> Iterator[Cell]:
    """The frame in `_FIELD` cells, those of which the shift can be told."""
    equations = fit.equations
    across, down = (
        np.minimum((place / (2 * half) + 0.5) * count, count - 1).astype(int)
        for place, half, count in zip(equations.places_px.T, middle, _FIELD, strict=True)
    )
    for row in range(_FIELD[1]):
        for column in range(_FIELD[0]):
            here = (across == column) & (down == row)
            if not here.any():
                continue
            cell = equations.of_tiles(here).together()
            deviation, covariance = cell.deviations(fit.step)
            sigma_px = _worst(covariance[0, :2, :2])
            if not 0 < sigma_px < _CELL_CERTAIN_PX:
                continue
            place = cell.places_px[0]
            yield Cell(
                centre_px=_pair(place + middle),
                shift_px=_pair(np.array(fit.motion.at(place)) + deviation[0, :2]),
                sigma_px=sigma_px,
                moving=float(fit.stray[here].mean()),
            )


def _offset(long: BayerPlanes, short: BayerPlanes, gain: float) -> float:
    """Told from every fourth row of the planes: that is a million photosites of a full frame."""
    both = long.usable[::4] & short.usable[::4]
    dim, bright = (means_of(frame.dn[:, ::4], both).mean() for frame in (short, long))
    return float(dim - gain * bright)


def _pair(values: Matrix) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _worst(covariance: Matrix) -> float:
    """Standard deviation along the direction in which it is largest."""
    return math.sqrt(float(np.linalg.eigvalsh(covariance)[-1]))


def _must_be_bayer(frame: RawFrame | Mosaic) -> None:
    mosaic = frame.mosaic if isinstance(frame, RawFrame) else frame
    if mosaic.ndim != 2 or (isinstance(frame, RawFrame) and not frame.is_bayer):
        raise RegistrationError("only Bayer mosaics can be registered: give raw frames of a camera that has one")
    if min(mosaic.shape) < _MIN_SIDE_PX:
        raise RegistrationError(f"frames of less than {_MIN_SIDE_PX} pixels a side are too small: give whole frames")


def _must_fit(frame: RawFrame | Mosaic, dark: Mosaic | None, mask: NDArray[np.bool_] | None) -> None:
    shape = (frame.mosaic if isinstance(frame, RawFrame) else frame).shape
    for name, given in (("dark frame", dark), ("mask", mask)):
        if given is not None and given.shape != shape:
            sizes = " and ".join(" x ".join(str(side) for side in reversed(of)) for of in (given.shape, shape))
            raise RegistrationError(f"{name} and frames have {sizes} pixels: calibrate the body that shot them")
    if mask is not None and mask.dtype != np.bool_:
        raise RegistrationError("the mask must be of True and False: calibrate again")
    if dark is not None and not (np.isfinite(dark.min()) and np.isfinite(dark.max())):
        raise RegistrationError("the dark frame holds values that are no numbers: calibrate again")


def _must_match(long: RawFrame | Mosaic, short: RawFrame | Mosaic) -> None:
    _must_be_bayer(short)
    sizes = [(frame.mosaic if isinstance(frame, RawFrame) else frame).shape for frame in (long, short)]
    if sizes[0] != sizes[1]:
        text = " and ".join(f"{width} x {height}" for height, width in sizes)
        raise RegistrationError(f"the frames have {text} pixels: they are not of one bracket")
    if isinstance(long, RawFrame) and isinstance(short, RawFrame) and not np.array_equal(long.cfa, short.cfa):
        raise RegistrationError("the frames have different colour filter arrays: they are not of one camera")
