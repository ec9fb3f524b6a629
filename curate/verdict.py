"""From what registration measured to aligned, misaligned or undetermined, with reasons a photographer understands."""

from __future__ import annotations

import math

from sidcap.curate.planes import SEARCH_PX
from sidcap.curate.registration import Problem, Registration
from sidcap.data_manifest.words import Verdict

TOLERANCE_PX = 0.5
"""The largest shift called aligned where nobody says otherwise: a quarter of a pixel of a colour plane."""

SYSTEMATIC_PX = 0.01
"""Standard deviation of what the covariance does not know: interpolation and aliasing of the colour planes bias the
shift by up to 0.01 px per axis, 0.02 px under the sharpest of lenses (measured by bench/alignment.py)."""

_SIGMAS = 3.0
_CHI2_LIMIT = 1.5
_EXPLAINED_LIMIT = 0.7
_RATIO_DOUBT = 0.05
_RATIO_LIMIT = 0.25
_DARK_E = 5.0


def judge(
    registration: Registration,
    *,
    true_ratio: float,
    tolerance_px: float = TOLERANCE_PX,
    frame: str = "the short",
) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict and reasons; ``frame`` is what they call the frame that was registered.

    The shift is known to three standard deviations along its worst direction, `SYSTEMATIC_PX` included. Aligned: all of
    that lies within ``tolerance_px``. Misaligned: all of it lies beyond. Undetermined: neither, or nothing was
    measured, or the frames differ by more than a shift: the residuals exceed 1.5 times the noise, less than 70 % of
    the frame's structure is in the long; or the measured ratio is off by more than 25 % (a third of a stop: the light
    changed).

    ``true_ratio`` is what the shutter times give. A measured ratio that is off by more than 5 % (shutters are no
    better) and five standard deviations is named in the reasons.
    """
    if registration.shift_px is None or registration.sigma_px is None:
        return Verdict.UNDETERMINED, (_why_nothing(registration, frame),)
    reasons = []
    brighter = true_ratio / (registration.ratio or true_ratio) - 1
    doubt = 5 * (registration.ratio_sigma or 0) / true_ratio
    if abs(brighter) > _RATIO_DOUBT + doubt:
        reasons.append(
            f"{frame} is {abs(brighter):.0%} {'brighter' if brighter > 0 else 'darker'} than its shutter time says "
            f"(ratio {registration.ratio:.4g} measured, {true_ratio:.4g} expected): the light changed"
        )
    shift_px, sigma_px = registration.shift_px, registration.sigma_px
    verdict, reason = _by_shift(shift_px, sigma_px, tolerance_px, registration.signal_e, frame)
    if _differs(registration):
        reason = f"only {registration.explained:.0%} of what {frame} shows is in the long: the scene changed"
        return Verdict.UNDETERMINED, (reason, *reasons)
    if abs(brighter) > _RATIO_LIMIT + doubt:
        verdict = Verdict.UNDETERMINED
    return verdict, (reason, *reasons)


def _by_shift(
    shift_px: tuple[float, float], sigma_px: float, tolerance_px: float, signal_e: float, frame: str
) -> tuple[Verdict, str]:
    shift, sigma = math.hypot(*shift_px), math.hypot(sigma_px, SYSTEMATIC_PX)
    where = f"{frame} lies {_place(shift_px)} (uncertainty {sigma:.2g} px)"
    if shift + _SIGMAS * sigma < tolerance_px:
        return Verdict.ALIGNED, where
    if shift - _SIGMAS * sigma > tolerance_px:
        return Verdict.MISALIGNED, f"{where}: something moved between the frames"
    if _SIGMAS * sigma > tolerance_px:
        return Verdict.UNDETERMINED, _too_dark(signal_e, sigma)
    return Verdict.UNDETERMINED, f"{where}: too close to the tolerance of {tolerance_px:g} px to call"


def _differs(registration: Registration) -> bool:
    chi2, explained = registration.chi2, registration.explained
    return chi2 is not None and explained is not None and chi2 > _CHI2_LIMIT and explained < _EXPLAINED_LIMIT


def _why_nothing(registration: Registration, frame: str) -> str:
    match registration.problem:
        case Problem.CLIPPED:
            return f"only {registration.usable:.1%} of the frame is neither clipped nor broken: nothing to compare"
        case Problem.FLAT:
            return "the long shows an even surface: nothing on it could be seen to move"
        case Problem.DARK:
            return _too_dark(registration.signal_e, registration.sigma_px)
        case Problem.STRANGE:
            return (
                f"{frame} does not show what the long shows, nor within {SEARCH_PX} px around it: "
                "another scene, other light, or the camera moved far"
            )
        case _:
            return f"no single shift brings {frame} onto the long: several things moved, or the camera turned"


def _too_dark(signal_e: float, sigma_px: float | None) -> str:
    shift = "unknown" if sigma_px is None or sigma_px > SEARCH_PX else f"uncertain by {sigma_px:.2g} px"
    lacking = "dark" if signal_e < _DARK_E else "even a surface"
    return f"too {lacking} to tell: {signal_e:.2g} electrons a pixel leave the shift {shift}"


def _place(shift_px: tuple[float, float]) -> str:
    """For example ``3.10 px to the right of the long``; an axis is left out where it is a twentieth of the other."""
    dx, dy = shift_px
    across = f"{abs(dx):.2f} px to the {'right' if dx > 0 else 'left'} of"
    along = f"{abs(dy):.2f} px {'below' if dy > 0 else 'above'}"
    if abs(dy) < abs(dx) / 20:
        return f"{across} the long"
    if abs(dx) < abs(dy) / 20:
        return f"{along} the long"
    return f"{across} the long and {along} it"
