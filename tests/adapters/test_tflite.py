import io
import zipfile

import numpy as np
import psutil
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conformance.cases.tensorflow import tensorflow
from conformance.cases.tflite import converted
from zeromind import importing
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.tflite import TfliteAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.plugins import Plugins
from zeromind.tensors import TensorSpec

ROWS = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    return converted(tmp_path_factory.mktemp("iris") / "model")


def convert(folder, call, *specs, **settings):
    """A model of the function ``call`` of tensors with these specs; inputs have the names of its parameters."""
    tf = tensorflow()
    with importing.silence():
        traced = tf.function(call, input_signature=[tf.TensorSpec(*spec) for spec in specs])
        converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.get_concrete_function()], tf.Module())
        for name, value in settings.items():
            setattr(converter, name, value)
        data = converter.convert()
    path = folder / "model"
    path.write_bytes(data)
    return path


def load(path, **source):
    return TfliteAdapter(Source(ModelFile(path), **source))


def rewritten(path, change):
    """The model with its flatbuffer's object changed."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    change(model)
    return packed(model, path)


def packed(model, path):
    builder = Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(builder.Output())
    return path


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    tf, folder = tensorflow(), tmp_path_factory.mktemp("three")

    class Three(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32)])
        def double(self, x):
            return {"y": 2 * x}

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32)])
        def triple(self, x):
            return {"z": 3 * x}

    module = Three()
    made = {}
    with importing.silence():
        for default in ("serving_default", "other"):
            saved, made[default] = folder / f"saved_{default}", folder / default
            tf.saved_model.save(module, str(saved), {default: module.double, "triple": module.triple})
            converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=[default, "triple"])
            made[default].write_bytes(converter.convert())
    return made


class TestSignatures:
    def test_names_types_and_shapes_are_the_signatures(self, iris):
        spec = load(iris).spec
        assert spec.inputs == (TensorSpec("flower", "FP32", (None, 4)),)
        assert set(spec.outputs) == {TensorSpec("scores", "FP32", (None, 3)), TensorSpec("best", "INT64", (None,))}
        assert spec.batches

    def test_the_default_is_served_unless_the_task_chooses(self, three):
        x = np.float32([1, 2])
        np.testing.assert_array_equal(load(three["serving_default"]).predict({"x": x})["y"], 2 * x)
        np.testing.assert_array_equal(load(three["serving_default"], options={"signature": "triple"}).predict({"x": x})["z"], 3 * x)

    @pytest.mark.parametrize(("form", "options"), [("other", {}), ("other", {"signature": "x"}), ("serving_default", {"signature": 3})])
    def test_without_a_default_the_task_has_to_choose(self, three, form, options):
        with pytest.raises(ZeroMindError, match=f"'signature' must say .*one of .*{form}") as caught:
            load(three[form], options=options)
        assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE

    def test_without_signatures_tensors_have_their_own_names(self, iris, tmp_path):
        path = tmp_path / "model"
        path.write_bytes(iris.read_bytes())
        rewritten(path, lambda model: setattr(model, "signatureDefs", None))
        adapter = load(path)
        (own,) = adapter.spec.inputs
        assert own.name == "serving_default_flower:0"
        expected = load(iris).predict({"flower": ROWS})
        for rows in (2, 5, 5, 3):
            answer = adapter.predict({own.name: ROWS[:rows]})
            for array in answer.values():
                np.testing.assert_array_equal(array, expected["scores" if array.ndim == 2 else "best"][:rows])
        with pytest.raises(ZeroMindError, match="the file has no signatures"):
            load(path, options={"signature": "serving_default"})

    def test_tensors_without_names_are_numbered(self, iris, tmp_path):
        path = tmp_path / "model"
        path.write_bytes(iris.read_bytes())

        def nameless(model):
            model.signatureDefs = None
            for tensor in model.subgraphs[0].tensors:
                tensor.name = b""

        rewritten(path, nameless)
        spec = load(path).spec
        assert [each.name for each in (*spec.inputs, *spec.outputs)] == ["input_0", "output_0", "output_1"]


class TestTypes:
    TYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64")

    def test_every_type_passes_through(self, tmp_path):
        tf = tensorflow()
        specs = [((None, 2), tf.as_dtype(name), name) for name in self.TYPES]
        adapter = load(convert(tmp_path, lambda *all_: {f"{x.dtype.name}_out": tf.reshape(x, (-1, 2)) for x in all_}, *specs))
        inputs = {name: np.array([[0, 1], [1, 0], [1, 1]], name) for name in self.TYPES}
        answer = adapter.predict(inputs)
        for spec in adapter.spec.inputs:
            assert spec.dtype == np.dtype(spec.name)
            assert answer[f"{spec.name}_out"].dtype == spec.dtype
            np.testing.assert_array_equal(answer[f"{spec.name}_out"], inputs[spec.name])

    def test_text(self, tmp_path):
        tf = tensorflow()
        adapter = load(convert(tmp_path, lambda text: {"same": tf.reshape(text, (-1, 1))}, ((None, 1), tf.string)))
        assert adapter.spec.inputs == (TensorSpec("text", "BYTES", (None, 1)),)
        text = np.array([[b"\xff\0a\0"], [b""], ["é".encode()]], object)
        np.testing.assert_array_equal(adapter.predict({"text": text})["same"], text)

    def test_a_type_that_no_wire_carries_is_refused(self, tmp_path):
        tf = tensorflow()
        path = convert(tmp_path, lambda x: {"y": tf.reshape(x, (-1,))}, ((None,), tf.complex64))
        with pytest.raises(ZeroMindError, match=r"'x' is of type .*complex64.*plain tensors") as caught:
            load(path)
        assert caught.value.kind is ErrorKind.LOAD_FAILED


@pytest.fixture(scope="module", params=["int8", "uint8", "int16"])
def quantized(request, tmp_path_factory):
    tf, folder = tensorflow(), tmp_path_factory.mktemp("quantized")
    settings = {"optimizations": [tf.lite.Optimize.DEFAULT], "representative_dataset": lambda: ([row[None]] for row in ROWS)}
    if request.param == "int16":
        wide = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        settings["target_spec"] = tf.lite.TargetSpec(supported_ops=[wide])
    type_ = tf.as_dtype(request.param)
    weights = tf.constant(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))
    path = convert(
        folder,
        lambda flower: {"scores": flower @ weights},
        ((None, 4), tf.float32),
        **settings,
        inference_input_type=type_,
        inference_output_type=type_,
    )
    return path, request.param


class TestQuantized:
    def test_clients_see_the_numbers_that_integers_stand_for(self, quantized):
        path, _ = quantized
        adapter = load(path)
        assert adapter.spec.inputs == (TensorSpec("flower", "FP32", (None, 4)),)
        expected = ROWS @ np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
        np.testing.assert_allclose(adapter.predict({"flower": ROWS})["scores"], expected, atol=0.03)

    def test_the_task_may_ask_for_the_integers(self, quantized):
        path, kind = quantized
        adapter, raw = load(path), load(path, options={"quantized": True})
        (spec,) = raw.spec.inputs
        assert spec.dtype == np.dtype(kind)
        integers = np.array([[0, 1, 2, 3], [9, 10, 11, 12]], kind)
        (scale, zero), (scale_out, zero_out) = (side["quantization"] for side in (raw._inputs["flower"], raw._outputs["scores"]))
        answer = raw.predict({"flower": integers})["scores"]
        assert answer.dtype == np.dtype(kind)
        numbers = adapter.predict({"flower": (integers.astype(np.float32) - zero) * scale})["scores"]
        np.testing.assert_allclose(numbers, (answer.astype(np.float32) - zero_out) * scale_out, rtol=1e-6)

    def test_numbers_beyond_the_range_become_its_ends(self, quantized):
        adapter = load(quantized[0])
        answer = adapter.predict({"flower": np.full((2, 4), np.inf, np.float32) * np.float32([[1], [-1]])})["scores"]
        np.testing.assert_array_equal(answer, adapter.predict({"flower": np.float32([[9] * 4, [-9] * 4])})["scores"])

    def test_what_is_no_number_is_the_clients_fault(self, quantized):
        with pytest.raises(ValueError, match="NaN"):
            load(quantized[0]).predict({"flower": np.full((1, 4), np.nan, np.float32)})

    def test_the_key_is_true_or_false(self, quantized):
        with pytest.raises(ZeroMindError, match="'quantized' is true or false, not 1") as caught:
            load(quantized[0], options={"quantized": 1})
        assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE


class TestBatches:
    @pytest.mark.parametrize("rows", [1, 4])
    def test_a_fixed_number_of_rows_serves_any(self, tmp_path, rows):
        tf = tensorflow()
        path = convert(tmp_path, lambda a, b: {"c": a - tf.exp(b)}, ((rows, 3), tf.float32), ((rows, 3), tf.float32))
        adapter = load(path)
        assert adapter.spec.batches
        assert [each.shape for each in (*adapter.spec.inputs, *adapter.spec.outputs)] == [(None, 3)] * 3
        for size in (0, 1, 4, 6, 8):
            a, b = np.arange(size * 3, dtype=np.float32).reshape(size, 3), np.full((size, 3), 0.5, np.float32)
            np.testing.assert_allclose(adapter.predict({"a": a, "b": b})["c"], a - np.exp(b), rtol=1e-6)
        with pytest.raises(ValueError, match="different numbers of rows"):
            adapter.predict({"a": np.ones((2, 3), np.float32), "b": np.ones((3, 3), np.float32)})

    def test_rows_that_depend_on_each_other_are_served_as_they_are(self, tmp_path):
        tf = tensorflow()
        path = convert(tmp_path, lambda x: {"y": x - tf.reduce_mean(x, 0, keepdims=True)}, ((4, 3), tf.float32))
        adapter = load(path)
        assert not adapter.spec.batches
        assert adapter.spec.inputs[0].shape == (4, 3)
        x = np.arange(12, dtype=np.float32).reshape(4, 3)
        np.testing.assert_allclose(adapter.predict({"x": x})["y"], x - x.mean(0), rtol=1e-6)

    @pytest.mark.parametrize("size", [1, 4])
    def test_a_task_that_gives_the_number_of_rows_gets_them_one_by_one(self, tmp_path, size):
        tf = tensorflow()
        path = convert(tmp_path, lambda x: {"y": x * 2}, ((size, 3), tf.float32))
        adapter = load(path, inputs=(TensorSpec("x", "FP32", (size, 3)),))
        assert not adapter.spec.batches
        assert [each.shape for each in (*adapter.spec.inputs, *adapter.spec.outputs)] == [(size, 3)] * 2

    def test_no_batch_at_all(self, tmp_path):
        tf = tensorflow()
        adapter = load(convert(tmp_path, lambda x, n: {"y": x * n}, ((3,), tf.float32), ((), tf.float32)))
        assert not adapter.spec.batches
        assert {each.name: each.shape for each in adapter.spec.inputs} == {"x": (3,), "n": ()}
        answer = adapter.predict({"x": np.float32([1, 2, 3]), "n": np.float32(2)})
        np.testing.assert_array_equal(answer["y"], [2, 4, 6])

    def test_a_model_that_selects_rows_does_not_batch(self, tmp_path):
        tf = tensorflow()
        adapter = load(convert(tmp_path, lambda x: {"places": tf.where(x > 0)}, ((None, 2), tf.float32)))
        assert not adapter.spec.batches
        answer = adapter.predict({"x": np.float32([[1, 0], [1, 1]])})["places"]
        np.testing.assert_array_equal(answer, [[0, 0], [1, 0], [1, 1]])

    def test_open_sizes_within_a_row(self, tmp_path):
        tf = tensorflow()
        adapter = load(convert(tmp_path, lambda x: {"y": tf.reduce_sum(x, 1)}, ((None, None, 2), tf.float32)))
        assert adapter.spec.batches
        assert adapter.spec.inputs[0].shape == (None, None, 2)
        for rows, length in ((1, 7), (3, 2), (3, 9), (2, 1)):
            x = np.random.default_rng(length).normal(size=(rows, length, 2)).astype(np.float32)
            np.testing.assert_allclose(adapter.predict({"x": x})["y"], x.sum(1), rtol=1e-4, atol=1e-6)

    def test_a_task_gives_what_the_file_leaves_open(self, tmp_path):
        tf = tensorflow()
        path = convert(tmp_path, lambda x: {"y": x * 2}, (None, tf.float32))
        shape = (None, 2, None)
        adapter = load(path, inputs=(TensorSpec("x", "FP32", shape),), outputs=(TensorSpec("y", "FP32", shape),))
        assert adapter.spec.batches
        np.testing.assert_array_equal(adapter.predict({"x": np.ones((3, 2, 5), np.float32)})["y"], np.full((3, 2, 5), 2))

    def test_the_state_of_a_recurrent_layer_does_not_reach_the_next_request(self, tmp_path):
        adapter = load(recurrent(tmp_path / "model"))
        assert adapter.spec.batches
        x = np.float32([[1, 2], [1, 2]])
        np.testing.assert_allclose(adapter.predict({"input_0": x})["output_0"], np.tanh(x), rtol=1e-6)
        np.testing.assert_allclose(adapter.predict({"input_0": x})["output_0"], np.tanh(x), rtol=1e-6)


def recurrent(path):
    """TensorFlow Lite's own operator for a recurrent layer, tanh(x + state), which keeps its state in the interpreter."""
    eye = np.eye(2, dtype=np.float32)
    constants = [eye, eye, np.zeros(2, np.float32)]
    buffers = [b"", *(array.tobytes() for array in constants)]
    model = schema.ModelT(version=3, operatorCodes=[schema.OperatorCodeT()], buffers=[])
    code = schema.BuiltinOperator.RNN
    model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = code
    for data in buffers:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8) if data else None
        model.buffers.append(buffer)
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor([1, 2], 0),
        *(tensor(array.shape, 1 + at) for at, array in enumerate(constants)),
        tensor([1, 2], 0),
        tensor([1, 2], 0),
    ]
    graph.tensors[4].isVariable = True
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0, 1, 2, 3, 4], [5]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.RNNOptions, schema.RNNOptionsT()
    operator.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.TANH
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [5]
    model.subgraphs = [graph]
    return packed(model, path)


