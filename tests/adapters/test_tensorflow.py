import re
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.cases.tensorflow import flower, tensorflow, tensorflow_frozen, tensorflow_of_version_one
from zeromind import datatypes, importing
from zeromind.adapters import tensorflow_file
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.tensorflow import TensorflowAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.plugins import Plugins
from zeromind.tensors import TensorSpec

ROWS = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)
HARMLESS = {
    # Names of outputs, directions of recurrent layers, numbers, tensors: no files, whatever their arguments are called.
    "ApproxTopK", "CTCBeamSearchDecoder", "CollectivePermute", "InTopK", "InTopKV2", "RiscSort", "Skipgram", "TensorSliceDataset",
}  # fmt: skip


def saved(folder, **functions):
    """A SavedModel whose signatures are these functions, each with the specs of its inputs."""
    tf = tensorflow()
    with importing.silence():
        traced = {
            name: tf.function(call, input_signature=[tf.TensorSpec(*spec) for spec in specs]) for name, (call, *specs) in functions.items()
        }
        module = tf.Module()
        module.traced = traced
        tf.saved_model.save(module, str(folder), signatures={name: each.get_concrete_function() for name, each in traced.items()})
    return folder


def single(folder, call, *specs):
    return saved(folder, serving_default=(call, *specs))


def load(path, **source):
    return TensorflowAdapter(Source(ModelFile(path), **source))


def frozen(folder, build):
    """The graph that ``build`` makes with TensorFlow 1's functions."""
    v1 = tensorflow().compat.v1
    with importing.silence(), v1.Graph().as_default() as graph:
        build(v1)
    path = folder / "graph"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def refused(path, kind, match, **source):
    with pytest.raises(ZeroMindError, match=match) as caught:
        load(path, **source)
    assert caught.value.kind is kind


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    folder = tmp_path_factory.mktemp("iris")
    module = flower()
    with importing.silence():
        tensorflow().saved_model.save(module, str(folder), signatures=module.scores)
    return folder


