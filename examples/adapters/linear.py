"""The first door: an adapter. Serves ``.npz`` files that hold a linear model: ``weights`` (inputs, outputs) and ``bias`` (outputs).

In the configuration: ``"adapter_folders": ["examples/adapters"]``; a task then needs no ``model_type``.
"""

from collections.abc import Mapping

import numpy as np

from zeromind import datatypes
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor, TensorSpec


class LinearAdapter(Adapter):
    name = "linear"
    formats = "NumPy .npz files with the arrays weights and bias"
    options = {"scale": "A number by which the outputs are multiplied."}

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        return {"weights.npy", "bias.npy"} <= file.zip_names

    def __init__(self, source: Source) -> None:
        with np.load(source.file.path, allow_pickle=False) as arrays:
            self._weights, self._bias = arrays["weights"], arrays["bias"]
        if self._weights.ndim != 2 or self._bias.shape != self._weights.shape[1:]:
            raise ZeroMindError(ErrorKind.LOAD_FAILED, "weights must be (inputs, outputs) and bias (outputs)")
        self._scale = float(source.options.get("scale", 1))
        datatype = datatypes.datatype_of(self._weights.dtype)
        inputs, outputs = self._weights.shape
        self.spec = ModelSpec((TensorSpec("x", datatype, (None, inputs)),), (TensorSpec("y", datatype, (None, outputs)),), batches=True)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {"y": (inputs["x"] @ self._weights + self._bias) * self._scale}
