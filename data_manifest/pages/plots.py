"""Plots in one style, as files and as part of a page: text stays text, and follows the page from dark to light.

Series are told apart by mark and line, too, so that colours alone say nothing: grey prints and colour-blind eyes read
them. The colours are of like lightness, three times as dark as paper and three times as light as a dark page.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.pages.document import Document, Figure, Table
from sidcap.data_manifest.store import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Canvas

INK, QUIET, GRID = "#1b1c1e", "#54565a", "#d5d6d9"
SERIES: Final = ("#2a78bd", "#c96a1b", "#12876f", "#a65fb0", "#8a7d1a", "#7f7f85")
"""Colours of series, in this order."""
MARKS: Final = ("o", "s", "^", "D", "v", "P")
LINES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
HATCHES: Final = ("", "///", "...", "xxx", "\\\\\\", "---")
RASTER_FROM: Final = 400
"""So many marks and more are drawn as a picture within the SVG, which would be megabytes otherwise."""

_PNG_DPI = 160
_RASTER_DPI = 200
_ON_PAGE = {INK: "var(--ink)", QUIET: "var(--quiet)", GRID: "var(--plot-grid)"}
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def svg(figure: Figure) -> str:
    """The plot as a file of its own, on white."""
    return _rendered(figure, "svg", dpi=_RASTER_DPI).decode()


def png(figure: Figure) -> bytes:
    """The same as a picture, on white."""
    return _rendered(figure, "png", dpi=_PNG_DPI)


def inline_svg(figure: Figure) -> str:
    """The plot as part of a page: without a ground of its own, in the page's ink, its names unlike any other plot's."""
    drawing = _rendered(figure, "svg", dpi=_RASTER_DPI, transparent=True).decode()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>\s*", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'\bid="', f'id="{figure.name}-', drawing)
    drawing = re.sub(r"url\(#", f"url(#{figure.name}-", drawing)
    drawing = re.sub(r'xlink:href="#', f'href="#{figure.name}-', drawing)
    drawing = drawing.replace("xlink:href", "href")
    for colour, variable in _ON_PAGE.items():
        drawing = drawing.replace(colour, variable)
    width, height = (round(72 * inches) for inches in figure.size_in)
    opening = (
        f'<svg role="img" aria-labelledby="{figure.name}-title {figure.name}-desc" class="plot" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">'
    )
    described = f'<title id="{figure.name}-title">{_escaped(figure.title)}</title>'
    described += f'<desc id="{figure.name}-desc">{_escaped(figure.caption)}</desc>'
    drawing = re.sub(r"<title>.*?</title>\s*", "", drawing, count=1, flags=re.DOTALL)
    return re.sub(r"<svg\b[^>]*>", lambda _: opening + described, drawing, count=1)


def write_plots(document: Document, folder: Path) -> list[Path]:
    """Every plot as SVG and PNG, and its numbers as CSV, into ``folder``; gives what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in document.figures:
        contents = {".svg": svg(figure).encode(), ".png": png(figure), ".csv": csv_of(figure.numbers).encode()}
        for suffix, content in contents.items():
            write_atomic(folder / f"{figure.name}{suffix}", content)
            written.append(folder / f"{figure.name}{suffix}")
    return written


def csv_of(table: Table) -> str:
    """All rows of a table."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(table.columns)
    rows.writerows([[str(cell) for cell in row] for row in table.rows])
    return text.getvalue()


def scatter(
    axes: Axes,
    x: Sequence[float] | NDArray[Any],
    y: Sequence[float] | NDArray[Any],
    series: int,
    label: str,
    *,
    error: Sequence[float] | NDArray[Any] | None = None,
) -> None:
    """Marks of one series, each with its standard deviation where ``error`` has them."""
    many = len(x) >= RASTER_FROM
    size = 2.2 if many else 4.5
    axes.errorbar(
        np.asarray(x, float),
        np.asarray(y, float),
        yerr=None if error is None else np.asarray(error, float),
        fmt=MARKS[series % len(MARKS)],
        color=SERIES[series % len(SERIES)],
        markersize=size,
        markeredgewidth=0,
        elinewidth=0.5 if many else 0.9,
        capsize=0,
        label=label,
        rasterized=many,
    )


def log_axis(axes: Axes, which: Literal["x", "y"]) -> None:
    """A logarithmic axis whose numbers are written out: 0.1, 0.2, 0.5, 1."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    if which == "x":
        axes.set_xscale("log")
    else:
        axes.set_yscale("log")
    low, high = axis.get_view_interval()
    subdivided = (1.0, 2.0, 5.0) if high < 500 * max(low, 1e-300) else (1.0,)
    axis.set_major_locator(LogLocator(subs=subdivided))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def whole_numbers(axis: Axis) -> None:
    """Ticks at whole numbers only: of what is counted."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def legend(canvas: Canvas, axes: Axes) -> None:
    """A legend above the plots, where it covers nothing; none for a single series."""
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        canvas.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 4))


def _rendered(figure: Figure, suffix: str, *, dpi: int, transparent: bool = False) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    mpl.use("Agg", force=False)
    file = io.BytesIO()
    with mpl.rc_context(_STYLE | {"svg.hashsalt": figure.name}):
        canvas = Canvas(figsize=figure.size_in, layout="constrained")
        figure.draw(canvas)
        metadata = {"Date": None, "Title": figure.title} if suffix == "svg" else {"Software": None}
        canvas.savefig(file, format=suffix, dpi=dpi, transparent=transparent, metadata=metadata)
    return file.getvalue()


def _escaped(text: str) -> str:
    from markupsafe import escape

    return str(escape(text))
