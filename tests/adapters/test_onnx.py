import os
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from zeromind import datatypes
from zeromind.adapters import onnx_file
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.onnx import OnnxAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

FLOAT, INT64, STRING, BFLOAT16 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.BFLOAT16
value = helper.make_tensor_value_info


def model(nodes, inputs, outputs, **parts):
    functions = parts.pop("functions", [])
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid("own", 1) for _ in functions)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, **parts)
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=functions)


def saved(made, folder):
    path = folder / "model"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path


def serve(made, folder, **source):
    return OnnxAdapter(Source(ModelFile(saved(made, folder)), **source))


def single(operator, shape, out, type_=FLOAT, out_type=None, **attributes):
    """A model of one operator with the input ``x`` and the output ``y``."""
    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    return model([node], [value("x", type_, shape)], [value("y", out_type or type_, out)])


def identity(type_=FLOAT, shape=(None, 2), out=None):
    return model([helper.make_node("Identity", ["x"], ["y"])], [value("x", type_, shape)], [value("y", type_, out or shape)])


def added(shape_a, shape_b, shape_c):
    return model(
        [helper.make_node("Add", ["a", "b"], ["c"])], [value("a", FLOAT, shape_a), value("b", FLOAT, shape_b)], [value("c", FLOAT, shape_c)]
    )


@pytest.mark.parametrize("datatype", datatypes.NUMPY_OF)
def test_every_datatype_passes_through_bit_for_bit(tmp_path, datatype):
    dtype = datatypes.NUMPY_OF[datatype]
    array = np.array([[b"\xc3\xa9", b""]], object) if datatype == "BYTES" else np.array([[0, 1], [1, 0]], dtype)
    own = {"BYTES": STRING, "BF16": BFLOAT16}
    adapter = serve(identity(own[datatype] if datatype in own else helper.np_dtype_to_tensor_dtype(dtype)), tmp_path)
    assert adapter.spec.inputs == (TensorSpec("x", datatype, (None, 2)),)
    assert adapter.spec.outputs == (TensorSpec("y", datatype, (None, 2)),)
    answer = adapter.predict({"x": array})["y"]
    assert answer.dtype == dtype
    np.testing.assert_array_equal(answer, array)


def test_text_that_is_not_utf8_is_the_clients_fault(tmp_path):
    with pytest.raises(UnicodeDecodeError):
        serve(identity(STRING), tmp_path).predict({"x": np.array([[b"\xff", b""]], object)})


def test_several_inputs_and_outputs_keep_their_names(tmp_path):
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])]
    tensors = [value(name, FLOAT, ["n", 3]) for name in ("a", "b", "sum", "difference")]
    adapter = serve(model(nodes, tensors[:2], tensors[2:]), tmp_path)
    a, b = np.float32([[1, 2, 3]]), np.float32([[4, 5, 6]])
    answer = adapter.predict({"b": b, "a": a})
    np.testing.assert_array_equal(answer["sum"], a + b)
    np.testing.assert_array_equal(answer["difference"], a - b)


@pytest.mark.parametrize("shape", [(), (0, 2), (2, 0), (3, 2)])
def test_bfloat16_of_any_shape_comes_back_rounded_as_the_type_is(tmp_path, shape):
    adapter = serve(identity(BFLOAT16, ["n"] * len(shape)), tmp_path)
    array = np.full(shape, 1.0078125 + 2**-10, np.float32)
    answer = adapter.predict({"x": array})["y"]
    assert (answer.dtype, answer.shape) == (np.float32, shape)
    np.testing.assert_array_equal(answer, np.full(shape, 1.0078125))


