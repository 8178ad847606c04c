import struct
import time

import cv2
import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from conformance.cases import caffe2
from conformance.cases.caffe2 import field
from conformance.cases.case import ROWS
from conformance.cases.opencv import (
    DARKNET,
    PICTURES,
    PROTOTXT,
    Torch7,
    caffe_layer,
    caffe_pair,
    caffe_weights,
    darknet_pair,
    torch7_file,
    weights,
)
from zeromind.adapters import opencv_file, opencv_network
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.opencv import OpencvAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.plugins import ADAPTERS, Plugins
from zeromind.tensors import TensorSpec

X = ROWS.astype(np.float32)


def serve(path, *specs, **source):
    return OpencvAdapter(Source(ModelFile(path), specs, **source))


def refusal(path, *specs, **source):
    with pytest.raises(ZeroMindError) as caught:
        serve(path, *specs, **source)
    return caught.value.kind, caught.value.message


def caffe(folder, prototxt, *layers, specs=(), **source):
    (folder / "net.prototxt").write_text(prototxt)
    (folder / "net.caffemodel").write_bytes(field(1, "net") + caffe_layer("idle", "ReLU") + b"".join(layers))
    return serve(folder / "net.caffemodel", *specs, options={"config": "net.prototxt"}, **source)


def node(name, op, inputs=(), **attributes):
    """A NodeDef; attributes are given as the fields of their values."""
    entries = b"".join(field(5, field(1, key) + field(2, value)) for key, value in attributes.items())
    return field(1, field(1, name) + field(2, op) + b"".join(field(3, each) for each in inputs) + entries)


def placeholder(name, *sizes):
    shape = b"".join(field(2, field(1, size)) for size in sizes)
    return node(name, "Placeholder", dtype=field(6, 1), shape=field(7, shape))


FLOAT = {"T": field(6, 1)}


