"""The fit of a pair: shift, rotation, growth, gain and blur that its tiles agree on, and the tiles that do not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sidcap.curate.equations import BLUR, GAIN, GROWTH, ROTATION, Equations, Which, X, Y
from sidcap.curate.instruments import Texture
from sidcap.curate.moments import OUTLIER_SIGMA, Moments, Motion, Template, Tile, every_nth, measure, tiles_of
from sidcap.curate.planes import BayerPlanes
from sidcap.curate.reading import Matrix
from sidcap.data_manifest.noise import NoiseModel

_FIRST_NTH = 8
"""The fit begins on every eighth tile."""
_FEWEST_TILES = 24
_ENOUGH_PX = 0.01
_ENOUGH_GAIN = 0.003
"""Where a part of the tiles gives the shift and the gain with these standard deviations, relative for the gain, that
part is enough: more would say what nobody asks."""
_MAX_STEPS = 8
_MAX_STEP_PX = 1.5
_SMALL_STEP_PX = 0.08
_SMALL_STEP_SIGMA = 5.0
_LARGEST_LAST_STEP_PX = 0.3
"""A step this small is the last: the next one would be some 2 % of it, which adds a hundredth to the variance. In the
dark, where it would be more, it has to be below the largest."""
_FEWEST_TO_TURN = 8
_TURNED_SIGMA = 5.0
_MOST_STRAY = 0.5
_TINY = 1e-9
_SURE_CHI2 = 100.0


@dataclass(frozen=True)
class Fit:
    """The parameters of the model, and how well they are known."""

    motion: Motion
    gain: float
    """Short over long."""
    covariance: Matrix
    """(6, 6): of shift x and y, gain, blur, rotation, growth; 0 where the fit held one of the last three at 0."""
    blur_px2: float | None
    """Variance per axis that the point spread of the short has beyond that of the long; None where nothing tells."""
    blur_sigma_px2: float | None
    chi2: float
    """Residual variance over the variance that the noise model predicts."""
    structure: float
    """Variance of the long's local structure in the short, over the variance of the noise."""
    converged: bool
    equations: Equations
    """What the tiles say, relative to ``motion`` and ``gain`` less ``step``."""
    step: Matrix
    """(6,): the last step."""
    freely: Matrix
    """(6,): the step, were the frame free to turn and grow."""
    of_freely: Matrix
    """(6, 6): covariance of that."""
    stray: Which
    """(T,): tiles that moved or changed against the rest of the frame."""
    torn: bool
    """More than half of the tiles go their own ways: there is no rest of the frame."""


def fit_pair(
    template: Template,
    texture: Texture,
    short: BayerPlanes,
    noise: NoiseModel,
    start_px: tuple[float, float],
    gain: float,
) -> Fit:
    """Gauss-Newton from ``start_px`` and ``gain``: on a few tiles until it stands, then on as many as the light needs.

    Raises numpy.linalg.LinAlgError where the long has no structure.
    """
    motion, chi2 = Motion(start_px), 1.0
    tiles = tiles_of(template, motion)
    nth = _FIRST_NTH if len(tiles) >= _FIRST_NTH * _FEWEST_TILES else 1
    for _ in range(_MAX_STEPS):
        fit = _stepped(template, texture, short, noise, motion, gain, chi2, every_nth(nth, tiles))
        motion, gain, chi2 = fit.motion, fit.gain, fit.chi2
        tiles = tiles_of(template, motion)
        if not fit.converged:
            continue
        if nth < _FIRST_NTH:
            break
        nth = _sparsest(fit, nth)
    return fit


def better_of(
    template: Template, texture: Texture, short: BayerPlanes, noise: NoiseModel, fit: Fit, other: Fit
) -> Fit | None:
    """Which of two fits says where the short lies, beyond doubt; None where that cannot be told.

    The better one has to leave less chi-square in the tiles that both can tell of: by more than chance (a difference d
    scatters by 2 sqrt(d), so 100 is five standard deviations from none), and by more than tiles that prefer the other
    place allow.
    """
    widest = max((fit, other), key=lambda one: max(map(abs, one.motion.shift_px)))
    tiles = tiles_of(template, widest.motion)
    # Both by the same measure of what is too much: that of the fit which leaves less.
    chi2 = min(fit.chi2, other.chi2)
    left = [
        _left_over(measure(template, texture, short, noise, one.motion, one.gain, chi2, tiles)) for one in (fit, other)
    ]
    less = left[1] - left[0]
    for one, gained in ((fit, less), (other, -less)):
        against = np.minimum(gained, 0)
        if gained.sum() > _SURE_CHI2 + 5 * math.sqrt(2 * float(against @ against)):
            return one
    return None


