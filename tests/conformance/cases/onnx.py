"""ONNX models."""

import numpy as np
import pytest

from conformance.cases.case import ROWS, Case
from zeromind.datatypes import as_bytes


def onnx_of_every_kind(folder):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    make, types = onnx.helper, onnx.TensorProto
    weights = onnx.numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    nodes = [
        make.make_node("MatMul", ["x", "w"], ["scores"]),
        make.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0),
        make.make_node("Identity", ["name"], ["echo"]),
    ]
    value = make.make_tensor_value_info
    ins = [value("x", types.FLOAT, ["n", 4]), value("name", types.STRING, ["n"])]
    outs = [value("scores", types.FLOAT, ["n", 3]), value("best", types.INT64, ["n"]), value("echo", types.STRING, ["n"])]
    graph = make.make_graph(nodes, "g", ins, outs, initializer=[weights])
    path = folder / "model.onnx"
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), path)
    names = np.array(["a", "é", "", "d", "e"], object)
    rows = ROWS.astype(np.float32)
    answer = runtime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": rows, "name": names})
    expected = {"scores": answer[0], "best": answer[1], "echo": as_bytes(answer[2])}
    return Case("onnx", path, {"x": rows, "name": as_bytes(names)}, expected, rtol=1e-6)


MAKERS = [onnx_of_every_kind]
