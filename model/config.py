"""The settings of a training run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from sidcap.data_manifest.schema import Record

DeviceChoice = Literal["auto", "cuda", "mps", "cpu"]

_MAY_CHANGE = ("epochs", "sample_every", "device")
"""What may be different when a run is resumed."""


class TrainConfig(Record):
    """How to train. The defaults are the published recipe (Chen et al., CVPR 2018) without its mistakes.

    Without its mistakes: every frame's own black and white level, its true ratio without a cap at 300, values below
    black kept, and crops flipped so that they remain mosaics (see `sidcap.model.data.cut`).
    """

    epochs: PositiveInt = 4000
    """How often every scene is shown."""
    patch: Annotated[int, Field(ge=16)] = 512
    """Side of a training crop, in packed pixels (two sensor pixels each)."""
    lr: PositiveFloat = 1e-4
    """Adam's learning rate."""
    drop_lr_at: PositiveInt = 2000
    """Epochs at the full rate; then it is a tenth."""
    sample_every: PositiveInt = 500
    """Epochs between two sheets of sample crops."""
    depth: Annotated[int, Field(ge=-2, le=1)] = 0
    """Levels of the network more or fewer than SID's five."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of the first weights, the order of the scenes and the crops."""
    keep_negatives: bool = True
    """False clips what lies below black, as SID does."""
    device: DeviceChoice = "auto"
    """auto takes cuda, then mps, then cpu."""

    def lr_at(self, epoch: int) -> float:
        """The learning rate in ``epoch``, counted from 0."""
        return self.lr if epoch < self.drop_lr_at else self.lr / 10

    def conflict_with(self, other: TrainConfig) -> str | None:
        """The first setting that differs and may not when a run goes on with ``other``; None where there is none."""
        return next(
            (
                name
                for name in type(self).model_fields
                if name not in _MAY_CHANGE and getattr(self, name) != getattr(other, name)
            ),
            None,
        )