class TestSavedModels:
    def test_the_default_signature_or_the_one_that_the_task_names(self, tmp_path):
        tf = tensorflow()
        spec = ((None,), tf.float32)
        saved(tmp_path, serving_default=(lambda x: {"y": 2 * x}, spec), triple=(lambda x: {"z": 3 * x}, spec))
        x = np.float32([1, 2])
        np.testing.assert_array_equal(load(tmp_path).predict({"x": x})["y"], 2 * x)
        np.testing.assert_array_equal(load(tmp_path, options={"signature": "triple"}).predict({"x": x})["z"], 3 * x)
        refused(tmp_path, ErrorKind.TASK_ATTRIBUTE, "'serving_default', 'triple'", options={"signature": "double"})

    def test_a_folder_of_versions_stands_for_the_newest(self, iris, tmp_path):
        tf = tensorflow()
        single(tmp_path / "9", lambda flower: {"old": flower}, ((None, 4), tf.float32))
        shutil.copytree(iris, tmp_path / "10")
        (tmp_path / "11").mkdir()
        (tmp_path / "logs").mkdir()
        file = ModelFile(tmp_path)
        assert [adapter.name for adapter in Plugins().adapters() if adapter.recognises(file)] == ["tensorflow"]
        assert {spec.name for spec in load(tmp_path).spec.outputs} == {"best", "scores"}

    def test_tags_choose_among_several_graphs(self, tmp_path):
        v1 = tensorflow().compat.v1
        with importing.silence():
            builder = v1.saved_model.builder.SavedModelBuilder(str(tmp_path / "model"))
            for tags, factor in (["serve"], 2.0), (["serve", "gpu"], 3.0):
                with v1.Graph().as_default(), v1.Session() as session:
                    x, weight = v1.placeholder(v1.float32, (None,)), v1.Variable(factor)
                    session.run(v1.global_variables_initializer())
                    signatures = {"serving_default": v1.saved_model.predict_signature_def({"x": x}, {"y": x * weight})}
                    arguments = [session, tags, signatures] if factor == 2 else [tags, signatures]
                    getattr(builder, "add_meta_graph_and_variables" if factor == 2 else "add_meta_graph")(*arguments)
            builder.save()
        x = np.float32([1, 2])
        for options in ({}, {"tags": ["serve"]}, {"tags": ["gpu", "serve"]}):
            np.testing.assert_array_equal(load(tmp_path / "model", options=options).predict({"x": x})["y"], 2 * x)
        for wrong in (["train"], "serve", [1]):
            refused(tmp_path / "model", ErrorKind.TASK_ATTRIBUTE, "'tags' must list", options={"tags": wrong})

    def test_without_signatures_it_says_what_to_do(self, tmp_path):
        tf = tensorflow()
        with importing.silence():
            tf.saved_model.save(tf.Module(), str(tmp_path))
        refused(tmp_path, ErrorKind.LOAD_FAILED, "has no signatures: give .* or use Keras")

    def test_every_type_passes_through(self, tmp_path):
        tf = tensorflow()
        names = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
        names += ("float16", "bfloat16", "float32", "float64", "string")
        specs = [((None, 2), tf.as_dtype(name), name) for name in names]
        adapter = load(single(tmp_path, lambda *all_: {f"{x.dtype.name}_out": tf.identity(x) for x in all_}, *specs))
        inputs = {name: np.array([[0, 1], [1, 0]], datatypes.NUMPY_OF[datatypes.parse_datatype(name)]) for name in names[:-1]}
        inputs["string"] = np.array([[b"\xff\0a", b""], ["é".encode(), b"x"]], object)
        answer = adapter.predict(inputs)
        for spec in adapter.spec.inputs:
            assert spec.datatype == datatypes.parse_datatype(spec.name)
            assert answer[f"{spec.name}_out"].dtype == spec.dtype
            np.testing.assert_array_equal(answer[f"{spec.name}_out"], inputs[spec.name])

    def test_a_type_that_no_wire_carries_is_refused(self, tmp_path):
        tf = tensorflow()
        refused(single(tmp_path, lambda x: {"y": x + 0}, ((None,), tf.complex64)), ErrorKind.LOAD_FAILED, "complex64, which no wire")

    def test_a_shape_that_the_file_lacks_comes_from_the_task(self, tmp_path):
        tf = tensorflow()
        single(tmp_path, lambda x: {"y": x * 2}, (None, tf.float32))
        refused(tmp_path, ErrorKind.INPUT_SPEC, "no shape for 'x': list it in the task's 'inputs'")
        x, y = (TensorSpec(name, "FP32", (None, 3)) for name in "xy")
        refused(tmp_path, ErrorKind.OUTPUT_SPEC, "no shape for 'y': list it in the task's 'outputs'", inputs=(x,))
        adapter = load(tmp_path, inputs=(x,), outputs=(y,))
        assert adapter.spec.batches
        np.testing.assert_array_equal(adapter.predict({"x": np.ones((2, 3), np.float32)})["y"], np.full((2, 3), 2))


class TestBatches:
    @pytest.mark.parametrize("rows", [1, 4])
    def test_a_fixed_number_of_rows_serves_any(self, tmp_path, rows):
        tf = tensorflow()
        spec = ((rows, 3), tf.float32)
        adapter = load(single(tmp_path, lambda a, b: {"c": a - tf.exp(b)}, spec, spec))
        assert adapter.spec.batches
        for size in (0, 1, 4, 6):
            a, b = np.arange(size * 3, dtype=np.float32).reshape(size, 3), np.full((size, 3), 0.5, np.float32)
            np.testing.assert_allclose(adapter.predict({"a": a, "b": b})["c"], a - np.exp(b), rtol=1e-6)

    def test_rows_that_depend_on_each_other_do_not_batch(self, tmp_path):
        tf = tensorflow()
        for number, rows in enumerate((4, None)):
            adapter = load(
                single(tmp_path / str(number), lambda x: {"y": x - tf.reduce_mean(x, 0, keepdims=True)}, ((rows, 3), tf.float32))
            )
            assert not adapter.spec.batches
            assert adapter.spec.inputs[0].shape == (rows, 3)

    def test_no_batch_at_all(self, tmp_path):
        tf = tensorflow()
        adapter = load(single(tmp_path, lambda x, n: {"y": x * n}, ((3,), tf.float32), ((), tf.float32)))
        assert not adapter.spec.batches
        np.testing.assert_array_equal(adapter.predict({"x": np.float32([1, 2, 3]), "n": np.float32(2)})["y"], [2, 4, 6])

    def test_open_sizes_within_a_row(self, tmp_path):
        tf = tensorflow()
        adapter = load(single(tmp_path, lambda x: {"y": tf.reduce_sum(x, 1)}, ((None, None, 2), tf.float32)))
        assert adapter.spec.batches
        for rows, length in ((1, 7), (3, 2)):
            np.testing.assert_array_equal(adapter.predict({"x": np.ones((rows, length, 2), np.float32)})["y"], np.full((rows, 2), length))


