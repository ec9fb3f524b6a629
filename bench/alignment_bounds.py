"""What a long that is noisy itself leaves of the Cramer-Rao bound."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from shifted_scenes import Pair, Scene, shows_gradient

_SMOOTHED = (9, 9)


def bound_with_noisy_long_px(scene: Scene, pair: Pair) -> float:
    """The standard deviation per axis, px, that Knapp and Carter give where both frames are noisy.

    For two noisy frames of one unknown Gaussian scene, the information on a delay is the sum over frequencies of
    (2 pi f)^2 C / (1 - C), C being their squared coherence (IEEE Trans. ASSP 24(4), 1976). With power S of the scene
    and white noise N1 of the long, N2 of the short: C / (1 - C) = S / N2 * S / (S (1 + N1 / N2) + N1). The first
    factor, with (2 pi f)^2, is the information for a noise-free long; so its sum is taken with the scene's true
    gradients, as `Scene.bound_px` has them, and weighted with the second factor. Gradients and scene are divided by the
    standard deviation of the short's noise first, for that depends on the light; power is the smoothed periodogram of
    the whole mosaic, so that the planes help each other as far as their colours agree. Without noise of the long it is
    the same as `Scene.bound_px`.

    The scene is taken to be Gaussian. An estimator that knew better what scenes look like could do better: this is what
    a linear filter of the long can reach, no bound.
    """
    light = np.maximum(scene.mosaic(), 0) * pair.signal_e
    read_e2 = pair.noise.read_noise_e**2
    of_short = light + read_e2
    of_long = light / pair.ratio + read_e2 / pair.ratio**2
    seen = shows_gradient(pair.long)
    per_sigma = np.where(seen, pair.signal_e / np.sqrt(of_short), 0).astype(np.float32)
    noise = float(np.mean(of_long / of_short, where=seen))
    structure = (scene.mosaic() - float(scene.mosaic().mean(where=seen))) * per_sigma
    power = cv2.blur(np.abs(_spectrum(structure)) ** 2, _SMOOTHED)
    left = power / (power * (1 + noise) + noise)
    left[:, 1:-1] *= 2  # stands for the frequency of opposite sign, too
    x, y = (_spectrum(gradient * per_sigma) for gradient in scene.gradients)
    information = [[float(np.sum(left * (one * other.conj()).real)) for other in (x, y)] for one in (x, y)]
    return float(np.sqrt(np.trace(np.linalg.inv(information)) / 2))


def _spectrum(mosaic: NDArray[np.float32]) -> NDArray[np.complex64]:
    """The half of it that tells all; white noise of variance 1 has power 1."""
    return np.asarray(np.fft.rfft2(mosaic, norm="ortho"))