def test_bfloat16_beside_other_types(tmp_path):
    nodes = [helper.make_node("Cast", ["x"], ["half"], to=BFLOAT16), helper.make_node("Cast", ["h"], ["wide"], to=FLOAT)]
    inputs = [value("x", FLOAT, ["n"]), value("h", BFLOAT16, ["n"])]
    adapter = serve(model(nodes, inputs, [value("half", BFLOAT16, ["n"]), value("wide", FLOAT, ["n"])]), tmp_path)
    numbers = np.float32([1.5, np.inf, -np.inf, np.nan])
    answer = adapter.predict({"x": numbers[::-1], "h": numbers})
    np.testing.assert_array_equal(answer["half"], numbers[::-1])
    np.testing.assert_array_equal(answer["wide"], numbers)


def test_bfloat16_that_onnx_runtime_does_not_give_is_refused(tmp_path):
    nodes = [helper.make_node("Identity", ["text"], ["same"]), helper.make_node("Cast", ["x"], ["y"], to=BFLOAT16)]
    tensors = [value("text", STRING, ["n"]), value("x", FLOAT, ["n"]), value("same", STRING, ["n"]), value("y", BFLOAT16, ["n"])]
    with pytest.raises(ZeroMindError, match="cast these outputs to float32") as caught:
        serve(model(nodes, tensors[:2], tensors[2:]), tmp_path)
    assert caught.value.kind is ErrorKind.LOAD_FAILED


@pytest.mark.parametrize(
    ("shapes", "batches"),
    [
        ((["n", 3], ["n", 3], ["n", 3]), True),
        (([None, 3], [None, 3], [None, 3]), True),
        ((["unk__1", 3], ["unk__2", 3], ["unk__3", 3]), True),
        ((["n", 3], [None, 3], ["n", 3]), True),
        (([None, None], [None, None], [None, None]), True),
        ((["n", 3], ["m", 3], [None, 3]), False),
        (([2, 3], [2, 3], [2, 3]), False),
        ((["n", 3], [3], ["n", 3]), False),
        (([], [], []), False),
    ],
)
def test_the_batch_is_a_first_dimension_that_all_share(tmp_path, shapes, batches):
    assert serve(added(*shapes), tmp_path).spec.batches is batches


@pytest.mark.parametrize(
    ("made", "batches"),
    [
        (single("Relu", [None, 2], [None, 2]), True),
        (single("Relu", [None, 1, None, None], [None, 1, None, None]), True),
        (single("Flatten", [None, None, None], [None, None], axis=1), True),
        (single("Flatten", [None, None, None], [None, None], axis=2), False),
        (single("Transpose", [None, None], [None, None]), False),
        (single("Unique", [None], [None]), False),
        (single("Unique", [None, 2], [None, 2], STRING, axis=0), False),
        (single("GlobalAveragePool", [None, 3, None, None], [None, 3, 1, 1]), True),
    ],
)
def test_dimensions_without_a_name_are_a_batch_if_the_model_behaves_so(tmp_path, made, batches):
    assert serve(made, tmp_path).spec.batches is batches


def test_pictures_of_open_size_are_a_batch_though_small_ones_are_refused(tmp_path):
    weights = numpy_helper.from_array(np.ones((1, 1, 40, 40), np.float32), "w")
    shape = [None, 1, None, None]
    convolution = helper.make_node("Conv", ["x", "w"], ["y"])
    made = model([convolution], [value("x", FLOAT, shape)], [value("y", FLOAT, shape)], initializer=[weights])
    assert serve(made, tmp_path).spec.batches


@pytest.mark.parametrize(
    ("made", "batches"),
    [
        (single("Softmax", ["n", 3], ["n", 3], axis=1), True),
        (single("Softmax", ["n", 3], ["n", 3], axis=0), False),
        (single("Softmax", ["n"], ["n"], axis=0), False),
        (single("ArgMax", ["n", "k"], ["n"], out_type=INT64, axis=1, keepdims=0), True),
        (single("EyeLike", ["n", "n"], ["n", "n"]), False),
        (single("LpNormalization", ["n", 4], ["n", 4], axis=0), False),
        (single("RandomNormalLike", ["n", 4], ["n", 4]), True),
        (single("Identity", ["n"], ["n"], BFLOAT16), True),
    ],
)
def test_rows_that_depend_on_their_neighbours_are_no_batch_whatever_their_name(tmp_path, made, batches):
    assert serve(made, tmp_path).spec.batches is batches


