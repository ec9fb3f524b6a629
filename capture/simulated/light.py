"""How bright the lamps are while the shutter is open: drift over the hours, flicker on the mains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated.surroundings import Flicker, Surroundings

CURTAIN_TRAVEL_S = 0.004
"""From the opening of the first row to that of the last. A guess; the 6D's X-sync of 1/180 s (Canon) bounds it."""


def mean_light(surroundings: Surroundings, start_s: float, exposure_s: float, rows: int) -> NDArray[np.float32]:
    """Mean light on each row while it was open, relative to the usual light; float32 (rows,), first row on top.

    ``start_s``: when the shutter begins to open, simulated seconds since power-on. The curtains run down the sensor, on
    which the picture stands upside down: its last row is exposed first.
    """
    row_start_s = start_s + CURTAIN_TRAVEL_S * np.linspace(1, 0, rows)
    light = (1 + surroundings.light_drift_per_hour) ** ((row_start_s + exposure_s / 2) / 3600)
    if surroundings.flicker is not None:
        light *= _mean_flicker(surroundings.flicker, row_start_s, exposure_s)
    return np.asarray(light, np.float32)


def _mean_flicker(flicker: Flicker, start_s: NDArray[np.float64], exposure_s: float) -> NDArray[np.float64]:
    """Mean of 1 + depth cos(w t) from ``start_s`` on; power, and with it light, peaks twice in a period."""
    w = 2 * np.pi * 2 * flicker.mains_hz
    return np.asarray(1 + flicker.depth * (np.sin(w * (start_s + exposure_s)) - np.sin(w * start_s)) / (w * exposure_s))
