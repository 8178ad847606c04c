import os
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind import importing
from zeromind.adapters import openvino_file
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.datatypes import NUMPY_OF
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec, find

with importing.silence():
    openvino = pytest.importorskip("openvino")
    operations = pytest.importorskip("openvino.opset15")

from zeromind.adapters.openvino import OpenvinoAdapter

ROWS = np.float32([[1, -2], [3, 4], [-5, 6]])


def parameter(shape, dtype=np.float32, name="x"):
    return operations.parameter(openvino.PartialShape(shape) if isinstance(shape, str) else shape, dtype, name=name)


def constant(value, dtype=np.float32):
    return operations.constant(np.array(value, dtype))


def graph(inputs, outputs, names=(), sinks=()):
    made = openvino.Model([operations.result(output) for output in outputs], list(sinks), list(inputs), "m")
    for port, name in zip(made.outputs, names, strict=False):
        port.get_tensor().set_names({name} if isinstance(name, str) else set(name))
    return made


def single(operation, shape=(-1, 2), dtype=np.float32):
    """A model of one operation from ``x`` to ``y``."""
    x = parameter(shape if isinstance(shape, str) else list(shape), dtype)
    return graph([x], [operation(x)], ["y"])


def texts():
    """A model that gives the texts that it gets: the processor knows no operation of theirs."""
    x = parameter([-1, 2], openvino.Type.string)
    return graph([x], [x])


def saved(made, folder):
    """The XML file, its weights beside it."""
    path = folder / "model.xml"
    openvino.serialize(made, str(path))
    return path


def serve(made, folder, **source):
    return OpenvinoAdapter(Source(ModelFile(saved(made, folder)), **source))


def served(path, **source):
    return OpenvinoAdapter(Source(ModelFile(path), **source))


def refusal(kind, match, call, *arguments, **keywords):
    with pytest.raises(ZeroMindError, match=match) as caught:
        call(*arguments, **keywords)
    assert caught.value.kind is kind


def doubled(x):
    return operations.multiply(x, constant(2))


@pytest.mark.parametrize("datatype", NUMPY_OF)
def test_every_datatype_passes_through(tmp_path, datatype):
    dtype = NUMPY_OF[datatype]
    own = {"BYTES": openvino.Type.string, "BF16": openvino.Type.bf16}.get(datatype, dtype)
    made = texts() if datatype == "BYTES" else single(lambda x: operations.reshape(x, constant([-1, 2], np.int64), False), dtype=own)
    array = np.array([[b"\xc3\xa9\xff", b""]], object) if datatype == "BYTES" else np.array([[0, 1], [1, 0]], dtype)
    adapter = serve(made, tmp_path)
    assert [(spec.datatype, spec.shape) for spec in (*adapter.spec.inputs, *adapter.spec.outputs)] == [(datatype, (None, 2))] * 2
    (answer,) = adapter.predict({"x": array}).values()
    assert answer.dtype == dtype
    np.testing.assert_array_equal(answer, array)


def test_texts_that_are_all_empty_stay_so(tmp_path):
    adapter = serve(texts(), tmp_path)
    for text in (b"", b"secret", b""):
        (answer,) = adapter.predict({"x": np.array([[text, text]] * 3, object)}).values()
        assert answer.tolist() == [[text, text]] * 3


def test_bfloat16_is_computed_with_as_float32(tmp_path):
    adapter = serve(single(operations.relu, dtype=openvino.Type.bf16), tmp_path)
    assert adapter.spec.batches
    np.testing.assert_array_equal(adapter.predict({"x": ROWS})["y"], np.maximum(ROWS, 0))


@pytest.mark.parametrize("own", ["u4", "f8e4m3"])
def test_types_that_no_wire_carries_are_refused_by_name(tmp_path, own):
    made = single(lambda x: operations.convert(x, "f32"), dtype=getattr(openvino.Type, own))
    refusal(ErrorKind.LOAD_FAILED, f"tensor 'x' is of type {own}, which no wire can carry", serve, made, tmp_path)


