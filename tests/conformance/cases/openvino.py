"""OpenVINO's models."""

import numpy as np
import pytest

from conformance.cases.case import ROWS, Case
from zeromind import importing


def openvino_ir(folder):
    """A folder of nonsense names: the XML file and its weights, of which only the content tells which is which."""
    with importing.silence():
        openvino = pytest.importorskip("openvino")
        operations = pytest.importorskip("openvino.opset13")
    x = operations.parameter([-1, 4], np.float32, name="x")
    weights = operations.constant(np.arange(12, dtype=np.float32).reshape(4, 3))
    scores = operations.softmax(operations.matmul(x, weights, False, False), 1)
    scores.output(0).set_names({"scores"})
    best = operations.topk(scores, operations.constant(np.int64(1)), 1, "max", "value", "i64")
    best.output(1).set_names({"best"})
    model = openvino.Model([operations.result(scores), operations.result(best.output(1))], [x], "m")
    path = folder / "whatever"
    path.mkdir()
    openvino.serialize(model, str(path / "this.xml"), str(path / "that"))
    (path / "this.xml").rename(path / "this")
    rows = ROWS.astype(np.float32)
    answer = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(rows)
    expected = {"scores": answer[0], "best": answer[1]}
    return Case("openvino", path, {"x": rows}, expected, rtol=1e-6, cut="this")


MAKERS = [openvino_ir]
