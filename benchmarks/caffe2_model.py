"""A small convolutional network as a Caffe2 net, written field by field, since no package of Caffe2 is left, and the same as ONNX.

The format: https://github.com/pytorch/pytorch/blob/v1.13.1/caffe2/proto/caffe2.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_Array = np.ndarray[Any, Any]


def write(folder: Path, weights: Mapping[str, _Array]) -> Path:
    """A folder with the two nets."""
    folder.mkdir()
    fills = [operator("GivenTensorFill", [], name, shape=array.shape, values=array) for name, array in weights.items()]
    (folder / "init_net.pb").write_bytes(net(fills))
    steps = [
        operator("Conv", ["x", "w1", "b1"], "c1", kernel=5),
        operator("Relu", ["c1"], "r1"),
        operator("MaxPool", ["r1"], "p1", kernel=2, stride=2),
        operator("Conv", ["p1", "w2", "b2"], "c2", kernel=5),
        operator("Relu", ["c2"], "r2"),
        operator("MaxPool", ["r2"], "p2", kernel=2, stride=2),
        operator("FC", ["p2", "w3", "b3"], "y"),
    ]
    (folder / "predict_net.pb").write_bytes(net(steps) + field(7, "x") + field(8, "y"))
    return folder


def as_onnx(path: Path, weights: Mapping[str, _Array]) -> Path:
    """A file with the same network."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    half = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], **half),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p2"], **half),
        helper.make_node("Flatten", ["p2"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 1, 28, 28])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 10])
    graph = helper.make_graph(nodes, "net", [x], [y], [numpy_helper.from_array(array, name) for name, array in weights.items()])
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def net(operators: list[bytes]) -> bytes:
    return field(1, "net") + b"".join(field(2, each) for each in operators)


def operator(kind: str, inputs: list[str], output: str, **arguments: Any) -> bytes:
    named = (field(5, argument(name, value)) for name, value in arguments.items())
    return b"".join([*(field(1, name) for name in inputs), field(2, output), field(4, kind), *named])


def argument(name: str, value: Any) -> bytes:
    if isinstance(value, int):
        return field(1, name) + field(3, value)
    if isinstance(value, np.ndarray):
        return field(1, name) + b"".join(struct.pack("<Bf", 5 << 3 | 5, number) for number in value.flat)
    return field(1, name) + b"".join(field(6, number) for number in value)


def field(number: int, value: int | str | bytes) -> bytes:
    """A field of a protobuf message."""
    if isinstance(value, int):
        return bytes(varint(number << 3)) + bytes(varint(value))
    data = value.encode() if isinstance(value, str) else value
    return bytes(varint(number << 3 | 2)) + bytes(varint(len(data))) + data


def varint(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
