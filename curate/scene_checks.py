"""From what is recorded of a scene's pairs to their verdicts, and to what only the bracket as a whole can tell.

Frames of one exposure time got the same light, unless the light changed: no shutter's inaccuracy comes in, as it does
between exposure times. The closing long tells how far light and camera drifted while the bracket was shot; what the
shorts of one exposure time differ by beyond such a drift is flicker.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from sidcap.curate.record import registration_of
from sidcap.curate.registration import Problem
from sidcap.curate.verdict import SYSTEMATIC_PX, judge
from sidcap.data_manifest.naming import seconds_text
from sidcap.data_manifest.schema import Pair, Scene

CHANGE = 0.01
"""A change of light is named from 1 % on: a fifth of what `judge` allows a shutter, and too little to see in a picture.
A choice, not a measurement."""
CERTAIN_SIGMA = 4.0
"""A change of light is named when it is certain to four standard deviations: by chance, once in 16,000 comparisons.
Two full-size shorts of ratio 300 at ISO 12800 tell it to some 0.3 % (`sidcap.curate.photometry`): 2 % is certain."""
CREEP_PX = 0.1
"""A camera that moves this far from the first long to the closing one is creeping. A choice: twenty times
`SYSTEMATIC_PX`, a fifth of the usual tolerance, so that it is named before it spoils a pair."""
_SIGMAS = 3.0


def judged(scene: Scene, tolerance_px: float) -> Scene:
    """The scene with the verdicts, reasons and findings that follow from what is recorded; nothing is measured.

    A pair whose frames could not be compared stays undetermined. Raises ManifestError where a record cannot be read.
    """
    flickers = list(_flickers(scene))

    def verdict_on(pair: Pair) -> Pair:
        found = registration_of(pair)
        if found is None or pair.alignment is None:
            return pair
        name = "the closing long" if pair == scene.closing else "the short"
        verdict, reasons = judge(found, true_ratio=pair.ratio.true, tolerance_px=tolerance_px, frame=name)
        reasons += tuple(flicker.text for flicker in flickers if pair.frame in flicker.frames)
        return pair.replace(
            alignment=pair.alignment.replace(verdict=verdict, reasons=reasons, tolerance_px=tolerance_px)
        )

    flickered = (flicker.text for flicker in flickers)
    findings = (*_another_scene(scene), *_drifts(scene), *flickered, *_creep(scene))
    return scene.with_pairs(verdict_on).replace(findings=findings)


@dataclass(frozen=True)
class _Light:
    """The light on one frame, as a natural logarithm: relative to the first long, exposure time set aside."""

    frame: str
    level: float
    sigma: float

    def since(self, earlier: _Light) -> _Change:
        return _Change(self.level - earlier.level, math.hypot(self.sigma, earlier.sigma))


@dataclass(frozen=True)
class _Change:
    """How the light changed, as a natural logarithm."""

    by: float
    sigma: float

    @property
    def certain(self) -> bool:
        return abs(self.by) > math.log1p(CHANGE) and abs(self.by) > CERTAIN_SIGMA * self.sigma

    def beyond(self, drift: float) -> _Change:
        """What of the change no part of a drift explains, in whatever way it went from 0 to ``drift``."""
        explained = min(max(self.by, min(drift, 0.0)), max(drift, 0.0))
        return _Change(self.by - explained, self.sigma)


@dataclass(frozen=True)
class _Flicker:
    """Light that changed between shorts of one exposure time, there and back."""

    frames: frozenset[str]
    text: str


def _flickers(scene: Scene) -> Iterator[_Flicker]:
    for seconds, lights in _equal_shorts(scene):
        drift = _drift(scene, lights).by
        changes = [later.since(earlier).beyond(drift) for earlier, later in combinations(lights, 2)]
        certain = [abs(change.by) for change in changes if change.certain]
        if certain:
            share = math.expm1(max(certain))
            text = f"the light flickered: {share:.1%} between shorts of equal exposure ({seconds_text(seconds)} s)"
            yield _Flicker(frozenset(light.frame for light in lights), text)


def _drifts(scene: Scene) -> Iterator[str]:
    closing = _of_closing(scene)
    if closing is not None:
        if closing.certain:
            yield f"the light {_changed(closing)} over the bracket (the closing long against the first)"
        return
    for seconds, lights in _equal_shorts(scene):
        drift = _drift(scene, lights)
        if drift.certain:
            yield f"the light {_changed(drift)} from the first to the last short of {seconds_text(seconds)} s"


def _drift(scene: Scene, lights: list[_Light]) -> _Change:
    """How far the light drifted: the longs tell best; without a closing one, three or more shorts do."""
    closing = _of_closing(scene)
    if closing is not None:
        return closing
    trend = lights[-1].since(lights[0])
    return trend if len(lights) > 2 and trend.certain else _Change(0.0, trend.sigma)


def _of_closing(scene: Scene) -> _Change | None:
    """How the light changed from the first long to the closing one; None where that was not measured."""
    light = None if scene.closing is None else _light(scene.closing)
    return None if light is None else _Change(light.level, light.sigma)


def _equal_shorts(scene: Scene) -> list[tuple[float, list[_Light]]]:
    """Nominal exposure and lights of every two or more shorts of one exposure, in the order they were shot."""
    groups = defaultdict(list)
    order = [frame.path for frame in scene.frames]
    for pair in sorted(scene.pairs, key=lambda pair: order.index(pair.frame)):
        frame = scene.frame(pair.frame)
        if light := _light(pair):
            groups[frame.exposure.nominal_s, frame.iso.set, frame.aperture, pair.reference].append(light)
    return [(seconds, lights) for (seconds, *_), lights in groups.items() if len(lights) > 1]


def _light(pair: Pair) -> _Light | None:
    alignment = pair.alignment
    if alignment is None or alignment.light is None or alignment.light_sigma is None:
        return None
    return _Light(pair.frame, math.log(alignment.light), alignment.light_sigma / alignment.light)


def _changed(change: _Change) -> str:
    """For example ``rose by 3.2 %``."""
    return f"{'rose' if change.by > 0 else 'fell'} by {abs(math.expm1(change.by)):.1%}"


def _creep(scene: Scene) -> Iterator[str]:
    closing = None if scene.closing is None else registration_of(scene.closing)
    if closing is None or closing.shift_px is None or closing.sigma_px is None:
        return
    moved_px = math.hypot(*closing.shift_px)
    if moved_px - _SIGMAS * math.hypot(closing.sigma_px, SYSTEMATIC_PX) > CREEP_PX:
        yield f"the camera moved by {moved_px:.2f} px while the bracket was shot (the closing long against the first)"


def _another_scene(scene: Scene) -> Iterator[str]:
    if len(scene.all_pairs) > 1 and all(_is_strange(pair) for pair in scene.all_pairs):
        yield "no other frame shows what the first long shows: is it of another scene?"


def _is_strange(pair: Pair) -> bool:
    found = registration_of(pair)
    return found is not None and found.problem is Problem.STRANGE
