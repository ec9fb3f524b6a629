"""How much of a noise-free long's information on the shift a noisy one can give, through which filter or denoiser.

    python bench/alignment_limits.py

An estimator that looks at the short through z, whatever of the long that is made of, has for a shift along x the
efficiency

    (sum w z g)^2 / (sum w z^2  sum w g^2),

g being the true slope and w one over the short's variance; several z are combined as best they can be, plane by plane,
with the truth at hand. That is the share of the Cramer-Rao bound for a noise-free long that z leaves; mean of x and y.
Neither shift nor fixed pattern, lamps and margins take part, so that no estimator which uses these z can be above it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from alignment_bounds import bound_with_noisy_long_px
from alignment_tables import machine, markdown
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from shifted_scenes import WHITE_DN, Pair, Scene, make_pair

from sidcap.curate.moments import Template, texture_of
from sidcap.curate.planes import bayer_planes
from sidcap.curate.reading import HALF_BAND, Reading

Image = NDArray[np.float32]
Slopes = tuple[Image, Image]
"""Along x and along y."""

SHAPE = 1024, 1536
LIGHTS = (0.3, 100.0), (0.3, 300.0), (1.0, 100.0), (1.0, 300.0)
"""Electrons a pixel in the short, and the ratio."""
WIDTHS_PX = 0.7, 0.9, 1.1, 1.3, 1.6, 2.0, 2.5
PLANES = [(slice(y, None, 2), slice(x, None, 2)) for y in (0, 1) for x in (0, 1)]


def main() -> None:
    """The table."""
    scene = Scene(SHAPE, 0, blur_px=0.7)
    rows: dict[str, list[str]] = {}
    for signal_e, ratio in LIGHTS:
        for name, share in _shares(scene, make_pair(scene, signal_e=signal_e, ratio=ratio, seed=1)).items():
            rows.setdefault(name, []).append(f"{share:.2f}")
    headings = ("seen through", *(f"{signal_e:g} e-, ratio {ratio:g}" for signal_e, ratio in LIGHTS))
    print(f"    python bench/alignment_limits.py\n\n{machine()}\n")
    print(markdown(headings, [[name, *cells] for name, cells in rows.items()]))


def _shares(scene: Scene, pair: Pair) -> dict[str, float]:
    white, level_e = _white(pair)
    guide = np.asarray(cv2.sepFilter2D(white, -1, HALF_BAND, HALF_BAND), np.float32)
    as_read = tuple(one + other for one, other in zip(_slopes(guide), _slopes_of_planes(white - guide), strict=True))
    wide = [_slopes(np.asarray(cv2.GaussianBlur(white, (0, 0), width), np.float32)) for width in WIDTHS_PX]
    denoised = {
        name: _slopes(_through_roots(guide, level_e, pair.noise.read_noise_e, denoise))
        for name, denoise in (
            ("a bilateral filter", lambda image, sigma: cv2.bilateralFilter(image, 7, 3 * sigma, 1.5)),
            ("total variation", lambda image, sigma: denoise_tv_chambolle(image, weight=sigma)),
            ("non-local means", _non_local_means),
        )
    }
    learned = _through_instruments(pair, white)
    share = _Information(scene, pair).share
    return {
        "slopes as read": share(as_read),
        "and Gaussians of 0.7 to 2.5 px, seven": share(as_read, *wide),
        "Wiener's filters, 6 x 6, of the long itself (what sidcap does)": share(learned),
        "and slopes as read": share(learned, as_read),
        **{f"and slopes through {name}": share(learned, slopes) for name, slopes in denoised.items()},
        "any linear filter (Knapp and Carter)": (scene.bound_px(pair) / bound_with_noisy_long_px(scene, pair)) ** 2,
    }


class _Information:
    """What a noise-free long would tell of the shift in a pair."""

    def __init__(self, scene: Scene, pair: Pair) -> None:
        self._slopes = tuple(pair.signal_e * gradient for gradient in scene.gradients)
        light = np.maximum(scene.mosaic(), 0) * pair.signal_e
        self._weight = 1 / (light + pair.noise.read_noise_e**2)

    def share(self, *seen: tuple[Image, ...]) -> float:
        """Of it, what is left when the long is seen through these, combined as best they can be."""
        shares = []
        for axis, slope in enumerate(self._slopes):
            left = 0.0
            for sites in PLANES:
                instruments = np.stack([slopes[axis][sites].ravel() for slopes in seen]).astype(np.float64)
                weighted = instruments * self._weight[sites].ravel()
                score, scatter = weighted @ slope[sites].ravel(), weighted @ instruments.T
                left += float(score @ np.linalg.solve(scatter, score))
            shares.append(left / float((self._weight * slope**2).sum()))
        return float(np.mean(shares))


def _through_instruments(pair: Pair, white: Image) -> Slopes:
    """As `sidcap.curate.register` sees them, where the short is not displaced."""
    template = Template.of(bayer_planes(pair.long, pair.noise))
    found = texture_of(template, pair.noise, 1 / pair.ratio).instruments(Reading((0.0, 0.0)))
    slopes = np.empty_like(white), np.empty_like(white)
    for kernels, sites in zip(found.kernels.astype(np.float32), PLANES, strict=True):
        for slope, kernel in zip(slopes, kernels, strict=False):
            slope[sites] = cv2.filter2D(white, -1, kernel, anchor=(-found.start[1], -found.start[0]))[sites]
    return slopes


def _white(pair: Pair) -> tuple[Image, float]:
    """The long, every photosite over its plane's level; and the mean level, e-."""
    long = np.nan_to_num(pair.long, nan=WHITE_DN)
    white, levels_e = np.empty_like(long), []
    for sites in PLANES:
        level = float(long[sites].mean())
        white[sites] = long[sites] / level
        levels_e.append(level * pair.noise.gain_e_per_dn)
    return white, float(np.mean(levels_e))


def _slopes(image: Image, spacing_px: float = 1.0) -> Slopes:
    """Derivatives of the band-limited image."""
    spectrum = np.fft.rfft2(image)
    frequencies = np.fft.rfftfreq(image.shape[1])[None, :], np.fft.fftfreq(image.shape[0])[:, None]
    along_x, along_y = (
        np.asarray(np.fft.irfft2(2j * np.pi * frequency * spectrum, image.shape) / spacing_px, np.float32)
        for frequency in frequencies
    )
    return along_x, along_y


def _slopes_of_planes(mosaic: Image) -> Slopes:
    """Derivatives of each plane by itself."""
    along_x, along_y = np.empty_like(mosaic), np.empty_like(mosaic)
    for sites in PLANES:
        along_x[sites], along_y[sites] = _slopes(mosaic[sites], 2.0)
    return along_x, along_y


def _through_roots(
    guide: Image, level_e: float, read_noise_e: float, denoise: Callable[[Image, float], NDArray[np.floating]]
) -> Image:
    """Denoised as twice the square root, in which Poisson noise is the same everywhere (Anscombe 1948)."""
    offset = read_noise_e**2 / level_e
    roots = 2 * np.sqrt(np.maximum(guide, 0) + np.float32(offset))
    sigma = float((HALF_BAND**2).sum() / np.sqrt(level_e))
    return np.asarray((denoise(roots, sigma) / 2) ** 2, np.float32)


def _non_local_means(image: Image, sigma: float) -> NDArray[np.floating]:
    return np.asarray(denoise_nl_means(image, patch_size=5, patch_distance=7, h=0.8 * sigma, sigma=sigma))


if __name__ == "__main__":
    main()
