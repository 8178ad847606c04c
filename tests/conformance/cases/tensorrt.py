"""Engines of TensorRT's, built on the spot, since one runs only where it was built."""

import numpy as np
import pytest

from conformance.cases.case import ROWS, Case
from zeromind import importing
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile


def tensorrt_plan(folder):
    with importing.silence():
        trt = pytest.importorskip("tensorrt", reason="TensorRT is not installed: it wants an NVIDIA GPU")
        cuda = pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed: TensorRT's memory comes from it")
        onnx = pytest.importorskip("onnx")
    if cuda.cudaGetDeviceCount()[1:] in ((None,), (0,)):
        pytest.skip("CUDA finds no GPU on this machine")
    from zeromind.adapters import tensorrt_build
    from zeromind.adapters.tensorrt_engine import logger

    make, types = onnx.helper, onnx.TensorProto
    weights = onnx.numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    ins, outs = ([make.make_tensor_value_info(name, types.FLOAT, ["n", size])] for name, size in (("x", 4), ("scores", 3)))
    nodes = [make.make_node("MatMul", ["x", "w"], ["products"]), make.make_node("Softmax", ["products"], ["scores"], axis=1)]
    graph = make.make_graph(nodes, "g", ins, outs, initializer=[weights])
    model = folder / "model.onnx"
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), model)
    path = folder / "model.plan"
    path.write_bytes(tensorrt_build.built(trt, logger(trt), Source(ModelFile(model))))
    rows = ROWS.astype(np.float32)
    powers = np.exp(rows @ np.arange(12, dtype=np.float32).reshape(4, 3))
    return Case("tensorrt", path, {"x": rows}, {"scores": powers / powers.sum(1, keepdims=True)}, rtol=1e-4)


MAKERS = [tensorrt_plan]