class TestCaffe:
    def test_it_answers_as_torch_does(self, tmp_path):
        caffe_pair(tmp_path)
        kernel, bias, matrix, shift = (torch.from_numpy(array) for array in caffe_weights())
        hidden = functional.local_response_norm(functional.conv2d(torch.from_numpy(PICTURES), kernel, bias).relu(), 3, 0.1, 0.75, 1.0)
        hidden = functional.max_pool2d(hidden, 3, 2, ceil_mode=True)
        expected = functional.linear(hidden.flatten(1), matrix, shift).softmax(1)
        np.testing.assert_allclose(serve(tmp_path).predict({"data": PICTURES})["prob"], expected, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("key", ["config", "deployfile"])
    def test_either_half_may_be_the_model(self, tmp_path, key):
        deploy, model = caffe_pair(tmp_path)
        for one, other in ((deploy, model), (model, deploy)):
            adapter = serve(one, options={key: other.name})
            assert [(spec.name, spec.shape) for spec in adapter.spec.inputs] == [("data", (None, 3, 12, 10))]
            assert [(spec.name, spec.shape) for spec in adapter.spec.outputs] == [("prob", (None, 5))]
            assert adapter.spec.batches

    def test_of_several_networks_the_task_names_one(self, tmp_path):
        caffe_pair(tmp_path)
        (tmp_path / "train.prototxt").write_text(PROTOTXT)
        kind, text = refusal(tmp_path)
        assert kind is ErrorKind.LOAD_FAILED
        assert "the networks deploy.prototxt, train.prototxt: name the other file in the task's 'config'" in text
        assert serve(tmp_path, options={"config": "deploy.prototxt"}).spec.batches

    @pytest.mark.parametrize(
        "head",
        [
            'input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 10',
            'layer { name: "data" type: "Input" top: "data" input_param { shape: { dim: [1, 3] dim: 12 dim: 10 } } }',
            "input: 'data'",
        ],
    )
    def test_inputs_in_every_form(self, tmp_path, head):
        prototxt = head + PROTOTXT[PROTOTXT.index("\nlayer") :]
        arrays = caffe_weights()
        layers = caffe_layer("conv1", "Convolution", *arrays[:2]), caffe_layer("fc2", "InnerProduct", *arrays[2:])
        if head.endswith("'"):
            with pytest.raises(ZeroMindError, match="gives no shape for input 'data'") as caught:
                caffe(tmp_path, prototxt, *layers)
            assert caught.value.kind is ErrorKind.INPUT_SPEC
            adapter = caffe(tmp_path, prototxt, *layers, specs=(TensorSpec("data", "FP32", (None, 3, 12, 10)),))
        else:
            adapter = caffe(tmp_path, prototxt, *layers)
        assert adapter.spec.inputs == (TensorSpec("data", "FP32", (None, 3, 12, 10)),)
        assert adapter.spec.batches

    def test_version_one_of_the_format(self, tmp_path):
        kernel, bias = weights((2, 3, 1, 1), (2,))
        prototxt = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 4 '
        prototxt += (
            'layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 1 } }'
        )
        blobs = b"".join(
            field(
                6,
                b"".join(field(number, size) for number, size in enumerate(shape, 1)) + field(5, array.tobytes()),
            )
            for array, shape in ((kernel, (2, 3, 1, 1)), (bias, (1, 1, 1, 2)))
        )
        layer = field(2, field(2, "data") + field(3, "conv") + field(4, "conv") + field(5, 4) + blobs)
        x = PICTURES[:, :, :4, :4]
        expected = functional.conv2d(torch.from_numpy(x), torch.from_numpy(kernel), torch.from_numpy(bias))
        np.testing.assert_allclose(caffe(tmp_path, prototxt, layer).predict({"data": x})["conv"], expected, rtol=1e-5, atol=1e-6)

    def test_several_inputs_and_outputs(self, tmp_path):
        prototxt = """
            input: "a" input_shape { dim: 1 dim: 4 } input: "b" input_shape { dim: 1 dim: 4 }
            layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
            layer { name: "less" type: "Sigmoid" bottom: "sum" top: "less" }
            layer { name: "more" type: "TanH" bottom: "sum" top: "more" }
        """
        adapter = caffe(tmp_path, prototxt)
        assert [spec.name for spec in adapter.spec.outputs] == ["less", "more"]
        assert adapter.spec.batches
        answer = adapter.predict({"b": X, "a": X})
        np.testing.assert_allclose(answer["more"], np.tanh(2 * X), rtol=1e-5, atol=1e-6)
        adapter = serve(tmp_path, outputs=(TensorSpec("sum", "FP32", (None, 4)),))
        np.testing.assert_array_equal(adapter.predict({"b": X, "a": X})["sum"], 2 * X)

    def test_rows_that_depend_on_their_neighbours_are_no_batch(self, tmp_path):
        prototxt = """input: "data" input_shape { dim: 3 dim: 4 }
            layer { name: "y" type: "Softmax" bottom: "data" top: "y" softmax_param { axis: 0 } }"""
        adapter = caffe(tmp_path, prototxt)
        assert (adapter.spec.batches, adapter.spec.inputs[0].shape, adapter.spec.outputs[0].shape) == (False, (3, 4), (3, 4))
        np.testing.assert_allclose(adapter.predict({"data": X[:3]})["y"].sum(0), np.ones(4), rtol=1e-5)

    def test_sizes_that_the_network_fixes_are_no_batch(self, tmp_path):
        prototxt = """input: "data" input_shape { dim: 2 dim: 4 }
            layer { name: "y" type: "Reshape" bottom: "data" top: "y" reshape_param { shape { dim: 1 dim: 8 } } }"""
        adapter = caffe(tmp_path, prototxt)
        assert (adapter.spec.batches, adapter.spec.outputs[0].shape) == (False, (1, 8))
        np.testing.assert_array_equal(adapter.predict({"data": X[:2]})["y"], X[:2].reshape(1, 8))

    def test_detectors_give_as_many_boxes_as_they_may_find_and_are_no_batch(self, tmp_path):
        prototxt = """input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
            layer { name: "loc" type: "Convolution" bottom: "data" top: "loc" convolution_param { num_output: 4 kernel_size: 4 stride: 4 } }
            layer { name: "conf" type: "Convolution" bottom: "data" top: "conf"
                    convolution_param { num_output: 2 kernel_size: 4 stride: 4 } }
            layer { name: "prior" type: "PriorBox" bottom: "loc" bottom: "data" top: "prior"
                    prior_box_param { min_size: 3 clip: true variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 } }
            layer { name: "flatloc" type: "Flatten" bottom: "loc" top: "flatloc" }
            layer { name: "flatconf" type: "Flatten" bottom: "conf" top: "flatconf" }
            layer { name: "boxes" type: "DetectionOutput" bottom: "flatloc" bottom: "flatconf" bottom: "prior" top: "boxes"
                    detection_output_param { num_classes: 2 share_location: true background_label_id: 0 confidence_threshold: 0.5
                                             nms_param { nms_threshold: 0.9 top_k: 50 } keep_top_k: 50 code_type: CENTER_SIZE } }"""
        arrays = weights((4, 3, 4, 4), (4,), (2, 3, 4, 4), (2,))
        adapter = caffe(
            tmp_path, prototxt, *(caffe_layer(name, "Convolution", *arrays[at : at + 2]) for name, at in (("loc", 0), ("conf", 2)))
        )
        (output,) = adapter.spec.outputs
        assert (adapter.spec.batches, adapter.spec.inputs[0].shape, output.shape) == (False, (1, 3, 8, 8), (1, 1, 50, 7))
        assert adapter.predict({"data": PICTURES[:1, :, :8, :8]})["boxes"].shape == (1, 1, 50, 7)

    def test_a_task_that_gives_a_number_of_rows_has_them_run_one_by_one(self, tmp_path):
        caffe_pair(tmp_path)
        adapter = serve(tmp_path, TensorSpec("data", "FP32", (2, 3, 12, 10)))
        assert (adapter.spec.batches, adapter.spec.outputs[0].shape) == (False, (2, 5))
        assert adapter.predict({"data": PICTURES[:2]})["prob"].shape == (2, 5)

    def test_pictures_of_open_size(self, tmp_path):
        prototxt = """input: "data" input_shape { dim: 1 dim: 3 dim: 12 dim: 10 }
            layer { name: "y" type: "Pooling" bottom: "data" top: "y" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }"""
        caffe(tmp_path, prototxt)
        adapter = serve(tmp_path, TensorSpec("data", "FP32", (None, 3, None, None)))
        assert adapter.spec.batches
        assert adapter.spec.outputs[0].shape == (None, None, None, None)
        for size in (8, 6, 8):
            x = np.random.default_rng(size).standard_normal((2, 3, size, size)).astype(np.float32)
            np.testing.assert_array_equal(adapter.predict({"data": x})["y"], functional.max_pool2d(torch.from_numpy(x), 2))
        assert adapter.predict({"data": x[:0]})["y"].shape == (0, 3, 4, 4)
        kernel, bias = weights((2, 3, 3, 3), (2,))
        prototxt = """input: "data"
            layer { name: "y" type: "Convolution" bottom: "data" top: "y" convolution_param { num_output: 2 kernel_size: 3 } }"""
        open_ = (TensorSpec("data", "FP32", (None, None, None, None)),)
        adapter = caffe(
            tmp_path, prototxt, caffe_layer("y", "Convolution", kernel, bias), specs=(TensorSpec("data", "FP32", (None, 3, None, None)),)
        )
        with pytest.raises(ZeroMindError, match="the network refuses its inputs") as caught:
            adapter.predict({"data": x[:, :, :2, :2]})
        assert caught.value.kind is ErrorKind.INVALID_INPUT
        assert adapter.predict({"data": x})["y"].shape == (2, 2, 6, 6)
        assert refusal(tmp_path, *open_)[0] is ErrorKind.LOAD_FAILED  # no number of channels fits, and none is known

    def test_networks_and_weights_of_other_models(self, tmp_path):
        with pytest.raises(ZeroMindError) as caught:
            caffe(tmp_path, PROTOTXT, caffe_layer("conv1", "Convolution", *weights((4, 2, 3, 3), (4,))))
        assert caught.value.kind is ErrorKind.LOAD_FAILED

    def test_interfaces_that_contradict_the_file(self, tmp_path):
        caffe_pair(tmp_path)
        for specs, outputs, kind, words in (
            ((TensorSpec("picture", "FP32", (None, 3, 12, 10)),), (), ErrorKind.INPUT_SPEC, "no tensor 'picture': it has 'data'"),
            ((TensorSpec("data", "UINT8", (None, 3, 12, 10)),), (), ErrorKind.INPUT_SPEC, "is float32"),
            ((), (TensorSpec("nowhere", "FP32", (None,)),), ErrorKind.OUTPUT_SPEC, "no layer 'nowhere'; it ends in 'prob'"),
            ((), (TensorSpec("prob", "FP64", (None, 5)),), ErrorKind.OUTPUT_SPEC, "is float32"),
        ):
            found, text = refusal(tmp_path, *specs, outputs=outputs)
            assert found is kind
            assert words in text


YOLO = (
    DARKNET[: DARKNET.index("[avgpool]")].replace("filters=5\n", "filters=12\n")
    + "\n[region]\nanchors=1,1,2,2\nclasses=1\ncoords=4\nnum=2\nsoftmax=1\n"
)


class TestDarknet:
    def test_it_answers_as_torch_does(self, tmp_path):
        darknet_pair(tmp_path)
        bias, scale, mean, variance, kernel, shift, ones = (
            torch.from_numpy(part) for part in weights((4,), (4,), (4,), (4,), (4, 3, 3, 3), (5,), (5, 4, 1, 1))
        )
        hidden = functional.conv2d(torch.from_numpy(PICTURES), kernel, padding=1)
        hidden = functional.leaky_relu(functional.batch_norm(hidden, mean, variance**2 + 1, scale, bias, eps=1e-6), 0.1)
        hidden = functional.conv2d(functional.max_pool2d(hidden, 2), ones, shift)
        expected = hidden.mean((2, 3), keepdim=True).softmax(1)
        answer = serve(tmp_path).predict({"data": PICTURES})
        np.testing.assert_allclose(answer["softmax_4"], expected, rtol=1e-4, atol=1e-6)

    def test_either_half_may_be_the_model_where_the_task_says_what_it_is(self, tmp_path):
        config, model = darknet_pair(tmp_path, "a.txt", "b.txt")
        for one, other in ((config, model), (model, config)):
            assert serve(one, options={"config": other.name}).spec.batches
        assert OpencvAdapter.recognises(ModelFile(config))
        assert not OpencvAdapter.recognises(ModelFile(model))
        kind, text = refusal(config)
        assert kind is ErrorKind.LOAD_FAILED
        assert "a.txt has the weights none and the networks a.txt: name the other file in the task's 'config'" in text

    @pytest.mark.parametrize("size", [16, 24, 500, -4])
    def test_weights_that_are_cut_off_are_refused_though_opencv_takes_them(self, tmp_path, size):
        config, model = darknet_pair(tmp_path)
        model.write_bytes(model.read_bytes()[:size])
        if size > 20 or size < 0:
            cv2.dnn.readNetFromDarknet(str(config), str(model))
        kind, text = refusal(tmp_path)
        assert kind is ErrorKind.LOAD_FAILED
        assert "the network takes 149" in text or "has the weights none" in text

    def test_weights_may_go_on(self, tmp_path):
        _, model = darknet_pair(tmp_path)
        model.write_bytes(model.read_bytes() + bytes(400))
        assert serve(tmp_path).spec.batches

    def test_the_short_header_of_old_weights(self, tmp_path):
        _, model = darknet_pair(tmp_path)
        expected = serve(tmp_path).predict({"data": PICTURES})["softmax_4"]
        model.write_bytes(struct.pack("<iiii", 0, 1, 0, 1000) + model.read_bytes()[20:])
        np.testing.assert_array_equal(serve(tmp_path).predict({"data": PICTURES})["softmax_4"], expected)

    def test_boxes_of_one_row_keep_their_dimension(self, tmp_path):
        (tmp_path / "a").write_text(YOLO)
        parts = weights((4,), (4,), (4,), (4,), (4, 3, 3, 3), (12,), (12, 4, 1, 1))
        parts[3] = parts[3] ** 2 + 1
        (tmp_path / "b").write_bytes(struct.pack("<iiiq", 0, 2, 0, 0) + b"".join(part.tobytes() for part in parts))
        adapter = serve(tmp_path)
        (output,) = adapter.spec.outputs
        assert (adapter.spec.batches, output.shape) == (True, (None, 60, 6))
        together = adapter.predict({"data": PICTURES})[output.name]
        assert together.shape == (5, 60, 6)
        for row in range(5):
            alone = adapter.predict({"data": PICTURES[row : row + 1]})[output.name]
            np.testing.assert_allclose(alone, together[row : row + 1], rtol=1e-4, atol=1e-6)

    def test_a_network_without_sizes_is_refused(self, tmp_path):
        config, _ = darknet_pair(tmp_path)
        config.write_text(config.read_text().replace("width=10\n", ""))
        assert refusal(tmp_path)[0] in (ErrorKind.INPUT_SPEC, ErrorKind.LOAD_FAILED)


class TestTorch7:
    def test_it_answers_as_torch_does(self, tmp_path):
        path = torch7_file(tmp_path / "model")
        first, shift, second, rise = (torch.from_numpy(array) for array in weights((6, 4), (6,), (3, 6), (3,)))
        expected = functional.linear(functional.linear(torch.from_numpy(X), first, shift).relu(), second, rise).softmax(1)
        adapter = serve(path, TensorSpec("any", "FP32", (None, 4)))
        ((name, answer),) = adapter.predict({"any": X}).items()
        assert name == "l4_Softmax"
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-6)

    def test_the_text_form(self, tmp_path):
        parts = "4 1 3|V 1 13|nn.Sequential 3 2 1 2 7|modules 3 3 1 1 1 4 4 3|V 1 7|nn.Tanh 3 5 0"
        text = "\n".join(line for part in parts.split(" ") for line in part.split("|")).replace("V\n1", "V 1") + "\n"
        (tmp_path / "model").write_text(text)
        assert opencv_file.kind_of(text.encode()) == "torch7 text"
        ((_, answer),) = serve(tmp_path / "model", TensorSpec("x", "FP32", (None, 4))).predict({"x": X}).items()
        np.testing.assert_allclose(answer, np.tanh(X), rtol=1e-5, atol=1e-6)

    def test_its_input_comes_from_the_task(self, tmp_path):
        path = torch7_file(tmp_path / "model")
        kind, text = refusal(path)
        assert kind is ErrorKind.INPUT_SPEC
        assert "list exactly one in the task's 'inputs', under any name" in text
        assert refusal(path, TensorSpec("x", "FP64", (None, 4)))[0] is ErrorKind.INPUT_SPEC
        assert refusal(path, TensorSpec("x", "FP32", (None, 3)))[0] is ErrorKind.LOAD_FAILED

    def test_modules_that_opencv_does_not_know_are_named(self, tmp_path):
        made = Torch7()
        (tmp_path / "model").write_bytes(made.sequential(made.torch("nn.Frobnicate", made.table({}))))
        kind, text = refusal(tmp_path / "model", TensorSpec("x", "FP32", (None, 4)))
        assert kind is ErrorKind.LOAD_FAILED
        assert "Frobnicate" in text


