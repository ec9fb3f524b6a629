"""What a report says of a dataset: one part of sections, each made from the records by a module of its own.

>>> contents = Contents.of(store)
>>> part = dataset_part(contents, problems_of(contents, checksums=False), checksums=False, picture_bytes=2_000_000)
"""

from sidcap.curate.report.contents import Contents
from sidcap.curate.report.files import Problem, problems_of
from sidcap.curate.report.part import dataset_part
from sidcap.curate.report.reproduction import checksums_of

__all__ = ["Contents", "Problem", "checksums_of", "dataset_part", "problems_of"]