class TestFiles:
    def test_weights_are_found_whatever_the_files_are_called(self, tmp_path):
        weights = saved(single(lambda x: operations.add(x, constant([[1, 2]]))), tmp_path).with_suffix(".bin")
        xml = weights.with_suffix(".xml")
        for name, other in (("a", "a.bin"), ("b.txt", "b.bin"), ("c.xml", "c.bin")):
            shutil.copy(xml, tmp_path / name)
            shutil.copy(weights, tmp_path / other)
            assert OpenvinoAdapter.recognises(ModelFile(tmp_path / name))
            assert served(tmp_path / name).predict({"x": ROWS})["y"][0].tolist() == [2, 0]
        for name, other in (("this", "that"), ("b", "a"), ("m.xml", "m.bin"), ("m.xml", "w")):
            folder = tmp_path / f"{name}{other}"
            folder.mkdir()
            shutil.copy(xml, folder / name)
            assert not OpenvinoAdapter.recognises(ModelFile(folder))
            shutil.copy(weights, folder / other)
            (folder / "input_spec.json").write_text("[]")
            assert OpenvinoAdapter.recognises(ModelFile(folder))
            assert served(folder).predict({"x": ROWS})["y"][0].tolist() == [2, 0]

    def test_the_task_may_name_them(self, tmp_path):
        path = saved(single(lambda x: operations.add(x, constant([[1, 2]]))), tmp_path)
        path.with_suffix(".bin").rename(tmp_path / "elsewhere")
        missing = "its weights belong beside it, named alike with .bin at the end, or the task names their file in 'weights'"
        refusal(ErrorKind.LOAD_FAILED, missing, served, path)
        assert served(path, options={"weights": "elsewhere"}).predict({"x": ROWS})["y"][0].tolist() == [2, 0]
        refusal(ErrorKind.MODEL_FILE, "no file 'nowhere'", served, path, options={"weights": "nowhere"})
        for name in ("../x", 7):
            refusal(ErrorKind.TASK_ATTRIBUTE, "'weights'", served, path, options={"weights": name})

    def test_links_do_not_lead_out_of_a_folder(self, tmp_path):
        path = saved(single(lambda x: operations.add(x, constant([[1, 2]]))), tmp_path)
        folder = tmp_path / "in"
        folder.mkdir()
        shutil.copy(path, folder / "model.xml")
        (folder / "model.bin").symlink_to(path.with_suffix(".bin"))
        refusal(ErrorKind.TASK_ATTRIBUTE, "does not lie beside the model", served, folder)

    def test_without_constants_none_are_needed(self, tmp_path):
        path = saved(single(operations.relu), tmp_path)
        path.with_suffix(".bin").unlink()
        assert served(path).predict({"x": ROWS})["y"][0].tolist() == [1, 0]

    def test_weights_cut_off_are_refused(self, tmp_path):
        path = saved(single(lambda x: operations.add(x, constant([[1, 2]]))), tmp_path)
        weights = path.with_suffix(".bin")
        weights.write_bytes(weights.read_bytes()[:-1])
        refusal(ErrorKind.LOAD_FAILED, "cannot read model.xml: Incorrect weights in bin file", served, path)

    def test_a_model_cut_off_or_made_up_is_refused(self, tmp_path):
        path = saved(single(operations.relu), tmp_path)
        whole = path.read_text()
        others = (whole.replace("ReLU", "Nothing"), whole.replace('"f32"', '"q9"'), "")
        for text in (*(whole[:size] for size in range(0, len(whole) - 10, 97)), *others):
            path.write_text(text)
            refusal(ErrorKind.LOAD_FAILED, "OpenVINO cannot", served, path)


