"""Can this pair be trained on? Registration of a short against its long, the verdict, and its place in the manifest.

What is named here is imported when it is first asked for: registration brings a compiler along, and who only looks at
pairs or decides about them need not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_FROM = {
    "curate.decisions": ("decide",),
    "curate.known_sensor": ("dark_dn", "noise_of", "sensor_of"),
    "curate.pair_noise": ("noise_of_pair",),
    "curate.registration": ("Problem", "Reference", "Registration", "register"),
    "curate.verdict": ("judge",),
    "curate.verify": ("Failed", "Verified", "verify_dataset", "verify_scene"),
    "curate.workers": ("cores", "dask_cluster", "processes"),
    "data_manifest.noise": ("NoiseModel",),
}
_MODULE_OF = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"sidcap.{_MODULE_OF[name]}"), name)
