import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zeromind import importing
from zeromind.adapters import jax_file, xla
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.jax import JaxAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

with importing.silence():
    xla.surroundings(1)
    jax = pytest.importorskip("jax")
    xla.only_cpu(jax)
    export = pytest.importorskip("jax.export")

WEIGHTS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
ROWS = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)


SCOPE = export.SymbolicScope()


def shape(text, dtype=np.float32):
    """A tensor whose sizes are numbers or symbols: ``rows, 4``."""
    return jax.ShapeDtypeStruct(export.symbolic_shape(text, scope=SCOPE), dtype)


def serialized(function, *arguments, wide=False, **keywords):
    settings = {"platforms": keywords.pop("platforms", ["cpu"]), "disabled_checks": keywords.pop("disabled_checks", ())}
    with importing.silence(), jax.enable_x64(wide):
        return export.export(jax.jit(function), **settings)(*arguments, **keywords).serialize()


@pytest.fixture
def load(tmp_path):
    def load(data, *, inputs=(), outputs=(), options=None, **more):
        (tmp_path / "model").write_bytes(data)
        options = {"batch_sizes": [1, 4]} if options is None else options
        return JaxAdapter(Source(ModelFile(tmp_path / "model"), inputs, outputs, options=options, **more))

    return load


@pytest.fixture
def refusal(load):
    def refusal(*arguments, **more):
        with pytest.raises(ZeroMindError) as caught:
            load(*arguments, **more)
        return caught.value

    return refusal


def described(specs):
    return [(spec.name, spec.datatype, spec.shape) for spec in specs]


@pytest.fixture(scope="module")
def product():
    return serialized(lambda x: jax.numpy.tanh(x @ WEIGHTS), shape("rows, 4"))


class TestRecognition:
    def test_other_flatbuffers_are_not_taken_for_it(self, tmp_path):
        flatbuffers = pytest.importorskip("flatbuffers")
        builder = flatbuffers.Builder(64)
        texts = [builder.CreateString(f"text {index}") for index in range(20)]
        builder.StartObject(20)
        for index, text in enumerate(texts):
            builder.PrependUOffsetTRelativeSlot(index, text, 0)
        builder.Finish(builder.EndObject())
        (tmp_path / "m").write_bytes(builder.Output())
        assert not JaxAdapter.recognises(ModelFile(tmp_path / "m"))

    def test_a_bare_module_is_no_export(self, product, tmp_path):
        (tmp_path / "m").write_bytes(export.deserialize(bytearray(product)).mlir_module_serialized)
        assert not JaxAdapter.recognises(ModelFile(tmp_path / "m"))

    @given(st.binary(max_size=400))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_noise_is_none(self, tmp_path, noise):
        (tmp_path / "m").write_bytes(noise)
        assert not JaxAdapter.recognises(ModelFile(tmp_path / "m"))

    @given(st.integers(0, 300), st.binary(min_size=1, max_size=8))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_damage_in_its_head_raises_nothing(self, product, tmp_path, place, noise):
        data = bytearray(product)
        data[place : place + len(noise)] = noise
        (tmp_path / "m").write_bytes(data)
        JaxAdapter.recognises(ModelFile(tmp_path / "m"))

    @pytest.mark.parametrize("cut", [0, 8, 64, 300])
    def test_its_beginning_alone_raises_nothing(self, product, tmp_path, cut):
        (tmp_path / "m").write_bytes(product[:cut])
        assert not JaxAdapter.recognises(ModelFile(tmp_path / "m"))

    def test_it_carries_no_code_and_says_so(self, product, tmp_path):
        (tmp_path / "m").write_bytes(product)
        assert JaxAdapter.recognises(ModelFile(tmp_path / "m"))
        assert JaxAdapter.carries_code(ModelFile(tmp_path / "m")) == ""


