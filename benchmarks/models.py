"""The models that benchmarks serve, made anew wherever they are needed and the same each time, and a request for each.

    tiny   one 4x3 matrix product and a softmax: what it takes is the server's own
    mnist  the demo's kind of network for 28x28x1 pictures, as ONNX
    image  the mean of a 224x224x3 picture's colours and a small product: a large request for a cheap model
    slow   Python that sleeps 50 ms per call: a bad neighbour

The ONNX models take ``x`` and give ``y``, FP32, any number of rows. ``demo_task`` is the demo's own model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SHAPES: dict[str, tuple[int, ...]] = {"tiny": (4,), "mnist": (28, 28, 1), "image": (224, 224, 3)}
"""The shape of one row of ``x``."""

SLOW = """\
import time


class Skill:
    inputs = {"x": ("float32", [None, 4])}
    outputs = {"y": ("float32", [None, 4])}
    batches = False

    def predict(self, x):
        time.sleep(0.05)
        return x
"""


def write(name: str, folder: Path) -> Path:
    """Write a model into a folder and give its path. Raises SystemExit if the package that makes it is missing."""
    if name == "slow":
        path = folder / "slow.py"
        path.write_text(SLOW)
        return path
    try:
        import onnx
    except ModuleNotFoundError:
        raise SystemExit("the package onnx makes the models and is not installed: pip install 'zeromind[test]'") from None
    path = folder / f"{name}.onnx"
    onnx.save(_MAKERS[name](np.random.default_rng(0)), path)
    return path


def task(name: str, folder: Path, **keys: Any) -> dict[str, Any]:
    """A task that serves a model, written into a folder, under its own name."""
    return {"id": name, "model_file": str(write(name, folder)), "allow_code": name == "slow", "threads": 1, **keys}


def demo_task(**keys: Any) -> dict[str, Any]:
    """The task of the default configuration, whose model is of Keras."""
    (found,) = json.loads((ROOT / "configs" / "model_pool_config.json").read_text())["tasks"]
    return {**found, "model_file": str(ROOT / found["model_file"]), **keys}


def sample(name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """One row for ``x``, with the batch dimension, of six digits per number as clients write them."""
    return np.random.default_rng(1).random((1, *SHAPES.get(name, (4,)))).round(6).astype(np.float32)


def body(name: str) -> bytes:
    """A request with one row, of the Open Inference Protocol."""
    row = sample(name)
    # Of float32 the shortest text: 0.123457 and not 0.12345699965953827.
    data = [float(str(number)) for number in row.ravel()]
    return json.dumps({"inputs": [{"name": "x", "shape": row.shape, "datatype": "FP32", "data": data}]}).encode()


def binary(name: str) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """The same with the row's bytes behind the JSON, and the headers that say so; the answer is to be of that kind, too."""
    row = sample(name)
    entry = {"name": "x", "shape": row.shape, "datatype": "FP32", "parameters": {"binary_data_size": row.nbytes}}
    head = json.dumps({"inputs": [entry], "parameters": {"binary_data_output": True}}).encode()
    headers = (("Content-Type", "application/octet-stream"), ("Inference-Header-Content-Length", str(len(head))))
    return head + row.tobytes(), headers


def binary_row(answer: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The row of ``y`` in such an answer, which is its only output. Raises ValueError, KeyError or IndexError if it has none."""
    head, _ = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    return np.frombuffer(answer[-head["outputs"][0]["parameters"]["binary_data_size"] :], np.float32)


def path(name: str) -> str:
    """Where such a request goes."""
    return f"/v2/models/{name}/infer"


def _tiny(random: np.random.Generator) -> Any:
    weights = {"w": random.normal(0, 1, (4, 3)), "b": np.zeros(3)}
    return _model("tiny", [("Gemm", ["x", "w", "b"], "d", {}), ("Softmax", ["d"], "y", {})], weights, 3)


def _mnist(random: np.random.Generator) -> Any:
    half: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
    weights = {
        "w1": random.normal(0, 0.2, (32, 1, 5, 5)), "b1": np.zeros(32),
        "w2": random.normal(0, 0.05, (64, 32, 5, 5)), "b2": np.zeros(64),
        "w3": random.normal(0, 0.05, (1024, 256)), "b3": np.zeros(256),
        "w4": random.normal(0, 0.1, (256, 10)), "b4": np.zeros(10),
    }  # fmt: skip
    nodes: list[_Node] = [
        ("Transpose", ["x"], "t", {"perm": [0, 3, 1, 2]}),
        ("Conv", ["t", "w1", "b1"], "c1", {}),
        ("Relu", ["c1"], "r1", {}),
        ("MaxPool", ["r1"], "p1", half),
        ("Conv", ["p1", "w2", "b2"], "c2", {}),
        ("Relu", ["c2"], "r2", {}),
        ("MaxPool", ["r2"], "p2", half),
        ("Flatten", ["p2"], "f", {}),
        ("Gemm", ["f", "w3", "b3"], "d1", {}),
        ("Relu", ["d1"], "r3", {}),
        ("Gemm", ["r3", "w4", "b4"], "d2", {}),
        ("Softmax", ["d2"], "y", {}),
    ]
    return _model("mnist", nodes, weights, 10)


def _image(random: np.random.Generator) -> Any:
    nodes: list[_Node] = [
        ("ReduceMean", ["x"], "m", {"axes": [1, 2], "keepdims": 0}),
        ("Gemm", ["m", "w", "b"], "d", {}),
        ("Softmax", ["d"], "y", {}),
    ]
    return _model("image", nodes, {"w": random.normal(0, 1, (3, 10)), "b": np.zeros(10)}, 10)


_Node = tuple[str, list[str], str, dict[str, Any]]
_MAKERS: dict[str, Callable[[np.random.Generator], Any]] = {"tiny": _tiny, "mnist": _mnist, "image": _image}


def _model(name: str, nodes: list[_Node], weights: dict[str, np.ndarray[Any, Any]], classes: int) -> Any:
    from onnx import TensorProto, checker, helper, numpy_helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", *SHAPES[name]])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", classes])
    made = [helper.make_node(kind, inputs, [output], **attributes) for kind, inputs, output, attributes in nodes]
    constants = [numpy_helper.from_array(array.astype(np.float32), key) for key, array in weights.items()]
    graph = helper.make_graph(made, name, [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model