def test_where_no_row_can_be_made_up_the_names_decide(tmp_path):
    for name, batches in (("n", True), (None, False)):
        table = numpy_helper.from_array(np.ones((1, 2), np.float32), "table")  # has no place 1
        gather = helper.make_node("Gather", ["table", "x"], ["y"])
        made = model([gather], [value("x", INT64, [name])], [value("y", FLOAT, [name, 2])], initializer=[table])
        assert serve(made, tmp_path).spec.batches is batches


def test_inputs_that_need_not_agree_are_no_batch(tmp_path):
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    made = model([node], [value("a", FLOAT, [None, 4]), value("b", FLOAT, [None, 4, 4])], [value("c", FLOAT, [None, None, 4])])
    assert not serve(made, tmp_path).spec.batches
    nodes = [helper.make_node("Relu", ["a"], ["c"]), helper.make_node("Relu", ["b"], ["d"])]
    tensors = [value(name, FLOAT, [None, 4]) for name in "abcd"]
    assert not serve(model(nodes, tensors[:2], tensors[2:]), tmp_path).spec.batches


def test_what_is_not_a_batch_is_answered_as_the_model_has_it(tmp_path):
    answer = serve(single("Unique", [None], [None]), tmp_path).predict({"x": np.float32([2, 1, 2])})
    assert answer["y"].tolist() == [1, 2]


def test_a_first_dimension_that_the_task_closes_is_no_batch(tmp_path):
    adapter = serve(identity(shape=["n", 2]), tmp_path, inputs=(TensorSpec("x", "FP32", (1, 2)),))
    assert not adapter.spec.batches


def test_a_model_without_inputs(tmp_path):
    constant = numpy_helper.from_array(np.float32([1, 2]), "c")
    made = model([helper.make_node("Identity", ["c"], ["y"])], [], [value("y", FLOAT, [None])], initializer=[constant])
    adapter = serve(made, tmp_path)
    assert (adapter.spec.inputs, adapter.spec.batches) == ((), False)
    assert adapter.predict({})["y"].tolist() == [1, 2]


def test_initializers_among_the_inputs_keep_their_values(tmp_path):
    made = added([2], [2], [2])
    made.graph.initializer.append(numpy_helper.from_array(np.float32([10, 20]), "b"))
    adapter = serve(made, tmp_path)
    assert [spec.name for spec in adapter.spec.inputs] == ["a"]
    assert adapter.predict({"a": np.float32([1, 2])})["c"].tolist() == [11, 22]


def test_an_input_without_a_shape_takes_that_of_the_task(tmp_path):
    made = identity(shape=None)
    with pytest.raises(ZeroMindError, match="no shape for input 'x': list it in the task's 'inputs'") as caught:
        serve(made, tmp_path)
    assert caught.value.kind is ErrorKind.INPUT_SPEC
    adapter = serve(made, tmp_path, inputs=(TensorSpec("x", "FP32", (None, 2)),))
    assert adapter.predict({"x": np.ones((3, 2), np.float32)})["y"].shape == (3, 2)


def test_scalars(tmp_path):
    answer = serve(added([], [], []), tmp_path).predict({"a": np.array(1, np.float32), "b": np.array(2, np.float32)})
    assert isinstance(answer["c"], np.ndarray)
    assert answer["c"].shape == ()


def test_no_rows_give_no_rows(tmp_path):
    answer = serve(identity(out=["n", 2]), tmp_path).predict({"x": np.empty((0, 2), np.float32)})
    assert (answer["y"].shape, answer["y"].dtype) == ((0, 2), np.float32)