class TestNames:
    def test_positions_are_numbered_and_keys_are_names(self, load):
        def function(first, more, *, last):
            return {"sum": first + last, "rest": [more["a"]["b"], more["c"][0]]}

        one = shape("rows")
        adapter = load(serialized(function, one, {"a": {"b": one}, "c": [one]}, last=one))
        assert [spec.name for spec in adapter.spec.inputs] == ["input_0", "a.b", "c.0", "last"]
        assert [spec.name for spec in adapter.spec.outputs] == ["rest.0", "rest.1", "sum"]

    def test_a_name_that_comes_twice_is_numbered(self, load):
        one = shape("rows")
        adapter = load(serialized(lambda a, b: (a["x"], b["x"]), {"x": one}, {"x": one}))
        assert [spec.name for spec in adapter.spec.inputs] == ["input_0", "input_1"]
        assert [spec.name for spec in adapter.spec.outputs] == ["output_0", "output_1"]

    def test_an_argument_that_is_not_used_is_still_one(self, load):
        one = shape("rows")
        adapter = load(serialized(lambda a, b: b + 1, one, one))
        assert adapter.predict({"input_0": ROWS[:, 0], "input_1": ROWS[:, 1]})["output_0"].tolist() == (ROWS[:, 1] + 1).tolist()