def tensor(shape, buffer):
    made = schema.TensorT()
    made.shape, made.buffer, made.type, made.name = list(shape), buffer, schema.TensorType.FLOAT32, b""
    return made


class TestRecognition:
    def test_with_metadata_it_is_a_model_and_no_zip(self, iris, tmp_path):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("labels.txt", "setosa\nversicolor\nvirginica\n")
        path = tmp_path / "model.zip"
        path.write_bytes(iris.read_bytes() + stream.getvalue())
        file = ModelFile(path)
        assert [adapter.name for adapter in Plugins().adapters() if adapter.recognises(file)] == ["tflite"]
        np.testing.assert_array_equal(load(path).predict({"flower": ROWS})["best"], load(iris).predict({"flower": ROWS})["best"])

    @given(st.binary(max_size=200))
    @settings(deadline=None)
    def test_noise_is_none(self, noise):
        assume(noise[4:8] != b"TFL3")  # hypothesis also tries what stands in the source
        file = ModelFile("unused")
        file.__dict__.update(is_folder=False, head=noise)
        assert not TfliteAdapter.recognises(file)

    @pytest.mark.parametrize("data", [b"", b"TFL3", b"\x1c\0\0\0TFL", b"\x1c\0\0\0TFL2", b"\0\0\0\0TFL3", b"    TFL"])
    def test_nor_is_what_only_begins_so(self, tmp_path, data):
        (tmp_path / "model").write_bytes(data)
        assert not TfliteAdapter.recognises(ModelFile(tmp_path / "model"))

    def test_nor_is_a_folder(self, tmp_path):
        assert not TfliteAdapter.recognises(ModelFile(tmp_path))


