"""What needs no GPU of it; what does is in ``conformance/`` and at the end, and skipped where there is none."""

import importlib.util

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from zeromind import importing
from zeromind.adapters import tensorrt_build, tensorrt_file
from zeromind.adapters.base import Source, check_options
from zeromind.adapters.file import ModelFile
from zeromind.adapters.tensorrt import TensorrtAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

onnx = pytest.importorskip("onnx")
HEAD = b"ftrt" + bytes(20) + bytes([10, 3, 0, 26])


def gpu():
    """Why the tests that want one cannot run here; empty if they can."""
    with importing.silence():
        for module in ("tensorrt", "cuda", "cuda.bindings"):
            if importlib.util.find_spec(module) is None:
                return f"the package {module} is not installed: pip install 'zeromind[tensorrt]' on a machine with an NVIDIA GPU"
        error, count = importlib.import_module("cuda.bindings.runtime").cudaGetDeviceCount()
    return "" if count else f"CUDA finds no GPU: {error}"


NO_GPU = gpu()
needs_gpu = pytest.mark.skipif(bool(NO_GPU), reason=NO_GPU)


def model(operator="Relu", shape=("n", 2), out=None, **attributes):
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node(operator, ["x"], ["y"], **attributes)
    float_ = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph([node], "g", [value("x", float_, shape)], [value("y", float_, out or shape)])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def serve(content, folder, **source):
    path = folder / "nonsense"
    path.write_bytes(content)
    return TensorrtAdapter(Source(ModelFile(path), **source))


def refusal(kind, match, *arguments, **keywords):
    with pytest.raises(ZeroMindError, match=match) as caught:
        serve(*arguments, **keywords)
    assert caught.value.kind is kind


class TestRecognising:
    def test_an_engine_is_known_by_its_tag(self):
        assert tensorrt_file.is_plan(HEAD + b"anything")
        assert tensorrt_file.is_plan(HEAD)

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b"ftrt",
            HEAD[:24],
            b"ftrt is a word" + HEAD,
            HEAD[:24] + bytes(4),
            b"trtf" + HEAD[4:],
            b"ptrt" + HEAD[4:],
            b"PK\x03\x04" + HEAD,
        ],
    )
    def test_other_files_are_not(self, head):
        assert not tensorrt_file.is_plan(head)

    @given(st.binary(max_size=100))
    def test_noise_is_bearable(self, noise):
        assume(not noise.startswith(b"ftrt"))  # hypothesis also tries what stands in the source
        assert not tensorrt_file.is_plan(noise)
        tensorrt_file.is_plan(b"ftrt" + noise)

    def test_files_and_folders(self, tmp_path):
        path = tmp_path / "nonsense"
        for content, known in ((HEAD, True), (model(), False), (b"", False)):
            path.write_bytes(content)
            assert TensorrtAdapter.recognises(ModelFile(path)) is known
            assert TensorrtAdapter.carries_code(ModelFile(path)) == ""
        assert not TensorrtAdapter.recognises(ModelFile(tmp_path))


class TestFramework:
    @pytest.mark.parametrize("framework", ["tf", "uff", "c1", "caffe", "CAFFE"])
    def test_parsers_that_are_gone_are_named_with_what_to_do(self, tmp_path, framework):
        options = {"framework": framework, "deployfile": "deploy.prototxt"}
        check_options(TensorrtAdapter, options)
        wanted = f"no parser for framework '{framework}' since version 10: convert the model to ONNX"
        refusal(ErrorKind.ENGINE_ATTRIBUTE, wanted, b"\x0a\x03abc", tmp_path, options=options)

    @pytest.mark.parametrize("framework", ["torch", "", 1, ["PLAN"]])
    def test_others_were_never_known(self, tmp_path, framework):
        refusal(ErrorKind.ENGINE_ATTRIBUTE, "'framework' is 'PLAN' or 'onnx'", HEAD, tmp_path, options={"framework": framework})

    def test_the_file_has_the_last_word(self, tmp_path):
        for content, framework, found in (
            (HEAD, "onnx", "a TensorRT engine"),
            (model(), "PLAN", "an ONNX model"),
            (b"x", "PLAN", "neither"),
        ):
            options = {"framework": framework}
            refusal(ErrorKind.ENGINE_ATTRIBUTE, f"framework is '{framework}', but nonsense is {found}", content, tmp_path, options=options)
        refusal(ErrorKind.LOAD_FAILED, "nonsense is neither a TensorRT engine nor an ONNX model: build an engine", b"x", tmp_path)