class TestRecognising:
    LAYERS = b"\n<layers>"

    @pytest.mark.parametrize(
        "head",
        [
            b'<?xml version="1.0"?>\n<net name="m" version="11">',
            b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\r\n<net version="10" name="a > b">',
            b"<!-- made - by -- hand --><!----><net name='m' version='11' >  <!-- <layers> -->",
            b'<net\n name = "m"\n version = "12" batch="1">',
        ],
    )
    def test_an_ir_is_known_by_its_beginning(self, head):
        assert openvino_file.is_ir(head + self.LAYERS)

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b'<net name="m" version="9">',
            b'<net name="version=10">',
            b'<net name="m" version="11"/>',
            b'<net name="m" version="11"><nodes/>',
            b'<network name="m" version="11">',
            b'<!DOCTYPE net [<!ENTITY a "b">]><net name="m" version="11">',
            b'<project version="11"><net name="m" version="11">',
            b'text <net name="m" version="11">',
            b'<opencv_storage><net version="11">',
            b"PK\x03\x04",
            b"\x08\x08",
        ],
    )
    def test_other_files_are_not(self, head):
        assert not openvino_file.is_ir(head + self.LAYERS)
        assert not openvino_file.is_ir(head)

    @given(st.binary(max_size=200))
    def test_noise_is_bearable(self, noise):
        openvino_file.is_ir(noise)
        openvino_file.is_ir(b"<net" + noise)

    def test_long_beginnings_take_no_time(self):
        for part in (b" ", b"<!--", b"<!-- -->", b'<net a="b"', b' a="b"', b"-"):
            assert not openvino_file.is_ir(b"<net" * (part != b" ") + part * (65536 // len(part)))

    def test_folders_of_others_are_not_claimed(self, tmp_path):
        path = saved(single(operations.relu), tmp_path)
        assert OpenvinoAdapter.recognises(ModelFile(tmp_path))
        shutil.copy(path, tmp_path / "second.xml")
        assert not OpenvinoAdapter.recognises(ModelFile(tmp_path))
        (tmp_path / "second.xml").write_text("<project/>")
        assert OpenvinoAdapter.recognises(ModelFile(tmp_path))
        (tmp_path / "skill.py").write_text("")
        assert not OpenvinoAdapter.recognises(ModelFile(tmp_path))

    def test_odd_places_are_bearable(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "sub").mkdir()
        assert not OpenvinoAdapter.recognises(ModelFile(tmp_path))
        assert not OpenvinoAdapter.recognises(ModelFile(tmp_path / "absent"))


class TestNames:
    def test_a_tensor_of_several_names_is_understood_by_each(self, tmp_path):
        x = parameter([-1, 2])
        x.output(0).get_tensor().set_names({"b:0", "a"})
        adapter = serve(graph([x], [operations.relu(x)], [("z", "y+")]), tmp_path)
        assert [spec.name for spec in (*adapter.spec.inputs, *adapter.spec.outputs)] == ["a", "y+"]
        assert find(adapter.spec.inputs, "b:0") is adapter.spec.inputs[0]
        assert find(adapter.spec.outputs, "z") is adapter.spec.outputs[0]

    def test_two_outputs_of_one_tensor_have_names_of_their_own(self, tmp_path):
        x = parameter([-1, 2])
        y = operations.relu(x)
        adapter = serve(graph([x], [y, y], ["y", "y"]), tmp_path)
        assert [spec.name for spec in adapter.spec.outputs] == ["y", "y_1"]
        assert set(adapter.predict({"x": ROWS})) == {"y", "y_1"}

    def test_version_10_is_read(self, tmp_path):
        path = saved(graph([x := parameter([-1, 2])], [operations.relu(x, name="activation")]), tmp_path)
        path.write_text(path.read_text().replace('version="11"', 'version="10"'))
        assert OpenvinoAdapter.recognises(ModelFile(path))
        assert served(path).spec.outputs[0].name == "activation"


class TestBatches:
    @pytest.mark.parametrize(
        ("made", "batches"),
        [
            (single(lambda x: operations.softmax(x, 1)), True),
            (single(lambda x: operations.softmax(x, 0)), False),
            (single(lambda x: operations.softmax(x, 1), (-1, -1)), True),
            (single(lambda x: operations.reduce_sum(x, constant([1], np.int64), False)), True),
            (single(lambda x: operations.reduce_sum(x, constant([0], np.int64), True)), False),
            (single(lambda x: operations.transpose(x, constant([1, 0], np.int64)), (-1, -1)), False),
            (single(operations.relu, "1..8,2"), True),
            (single(lambda x: operations.reduce_sum(x, constant([0], np.int64), False), (-1,)), False),
        ],
    )
    def test_rows_are_joined_only_if_they_are_their_own(self, tmp_path, made, batches):
        assert serve(made, tmp_path).spec.batches is batches

    @pytest.mark.parametrize("size", [1, 4])
    @pytest.mark.parametrize("rows", [0, 1, 3, 4, 9])
    def test_a_fixed_number_of_rows_is_opened(self, tmp_path, size, rows):
        adapter = serve(single(lambda x: operations.matmul(x, constant([[1, 2, 3], [4, 5, 6]]), False, False), (size, 2)), tmp_path)
        assert adapter.spec.batches
        assert adapter.spec.inputs[0].shape == (None, 2)
        x = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
        np.testing.assert_array_equal(adapter.predict({"x": x})["y"], x @ np.float32([[1, 2, 3], [4, 5, 6]]))

    @pytest.mark.parametrize("size", [1, 4])
    @pytest.mark.parametrize("rows", [0, 1, 3, 4, 9])
    def test_where_operations_insist_on_it_batches_are_padded_and_cut(self, tmp_path, size, rows):
        made = single(lambda x: operations.reshape(x, constant([size, 1, 2], np.int64), False), (size, 2))
        adapter = serve(made, tmp_path)
        assert adapter.spec.batches
        assert (adapter.spec.inputs[0].shape, adapter.spec.outputs[0].shape) == ((None, 2), (None, 1, 2))
        x = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
        np.testing.assert_array_equal(adapter.predict({"x": x})["y"], x.reshape(rows, 1, 2))

    def test_a_fixed_size_that_is_no_batch_stays(self, tmp_path):
        for operation in (lambda x: operations.softmax(x, 0), lambda x: operations.add(x, constant([[1], [2], [3]]))):
            adapter = serve(single(operation, (3, 2)), tmp_path)
            assert not adapter.spec.batches
            assert adapter.spec.inputs[0].shape == (3, 2)
            assert adapter.predict({"x": ROWS})["y"].shape == (3, 2)

    def test_sizes_that_differ_are_no_batch(self, tmp_path):
        a, b = parameter([2, 3], name="a"), parameter([3, 2], name="b")
        adapter = serve(graph([a, b], [operations.matmul(a, b, False, False)], ["c"]), tmp_path)
        assert not adapter.spec.batches
        assert adapter.predict({"a": np.ones((2, 3), np.float32), "b": np.ones((3, 2), np.float32)})["c"].tolist() == [[3, 3], [3, 3]]

    def test_a_first_dimension_that_the_task_closes_is_no_batch(self, tmp_path):
        adapter = serve(single(operations.relu), tmp_path, inputs=(TensorSpec("x", "FP32", (3, 2)),))
        assert not adapter.spec.batches
        assert (adapter.spec.inputs[0].shape, adapter.spec.outputs[0].shape) == ((3, 2), (3, 2))

    def test_several_inputs_are_a_batch(self, tmp_path):
        a, b = parameter([-1, 2], name="a"), parameter([-1, 1], name="b")
        adapter = serve(graph([a, b], [operations.concat([a, b], 1)], ["c"]), tmp_path)
        assert adapter.spec.batches
        with pytest.raises(ValueError, match="different numbers of rows: 3, 2"):
            adapter.predict({"a": ROWS, "b": np.ones((2, 1), np.float32)})

    def test_scalars_and_models_without_inputs(self, tmp_path):
        answer = serve(single(operations.relu, ()), tmp_path).predict({"x": np.array(-1, np.float32)})
        assert (answer["y"].shape, answer["y"].item()) == ((), 0)
        adapter = serve(graph([], [operations.multiply(constant([1, 2]), constant(2))], ["y"]), tmp_path)
        assert not adapter.spec.batches
        assert adapter.predict({})["y"].tolist() == [2, 4]


class TestOpenSizes:
    def test_each_request_has_its_own(self, tmp_path):
        adapter = serve(single(doubled, (-1, -1)), tmp_path)
        assert adapter.spec.inputs[0].shape == (None, None)
        for shape in ((2, 3), (1, 7), (2, 3), (4, 1), (0, 3)):
            assert adapter.predict({"x": np.ones(shape, np.float32)})["y"].tolist() == np.full(shape, 2).tolist()

    @pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((3, 3), (2, 3)), ((2, 3), (3, 2))])
    def test_those_that_contradict_each_other_are_refused(self, tmp_path, shapes):
        a, b = parameter([-1, -1], name="a"), parameter([-1, -1], name="b")
        adapter = serve(graph([a, b], [operations.add(a, b)], ["c"]), tmp_path)
        for _ in range(2):
            with pytest.raises(ValueError, match="Argument shapes are inconsistent"):
                adapter.predict({name: np.ones(shape, np.float32) for name, shape in zip("ab", shapes, strict=True)})
            assert adapter.predict({name: np.ones((2, 3), np.float32) for name in "ab"})["c"].tolist() == [[2, 2, 2]] * 2

    def test_those_that_the_weights_contradict_are_refused(self, tmp_path):
        adapter = serve(single(lambda x: operations.matmul(x, constant([[1], [2], [3]]), False, False), (-1, -1)), tmp_path)
        assert adapter.predict({"x": np.ones((2, 3), np.float32)})["y"].tolist() == [[6], [6]]
        with pytest.raises(ValueError, match="MatMul"):
            adapter.predict({"x": np.ones((2, 5), np.float32)})

    def test_bounds_are_kept(self, tmp_path):
        adapter = serve(single(operations.relu, "?,1..3"), tmp_path)
        assert adapter.predict({"x": np.ones((2, 3), np.float32)})["y"].shape == (2, 3)
        with pytest.raises(ValueError, match=r"has shape \[2, 4\], the model takes \[\?,1\.\.3\]"):
            adapter.predict({"x": np.ones((2, 4), np.float32)})

    def test_the_task_may_close_them(self, tmp_path):
        made = single(lambda x: operations.matmul(x, constant([[1], [2], [3]]), False, False), (-1, -1))
        adapter = serve(made, tmp_path, inputs=(TensorSpec("x", "FP32", (None, 3)),))
        assert adapter.spec.inputs[0].shape == (None, 3)
        assert adapter.spec.batches
        wrong = "the model cannot take the shapes in the task's 'inputs'"
        refusal(ErrorKind.INPUT_SPEC, wrong, serve, made, tmp_path, inputs=(TensorSpec("x", "FP32", (None, 5)),))

    @pytest.mark.parametrize(
        ("spec", "match"),
        [(("z", "FP32", (None, 2)), "no tensor 'z'"), (("x", "FP64", (None, 2)), "is float32"), (("x", "FP32", (2,)), "has 2 dimensions")],
    )
    def test_a_task_that_contradicts_the_file_is_refused(self, tmp_path, spec, match):
        refusal(ErrorKind.INPUT_SPEC, match, serve, single(operations.relu), tmp_path, inputs=(TensorSpec(*spec),))

    def test_an_input_of_any_number_of_dimensions_takes_that_of_the_task(self, tmp_path):
        made = single(operations.relu, "...")
        refusal(ErrorKind.INPUT_SPEC, "no shape for 'x': list it in the task's 'inputs'", serve, made, tmp_path)
        adapter = serve(made, tmp_path, inputs=(TensorSpec("x", "FP32", (None, 2)),))
        assert adapter.spec.outputs[0].shape == (None, 2)
        assert adapter.spec.batches

    def test_an_output_of_any_number_of_dimensions_is_refused(self, tmp_path):
        x, shape = parameter([-1, 2]), parameter("?", np.int64, "shape")
        made = graph([x, shape], [operations.reshape(x, shape, False)], ["y"])
        refusal(ErrorKind.OUTPUT_SPEC, "no shape for 'y': list it in the task's 'outputs'", serve, made, tmp_path)
        outputs = (TensorSpec("y", "FP32", (None,)),)
        refusal(ErrorKind.LOAD_FAILED, "cannot compile the model: .*dynamic rank", serve, made, tmp_path, outputs=outputs)


