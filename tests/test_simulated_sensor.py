"""The sensor of the simulated camera, measured from its files through LibRaw."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import rawpy
from hypothesis import given
from hypothesis import strategies as st
from measure_frames import decoded, pair_variance
from numpy.typing import NDArray
from simulated_frames import DARK_EV, LONG_S, SHOT, SMALL, lit, mosaic_of, small_maker

from sidcap.capture.simulated import sensor
from sidcap.capture.simulated.frame import FrameMaker
from sidcap.capture.simulated.sensor import SensorParameters
from sidcap.capture.simulated.surroundings import Surroundings
from sidcap.capture.simulated.thermal import Activity, SensorHeat, after_exposing_c, mean_while_exposing_c

PARAMETERS = SensorParameters()
CAPPED = replace(SHOT, scene="capped", aperture=5.6)
FLAT = replace(SHOT, scene="flat", aperture=5.6)  # where the body does not scale raw numbers
SHORTEST_S = 1 / 4096
BRIGHT_EV = 10


@cache
def body() -> FrameMaker:
    return small_maker()


@cache
def dark(shutter_s: float, iso: int = 12800, frame_number: int = 1, sensor_c: float = 20.0) -> NDArray[np.float32]:
    """All raw numbers of a frame behind the cap, in electrons above black."""
    shot = replace(CAPPED, shutter_s=shutter_s, iso=iso, frame_number=frame_number, sensor_c=sensor_c)
    numbers = decoded(body().make(shot)).numbers - np.float32(PARAMETERS.black_dn)
    return numbers * np.float32(PARAMETERS.gain_e_per_dn(iso))


# Gain, noise, black, white


@pytest.mark.parametrize("iso", [200, 1600, 12800])
def test_darks_and_flats_give_back_gain_read_noise_black_and_white(iso: int) -> None:
    maker = small_maker(light_ev=BRIGHT_EV)
    exposure_s = 0.5 * 13235 * PARAMETERS.gain_e_per_dn(iso) / (18.5 / 4 * 2**BRIGHT_EV)  # green half way to white
    numbers = range(1, 6)
    darks = [decoded(body().make(replace(CAPPED, iso=iso, shutter_s=SHORTEST_S, frame_number=n))) for n in numbers]
    flats = [decoded(maker.make(replace(FLAT, iso=iso, shutter_s=exposure_s, frame_number=n))) for n in numbers]

    dark_variance = pair_variance(d.lit for d in darks)
    signal = np.mean([f.lit[0::2, 1::2].mean() for f in flats])
    gain = signal / (pair_variance(f.lit[0::2, 1::2] for f in flats) - dark_variance)
    white = decoded(maker.make(replace(FLAT, iso=iso, shutter_s=10 * exposure_s))).numbers.max()

    assert gain == pytest.approx(PARAMETERS.gain_e_per_dn(iso), rel=0.02)
    assert np.sqrt(dark_variance) * gain == pytest.approx(PARAMETERS.read_noise_e(iso), rel=0.02)
    assert np.mean([d.black_dn for d in darks]) == pytest.approx(2048, rel=0.001)
    assert white == 15283


def test_read_noise_is_what_has_been_measured_on_the_body() -> None:
    assert PARAMETERS.read_noise_e(100) == pytest.approx(26, rel=0.01)
    assert PARAMETERS.read_noise_e(6400) == pytest.approx(1.7, rel=0.01)


def test_noise_is_distributed_as_poisson_plus_normal() -> None:
    quiet = SensorParameters(
        photo_response_rms=0, offset_rms_e=0, column_offset_rms_e=0, column_offset_rms_dn=0, row_offset_rms_e=0,
        row_noise_rms_e=0, row_noise_rms_dn=0, banding_rms_dn=0, hot_pixel_fraction=0, dark_current_e_per_s=0,
        glow_e_per_s=0,
    )  # fmt: skip
    pattern = sensor.fixed_pattern("flat", SMALL, quiet)
    flat = np.full(SMALL.shape, 3.0, np.float32)
    raw = sensor.expose(flat, pattern, light=1, iso=12800, shutter_s=1, rng=np.random.default_rng(1))
    rng = np.random.default_rng(2)
    electrons = rng.poisson(3.0, flat.shape) + rng.normal(0, quiet.read_noise_e(12800), flat.shape)
    exact = np.rint(electrons / quiet.gain_e_per_dn(12800) + 2048)
    difference = [(raw < edge).mean() - (exact < edge).mean() for edge in np.quantile(exact, np.linspace(0, 1, 40))]
    assert np.abs(difference).max() < 0.003


def test_mean_is_proportional_to_shutter_aperture_and_gain() -> None:
    def mean_e(**changes: object) -> float:
        shot = replace(replace(FLAT, shutter_s=LONG_S), **changes)  # type: ignore[arg-type]
        numbers = decoded(body().make(shot)).lit[300:700, 500:1000]  # the middle: no vignetting there
        return float(numbers.mean()) * PARAMETERS.gain_e_per_dn(shot.iso)

    reference = mean_e()
    assert mean_e(shutter_s=LONG_S / 8) == pytest.approx(reference / 8, rel=0.02)
    assert mean_e(aperture=8.0) == pytest.approx(reference * (5.6 / 8) ** 2, rel=0.02)
    assert mean_e(iso=3200) == pytest.approx(reference, rel=0.02)


@pytest.mark.parametrize(("aperture", "factor"), [(2.0, 1.030), (2.8, 1.010), (5.6, 1.0)])
def test_wide_apertures_raise_raw_values(aperture: float, factor: float) -> None:
    shot = replace(FLAT, aperture=aperture, shutter_s=LONG_S / 4)
    middle = decoded(small_maker(light_ev=1).make(shot)).lit[400:600, 600:900].mean()
    light_e = 18.5 * 2 * (0.5 + 1 + 1 + 1 / 1.5) / 4 * (2.8 / aperture) ** 2 * LONG_S / 4
    assert middle * PARAMETERS.gain_e_per_dn(12800) / light_e == pytest.approx(factor, abs=0.006)


def test_light_ev_counts_in_stops() -> None:
    reference, darker = (lit(mosaic_of(m.make(FLAT))).mean() for m in (body(), small_maker(light_ev=-2)))
    assert darker == pytest.approx(reference / 4, rel=0.02)


@pytest.mark.parametrize(("iso", "white"), [(160, 13225), (200, 15283), (12800, 15283), (20000, 13225)])
def test_highlights_clip_at_the_white_level_of_the_iso(iso: int, white: int) -> None:
    file = small_maker(light_ev=12).make(replace(FLAT, iso=iso))
    mosaic = mosaic_of(file)
    assert mosaic.max() == white
    assert (mosaic[SMALL.top :, SMALL.left :] == white).mean() > 0.5
    with rawpy.imread(io.BytesIO(file)) as raw:
        assert raw.camera_white_level_per_channel == [white] * 4


# What is the same in every frame, and what each row has of its own


def test_fixed_pattern_belongs_to_the_serial_number() -> None:
    other = small_maker("999")
    first, again = (dark(SHORTEST_S, frame_number=n).ravel() for n in (1, 2))
    foreign = mosaic_of(other.make(replace(CAPPED, shutter_s=SHORTEST_S, frame_number=3))).ravel()
    assert np.corrcoef(first, again)[0, 1] > 0.02
    assert abs(np.corrcoef(first, foreign)[0, 1]) < 0.005


def test_columns_keep_their_pattern_and_rows_do_not() -> None:
    first, again = (dark(SHORTEST_S, iso=100, frame_number=n) for n in (1, 2))
    assert np.corrcoef(first.mean(axis=0), again.mean(axis=0))[0, 1] > 0.6
    assert abs(np.corrcoef(first.mean(axis=1), again.mean(axis=1))[0, 1]) < 0.2


def test_bands_are_visible_at_low_iso_and_lost_in_the_noise_at_high_iso() -> None:
    def bands(iso: int) -> float:
        """Standard deviation of the means of 16 rows, relative to what independent pixels would give."""
        numbers = dark(SHORTEST_S, iso=iso)[40:1064]
        means = numbers.reshape(64, 16, -1).mean(axis=(1, 2))
        return float(means.std() / (numbers.std() / np.sqrt(16 * numbers.shape[1])))

    assert bands(100) > 8
    assert bands(12800) < 0.6 * bands(100)


# Dark current, temperature, hot pixels, glow


def test_dark_current_grows_with_the_exposure_and_doubles_with_every_six_and_a_half_kelvins() -> None:
    def ordinary_e(shutter_s: float, sensor_c: float) -> float:
        return float(np.median(dark(shutter_s, sensor_c=sensor_c)[:, :800].mean(axis=0)))

    # So short against the time constant that the temperature stays; hot pixels raise the mean of few columns only.
    bias = ordinary_e(SHORTEST_S, 20.0)
    at_20, at_33 = (ordinary_e(8.0, c) - bias for c in (20.0, 33.0))
    hot_e_per_s = 2e-4 * 3.0 * np.exp(1.3**2 / 2)
    assert at_20 / 8 == pytest.approx(0.05 + 0.6 * hot_e_per_s, rel=0.1)
    assert at_33 / at_20 == pytest.approx(4, rel=0.1)
    assert ordinary_e(16.0, 20.0) - bias == pytest.approx(2 * at_20, rel=0.1)


def test_hot_pixels_grow_with_the_exposure() -> None:
    short, long = dark(5.0), dark(10.0)
    hot = (short > 20) & (long < 500)
    assert 20 < hot.sum() < 2000
    assert np.median(long[hot] / short[hot]) == pytest.approx(2, rel=0.05)


def test_the_same_pixels_are_hot_in_every_frame() -> None:
    first, again = (dark(10.0, frame_number=n) > 60 for n in (1, 2))
    assert (first & again).sum() > 0.9 * first.sum()


def test_masked_pixels_see_no_light() -> None:
    bright, capped = (mosaic_of(m.make(SHOT)) for m in (small_maker(light_ev=12), small_maker(light_ev=DARK_EV)))
    for masked in (np.s_[:, : SMALL.left], np.s_[: SMALL.top, :]):
        assert np.array_equal(bright[masked], capped[masked])


def test_masked_pixels_see_the_warmth_of_the_amplifiers_but_not_their_glow() -> None:
    rate = (dark(30.0) - dark(SHORTEST_S)) / 30.0
    edge = np.s_[-40:]
    masked, glowing, far = (np.median(part, axis=0) for part in (rate[: SMALL.top], rate[400:700], rate[:, :400]))
    assert far.mean() == pytest.approx(0.05, rel=0.15)
    assert masked[edge].mean() == pytest.approx(0.05 * 1.64, rel=0.25)
    assert glowing[edge].mean() - masked[edge].mean() == pytest.approx(0.20, rel=0.15)


def test_glow_grows_with_exposure_and_temperature() -> None:
    def glow_e(shutter_s: float, sensor_c: float) -> float:
        frame = dark(shutter_s, sensor_c=sensor_c) - dark(SHORTEST_S)
        return float(np.median(frame[400:700, -60:]) - np.median(frame[400:700, 200:600]))

    reference = glow_e(20.0, 20.0)
    assert glow_e(40.0, 20.0) == pytest.approx(2 * reference, rel=0.1)
    assert glow_e(20.0, 26.5) == pytest.approx(2 * reference, rel=0.1)


def test_noise_reduction_takes_pattern_away_and_leaves_more_noise() -> None:
    reduced, plain = (
        [decoded(body().make(replace(CAPPED, shutter_s=10.0, frame_number=n, noise_reduction=on))) for n in (1, 2)]
        for on in (True, False)
    )
    assert (reduced[0].numbers > 2048 + 60 / 0.047).sum() < 0.1 * (plain[0].numbers > 2048 + 60 / 0.047).sum()
    assert reduced[0].black_dn == pytest.approx(2048, abs=1.5)
    more = pair_variance(f.lit[:, 200:800] for f in reduced) / pair_variance(f.lit[:, 200:800] for f in plain)
    assert more == pytest.approx(2, rel=0.1)


def test_noise_reduction_keeps_white_white() -> None:
    shot = replace(FLAT, noise_reduction=True)
    assert (lit(mosaic_of(small_maker(light_ev=12).make(shot))) > 13000).all()


# The temperature


def test_a_sensor_warms_while_it_works_and_cools_afterwards() -> None:
    heat = SensorHeat(ambient_c=20.0)
    assert heat.temperature_c(at_s=1000.0) == 20.0
    heat.switch(Activity.EXPOSING, at_s=1000.0)
    assert heat.temperature_c(at_s=1300.0) == pytest.approx(20 + 12 * (1 - np.exp(-1)))
    heat.switch(Activity.LIVE_VIEW, at_s=5000.0)
    warm = heat.temperature_c(at_s=5000.0)
    assert warm == pytest.approx(32.0, abs=0.01)
    assert heat.temperature_c(at_s=9000.0) == pytest.approx(34.0, abs=0.01)
    heat.switch(Activity.IDLE, at_s=9000.0)
    assert heat.temperature_c(at_s=20000.0) == pytest.approx(20.0, abs=0.01)


@given(start_c=st.floats(-20, 60), ambient_c=st.floats(-20, 40), exposure_s=st.floats(0, 3600))
def test_the_mean_temperature_of_an_exposure_lies_between_its_ends(
    start_c: float, ambient_c: float, exposure_s: float
) -> None:
    end_c = after_exposing_c(start_c, ambient_c, exposure_s)
    mean_c = mean_while_exposing_c(start_c, ambient_c, exposure_s)
    assert min(start_c, end_c) - 1e-6 <= mean_c <= max(start_c, end_c) + 1e-6


def test_a_sensor_of_unknown_temperature_has_that_of_the_air() -> None:
    cold, warm = (small_maker(surroundings=Surroundings(ambient_c=c)).truth(CAPPED) for c in (10.0, 30.0))
    assert warm.dark_current_e_per_s / cold.dark_current_e_per_s == pytest.approx(2 ** (20 / 6.5))
    assert warm.sensor_c == pytest.approx(30.0, abs=0.3)


# The truth


def test_the_truth_predicts_the_mean_of_a_frame() -> None:
    shot = replace(SHOT, aperture=2.0, iso=1600, mirror_up_s=0.05)
    truth = body().truth(shot)
    expected = truth.radiance_e_per_s() * truth.exposure_s / truth.gain_e_per_dn
    measured = decoded(body().make(shot)).numbers - np.float32(truth.black_dn)
    unclipped = expected < 0.8 * (truth.white_dn - truth.black_dn)
    inside = np.zeros_like(unclipped)
    inside[SMALL.top :, SMALL.left : 1000] = True
    chosen = inside & unclipped & (expected > 100)
    assert measured[chosen].mean() == pytest.approx(expected[chosen].mean(), rel=0.01)
    assert not truth.radiance_e_per_s()[: SMALL.top].any()