class TestFrozenGraphs:
    @staticmethod
    def two(v1):
        a, b = v1.placeholder(v1.float32, (None, 2), "a"), v1.placeholder_with_default([[1.0, 1.0]], (None, 2), "b")
        v1.add(a, b, name="sum")
        v1.split(a, 2, axis=1, name="halves")

    def test_placeholders_come_in_and_what_nothing_uses_goes_out(self, tmp_path):
        adapter = load(frozen(tmp_path, self.two))
        assert adapter.spec.inputs == (TensorSpec("a", "FP32", (None, 2), ("a:0",)),)
        assert {spec.name: spec.shape for spec in adapter.spec.outputs} == {
            "sum": (None, 2), "halves:0": (None, 1), "halves:1": (None, 1),
        }  # fmt: skip

    def test_the_task_names_tensors_with_or_without_their_number(self, tmp_path):
        shape = (None, 2)
        given_in = (TensorSpec("a:0", "FP32", shape), TensorSpec("b", "FP32", shape))
        adapter = load(frozen(tmp_path, self.two), inputs=given_in, outputs=(TensorSpec("halves:1", "FP32", (None, 1)),))
        assert [spec.name for spec in adapter.spec.inputs] == ["a:0", "b"]
        x = np.float32([[1, 2], [3, 4]])
        np.testing.assert_array_equal(adapter.predict({"a:0": x, "b": x})["halves:1"], x[:, 1:])

    def test_what_the_task_names_must_be_there(self, tmp_path):
        path, spec = frozen(tmp_path, self.two), TensorSpec("c", "FP32", (None, 2))
        refused(path, ErrorKind.INPUT_SPEC, "no tensor 'c'", inputs=(spec,))
        refused(path, ErrorKind.OUTPUT_SPEC, "no tensor 'c'", outputs=(spec,))
        refused(path, ErrorKind.INPUT_SPEC, "depend on 'a'", inputs=(TensorSpec("b", "FP32", (None, 2)),))

    def test_an_input_that_is_an_output_has_memory_of_its_own(self, tmp_path):
        path, spec = frozen(tmp_path, self.two), (TensorSpec("a", "FP32", (None, 2)),)
        adapter, x = load(path, inputs=spec, outputs=spec), np.ones((2, 2), np.float32)
        assert not np.shares_memory(adapter.predict({"a": x})["a"], x)

    def test_a_graph_that_is_not_frozen_is_refused(self, tmp_path):
        path = frozen(tmp_path, lambda v1: v1.multiply(v1.placeholder(v1.float32, (None,)), v1.get_variable("w", (1,)), name="y"))
        refused(path, ErrorKind.LOAD_FAILED, "variable 'w' has no value in the file: freeze", outputs=(TensorSpec("y", "FP32", (None,)),))


