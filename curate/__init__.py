"""Can this pair be trained on? Registration of a short against its long, the verdict, and its place in the manifest."""

from sidcap.curate.pair_noise import noise_of_pair
from sidcap.curate.registration import Problem, Reference, Registration, register
from sidcap.curate.verdict import judge
from sidcap.curate.verify import noise_of, verify_dataset, verify_scene
from sidcap.data_manifest.noise import NoiseModel

__all__ = [
    "NoiseModel",
    "Problem",
    "Reference",
    "Registration",
    "judge",
    "noise_of",
    "noise_of_pair",
    "register",
    "verify_dataset",
    "verify_scene",
]
