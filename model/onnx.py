"""A run's network as an ONNX file, proven to compute the same in onnxruntime."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import torch

from sidcap.data_manifest.errors import UsageError, WeightsError
from sidcap.data_manifest.schema import Record
from sidcap.data_manifest.store import program
from sidcap.model.checkpoint import RunState, load_network, read_state
from sidcap.model.files import must_be_free, write_result
from sidcap.model.packing import BAYER, X_TRANS
from sidcap.model.unet import UNet

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch.onnx import ONNXProgram

TOLERANCE: Final = 1e-4
"""Largest difference to torch, in units of the output or of 1, whichever is more."""
_TRIED: Final = ((1, 3, 5), (2, 6, 4))
"""Batch, height and width, the latter two in the network's multiple, on which both are compared."""


class OnnxModel(Record):
    """What was exported."""

    run: Path
    file: Path
    size_bytes: int
    opset: int
    largest_difference: float
    """Between torch's and onnxruntime's output, on random input of two sizes that the export did not see."""


def export_onnx(run: Path, file: Path) -> OnnxModel:
    """Write the run's network to ``file``: planes (N, P, h, w) -> rgb (N, 3, s h, s w), N, h and w as they come.

    The file's metadata say what the planes are and how a raw file becomes them. UsageError where the extra
    ``sidcap[onnx]`` is not installed; TrainingError without a usable checkpoint; WeightsError where onnxruntime
    computes anything else than torch: then nothing is written.
    """
    if file.suffix.lower() != ".onnx":
        raise UsageError(f"{file} is no ONNX file's name: end it in .onnx")
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{error.name} is not installed, which exporting needs: pip install 'sidcap[onnx]'") from error
    must_be_free(file)
    state = read_state(run)
    network = load_network(run)
    model = _exported(network)
    for key, value in _metadata(state, network).items():
        model.metadata_props.add(key=key, value=value)
    content = model.SerializeToString()
    difference = difference_from_torch(network, content)
    if not difference <= TOLERANCE:
        raise WeightsError(f"onnxruntime's output differs from torch's by {difference:.2g}: {file} was not written")
    write_result(file, content)
    return OnnxModel(
        run=run,
        file=file,
        size_bytes=len(content),
        opset=model.opset_import[0].version,
        largest_difference=difference,
    )


def difference_from_torch(network: UNet, model: bytes) -> float:
    """The largest between the network's output and onnxruntime's of ``model``, in units of the output or of 1.

    Tried on random input of two sizes, batches and shapes.
    """
    from onnxruntime import InferenceSession

    session = InferenceSession(model, providers=["CPUExecutionProvider"])
    differences = []
    for batch, rows, columns in _TRIED:
        shape = (batch, network.planes, rows * network.multiple, columns * network.multiple)
        planes = np.random.default_rng(0).uniform(-0.1, 1, shape).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(planes)).numpy()
        (result,) = session.run(None, {"planes": planes})
        differences.append(np.abs(result - expected).max() / max(1, np.abs(expected).max()))
    return float(max(differences))


def _exported(network: UNet) -> ModelProto:
    multiple = network.multiple
    height, width = (torch.export.Dim(f"packed_{side}", max=2**16) for side in ("height", "width"))
    shape = {0: torch.export.Dim("batch"), 2: multiple * height, 3: multiple * width}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it comments on packages that are not installed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter calls what torch itself deprecates
        exported = torch.onnx.export(
            network,
            (torch.zeros(2, network.planes, 4 * multiple, 6 * multiple),),
            dynamo=True,
            input_names=["planes"],
            output_names=["rgb"],
            dynamic_shapes={"planes": shape},
            verbose=False,
        )
    return cast("ONNXProgram", exported).model_proto


def _metadata(state: RunState, network: UNet) -> dict[str, str]:
    layout = BAYER if state.cfa == "bayer" else X_TRANS
    return {
        "sidcap.made_with": program(),
        "sidcap.imported_from": state.imported_from,
        "sidcap.cfa": state.cfa,
        "sidcap.planes": "R G B G2" if state.cfa == "bayer" else "R G B R B G G G G",
        "sidcap.pattern": " ".join(layout.colours),
        "sidcap.multiple": str(network.multiple),
        "sidcap.input": state.input.model_dump_json(),
        "sidcap.output": "sRGB, 0 black, 1 white, not clipped",
    }
