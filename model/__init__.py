"""The See-in-the-Dark network, and all it takes to train and to judge it.

Importing this imports torch; the command line does so only where it needs it.
"""

from sidcap.model.checkpoint import CHECKPOINT_NAME, RunState, load_network, read_state
from sidcap.model.config import PRESETS, DeviceChoice, InputConfig, Preset, TrainConfig
from sidcap.model.data import LeftOut
from sidcap.model.evaluation import Evaluation, Score, evaluate
from sidcap.model.events import (
    CheckpointSaved,
    Decoded,
    EpochDone,
    Event,
    SampleWritten,
    Started,
    StepDone,
    TrainReport,
)
from sidcap.model.inference import enhance
from sidcap.model.metrics import mse, psnr_db
from sidcap.model.packing import PLANES, Levels, amplify, pack, unpack
from sidcap.model.tensorboard import tensorboard_of
from sidcap.model.trainer import train
from sidcap.model.unet import DEPTHS, UNet

__all__ = [
    "CHECKPOINT_NAME",
    "DEPTHS",
    "PLANES",
    "PRESETS",
    "CheckpointSaved",
    "Decoded",
    "DeviceChoice",
    "EpochDone",
    "Evaluation",
    "Event",
    "InputConfig",
    "LeftOut",
    "Levels",
    "Preset",
    "RunState",
    "SampleWritten",
    "Score",
    "Started",
    "StepDone",
    "TrainConfig",
    "TrainReport",
    "UNet",
    "amplify",
    "enhance",
    "evaluate",
    "load_network",
    "mse",
    "pack",
    "psnr_db",
    "read_state",
    "tensorboard_of",
    "train",
    "unpack",
]
