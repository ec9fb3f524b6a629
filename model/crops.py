"""The random crops of a training run, on the device that trains.

    data = TrainingData(cache, selection, config, device)
    batch = data.batch([0, 1, 2, 3])

Crop n of a run is a function of (seed, n) alone: counter-based generators (Philox) are keyed with the two, so that a
run can stop anywhere and go on as if it never had, on one machine or many.

The frames stay on the disk as memory-mapped 16-bit integers, of which a crop touches its own pages only; or, where they
fit, all of them on the GPU, where crops are then cut, turned and amplified by the same code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.noise import NoiseModel, published_noise
from sidcap.data_manifest.raw import Exif
from sidcap.model.cache import FrameCache
from sidcap.model.config import TrainConfig
from sidcap.model.cutting import ByTorch, Compiled, Cutter
from sidcap.model.data import AlignedPair, OpenPair, Selection, open_pair
from sidcap.model.frames import Frames, Window, size_of
from sidcap.model.input import Amplification, input_ratio, on_device
from sidcap.model.packing import Layout, Levels, Site
from sidcap.model.turns import Turn, offset_of, turns_of
from sidcap.model.unet import multiple_of

MOST_LIGHT: Final = 4.0
"""Shot noise is added up to this many times the light of the short."""
CLIPPED: Final = 0.98
"""Of white above black: from there on a photosite of the long may have lost light."""
_SHARE_OF_FREE_MEMORY: Final = 0.5
"""What the frames may take of a GPU's free memory; the rest is for the network."""

# Keys of the independent streams of random numbers.
_ORDER, _CROP, _SAMPLE = range(3)


@dataclass(frozen=True)
class Batch:
    """What the network is shown in one step; both on the device, channels_last in memory."""

    planes: Tensor
    """(N, P, patch, patch) float32, amplified."""
    target: Tensor
    """(N, 3, s patch, s patch) float32 sRGB, 0 to 1."""


@dataclass(frozen=True)
class Place:
    """Where a crop is taken, and how it is turned."""

    top: int
    """In packed pixels, where the pattern begins."""
    left: int
    size: int
    """In packed pixels."""
    turn: Turn


@dataclass(frozen=True)
class Shown:
    """A crop of a run: what is random about it."""

    pair: AlignedPair
    place: Place
    light: float
    """How many times the short's own light its photons are made to be; 1: as it is."""
    noise_seed: int
    """Of the photons."""


@dataclass(frozen=True)
class SampleCrop:
    """A place to look at."""

    pixels: OpenPair
    place: Place
    planes: NDArray[np.float32]
    """(P, size, size), amplified."""
    target: NDArray[np.float32]
    """(s size, s size, 3) sRGB, 0 to 1."""


@dataclass(frozen=True)
class _Facts:
    """What is known of a pair before its pixels are read."""

    layout: Layout
    origin: Site
    """Of the pattern, in the mosaic."""
    size: tuple[int, int]
    """(h, w) in packed pixels."""
    short: Levels
    long: Levels
    noise: NoiseModel | None
    """Of the short; None where nobody asks for it."""

    @classmethod
    def of(cls, cache: FrameCache, pair: AlignedPair, config: TrainConfig) -> Self:
        """Opens the frames of a pair; see `TrainingData` for what is raised."""
        pixels = open_pair(cache, pair)
        layout, origin = pixels.mosaic.packing
        height, width = pixels.mosaic.size
        largest = min(height, width) - layout.cells
        if config.patch > largest:
            fitting = largest - largest % multiple_of(config.depth)
            raise UsageError(
                f"--patch {config.patch} is too large for {pair.short.path}, {width} x {height} packed pixels, some of "
                f"which turned crops need to spare: give {fitting} or less"
            )
        return cls(
            layout,
            origin,
            (height, width),
            pixels.levels,
            Levels.of(pair.long, pixels.mosaic.cfa),
            _noise_of(cache, pair) if config.shot_noise else None,
        )