class TestOptions:
    @pytest.mark.parametrize("content", [HEAD, model()])
    def test_the_processor_is_refused(self, tmp_path, content):
        refusal(ErrorKind.TASK_ATTRIBUTE, "on NVIDIA GPUs only: choose device 'cuda:0' or 'auto'", content, tmp_path, device="cpu")
        refusal(ErrorKind.TASK_ATTRIBUTE, "device 'tpu' is unknown", content, tmp_path, device="tpu")

    def test_precision(self, tmp_path):
        refusal(ErrorKind.TASK_ATTRIBUTE, "one of f32, tf32, not 'f16'", model(), tmp_path, options={"precision": "f16"})

    @pytest.mark.parametrize(
        "profile",
        [
            1,
            [],
            {"x": 1},
            {"x": [[1]]},
            {"x": [[1], [2], [3, 4]]},
            {"x": [[1], [2], ["3"]]},
            {"x": [[1], [5], [3]]},
            {"x": [[-1], [2], [3]]},
        ],
    )
    def test_profiles_are_three_shapes_in_order(self, tmp_path, profile):
        refusal(ErrorKind.ENGINE_ATTRIBUTE, "least, usual and greatest shape", model(), tmp_path, options={"profile": profile})

    def test_good_ones_pass(self):
        tensorrt_build.check({"profile": {"x": [[1, 0], [2, 8], [4, 8]]}, "precision": "tf32", "framework": "onnx"})


@pytest.mark.skipif(not NO_GPU, reason="there is a GPU")
@pytest.mark.parametrize("content", [HEAD, model()])
@pytest.mark.parametrize("device", ["auto", "cuda:0"])
def test_without_package_or_gpu_it_says_what_it_needs(tmp_path, content, device):
    with pytest.raises(ZeroMindError, match=r"pip install 'zeromind\[tensorrt\]'|needs an NVIDIA GPU") as caught:
        serve(content, tmp_path, device=device)
    assert caught.value.kind in (ErrorKind.MISSING_PACKAGE, ErrorKind.LOAD_FAILED)


@needs_gpu
class TestOnGpu:
    ROWS = np.float32([[1, -2], [3, 4], [-5, 6]])

    @pytest.mark.parametrize("rows", [0, 1, 3, 32, 70])
    def test_onnx_is_built_for_any_number_of_rows(self, tmp_path, rows):
        adapter = serve(model(), tmp_path)
        assert adapter.spec.batches
        x = np.arange(-rows, rows, dtype=np.float32).reshape(rows, 2)
        x.flags.writeable = False
        np.testing.assert_array_equal(adapter.predict({"x": x})["y"], np.maximum(x, 0))
        adapter.close()

    def test_a_fixed_number_of_rows_is_filled_up(self, tmp_path):
        adapter = serve(model(shape=(4, 2)), tmp_path)
        assert adapter.spec.batches
        np.testing.assert_array_equal(adapter.predict({"x": self.ROWS})["y"], np.maximum(self.ROWS, 0))

    def test_rows_that_depend_on_each_other_are_no_batch(self, tmp_path):
        assert not serve(model("Softmax", axis=0), tmp_path).spec.batches

    def test_open_sizes_want_a_profile(self, tmp_path):
        made = model(shape=("n", "k"))
        refusal(ErrorKind.ENGINE_ATTRIBUTE, "say in 'profile' what they may be, or close them in 'inputs'", made, tmp_path)
        adapter = serve(made, tmp_path, options={"profile": {"x": [[1, 1], [3, 2], [8, 16]]}})
        np.testing.assert_array_equal(adapter.predict({"x": self.ROWS})["y"], np.maximum(self.ROWS, 0))
        with pytest.raises(ValueError, match="not what the engine was built for"):
            adapter.predict({"x": np.ones((1, 17), np.float32)})
        assert serve(made, tmp_path, inputs=(TensorSpec("x", "FP32", (None, 2)),)).spec.batches

    def test_answers_stay_as_they_are_when_others_follow(self, tmp_path):
        adapter = serve(model(), tmp_path)
        answer = adapter.predict({"x": self.ROWS})["y"]
        adapter.predict({"x": -self.ROWS})
        np.testing.assert_array_equal(answer, np.maximum(self.ROWS, 0))

    def test_engines_that_are_cut_off_or_of_another_version_are_refused(self, tmp_path):
        refusal(ErrorKind.LOAD_FAILED, "cannot load nonsense: an engine runs in the version", HEAD + bytes(1000), tmp_path)