class TestFaults:
    def test_damage_is_a_known_error(self, iris, tmp_path):
        whole, path = iris.read_bytes(), tmp_path / "model"
        for size in (8, 9, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(ZeroMindError, match="LiteRT cannot load model: ") as caught:
                load(path)
            assert caught.value.kind is ErrorKind.LOAD_FAILED
            assert str(path) not in str(caught.value)

    def test_operators_of_tensorflow_itself_are_refused(self, tmp_path):
        tf = tensorflow()
        ops = tf.lite.TargetSpec(supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS])
        path = convert(tmp_path, lambda x: {"y": tf.linalg.inv(x)}, ((None, 2, 2), tf.float32), target_spec=ops)
        with pytest.raises(ZeroMindError, match="LiteRT cannot load model: it has operators of TensorFlow") as caught:
            load(path)
        assert caught.value.kind is ErrorKind.LOAD_FAILED

    def test_values_that_the_model_cannot_take_are_the_clients_fault(self, tmp_path):
        tf = tensorflow()
        table = tf.constant(np.arange(6, dtype=np.float32).reshape(3, 2))
        adapter = load(convert(tmp_path, lambda place: {"row": tf.gather(table, place)}, ((None,), tf.int32)))
        for _ in range(2):
            with pytest.raises(ZeroMindError, match=r"cannot compute with these inputs: gather index out of bounds$") as caught:
                adapter.predict({"place": np.int32([7])})
            assert caught.value.kind is ErrorKind.INVALID_INPUT
        np.testing.assert_array_equal(adapter.predict({"place": np.int32([1])})["row"], [[2, 3]])

    def test_it_has_no_gpu(self, iris):
        with pytest.raises(ZeroMindError, match="processor only") as caught:
            load(iris, device="cuda:0")
        assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE

    def test_a_task_that_contradicts_the_file(self, iris):
        with pytest.raises(ZeroMindError, match="the task says float64") as caught:
            load(iris, inputs=(TensorSpec("flower", "FP64", (None, 4)),))
        assert caught.value.kind is ErrorKind.INPUT_SPEC
        with pytest.raises(ZeroMindError, match="no tensor 'kind'") as caught:
            load(iris, outputs=(TensorSpec("kind", "INT64", (None,)),))
        assert caught.value.kind is ErrorKind.OUTPUT_SPEC


def test_it_computes_on_as_many_threads_as_the_task_says(tmp_path):
    tf = tensorflow()
    weights = tf.constant(np.ones((256, 256), np.float32))
    path = convert(tmp_path, lambda x: {"y": x @ weights}, ((None, 256), tf.float32))
    process, x = psutil.Process(), np.ones((64, 256), np.float32)
    for threads in (1, 3):
        before = process.num_threads()
        adapter = load(path, threads=threads)
        adapter.predict({"x": x})
        assert process.num_threads() - before == threads - 1
        del adapter


def test_the_only_text_file_of_its_metadata_names_the_classes(tmp_path):
    path = convert(tmp_path, lambda x: 2 * x, ((1, 3), np.float32))
    whole = path.read_bytes()
    assert load(path).labels == {}
    for names, expected in ((["a", "b", "c"], 1), (["one", "too few"], 0)):
        path.write_bytes(whole)
        with zipfile.ZipFile(path, "a") as appended:
            appended.writestr("labels.txt", "\n".join(names))
        assert list(load(path).labels.values()) == [tuple(names)] * expected
    with zipfile.ZipFile(path, "a") as appended:
        appended.writestr("others.txt", "which?")
    assert load(path).labels == {}
