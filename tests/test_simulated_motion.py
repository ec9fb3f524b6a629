"""Where the light of the simulated camera falls, how sharply and how much of it: measured from its files."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_frames import Motion, decoded, measured_motion
from numpy.typing import NDArray
from simulated_frames import SHORT_S, SHOT, small_maker

from sidcap.capture.simulated import mechanics, optics
from sidcap.capture.simulated.frame import Shot
from sidcap.capture.simulated.light import CURTAIN_TRAVEL_S, mean_light
from sidcap.capture.simulated.surroundings import Flicker, Knock, Surroundings
from sidcap.data_manifest.errors import UsageError

# Bright enough that noise does not matter: 1/10 s at ISO 200 exposed as 10 s at ISO 12800.
BRIGHT_EV = 12.5
SHORT = replace(SHOT, iso=200, shutter_s=SHORT_S, nominal_shutter=Fraction(1, 10), scene=0)
STILL = Surroundings()


@cache
def frame(shot: Shot, surroundings: Surroundings = STILL) -> NDArray[np.float32]:
    return decoded(small_maker(light_ev=BRIGHT_EV, surroundings=surroundings).make(shot)).lit


def motion_of(shot: Shot, surroundings: Surroundings = STILL) -> Motion:
    return measured_motion(frame(SHORT), frame(replace(shot, frame_number=2), surroundings))


# Displacement


@given(fraction=st.floats(-0.5, 0.5))
def test_line_spread_moves_every_spatial_frequency_by_the_same_distance(fraction: float) -> None:
    frequency = np.linspace(0.05, np.pi / 2, 20)  # up to the Nyquist frequency of a Bayer plane
    weights = optics.line_spread(np.array([0.0, fraction]), aperture=2.8)
    still, moved = weights @ np.exp(1j * np.outer(np.arange(-4, 5), frequency))
    displacement = np.angle(still / moved) / frequency
    assert np.abs(displacement - fraction).max() < 0.01


@pytest.mark.parametrize("shift", [(0.5, -0.25), (-0.9, 0.1), (0.3, 0.8)])
def test_frames_are_displaced_by_the_shift_asked_for(shift: tuple[float, float]) -> None:
    assert motion_of(replace(SHORT, shift_px=shift)).shift_px == pytest.approx(shift, abs=0.02)


def test_a_shift_by_whole_pixels_moves_the_image_unchanged() -> None:
    still, moved = frame(SHORT), frame(replace(SHORT, shift_px=(6.0, -4.0)))
    # Vignetting stays where it is: a thousandth here, and half of that in the noise.
    ratio = cv2.blur(moved[:-4, 6:], (65, 65)) / cv2.blur(still[4:, :-6], (65, 65))
    assert np.abs(ratio - 1).max() < 0.02


def test_a_creeping_tripod_displaces_later_frames_further() -> None:
    creeping = Surroundings(tripod_creep_px_per_s=(0.01, -0.02))
    later = motion_of(replace(SHORT, start_s=50.0), creeping)
    assert later.shift_px == pytest.approx((0.5, -1.0), abs=0.03)
    assert later.blur_px == pytest.approx((0, 0), abs=0.2)


def test_a_tripod_that_creeps_fast_blurs() -> None:
    path = mechanics.shift_path(
        Surroundings(tripod_creep_px_per_s=(3.0, 0.0)), frame_number=1, start_s=0.0, exposure_s=2.0, mirror_up_s=None
    )
    assert path.mean_px == pytest.approx((3.0, 0.0))
    assert path.rms_px == pytest.approx((6 / np.sqrt(12), 0.0), rel=0.01)


def test_a_knock_displaces_the_frames_that_follow_and_no_earlier_one() -> None:
    knocked = Surroundings(knocks=(Knock(before_frame=2, shift_px=(1.0, -0.5)),))
    assert np.array_equal(frame(SHORT), frame(SHORT, knocked))
    assert motion_of(SHORT, knocked).shift_px == pytest.approx((1.0, -0.5), abs=0.03)


def test_a_knock_in_the_middle_of_an_exposure_shows_the_scene_twice() -> None:
    knocked = Surroundings(knocks=(Knock(before_frame=2, shift_px=(2.0, -1.0), seconds_in=SHORT_S / 4),))
    expected = 0.25 * frame(SHORT) + 0.75 * frame(replace(SHORT, shift_px=(2.0, -1.0)))
    difference = frame(replace(SHORT, frame_number=2), knocked) - expected
    assert np.std(difference) < 0.1 * np.std(frame(SHORT) - frame(replace(SHORT, shift_px=(2.0, -1.0))))
    assert motion_of(SHORT, knocked).shift_px == pytest.approx((1.5, -0.75), abs=0.05)


@pytest.mark.parametrize("shift", [(1000.0, 0.0), (0.0, -200.0), (0.0, float("nan"))])
def test_a_shift_off_the_painted_scene_is_refused(shift: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="displacement"):
        small_maker().make(replace(SHOT, shift_px=shift))


# The mirror


def test_a_plain_release_at_a_tenth_of_a_second_is_shifted_and_blurred_and_lockup_is_not() -> None:
    plain, hasty, settled = (motion_of(replace(SHORT, mirror_up_s=s)) for s in (0.05, 0.1, 2.0))
    assert abs(plain.shift_px[1]) > 0.4
    assert plain.blur_px[1] > 0.8
    assert 0.05 < abs(hasty.shift_px[1]) < 0.8 * abs(plain.shift_px[1])
    assert 0.3 < hasty.blur_px[1] < 0.9 * plain.blur_px[1]
    assert settled.shift_px == pytest.approx((0, 0), abs=0.02)
    assert settled.blur_px[1] < 0.2


def test_the_motion_measured_from_a_frame_is_the_one_it_was_made_with() -> None:
    shot = replace(SHORT, mirror_up_s=0.05, frame_number=2)
    truth = small_maker().truth(shot)
    motion = motion_of(shot)
    assert motion.shift_px == pytest.approx(truth.shift_px, abs=0.03)
    assert motion.blur_px[1] == pytest.approx(truth.path.rms_px[1], abs=0.1)


def test_a_long_exposure_forgets_the_mirror() -> None:
    path = small_maker().truth(replace(SHOT, mirror_up_s=0.05)).path
    assert path.mean_px == pytest.approx((0, 0), abs=0.01)
    assert path.weight.sum() == pytest.approx(1)


@settings(max_examples=50)
@given(
    exposure_s=st.floats(1e-4, 60.0),
    mirror_up_s=st.none() | st.floats(0.0, 30.0),
    knock_s=st.floats(0.0, 60.0),
    creep=st.floats(-0.1, 0.1),
)
def test_every_path_takes_the_whole_exposure(
    exposure_s: float, mirror_up_s: float | None, knock_s: float, creep: float
) -> None:
    surroundings = Surroundings(
        tripod_creep_px_per_s=(creep, 0.0), knocks=(Knock(before_frame=1, shift_px=(1.0, 0.0), seconds_in=knock_s),)
    )
    path = mechanics.shift_path(
        surroundings, frame_number=1, start_s=0.0, exposure_s=exposure_s, mirror_up_s=mirror_up_s
    )
    assert path.weight.sum() == pytest.approx(1)
    assert ((path.at_s >= 0) & (path.at_s < exposure_s)).all()
    after_knock = min(max(exposure_s - knock_s, 0.0) / exposure_s, 1.0)
    assert path.mean_px[0] == pytest.approx(after_knock + creep * exposure_s / 2, abs=1e-6)


# Focus, aperture, fall-off


def sharpness(picture: NDArray[np.float32]) -> float:
    green = picture[0::2, 1::2]
    return float(np.var(cv2.Laplacian(green, cv2.CV_32F)) / np.mean(green) ** 2)


def test_frames_blur_with_the_distance_from_focus_and_less_when_stopped_down() -> None:
    sharp, near, far = (sharpness(frame(replace(SHORT, focus_steps=steps))) for steps in (0, 3, -10))
    assert sharp > 1.3 * near > 2.6 * far
    stopped = replace(SHORT, focus_steps=-10, aperture=11.0)
    assert sharpness(frame(stopped)) > 2 * far


@pytest.mark.parametrize(("steps", "aperture"), [(0, 2.8), (1, 2.8), (7, 2.8), (-40, 4.0)])
def test_a_point_spread_keeps_all_the_light_in_its_place(steps: int, aperture: float) -> None:
    path = small_maker().truth(replace(SHORT, mirror_up_s=0.05)).path
    spread = optics.point_spread(path, aperture=aperture, focus_steps=steps)
    kernel = np.einsum("ki,kj->ij", spread.down.astype(float), spread.across.astype(float))
    assert kernel.sum() == pytest.approx(1, abs=2e-3)
    at = np.arange(-spread.reach_px, spread.reach_px + 1)
    assert spread.offset_px[1] - kernel.sum(axis=1) @ at == pytest.approx(path.mean_px[1], abs=0.01)


def test_diffraction_blurs_a_lens_that_is_stopped_down() -> None:
    wide, narrow = (optics.line_spread(np.zeros(1), aperture)[0] for aperture in (2.8, 22.0))
    assert narrow.max() < 0.8 * wide.max()


def test_a_flat_field_falls_off_towards_the_corners_and_less_when_stopped_down() -> None:
    def corner(aperture: float) -> float:
        shot = replace(SHORT, scene="flat", aperture=aperture)
        green = frame(shot)[0::2, 1::2]
        middle = green[240:272, 368:400].mean()
        ends = slice(16), slice(-16, None)
        return float(np.mean([green[y, x].mean() for y in ends for x in ends]) / middle)

    assert corner(2.8) == pytest.approx(2**-0.85, rel=0.05)
    assert corner(8.0) == pytest.approx(2**-0.52, rel=0.05)


# Light


def test_light_drifts_by_the_hour() -> None:
    dusk = Surroundings(light_drift_per_hour=-0.5)
    reference, later = (frame(replace(SHORT, scene="flat", start_s=s), dusk).mean() for s in (0.0, 7200.0))
    assert later == pytest.approx(reference / 4, rel=0.01)


def test_flicker_makes_short_frames_differ_and_long_ones_not() -> None:
    lamps = Surroundings(flicker=Flicker(mains_hz=50, depth=0.5))

    def spread_of(exposure_s: float) -> float:
        starts = np.linspace(0.0, 0.01, 12, endpoint=False)
        return float(np.std([mean_light(lamps, s, exposure_s, rows=1)[0] for s in starts]))

    assert spread_of(0.001) > 0.3
    assert spread_of(0.010) == pytest.approx(0, abs=1e-4)
    assert spread_of(10.0794) < 1e-3


def test_flicker_shows_as_bands_along_the_way_of_the_curtains() -> None:
    lamps = Surroundings(flicker=Flicker(mains_hz=50, depth=0.5))
    rows = mean_light(lamps, 0.0, 0.001, rows=400)
    assert rows.max() - rows.min() > 0.5
    later = mean_light(lamps, CURTAIN_TRAVEL_S, 0.001, rows=400)
    assert later[-1] == pytest.approx(rows[0], abs=1e-4)  # the picture stands upside down: its last row opens first


@pytest.mark.parametrize(
    "impossible",
    [
        {"tripod_creep_px_per_s": (float("nan"), 0.0)},
        {"knocks": (Knock(before_frame=0, shift_px=(1.0, 0.0)),)},
        {"knocks": (Knock(before_frame=1, shift_px=(1.0, 0.0), seconds_in=-1.0),)},
        {"knocks": (Knock(before_frame=1, shift_px=(60.0, 0.0)), Knock(before_frame=2, shift_px=(-60.0, 0.0)))},
        {"flicker": Flicker(depth=1.5)},
        {"light_drift_per_hour": -1.0},
        {"ambient_c": -300.0},
    ],
)
def test_surroundings_that_cannot_be_are_refused(impossible: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Surroundings(**impossible)  # type: ignore[arg-type]