def _left_over(moments: Moments) -> Matrix:
    """(T,): chi-square beyond that of noise, with what differs too much to take part counted as the limit of that."""
    left_out = moments.pixels * moments.outliers / np.maximum(1 - moments.outliers, _TINY)
    return np.asarray(moments.misfit - moments.pixels + (OUTLIER_SIGMA**2 - 1) * left_out)


def _sparsest(fit: Fit, nth: int) -> int:
    """Of so many tiles one is enough for the fit that ends it, going by one on every ``nth``."""
    sigmas = np.sqrt(np.diag(fit.covariance))
    share = max(sigmas[X] / _ENOUGH_PX, sigmas[Y] / _ENOUGH_PX, sigmas[GAIN] / fit.gain / _ENOUGH_GAIN) ** 2 / nth
    return max(1, min(int(1 / share), nth // 2))


def _stepped(
    template: Template,
    texture: Texture,
    short: BayerPlanes,
    noise: NoiseModel,
    motion: Motion,
    gain: float,
    chi2: float,
    tiles: list[Tile],
) -> Fit:
    """One Gauss-Newton step."""
    moments = measure(template, texture, short, noise, motion, gain, chi2, tiles)
    if not moments.pixels.sum():
        raise np.linalg.LinAlgError("no pixel is left")
    equations = Equations.of(moments, motion.shift_px)
    turned = bool(motion.rotation or motion.growth)
    stray, torn = _strays(equations, gain)
    sound = equations.of_tiles(~stray)
    step, covariance = sound.solve([X, Y, GAIN])
    freely, of_freely = _solved_freely(sound)
    beyond_doubt = np.abs(freely[ROTATION:]) > _TURNED_SIGMA * np.sqrt(np.diag(of_freely)[ROTATION:])
    if turned or beyond_doubt.any():
        step, covariance = freely, of_freely
    blur_px2, blur_sigma_px2 = _blur(sound)
    pixels = max(moments.pixels[~stray].sum(), 1)
    bounded, small = _bounded(step, covariance, gain, equations.places_px)
    return Fit(
        motion=Motion(
            (motion.shift_px[0] + bounded[X], motion.shift_px[1] + bounded[Y]),
            motion.rotation + bounded[ROTATION],
            motion.growth + bounded[GROWTH],
        ),
        gain=max(gain + bounded[GAIN], gain / 3),
        covariance=covariance,
        blur_px2=blur_px2,
        blur_sigma_px2=blur_sigma_px2,
        chi2=float(moments.misfit[~stray].sum() / pixels),
        structure=float(moments.structure[~stray].sum() / pixels),
        converged=small,
        equations=equations,
        step=step,
        freely=freely,
        of_freely=of_freely,
        stray=stray,
        torn=torn,
    )


def _strays(equations: Equations, gain: float) -> tuple[Which, bool]:
    """Tiles that do not go along with the rest; none of them, and True, where most would be such."""
    stray = equations.strays(equations.typical_step(), gain)
    for _ in range(2):
        if stray.mean() > _MOST_STRAY:
            break
        freely, _ = _solved_freely(equations.of_tiles(~stray))
        stray = equations.strays(freely, gain)
    torn = bool(stray.mean() > _MOST_STRAY)
    return (np.zeros_like(stray) if torn else stray), torn


def _solved_freely(equations: Equations) -> tuple[Matrix, Matrix]:
    """The step and its covariance where the frame is free to turn and grow, if there are tiles enough to tell."""
    turning = [ROTATION, GROWTH] if len(equations.places_px) >= _FEWEST_TO_TURN else []
    return equations.solve([X, Y, GAIN, *turning])


def _blur(equations: Equations) -> tuple[float, float] | tuple[None, None]:
    """px^2 and its standard deviation; none where the light does not tell, which is no reason to drop the rest."""
    try:
        step, covariance = equations.solve([X, Y, GAIN, BLUR])
    except np.linalg.LinAlgError:
        return None, None
    return float(step[BLUR]), float(np.sqrt(covariance[BLUR, BLUR]))


def _bounded(step: Matrix, covariance: Matrix, gain: float, places_px: Matrix) -> tuple[list[float], bool]:
    """The step, no longer than is safe, and whether it is so small that it is the last."""
    reach_px = max(float(np.hypot(*places_px.T).max()), 1.0)
    turn = 1 / reach_px
    longest = _MAX_STEP_PX * np.array([1, 1, np.inf, np.inf, turn, turn])
    least = np.array([1, 1, 0, 0, turn, turn]) * _SMALL_STEP_PX + np.array([0, 0, 0.05 * gain, 0, 0, 0])
    most = _LARGEST_LAST_STEP_PX * np.array([1, 1, np.inf, np.inf, turn, turn])
    small = np.abs(step) <= np.clip(_SMALL_STEP_SIGMA * np.sqrt(np.diag(covariance)), least, most)
    return [float(value) for value in np.clip(step, -longest, longest)], bool(small.all())