def test_sizes_that_disagree_are_the_clients_fault(tmp_path):
    adapter = serve(added(["n", "k"], ["n", "k"], ["n", "k"]), tmp_path)
    with pytest.raises(ZeroMindError, match="'k' is both 2 and 3") as caught:
        adapter.predict({"a": np.ones((1, 2), np.float32), "b": np.ones((1, 3), np.float32)})
    assert caught.value.kind is ErrorKind.INVALID_INPUT


def test_values_out_of_range_are_the_clients_fault(tmp_path):
    table = numpy_helper.from_array(np.ones((4, 2), np.float32), "table")
    made = model(
        [helper.make_node("Gather", ["table", "x"], ["y"])], [value("x", INT64, ["n"])], [value("y", FLOAT, ["n", 2])], initializer=[table]
    )
    with pytest.raises(ZeroMindError, match="out of data bounds") as caught:
        serve(made, tmp_path).predict({"x": np.array([7])})
    assert caught.value.kind is ErrorKind.INVALID_INPUT


def test_a_converted_classifiers_maps_become_an_array(tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.linear_model import LogisticRegression

    rows = np.float32([[0, 1], [1, 0], [1, 1], [0, 0]])
    for classes in ([3, 1, 2, 1], ["c", "a", "b", "a"]):
        trained = LogisticRegression().fit(rows, classes)
        adapter = serve(skl2onnx.to_onnx(trained, rows[:1]), tmp_path)
        assert [(spec.name, spec.shape) for spec in adapter.spec.outputs] == [
            ("output_label", (None,)),
            ("output_probability", (None, None)),
        ]
        assert adapter.spec.batches
        np.testing.assert_allclose(adapter.predict({"X": rows})["output_probability"], trained.predict_proba(rows), rtol=1e-5)
        assert adapter.predict({"X": rows[:0]})["output_probability"].shape[0] == 0


def test_types_that_no_wire_carries_are_refused_by_name(tmp_path):
    eighth = TensorProto.FLOAT8E4M3FN
    with pytest.raises(ZeroMindError, match=r"'y' is of type.*float8e4m3fn") as caught:
        serve(model([helper.make_node("Cast", ["x"], ["y"], to=eighth)], [value("x", FLOAT, [2])], [value("y", eighth, [2])]), tmp_path)
    assert caught.value.kind is ErrorKind.LOAD_FAILED


def test_a_task_may_close_open_dimensions_only(tmp_path):
    adapter = serve(identity(shape=[None, None]), tmp_path, inputs=(TensorSpec("x", "FP32", (None, 2)),))
    assert adapter.spec.inputs[0].shape == (None, 2)
    for spec, kind in ((TensorSpec("z", "FP32", (None, 2)), "no tensor 'z'"), (TensorSpec("x", "FP64", (None, 2)), "is float32")):
        with pytest.raises(ZeroMindError, match=kind) as caught:
            serve(identity(), tmp_path, inputs=(spec,))
        assert caught.value.kind is ErrorKind.INPUT_SPEC


def test_threads_are_those_of_the_task(tmp_path):
    assert serve(identity(), tmp_path, threads=3)._session.get_session_options().intra_op_num_threads == 3


def test_devices(tmp_path):
    import onnxruntime

    serve(identity(), tmp_path, device="cpu")
    for device in ("tpu", "cuda:x", "cpu:1", ""):
        with pytest.raises(ZeroMindError) as caught:
            serve(identity(), tmp_path, device=device)
        assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(ZeroMindError, match="onnxruntime-gpu") as caught:
            serve(identity(), tmp_path, device="cuda:0")
        assert caught.value.kind is ErrorKind.LOAD_FAILED


def test_what_is_cut_off_is_refused(tmp_path):
    whole = identity().SerializeToString()
    for size in range(1, len(whole) - 8):  # without its last field, the operator set, it is whole for protobuf
        with pytest.raises(ZeroMindError) as caught:
            serve(whole[:size], tmp_path)
        assert caught.value.kind is ErrorKind.LOAD_FAILED


class TestRecognising:
    def test_models_are_known_however_their_writer_ordered_them(self):
        made = identity()
        made.producer_name, made.doc_string = "somebody", "something" * 100
        whole = made.SerializeToString()
        assert onnx_file.is_model(whole)
        assert onnx_file.is_model(whole[:-20])
        opset = b"\x42\x04\x0a\x00\x10\x11"
        assert onnx_file.is_model(whole[:2] + opset + whole[2:])

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b"\x08\x01",
            b"\x08\x01\x12\x10" + b"\x0a\x0e" + b"x" * 14,  # TensorFlow's SavedModel: version, meta graphs
            b"\x0a\x03abc\x12\x02\x08\x01",  # TensorFlow's GraphDef, Caffe's NetParameter: a message first
            b"\x08\x08\x12\x04\x0a\x02hi\xa2\x1f\x02\x0a\x00",  # Core ML: version, description, the model in field 500
            b"\x08\x08\x3a\x02\x08\x01",  # field 7, but no graph
            b"\x3a\x04\x0a\x02xy",  # no version
            b"import numpy",
            b"PK\x03\x04",
            b"\x89HDF\r\n\x1a\n",
        ],
    )
    def test_other_files_are_not_models(self, head):
        assert not onnx_file.is_model(head)

    @given(st.binary(max_size=100))
    def test_noise_is_bearable(self, noise):
        onnx_file.is_model(noise)
        onnx_file.is_model(b"\x08\x08" + noise)


