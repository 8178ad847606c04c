"""Caffe2 nets, written field by field: no package of Caffe2 is left. What they answer is computed by torch while they are built."""

import io
import json
import tarfile

import numpy as np
import pytest

from conformance.cases.case import Case


def varint(value):
    value, data = value % (1 << 64), b""
    while value > 0x7F:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def field(number, value):
    """A field of a protobuf message in the form that its value has."""
    if isinstance(value, float):
        return varint(number << 3 | 5) + np.float32(value).tobytes()
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def argument(name, value):
    data = field(1, name)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        block = np.full((value.size, 5), 5 << 3 | 5, np.uint8)
        block[:, 1:] = value.astype("<f4").reshape(-1, 1).view(np.uint8)
        return data + block.tobytes()
    if isinstance(value, (list, tuple, np.ndarray)):
        return data + b"".join(field(6, int(each)) for each in np.asarray(value).reshape(-1))
    return data + field({int: 3, bool: 3, float: 2, str: 4}[type(value)], value)


def operator(kind, inputs, outputs, **arguments):
    names = b"".join([*(field(1, name) for name in inputs), *(field(2, name) for name in outputs)])
    return names + field(3, "") + field(4, kind) + b"".join(field(5, argument(*each)) for each in arguments.items())


def fill(blob, array):
    kind = {"f": "GivenTensorFill", "i": "GivenTensorInt64Fill", "b": "GivenTensorBoolFill"}[array.dtype.kind]
    return operator(kind, [], [blob], shape=array.shape, values=array)


def net(operators, inputs=(), outputs=(), name="net"):
    parts = [field(1, name), *(field(2, each) for each in operators), field(3, "dag")]
    return b"".join([*parts, *(field(7, each) for each in inputs), *(field(8, each) for each in outputs)])