class TrainingData:
    """All pairs of a run, and its crops.

    As in SID, an epoch shows every scene once, in random order, with one of its shorts: crop n is crop
    ``n % len(data)`` of epoch ``n // len(data)``.
    """

    def __init__(
        self,
        cache: FrameCache,
        selection: Selection,
        config: TrainConfig,
        device: torch.device,
        *,
        resident: bool | None = None,
    ) -> None:
        """``cache`` must be filled, with ``photons`` where the config asks for shot noise.

        ``resident``: whether all frames are kept on the device; None: where it is a GPU that they fit. Raises
        UsageError where a frame is too small for the config's patch, or the selection has Bayer and X-Trans mosaics;
        TrainingError where the frames of a pair differ, or shot noise is asked for and nothing tells a body's gain.
        """
        self._cache, self._config, self._device = cache, config, device
        self._scenes = selection.scenes
        self._facts = {pair.short.path: _Facts.of(cache, pair, config) for pair in selection.pairs}
        self.layout = _common_layout(self._facts)
        if config.patch % self.layout.cells:
            raise UsageError(f"--patch {config.patch} does not fit an {self.layout.name} mosaic: give an even number")
        self._turns = turns_of(self.layout, config.turns)
        self._frames = Frames(cache, selection, config.input, device)
        if resident is None:
            resident = device.type == "cuda" and self._fit(selection)
        self.on_device: bool = resident
        """Whether all frames lie on the device."""
        if resident:
            self._frames.keep_all(selection, longs=config.shot_noise)
        self._cutter: Cutter = (Compiled if device.type == "cpu" and not resident else ByTorch)(self.layout)

    def __len__(self) -> int:
        """Scenes: crops in an epoch."""
        return len(self._scenes)

    @property
    def cfa(self) -> Literal["bayer", "x-trans"]:
        """The colour filter array of all frames."""
        return self.layout.name

    def batch(self, crops: Sequence[int], room: Batch | None = None) -> Batch:
        """These crops of the run, written into ``room``, or else into new memory.

        TrainingError names a frame that cannot be read any more.
        """
        batch = self.room(len(crops)) if room is None else room
        for index, crop in enumerate(crops):
            shown = self.shown(crop)
            self._cut_planes(shown, batch.planes[index].permute(1, 2, 0))
            self._cut_target(shown, batch.target[index].permute(1, 2, 0))
        return batch

    def room(self, crops: int) -> Batch:
        """Memory for a batch, to be used again: new memory is cleared first, which may take as long as the crops."""
        planes, target = self._empty(crops, self._config.patch)
        return Batch(planes.permute(0, 3, 1, 2), target.permute(0, 3, 1, 2))

    def shown(self, crop: int) -> Shown:
        """What crop ``crop`` of the run shows."""
        epoch, index = divmod(crop, len(self))
        scene = self._scenes[int(self._random(_ORDER, epoch).permutation(len(self))[index])]
        random = self._random(_CROP, epoch, index)
        pair = scene[int(random.integers(len(scene)))]
        turn = self._turns[int(random.integers(len(self._turns)))]
        top, left = self._corner(pair, self._config.patch, random)
        light = 1.0
        if self._config.shot_noise and random.random() < 0.5:
            light = math.exp(random.uniform(0, math.log(self._most_light(pair))))
        return Shown(pair, Place(top, left, self._config.patch, turn), light, int(random.integers(2**63)))

    def sample(self, scene: int, size: int) -> SampleCrop:
        """A place of ``size`` packed pixels to look at, in a scene's darkest short; the same in every call."""
        pair = max(self._scenes[scene], key=lambda pair: pair.ratio)
        place = Place(*self._corner(pair, size, self._random(_SAMPLE, 0, scene)), size, Turn())
        planes, target = self._empty(1, size)
        shown = Shown(pair, place, light=1.0, noise_seed=0)
        self._cut_planes(shown, planes[0])
        self._cut_target(shown, target[0])
        return SampleCrop(
            open_pair(self._cache, pair), place, planes[0].permute(2, 0, 1).cpu().numpy(), target[0].cpu().numpy()
        )

    def windows(self, shown: Shown) -> tuple[Tensor, Tensor]:
        """The photosites that a crop is made of and its part of the developed long, on the device, not turned.

        Both int16 for 16 bits without a sign.
        """
        window = self._window(shown)
        return self._frames.short(shown.pair, window), self._frames.developed(shown.pair, window)

    def _cut_planes(self, shown: Shown, out: Tensor) -> None:
        """Into (size, size, P) float32."""
        pair, config = shown.pair, self._config.input
        facts, window = self._facts[pair.short.path], self._window(shown)
        read, turn = self._read_turn(shown.place), shown.place.turn
        ratio = input_ratio(pair.ratios, config)
        amplification = Amplification.of(facts.short, ratio, config, self._device, light=shown.light)
        short, shading = self._frames.short(pair, window), self._frames.shading(pair, window)
        if shading is None and shown.light == 1:
            self._cutter.planes(short, read, turn, out, amplification)
            return
        self._cutter.planes(short, read, turn, out)
        if shading is not None:
            packed = [self._cutter.packed(part, read, turn) for part in shading]
            offset, rate = (part.view(torch.float16).to(torch.float32) for part in packed)
            out.sub_(rate.mul_(pair.short.exposure.true_s).add_(offset))
        if shown.light > 1:
            long = torch.empty_like(out)
            self._cutter.planes(self._frames.long(pair, window), read, turn, long)
            self._add_light(shown, facts, out, long)
        amplification.apply_(out)

    def _cut_target(self, shown: Shown, out: Tensor) -> None:
        """Into (s size, s size, 3) float32."""
        self._cutter.picture(self._frames.developed(shown.pair, self._window(shown)), shown.place.turn, out)

    def _window(self, shown: Shown) -> Window:
        """The photosites of a place, which begin where the pattern, turned, is the same."""
        place, layout = shown.place, self.layout
        down, across = offset_of(layout, self._read_turn(place)) or (0, 0)
        top, left = self._facts[shown.pair.short.path].origin
        return Window(
            top + layout.subpixels * place.top + down,
            left + layout.subpixels * place.left + across,
            layout.subpixels * place.size,
        )

    def _read_turn(self, place: Place) -> Turn:
        """SID's turns are of the planes: they are read as they are."""
        return Turn() if self._config.turns == "planes" else place.turn

    def _add_light(self, shown: Shown, facts: _Facts, short: Tensor, long: Tensor) -> None:
        """Add to the short the photons that ``light`` times the exposure would have brought more, in DN.

        How many are expected the long tells, whose own noise is less by the ratio; where it is clipped, the short.
        """
        if facts.noise is None:
            return
        gain_e_per_dn = facts.noise.gain_e_per_dn
        (long_black, _), (short_black, _) = (on_device(levels, short.device) for levels in (facts.long, facts.short))
        signal = long.sub_(long_black)
        clipped = signal >= CLIPPED * (facts.long.white_dn - max(facts.long.black_dn))
        expected = signal / shown.pair.photon_ratio
        expected = torch.where(clipped, torch.maximum(expected, short - short_black), expected)
        photons = torch.poisson(
            expected.mul_((shown.light - 1) * gain_e_per_dn).clamp_(min=0),
            torch.Generator(short.device).manual_seed(shown.noise_seed),
        )
        short.add_(photons, alpha=1 / gain_e_per_dn)

    def _empty(self, crops: int, size: int) -> tuple[Tensor, Tensor]:
        """Room for planes and target, channels last."""
        side = size * self.layout.subpixels
        planes = torch.empty(crops, size, size, self.layout.planes, device=self._device)
        return planes, torch.empty(crops, side, side, 3, device=self._device)

    def _corner(self, pair: AlignedPair, size: int, random: np.random.Generator) -> Site:
        """Any place from which the pattern begins, and that leaves room for it to be moved."""
        cells = self.layout.cells
        top, left = (int(random.integers((side - size) // cells)) for side in self._facts[pair.short.path].size)
        return cells * top, cells * left

    def _random(self, stream: int, epoch: int, index: int = 0) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self._config.seed, stream], counter=[0, 0, index, epoch]))

    def _most_light(self, pair: AlignedPair) -> float:
        """What the short is amplified by is never less than 1, or white would become grey."""
        config = self._config.input
        return max(1.0, min(MOST_LIGHT, input_ratio(pair.ratios, config), config.ratio_cap or MOST_LIGHT))

    def _fit(self, selection: Selection) -> bool:
        """Whether the frames may be kept on the GPU."""
        free, _ = torch.cuda.mem_get_info(self._device)
        return size_of(self._cache, selection, longs=self._config.shot_noise) <= _SHARE_OF_FREE_MEMORY * free


def _common_layout(facts: Mapping[str, _Facts]) -> Layout:
    """UsageError where there are two."""
    first = {each.layout.name: path for path, each in facts.items()}
    if len(first) > 1:
        raise UsageError(
            f"{first['bayer']} is a Bayer mosaic and {first['x-trans']} an X-Trans mosaic: one network takes only one "
            "kind; keep the two in datasets of their own"
        )
    return next(iter(facts.values())).layout


def _noise_of(cache: FrameCache, pair: AlignedPair) -> NoiseModel:
    """Of the short's body at its ISO, as calibrated, else as published; TrainingError where neither is known."""
    short = pair.short
    sensor = cache.sensor(pair.sensor)
    noise = (sensor and sensor.noise) or published_noise(Exif(model=short.camera.model, iso=short.iso.set))
    if noise is None:
        raise TrainingError(
            f"nothing tells the gain of {short.camera.model} at ISO {short.iso.set}, which shot noise is drawn by: "
            "run `sidcap calibrate`, or train with --no-shot-noise"
        )
    return noise