def external(location, name="w", dims=(2,)):
    tensor = TensorProto(name=name, data_type=FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="offset", value="0")
    return tensor


def everywhere(location):
    """A model for each of the places that may name external data."""
    w = external(location)
    x, y, c = value("x", FLOAT, [2]), value("y", FLOAT, [2]), value("c", TensorProto.BOOL, [])
    add = helper.make_node("Add", ["x", "w"], ["y"])
    constant = helper.make_node("Constant", [], ["w"], value=w)
    yield "initializer", model([add], [x], [y], initializer=[w])
    yield "constant", model([constant, add], [x], [y])
    branch = helper.make_graph([helper.make_node("Identity", ["w"], ["z"])], "b", [], [value("z", FLOAT, [2])], initializer=[w])
    yield "subgraph", model([helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)], [c], [y])
    function = helper.make_function("own", "F", ["x"], ["y"], [constant, add], [helper.make_opsetid("", 17)])
    yield "function", model([helper.make_node("F", ["x"], ["y"], domain="own")], [x], [y], functions=[function])
    sparse = helper.make_sparse_tensor(w, numpy_helper.from_array(np.array([0, 1]), "i"), [2])
    yield "sparse", model([add], [x], [y], sparse_initializer=[sparse])
    yield "sparse constant", model([helper.make_node("Constant", [], ["w"], sparse_value=sparse), add], [x], [y])
    training = model([add], [x], [y], initializer=[w])
    plain = identity(shape=[2])
    plain.training_info.add().initialization.CopyFrom(training.graph)
    yield "training", plain
    listed = helper.make_node("Custom", ["x"], ["y"], domain="own")
    listed.attribute.add(name="all", type=onnx.AttributeProto.TENSORS).tensors.append(w)
    yield "list of tensors", model([listed], [x], [y])


