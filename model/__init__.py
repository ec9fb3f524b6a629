"""The See-in-the-Dark network, and all it takes to train and to judge it.

Importing this imports torch; the command line does so only where it needs it.
"""

from sidcap.model.checkpoint import CHECKPOINT_NAME, RunState, load_network, read_state
from sidcap.model.config import PRESETS, DeviceChoice, InputConfig, Preset, TrainConfig
from sidcap.model.data import LeftOut
from sidcap.model.evaluation import evaluate
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
from sidcap.model.high_iso import Residue, residue
from sidcap.model.inference import enhance
from sidcap.model.input import input_ratio, network_input
from sidcap.model.intervals import Interval
from sidcap.model.metrics import Quality, mse, psnr_db, quality, ssim
from sidcap.model.packing import PLANES, Levels, pack, unpack
from sidcap.model.scores import (
    AMPLIFIED,
    MEAN_SCALED,
    Difference,
    Evaluation,
    JudgedRun,
    ResidueSummary,
    Score,
    Summary,
)
from sidcap.model.tensorboard import tensorboard_of
from sidcap.model.trainer import train
from sidcap.model.unet import DEPTHS, UNet

__all__ = [
    "AMPLIFIED",
    "CHECKPOINT_NAME",
    "DEPTHS",
    "MEAN_SCALED",
    "PLANES",
    "PRESETS",
    "CheckpointSaved",
    "Decoded",
    "DeviceChoice",
    "Difference",
    "EpochDone",
    "Evaluation",
    "Event",
    "InputConfig",
    "Interval",
    "JudgedRun",
    "LeftOut",
    "Levels",
    "Preset",
    "Quality",
    "Residue",
    "ResidueSummary",
    "RunState",
    "SampleWritten",
    "Score",
    "Started",
    "StepDone",
    "Summary",
    "TrainConfig",
    "TrainReport",
    "UNet",
    "enhance",
    "evaluate",
    "input_ratio",
    "load_network",
    "mse",
    "network_input",
    "pack",
    "psnr_db",
    "quality",
    "read_state",
    "residue",
    "ssim",
    "tensorboard_of",
    "train",
    "unpack",
]