class TestTensorflow:
    def test_a_graph_written_by_hand(self, tmp_path):
        (tmp_path / "graph").write_bytes(placeholder("x", -1, 4) + node("y", "Tanh", ["x"], **FLOAT))
        adapter = serve(tmp_path / "graph")
        assert adapter.spec.inputs == (TensorSpec("x", "FP32", (None, 4)),)
        np.testing.assert_allclose(adapter.predict({"x": X})["y"], np.tanh(X), rtol=1e-5, atol=1e-6)

    def test_its_pictures_have_their_channels_first(self, tmp_path):
        for order, shape in (("NHWC", (-1, 12, 10, 3)), ("NCHW", (-1, 3, 12, 10))):
            graph = placeholder("x", *shape) + node("y", "Relu", ["x"], data_format=field(2, order), **FLOAT)
            (tmp_path / "graph").write_bytes(graph)
            assert opencv_network.inputs_of(opencv_file.parts_of(ModelFile(tmp_path / "graph"), None)) == {"x": (None, 3, 12, 10)}

    def test_a_graph_with_its_description_in_text(self, tmp_path):
        (tmp_path / "graph").write_bytes(placeholder("x", -1, 4) + node("y", "Tanh", ["x"], **FLOAT))
        (tmp_path / "text").write_text("""
            node { name: "in" op: "Placeholder" attr { key: "shape" value { shape { dim { size: -1 } dim { size: 4 } } } } }
            node { name: "out" op: "Sigmoid" input: "in" attr { key: "T" value { type: DT_FLOAT } } }
        """)
        adapter = serve(tmp_path)
        assert adapter.spec.inputs == (TensorSpec("in", "FP32", (None, 4)),)
        np.testing.assert_allclose(adapter.predict({"in": X})["out"], 1 / (1 + np.exp(-X)), rtol=1e-5)

    def test_an_input_of_unknown_shape(self, tmp_path):
        (tmp_path / "graph").write_bytes(node("x", "Placeholder", dtype=field(6, 1)) + node("y", "Tanh", ["x"], **FLOAT))
        assert refusal(tmp_path / "graph")[0] is ErrorKind.INPUT_SPEC
        assert serve(tmp_path / "graph", TensorSpec("x", "FP32", (None, 4))).spec.batches

    def test_operators_that_opencv_does_not_know_are_named(self, tmp_path):
        (tmp_path / "graph").write_bytes(placeholder("x", -1, 4) + node("y", "Frobnicate", ["x"], **FLOAT))
        kind, text = refusal(tmp_path / "graph")
        assert kind is ErrorKind.LOAD_FAILED
        assert "Frobnicate" in text


