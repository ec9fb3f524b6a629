"""What is known of a pair, in words and numbers, for the panel beside its pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sidcap.curate.record import registration_of
from sidcap.data_manifest.naming import seconds_text
from sidcap.data_manifest.schema import Frame, Pair, Remark, Scene


@dataclass(frozen=True)
class Fact:
    """A line of a table."""

    name: str
    value: str
    meaning: str = ""
    """What the name means, for who points at it."""


@dataclass(frozen=True)
class Event:
    """Something a person did, for the history."""

    at_utc: datetime
    by: str
    words: str


def measured(pair: Pair) -> Iterator[Fact]:
    """What registration measured of a pair. ManifestError where its record cannot be read."""
    alignment, found = pair.alignment, registration_of(pair)
    if alignment is None:
        return
    if alignment.shift_px is not None and alignment.sigma_px is not None:
        dx, dy = alignment.shift_px
        yield Fact("shift", f"{dx:+.3f} right, {dy:+.3f} down px", "where the content lies relative to the long")
        yield Fact("uncertainty", f"{alignment.sigma_px:.3f} px, one sigma", "along its worst direction")
    yield Fact("tolerance", f"{alignment.tolerance_px:g} px", "the largest shift that is called aligned")
    if pair.ratio.measured is not None:
        yield Fact("gain residual", _residual(pair), "measured against what the shutter times give")
    if alignment.light is not None:
        light = f"{100 * (alignment.light - 1):+.2f} %{_plus_minus(alignment.light_sigma, 100, '.2f')}"
        yield Fact("light", light, "from large structures, against the first long")
    if alignment.chi2 is not None:
        yield Fact("chi²", f"{alignment.chi2:.2f}", "residuals over what noise explains; 1 is perfect")
    if found is not None:
        if found.blur_px2 is not None:
            sign = "softer" if found.blur_px2 > 0 else "sharper"
            blur = f"{math.sqrt(abs(found.blur_px2)):.2f} px {sign}{_plus_minus(found.blur_sigma_px2, 1, '.2f')} px²"
            yield Fact("blur", blur, "against the long")
        if found.explained is not None:
            yield Fact("in common", f"{found.explained:.1%}", "of its structure is in the long, noise set aside")
        yield Fact("moving", f"{found.moving:.1%} of the frame", "moved or changed on its own")
        yield Fact("signal", f"{found.signal_e:.3g} e⁻ a pixel", "light in the short, on average")
    yield Fact("noise", alignment.noise_source, "where gain and read noise come from")


def ratio_facts(pair: Pair) -> Iterator[Fact]:
    """The ratio, kept three times."""
    yield Fact("ratio asked for", f"{pair.ratio.nominal:g}")
    yield Fact("true ratio", f"{pair.ratio.true:.4g}", "from the real shutter times; the short is amplified by it")
    if pair.ratio.measured is not None:
        yield Fact("measured", f"{pair.ratio.measured:.4g}{_plus_minus(pair.ratio.measured_sigma, 1, '.2g')}")


def frame_facts(frame: Frame) -> Iterator[Fact]:
    """How a frame was obtained."""
    exposure = f"{seconds_text(frame.exposure.nominal_s)} s ({frame.exposure.true_s:.5g} s true)"
    yield Fact("exposure", exposure)
    yield Fact("ISO", str(frame.iso.set) + (f", f/{frame.aperture:g}" if frame.aperture else ""))
    if frame.start_utc is not None:
        yield Fact("shot", f"{frame.start_utc:%Y-%m-%d %H:%M:%S} UTC")
    if frame.black is not None and frame.white is not None:
        black = sum(frame.black.per_plane_dn) / len(frame.black.per_plane_dn)
        yield Fact("black, white", f"{black:.1f} ({frame.black.source}), {frame.white.dn:g} DN")
    if frame.clipped is not None:
        yield Fact("clipped", f"{frame.clipped:.2%} of the photosites")
    yield Fact("file", frame.path)


def history(scene: Scene, shown: Pair) -> list[Event]:
    """What people did to this pair and to its scene, the latest first."""
    words = {"accepted": "accepted it", "rejected": "rejected it", "withdrawn": "let the verdict decide"}
    events = [Event(one.decided_utc, one.by, f"{words[one.choice]}: {one.why}") for one in shown.decisions]
    events += [Event(one.made_utc, one.by, _said(one)) for one in scene.remarks]
    return sorted(events, key=lambda event: event.at_utc, reverse=True)


def _said(remark: Remark) -> str:
    parts = []
    if remark.starred is not None:
        parts.append("starred the scene" if remark.starred else "took the star away")
    if remark.note is not None:
        parts.append(f"noted: {remark.note}" if remark.note else "deleted the note")
    if remark.tags is not None:
        parts.append(f"tagged it {', '.join(remark.tags)}" if remark.tags else "removed all tags")
    return "; ".join(parts)


def _residual(pair: Pair) -> str:
    measured, sigma = pair.ratio.measured, pair.ratio.measured_sigma
    assert measured is not None  # noqa: S101
    return f"{100 * (pair.ratio.true / measured - 1):+.2f} %{_plus_minus(sigma, 100 / measured, '.2f')}"


def _plus_minus(sigma: float | None, times: float, form: str) -> str:
    return "" if sigma is None else f" ± {format(sigma * times, form)}"
