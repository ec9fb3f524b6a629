"""From what registration measured to aligned, misaligned or undetermined, with reasons a photographer understands."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sidcap.curate.planes import SEARCH_PX
from sidcap.curate.registration import Problem, Registration
from sidcap.data_manifest.words import Verdict

TOLERANCE_PX = 0.5
"""The largest shift called aligned where nobody says otherwise: a quarter of a pixel of a colour plane."""

SYSTEMATIC_PX = 0.005
"""Standard deviation of what the covariance does not know of interpolation and aliasing (measured by
bench/alignment.py)."""

_SIGMAS = 3.0
_CHI2_LIMIT = 1.5
_EXPLAINED_LIMIT = 0.7
_RATIO_DOUBT = 0.05
_RATIO_LIMIT = 0.25
_DARK_E = 5.0
_MOVING = 0.01
_SURE = 5.0
_APART_PX = 0.25
_UNEVEN_PX = 0.15
_CORNERS = 2.0
"""Corners may lie off by so many tolerances where turning is not beyond doubt."""
_SOFT_PX2 = 0.15
_BLURRED_PX2 = 0.5


def judge(
    registration: Registration,
    *,
    true_ratio: float,
    tolerance_px: float = TOLERANCE_PX,
    frame: str = "the short",
) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict and reasons; ``frame`` is what they call the frame that was registered.

    The shift is known to three standard deviations along its worst direction, `SYSTEMATIC_PX` included. Aligned: all of
    that lies within ``tolerance_px``; where the frame is turned or grown, at its corners, too. Misaligned: all of it
    lies beyond, or more than 1 % of the frame moved or changed on its own.

    Undetermined: neither, or nothing was measured, or the frames differ by more than a shift: the residuals exceed 1.5
    times the noise and less than 70 % of the frame's structure is in the long; one half of the frame lies more than
    0.25 px off the other, or its parts 0.15 px rms off the whole; the corners may lie off by twice the tolerance, since
    nobody can tell whether the camera turned; one frame is softer than the other by more than 0.5 px^2; or the measured
    ratio is off by more than 25 % (a third of a stop: the light changed).

    ``true_ratio`` is what the shutter times give. A measured ratio that is off by more than 5 % (shutters are no
    better) and five standard deviations is named in the reasons; so is a blur of more than 0.15 px^2.
    """
    if registration.shift_px is None or registration.sigma_px is None:
        return Verdict.UNDETERMINED, (_why_nothing(registration, frame),)
    findings = [_shift(registration, tolerance_px, frame), *_findings(registration, true_ratio, frame)]
    found = {verdict for verdict, _ in findings}
    verdict = next(
        verdict for verdict in (Verdict.MISALIGNED, Verdict.UNDETERMINED, Verdict.ALIGNED) if verdict in found
    )
    if _differs(registration):
        changed = f"only {registration.explained:.0%} of what {frame} shows is in the long: the scene changed"
        return Verdict.UNDETERMINED, (changed, *(reason for _, reason in findings[1:]))
    findings.sort(key=lambda finding: finding[0] is not verdict)
    return verdict, tuple(reason for _, reason in findings)


def _shift(found: Registration, tolerance_px: float, frame: str) -> tuple[Verdict, str]:
    """What the shift says, that of the corners where the frame is turned or grown."""
    assert found.shift_px is not None  # noqa: S101
    assert found.sigma_px is not None  # noqa: S101
    shift, sigma = math.hypot(*found.shift_px), math.hypot(found.sigma_px, SYSTEMATIC_PX)
    where = f"{frame} lies {_place(found.shift_px)} (uncertainty {sigma:.2g} px)"
    corner, corner_sigma = found.corner_shift_px or shift, math.hypot(found.corner_sigma_px or sigma, SYSTEMATIC_PX)
    if turned := _turned(found):
        if corner - _SIGMAS * corner_sigma > tolerance_px:
            return Verdict.MISALIGNED, f"{turned}: its corners lie up to {corner:.2f} px off"
        shift, sigma = corner, corner_sigma
        where = f"{where}; {turned}"
    if shift + _SIGMAS * sigma < tolerance_px:
        if corner + _SIGMAS * corner_sigma > _CORNERS * tolerance_px:
            return (
                Verdict.UNDETERMINED,
                f"{where}, but whether the camera turned cannot be told: corners ± {corner_sigma:.2g} px",
            )
        return Verdict.ALIGNED, where
    if shift - _SIGMAS * sigma > tolerance_px:
        return Verdict.MISALIGNED, f"{where}: something moved between the frames"
    if _SIGMAS * sigma > tolerance_px:
        return Verdict.UNDETERMINED, _too_dark(found.signal_e, sigma)
    return Verdict.UNDETERMINED, f"{where}: too close to the tolerance of {tolerance_px:g} px to call"


