"""Weights that others trained: from TensorFlow's and PyTorch's files to a run of sidcap's."""

from sidcap.model.weights.imports import Imported, import_weights
from sidcap.model.weights.layers import SubpixelOrder

__all__ = ["Imported", "SubpixelOrder", "import_weights"]
