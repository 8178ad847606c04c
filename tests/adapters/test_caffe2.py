import json

import numpy as np
import onnx
import pytest
import torch
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from conformance.cases.caffe2 import (
    alexnet,
    archived,
    argument,
    caffe2_folder,
    field,
    fill,
    googlenet,
    inputs,
    net,
    operator,
    pictures,
    squeezenet,
)
from zeromind.adapters import caffe2_net
from zeromind.adapters.base import Source
from zeromind.adapters.caffe2 import Caffe2Adapter
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.plugins import Plugins
from zeromind.tensors import TensorSpec

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.standard_normal((2, 4, 7, 6)).astype(np.float32)
ROWS = RANDOM.standard_normal((3, 5)).astype(np.float32)


def numbers(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def pair(folder, operators, weights=None, outputs=("y",), fills=()):
    weights = weights or {}
    (folder / "init_net.pb").write_bytes(net([fill("unused", ROWS), *(fill(*each) for each in weights.items()), *fills]))
    (folder / "predict_net.pb").write_bytes(net(operators, ["x", *weights], outputs))
    return folder


def serve(path, x=None, specs=(), **source):
    if x is not None:
        specs = (TensorSpec("x", {"f": "FP32", "i": "INT64"}[x.dtype.kind], (None, *x.shape[1:])),)
    return Caffe2Adapter(Source(ModelFile(path), specs, **source))


def answer(folder, x, *operators, **parts):
    return serve(pair(folder, operators, **parts), x).predict({"x": x})["y"]


def refusal(path, *arguments, **source):
    with pytest.raises(ZeroMindError) as caught:
        serve(path, *arguments, **source)
    return caught.value.kind, caught.value.message


class TestNets:
    @pytest.mark.parametrize(("family", "size"), [(alexnet, 67), (googlenet, 64), (squeezenet, 64)])
    @pytest.mark.parametrize("main", ["init", "predict"])
    def test_families_answer_as_torch_does(self, tmp_path, family, size, main):
        rows = pictures(size)
        made, output = family(rows, 1 / 16)
        files = {"init": made.init_net(), "predict": made.predict_net(output)}
        for name, data in files.items():
            (tmp_path / f"{name}.x").write_bytes(data)
        (other,) = files.keys() - {main}
        specs = (TensorSpec("data", "FP32", (None, 3, size, size)),)
        adapter = serve(tmp_path / f"{main}.x", specs=specs, options={"predict_net.pb": f"{other}.x"})
        assert adapter.spec.batches
        np.testing.assert_allclose(adapter.predict({"data": rows})[output], made.values[output], rtol=1e-5, atol=1e-6)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("family", "size", "weights"), [(alexnet, 227, 60_965_224), (googlenet, 224, 6_998_552), (squeezenet, 227, 1_235_496)]
    )
    def test_families_at_full_size(self, tmp_path, family, size, weights):
        rows = pictures(size, 2)
        made, output = family(rows)
        assert sum(array.size for array in made.weights.values()) == weights  # as the papers' implementations have
        (tmp_path / "i").write_bytes(made.init_net())
        (tmp_path / "p").write_bytes(made.predict_net(output))
        (tmp_path / "input_spec.json").write_text(json.dumps(inputs(size)))
        adapter = serve(tmp_path, specs=(TensorSpec("data", "FP32", (None, 3, size, size)),))
        np.testing.assert_allclose(adapter.predict({"data": rows})[output], made.values[output], rtol=1e-4, atol=1e-6)

    def test_an_archive_brings_its_specs_and_the_task_has_the_last_word(self, tmp_path):
        made, output = squeezenet(pictures(64), 1 / 16)
        members = {"./model/init_net.pb": made.init_net(), "model/predict_net.pb": made.predict_net(output)}
        outputs = [{"name": "fire9", "type": "float32", "shape": [None, None, None, None]}]
        specs = {"model/input_spec.json": json.dumps(inputs(64)).encode(), "model/output_spec.json": json.dumps(outputs).encode()}
        archived(tmp_path / "x.caffe2", {**members, **specs})
        adapter = serve(tmp_path / "x.caffe2")
        assert [(spec.name, spec.shape) for spec in adapter.spec.inputs] == [("data", (None, 3, 64, 64))]
        assert [(spec.name, spec.shape) for spec in adapter.spec.outputs] == [("fire9", (None, None, None, None))]
        adapter = serve(
            tmp_path / "x.caffe2", specs=(TensorSpec("data", "FP32", (1, 3, 64, 64)),), outputs=(TensorSpec(output, "FP32", (1, 62, 1, 1)),)
        )
        assert not adapter.spec.batches
        assert adapter.predict({"data": pictures(64, 1)})[output].shape == (1, 62, 1, 1)

    def test_any_blob_may_be_an_output(self, tmp_path):
        folder = pair(tmp_path, [operator("Relu", ["x"], ["h"]), operator("Negative", ["h"], ["y"])])
        outputs = (TensorSpec("h", "FP32", (None, 5)), TensorSpec("y", "FP32", (None, 5)))
        given = serve(folder, ROWS, outputs=outputs).predict({"x": ROWS})
        np.testing.assert_array_equal(given["h"], ROWS.clip(0))
        np.testing.assert_array_equal(given["y"], -ROWS.clip(0))

    def test_blobs_written_again_and_again_have_their_last_value(self, tmp_path):
        steps = [operator("Negative", ["x"], ["x"]), operator("Relu", ["x"], ["y"]), operator("Sum", ["y", "x"], ["y"])]
        np.testing.assert_array_equal(answer(tmp_path, ROWS, *steps), (-ROWS).clip(0) - ROWS)

    def test_what_does_not_lead_to_an_output_is_left_out(self, tmp_path):
        steps = [operator("Relu", ["x"], ["y"]), operator("Accuracy", ["y", "label"], ["accuracy"])]
        adapter = serve(pair(tmp_path, steps, fills=[operator("XavierFill", [], ["unused"], shape=[2])]), ROWS)
        assert [spec.name for spec in adapter.spec.inputs] == ["x"]

    def test_without_declared_outputs_the_last_operators_is_it(self, tmp_path):
        assert [spec.name for spec in serve(pair(tmp_path, [operator("Relu", ["x"], ["last"])], outputs=()), ROWS).spec.outputs] == ["last"]

    def test_several_inputs_of_several_types(self, tmp_path):
        steps = [operator("Cast", ["n"], ["m"], to=1), operator("Add", ["x", "m"], ["y"])]
        specs = (TensorSpec("n", "INT64", (None, 5)), TensorSpec("x", "FP32", (None, 5)))
        adapter = serve(pair(tmp_path, steps), specs=specs)
        assert [spec.name for spec in adapter.spec.inputs] == ["x", "n"]  # as the net declares them
        assert adapter.spec.batches
        np.testing.assert_array_equal(adapter.predict({"x": ROWS, "n": np.ones((3, 5), np.int64)})["y"], ROWS + 1)

    def test_open_sizes(self, tmp_path):
        adapter = serve(pair(tmp_path, [operator("Relu", ["x"], ["y"])]), specs=(TensorSpec("x", "FP32", (None, 4, None, None)),))
        assert adapter.spec.batches
        assert adapter.predict({"x": IMAGE})["y"].shape == IMAGE.shape

    def test_rows_that_depend_on_their_neighbours_are_no_batch(self, tmp_path):
        assert not serve(pair(tmp_path, [operator("Transpose", ["x"], ["y"])]), specs=(TensorSpec("x", "FP32", (None, None)),)).spec.batches

    def test_inputs_may_be_read_only(self, tmp_path):
        rows = ROWS.copy()
        rows.flags.writeable = False
        np.testing.assert_array_equal(answer(tmp_path, rows, operator("Relu", ["x"], ["y"])), ROWS.clip(0))

    def test_threads_and_devices(self, tmp_path):
        folder = pair(tmp_path, [operator("Relu", ["x"], ["y"])])
        assert serve(folder, ROWS, threads=3)._runner._session.get_session_options().intra_op_num_threads == 3
        assert refusal(folder, ROWS, device="tpu")[0] is ErrorKind.TASK_ATTRIBUTE


