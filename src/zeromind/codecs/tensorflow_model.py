"""What TensorFlow Serving's REST API (tensorflow_serving/g3doc/api_rest.md) says of a model: its version's state, and its signature."""

from __future__ import annotations

from typing import Any

from zeromind.codecs.tensorflow_serving import SIGNATURE
from zeromind.tensors import Interface, TensorSpec

VERSION = "1"
"""The only version of every model."""
_DTYPES = {
    "BOOL": "DT_BOOL",
    "UINT8": "DT_UINT8",
    "UINT16": "DT_UINT16",
    "UINT32": "DT_UINT32",
    "UINT64": "DT_UINT64",
    "INT8": "DT_INT8",
    "INT16": "DT_INT16",
    "INT32": "DT_INT32",
    "INT64": "DT_INT64",
    "FP16": "DT_HALF",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
    "BF16": "DT_BFLOAT16",
    "BYTES": "DT_STRING",
}
"""The names of TensorFlow's types (tensorflow/core/framework/types.proto)."""


def status(state: str, code: str = "OK", message: str = "") -> dict[str, Any]:
    """A ``GetModelStatusResponse``: ``state`` is START, LOADING, AVAILABLE, UNLOADING or END."""
    entry = {"version": VERSION, "state": state, "status": {"error_code": code, "error_message": message}}
    return {"model_version_status": [entry]}


def metadata(model_id: str, interface: Interface) -> dict[str, Any]:
    """A ``GetModelMetadataResponse``; a tensor with filters is a list of strings: what is sent for each sample is theirs to say."""
    signature = {
        "inputs": {spec.name: _tensor(spec, spec.name in interface.filtered_inputs) for spec in interface.spec.inputs},
        "outputs": {spec.name: _tensor(spec, spec.name in interface.filtered_outputs) for spec in interface.spec.outputs},
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": model_id, "signature_name": "", "version": VERSION},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }


def _tensor(spec: TensorSpec, filtered: bool) -> dict[str, Any]:
    """A ``TensorInfo`` as protobuf's JSON has it: int64 as text."""
    shape = (None,) if filtered else spec.shape
    dims = [{"size": "-1" if size is None else str(size), "name": ""} for size in shape]
    dtype = _DTYPES["BYTES" if filtered else spec.datatype]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": spec.name}