def test_a_state_is_nobody_elses(tmp_path):
    x = parameter([-1, 2])
    past = operations.read_value(operations.multiply(x, constant(0)), "v", np.float32, openvino.PartialShape([-1, 2]))
    total = operations.add(past, x)
    adapter = serve(graph([x], [total], ["y"], [operations.assign(total, "v")]), tmp_path)
    for _ in range(3):
        np.testing.assert_array_equal(adapter.predict({"x": ROWS})["y"], ROWS)


def test_inputs_are_only_read_and_answers_stay(tmp_path):
    for operation in (operations.relu, lambda x: operations.reshape(x, constant([-1, 2], np.int64), False), doubled):
        adapter = serve(single(operation), tmp_path)
        for writable in (True, False):
            given, before = {"x": ROWS.copy()}, ROWS.copy()
            given["x"].flags.writeable = writable
            answer = adapter.predict(given)["y"]
            kept = answer.copy()
            adapter.predict({"x": ROWS[::-1]})
            np.testing.assert_array_equal(answer, kept)
            np.testing.assert_array_equal(given["x"], before)


def test_threads_are_those_of_the_task(tmp_path):
    adapter = serve(single(operations.relu), tmp_path, threads=1)
    assert adapter._function._request.get_compiled_model().get_property("INFERENCE_NUM_THREADS") == 1


