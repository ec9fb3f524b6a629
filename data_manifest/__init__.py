"""The ground floor: what a dataset is, how it lies on disk, and how one raw file is read."""

from sidcap.data_manifest.errors import SidcapError
from sidcap.data_manifest.noise import NoiseModel
from sidcap.data_manifest.raw import RawFrame, develop, read_raw
from sidcap.data_manifest.schema import Alignment, Dataset, Frame, Pair, Release, Scene, Split, Verdict
from sidcap.data_manifest.store import Store

__all__ = [
    "Alignment",
    "Dataset",
    "Frame",
    "NoiseModel",
    "Pair",
    "RawFrame",
    "Release",
    "Scene",
    "SidcapError",
    "Split",
    "Store",
    "Verdict",
    "develop",
    "read_raw",
]
