"""Where the content of a short exposure lies relative to a long one, how bright it is, and how well both are known.

>>> found = register(long, short, ratio=101.6, noise=noise)
>>> found.shift_px, found.sigma_px, found.ratio

A correlation of binned planes (`sidcap.curate.planes`) finds the shift to a pixel or so; a weighted fit of shift, gain
and offsets on the raw planes (`sidcap.curate.fit`) does the rest and says how far it is to be believed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from sidcap.curate.fit import Fit, fit_pair
from sidcap.curate.moments import Template
from sidcap.curate.planes import Mosaic, bayer_planes, coarse_shift
from sidcap.curate.reading import Matrix
from sidcap.data_manifest.errors import RegistrationError
from sidcap.data_manifest.noise import NoiseModel
from sidcap.data_manifest.raw import RawFrame

METHOD = "instrumental Gauss-Newton on raw planes, 1"
"""Name and version of the estimator, for records."""

SIGNIFICANT = 6.0
"""With fewer standard deviations of common structure than this, nothing is said about the shift."""

CERTAIN_PX = 0.35
"""With a larger standard deviation than this, nothing is said about the shift: the fit may have settled pixels away,
on a chance resemblance."""

_MIN_SIDE_PX = 128
_MIN_USABLE = 0.02


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
    UNSETTLED = "unsettled"
    """The fit did not converge."""


@dataclass(frozen=True)
class Registration:
    """What the pixels of a pair say. None stands for what could not be measured; ``problem`` says why."""

    shift_px: tuple[float, float] | None
    """(dx, dy): where the content of the short lies relative to the long, right and down positive, sensor pixels."""
    covariance_px2: Matrix | None
    """(2, 2) covariance of the shift. Where the shift is None and this is not: what the light would have allowed."""
    ratio: float | None = None
    """Exposure of the long over that of the short."""
    ratio_sigma: float | None = None
    """One standard deviation of ``ratio``."""
    offset_dn: float | None = None
    """What the short has beyond ``long / ratio``, mean of the planes: an error of black level, or stray light."""
    chi2: float | None = None
    """Residual variance over the variance that the noise model predicts; 1 is perfect."""
    explained: float | None = None
    """Share (0 to 1) of the short's local structure, noise set aside, that the long explains."""
    significance: float = 0.0
    """How many standard deviations of structure the two frames have in common."""
    signal_e: float = 0.0
    """Light in the short, electrons a pixel: that of the long over the ratio, which tells it however dark it is."""
    usable: float = 0.0
    """Share (0 to 1) of the frame that is neither clipped nor invalid in either frame."""
    problem: Problem | None = None
    """Why there is no shift; None where there is one."""

    @property
    def sigma_px(self) -> float | None:
        """One standard deviation of the shift along its worst direction, sensor pixels."""
        if self.covariance_px2 is None:
            return None
        return _worst(self.covariance_px2)


def register(long: RawFrame | Mosaic, short: RawFrame | Mosaic, *, ratio: float, noise: NoiseModel) -> Registration:
    """Register ``short`` against ``long``.

    Both are `RawFrame`s, or float32 Bayer mosaics (H, W) in DN with black subtracted; nobody knows the white level of a
    mosaic, so its clipped pixels must be NaN. ``ratio`` is the exposure of the long over that of the short as expected,
    ``noise`` holds for both. The long may be as noisy as the short (``ratio=1``).

    Raises RegistrationError where the frames are no Bayer mosaics of one size and one colour filter array. Frames in
    which there is nothing to measure (dark, constant, clipped, NaN) are no error: the result says so.
    """
    return Reference(long, noise).register(short, ratio=ratio)


class Reference:
    """A long frame, prepared once and compared with several frames: `register` in two steps."""

    def __init__(self, long: RawFrame | Mosaic, noise: NoiseModel) -> None:
        self._long = long
        self._noise = noise
        _must_be_bayer(long)
        self._planes = bayer_planes(long, noise)
        self._template = Template.of(self._planes)

    def register(self, short: RawFrame | Mosaic, *, ratio: float) -> Registration:
        """Register ``short`` against this frame; everything as in the function `register`."""
        if not (math.isfinite(ratio) and ratio > 0):
            raise RegistrationError(f"an exposure ratio of {ratio} is impossible: give long over short, such as 100")
        _must_match(self._long, short)
        planes = bayer_planes(short, self._noise)
        nothing = Registration(
            shift_px=None,
            covariance_px2=None,
            signal_e=max(float(self._planes.dn.mean()), 0) * self._noise.gain_e_per_dn / ratio,
            usable=float((self._planes.usable & planes.usable).mean()),
        )
        if nothing.usable < _MIN_USABLE:
            return replace(nothing, problem=Problem.CLIPPED)
        start = coarse_shift(self._planes, planes, 1 / ratio, self._noise)
        try:
            fit = fit_pair(self._template, planes, self._noise, start, 1 / ratio)
        except np.linalg.LinAlgError:
            fit = None
        if fit is None or not np.isfinite(fit.covariance).all():
            return replace(nothing, problem=Problem.FLAT)
        return _described(fit, nothing, ratio)


def _described(fit: Fit, nothing: Registration, ratio: float) -> Registration:
    """The fit in the words of `Registration`."""
    covariance = fit.covariance[:2, :2]
    gain_sigma = max(math.sqrt(fit.covariance[2, 2]), 1e-12 / ratio)
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
    if measured.significance < SIGNIFICANT or _worst(covariance) > CERTAIN_PX:
        return replace(measured, problem=Problem.STRANGE)
    if not fit.converged:
        return replace(measured, problem=Problem.UNSETTLED)
    return replace(
        measured,
        shift_px=(float(fit.motion.shift_px[0]), float(fit.motion.shift_px[1])),
        covariance_px2=covariance,
        ratio=1 / fit.gain,
        ratio_sigma=gain_sigma / fit.gain**2,
        offset_dn=0.0,
    )


def _worst(covariance: Matrix) -> float:
    """Standard deviation along the direction in which it is largest."""
    return math.sqrt(float(np.linalg.eigvalsh(covariance)[-1]))


def _must_be_bayer(frame: RawFrame | Mosaic) -> None:
    mosaic = frame.mosaic if isinstance(frame, RawFrame) else frame
    if mosaic.ndim != 2 or (isinstance(frame, RawFrame) and not frame.is_bayer):
        raise RegistrationError("only Bayer mosaics can be registered: give raw frames of a camera that has one")
    if min(mosaic.shape) < _MIN_SIDE_PX:
        raise RegistrationError(f"frames of less than {_MIN_SIDE_PX} pixels a side are too small: give whole frames")


def _must_match(long: RawFrame | Mosaic, short: RawFrame | Mosaic) -> None:
    _must_be_bayer(short)
    sizes = [(frame.mosaic if isinstance(frame, RawFrame) else frame).shape for frame in (long, short)]
    if sizes[0] != sizes[1]:
        text = " and ".join(f"{width} x {height}" for height, width in sizes)
        raise RegistrationError(f"the frames have {text} pixels: they are not of one bracket")
    if isinstance(long, RawFrame) and isinstance(short, RawFrame) and not np.array_equal(long.cfa, short.cfa):
        raise RegistrationError("the frames have different colour filter arrays: they are not of one camera")