def test_precision(tmp_path):
    for precision in ("f32", "bf16", "f16"):
        adapter = serve(single(doubled), tmp_path, options={"precision": precision})
        np.testing.assert_allclose(adapter.predict({"x": ROWS})["y"], 2 * ROWS, rtol=1e-2)
    refusal(ErrorKind.TASK_ATTRIBUTE, "one of f32, bf16, f16, not 'int8'", serve, single(doubled), tmp_path, options={"precision": "int8"})


def test_devices(tmp_path):
    serve(single(operations.relu), tmp_path, device="cpu")
    refusal(ErrorKind.TASK_ATTRIBUTE, "computes on the processor only", serve, single(operations.relu), tmp_path, device="cuda:0")


class TestOtherFrameworks:
    def onnx(self, location=""):
        onnx = pytest.importorskip("onnx")
        make, types = onnx.helper, onnx.TensorProto
        weights = onnx.numpy_helper.from_array(np.float32([3, 4]), "w")
        if location:
            weights = types(name="w", data_type=types.FLOAT, dims=[2], data_location=types.EXTERNAL)
            weights.external_data.add(key="location", value=location)
        value = [make.make_tensor_value_info(name, types.FLOAT, ["n", 2]) for name in "xy"]
        made = make.make_graph([make.make_node("Add", ["x", "w"], ["y"])], "g", value[:1], value[1:], initializer=[weights])
        return make.make_model(made, opset_imports=[make.make_opsetid("", 17)], ir_version=8).SerializeToString()

    def test_onnx_if_the_task_says_so(self, tmp_path):
        path = tmp_path / "nonsense"
        path.write_bytes(self.onnx())
        assert not OpenvinoAdapter.recognises(ModelFile(path))
        adapter = served(path)
        assert adapter.spec.batches
        assert adapter.predict({"x": ROWS})["y"][0].tolist() == [4, 2]

    def test_onnx_reads_no_files_of_others(self, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "out").write_bytes(np.float32([3, 4]).tobytes())
        path = tmp_path / "in" / "nonsense"
        path.write_bytes(self.onnx("../out"))
        refusal(ErrorKind.LOAD_FAILED, "keeps tensors in '../out', which is no plain relative name", served, path)
        path.write_bytes(self.onnx("w.bin"))
        (tmp_path / "in" / "w.bin").write_bytes(np.float32([3, 4]).tobytes())
        assert served(path).predict({"x": ROWS})["y"][0].tolist() == [4, 2]

    def test_tensorflow_and_tensorflow_lite(self, tmp_path):
        with importing.silence():
            tensorflow = pytest.importorskip("tensorflow")

            class Sum(tensorflow.Module):
                @tensorflow.function(input_signature=[tensorflow.TensorSpec([None, 2], tensorflow.float32, name="x")])
                def add(self, x):
                    return {"y": x + tensorflow.constant([3.0, 4.0])}

            module = Sum()
            folder, frozen, lite = tmp_path / "saved", tmp_path / "frozen", tmp_path / "lite"
            tensorflow.saved_model.save(module, str(folder), signatures=module.add)
            function = module.add.get_concrete_function()
            frozen.write_bytes(function.graph.as_graph_def().SerializeToString())
            lite.write_bytes(tensorflow.lite.TFLiteConverter.from_concrete_functions([function], module).convert())
        for path in (folder, frozen, lite):
            assert not OpenvinoAdapter.recognises(ModelFile(path))
            adapter = served(path)
            assert adapter.spec.batches
            (name,) = (spec.name for spec in adapter.spec.inputs)
            (answer,) = adapter.predict({name: ROWS}).values()
            np.testing.assert_array_equal(answer, ROWS + np.float32([3, 4]))

    def test_anything_else_is_refused(self, tmp_path):
        for content in (b"", b"nonsense", b"\x80\x04.", b"\x08\x08", os.urandom(1000)):
            (tmp_path / "model").write_bytes(content)
            refusal(ErrorKind.LOAD_FAILED, "OpenVINO cannot read model", served, tmp_path / "model")
        (tmp_path / "empty").mkdir()
        refusal(ErrorKind.LOAD_FAILED, "OpenVINO cannot read empty", served, tmp_path / "empty")


def test_labels_come_from_the_models_information(tmp_path):
    made = single(lambda x: x + constant(1))
    made.set_rt_info("cat dog", ["model_info", "labels"])
    assert serve(made, tmp_path).labels == {"y": ("cat", "dog")}
    made.set_rt_info("cat dog hen", ["model_info", "labels"])
    assert serve(made, tmp_path).labels == {}
