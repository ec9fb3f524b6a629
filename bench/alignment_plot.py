"""Draw what `python bench/alignment.py --json OUTCOMES` wrote:

    python bench/alignment_plot.py OUTCOMES [IMAGE]

RMSE per axis over the light in the short, all shifts together, beside the bounds and the other estimators; into
docs/images/alignment.png (or IMAGE).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from alignment_peers import PEERS
from alignment_statistics import Group
from alignment_trials import OUTCOMES, Fixed, Outcome
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

IMAGE = Path(__file__).parents[1] / "docs" / "images" / "alignment.png"
COLOURS = {"phaseCorrelate": "#d68910", "ECC": "#7d3c98", "skimage, phase": "#c0392b", "skimage, None": "#1a5276"}
TITLES = {
    Fixed.OFF: "no fixed pattern",
    Fixed.CALIBRATED: "fixed pattern, dark frames given",
    Fixed.UNKNOWN: "fixed pattern, no dark frames",
}


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outcomes", type=Path)
    parser.add_argument("image", type=Path, nargs="?", default=IMAGE)
    given = parser.parse_args()
    outcomes = OUTCOMES.validate_json(given.outcomes.read_bytes())
    patterns = [fixed for fixed in Fixed if any(outcome.trial.fixed is fixed for outcome in outcomes)]
    figure, panels = plt.subplots(
        1, len(patterns), figsize=(4.2 * len(patterns), 4.6), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, fixed in zip(panels[0], patterns, strict=True):
        _draw(axes, [outcome for outcome in outcomes if outcome.trial.fixed is fixed])
        axes.set(title=TITLES[fixed], xlabel="mean of the short, electrons a pixel")
    panels[0, 0].set_ylabel("RMSE of the shift per axis, sensor pixels")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(given.image, dpi=110)


def _draw(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    signals = sorted({outcome.trial.signal_e for outcome in outcomes})
    groups = [Group([one for one in outcomes if one.trial.signal_e == signal_e]) for signal_e in signals]
    for name in PEERS:
        axes.loglog(signals, [group.peer_rmse_px(name)[0] for group in groups], color=COLOURS[name], lw=1, label=name)
    axes.loglog(signals, [group.rmse_px for group in groups], "o-", color="#1e8449", lw=2, label="sidcap")
    axes.loglog(signals, [group.bound_px for group in groups], "k-", lw=1, label="Cramér-Rao bound")
    axes.loglog(signals, [group.noisy_bound_px for group in groups], "k:", lw=1, label="for a noisy long")
    axes.set_ylim(0.002, 20)
    axes.grid(which="major", alpha=0.3)


if __name__ == "__main__":
    main()
