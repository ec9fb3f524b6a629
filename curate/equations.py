"""What the tiles of a pair say about its parameters, and what they agree on.

Every plane has as many instruments as there are parameters. Planes and instruments are put together by the generalised
method of moments (Hansen, Econometrica 50(4), 1982): weighed by the covariance of their scores, which is
heteroscedasticity-consistent and so stays honest where the noise model is somewhat wrong. Tiles that do not go along
with the rest show something that moved or changed on its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sidcap.curate.moments import LOCAL, Moments
from sidcap.curate.reading import Matrix

X, Y, GAIN, BLUR, ROTATION, GROWTH = range(6)
"""Parameters of a pair; the first four are those of a tile, too."""

Which = NDArray[np.bool_]

_ALIASING_PX = 0.01
"""How far what the long cannot resolve may mislead at the worst of shifts, rms (measured on simulated pairs in bright
light, blur of the lens 0.5 and 0.7 px)."""
_STRAY_SIGMA = 6.0
_STRAY_PX = 0.3
_STRAY_GAIN = 0.2
_UNEXPLAINED = 0.15
_MISFIT = 0.5
"""Residuals of a tile vary by less than this, relative to those of others, where the noise model is somewhat wrong."""
_STRAY_OUTLIERS = 0.05
"""Of a still scene it is 1 % at most, for aliasing, in the brightest of lights."""
_MEDIAN_OF_CHI2 = 0.455
_TINY = 1e-12


@dataclass(frozen=True)
class Equations:
    """Linear equations of T tiles for steps of the local parameters: ``slopes @ step = scores``."""

    places_px: Matrix
    """(T, 2): centres of the tiles, x and y relative to the frame's centre."""
    foreign: Which
    """(T,): tiles that show something else than the long does."""
    scores: Matrix
    """(T, 4)."""
    slopes: Matrix
    """(T, 4, 4)."""
    scatter: Matrix
    """(T, 4, 4): covariance of the scores."""
    aliasing_px: Matrix
    """(2,): standard deviation along x and y that the aliasing of the long adds to the shift of all tiles alike."""

    @classmethod
    def of(cls, moments: Moments, shift_px: tuple[float, float]) -> Equations:
        """Every plane's instruments weighed by what they are worth, all planes together."""
        weights = _divided(moments.slopes.sum(0), moments.scatter.sum(0))
        return cls(
            moments.places_px,
            _foreign(moments),
            np.einsum("pka,tpk->ta", weights, moments.scores),
            np.einsum("pka,tpkb->tab", weights, moments.slopes),
            np.einsum("pka,tpkl,plb->tab", weights, moments.scatter, weights),
            _aliasing_px(shift_px),
        )

    def of_tiles(self, which: Which) -> Equations:
        """The equations of some of the tiles."""
        parts = (self.scores, self.slopes, self.scatter)
        scores, slopes, scatter = (part[which] for part in parts)
        return Equations(self.places_px[which], self.foreign[which], scores, slopes, scatter, self.aliasing_px)

    def together(self) -> Equations:
        """One tile made of all of these."""
        places, foreign = self.places_px.mean(0, keepdims=True), np.array([self.foreign.any()])
        scores, slopes, scatter = (part.sum(0, keepdims=True) for part in (self.scores, self.slopes, self.scatter))
        return Equations(places, foreign, scores, slopes, scatter, self.aliasing_px)

    def solve(self, free: list[int]) -> tuple[Matrix, Matrix]:
        """The step (6,) that the tiles agree on and its covariance (6, 6); 0 in what is not free.

        Raises numpy.linalg.LinAlgError where they do not determine it.
        """
        levers = levers_at(self.places_px)[..., free]
        normal = np.einsum("tai,tab,tbj->ij", levers, self.slopes, levers)
        spread = np.einsum("tai,tab,tbj->ij", levers, self.scatter, levers)
        if not (np.diag(normal) > 0).all():
            raise np.linalg.LinAlgError("there is nothing that could move")
        scale = np.sqrt(np.diag(normal))
        inverse = np.linalg.inv(normal / np.outer(scale, scale)) / np.outer(scale, scale)
        step, covariance = np.zeros(6), np.zeros((6, 6))
        step[free] = inverse @ np.einsum("tai,ta->i", levers, self.scores)
        spread *= max(1.0, self._unrest(step))
        covariance[np.ix_(free, free)] = inverse @ spread @ inverse.T
        covariance[[X, Y], [X, Y]] += self.aliasing_px**2
        if not (np.isfinite(covariance).all() and (np.diag(covariance)[free] > 0).all()):
            raise np.linalg.LinAlgError("there is nothing that could move")
        return step, covariance

    def deviations(self, step: Matrix) -> tuple[Matrix, Matrix]:
        """(T, 3), (T, 3, 3): by how much each tile alone differs from what a step of the pair makes of it.

        Shift x and y, gain, and their covariance.
        """
        left = self._left(step)[:, :3]
        inverse = np.linalg.pinv(self.slopes[:, :3, :3], rcond=1e-9)
        covariance = inverse @ self.scatter[:, :3, :3] @ inverse.transpose(0, 2, 1)
        return np.einsum("tab,tb->ta", inverse, left), covariance

    def typical_step(self) -> Matrix:
        """The step (6,) of a typical tile: weighted medians of what each says alone. Few that stray do not sway it."""
        deviation, covariance = self.deviations(np.zeros(6))
        step = np.zeros(6)
        for parameter in (X, Y, GAIN):
            order = np.argsort(deviation[:, parameter])
            weight = 1 / np.sqrt(np.maximum(covariance[order, parameter, parameter], _TINY))
            middle = np.searchsorted(weight.cumsum(), weight.sum() / 2)
            step[parameter] = deviation[order[middle], parameter]
        return step

    def strays(self, step: Matrix, gain: float) -> Which:
        """(T,): which tiles differ from the rest by shift or by gain beyond doubt, or show something else."""
        deviation, covariance = self.deviations(step)
        shift = deviation[:, :2]
        moved = (np.hypot(*shift.T) > _STRAY_PX) & (_squared(shift, covariance[:, :2, :2]) > _STRAY_SIGMA**2)
        change, of_change = np.abs(deviation[:, GAIN]), np.sqrt(covariance[:, GAIN, GAIN])
        changed = (change > _STRAY_GAIN * gain) & (change > _STRAY_SIGMA * of_change)
        return np.asarray(moved | changed | self.foreign)

    def disagreement(self, one: Which, step: Matrix) -> tuple[float, float]:
        """How far the shift of some tiles lies from that of the others, beyond what a step of the pair makes of both.

        Sensor pixels, and standard deviations.
        """
        (here, of_here), (there, of_there) = (self.of_tiles(which).together().deviations(step) for which in (one, ~one))
        apart = here[:, :2] - there[:, :2]
        squared = _squared(apart, of_here[:, :2, :2] + of_there[:, :2, :2])
        return float(np.hypot(*apart[0])), math.sqrt(max(float(squared[0]), 0))

    def unevenness(self, step: Matrix) -> tuple[float, float]:
        """How far single tiles lie off a step of the pair beyond what their noise says: rms per axis, sensor pixels,
        and how sure that is, standard deviations.
        """
        deviation, covariance = self.deviations(step)
        of_shift = covariance[:, :2, :2]
        squared = _squared(deviation[:, :2], of_shift)
        excess = float((squared - 2).sum())
        information = max(float(np.einsum("taa->", np.linalg.pinv(of_shift))), _TINY)
        return math.sqrt(max(excess, 0) / information), excess / math.sqrt(4 * len(squared))

    def _left(self, step: Matrix) -> Matrix:
        local_steps = levers_at(self.places_px) @ step
        return np.asarray(self.scores - np.einsum("tab,tb->ta", self.slopes, local_steps))

    def _unrest(self, step: Matrix) -> float:
        """How much more the tiles scatter than their pixels say: for shifts, median over the median of chi-square.

        Two standard deviations of that are taken off: a few tiles scatter more by chance.
        """
        left = self._left(step)
        squared = [left[:, axis] ** 2 / np.maximum(self.scatter[:, axis, axis], _TINY) for axis in (X, Y)]
        by_chance = 1 + 2 * 2.34 / math.sqrt(2 * len(left))
        return float(np.median(squared) / _MEDIAN_OF_CHI2 / by_chance)