def torched(value):
    return value.numpy() if isinstance(value, torch.Tensor) else value


X, T = torch.from_numpy(ROWS), torch.from_numpy(IMAGE)
W, B = numbers(6, 2, 3, 2), numbers(6)
FC_W, FC_B = numbers(2, 5), numbers(2)
SLOPES = numbers(4)

OF_ROWS = {
    "copy": (("Copy", {}), ROWS),
    "softmax": (("Softmax", {}), X.softmax(1)),
    "tanh": (("Tanh", {}), X.tanh()),
    "sigmoid": (("Sigmoid", {}), X.sigmoid()),
    "leaky": (("LeakyRelu", {"alpha": 0.3}), functional.leaky_relu(X, 0.3)),
    "leaky by default": (("LeakyRelu", {}), functional.leaky_relu(X, 0.01)),
    "elu": (("Elu", {"alpha": 0.5}), functional.elu(X, 0.5)),
    "clip": (("Clip", {"min": -0.5}), ROWS.clip(-0.5)),
    "scale": (("Scale", {"scale": 3.0}), ROWS * 3),
    "dropout": (("Dropout", {"is_test": 1}), ROWS),
    "expanded": (("ExpandDims", {"dims": [1, 3]}), ROWS[:, None, :, None]),
    "sliced": (("Slice", {"starts": [0, 1], "ends": [-1, 3]}), ROWS[:, 1:3]),
    "sliced from behind": (("Slice", {"starts": [0, -3], "ends": [-1, -2]}), ROWS[:, -2:-1]),
    "transposed": (("Transpose", {"axes": [1, 0]}), ROWS.T),
    "reversed": (("Transpose", {}), ROWS.T),
    "reshaped": (("Reshape", {"shape": [0, -1, 1]}), ROWS[:, :, None]),
    "vector": (("FlattenToVec", {}), ROWS.reshape(-1)),
    "whole": (("Cast", {"to": "INT32"}), ROWS.astype(np.int32)),
    "yes or no": (("Cast", {"to": 5}), ROWS.astype(bool)),
}