class TestCode:
    def test_files_need_the_operators_word(self, tmp_path):
        tf = tensorflow()
        single(tmp_path / "model", lambda name: {"text": tf.map_fn(tf.io.read_file, name)}, ((None,), tf.string))
        assert TensorflowAdapter.carries_code(ModelFile(tmp_path / "model")) == "the operator ReadFile"
        refused(tmp_path / "model", ErrorKind.CODE_NOT_ALLOWED, "the operator ReadFile")
        (tmp_path / "secret").write_text("secret")
        adapter = load(tmp_path / "model", allow_code=True)
        name = np.array([str(tmp_path / "secret").encode()], object)
        assert adapter.predict({"name": name})["text"].tolist() == [b"secret"]

    @pytest.mark.parametrize("operator", ["WriteFile", "EagerPyFunc", "PyFunc", "SaveV2", "PrintV2"])
    def test_so_do_others_in_frozen_graphs(self, tmp_path, operator):
        def build(v1):
            text = v1.placeholder(v1.string, (), "text")
            made = {
                "WriteFile": lambda: tensorflow().io.write_file(text, text),
                "EagerPyFunc": lambda: tensorflow().py_function(lambda x: x, [text], v1.string),
                "PyFunc": lambda: v1.py_func(lambda x: x, [text], v1.string),
                "SaveV2": lambda: tensorflow().raw_ops.SaveV2(prefix=text, tensor_names=["a"], shape_and_slices=[""], tensors=[text]),
                "PrintV2": lambda: tensorflow().print(text, output_stream="file:///tmp/out"),
            }
            made[operator]()

        assert TensorflowAdapter.carries_code(ModelFile(frozen(tmp_path, build))) == f"the operator {operator}"

    def test_what_is_served_may_not_save(self, tmp_path):
        tf = tensorflow()

        def save(prefix):
            tf.raw_ops.SaveV2(prefix=prefix[0], tensor_names=["a"], shape_and_slices=[""], tensors=[prefix])
            return {"same": tf.identity(prefix)}

        single(tmp_path, save, ((None,), tf.string))
        assert TensorflowAdapter.carries_code(ModelFile(tmp_path)).startswith("the operator ")

    def test_tables_must_come_from_assets(self, tmp_path):
        case = tensorflow_of_version_one(tmp_path)
        assert case.code == TensorflowAdapter.carries_code(case.file) == ""

        def table(v1):
            lookup = tensorflow().lookup
            column = lookup.TextFileIndex
            known = lookup.TextFileInitializer("/etc/passwd", v1.int64, column.LINE_NUMBER, v1.string, column.WHOLE_LINE)
            v1.identity(lookup.StaticHashTable(known, "").lookup(v1.placeholder(v1.int64, (None,), "n")), name="line")

        assert TensorflowAdapter.carries_code(ModelFile(frozen(tmp_path, table))) == "a table from a file that is no asset"

    def test_an_asset_may_not_lead_out_of_its_folder(self, tmp_path):
        path = tensorflow_of_version_one(tmp_path).path
        pb = path / "saved_model.pb"
        pb.write_bytes(pb.read_bytes().replace(b"words.txt", b"../../txt"))
        assert TensorflowAdapter.carries_code(ModelFile(path)) == "an asset outside its folder, '../../txt'"

    def test_no_operator_that_takes_a_file_is_forgotten(self):
        """Of all operators that TensorFlow has, by the names of their inputs and settings."""
        tensorflow()
        from tensorflow.core.framework import op_def_pb2
        from tensorflow.python.client import pywrap_tf_session

        every = op_def_pb2.OpList()
        every.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
        files = re.compile("file|path|directory|address|url")
        takers = {op.name for op in every.op if any(files.search(each.name.lower()) for each in [*op.input_arg, *op.attr])}
        known = (tensorflow_file._OUTSIDE, tensorflow_file._SAVING, tensorflow_file._TABLE)
        assert {name for name in takers if not any(pattern.fullmatch(name) for pattern in known)} <= HARMLESS


class TestRecognition:
    def test_a_frozen_graph_is_ambiguous_to_opencv_alone(self, tmp_path):
        file = tensorflow_frozen(tmp_path).file
        assert {adapter.name for adapter in Plugins().adapters() if adapter.recognises(file)} == {"tensorflow", "opencv"}

    @given(st.binary(max_size=200))
    @settings(deadline=None)
    def test_noise_is_nothing(self, noise):
        assert not tensorflow_file.is_graph(noise)
        assert not tensorflow_file.is_saved_model(noise[:1])

    def test_folders_of_other_things_are_not_ours(self, tmp_path):
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "saved_model.pb").write_bytes(b"nothing")
        assert not TensorflowAdapter.recognises(ModelFile(tmp_path))

    @given(st.integers(0, 10_000), st.binary(min_size=1, max_size=20))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
    def test_damage_is_no_surprise(self, iris, tmp_path, place, noise):
        data = bytearray((iris / "saved_model.pb").read_bytes())
        data[place : place + len(noise)] = noise
        (tmp_path / "saved_model.pb").write_bytes(data)
        file = ModelFile(tmp_path)
        TensorflowAdapter.recognises(file)
        assert isinstance(TensorflowAdapter.carries_code(file), str)