def _turned(found: Registration) -> str:
    """For example ``the camera turned by 0.020 degrees clockwise``; empty where it did not."""
    parts = []
    if abs(found.rotation_deg) > _SIGMAS * (found.rotation_sigma_deg or math.inf):
        # Content that is turned clockwise was seen by a camera turned the other way.
        way = "counter-clockwise" if found.rotation_deg > 0 else "clockwise"
        parts.append(f"the camera turned by {abs(found.rotation_deg):.2g} degrees {way}")
    if abs(found.growth) > _SIGMAS * (found.growth_sigma or math.inf):
        way = "larger" if found.growth > 0 else "smaller"
        parts.append(f"the picture is {abs(found.growth):.2g} times {way} (focus or zoom changed)")
    return " and ".join(parts)


def _findings(found: Registration, true_ratio: float, frame: str) -> Iterator[tuple[Verdict, str]]:
    """What else there is to say, each with the verdict that it allows at best."""
    if found.moving > 0:
        verdict = Verdict.MISALIGNED if found.moving > _MOVING else Verdict.ALIGNED
        yield (
            verdict,
            f"something moved or changed on its own in {found.moving:.1%} of the frame, {_whereabouts(found)}",
        )
    if (found.disagreement_px or 0) > _APART_PX and (found.disagreement_sigma or 0) > _SURE:
        yield (
            Verdict.UNDETERMINED,
            f"one half of the frame lies {found.disagreement_px:.2f} px off the other: no single shift describes it",
        )
    if (found.uneven_px or 0) > _UNEVEN_PX and (found.uneven_sigma or 0) > _SURE:
        yield (
            Verdict.UNDETERMINED,
            f"parts of the frame lie {found.uneven_px:.2f} px off the whole: no single shift describes it",
        )
    blur = found.blur_px2 or 0.0
    if abs(blur) > _SOFT_PX2 + _SURE * (found.blur_sigma_px2 or 0):
        softer = f"{frame} is softer than the long" if blur > 0 else f"the long is softer than {frame}"
        yield (
            Verdict.UNDETERMINED if abs(blur) > _BLURRED_PX2 else Verdict.ALIGNED,
            f"{softer}, by a blur of about {math.sqrt(abs(blur)):.1f} px: shake, or the focus changed",
        )
    brighter = true_ratio / (found.ratio or true_ratio) - 1
    doubt = _SURE * (found.ratio_sigma or 0) / true_ratio
    if abs(brighter) > _RATIO_DOUBT + doubt:
        yield (
            Verdict.UNDETERMINED if abs(brighter) > _RATIO_LIMIT else Verdict.ALIGNED,
            f"{frame} is {abs(brighter):.0%} {'brighter' if brighter > 0 else 'darker'} than its shutter time says "
            f"(ratio {found.ratio:.4g} measured, {true_ratio:.4g} expected): the light changed",
        )


def _whereabouts(found: Registration) -> str:
    """For example ``in the upper left``."""
    if found.moving_px is None or found.size_px is None:
        return "somewhere"
    x, y = (place / side for place, side in zip(found.moving_px, found.size_px, strict=True))
    across = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    along = "upper" if y < 1 / 3 else "lower" if y > 2 / 3 else ""
    if across and along:
        return f"in the {along} {across}"
    if along:
        return f"in the {along} middle"
    return f"on the {across}" if across else "in the middle"


def _differs(registration: Registration) -> bool:
    chi2, explained = registration.chi2, registration.explained
    return chi2 is not None and explained is not None and chi2 > _CHI2_LIMIT and explained < _EXPLAINED_LIMIT


def _why_nothing(registration: Registration, frame: str) -> str:
    match registration.problem:
        case Problem.CLIPPED:
            return f"only {registration.usable:.1%} of the frame is neither clipped nor broken: nothing to compare"
        case Problem.FLAT:
            return "an even surface, in the long or in this frame: nothing on it could be seen to move"
        case Problem.DARK:
            return _too_dark(registration.signal_e, registration.sigma_px)
        case Problem.STRANGE:
            return (
                f"{frame} does not show what the long shows, nor within {SEARCH_PX} px around it: "
                "another scene, other light, or the camera moved far"
            )
        case Problem.REPEATING:
            return (
                f"the scene repeats itself: {frame} fits the long as well at another place; put something single in it"
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