OF_IMAGES = {
    "softmax over all but the first": (("Softmax", {}), T.flatten(1).softmax(1).reshape(T.shape)),
    "pool, sizes rounded down": (("MaxPool", {"kernel": 3, "stride": 2}), functional.max_pool2d(T, 3, 2)),
    "pool, sizes rounded up": (("MaxPool", {"kernel": 3, "stride": 2, "legacy_pad": 3}), functional.max_pool2d(T, 3, 2, ceil_mode=True)),
    "padded pool": (
        ("MaxPool", {"kernel_h": 3, "kernel_w": 2, "stride_h": 2, "stride_w": 1, "pad": 1}),
        functional.max_pool2d(T, (3, 2), (2, 1), 1),
    ),
    "padded pool, rounded up": (
        ("MaxPool", {"kernel": 3, "stride": 2, "pad": 1, "legacy_pad": 3}),
        functional.max_pool2d(T, 3, 2, 1, ceil_mode=True),
    ),
    "average": (("AveragePool", {"kernels": [3, 2], "strides": [2, 2]}), functional.avg_pool2d(T, (3, 2), 2)),
    "average without the padding": (
        ("AveragePool", {"kernel": 3, "stride": 2, "pads": [1, 1, 1, 1]}),
        functional.avg_pool2d(T, 3, 2, 1, count_include_pad=False),
    ),
    "average, rounded up": (
        ("AveragePool", {"kernel": 3, "stride": 2, "legacy_pad": 3}),
        functional.avg_pool2d(T, 3, 2, ceil_mode=True, count_include_pad=False),
    ),
    "global average": (("AveragePool", {"global_pooling": 1}), T.mean((2, 3), keepdim=True)),
    "global maximum": (("MaxPool", {"global_pooling": 1, "kernel": 1}), T.amax((2, 3), keepdim=True)),
    "same": (
        ("MaxPool", {"kernel": 2, "stride": 2, "legacy_pad": 2}),
        functional.max_pool2d(functional.pad(T, (0, 0, 0, 1), value=-np.inf), 2, 2),
    ),
    "lrn": (
        ("LRN", {"size": 3, "alpha": 0.5, "beta": 0.75, "bias": 2.0}),
        functional.local_response_norm(T, 3, 0.5, 0.75, 2.0),
    ),
    "flattened": (("Flatten", {}), T.flatten(1)),
    "flattened further on": (("Flatten", {"axis": 2}), T.reshape(8, 42)),
    "channels last": (("NCHW2NHWC", {}), T.permute(0, 2, 3, 1)),
    "squeezed": (("Slice", {"starts": [0, 0, 2, 0], "ends": [-1, 2, -1, -1]}), T[:, :2, 2:]),
}

