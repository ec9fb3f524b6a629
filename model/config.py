"""The settings of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt

from sidcap.data_manifest.schema import Record

DeviceChoice = Literal["auto", "cuda", "mps", "cpu"]
Preset = Literal["study", "sid-original", "best"]
PRESETS: Final[tuple[Preset, ...]] = ("study", "sid-original", "best")

_MAY_CHANGE = ("epochs", "sample_every", "device", "precision", "compiled")
"""What may be different when a run is resumed."""


class InputConfig(Record):
    """From a short's mosaic to what the network is given. Part of a trained network: it is of use with no other."""

    levels: Literal["measured", "sid"] = "measured"
    """Black and white: measured on each frame, or the constants of SID's and the study's code (512 or 2048, 16383)."""
    keep_negatives: bool = True
    """False clips what lies below black, as SID does."""
    ratio: Literal["true", "measured", "nominal"] = "true"
    """The amplification: from the real shutter times; from the pixels, where registration measured it, else true; or
    from the seconds in the file names, as SID has it."""
    ratio_cap: PositiveFloat | None = None
    """No amplification beyond this; SID's is 300."""
    dark_shading: bool = False
    """Subtract the fixed pattern that calibration found of the body at this ISO and exposure, and replace hot pixels;
    a frame of an uncalibrated body stays as it is."""


class TrainConfig(Record):
    """How to train. The defaults are the preset ``study``: the published recipe (Chen et al., CVPR 2018) without its
    mistakes.

    Without its mistakes: every frame's own black and white level, its true ratio without a cap at 300, values below
    black kept, and crops flipped so that they remain mosaics (see `sidcap.model.data`).
    """

    preset: Preset = "study"
    """Where the settings come from; single ones may differ."""
    input: InputConfig = InputConfig()
    epochs: PositiveInt = 4000
    """How often every scene is shown."""
    patch: Annotated[int, Field(ge=16)] = 512
    """Side of a training crop, in packed pixels (two sensor pixels each; three of an X-Trans sensor)."""
    batch: PositiveInt = 1
    """Crops in a step, over all processes."""
    lr: PositiveFloat = 1e-4
    """Adam's learning rate."""
    schedule: Literal["step", "cosine"] = "step"
    """step: a tenth of the rate from ``drop_lr_at`` on; cosine: from the full rate to a hundredth of it at the end."""
    drop_lr_at: PositiveInt = 2000
    """Epochs at the full rate in a step schedule."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the averaged weights that stays in each step; the average is what is evaluated. 0: no average."""
    shot_noise: bool = False
    """Add light to half of the crops, drawn as photons from the long, and amplify them that much less (shot noise
    augmentation: Feng et al., "Learnability Enhancement for Low-Light Raw Denoising", ACM MM 2022)."""
    turns: Literal["mosaic", "planes", "none"] = "mosaic"
    """Crops are flipped and transposed as mosaics, or, as in SID, as packed planes, which moves each colour against the
    target."""
    freeze_upsampling: bool = False
    """Leave the transposed convolutions as they were drawn. The published SID weights were trained so."""
    sample_every: PositiveInt = 500
    """Epochs between two sheets of sample crops."""
    depth: Annotated[int, Field(ge=-2, le=1)] = 0
    """Levels of the network more or fewer than SID's five."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of the first weights, the order of the scenes and the crops."""
    device: DeviceChoice = "auto"
    """auto takes cuda, then mps, then cpu."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 on a GPU or CPU that is made for it, else fp32. The loss and the last layer are always in fp32."""
    compiled: bool | None = None
    """Whether torch compiles the step; None: where it pays, on CUDA."""

    @classmethod
    def of_preset(cls, preset: Preset, **changes: Any) -> Self:
        """The settings of a preset, with single ones changed. ``changes`` may hold those of `InputConfig`, too."""
        return cls(preset=preset).changed(**dict(_PRESETS[preset]) | changes)

    def changed(self, **changes: Any) -> Self:
        """These settings with single ones changed, those of `InputConfig` among them."""
        to_input = {name: changes.pop(name) for name in InputConfig.model_fields if name in changes}
        return self.replace(input=self.input.replace(**to_input), **changes)

    def input_met(self, dark_shaded: bool | None) -> InputConfig:
        """How pictures are made ready for a network of these settings: without dark shading where it never met any."""
        return self.input.replace(dark_shading=False) if dark_shaded is False else self.input

    def lr_at(self, epoch: float) -> float:
        """The learning rate in ``epoch``, counted from 0; a fraction within one counts for the cosine schedule."""
        if self.schedule == "cosine":
            return self.lr * (0.01 + 0.99 * (1 + math.cos(math.pi * min(epoch / self.epochs, 1))) / 2)
        return self.lr if epoch < self.drop_lr_at else self.lr / 10

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by its name, those of `InputConfig` among them."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "input"} | dict(self.input)

    def conflict_with(self, other: TrainConfig) -> str | None:
        """The first setting that differs and may not when a run goes on with ``other``; None where there is none.

        A cosine ends with the run: its epochs may not change.
        """
        may_change = [name for name in _MAY_CHANGE if name != "epochs" or self.schedule != "cosine"]
        mine, others = self.settings, other.settings
        return next((name for name in mine if name not in may_change and mine[name] != others[name]), None)


_PRESETS: Final[Mapping[Preset, Mapping[str, Any]]] = {
    "study": {},
    "sid-original": {
        "levels": "sid",
        "keep_negatives": False,
        "ratio": "nominal",
        "ratio_cap": 300.0,
        "turns": "planes",
        "freeze_upsampling": True,
    },
    "best": {
        "ratio": "measured",
        "dark_shading": True,
        "shot_noise": True,
        "schedule": "cosine",
        "ema": 0.999,
        "batch": 4,
        "lr": 4e-4,
    },
}
