"""Small datasets of textured scenes that registration can measure, made in milliseconds: no camera is simulated."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import records
import shifted_scenes
import tiny_raw
from numpy.typing import NDArray

from sidcap.data_manifest.naming import parse_frame_name
from sidcap.data_manifest.schema import Exposure, Frame, Pair, Ratio, Scene
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.words import Split

SHAPE = (256, 384)
ISO, GAIN_E_PER_DN, READ_NOISE_E = 12800, 0.0473, 1.7
"""Of the EOS 6D, as published (`sidcap.data_manifest.noise`)."""
RATIO = 20.0
"""Of a long of 10 s to a short of 0.5 s."""
LONG_E = 160.0
"""Electrons a photosite of the long, on average; the brightest ones have some five times that."""


def make_dataset(
    root: Path,
    scenes: Sequence[int] = (1,),
    *,
    shorts: Sequence[dict[str, Any]] = ({}, {}),
    closing: float | None = 1.0,
) -> Store:
    """Each scene a long, shorts of one exposure, and a closing long with ``closing`` times the light (None: without).

    ``shorts``: for each one its ``light`` (1.0) and ``shift_px`` (0, 0).
    """
    store = Store.create(root)
    for scene in scenes:
        name = f"{scene:05d}"
        texture = shifted_scenes.Scene(SHAPE, scene)
        frames = [write(store, f"long/{name}_00_10s.DNG", raw(texture.mosaic() * LONG_E, 100 * scene))]
        for index, short in enumerate(shorts):
            light = short.get("light", 1.0) * LONG_E / RATIO
            content = raw(texture.mosaic(short.get("shift_px", (0.0, 0.0))) * light, 100 * scene + 1 + index)
            frames.append(write(store, f"short/{name}_{index:02d}_0.5s.DNG", content))
        if closing is not None:
            content = raw(texture.mosaic() * LONG_E * closing, 100 * scene + 99)
            frames.append(write(store, f"long/{name}_01_10s.DNG", content))
        store.save_scene(scene_of(scene, frames))
    return store


def raw(electrons: NDArray[Any], seed: int = 0, **changes: Any) -> bytes:
    """A raw file of an EOS 6D at ISO 12800, as far as its EXIF tells, exposed to so many electrons a photosite."""
    rng = np.random.default_rng(seed)
    exposed = rng.poisson(np.maximum(electrons, 0)) + rng.normal(0, READ_NOISE_E, electrons.shape)
    dn = np.clip(np.rint(exposed / GAIN_E_PER_DN) + tiny_raw.BLACK_DN, 0, tiny_raw.WHITE_DN)
    return of_6d(dn.astype(np.uint16), **changes)


def of_6d(mosaic: NDArray[np.uint16], **changes: Any) -> bytes:
    """A DNG whose EXIF names an EOS 6D at ISO 12800."""
    named: dict[str, Any] = {
        "make": "Canon",
        "model": "Canon EOS 6D",
        "exif": [(34855, tiny_raw.SHORT, [ISO]), (42033, tiny_raw.ASCII, b"1\0")],
    }
    return tiny_raw.dng(mosaic, **(named | changes))


def linear_dng(shape: tuple[int, int]) -> bytes:
    """A DNG of developed colours, as raw converters write it: three samples a pixel, no mosaic."""
    height, width = shape
    pixels = bytes(6 * height * width)
    tags: list[tiny_raw.Tag] = [
        (254, tiny_raw.LONG, [0]),
        (256, tiny_raw.LONG, [width]),
        (257, tiny_raw.LONG, [height]),
        (258, tiny_raw.SHORT, [16, 16, 16]),
        (259, tiny_raw.SHORT, [1]),
        (262, tiny_raw.SHORT, [34892]),
        (271, tiny_raw.ASCII, b"Canon\0"),
        (272, tiny_raw.ASCII, b"Canon EOS 6D\0"),
        (273, tiny_raw.LONG, [8]),
        (277, tiny_raw.SHORT, [3]),
        (278, tiny_raw.LONG, [height]),
        (279, tiny_raw.LONG, [len(pixels)]),
        (50706, tiny_raw.BYTE, [1, 4, 0, 0]),
        (50708, tiny_raw.ASCII, b"Canon EOS 6D\0"),
    ]
    start = 8 + len(pixels)
    return b"II*\0" + struct.pack("<I", start) + pixels + tiny_raw.directory(tags, start)


def write(store: Store, path: str, content: bytes) -> Frame:
    """Put a file into the dataset; gives its record."""
    file = store.root / path
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    seconds = parse_frame_name(file.name).seconds
    exposure = Exposure(requested_s=seconds, nominal_s=seconds, true_s=seconds)
    return records.frame(path, size_bytes=len(content), sha256=sha256_of(file), exposure=exposure)


def rewrite(store: Store, scene_id: int, path: str, content: bytes) -> None:
    """Write another file for a frame, and its size and checksum into the scene."""
    frame = write(store, path, content)

    def with_frame(scene: Scene) -> Scene:
        return scene.replace(frames=tuple(frame if one.path == path else one for one in scene.frames))

    store.change_scene(scene_id, with_frame)


def scene_of(scene: int, frames: list[Frame]) -> Scene:
    """A complete scene of a long, the shorts and, where the last frame is one, the closing long."""
    long, *others = frames
    ratios = [long.exposure.true_s / frame.exposure.true_s for frame in others]
    pairs = [
        Pair(frame=frame.path, reference=long.path, ratio=Ratio(nominal=ratio, true=ratio))
        for frame, ratio in zip(others, ratios, strict=True)
    ]
    closing = pairs.pop() if others[-1].role == "long" else None
    split = (Split.TRAIN, Split.TEST, Split.VAL)[scene // 10000]
    return Scene(id=scene, split=split, complete=True, frames=tuple(frames), pairs=tuple(pairs), closing=closing)