WEIGHED = {
    "conv": (
        IMAGE,
        ("Conv", {"kernel_h": 3, "kernel_w": 2, "stride": 2, "pad_t": 1, "pad_l": 0, "pad_b": 2, "pad_r": 1, "group": 2}),
        {"w": W, "b": B},
        functional.conv2d(functional.pad(T, (0, 1, 1, 2)), torch.from_numpy(W), torch.from_numpy(B), 2, groups=2),
    ),
    "dilated conv without bias": (
        IMAGE,
        ("Conv", {"kernels": [2, 2], "dilation": 2, "order": "NCHW"}),
        {"w": numbers(3, 4, 2, 2)},
        lambda w: functional.conv2d(T, w, dilation=2),
    ),
    "valid conv": (
        IMAGE,
        ("Conv", {"kernel": 2, "legacy_pad": 1}),
        {"w": numbers(3, 4, 2, 2)},
        lambda w: functional.conv2d(T, w),
    ),
    "transposed conv": (
        IMAGE,
        ("ConvTranspose", {"kernel": 3, "stride": 2, "pad": 1, "adj": 1}),
        {"w": numbers(4, 2, 3, 3), "b": numbers(2)},
        lambda w, b: functional.conv_transpose2d(T, w, b, 2, 1, 1),
    ),
    "fc": (ROWS, ("FC", {}), {"w": FC_W, "b": FC_B}, ROWS @ FC_W.T + FC_B),
    "fc with weights of four dimensions": (ROWS, ("FC", {}), {"w": FC_W.reshape(2, 5, 1, 1), "b": FC_B}, ROWS @ FC_W.T + FC_B),
    "fc transposed": (ROWS, ("FCTransposed", {}), {"w": FC_W.T.copy(), "b": FC_B}, ROWS @ FC_W.T + FC_B),
    "fc of images": (IMAGE, ("FC", {}), {"w": numbers(2, 168), "b": FC_B}, lambda w, b: functional.linear(T.flatten(1), w, b)),
    "fc along the last axis": (IMAGE, ("FC", {"axis": 3}), {"w": numbers(2, 6), "b": FC_B}, functional.linear),
    "matmul": (ROWS, ("MatMul", {"trans_b": 1}), {"w": FC_W}, ROWS @ FC_W.T),
    "batch normalisation": (
        IMAGE,
        ("SpatialBN", {"is_test": 1, "epsilon": 0.01}),
        {"s": numbers(4), "b": numbers(4), "m": numbers(4), "v": numbers(4) ** 2},
        lambda s, b, m, v: functional.batch_norm(T, m, v, s, b, eps=0.01),
    ),
    "instance normalisation": (
        IMAGE,
        ("InstanceNorm", {"epsilon": 0.1}),
        {"s": numbers(4), "b": numbers(4)},
        lambda s, b: functional.instance_norm(T, weight=s, bias=b, eps=0.1),
    ),
    "prelu": (IMAGE, ("PRelu", {}), {"s": SLOPES}, functional.prelu(T, torch.from_numpy(SLOPES))),
    "prelu of one slope": (ROWS, ("PRelu", {}), {"s": SLOPES[:1]}, functional.prelu(X, torch.from_numpy(SLOPES[:1]))),
    "channels times": (IMAGE, ("Mul", {"broadcast": 1, "axis": 1}), {"s": SLOPES}, IMAGE * SLOPES[:, None, None]),
    "channels by name": (IMAGE, ("Add", {"broadcast": 1, "axis_str": "C", "order": "NCHW"}), {"s": SLOPES}, IMAGE + SLOPES[:, None, None]),
    "at the end": (ROWS, ("Sub", {"broadcast": 1}), {"s": numbers(5)}, lambda s: X - s),
    "as numpy does": (ROWS, ("Div", {}), {"s": numbers(1, 5)}, lambda s: X / s),
    "reshape by a blob": (ROWS, ("Reshape", {}), {"s": np.array([-1, 1, 5])}, ROWS[:, None]),
    "sliced by blobs": (ROWS, ("Slice", {}), {"s": np.array([0, 1]), "t": np.array([-1, -1])}, ROWS[:, 1:]),
}


