"""Import a checkpoint that TensorFlow wrote, and compare with what TensorFlow computed from it.

    tf/bin/python tests/data/tensorflow/make_bundle.py FOLDER --depth 0     # in an environment with TensorFlow
    python bench/tensorflow_weights.py FOLDER

Every tensor's SHA-256 is compared with the one of TensorFlow's own reader, the output with TensorFlow's on one input.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from sidcap.model import load_network
from sidcap.model.weights import import_weights
from sidcap.model.weights.bundle import TensorBundle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what make_bundle.py wrote")
    folder = parser.parse_args().folder
    bundle = TensorBundle(folder / "model.ckpt")
    document = json.loads((folder / "tensors.json").read_text())
    digests = {name: hashlib.sha256(bundle.tensor(name)).hexdigest() for name in bundle.entries}
    equal = sum(digests.get(name) == digest for name, digest in document["sha256"].items())
    print(f"TensorFlow {document['tensorflow']}: {equal} of {len(document['sha256'])} tensors are equal")
    with tempfile.TemporaryDirectory() as run, np.load(folder / "expected.npz") as arrays:
        imported = import_weights(folder, Path(run))
        planes, expected = (torch.from_numpy(arrays[name]).permute(0, 3, 1, 2) for name in ("planes", "output"))
        with torch.inference_mode():
            difference = float((load_network(Path(run))(planes) - expected).abs().max())
    print(
        f"depth {imported.depth:+d}, {imported.cfa}, {imported.parameters / 1e6:.2f} M parameters, input "
        f"{tuple(planes.shape)}: largest difference {difference:.1e} of {float(expected.abs().max()):.2f}"
    )


if __name__ == "__main__":
    main()
