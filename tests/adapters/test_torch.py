import os
import struct
import sys
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file, save_model

from conformance.cases import torch as cases
from zeromind import importing
from zeromind.adapters import torch_file
from zeromind.adapters.base import Source, check_options
from zeromind.adapters.file import ModelFile
from zeromind.adapters.torch import TorchAdapter
from zeromind.datatypes import NUMPY_OF
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

nn = torch.nn
X = TensorSpec("x", "FP32", (None, 4))


def serve(path, inputs=(X,), outputs=(), *, allow_code=True, device="auto", threads=1, **options):
    return TorchAdapter(Source(ModelFile(path), tuple(inputs), tuple(outputs), device, threads, allow_code, options))


def scripted(module, folder):
    path = folder / "model"
    with importing.silence():
        torch.jit.script(module.eval()).save(path)
    return path


def script(body, folder, parameters="x", **buffers):
    """A TorchScript model with such a forward, which has to come from a file."""
    lines = "\n        ".join(body.splitlines())
    source = folder / f"source{len(list(folder.iterdir()))}.py"
    head = (
        f"from typing import *\nimport torch\nfrom torch import Tensor\nclass Net(torch.nn.Module):\n    def forward(self, {parameters}):\n"
    )
    source.write_text(f"{head}        {lines}\n")
    module = importing.load_file(source).Net()
    for name, value in buffers.items():
        module.register_buffer(name, value)
    return scripted(module, folder)


def exported(module, example, folder, dynamic=None, **settings):
    with importing.silence():
        program = torch.export.export(module.eval(), example, dynamic_shapes=dynamic, **settings)
        path = folder / "model.pt2"
        torch.export.save(program, path)
    return path.rename(folder / "model")


def refused(kind, match, *arguments, **source):
    with pytest.raises(ZeroMindError, match=match) as caught:
        serve(*arguments, **source)
    assert caught.value.kind is kind
    return caught.value