class TestOperators:
    @pytest.mark.parametrize("name", OF_ROWS)
    def test_of_rows(self, tmp_path, name):
        (kind, arguments), expected = OF_ROWS[name]
        given = answer(tmp_path, ROWS, operator(kind, ["x"], ["y"], **arguments))
        assert given.dtype == torched(expected).dtype
        np.testing.assert_allclose(given, torched(expected), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("name", OF_IMAGES)
    def test_of_images(self, tmp_path, name):
        (kind, arguments), expected = OF_IMAGES[name]
        given = answer(tmp_path, IMAGE, operator(kind, ["x"], ["y"], **arguments))
        np.testing.assert_allclose(given, torched(expected), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("name", WEIGHED)
    def test_with_weights(self, tmp_path, name):
        x, (kind, arguments), weights, expected = WEIGHED[name]
        if callable(expected):
            tensors = [torch.from_numpy(array) for array in weights.values()]
            expected = functional.linear(T, *tensors) if expected is functional.linear else expected(*tensors)
        given = answer(tmp_path, x, operator(kind, ["x", *weights], ["y"], **arguments), weights=weights)
        np.testing.assert_allclose(given, torched(expected), rtol=1e-4, atol=1e-5)

    def test_concat_and_split(self, tmp_path):
        split = operator("Split", ["x"], ["a", "b"], axis=1, split=[1, 3])
        turned = operator("Concat", ["b", "a"], ["y", "info"], order="NCHW")
        np.testing.assert_array_equal(answer(tmp_path, IMAGE, split, turned), np.concatenate([IMAGE[:, 1:], IMAGE[:, :1]], 1))
        halves = operator("Split", ["x"], ["a", "b"])
        stacked = operator("Concat", ["a", "b"], ["y", "info"], axis=1, add_axis=1)
        np.testing.assert_array_equal(answer(tmp_path, IMAGE, halves, stacked), np.stack([IMAGE[:, :2], IMAGE[:, 2:]], 1))

    def test_squeeze(self, tmp_path):
        steps = [operator("AveragePool", ["x"], ["a"], global_pooling=1), operator("Squeeze", ["a"], ["y"], dims=[2, 3])]
        np.testing.assert_allclose(answer(tmp_path, IMAGE, *steps), IMAGE.mean((2, 3)), rtol=1e-5)

    def test_fills(self, tmp_path):
        fills = [
            operator("ConstantFill", [], ["half"], shape=[5], value=0.5),
            operator("ConstantFill", [], ["seven"], shape=[1], value=7, dtype=10),
            operator("GivenTensorIntFill", [], ["count"], shape=[5], values=[1, -2, 3, 4, 5]),
            operator("GivenTensorDoubleFill", [], ["scalar"], shape=[], values=np.array([2.0])),
        ]
        steps = [
            operator("Cast", ["count"], ["counted"], to=1),
            operator("Cast", ["seven"], ["sevened"], to=1),
            operator("Cast", ["scalar"], ["two"], to=1),
            operator("ConstantFill", [], ["three"], shape=[1], value=3.0),
            operator("Sum", ["x", "half", "counted", "sevened", "two", "three"], ["y"]),
        ]
        expected = ROWS + 0.5 + np.float32([1, -2, 3, 4, 5]) + 7 + 2 + 3
        np.testing.assert_allclose(answer(tmp_path, ROWS, *steps, fills=fills), expected, rtol=1e-6)


class TestRefusals:
    def test_all_that_is_not_supported_is_listed_at_once(self, tmp_path):
        steps = [
            operator("Frobnicate", ["x"], ["a"]),
            operator("Conv", ["a", "w"], ["b"], kernel=1, order="NHWC"),
            operator("SpatialBN", ["b", "w", "w", "w", "w"], ["c"]),
            operator("Dropout", ["c"], ["d"]),
            operator("MaxPool", ["d"], ["e"]),
            operator("Add", ["e", "random"], ["f"]),
            operator("Frobnicate", ["f"], ["y"]),
        ]
        fills = [operator("XavierFill", [], ["random"], shape=[2])]
        kind, text = refusal(pair(tmp_path, steps, {"w": numbers(1, 4, 1, 1)}, fills=fills), IMAGE)
        assert kind is ErrorKind.LOAD_FAILED
        assert text.count("Frobnicate") == 1
        for part in (
            "Conv in the order NHWC",
            "SpatialBN in training",
            "Dropout in training",
            "without the size",
            "XavierFill of 'random'",
        ):
            assert part in text

    def test_operators_that_lack_inputs_or_have_impossible_arguments(self, tmp_path):
        for step in (
            operator("FC", ["x", "w"], ["y"]),
            operator("FC", ["x", "w", "b"], ["y"], axis_w=1 << 40, axis=2),
            operator("Add", ["x"], ["y"]),
        ):
            kind, text = refusal(pair(tmp_path, [step], {"w": numbers(2, 5), "b": numbers(2)[:0]}), ROWS)
            assert kind is ErrorKind.LOAD_FAILED
        assert "Add with 1 inputs and such arguments" in text

    def test_what_fills_blobs_from_elsewhere_is_not_supported(self, tmp_path):
        folder = pair(tmp_path, [operator("Add", ["x", "w"], ["y"])], fills=[operator("Load", [], ["w"], db="/etc/passwd")])
        kind, text = refusal(folder, ROWS)
        assert kind is ErrorKind.LOAD_FAILED
        assert "not supported of Caffe2: Load" in text

    def test_interfaces_come_from_the_task(self, tmp_path):
        folder = pair(tmp_path, [operator("Relu", ["x"], ["y"])])
        kind, text = refusal(folder)
        assert kind is ErrorKind.INPUT_SPEC
        assert """list input 'x' in the task's 'inputs' or in input_spec.json, such as {"name": "x",""" in text
        kind, text = refusal(folder, specs=(TensorSpec("z", "FP32", (None, 2)),))
        assert kind is ErrorKind.INPUT_SPEC
        assert "no input 'z': it takes 'x'" in text
        kind, text = refusal(folder, ROWS, outputs=(TensorSpec("z", "FP32", (None, 2)),))
        assert kind is ErrorKind.OUTPUT_SPEC
        assert "makes 'z'; it declares the outputs 'y'" in text
        kind, text = refusal(folder, ROWS, outputs=(TensorSpec("y", "FP64", (None, 5)),))
        assert kind is ErrorKind.OUTPUT_SPEC
        kind, text = refusal(folder, ROWS, outputs=(TensorSpec("y", "FP32", (None,)),))
        assert kind is ErrorKind.OUTPUT_SPEC
        assert "has 2 dimensions" in text

    def test_an_input_that_is_filled_for_show_has_to_be_named(self, tmp_path):
        folder = pair(tmp_path, [operator("Relu", ["x"], ["y"])], {"x": np.float32([0])})
        assert "its input, which the one net fills as well" in refusal(folder)[1]
        assert serve(folder, ROWS).spec.batches

    def test_one_net_alone_is_told_what_it_lacks(self, tmp_path):
        folder = pair(tmp_path, [operator("Relu", ["x"], ["y"])])
        for name, counts in (("init_net.pb", "1 that fill weights (init_net.pb) and 0"), ("predict_net.pb", "has 0 that fill")):
            assert Caffe2Adapter.recognises(ModelFile(folder / name))
            kind, text = refusal(folder / name, ROWS)
            assert kind is ErrorKind.LOAD_FAILED
            assert counts in text
            assert "name the other file in the task's 'predict_net.pb'" in text
        (folder / "third").write_bytes((folder / "init_net.pb").read_bytes())
        assert "2 that fill" in refusal(folder, ROWS)[1]

    def test_the_other_file_lies_beside_the_model(self, tmp_path):
        folder = pair(tmp_path, [operator("Relu", ["x"], ["y"])])
        for name, kind in (("../up", ErrorKind.TASK_ATTRIBUTE), ("absent", ErrorKind.MODEL_FILE), (7, ErrorKind.TASK_ATTRIBUTE)):
            assert refusal(folder / "init_net.pb", ROWS, options={"predict_net.pb": name})[0] is kind

    def test_damage_is_a_known_error(self, tmp_path):
        folder = pair(tmp_path, [operator("FC", ["x", "w", "b"], ["y"])], {"w": FC_W, "b": FC_B})
        for name in ("init_net.pb", "predict_net.pb"):
            whole = (folder / name).read_bytes()
            for size in range(len(whole) - 1):
                (folder / name).write_bytes(whole[:size])
                Caffe2Adapter.recognises(ModelFile(folder))
                try:
                    serve(folder, ROWS)
                except ZeroMindError:
                    continue
                assert size >= whole.index(b"\x1a\x03dag")  # what it declares for inputs and outputs comes last, and may be missing
            (folder / name).write_bytes(whole)

    def test_values_that_do_not_fill_their_shape(self, tmp_path):
        fills = [operator("GivenTensorFill", [], ["w"], shape=[3], values=numbers(2))]
        assert "2 values do not fill its shape [3]" in refusal(pair(tmp_path, [operator("Sum", ["x", "w"], ["y"])], fills=fills), ROWS)[1]


def published():
    """NetDef's class, of a descriptor with the published field numbers."""
    messages = {
        "Argument": "name:1:STRING f:2:FLOAT i:3:INT64 s:4:BYTES floats:5:FLOAT* ints:6:INT64* strings:7:BYTES*",
        "OperatorDef": "input:1:STRING* output:2:STRING* name:3:STRING type:4:STRING arg:5:Argument* engine:7:STRING",
        "NetDef": "name:1:STRING op:2:OperatorDef* type:3:STRING num_workers:4:INT32 external_input:7:STRING* external_output:8:STRING*",
    }
    file = descriptor_pb2.FileDescriptorProto(name="caffe2.proto", package="caffe2")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for own, number, kind in (text.split(":") for text in fields.split()):
            made = message.field.add(name=own, number=int(number), label=3 if kind.endswith("*") else 1)
            if kind[:-1] in messages:
                made.type, made.type_name = made.TYPE_MESSAGE, f".caffe2.{kind[:-1]}"
            else:
                made.type = getattr(made, f"TYPE_{kind.rstrip('*')}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClassesForFiles(["caffe2.proto"], pool)["caffe2.NetDef"]


class TestReading:
    def test_what_protobuf_itself_writes_is_read(self, tmp_path):
        made = published()(name="n", type="dag", num_workers=4, external_input=["x"], external_output=["y"])
        op = made.op.add(input=["x"], output=["y"], type="Own", engine="CUDNN")
        op.arg.add(name="whole", i=-3)
        op.arg.add(name="real", f=0.5)
        op.arg.add(name="text", s=b"NCHW")
        op.arg.add(name="reals", floats=[1.5, -2.0, 3.25])
        op.arg.add(name="one", floats=[7.0])
        op.arg.add(name="wholes", ints=[1, -1, 1 << 40])
        (tmp_path / "net").write_bytes(made.SerializeToString())
        assert caffe2_net.is_net(made.SerializeToString())
        read = caffe2_net.read(tmp_path / "net")
        assert (read.inputs, read.outputs) == (["x"], ["y"])
        (op,) = read.operators
        assert (op.kind, op.inputs, op.outputs) == ("Own", ["x"], ["y"])
        assert (op.integer("whole"), op.number("real", 0), op.text("text"), op.integers("wholes")) == (-3, 0.5, "NCHW", [1, -1, 1 << 40])
        assert [array.tolist() for array in op.arguments["reals"].floats + op.arguments["one"].floats] == [[1.5, -2, 3.25], [7]]

    def test_our_own_writer_agrees_with_protobuf(self):
        data = net([operator("Own", ["x"], ["y"], whole=-3, reals=np.float32([1, 2]), wholes=[1, -1], text="NCHW")], ["x"], ["y"])
        made = published().FromString(data)
        assert made.op[0].arg[1].floats == [1, 2]
        assert made.SerializeToString() == data

    def test_packed_lists_are_read(self, tmp_path):
        packed = field(1, "v") + field(5, np.float32([1, 2]).tobytes()) + field(6, b"\x01\x7f")
        (tmp_path / "net").write_bytes(field(2, field(2, "y") + field(4, "Own") + field(5, packed)))
        (op,) = caffe2_net.read(tmp_path / "net").operators
        assert op.arguments["v"].floats[0].tolist() == [1, 2]
        assert op.integers("v") == [1, 127]
        assert argument("v", np.float32([1, 2])) != packed


class TestRecognising:
    def test_every_form_is_known_whatever_its_name(self, tmp_path):
        caffe2_folder(tmp_path)
        for path in (tmp_path, tmp_path / "a", tmp_path / "b"):
            assert [adapter.name for adapter in Plugins().adapters() if adapter.recognises(ModelFile(path))] == ["caffe2"]

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b"\x0a\x03net",  # a name alone
            field(1, "net") + field(100, field(1, "conv") + field(2, "Convolution")),  # Caffe's NetParameter
            field(1, "net") + field(2, field(2, "data") + field(3, "conv") + field(4, "conv") + field(5, 4)),  # that of version 1
            field(1, field(1, "x") + field(2, "Placeholder")) + field(4, field(1, 27)),  # TensorFlow's GraphDef
            onnx.helper.make_model(onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [], [])).SerializeToString(),
            field(1, 1) + field(2, field(1, "x")),  # TensorFlow's SavedModel
            field(2, field(2, "y\n") + field(4, "Relu")),
            field(2, field(2, "y") + field(4, "no operator")),
            field(2, field(2, "y")),
            b"\n\n\n\nimport numpy",
            b"PK\x03\x04",
        ],
    )
    def test_other_files_are_no_nets(self, tmp_path, head):
        assert not caffe2_net.is_net(head)
        (tmp_path / "other").write_bytes(head)
        assert not Caffe2Adapter.recognises(ModelFile(tmp_path / "other"))
        assert not Caffe2Adapter.recognises(ModelFile(tmp_path))

    def test_other_archives_are_not_ours(self, tmp_path):
        archived(tmp_path / "other", {"model.jbl": b"x"})
        assert not Caffe2Adapter.recognises(ModelFile(tmp_path / "other"))

    @given(st.binary(max_size=100))
    def test_noise_is_bearable(self, noise):
        caffe2_net.is_net(noise)
        caffe2_net.is_net(field(1, "net") + noise)
        assert not caffe2_net.is_net(b"\x00" + noise)