class TestBatches:
    @pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 11])
    def test_any_number_of_rows_is_answered(self, load, product, count):
        adapter = load(product)
        assert adapter.spec.batches
        rows = np.resize(ROWS, (count, 4))
        answer = adapter.predict({"input_0": rows})["output_0"]
        np.testing.assert_allclose(answer, np.tanh(rows @ WEIGHTS), rtol=1e-5, atol=1e-6)

    def test_no_batch_waits_for_a_compiler(self, load, product):
        adapter = load(product, options={}, max_batch_size=6)
        events = []

        def listen(event, *_, **__):
            events.append(event)

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            for count in (*range(8), 20):
                adapter.predict({"input_0": np.resize(ROWS, (count, 4))})
            assert not any("compile" in event for event in events)
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    @pytest.mark.parametrize("count", [0, 1, 3, 7])
    def test_a_fixed_size_is_padded_and_cut(self, load, count):
        adapter = load(serialized(lambda x: x @ WEIGHTS, shape("3, 4")), options={})
        assert adapter.spec.batches
        assert described(adapter.spec.inputs) == [("input_0", "FP32", (None, 4))]
        rows = np.resize(ROWS, (count, 4))
        np.testing.assert_allclose(adapter.predict({"input_0": rows})["output_0"], rows @ WEIGHTS, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("size", ["rows", "4"])
    @pytest.mark.parametrize("function", [lambda x: x - x.mean(0), lambda x: x.cumsum(0), lambda x: x[::-1]])
    def test_rows_that_depend_on_each_other_are_not_joined(self, load, size, function):
        adapter = load(serialized(function, shape(f"{size}, 4")))
        assert not adapter.spec.batches
        assert adapter.spec.inputs[0].shape == (None if size == "rows" else 4, 4)
        np.testing.assert_allclose(adapter.predict({"input_0": ROWS[:4]})["output_0"], function(ROWS[:4]), atol=1e-6)

    @pytest.mark.parametrize(
        ("function", "shapes"),
        [
            (lambda x, y: (x, y), ("a, 4", "b, 4")),
            (lambda x: x.sum(), ("rows, 4",)),
            (lambda x, y: x * y, ("rows, 4", "")),
            (lambda x: jax.numpy.concatenate([x, x]), ("rows, 4",)),
        ],
    )
    def test_what_has_no_common_size_is_no_batch(self, load, function, shapes):
        adapter = load(serialized(function, *map(shape, shapes)))
        assert not adapter.spec.batches
        inputs = {spec.name: ROWS[0, 0] if spec.shape == () else ROWS for spec in adapter.spec.inputs}
        expected = jax.tree.leaves(function(*inputs.values()))
        for spec, answer in zip(adapter.spec.outputs, expected, strict=True):
            np.testing.assert_allclose(adapter.predict(inputs)[spec.name], answer, rtol=1e-5, atol=1e-5)

    def test_other_sizes_may_be_open_too(self, load):
        adapter = load(serialized(lambda x, y: (x + y).sum(1), *[shape("rows, length")] * 2))
        assert adapter.spec.batches
        for length in (1, 2, 7):
            block = np.ones((3, length), np.float32)
            assert adapter.predict({"input_0": block, "input_1": block})["output_0"].tolist() == [2.0 * length] * 3
        with pytest.raises(ValueError, match="length"):
            adapter.predict({"input_0": block, "input_1": block[:, :2]})

    def test_a_task_may_close_them(self, load):
        adapter = load(serialized(lambda x: x * 2, shape("rows, length")), inputs=(TensorSpec("input_0", "FP32", (None, 3)),))
        assert adapter.spec.inputs[0].shape == (None, 3)

    @pytest.mark.parametrize("value", [None, [], [0], ["8"]])
    def test_batch_sizes_that_are_none_are_refused(self, refusal, product, value):
        assert refusal(product, options={"batch_sizes": value}).kind is ErrorKind.TASK_ATTRIBUTE


class TestNumbers:
    @pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32"])
    def test_types_pass_through(self, load, dtype):
        adapter = load(serialized(lambda x: x, shape("rows", dtype)))
        values = np.array([0, 1, 1], dtype)
        answer = adapter.predict({"input_0": values})["output_0"]
        assert answer.dtype == values.dtype
        assert answer.tolist() == values.tolist()

    @pytest.mark.parametrize("dtype", ["int64", "uint64", "float64"])
    def test_long_numbers_keep_all_their_digits(self, load, dtype):
        adapter = load(serialized(lambda x: x + 1, shape("rows", dtype), wide=True))
        values = np.array([2**52, 3], dtype)
        for _ in range(2):
            answer = adapter.predict({"input_0": values})["output_0"]
            assert answer.dtype == values.dtype
            assert answer.tolist() == (values + 1).tolist()

    def test_brain_floats_are_floats_here(self, load):
        adapter = load(serialized(lambda x: x * 2, shape("rows", jax.numpy.bfloat16)))
        assert described(adapter.spec.inputs) == [("input_0", "BF16", (None,))]
        assert described(adapter.spec.outputs) == [("output_0", "BF16", (None,))]
        answer = adapter.predict({"input_0": np.array([1.5, 1 / 3], np.float32)})["output_0"]
        assert answer.dtype == np.float32
        np.testing.assert_allclose(answer, [3, 2 / 3], rtol=1e-2)

    @pytest.mark.parametrize("dtype", ["complex64", "int4", "float8_e4m3fn"])
    def test_types_without_a_wire_are_refused(self, refusal, dtype):
        error = refusal(serialized(lambda x: x, shape("rows", jax.numpy.dtype(dtype))))
        assert error.kind is ErrorKind.LOAD_FAILED
        assert dtype in error.message

    def test_random_keys_are_refused(self, refusal):
        error = refusal(serialized(lambda key: jax.random.uniform(key, (2,)), jax.random.key(0)))
        assert error.kind is ErrorKind.LOAD_FAILED
        assert "'input_0'" in error.message

    def test_inputs_are_only_read_and_answers_are_nobody_elses(self, load):
        adapter = load(serialized(lambda x: (x, x + 0), shape("rows, 1024")), options={"batch_sizes": [4]})
        block = np.ones((4, 1024), np.float32)
        block.flags.writeable = False
        answer = adapter.predict({"input_0": block})
        for array in answer.values():
            assert not np.shares_memory(array, block)
        later = adapter.predict({"input_0": block * 2})
        assert all((array == 1).all() for array in answer.values())
        assert all((array == 2).all() for array in later.values())

    def test_a_donated_argument_stays_the_clients(self, load):
        data = serialized(jax.jit(lambda x: x + 1, donate_argnums=0), shape("rows, 4"))
        adapter, block = load(data), np.zeros((4, 4), np.float32)
        for _ in range(3):
            assert (adapter.predict({"input_0": block})["output_0"] == 1).all()
        assert not block.any()


class TestRefusals:
    def test_another_platform_is_named(self, refusal):
        error = refusal(serialized(lambda x: x, shape("rows"), platforms=["tpu"]))
        assert error.kind is ErrorKind.LOAD_FAILED
        assert "exported for tpu" in error.message

    def test_one_of_several_platforms_is_chosen(self, load):
        assert load(serialized(lambda x: x, shape("rows"), platforms=["cuda", "cpu"]), device="cpu").spec.batches

    def test_a_gpu_that_is_not_there_is_refused(self, refusal):
        if any(each.platform == "gpu" for each in jax.devices()):
            pytest.skip("it is there")
        data = serialized(lambda x: x, shape("rows"), platforms=["cuda", "cpu"])
        assert refusal(data, device="cuda:0").kind is ErrorKind.LOAD_FAILED
        assert "export it with platforms=['cuda']" in refusal(serialized(lambda x: x, shape("rows")), device="cuda").message
        assert refusal(data, device="tpu").kind is ErrorKind.TASK_ATTRIBUTE

    @pytest.mark.parametrize("allow_code", [False, True])
    def test_functions_of_the_exporting_process_are_refused(self, refusal, allow_code):
        def function(x):
            # JAX exports no callbacks; a file of another's making may have one all the same.
            return jax.ffi.ffi_call("xla_ffi_python_cpu_callback", jax.ShapeDtypeStruct((3,), np.float32))(x, index=np.uint64(7))

        checks = [export.DisabledSafetyCheck.custom_call("xla_ffi_python_cpu_callback")]
        error = refusal(serialized(function, shape("3"), disabled_checks=checks), allow_code=allow_code)
        assert error.kind is ErrorKind.LOAD_FAILED
        assert "callback" in error.message

    def test_native_functions_of_unknown_names_need_the_operators_word(self, load, refusal):
        def function(x):
            return jax.ffi.ffi_call("someones_kernel", jax.ShapeDtypeStruct((3,), np.float32))(x)

        data = serialized(function, shape("3"), disabled_checks=[export.DisabledSafetyCheck.custom_call("someones_kernel")])
        error = refusal(data)
        assert error.kind is ErrorKind.CODE_NOT_ALLOWED
        assert "someones_kernel" in error.message
        with pytest.raises(jax.errors.JaxRuntimeError, match="someones_kernel"):
            load(data, allow_code=True)

    def test_functions_that_jax_vouches_for_are_called(self, load):
        adapter = load(serialized(lambda x: jax.numpy.linalg.svd(x, compute_uv=False), shape("rows, 2, 2")))
        block = np.eye(2, dtype=np.float32)[None] * [[[3]], [[5]]]
        answer = adapter.predict({"input_0": block.astype(np.float32)})["output_0"]
        np.testing.assert_allclose(answer, [[3, 3], [5, 5]], rtol=1e-5)

    @pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
    def test_a_file_cut_off_is_refused(self, refusal, product, part):
        error = refusal(product[: int(len(product) * part)])
        assert error.kind is ErrorKind.LOAD_FAILED
        assert "export" in error.message

    def test_a_module_that_is_damaged_is_refused(self, refusal, product):
        data = bytearray(product)
        place = data.index(b"ML\xefR") + 40
        data[place : place + 200] = bytes(200)
        assert refusal(data).kind is ErrorKind.LOAD_FAILED

    def test_several_devices_are_refused(self, refusal, product):
        data = bytearray(product)
        fields = jax_file._root(bytes(data))
        struct.pack_into("<I", data, fields[18], 8)
        assert "8 devices" in refusal(data).message

    def test_a_function_without_arguments_is_refused(self, refusal):
        assert "takes nothing" in refusal(serialized(lambda: jax.numpy.ones(3))).message

    def test_a_task_that_contradicts_it_is_refused(self, refusal, product):
        assert refusal(product, inputs=(TensorSpec("x", "FP32", (None, 4)),)).kind is ErrorKind.INPUT_SPEC
        assert refusal(product, outputs=(TensorSpec("output_0", "INT64", (None, 3)),)).kind is ErrorKind.OUTPUT_SPEC
