"""Write a See-in-the-Dark network as TensorFlow 1 does, with what TensorFlow itself computes from it.

    python -m venv tf && tf/bin/pip install tensorflow-cpu
    tf/bin/python tests/data/tensorflow/make_bundle.py FOLDER --depth -2 --shards 2 --coarse --size 20 28

FOLDER gets model.ckpt.index and its data shards, written by TensorFlow's own Saver with the variables of Adam beside
the weights; expected.npz with a random input and TensorFlow's output at float32; and tensors.json with the SHA-256 of
every tensor as TensorFlow reads it back. The layers bear the names of the authors' code and of the study's depth
variants. sidcap needs no TensorFlow; this script is how the files beside it were made (the shards in one .tar.xz).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
CHANNELS = (32, 64, 128, 256, 512, 1024)
NAMES_DOWN = {-2: [1, 2, 7], -1: [1, 2, 3, 6], 0: [1, 2, 3, 4, 5], 1: [1, 2, 3, 4, 5, "5_p1"]}
"""What follows ``g_conv`` in the layers of each level, on the way down to the bottom."""
NAMES_UP = {-2: [8, 9], -1: [7, 8, 9], 0: [6, 7, 8, 9], 1: ["5_p1_2", 6, 7, 8, 9]}


class Network:
    """The layers of one depth; ``coarse`` weights take few values, so that the file compresses well."""

    def __init__(self, depth: int, planes: int, subpixels: int, shards: int, *, coarse: bool) -> None:
        self.depth, self.planes, self.subpixels, self.shards, self.coarse = depth, planes, subpixels, shards, coarse
        self.random = np.random.default_rng(1805_01934 + depth)
        self.variables = 0

    def drawn(self, shape: tuple[int, ...], sigma: float) -> np.ndarray:
        values = self.random.normal(size=shape)
        if self.coarse:
            values = np.clip(np.rint(2 * values) / 2, -2, 2)
        return (values * sigma).astype(np.float32)

    def place(self) -> tf.DeviceSpec:
        self.variables += 1
        return tf.device(f"/cpu:{self.variables % self.shards}")

    def convolution(self, x: tf.Tensor, outputs: int, size: int, scope: str) -> tf.Tensor:
        inputs = int(x.shape[-1])
        with v1.variable_scope(scope), self.place():
            sigma = (2 / (size * size * inputs)) ** 0.5
            weights = v1.get_variable("weights", initializer=self.drawn((size, size, inputs, outputs), sigma))
            biases = v1.get_variable("biases", initializer=self.drawn((outputs,), 0.05))
        return tf.nn.conv2d(x, weights, 1, "SAME") + biases

    def twice(self, x: tf.Tensor, outputs: int, name: object) -> tf.Tensor:
        for number in (1, 2):
            x = self.convolution(x, outputs, 3, f"g_conv{name}_{number}")
            x = tf.maximum(0.2 * x, x)
        return x

    def upsampled(self, x: tf.Tensor, skipped: tf.Tensor, outputs: int) -> tf.Tensor:
        with self.place():
            filters = v1.Variable(self.drawn((2, 2, outputs, 2 * outputs), (1 / (2 * outputs)) ** 0.5))
        up = tf.nn.conv2d_transpose(x, filters, tf.shape(skipped), 2)
        up.set_shape([None, None, None, outputs])
        return tf.concat([up, skipped], 3)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        channels = CHANNELS[: 5 + self.depth]
        *above, bottom = NAMES_DOWN[self.depth]
        skipped = []
        for name, outputs in zip(above, channels, strict=False):
            skipped.append(self.twice(x, outputs, name))
            x = tf.nn.max_pool2d(skipped[-1], 2, 2, "SAME")
        x = self.twice(x, channels[-1], bottom)
        for name, (_, low) in zip(NAMES_UP[self.depth], pairwise(reversed(channels)), strict=True):
            x = self.twice(self.upsampled(x, skipped.pop(), low), low, name)
        return tf.nn.depth_to_space(self.convolution(x, 3 * self.subpixels**2, 1, "g_conv10"), self.subpixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--depth", type=int, default=0, choices=sorted(NAMES_DOWN))
    parser.add_argument("--fuji", action="store_true", help="9 planes and 27 sub-pixels instead of 4 and 12")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--coarse", action="store_true", help="weights of few values, for a file that compresses")
    parser.add_argument("--size", type=int, nargs=2, default=(64, 96), help="of the input, in packed pixels")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    v1.disable_eager_execution()
    planes, subpixels = (9, 3) if options.fuji else (4, 2)
    network = Network(options.depth, planes, subpixels, options.shards, coarse=options.coarse)
    given = v1.placeholder(tf.float32, [None, None, None, planes])
    output = network(given)
    v1.train.AdamOptimizer(1e-4).minimize(tf.reduce_mean(tf.abs(output)))
    saver = v1.train.Saver(sharded=options.shards > 1)
    prefix = str(options.folder / "model.ckpt")
    planes = np.random.default_rng(7).uniform(-0.1, 1, (1, *options.size, planes)).astype(np.float32)
    with v1.Session(config=v1.ConfigProto(device_count={"CPU": max(2, options.shards)})) as session:
        session.run(v1.global_variables_initializer())
        saver.save(session, prefix, write_meta_graph=False)
        result = session.run(output, {given: planes})
    np.savez_compressed(options.folder / "expected.npz", planes=planes, output=result)
    reader = tf.train.load_checkpoint(prefix)
    digests = {
        name: hashlib.sha256(reader.get_tensor(name).tobytes()).hexdigest()
        for name in sorted(reader.get_variable_to_shape_map())
    }
    document = {"tensorflow": tf.__version__, "depth": options.depth, "sha256": digests}
    (options.folder / "tensors.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
