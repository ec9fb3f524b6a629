"""A report as one HTML file that needs nothing else: sections of tables, figures and pictures, in sidcap's look.

>>> text = html(Document(title="set", subtitle="16 scenes", parts=parts))

What people typed (names, notes) is shown as text: the template escapes all that is not sidcap's own drawing. The file
forbids itself every request, by its content security policy. Same content, same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeVar

from sidcap.data_manifest.pages import STYLESHEET

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

MOST_BYTES: Final = 5_000_000
"""No report is larger, however large the dataset."""
MOST_ROWS: Final = 200
"""Rows of a table that are shown."""
GENERATOR: Final = "sidcap report"
"""What the file says of its origin, so that a later report may take its place."""

Tone = Literal["plain", "good", "bad", "doubt", "mark"]


@dataclass(frozen=True)
class Badge:
    """A word in a table that is to be found at a glance; never a colour alone."""

    text: str
    tone: Tone = "plain"

    def __str__(self) -> str:
        return self.text


Cell = str | Badge


@dataclass(frozen=True)
class Table:
    """Rows of text. Columns whose titles are in ``numbers`` are set flush right."""

    kind: ClassVar = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: frozenset[str] = frozenset()
    note: str = ""
    """Said under the table."""
    folded: bool = False
    """Shown when it is asked for, and printed where it is shown."""
    sortable: bool = False
    most_rows: int = MOST_ROWS

    @property
    def shown(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows that a report has."""
        return self.rows[: self.most_rows]

    @property
    def left_out(self) -> int:
        """How many rows it has not."""
        return len(self.rows) - len(self.shown)


@dataclass(frozen=True)
class Figure:
    """A plot: drawn when it is asked for, as SVG or as PNG, with its numbers beside it."""

    kind: ClassVar = "figure"
    name: str
    """Of its files, and of its place in the report: letters, digits and hyphens."""
    title: str
    caption: str
    """What is to be seen, and how to read it."""
    draw: Callable[[Canvas], None]
    """Draws it on an empty matplotlib figure."""
    numbers: Table
    """What is drawn, as numbers."""
    size_in: tuple[float, float] = (7.4, 3.4)


@dataclass(frozen=True)
class Picture:
    """A photograph, as the bytes of a JPEG."""

    jpeg: bytes
    alt: str
    caption: str
    size_px: tuple[int, int]
    """Width and height."""

    @property
    def source(self) -> str:
        """The picture itself as an address."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()

    @property
    def embedded_bytes(self) -> int:
        """What it adds to a report."""
        return math.ceil(len(self.jpeg) / 3) * 4


@dataclass(frozen=True)
class Gallery:
    """Pictures beside each other, in rows of ``columns``."""

    kind: ClassVar = "gallery"
    title: str
    caption: str
    pictures: tuple[Picture, ...]
    columns: int = 4


@dataclass(frozen=True)
class Facts:
    """What there is to know, line by line."""

    kind: ClassVar = "facts"
    title: str
    lines: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class KeyFigures:
    """The few numbers that one wants first: each with what it counts."""

    kind: ClassVar = "key_figures"
    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Words:
    """A paragraph; a ``doubt`` or ``bad`` one is set off."""

    kind: ClassVar = "words"
    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Listing:
    """Text to be copied as it is: commands, checksums."""

    kind: ClassVar = "listing"
    title: str
    text: str
    folded: bool = False


Block = Table | Figure | Gallery | Facts | KeyFigures | Words | Listing


@dataclass(frozen=True)
class Section:
    """Blocks under one heading."""

    anchor: str
    """Letters, digits and hyphens; unlike any other's."""
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Part:
    """Sections about one thing: the dataset, the runs."""

    heading: str
    """Over its sections: ``The dataset``."""
    title: str
    """What it is about, for the head of the report."""
    subtitle: str
    """What it comes to, in one line."""
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    subtitle: str
    written: str
    """When and with what: the one line that differs between two reports of the same."""
    parts: tuple[Part, ...]

    @property
    def figures(self) -> list[Figure]:
        """Every plot, in order."""
        return [
            block
            for part in self.parts
            for section in part.sections
            for block in section.blocks
            if isinstance(block, Figure)
        ]


def html(document: Document) -> str:
    """The file's text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from sidcap.data_manifest.pages.plots import inline_svg

    here = Path(__file__).parent
    script = (here / "report.js").read_text("utf-8")
    environment = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = STYLESHEET.read_text("utf-8") + (here / "report.css").read_text("utf-8")
    # All three are sidcap's own: text that people typed is escaped by matplotlib before it gets into a drawing.
    own = {"style": Markup(style), "script": Markup(script), "svg": lambda figure: Markup(inline_svg(figure))}  # noqa: S704
    environment.filters["code"] = _with_code
    return environment.get_template("report.html.jinja").render(
        document=document, generator=GENERATOR, script_sha256=_digest(script), **own
    )


def _with_code(text: str) -> str:
    """Text as HTML, what stands between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


_T = TypeVar("_T")


def evenly(items: Sequence[_T], most: int) -> list[_T]:
    """Up to ``most`` of ``items``, spread evenly over them, the first among them."""
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