class TestExternalData:
    @pytest.mark.parametrize("location", ["weights.bin", "sub/weights.bin"])
    def test_beneath_the_models_folder_it_is_served(self, tmp_path, location):
        (tmp_path / "sub").mkdir()
        (tmp_path / location).write_bytes(np.float32([3, 4]).tobytes())
        for place in ("initializer", "constant"):
            adapter = serve(dict(everywhere(location))[place], tmp_path)
            assert adapter.predict({"x": np.float32([1, 1])})["y"].tolist() == [4, 5]

    @pytest.mark.proves("T7")
    @pytest.mark.parametrize(
        "location", ["/etc/passwd", "../out", "a/../../out", "absent", "sub", "link", "way/out", "twin", "pipe", "*/_ORT_MEM_ADDR_/*"]
    )
    def test_anything_else_is_refused_by_name_wherever_it_stands(self, tmp_path, location):
        folder = tmp_path / "in"
        folder.mkdir()
        (tmp_path / "out").write_bytes(bytes(8))
        (folder / "sub").mkdir()
        (folder / "link").symlink_to(tmp_path / "out")
        (folder / "way").symlink_to(tmp_path)
        os.link(tmp_path / "out", folder / "twin")
        os.mkfifo(folder / "pipe")
        for place, made in everywhere(location):
            with pytest.raises(ZeroMindError) as caught:
                serve(made, folder)
            assert caught.value.kind is ErrorKind.LOAD_FAILED, place
            assert caught.value.params == (location,), place

    def test_the_word_alone_harms_nobody(self, tmp_path):
        made = identity()
        made.doc_string = "location, location, location"
        assert serve(made, tmp_path).spec.batches

    def test_no_field_hides_behind_a_number_that_others_read_differently(self, tmp_path):
        graph = model(
            [helper.make_node("Add", ["x", "w"], ["y"])],
            [value("x", FLOAT, [2])],
            [value("y", FLOAT, [2])],
            initializer=[external("/etc/passwd")],
        )
        tensor = graph.graph.initializer[0].SerializeToString()
        at = tensor.index(b"\x6a")
        hidden = tensor[:at] + b"\xea\x80\x80\x80\x70" + tensor[at + 1 :]  # field 13, with bits beyond 32
        graph.graph.initializer[0].ClearField("external_data")
        bare = graph.SerializeToString()
        with pytest.raises(ZeroMindError):
            onnx_file.check_external_data(saved(bare + b"\x3a" + _sized(b"\x2a" + _sized(hidden)), tmp_path))

    def test_a_large_model_costs_little(self, tmp_path):
        big = numpy_helper.from_array(np.zeros(30_000_000, np.float32), "big")
        made = model(
            [helper.make_node("Identity", ["x"], ["y"])] * 2000, [value("x", FLOAT, [2])], [value("y", FLOAT, [2])], initializer=[big]
        )
        made.doc_string = "location"
        path = saved(made, tmp_path)
        start = time.perf_counter()
        onnx_file.check_external_data(path)
        assert time.perf_counter() - start < 5

    @given(st.binary(max_size=60), st.integers(0, 200))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_damage_is_a_known_error(self, tmp_path, noise, place):
        data = bytearray(dict(everywhere("absent"))["subgraph"].SerializeToString())
        data[place : place + len(noise)] = noise
        path = saved(bytes(data), tmp_path)
        try:
            onnx_file.check_external_data(path)
        except ZeroMindError as error:
            assert error.kind is ErrorKind.LOAD_FAILED  # noqa: PT017 - whether it fails at all depends on the example


def _sized(data):
    size, length = len(data), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return length + bytes([size]) + data


def test_onnx_runtime_writes_nothing_into_the_users_home(tmp_path):
    program = "from zeromind.adapters import onnx, onnx_values\nonnx_values.runtime(onnx.OnnxAdapter.require)"
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []


def test_whole_numbers_whose_rows_depend_on_each_other_are_no_batch(tmp_path):
    nodes = [helper.make_node("ReduceMax", ["x"], ["most"], axes=[0], keepdims=1), helper.make_node("Sub", ["x", "most"], ["y"])]
    made = model(nodes, [value("x", INT64, [None, 2])], [value("y", INT64, [None, 2])])
    assert not serve(made, tmp_path).spec.batches
    assert serve(identity(INT64), tmp_path).spec.batches


def test_an_address_in_memory_is_no_file(tmp_path):
    (tmp_path / "*").mkdir()
    (tmp_path / "*" / "_ORT_MEM_ADDR_").touch()
    with pytest.raises(ZeroMindError, match="no plain relative name"):
        serve(model([], [], [value("w", FLOAT, [2])], initializer=[external("*/_ORT_MEM_ADDR_")]), tmp_path)
