"""Models of Caffe, Darknet and Torch 7, written byte by byte, and of TensorFlow; what they answer is OpenCV's own word."""

import struct

import numpy as np
import pytest

from conformance.cases.caffe2 import field
from conformance.cases.case import ROWS, Case

PICTURES = np.random.default_rng(1).standard_normal((5, 3, 12, 10)).astype(np.float32)


def weights(*shapes, seed=0):
    random = np.random.default_rng(seed)
    return [(random.standard_normal(shape) * 0.3).astype(np.float32) for shape in shapes]


def answered(path, net, arrays, names, **parts):
    """A case of a net that OpenCV has read in its own way."""
    for name, array in arrays.items():
        net.setInput(array, *([name] if parts.pop("named", True) else []))
    expected = dict(zip(names, net.forward(list(names)), strict=True))
    return Case("opencv", path, arrays, expected, rtol=1e-5, **parts)


def blob(array):
    return field(7, b"".join(field(1, size) for size in array.shape)) + field(5, array.tobytes())


def caffe_layer(name, kind, *blobs):
    return field(100, field(1, name) + field(2, kind) + b"".join(field(7, blob(each)) for each in blobs))


PROTOTXT = """
name: "small"  # AlexNet's kinds of layers
input: "data"
input_shape { dim: 10 dim: 3 dim: 12 dim: 10 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 3 alpha: 0.1 beta: 0.75 } }
layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "fc2" type: "InnerProduct" bottom: "pool1" top: "fc2" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
"""


def caffe_weights():
    return weights((4, 3, 3, 3), (4,), (5, 4 * 5 * 4), (5,))


def caffe_pair(folder, deploy="deploy.prototxt", model="model.caffemodel"):
    """The two files; pooling rounds up, to 5 and 4."""
    arrays = caffe_weights()
    (folder / deploy).write_text(PROTOTXT)
    layers = caffe_layer("conv1", "Convolution", *arrays[:2]) + caffe_layer("fc2", "InnerProduct", *arrays[2:])
    (folder / model).write_bytes(field(1, "small") + layers)
    return folder / deploy, folder / model


DARKNET = """
[net]
# Testing
batch=1
width=10
height=12
channels=3

[convolutional]
batch_normalize=1
filters=4
size=3
stride=1
pad=1
activation=leaky

[maxpool]
size=2
stride=2

[convolutional]
filters=5
size=1
stride=1
activation=linear

[avgpool]

[softmax]
groups=1
"""


def darknet_pair(folder, config="model.cfg", model="model.weights"):
    """Biases, scales, means, variances, kernels; then biases, kernels."""
    parts = weights((4,), (4,), (4,), (4,), (4, 3, 3, 3), (5,), (5, 4, 1, 1))
    parts[3] = parts[3] ** 2 + 1
    (folder / config).write_text(DARKNET)
    (folder / model).write_bytes(struct.pack("<iiiq", 0, 2, 0, 1000) + b"".join(part.tobytes() for part in parts))
    return folder / config, folder / model


class Torch7:
    """Torch 7's serialised objects, binary; every object has a number of its own."""

    def __init__(self):
        self.count = 0

    def number(self):
        self.count += 1
        return struct.pack("<i", self.count)

    @staticmethod
    def text(value):
        return struct.pack("<i", len(value)) + value.encode()

    def torch(self, kind, body):
        return struct.pack("<i", 4) + self.number() + self.text("V 1") + self.text(kind) + body

    def table(self, pairs):
        head = struct.pack("<i", 3) + self.number() + struct.pack("<i", len(pairs))
        return head + b"".join(self.key(key) + value for key, value in pairs.items())

    def key(self, key):
        return struct.pack("<id", 1, key) if isinstance(key, int) else struct.pack("<i", 2) + self.text(key)

    def tensor(self, array):
        strides = [stride // 4 for stride in array.strides]
        storage = self.torch("torch.FloatStorage", struct.pack("<q", array.size) + array.tobytes())
        head = struct.pack(f"<i{2 * array.ndim + 1}q", array.ndim, *array.shape, *strides, 1)
        return self.torch("torch.FloatTensor", head + storage)

    def sequential(self, *modules):
        return self.torch("nn.Sequential", self.table({"modules": self.table(dict(enumerate(modules, 1)))}))


def torch7_file(path):
    made, arrays = Torch7(), weights((6, 4), (6,), (3, 6), (3,))
    linear = [made.torch("nn.Linear", made.table({"weight": made.tensor(w), "bias": made.tensor(b)})) for w, b in (arrays[:2], arrays[2:])]
    relu = made.torch("nn.ReLU", made.table({"inplace": struct.pack("<ii", 5, 0)}))
    path.write_bytes(made.sequential(linear[0], relu, linear[1], made.torch("nn.SoftMax", made.table({}))))
    return path


def frozen_graph(path):
    """A convolution, global mean and a dense layer, in TensorFlow's order of dimensions."""
    tensorflow = pytest.importorskip("tensorflow")
    v1 = tensorflow.compat.v1
    arrays = weights((3, 3, 3, 4), (4,), (4, 5))
    with tensorflow.Graph().as_default() as graph:
        x = v1.placeholder(tensorflow.float32, [None, 12, 10, 3], "images")
        convolved = tensorflow.nn.conv2d(x, tensorflow.constant(arrays[0]), 1, "SAME")
        active = tensorflow.nn.relu(tensorflow.nn.bias_add(convolved, tensorflow.constant(arrays[1])))
        pooled = tensorflow.reshape(tensorflow.reduce_mean(active, [1, 2], keepdims=True), [-1, 4])
        tensorflow.nn.softmax(tensorflow.matmul(pooled, tensorflow.constant(arrays[2])), name="prob")
        path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def opencv_caffe(folder):
    cv2 = pytest.importorskip("cv2")
    net = cv2.dnn.readNetFromCaffe(*map(str, caffe_pair(folder, "one", "two")))
    return answered(folder, net, {"data": PICTURES}, ["prob"], cut="two")


def opencv_darknet(folder):
    cv2 = pytest.importorskip("cv2")
    net = cv2.dnn.readNetFromDarknet(*map(str, darknet_pair(folder, "one", "two")))
    return answered(folder, net, {"data": PICTURES}, net.getUnconnectedOutLayersNames(), cut="two")


def opencv_torch7(folder):
    cv2 = pytest.importorskip("cv2")
    net = cv2.dnn.readNetFromTorch(str(torch7_file(folder / "model.t7")))
    task = {"inputs": [{"name": "x", "type": "float32", "shape": [None, 4]}]}
    rows = ROWS.astype(np.float32)
    return answered(folder / "model.t7", net, {"x": rows}, net.getUnconnectedOutLayersNames(), task=task, named=False)


def opencv_tensorflow(folder):
    cv2 = pytest.importorskip("cv2")
    path = frozen_graph(folder / "model.pb")
    net = cv2.dnn.readNetFromTensorflow(str(path))
    return answered(path, net, {"images": PICTURES}, ["prob"], task={"model_type": "opencv"}, also=("tensorflow",))


MAKERS = [opencv_caffe, opencv_darknet, opencv_torch7, opencv_tensorflow]