class TestRunning:
    def test_inputs_may_be_read_only_and_need_not_be_contiguous(self, tmp_path):
        caffe_pair(tmp_path)
        adapter = serve(tmp_path)
        expected = adapter.predict({"data": PICTURES})["prob"]
        turned = np.asfortranarray(PICTURES)
        turned.flags.writeable = False
        np.testing.assert_array_equal(adapter.predict({"data": turned})["prob"], expected)

    def test_threads_are_those_of_the_task(self, tmp_path):
        caffe_pair(tmp_path)
        for count in (2, 1):
            serve(tmp_path, threads=count)
            assert cv2.getNumThreads() == count

    def test_devices(self, tmp_path):
        caffe_pair(tmp_path)
        for text in ("cpu", "auto"):
            serve(tmp_path, device=text)
        assert refusal(tmp_path, device="tpu")[0] is ErrorKind.TASK_ATTRIBUTE
        if not cv2.cuda.getCudaEnabledDeviceCount():
            kind, text = refusal(tmp_path, device="cuda:1")
            assert kind is ErrorKind.LOAD_FAILED
            assert "this OpenCV cannot use cuda:1" in text

    def test_the_other_file_lies_beside_the_model(self, tmp_path):
        _, model = caffe_pair(tmp_path)
        for name, kind in (("../up", ErrorKind.TASK_ATTRIBUTE), ("absent", ErrorKind.MODEL_FILE), (7, ErrorKind.TASK_ATTRIBUTE)):
            assert refusal(model, options={"config": name})[0] is kind