class TestFaults:
    def test_variables_that_are_missing(self, iris, tmp_path):
        shutil.copyfile(iris / "saved_model.pb", tmp_path / "saved_model.pb")
        refused(tmp_path, ErrorKind.LOAD_FAILED, f"TensorFlow cannot load {tmp_path.name}: ")

    def test_values_that_the_model_cannot_take_are_the_clients_fault(self, tmp_path):
        tf = tensorflow()
        adapter = load(single(tmp_path, lambda n: {"row": tf.gather(tf.constant([1.0, 2.0]), n)}, ((None,), tf.int32)))
        with pytest.raises(ZeroMindError, match=r"cannot compute with these inputs: indices.* = 7 is not in") as caught:
            adapter.predict({"n": np.int32([7])})
        assert caught.value.kind is ErrorKind.INVALID_INPUT
        np.testing.assert_array_equal(adapter.predict({"n": np.int32([1])})["row"], [2])

    def test_a_gpu_that_is_not_there(self, iris):
        refused(iris, ErrorKind.LOAD_FAILED, "TensorFlow cannot use cuda:99: ", device="cuda:99")
        refused(iris, ErrorKind.TASK_ATTRIBUTE, "device 'tpu'", device="tpu")

    def test_a_task_that_contradicts_the_file(self, iris):
        refused(iris, ErrorKind.INPUT_SPEC, "the task says float64", inputs=(TensorSpec("flower", "FP64", (None, 4)),))

    def test_a_closed_model_has_let_go(self, iris):
        adapter = load(iris)
        adapter.close()
        with pytest.raises(RuntimeError, match="closed"):
            adapter.predict({"flower": ROWS})


class TestHidden:
    """Graphs that hide what they reach for."""

    @staticmethod
    def judged(tmp_path, change):
        tf = tensorflow()
        graph = tf.compat.v1.GraphDef()
        change(graph)
        (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
        return tensorflow_file.danger(tmp_path / "graph.pb", saved=False)

    @pytest.mark.parametrize("operator", ["ImmutableConst", "Skipgram", "MatchingFiles", "ReadFile", "WriteFile", "DecodeProtoV2"])
    def test_operators_that_name_a_file(self, tmp_path, operator):
        def change(graph):
            node = graph.node.add()
            node.name, node.op = "x", operator

        assert self.judged(tmp_path, change) == f"the operator {operator}"

    def test_the_place_to_print_to_comes_from_who_calls_the_function(self, tmp_path):
        def change(graph):
            body = graph.library.function.add()
            body.signature.name = "f"
            node = body.node_def.add()
            node.name, node.op = "print", "PrintV2"
            node.attr["output_stream"].placeholder = "place"
            call = graph.node.add()
            call.name, call.op = "call", "f"
            call.attr["place"].s = b"file:///tmp/none"

        assert self.judged(tmp_path, change) == "the operator PrintV2"

    def test_what_restores_variables_may_not_save_nor_read_from_elsewhere(self, iris, tmp_path):
        from tensorflow.core.protobuf import saved_model_pb2

        whole = saved_model_pb2.SavedModel.FromString((iris / "saved_model.pb").read_bytes())
        assert tensorflow_file.danger(iris / "saved_model.pb", saved=True) == ""
        for operator in ("Save", "RestoreV2"):
            made = saved_model_pb2.SavedModel.FromString(whole.SerializeToString())
            graph = made.meta_graphs[0]
            path, evil = graph.graph_def.node.add(), graph.graph_def.node.add()
            path.name, path.op = "path", "Const"
            evil.name, evil.op = "evil", operator
            evil.input.append("path")
            graph.saver_def.restore_op_name = "evil"
            (tmp_path / "saved_model.pb").write_bytes(made.SerializeToString())
            assert tensorflow_file.danger(tmp_path / "saved_model.pb", saved=True)
