"""Can this pair be trained on? Registration of a short against its long, the verdict, and its place in the manifest."""

from sidcap.curate.decisions import decide
from sidcap.curate.known_sensor import dark_dn, noise_of, sensor_of
from sidcap.curate.pair_noise import noise_of_pair
from sidcap.curate.registration import Problem, Reference, Registration, register
from sidcap.curate.verdict import judge
from sidcap.curate.verify import Failed, Verified, verify_dataset, verify_scene
from sidcap.curate.workers import cores, dask_cluster, processes
from sidcap.data_manifest.noise import NoiseModel

__all__ = [
    "Failed",
    "NoiseModel",
    "Problem",
    "Reference",
    "Registration",
    "Verified",
    "cores",
    "dark_dn",
    "dask_cluster",
    "decide",
    "judge",
    "noise_of",
    "noise_of_pair",
    "processes",
    "register",
    "sensor_of",
    "verify_dataset",
    "verify_scene",
]