def heads():
    """The beginning of every form, by the kind that it is."""
    return {
        "caffemodel": field(1, "net") + caffe_layer("conv1", "Convolution", *weights((2, 2))),
        "prototxt": PROTOTXT.encode(),
        "cfg": DARKNET.encode(),
        "graph": placeholder("x", 1, 2) + node("y", "Relu", ["x"]),
        "pbtxt": b'node {\n  name: "x"\n  op: "Placeholder"\n}\n',
    }


OTHERS = {
    "nothing": b"",
    "a name alone": field(1, "net"),
    "caffe2": caffe2.net([caffe2.operator("Relu", ["x"], ["y"])], ["x"], ["y"]),
    "caffe2 with arguments": caffe2.net([caffe2.fill("w", np.float32([1, 2])), caffe2.operator("Conv", ["x"], ["y"], kernel=3)]),
    "onnx": onnx.helper.make_model(onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [], [])).SerializeToString(),
    "saved model": field(1, 1) + field(2, field(1, "x")),
    "triton's configuration": b'name: "x"\nplatform: "y"\ninput [\n  { name: "a" }\n]\n',
    "an ini file": b"[section]\nkey=1\n[net]\n",
    "python": b"layer = {}\nclass Layer:\n    type: str\n",
    "a table of Torch 7": struct.pack("<iii", 3, 1, 0),
    "a tensor of Torch 7": Torch7().tensor(np.float32([1])),
    "a class of another length": Torch7().torch("nn.Linear", b"").replace(b"nn.Linear", b"nn.Linea!"),
    "a zip archive": b"PK\x03\x04",
}


