"""A training step of sidcap beside one of the common port, on the same data and machine, in turn.

    python bench/training.py DATASET [--patch 512] [--steps 6] [--rounds 2] [--device cuda] [--json FILE]

Each measurement is a process of its own. "first step, cold": from the raw files to the first step done, nothing
decoded before (sidcap decodes every frame into its cache first, the port one pair); "warm": once more. "step" is the
median of the steps after the first. Memory is the largest resident set, mapped files in it. At the end both networks
learn from the same crops with the same first weights, fp32, and their losses are compared; the port's biases of the
transposed convolutions, which SID does not have, stay at zero there. No GPU has run it yet; every step waits for one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from common_port import PortNetwork, port_crops, port_step
from torch import Tensor

from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split
from sidcap.model import TrainConfig, UNet
from sidcap.model.cache import FrameCache
from sidcap.model.crops import TrainingData
from sidcap.model.data import select
from sidcap.model.learner import Learner
from sidcap.model.processes import Processes

Step = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--patch", type=int, default=512)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"batch 1, crops of {given.patch} packed pixels, {given.steps} steps, best of {given.rounds} rounds in turn")
    print(torch.cuda.get_device_name(given.device) if given.device.type == "cuda" else f"on {given.device}")
    results: dict[str, list[dict[str, float]]] = {"port": [], "fp32": [], "bf16": []}
    for _ in range(given.rounds):
        for name, runs in results.items():
            shutil.rmtree(Store.open(given.dataset).cache_dir, ignore_errors=True)
            cold = _in_a_process(name, given.dataset, given.patch, 1, given.device)
            warm = _in_a_process(name, given.dataset, given.patch, given.steps, given.device)
            runs.append(warm | {"cold_s": cold["first_s"]})
    best = {name: {key: min(run[key] for run in runs) for key in runs[0]} for name, runs in results.items()}
    print(
        f"{'':8}{'step s':>9}{'CPU s':>9}{'times the port':>16}{'first, cold s':>15}{'warm s':>9}{'peak MB':>9}"
        f"{'GPU MB':>9}{'53 x 4000, min':>16}"
    )
    for name, run in best.items():
        faster = best["port"]["step_s"] / run["step_s"]
        print(
            f"{name:8}{run['step_s']:9.3f}{run['step_cpu_s']:9.3f}{faster:16.2f}"
            f"{run['cold_s']:15.2f}{run['first_s']:9.2f}{run['peak_mb']:9.0f}"
            f"{run['gpu_mb']:9.0f}{53 * 4000 * run['step_s'] / 60:16.1f}"
        )
    apart = _apart(given.dataset, given.patch, given.steps, given.device)
    print(f"losses of both with the same first weights and crops, fp32: at most {apart:.1e} apart, relative")
    if given.json:
        given.json.write_text(json.dumps({"best": best, "losses_apart": apart}, indent=2))


def _in_a_process(name: str, dataset: Path, patch: int, steps: int, device: torch.device) -> dict[str, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (name, dataset, patch, steps, device))


def _measured(name: str, dataset: Path, patch: int, steps: int, device: torch.device) -> dict[str, float]:
    began_s = time.perf_counter()
    step = _port(dataset, patch, device) if name == "port" else _ours(dataset, patch, name, device)
    step()
    first_s = time.perf_counter() - began_s
    took_s, took_cpu_s = [first_s], [first_s]
    for _ in range(steps - 1):
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        step()
        took_s.append(time.perf_counter() - started_s)
        took_cpu_s.append(time.process_time() - started_cpu_s)
    return {
        "first_s": first_s,
        "step_s": statistics.median(took_s[1:] or took_s),
        "step_cpu_s": statistics.median(took_cpu_s[1:] or took_cpu_s),
        "gpu_mb": torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else 0,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def _port(dataset: Path, patch: int, device: torch.device) -> Step:
    torch.manual_seed(0)
    crops, network = port_crops(Store.open(dataset), patch), PortNetwork().to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    return lambda: port_step(network, optimizer, *(part.to(device) for part in next(crops)))


def _ours(dataset: Path, patch: int, precision: str, device: torch.device) -> Step:
    config = TrainConfig(patch=patch).changed(precision=precision)
    batches = _batches(dataset, config, device)
    learner = Learner(UNet(0).place(device), config, device, Processes())
    return lambda: float(learner.learn(*next(batches), config.lr, 0))


def _batches(dataset: Path, config: TrainConfig, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    store = Store.open(dataset)
    selection, cache = select(store, Split.TRAIN), FrameCache(store)
    cache.fill(selection.shorts, selection.longs)
    data = TrainingData(cache, selection, config, device)
    crop = 0
    while True:
        batch = data.batch([crop])
        yield batch.planes, batch.target
        crop += 1


def _apart(dataset: Path, patch: int, steps: int, device: torch.device) -> float:
    """The largest relative difference between the losses of the two."""
    config = TrainConfig(patch=patch, precision="fp32")
    port, ours = PortNetwork(), UNet(0)
    port.up.requires_grad_(False)
    for upsampler in port.up:
        upsampler.get_parameter("weight").requires_grad_(True)
    ours.load_state_dict(dict(zip(ours.state_dict(), _weights_of(port), strict=True)))
    port.to(device)
    plain = torch.optim.Adam((weight for weight in port.parameters() if weight.requires_grad), lr=config.lr)
    learner = Learner(ours.place(device), config, device, Processes())
    apart = 0.0
    for step, (planes, target) in zip(range(steps), _batches(dataset, config, device), strict=False):
        theirs = port_step(port, plain, planes.contiguous(), target.contiguous())
        apart = max(apart, abs(float(learner.learn(planes, target, config.lr, step)) - theirs) / theirs)
    return apart


def _weights_of(port: PortNetwork) -> Iterator[Tensor]:
    """In the order of sidcap's network: encoders, transposed convolutions, decoders, the last layer."""
    yield from port.down.state_dict().values()
    yield from (upsampler.get_parameter("weight").detach() for upsampler in port.up)
    yield from port.joined.state_dict().values()
    yield from port.last.state_dict().values()


if __name__ == "__main__":
    main()
