"""Repeating surface textures: single-channel 8-bit tiles that multiply a reflectance; 128 leaves it unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated.canvas import Pixels

TILE_PX = 512


def plaster(rng: np.random.Generator, contrast: float = 0.10) -> Pixels:
    """Blotchy, slightly grainy: walls, paper, asphalt."""
    return _tile(1 + contrast * (0.6 * _fractal(rng, 1.1) + 0.6 * _fractal(rng, 0.3)))


def wood(rng: np.random.Generator, contrast: float = 0.16) -> Pixels:
    """Grain along the columns' axis (horizontal), with rings that wander."""
    wander = _fractal(rng, 1.9, stretch=8)
    rings = np.sin(2 * np.pi * (np.linspace(0, 5, TILE_PX, endpoint=False)[:, None] + 0.9 * wander))
    fibres = _fractal(rng, 0.4, stretch=24)
    return _tile(1 + contrast * (0.5 * rings + 0.7 * fibres))


def weave(rng: np.random.Generator, threads: int = 85, contrast: float = 0.22) -> Pixels:
    """Plain weave: threads that pass over and under each other."""
    phase = 2 * np.pi * np.arange(TILE_PX) * threads / TILE_PX
    pattern = np.sin(phase)[:, None] * np.sin(phase)[None, :]
    return _tile(1 + contrast * pattern + 0.05 * _fractal(rng, 0.4, stretch=6))


def stone(rng: np.random.Generator, contrast: float = 0.22) -> Pixels:
    """Coarse and speckled: pavements, rough concrete, bark."""
    speckle = np.clip(_white(rng), -1, 2)
    return _tile(1 + contrast * (0.7 * _fractal(rng, 0.9) + 0.4 * speckle))


def _tile(factor: NDArray[np.floating[Any]]) -> Pixels:
    return np.clip(np.round(128 * factor), 0, 255).astype(np.uint8)


def _white(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.standard_normal((TILE_PX, TILE_PX), np.float32)


def _fractal(rng: np.random.Generator, slope: float, stretch: float = 1.0) -> NDArray[np.float32]:
    """Periodic noise with amplitude ~ frequency**-slope, unit standard deviation, ``stretch`` times as long as high."""
    fy = np.fft.fftfreq(TILE_PX)[:, None]
    fx = np.fft.rfftfreq(TILE_PX)[None, :] * stretch
    frequency = np.maximum(np.hypot(fx, fy), 1 / TILE_PX)
    spectrum = np.fft.rfft2(_white(rng)) * (frequency**-slope).astype(np.float32)
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(TILE_PX, TILE_PX))
    return np.asarray(field / field.std(), np.float32)