class TestRecognising:
    @pytest.mark.parametrize("kind", ["caffemodel", "prototxt", "cfg", "graph", "pbtxt"])
    def test_a_beginning_tells(self, kind):
        whole = heads()[kind]
        assert opencv_file.kind_of(whole) == kind
        if kind in ("caffemodel", "graph"):
            assert opencv_file.kind_of(whole[:-3]) == kind

    @pytest.mark.parametrize("other", OTHERS)
    def test_other_files_are_not_ours(self, tmp_path, other):
        assert not opencv_file.kind_of(OTHERS[other])
        (tmp_path / "other").write_bytes(OTHERS[other])
        assert not OpencvAdapter.recognises(ModelFile(tmp_path / "other"))
        assert not OpencvAdapter.recognises(ModelFile(tmp_path))

    def test_no_other_adapter_takes_them(self, tmp_path):
        torch7_file(tmp_path / "torch7")
        for kind, head in heads().items():
            (tmp_path / kind).write_bytes(head)
        for path in tmp_path.iterdir():
            expected = {"pbtxt": set(), "graph": {"opencv", "tensorflow"} & set(ADAPTERS)}.get(path.name, {"opencv"})
            assert {adapter.name for adapter in Plugins().adapters() if adapter.recognises(ModelFile(path))} == expected

    @pytest.mark.parametrize("text", [b"#", b"#\n", b"\n", b" ", b"layer ", b"[a]\n", b"name: "])
    def test_long_texts_cost_little(self, text):
        start = time.perf_counter()
        opencv_file.kind_of(text * (65536 // len(text)))
        assert time.perf_counter() - start < 5

    @given(st.binary(max_size=80), st.sampled_from([b"", b"\x0a\x03net", b"\x04\0\0\0\x01\0\0\0", b"[net]\n", b"layer {"]))
    def test_noise_is_bearable(self, noise, head):
        opencv_file.kind_of(head + noise)

    @given(st.text(max_size=60), st.integers(0, 400))
    def test_damaged_networks_are_a_known_error(self, noise, place):
        for text in (PROTOTXT, DARKNET):
            damaged = text[:place] + noise + text[place:]
            try:
                opencv_network.parse(damaged)
            except ValueError:
                continue
