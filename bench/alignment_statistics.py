"""What a number of trials says, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from alignment_trials import Outcome
from numpy.typing import NDArray
from scipy.stats import beta

from sidcap.curate.verdict import TOLERANCE_PX

TOO_CLOSE_PX = 0.05
"""A true shift this close to the tolerance is neither: "undetermined" is right there, and it counts nowhere."""
_RESAMPLES = 1000


@dataclass(frozen=True)
class Share:
    """``count`` of ``total``."""

    count: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, Clopper and Pearson (Biometrika 26, 1934)."""
        return self._quantile(0.025, 0), self._quantile(0.975, 1)

    @property
    def upper_limit(self) -> float:
        """95 %, one-sided."""
        return self._quantile(0.95, 1)

    def _quantile(self, level: float, more: int) -> float:
        count, rest = self.count + more, self.total - self.count + 1 - more
        if count == 0:
            return 0.0
        return 1.0 if rest == 0 else float(beta.ppf(level, count, rest))

    def __str__(self) -> str:
        if self.total == 0:
            return "-"
        low, high = self.interval
        return f"{self.count / self.total:.1%} ({100 * low:.1f}–{high:.1%})"


@dataclass(frozen=True)
class Group:
    """Outcomes that are looked at together."""

    outcomes: Sequence[Outcome]

    @cached_property
    def measured(self) -> list[Outcome]:
        """Those with a shift."""
        return [outcome for outcome in self.outcomes if outcome.error_px is not None]

    @property
    def rmse_px(self) -> float:
        """Per axis, of those with a shift."""
        return rms([outcome.error_px for outcome in self.measured])

    @property
    def stated_px(self) -> float:
        """What the registrations say of their own error."""
        return rms([outcome.sigma_px for outcome in self.measured])

    @property
    def bound_px(self) -> float:
        return rms([outcome.bound_px for outcome in self.outcomes])

    @property
    def noisy_bound_px(self) -> float:
        return rms([outcome.noisy_bound_px for outcome in self.outcomes])

    @property
    def efficiency(self) -> float:
        """Bound squared over mean squared error."""
        return float(self._efficiency_of(np.arange(len(self.measured))))

    @cached_property
    def efficiency_interval(self) -> tuple[float, float]:
        """95 %, by the bootstrap over trials (Efron 1979)."""
        trials = len(self.measured)
        chosen = np.random.default_rng(1).integers(trials, size=(_RESAMPLES, trials))
        low, high = np.quantile(self._efficiency_of(chosen), (0.025, 0.975))
        return float(low), float(high)

    @property
    def covered(self) -> Share:
        """How often, per axis, the truth lies within three standard deviations."""
        inside = [
            abs(error) < 3 * sigma
            for outcome in self.measured
            for error, sigma in zip(outcome.error_px or (), outcome.sigma_px or (), strict=True)
        ]
        return Share(sum(inside), len(inside))

    @property
    def false_accepts(self) -> Share:
        """Aligned, of those beyond the tolerance."""
        return self._verdicts("aligned", [one for one in self._decidable if one.trial.distance_px > TOLERANCE_PX])

    @property
    def false_rejects(self) -> Share:
        """Misaligned, of those within the tolerance."""
        return self._verdicts("misaligned", [one for one in self._decidable if one.trial.distance_px < TOLERANCE_PX])

    @property
    def undetermined(self) -> Share:
        return self._verdicts("undetermined", self._decidable)

    @property
    def verdicts(self) -> str:
        """For example ``38a 2u``."""
        counts = Counter(outcome.verdict[0] for outcome in self.outcomes)
        return " ".join(f"{count}{verdict}" for verdict, count in sorted(counts.items()))

    @property
    def ratio_errors(self) -> tuple[float, float] | None:
        """Mean and standard deviation."""
        errors = [outcome.ratio_error for outcome in self.measured if outcome.ratio_error is not None]
        return (float(np.mean(errors)), float(np.std(errors))) if errors else None

    @property
    def cpu_s(self) -> float:
        return float(np.median([outcome.cpu_s for outcome in self.outcomes]))

    def peer_rmse_px(self, name: str) -> tuple[float, int]:
        """Of those trials in which the peer did not fail; and in how many it failed."""
        errors = [outcome.peer_errors_px.get(name) for outcome in self.outcomes if outcome.peer_errors_px]
        there = [error for error in errors if error is not None]
        return rms(there), len(errors) - len(there)

    def peer_cpu_s(self, name: str) -> float:
        return float(np.median([outcome.peer_cpu_s[name] for outcome in self.outcomes if outcome.peer_cpu_s]))

    @cached_property
    def _decidable(self) -> list[Outcome]:
        return [one for one in self.outcomes if abs(one.trial.distance_px - TOLERANCE_PX) > TOO_CLOSE_PX]

    @staticmethod
    def _verdicts(verdict: str, outcomes: list[Outcome]) -> Share:
        return Share(sum(outcome.verdict == verdict for outcome in outcomes), len(outcomes))

    def _efficiency_of(self, chosen: NDArray[np.int_]) -> NDArray[np.float64]:
        squares = np.array([np.mean(np.square(outcome.error_px or np.nan)) for outcome in self.measured])
        bounds = np.array([(outcome.bound_px or np.nan) ** 2 for outcome in self.measured])
        return np.asarray(bounds[chosen].mean(-1) / squares[chosen].mean(-1))


def rms(values: Sequence[Any]) -> float:
    """Root mean square; NaN of nothing."""
    return float(np.sqrt(np.mean(np.square(values)))) if values else float("nan")