def levers_at(places_px: Matrix) -> Matrix:
    """(T, 4, 6): what a step of the pair's parameters does to the local ones at T places (x, y) off the centre."""
    levers = np.zeros((len(places_px), LOCAL, 6))
    levers[:, range(LOCAL), range(LOCAL)] = 1
    x, y = places_px.T
    levers[:, X, ROTATION], levers[:, Y, ROTATION] = -y, x
    levers[:, X, GROWTH], levers[:, Y, GROWTH] = x, y
    return levers


def _squared(shifts: Matrix, covariances: Matrix) -> Matrix:
    """(T,): shifts (T, 2) in their standard deviations, squared."""
    return np.asarray(np.einsum("ta,tab,tb->t", shifts, np.linalg.pinv(covariances), shifts))


def _foreign(moments: Moments) -> Which:
    """(T,): tiles of which too much differs from the model to take part, or too little is explained by the long."""
    pixels = np.maximum(moments.pixels, 1)
    chi2 = moments.misfit / pixels
    typical = np.median(chi2)
    excess = chi2 - typical
    beyond_doubt = excess > np.maximum(_STRAY_SIGMA * np.sqrt(2 / pixels), _MISFIT) * typical
    unexplained = excess > _UNEXPLAINED * (excess + moments.structure / pixels)
    return np.asarray((moments.outliers > _STRAY_OUTLIERS) | (beyond_doubt & unexplained))


def _divided(slopes: Matrix, scatter: Matrix) -> Matrix:
    """(4, 6, 4): inverse of each plane's scatter times its slopes; what is not determined gets nothing."""
    scale = np.sqrt(np.maximum(np.einsum("pkk->pk", scatter), _TINY))
    normal = scatter / (scale[:, :, None] * scale[:, None, :])
    inverse = np.linalg.pinv(normal, rcond=1e-6, hermitian=True)
    return np.asarray(inverse @ (slopes / scale[..., None]) / scale[..., None])


def _aliasing_px(shift_px: tuple[float, float]) -> Matrix:
    """(2,): how far the aliasing of the long, read at such a shift, may mislead along x and y.

    Nothing has to be read between the photosites of a plane at whole pixels of it; the little that is always added is
    for what nobody knows.
    """
    return np.asarray(_ALIASING_PX * (np.abs(np.sin(np.pi / 2 * np.array(shift_px))) + 0.05))
