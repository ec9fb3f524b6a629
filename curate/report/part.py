"""The report's part about a dataset: its sections in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sidcap.curate.report.alignment import alignment
from sidcap.curate.report.calibration import calibration
from sidcap.curate.report.contact_sheet import contact_sheet
from sidcap.curate.report.contents import Contents
from sidcap.curate.report.exposures import exposures
from sidcap.curate.report.files import Problem, files
from sidcap.curate.report.people import people, unusable
from sidcap.curate.report.reproduction import reproduction
from sidcap.curate.report.shooting import shooting
from sidcap.data_manifest.pages.document import Part, Section
from sidcap.data_manifest.words import counted


def dataset_part(
    contents: Contents,
    problems: Sequence[Problem],
    *,
    checksums: bool,
    picture_bytes: int,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Part:
    """All sections. ``problems`` are those of `problems_of`, and ``checksums`` says whether it read the files;
    ``picture_bytes`` is what the contact sheet may add to the report; ``on_step`` is told what is being done.
    """
    makers: tuple[tuple[str, Callable[[], Section]], ...] = (
        ("what was shot", lambda: shooting(contents)),
        ("exposures", lambda: exposures(contents)),
        ("alignment", lambda: alignment(contents)),
        ("what cannot be used", lambda: unusable(contents)),
        ("decisions", lambda: people(contents)),
        ("contact sheet", lambda: contact_sheet(contents, picture_bytes)),
        ("calibration", lambda: calibration(contents)),
        ("files", lambda: files(contents, problems, checksums=checksums)),
        ("how to have it again", lambda: reproduction(contents)),
    )
    sections = []
    for step, make in makers:
        on_step(step)
        sections.append(make())
    return Part("The dataset", f"Dataset “{contents.dataset.name}”", _in_one_line(contents), tuple(sections))


def _in_one_line(contents: Contents) -> str:
    usable = sum(one.pair.usable for one in contents.pairs)
    line = (
        f"{counted(len(contents.scenes), 'scene')}, {counted(len(contents.pairs), 'pair')}, {usable:,} of them usable"
    )
    return f"{line} ({contents.simulated} camera)" if contents.simulated else line