class Built:
    """A net that grows beside its answer to one batch of ``data``."""

    def __init__(self, rows, seed=0):
        self.torch = pytest.importorskip("torch")
        self.of = self.torch.nn.functional
        self.random = np.random.default_rng(seed)
        self.values = {"data": self.torch.from_numpy(rows)}
        self.weights, self.operators = {}, []

    def add(self, kind, source, name, value, weights=(), *, others=(), **arguments):
        for index, array in enumerate(weights):
            self.weights[f"{name}_{'wbsmv'[index]}"] = array.numpy()
        inputs = [*([source] if isinstance(source, str) else source), *(f"{name}_{'wbsmv'[index]}" for index in range(len(weights)))]
        self.operators.append(operator(kind, inputs, [name, *others], **arguments))
        self.values[name] = value
        return name

    def weight(self, *shape):
        scale = (2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1
        return self.torch.from_numpy((self.random.standard_normal(shape) * scale).astype(np.float32))

    def conv(self, source, name, channels, kernel, stride=1, *, pad=0, group=1):
        x = self.values[source]
        weights = [self.weight(channels, x.shape[1] // group, kernel, kernel), self.weight(channels)]
        value = self.of.conv2d(x, *weights, stride=stride, padding=pad, groups=group)
        self.add("Conv", source, name, value, weights, kernel=kernel, stride=stride, pad=pad, group=group, order="NCHW")
        return self.relu(name)

    def relu(self, name):
        return self.add("Relu", name, name, self.values[name].relu())

    def pool(self, source, name, kernel=3, stride=2, pad=0):
        value = self.of.max_pool2d(self.values[source], kernel, stride, pad, ceil_mode=True)
        return self.add("MaxPool", source, name, value, kernel=kernel, stride=stride, pad=pad, legacy_pad=3, order="NCHW")

    def average(self, source, name):
        value = self.values[source].mean((2, 3), keepdim=True)
        return self.add("AveragePool", source, name, value, global_pooling=1, order="NCHW")

    def lrn(self, source, name):
        value = self.of.local_response_norm(self.values[source], 5, 0.1, 0.75, 1.0)
        numbers = {"alpha": 0.1, "beta": 0.75, "bias": 1.0}
        return self.add("LRN", source, name, value, others=[f"_{name}_scale"], size=5, order="NCHW", **numbers)

    def fc(self, source, name, width):
        x = self.values[source].flatten(1)
        weights = [self.weight(width, x.shape[1]), self.weight(width)]
        return self.add("FC", source, name, self.of.linear(x, *weights), weights)

    def dropout(self, name):
        return self.add("Dropout", name, name, self.values[name], others=[f"_{name}_mask"], is_test=1, ratio=0.5)

    def concat(self, sources, name):
        value = self.torch.cat([self.values[source] for source in sources], 1)
        return self.add("Concat", sources, name, value, others=[f"_{name}_dims"], order="NCHW")

    def softmax(self, source, name):
        return self.add("Softmax", source, name, self.values[source].flatten(1).softmax(1).reshape(self.values[source].shape))

    def init_net(self):
        """The weights, and a stand-in for the input, as exporters write it."""
        fills = [fill(name, array) for name, array in self.weights.items()]
        return net([*fills, operator("ConstantFill", [], ["data"], shape=[1], value=0.0)])

    def predict_net(self, output):
        return net(self.operators, ["data", *self.weights], [output])


def alexnet(rows, width=1.0):
    """Krizhevsky, Sutskever, Hinton 2012, as Caffe's model zoo has it."""
    made = Built(rows)

    def wide(channels):
        return int(channels * width)

    at = made.pool(made.lrn(made.conv("data", "conv1", wide(96), 11, 4), "norm1"), "pool1")
    at = made.pool(made.lrn(made.conv(at, "conv2", wide(256), 5, pad=2, group=2), "norm2"), "pool2")
    at = made.conv(made.conv(at, "conv3", wide(384), 3, pad=1), "conv4", wide(384), 3, pad=1, group=2)
    at = made.pool(made.conv(at, "conv5", wide(256), 3, pad=1, group=2), "pool5")
    for name in ("fc6", "fc7"):
        at = made.dropout(made.relu(made.fc(at, name, wide(4096))))
    return made, made.softmax(made.fc(at, "fc8", wide(1000)), "prob")


_INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(rows, width=1.0):
    """Szegedy et al. 2014, as Caffe's model zoo has it."""
    made = Built(rows)
    at = made.lrn(made.pool(made.conv("data", "conv1", int(64 * width), 7, 2, pad=3), "pool1"), "norm1")
    at = made.conv(made.conv(at, "conv2r", int(64 * width), 1), "conv2", int(192 * width), 3, pad=1)
    at = made.pool(made.lrn(at, "norm2"), "pool2")
    for name, channels in _INCEPTIONS.items():
        ones, reduced3, threes, reduced5, fives, pooled = (max(int(count * width), 1) for count in channels)
        branches = [
            made.conv(at, f"{name}_1", ones, 1),
            made.conv(made.conv(at, f"{name}_3r", reduced3, 1), f"{name}_3", threes, 3, pad=1),
            made.conv(made.conv(at, f"{name}_5r", reduced5, 1), f"{name}_5", fives, 5, pad=2),
            made.conv(made.pool(at, f"{name}_p", 3, 1, 1), f"{name}_pp", pooled, 1),
        ]
        at = made.concat(branches, f"{name}_out")
        if name in ("3b", "4e"):
            at = made.pool(at, f"pool{name}")
    at = made.dropout(made.average(at, "pool5"))
    return made, made.softmax(made.fc(at, "classifier", int(1000 * width)), "prob")


def squeezenet(rows, width=1.0):
    """Iandola et al. 2016, version 1.1."""
    made = Built(rows)
    at = made.pool(made.conv("data", "conv1", int(64 * width), 3, 2), "pool1")
    for index, (squeezed, expanded) in enumerate(((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)), 2):
        squeeze = made.conv(at, f"fire{index}_s", int(squeezed * width), 1)
        branches = [
            made.conv(squeeze, f"fire{index}_1", int(expanded * width), 1),
            made.conv(squeeze, f"fire{index}_3", int(expanded * width), 3, pad=1),
        ]
        at = made.concat(branches, f"fire{index}")
        if index in (3, 5):
            at = made.pool(at, f"pool{index}")
    at = made.average(made.conv(made.dropout(at), "conv10", int(1000 * width), 1), "pool10")
    return made, made.softmax(at, "softmaxout")


def pictures(size, count=5):
    return np.random.default_rng(1).standard_normal((count, 3, size, size)).astype(np.float32)


def inputs(size):
    return [{"name": "data", "type": "float32", "shape": [None, 3, size, size]}]


def answered(path, made, output, rows, **task):
    return Case("caffe2", path, {"data": rows}, {output: made.values[output].numpy()}, rtol=1e-5, task=task)


def archived(path, members):
    with tarfile.open(path, "w:gz") as packed:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))


def caffe2_archive(folder):
    rows = pictures(67)
    made, output = alexnet(rows, 1 / 16)
    members = {"init_net.pb": made.init_net(), "predict_net.pb": made.predict_net(output)}
    archived(folder / "model.caffe2", {**members, "input_spec.json": json.dumps(inputs(67)).encode()})
    return answered(folder / "model.caffe2", made, output, rows)


def caffe2_folder(folder):
    rows = pictures(64)
    made, output = googlenet(rows, 1 / 16)
    (folder / "a").write_bytes(made.predict_net(output))
    (folder / "b").write_bytes(made.init_net())
    case = answered(folder, made, output, rows, inputs=inputs(64))
    case.cut = "b"
    return case


MAKERS = [caffe2_archive, caffe2_folder]
