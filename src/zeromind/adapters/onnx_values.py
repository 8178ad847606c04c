"""Tensors as ONNX Runtime takes and gives them: text, bfloat16, a classifier's maps."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec

BFLOAT16 = 16
"""Its number among the types of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""
_BFLOAT16_NAME = "tensor(bfloat16)"


def runtime(require: Callable[[str], Any]) -> Any:
    """ONNX Runtime's package, as ``require`` imports it."""
    # It would write what it does into a database in the user's home, to be sent.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return require("onnxruntime")


def check_bfloat16(inputs: Sequence[Any], outputs: Sequence[Any], runtime: Any) -> None:
    """Raise LOAD_FAILED for nodes among which are bfloat16 tensors that ONNX Runtime's Python cannot pass."""
    types = [[node.type for node in nodes] for nodes in (inputs, outputs)]
    if _BFLOAT16_NAME in types[0] + types[1] and not hasattr(runtime.OrtValue, "ortvalue_from_numpy_with_onnx_type"):
        text = "bfloat16 tensors need ONNX Runtime 1.21 or newer: pip install -U onnxruntime"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, _BFLOAT16_NAME)
    if _BFLOAT16_NAME in types[1] and ("tensor(string)" in types[0] or any(type_.startswith("seq") for type_ in types[1])):
        text = "ONNX Runtime gives no bfloat16 outputs of a model with text inputs or lists of maps: cast these outputs to float32"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, _BFLOAT16_NAME)


def fed(array: Tensor, spec: TensorSpec, runtime: Any) -> Any:
    """What ``run`` of a session takes for an input. Raises UnicodeDecodeError for text that is not UTF-8."""
    if spec.datatype == "BF16":
        return runtime.OrtValue.ortvalue_from_numpy_with_onnx_type(datatypes.to_bfloat16(array), BFLOAT16)
    return datatypes.as_text(array) if spec.datatype == "BYTES" else array


def wrapped(value: Any, runtime: Any) -> Any:
    """What ``run_with_ort_values`` of a session takes, of what ``run`` takes."""
    return runtime.OrtValue.ortvalue_from_numpy(np.asarray(value, order="C")) if isinstance(value, np.ndarray) else value


def unwrapped(value: Any) -> Any:
    """What ``run`` would give, of what ``run_with_ort_values`` gives; bfloat16, which ``run`` cannot give, as float32."""
    if value.element_type() != BFLOAT16:
        return value.numpy()
    shape = tuple(value.shape())
    # numpy has no such type, and ONNX Runtime no other way to these bytes.
    bits = ctypes.string_at(value.data_ptr(), 2 * math.prod(shape))
    return datatypes.from_bfloat16(np.frombuffer(bits, np.uint16).reshape(shape))


def given(result: Any, spec: TensorSpec) -> Tensor:
    """The tensor in what ``run`` gives for an output; a list of maps from class to probability has the classes in ascending order."""
    if type(result) is list:
        return np.array([[row[key] for key in sorted(row)] for row in result], np.float32).reshape(len(result), -1 if result else 0)
    return datatypes.as_bytes(result) if spec.datatype == "BYTES" else result