class Exported(nn.Module):
    """A forward of a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.arange(12.0).reshape(3, 4))


class One(Exported):
    def forward(self, x):
        return self.function(self, x)


class Two(Exported):
    def forward(self, x, y):
        return self.function(self, x, y)


def linear(self, x):
    return x @ self.weight.T


N = torch.export.Dim("n")


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forms")
    module = nn.Linear(4, 3)
    state = module.state_dict()
    torch.save(state, folder / "state")
    torch.save(state, folder / "state_legacy", _use_new_zipfile_serialization=False)
    torch.save({"a": {1, 2}, "b": torch.zeros(2).half(), "c": [b"x", 1j], "d": nn.Parameter(torch.zeros(1))}, folder / "state_odd")
    torch.save(module, folder / "pickle")
    torch.save(module, folder / "pickle_legacy", _use_new_zipfile_serialization=False)
    torch.save({"config": os.path.join}, folder / "pickle_function")
    save_file(state, folder / "safetensors")
    with importing.silence():
        torch.jit.script(module).save(folder / "script")
        torch.jit.freeze(torch.jit.script(module.eval())).save(folder / "script_frozen")
    return folder


class TestRecognition:
    @pytest.mark.parametrize(
        ("name", "form"),
        [
            ("state", "state dict"),
            ("state_legacy", "state dict"),
            ("state_odd", "state dict"),
            ("pickle", "pickle"),
            ("pickle_legacy", "pickle"),
            ("pickle_function", "pickle"),
            ("safetensors", "safetensors"),
            ("script", "TorchScript"),
            ("script_frozen", "TorchScript"),
        ],
    )
    def test_each_form_is_known_by_its_content(self, forms, name, form):
        file = ModelFile(forms / name)
        assert torch_file.format_of(file) == form
        assert TorchAdapter.carries_code(file) == torch_file.REASONS[form]

    def test_what_an_older_pytorch_exported_is_known(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "model", "w") as archive:
            archive.writestr("serialized_exported_program.json", "{}")
        assert torch_file.format_of(ModelFile(tmp_path / "model")) == "torch.export"
        refused(ErrorKind.LOAD_FAILED, "cut off, damaged", tmp_path / "model")

    @pytest.mark.parametrize("names", [["data.pkl"], ["m/data.pkl"], ["m/archive_format"], ["m/version", "m/data.pkl"], ["a/x.txt"]])
    def test_other_archives_are_not_its(self, tmp_path, names):
        with zipfile.ZipFile(tmp_path / "model", "w") as archive:
            for name in names:
                archive.writestr(name, "text")
        assert not TorchAdapter.recognises(ModelFile(tmp_path / "model"))
        refused(ErrorKind.LOAD_FAILED, "nothing that PyTorch has saved", tmp_path / "model")

    def test_weights_of_another_framework_are_not_its(self, tmp_path):
        save_file({"w": torch.zeros(2)}, tmp_path / "model", metadata={"format": "flax"})
        assert not TorchAdapter.recognises(ModelFile(tmp_path / "model"))

    @pytest.mark.parametrize("header", [b"{}", b"[]", b'{"a": 1}', b'{"__metadata__": 3}', b"{" * 4000, b'{"a": {"dtype": "F32"}}'])
    def test_another_header_is_not_its(self, tmp_path, header):
        (tmp_path / "model").write_bytes(struct.pack("<Q", len(header)) + header)
        assert not TorchAdapter.recognises(ModelFile(tmp_path / "model"))

    def test_folders_and_empty_files_are_not_its(self, tmp_path):
        (tmp_path / "empty").touch()
        save_file({"w": torch.zeros(2)}, tmp_path / "model.safetensors")
        assert not TorchAdapter.recognises(ModelFile(tmp_path))
        assert not TorchAdapter.recognises(ModelFile(tmp_path / "empty"))

    @given(st.binary(max_size=80), st.integers(0, 400), st.sampled_from(["state", "pickle_legacy", "safetensors", "script"]))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
    def test_damage_is_never_an_error_of_ours(self, forms, tmp_path, noise, place, name):
        data = bytearray((forms / name).read_bytes())
        data[place : place + len(noise)] = noise
        (tmp_path / "model").write_bytes(data)
        torch_file.format_of(ModelFile(tmp_path / "model"))
        assume(not noise.startswith(b"\x80"))  # hypothesis also tries what stands in the source
        (tmp_path / "model").write_bytes(noise)
        assert not TorchAdapter.recognises(ModelFile(tmp_path / "model"))


class TestTrust:
    @pytest.mark.parametrize("form", ["state", "pickle", "script"])
    def test_code_needs_the_operators_word(self, tmp_path, form):
        module = nn.Linear(4, 3)
        if form == "script":
            scripted(module, tmp_path)
        else:
            torch.save(module if form == "pickle" else module.state_dict(), tmp_path / "model")
        refused(ErrorKind.CODE_NOT_ALLOWED, "operator", tmp_path / "model", allow_code=False)

    def test_weights_are_never_unpickled_without_restriction(self, tmp_path):
        trap = tmp_path / "sprung"
        state = nn.Linear(4, 3).state_dict()
        torch.save({**state, "bias": Trap(str(trap))}, tmp_path / "model")
        options = {"class": "torch.nn:Linear", "arguments": {"in_features": 4, "out_features": 3}}
        refused(ErrorKind.LOAD_FAILED, "cannot be loaded", tmp_path / "model", **options)
        assert not trap.exists()

    def test_an_old_pytorch_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
        refused(ErrorKind.MISSING_PACKAGE, r"2\.10 or newer, 2\.9\.1", scripted(nn.Linear(4, 3), tmp_path))


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


class TestTorchScript:
    def test_inputs_are_named_as_forwards_parameters(self, tmp_path):
        path = script("return x - y", tmp_path, "x, y")
        fault = refused(ErrorKind.INPUT_SPEC, "list forward's parameters 'x', 'y' in the task's 'inputs'", path, inputs=())
        assert fault.params == ("x", "y")
        refused(ErrorKind.INPUT_SPEC, "'y' is missing", path)
        refused(ErrorKind.INPUT_SPEC, "'z' is none of forward's", path, inputs=(X, TensorSpec("z", "FP32", (None, 4))))
        adapter = serve(path, inputs=(TensorSpec("y", "FP32", (None, 4)), X))
        x, y = np.float32([[1, 2, 3, 4]]), np.float32([[1, 1, 1, 1]])
        np.testing.assert_array_equal(adapter.predict({"y": y, "x": x})["output_0"], x - y)

    def test_optional_parameters_may_be_left_out(self, tmp_path):
        path = script("return x if mask is None else x * mask", tmp_path, "x, mask: Optional[Tensor] = None")
        x = np.float32([[1, 2, 3, 4]])
        np.testing.assert_array_equal(serve(path).predict({"x": x})["output_0"], x)
        both = serve(path, inputs=(X, TensorSpec("mask", "FP32", (None, 4))))
        np.testing.assert_array_equal(both.predict({"x": x, "mask": x})["output_0"], x * x)

    def test_numbers_are_passed_as_numbers(self, tmp_path):
        adapter = serve(script("return x * by", tmp_path, "x, by: float"), inputs=(X, TensorSpec("by", "FP32", ())))
        assert not adapter.spec.batches
        x = np.float32([[1, 2, 3, 4]])
        np.testing.assert_array_equal(adapter.predict({"x": x, "by": np.array(2, np.float32)})["output_0"], 2 * x)

    def test_text_is_refused(self, tmp_path):
        refused(ErrorKind.INPUT_SPEC, "no tensors of text", script("return x", tmp_path), inputs=(TensorSpec("x", "BYTES", (None,)),))

    def test_types_that_the_model_refuses_are_told_with_its_words(self, tmp_path):
        path = scripted(nn.Linear(4, 3), tmp_path)
        wrong = TensorSpec("input", "FP32", (None, 7))
        refused(ErrorKind.INPUT_SPEC, r"takes no inputs like 'input' \[any, 7\]: mat1 and mat2 shapes cannot", path, inputs=(wrong,))

    def test_outputs_have_a_dicts_keys_or_a_number(self, tmp_path):
        several = serve(script('return x, {"b": x.sum(1), "a": [x.argmax(1), x > 0]}', tmp_path))
        found = [(spec.name, spec.datatype, spec.shape) for spec in several.spec.outputs]
        whole = [("output_1_b", "FP32", (None,)), ("output_1_a_0", "INT64", (None,)), ("output_1_a_1", "BOOL", (None, 4))]
        assert found == [("output_0", "FP32", (None, 4)), *whole]
        assert several.spec.batches

    def test_the_task_names_outputs_or_chooses_among_them(self, tmp_path):
        path = script("return x + 1, x.sum(1)", tmp_path)
        x = np.float32([[1, 2, 3, 4]])
        total, more = TensorSpec("total", "FP32", (None,)), TensorSpec("more", "FP32", (None, None))
        renamed = serve(path, outputs=(more, total))
        assert renamed.spec.outputs == (more, total)
        np.testing.assert_array_equal(renamed.predict({"x": x})["total"], [10])
        chosen = serve(path, outputs=(TensorSpec("output_1", "FP32", (None,)),))
        assert list(chosen.predict({"x": x})) == ["output_1"]
        refused(ErrorKind.OUTPUT_SPEC, r"gives 'output_0' \[any, 4\], 'output_1' \[any\]", path, outputs=(total,))
        refused(
            ErrorKind.OUTPUT_SPEC, r"is float32 \[any\], the task says int64", path, outputs=(TensorSpec("output_1", "INT64", (None,)),)
        )
        refused(ErrorKind.OUTPUT_SPEC, r"says float32 \[any, 1\]", path, outputs=(TensorSpec("output_1", "FP32", (None, 1)),))

    @pytest.mark.parametrize("datatype", [name for name in NUMPY_OF if name != "BYTES"])
    def test_every_datatype_passes_through(self, tmp_path, datatype):
        adapter = serve(script("return torch.cat([x, x], 1)", tmp_path), inputs=(TensorSpec("x", datatype, (None, 2)),))
        assert adapter.spec.outputs == (TensorSpec("output_0", datatype, (None, 4)),)
        array = np.array([[0, 1], [1, 0]], NUMPY_OF[datatype])
        answer = adapter.predict({"x": array})["output_0"]
        assert answer.dtype == NUMPY_OF[datatype]
        np.testing.assert_array_equal(answer, np.concatenate([array, array], 1))

    def test_types_that_no_wire_carries_are_refused(self, tmp_path):
        refused(ErrorKind.LOAD_FAILED, "complex64", script("return torch.complex(x, x)", tmp_path))
        refused(ErrorKind.LOAD_FAILED, "sparse", script("return x.to_sparse()", tmp_path))

    def test_what_is_no_tensor_is_refused(self, tmp_path):
        refused(ErrorKind.INPUT_SPEC, "returns str, which is no tensor", script('return "text"', tmp_path))

    @pytest.mark.parametrize("body", ["return x.relu_()", "x[:, 0].zero_()\nreturn x.sum(1)", "y = x.view(-1, 2)\ny += 1\nreturn y.sum()"])
    def test_a_model_that_writes_into_its_inputs_writes_into_copies(self, tmp_path, body):
        adapter = serve(script(body, tmp_path))
        x = np.float32([[-1, 2, -3, 4]])
        x.flags.writeable = False
        first = adapter.predict({"x": x})["output_0"].copy()
        np.testing.assert_array_equal(x, [[-1, 2, -3, 4]])
        np.testing.assert_array_equal(adapter.predict({"x": x})["output_0"], first)

    @pytest.mark.parametrize("body", ["return x", "return x[:, 1:]", "return x.view(-1, 2, 2)", "return x.detach(), x + 1"])
    def test_answers_do_not_share_their_inputs_memory(self, tmp_path, body):
        x = np.float32([[1, 2, 3, 4]])
        for array in serve(script(body, tmp_path)).predict({"x": x}).values():
            assert not np.may_share_memory(array, x)

    def test_answers_do_not_share_the_models_memory(self, tmp_path):
        path = script("self.count += 1\nreturn x + 0, self.count, self.weight", tmp_path, count=torch.zeros(2), weight=torch.ones(3))
        adapter = serve(path)
        first = adapter.predict({"x": np.zeros((1, 4), np.float32)})
        count = first["output_1"].copy()
        first["output_2"][:] = 7
        second = adapter.predict({"x": np.zeros((1, 4), np.float32)})
        np.testing.assert_array_equal(first["output_1"], count)
        np.testing.assert_array_equal(second["output_1"], count + 1)
        np.testing.assert_array_equal(second["output_2"], [1, 1, 1])

    def test_fresh_memory_is_not_copied(self, tmp_path):
        adapter = serve(script("return x + 1", tmp_path))
        assert adapter.predict({"x": np.zeros((1, 4), np.float32)})["output_0"].base is not None

    @pytest.mark.parametrize(
        ("body", "shape", "batches"),
        [
            ("return x.softmax(1)", (None, 4), True),
            ("return x.softmax(0)", (None, 4), False),
            ("return x.sum()", (None, 4), False),
            ("return x.squeeze()", (None, 4), False),
            ("return x.mean(1)", (None, None), True),
            ("return x.mean(1)", (8, 4), False),
            ("return torch.nonzero(x)", (None, 4), False),
        ],
    )
    def test_rows_are_a_batch_if_they_keep_to_themselves(self, tmp_path, body, shape, batches):
        assert serve(script(body, tmp_path), inputs=(TensorSpec("x", "FP32", shape),)).spec.batches is batches

    def test_sizes_that_are_open_stay_so_in_the_outputs(self, tmp_path):
        adapter = serve(script("return x.sum(2), torch.nonzero(x[0])", tmp_path), inputs=(TensorSpec("x", "FP32", (None, None, 3)),))
        assert [spec.shape for spec in adapter.spec.outputs] == [(None, None), (None, 2)]
        for length in (1, 9):
            answer = adapter.predict({"x": np.ones((2, length, 3), np.float32)})
            np.testing.assert_array_equal(answer["output_0"], np.full((2, length), 3))

    def test_pictures_may_have_to_be_large(self, tmp_path):
        convolution = nn.Sequential(nn.Conv2d(1, 2, 40), nn.BatchNorm2d(2), nn.ReLU())
        adapter = serve(scripted(convolution, tmp_path), inputs=(TensorSpec("input", "FP32", (None, 1, None, None)),))
        assert adapter.spec.batches
        assert adapter.spec.outputs[0].shape == (None, 2, None, None)

    def test_data_that_the_model_refuses_are_the_clients_fault(self, tmp_path):
        table = serve(scripted(nn.Embedding(3, 2), tmp_path), inputs=(TensorSpec("input", "INT64", (None,)),))
        for faulty, match, model, name in (
            (np.array([5]), "index out of range", table, "input"),
            (np.ones((1, 3), np.float32), "must match|shapes|size", None, "x"),
        ):
            adapter = model or serve(script("return x @ torch.ones(4, 4) if x.size(0) > 99 else x.view(-1, 1, 2)", tmp_path), inputs=[OPEN])
            with pytest.raises(ZeroMindError, match=match) as caught:
                adapter.predict({name: faulty})
            assert caught.value.kind is ErrorKind.INVALID_INPUT

    def test_what_fails_although_the_data_fit_is_the_models_fault(self, tmp_path):
        adapter = serve(script('if bool(x.sum() > 100):\n    raise RuntimeError("tired")\nreturn x', tmp_path))
        with pytest.raises(torch.jit.Error, match="tired"):
            adapter.predict({"x": np.full((1, 4), 99, np.float32)})

    def test_strided_and_empty_arrays_are_taken(self, tmp_path):
        adapter = serve(script("return x + 1", tmp_path))
        x = np.arange(24, dtype=np.float32).reshape(3, 8)
        np.testing.assert_array_equal(adapter.predict({"x": x[::-1, ::2]})["output_0"], x[::-1, ::2] + 1)
        assert adapter.predict({"x": x[:0, :4]})["output_0"].shape == (0, 4)

    def test_threads_are_the_tasks(self, tmp_path):
        path = scripted(nn.Linear(4, 3), tmp_path)
        for threads in (2, 1):
            serve(path, inputs=(TensorSpec("input", "FP32", (None, 4)),), threads=threads)
            assert torch.get_num_threads() == threads

    def test_a_gpu_that_is_not_there_is_refused(self, tmp_path):
        path = script("return x", tmp_path)
        assert serve(path, device="cpu").spec.batches
        refused(ErrorKind.TASK_ATTRIBUTE, "'tpu' is unknown", path, device="tpu")
        if not torch.cuda.is_available():
            refused(ErrorKind.LOAD_FAILED, "PyTorch cannot use cuda:0: it sees no GPU", path, device="cuda:0")
        refused(ErrorKind.LOAD_FAILED, "cannot use cuda:99", path, device="cuda:99")

    def test_keys_for_weights_are_refused(self, tmp_path):
        refused(ErrorKind.TASK_ATTRIBUTE, "'class' is for a file of weights", script("return x", tmp_path), **{"class": "a:B"})
        with pytest.raises(ZeroMindError, match="unknown task key"):
            check_options(TorchAdapter, {"klass": "a:B"})


OPEN = TensorSpec("x", "FP32", (None, None))


class TestExport:
    def test_everything_is_told(self, tmp_path):
        two = Two(lambda self, x, y: {"sum": x + y, "total": (x * y).sum(1)})
        dynamic = {"x": {0: N, 1: torch.export.Dim("m")}, "y": {0: N, 1: torch.export.Dim("m")}}
        path = exported(two, (torch.zeros(3, 5), torch.zeros(3, 5)), tmp_path, dynamic)
        adapter = serve(path, inputs=())
        assert adapter.spec.inputs == (OPEN, TensorSpec("y", "FP32", (None, None)))
        assert adapter.spec.outputs == (TensorSpec("sum", "FP32", (None, None)), TensorSpec("total", "FP32", (None,)))
        assert adapter.spec.batches
        x = np.float32([[1, 2], [3, 4]])
        np.testing.assert_array_equal(adapter.predict({"x": x, "y": x})["total"], [5, 25])
        with pytest.raises(ZeroMindError) as caught:
            adapter.predict({"x": x, "y": x[:, :1]})
        assert caught.value.kind is ErrorKind.INVALID_INPUT

    def test_a_fixed_number_of_rows_is_filled_up_or_cut(self, tmp_path):
        adapter = serve(exported(One(linear), (torch.zeros(2, 4),), tmp_path), inputs=())
        assert adapter.spec.batches
        assert adapter.spec.inputs == (X,)
        x = np.arange(20, dtype=np.float32).reshape(5, 4)
        weight = np.arange(12, dtype=np.float32).reshape(3, 4)
        for rows in range(6):
            np.testing.assert_array_equal(adapter.predict({"x": x[:rows]})["output_0"], x[:rows] @ weight.T)

    def test_a_fixed_number_of_rows_stays_so_where_they_belong_together(self, tmp_path):
        adapter = serve(exported(One(lambda self, x: x.softmax(0)), (torch.zeros(2, 4),), tmp_path), inputs=())
        assert not adapter.spec.batches
        assert (adapter.spec.inputs[0].shape, adapter.spec.outputs[0].shape) == ((2, 4), (2, 4))
        assert adapter.predict({"x": np.ones((2, 4), np.float32)})["output_0"].shape == (2, 4)

    def test_the_task_may_keep_the_fixed_number(self, tmp_path):
        path = exported(One(linear), (torch.zeros(2, 4),), tmp_path)
        adapter = serve(path, inputs=[TensorSpec("x", "FP32", (2, 4))])
        assert (adapter.spec.batches, adapter.spec.outputs[0].shape) == (False, (2, 3))

    def test_bounds_of_the_batch_are_kept(self, tmp_path):
        bounded = {"x": {0: torch.export.Dim("n", min=3, max=4)}}
        adapter = serve(exported(One(linear), (torch.zeros(3, 4),), tmp_path, bounded), inputs=())
        assert adapter.spec.batches
        x = np.arange(40, dtype=np.float32).reshape(10, 4)
        for rows in (1, 3, 4, 5, 10):
            np.testing.assert_array_equal(
                adapter.predict({"x": x[:rows]})["output_0"], x[:rows] @ np.arange(12, dtype=np.float32).reshape(3, 4).T
            )

    def test_the_task_may_name_sizes_but_not_contradict(self, tmp_path):
        path = exported(One(linear), (torch.zeros(3, 4),), tmp_path, {"x": {0: N}})
        assert not serve(path, inputs=[TensorSpec("x", "FP32", (3, 4))]).spec.batches
        assert serve(path, inputs=[TensorSpec("x", "FP32", (None, None))]).spec.inputs == (X,)
        refused(
            ErrorKind.INPUT_SPEC, r"was exported as float32 \[any, 4\], the task says", path, inputs=[TensorSpec("x", "FP32", (None, 5))]
        )
        refused(ErrorKind.INPUT_SPEC, "has no input 'z': it has 'x'", path, inputs=[TensorSpec("z", "FP32", (None, 4))])

    def test_nested_inputs_constants_and_an_input_that_is_written_to(self, tmp_path):
        class Nested(nn.Module):
            def forward(self, pair, scale, *, flag=None):
                pair["b"].add_(1)
                return pair["a"] * scale + pair["b"], None

        example = ({"a": torch.zeros(3, 2), "b": torch.zeros(3, 2)}, 3)
        dynamic = {"pair": {"a": {0: N}, "b": {0: N}}, "scale": None}
        adapter = serve(exported(Nested(), example, tmp_path, dynamic), inputs=())
        assert [spec.name for spec in adapter.spec.inputs] == ["pair_a", "pair_b"]
        a = np.float32([[1, 2]])
        a.flags.writeable = False
        np.testing.assert_array_equal(adapter.predict({"pair_a": a, "pair_b": a})["output_0"], 4 * a + 1)
        np.testing.assert_array_equal(a, [[1, 2]])

    def test_half_precision(self, tmp_path):
        adapter = serve(
            exported(One(lambda self, x: x * 2), (torch.zeros(3, 2, dtype=torch.bfloat16),), tmp_path, {"x": {0: N}}), inputs=()
        )
        assert adapter.spec.outputs == (TensorSpec("output_0", "BF16", (None, 2)),)
        np.testing.assert_array_equal(adapter.predict({"x": np.float32([[1.5, -3]])})["output_0"], [[3, -6]])


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("compiled") / "nonsense"
    path.write_bytes(cases.package())
    return path


class TestCompiled:
    def test_the_task_lists_what_it_takes(self, package):
        refused(ErrorKind.INPUT_SPEC, "list the 1 tensors that it takes", package, inputs=())
        refused(ErrorKind.INPUT_SPEC, "list the 1 tensors", package, inputs=(X, OPEN))
        adapter = serve(package, inputs=[TensorSpec("any", "FP32", (None, 4))])
        assert adapter.spec.outputs == (TensorSpec("scores", "FP32", (None, 3)),)
        single = adapter.predict({"any": np.ones((1, 4), np.float32)})["scores"]
        np.testing.assert_allclose(adapter.predict({"any": np.ones((5, 4), np.float32)})["scores"], np.repeat(single, 5, 0), rtol=1e-6)

    def test_wrong_sizes_and_types_are_found_before_they_do_harm(self, package):
        refused(ErrorKind.INPUT_SPEC, "takes no inputs like", package, inputs=[TensorSpec("x", "FP32", (None, 5))])
        refused(ErrorKind.INPUT_SPEC, "takes no inputs like", package, inputs=[TensorSpec("x", "FP64", (None, 4))])

    def test_it_runs_where_it_was_compiled_for(self, package):
        assert serve(package, device="cpu").spec.batches
        refused(ErrorKind.LOAD_FAILED, "PyTorch cannot use cuda", package, device="cuda:7")


class TestWeights:
    @pytest.fixture
    def state(self, tmp_path):
        (tmp_path / "net.py").write_text(cases.CLASS + "\nfrom os import system\n")
        module = importing.load_file(tmp_path / "net.py").Net(5)
        torch.save(module.state_dict(), tmp_path / "model")
        return module

    def test_the_class_lies_beside_the_file(self, state, tmp_path):
        adapter = serve(tmp_path / "model", **{"class": "net.py:Net", "arguments": {"hidden": 5}})
        x = np.float32([[1, 2, 3, 4]])
        expected = state(torch.from_numpy(x))["scores"].detach().numpy()
        np.testing.assert_allclose(adapter.predict({"x": x})["scores"], expected, rtol=1e-6)

    @pytest.mark.parametrize(
        ("options", "kind", "match"),
        [
            ({}, ErrorKind.TASK_ATTRIBUTE, '"class": "net.py:Net"'),
            ({"class": "Net"}, ErrorKind.TASK_ATTRIBUTE, "not 'Net'"),
            ({"class": 3}, ErrorKind.TASK_ATTRIBUTE, "not 3"),
            ({"class": "net.py:Absent"}, ErrorKind.TASK_ATTRIBUTE, "cannot be found"),
            ({"class": "../net.py:Net"}, ErrorKind.TASK_ATTRIBUTE, "does not lie beside"),
            ({"class": "none.py:Net"}, ErrorKind.MODEL_FILE, "no file 'none.py'"),
            ({"class": "no_such_package:Net"}, ErrorKind.MISSING_PACKAGE, "no_such_package"),
            ({"class": "net.py:Net"}, ErrorKind.TASK_ATTRIBUTE, "missing a required argument: 'hidden'"),
            ({"class": "net.py:Net", "arguments": [5]}, ErrorKind.TASK_ATTRIBUTE, "by name"),
            ({"class": "net.py:Net", "arguments": {"hidden": "x"}}, ErrorKind.LOAD_FAILED, "cannot be made"),
            ({"class": "net.py:Net", "arguments": {"hidden": 6}}, ErrorKind.LOAD_FAILED, "does not fill net.py:Net: .*size mismatch"),
            ({"class": "collections:OrderedDict"}, ErrorKind.TASK_ATTRIBUTE, "no subclass of torch.nn.Module"),
            ({"class": "net.py:system"}, ErrorKind.TASK_ATTRIBUTE, "no subclass of torch.nn.Module"),
            ({"class": "os:system", "arguments": {"command": "touch made"}}, ErrorKind.TASK_ATTRIBUTE, "no subclass of torch.nn.Module"),
            ({"class": "net.py:Net", "arguments": {"hidden": 5}, "weights": "net"}, ErrorKind.LOAD_FAILED, "no state_dict"),
        ],
    )
    @pytest.mark.usefixtures("state")
    def test_faults_are_told(self, tmp_path, options, kind, match):
        refused(kind, match, tmp_path / "model", **options)

    def test_a_class_that_fails_to_load_is_told(self, state, tmp_path):
        (tmp_path / "bad.py").write_text("1 / 0")
        refused(ErrorKind.LOAD_FAILED, "bad.py fails: ZeroDivisionError", tmp_path / "model", **{"class": "bad.py:Net"})

    def test_a_checkpoint_has_its_weights_in_a_part(self, state, tmp_path):
        torch.save({"epoch": 1, "net": state.state_dict(), "optimizer": {"state": {}}}, tmp_path / "model")
        options = {"class": "net.py:Net", "arguments": {"hidden": 5}}
        refused(ErrorKind.TASK_ATTRIBUTE, "name the weights among 'net', 'optimizer' in 'weights'", tmp_path / "model", **options)
        assert serve(tmp_path / "model", weights="net", **options).spec.batches

    def test_weights_must_fill_the_class(self, tmp_path):
        torch.save({"weight": torch.zeros(3, 4)}, tmp_path / "model")
        options = {"class": "torch.nn:Linear", "arguments": {"in_features": 4, "out_features": 3}}
        refused(ErrorKind.LOAD_FAILED, "Missing key.*bias", tmp_path / "model", **options)
        save_file({"weight": torch.zeros(3, 4)}, tmp_path / "model")
        refused(ErrorKind.LOAD_FAILED, "Missing key.*bias", tmp_path / "model", **options)

    def test_safetensors_with_shared_weights(self, tmp_path):
        source = "import torch\nclass Tied(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        source += "        self.a, self.b = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)\n        self.b.weight = self.a.weight\n"
        source += "    def forward(self, x, *, twice: bool = True):\n        return self.b(self.a(x)) if twice else self.a(x)\n"
        (tmp_path / "tied.py").write_text(source)
        module = importing.load_file(tmp_path / "tied.py").Tied()
        save_model(module, tmp_path / "model")
        adapter = serve(tmp_path / "model", inputs=(X, TensorSpec("twice", "BOOL", ())), **{"class": "tied.py:Tied"})
        x = np.float32([[1, 2, 3, 4]])
        for twice in (True, False):
            expected = module(torch.from_numpy(x), twice=twice).detach().numpy()
            np.testing.assert_allclose(adapter.predict({"x": x, "twice": np.array(twice)})["output_0"], expected, rtol=1e-6)
        refused(ErrorKind.TASK_ATTRIBUTE, "no parts", tmp_path / "model", **{"class": "tied.py:Tied", "weights": "net"})

    def test_a_pickled_module_is_served_where_its_packages_are(self, tmp_path):
        module = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        for zipped in (True, False):
            torch.save(module, tmp_path / "model", _use_new_zipfile_serialization=zipped)
            adapter = serve(tmp_path / "model", inputs=[TensorSpec("input", "FP32", (None, 4))])
            x = np.float32([[1, 2, 3, 4]])
            np.testing.assert_allclose(adapter.predict({"input": x})["output_0"], module(torch.from_numpy(x)).detach().numpy(), rtol=1e-6)

    def test_other_pickles_are_told(self, tmp_path, monkeypatch):
        torch.save({"config": os.path.join}, tmp_path / "model")
        refused(ErrorKind.LOAD_FAILED, "holds dict, which is no model: save its state_dict", tmp_path / "model")
        torch.save(Local(), tmp_path / "model")
        monkeypatch.delattr(sys.modules[__name__], "Local")
        refused(ErrorKind.LOAD_FAILED, "needs Python code that is not here", tmp_path / "model")


class Local(nn.Module):
    pass
