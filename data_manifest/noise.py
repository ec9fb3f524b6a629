"""The Poisson-Gaussian model of a raw pixel's noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidcap.data_manifest.errors import RawError
from sidcap.data_manifest.raw import Exif

_FULL_SCALE_DN = 15490.0 - 2048.0
_SATURATION_6D_E = {
    100: 79546.0,
    200: 42220.0,
    400: 20643.0,
    800: 10482.0,
    1600: 5215.0,
    3200: 2568.0,
    6400: 1271.0,
}
"""Electrons at saturation by ISO, measured by Magic Lantern users on 6D bodies."""
_READ_NOISE_6D_E = {100: 26.0, 6400: 1.7}
"""Read noise by ISO. At ISO 6400 measured; the value at ISO 100 is quoted without a source (unverified)."""


@dataclass(frozen=True)
class NoiseModel:
    """Variance of a pixel as a function of its mean: shot noise of the electrons and a constant read noise.

    ``variance_e = signal_e + read_noise_e ** 2`` (EMVA 1288, without the quantisation term).
    """

    gain_e_per_dn: float
    """Conversion gain, electrons per DN."""
    read_noise_e: float
    """Standard deviation of a pixel in the dark, electrons."""
    source: str = "given"
    """Where the two numbers come from."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.gain_e_per_dn) and self.gain_e_per_dn > 0):
            raise RawError(f"a gain of {self.gain_e_per_dn} e-/DN is impossible: calibrate again")
        if not (np.isfinite(self.read_noise_e) and self.read_noise_e >= 0):
            raise RawError(f"a read noise of {self.read_noise_e} e- is impossible: calibrate again")

    def variance_dn2(self, signal_dn: ArrayLike) -> NDArray[np.float32]:
        """Variance in DN^2 of a pixel whose mean is ``signal_dn`` above black; negative means count as dark."""
        signal = np.maximum(np.asarray(signal_dn, np.float32), 0)
        return np.asarray(signal / self.gain_e_per_dn + (self.read_noise_e / self.gain_e_per_dn) ** 2, np.float32)


def published_noise(exif: Exif) -> NoiseModel | None:
    """The noise model that others published for this body and ISO; None where there is none.

    Between the measured ISOs, and above them, gain goes with 1/ISO and read noise is interpolated in log ISO: good to
    some 10 %, enough to weigh pixels, not to certify a camera. `sidcap calibrate` replaces it with a measurement.
    """
    if exif.model != "Canon EOS 6D" or exif.iso is None:
        return None
    iso = exif.iso
    nearest = min(_SATURATION_6D_E, key=lambda measured: abs(np.log2(measured / iso)))
    gain = _SATURATION_6D_E[nearest] / _FULL_SCALE_DN * nearest / iso
    read_noise = np.exp(np.interp(np.log(iso), np.log(list(_READ_NOISE_6D_E)), np.log(list(_READ_NOISE_6D_E.values()))))
    return NoiseModel(float(gain), float(read_noise), source="published for the EOS 6D")
