"""What every adapter promises, held against real models made by the real frameworks."""

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import psutil
import pytest

from conformance.served import Served, connected, copied, plain
from zeromind.adapters.base import Source, check_options
from zeromind.adapters.file import ModelFile
from zeromind.datatypes import NUMPY_OF, as_bytes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.order import Order
from zeromind.executor.skill import Skill
from zeromind.plugins import ADAPTERS, Plugins

FRAMEWORKS = {
    "ai_edge_litert",
    "catboost",
    "cuda",
    "cv2",
    "google",
    "h5py",
    "jax",
    "joblib",
    "keras",
    "lightgbm",
    "mlflow",
    "onnx",
    "onnxruntime",
    "openvino",
    "pandas",
    "safetensors",
    "sklearn",
    "skops",
    "tensorflow",
    "tensorrt",
    "tokenizers",
    "torch",
    "transformers",
    "xgboost",
    "yaml",
}


def test_exactly_one_adapter_recognises_it_whatever_its_name(case, tmp_path):
    for path in (case.path, copied(case, tmp_path / "nonsense"), copied(case, tmp_path / "wrong.txt")):
        file = ModelFile(path)
        assert {adapter.name for adapter in Plugins().adapters() if adapter.recognises(file)} == {case.adapter, *case.also}


def test_a_folder_is_whose_mark_it_has_whatever_else_lies_in_it(makers, tmp_path):
    for name in ("caffe2_folder", "opencv_torch7", "openvino_ir", "transformers_text_classification"):
        folder = tmp_path / name
        folder.mkdir()
        made = makers[name](tmp_path / name)
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.parent != folder:
                path.rename(folder / path.name)
        assert Plugins().adapter(made.adapter).recognises(ModelFile(folder))
        (folder / "skill.py").write_text("def predict(x: float) -> float: return x")
        assert [adapter.name for adapter in Plugins().adapters() if adapter.recognises(ModelFile(folder))] == ["python"]


def test_it_says_whether_it_carries_code(case):
    assert Plugins().adapter(case.adapter).carries_code(case.file) == case.code


def test_code_needs_the_operators_word(case):
    if not case.code:
        case.load()
        return
    with pytest.raises(ZeroMindError) as caught:
        Plugins().adapter(case.adapter)(Source(case.file))
    assert caught.value.kind is ErrorKind.CODE_NOT_ALLOWED


def test_its_interface_is_complete(case):
    spec = case.loaded.spec
    for specs, arrays in ((spec.inputs, case.inputs), (spec.outputs, case.expected)):
        assert {each.name for each in specs} == set(arrays)
        for each in specs:
            assert each.datatype in NUMPY_OF
            assert each.fits(arrays[each.name].shape)
    assert spec.batches


def test_it_answers_as_the_framework_does(case):
    answer = case.loaded.predict(case.inputs)
    assert set(answer) >= set(case.expected)
    for spec in case.loaded.spec.outputs:
        assert answer[spec.name].dtype == spec.dtype
        case.agree(answer[spec.name], case.expected[spec.name])


def test_a_batch_answers_as_its_rows_do(case):
    for row in range(5):
        answer = case.loaded.predict({name: array[row : row + 1] for name, array in case.inputs.items()})
        for name, expected in case.expected.items():
            case.agree(answer[name], expected[row : row + 1])


def test_it_neither_writes_into_its_inputs_nor_needs_to(case):
    inputs = {name: array.copy() for name, array in case.inputs.items()}
    for array in inputs.values():
        array.flags.writeable = False
    answer = case.loaded.predict(inputs)
    for name, expected in case.expected.items():
        case.agree(answer[name], expected)
    for name, array in inputs.items():
        np.testing.assert_array_equal(array, case.inputs[name])


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda array: np.repeat(array, 2, axis=0)[::2]])
def test_it_takes_arrays_of_any_layout_and_warns_of_nothing(case, layout):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = case.loaded.predict({name: layout(array) for name, array in case.inputs.items()})
    for name, expected in case.expected.items():
        case.agree(answer[name], expected)


def test_devices_that_are_not_there_are_refused(case):
    if case.adapter in ("python", "mlflow") and case.code:
        pytest.skip("where that computes is the business of the code in it")
    for device, kinds in (("tpu", {ErrorKind.TASK_ATTRIBUTE}), ("cuda:99", {ErrorKind.TASK_ATTRIBUTE, ErrorKind.LOAD_FAILED})):
        with pytest.raises(ZeroMindError, match=device.partition(":")[0]) as caught:
            case.load(device=device)
        assert caught.value.kind in kinds


def test_answers_stay_as_they_are_when_others_follow(case):
    first = case.loaded.predict(case.inputs)
    kept = {name: array.copy() for name, array in first.items()}
    case.loaded.predict({name: array[::-1].copy() for name, array in case.inputs.items()})
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])


def test_unknown_task_keys_are_refused(case):
    adapter = Plugins().adapter(case.adapter)
    with pytest.raises(ZeroMindError, match="no_such_key") as caught:
        _check_and_load(case, adapter, no_such_key=1)
    assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE


def _check_and_load(case, adapter, **options):
    check_options(adapter, options)
    case.load(**options)


def test_a_package_that_is_absent_or_too_old_is_named_with_what_to_install(case, monkeypatch):
    adapter = Plugins().adapter(case.adapter)
    if not adapter.needs:
        pytest.skip("it needs none")
    install = f"pip install.* 'zeromind\\[{case.adapter}\\]'"
    framework, least = next(iter(adapter.needs.items()))
    if least and framework in sys.modules and case.adapter != "mlflow":  # which needs not even MLflow for most flavours
        with monkeypatch.context() as patch:
            patch.setattr(sys.modules[framework], "__version__", "0.0.1")
            with pytest.raises(ZeroMindError, match=f"{least} or newer, 0.0.1 is installed: {install}") as caught:
                case.load()
            assert caught.value.kind is ErrorKind.MISSING_PACKAGE
    for module in adapter.needs:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ZeroMindError, match=install) as caught:
        case.load()
    assert caught.value.kind is ErrorKind.MISSING_PACKAGE


def test_where_two_adapters_fit_the_error_names_both_and_the_key(makers, tmp_path):
    made = makers["tensorflow_frozen"](tmp_path)
    task = {"id": "m", "model_file": str(made.path)}
    with pytest.raises(ZeroMindError, match=r"set 'model_type' .*'tensorflow', 'opencv'") as caught:
        Skill(Order(task, str(made.path), trusted=True))
    assert caught.value.kind is ErrorKind.MODEL_TYPE_UNKNOWN


def test_a_file_cut_off_is_a_known_error(case, tmp_path):
    path = copied(case, tmp_path / "model")
    cut = path / (case.cut or "skill.py") if path.is_dir() else path
    whole = cut.read_bytes()
    is_source = case.adapter == "python"  # the half of a program may be one: it is cut within brackets
    for size in (whole.index(b"(") + 1, whole.rindex(b"(") + 1) if is_source else (len(whole) // 3, len(whole) // 2, len(whole) - 20):
        cut.write_bytes(whole[:size])
        for adapter in Plugins().adapters():
            adapter.recognises(ModelFile(path))
        with pytest.raises(ZeroMindError):
            case.load(path)


def test_it_closes(case):
    case.load().close()


def test_adapters_look_at_files_without_any_framework(tmp_path, makers):
    """In a process of its own: importing all adapters, recognising and judging files imports no framework."""
    for name in ("sklearn_joblib", "sklearn_skops", "sklearn_archive", "python_function"):
        (tmp_path / name).mkdir()
        makers[name](tmp_path / name)
    program = f"""
import pathlib, sys
from zeromind.adapters.file import ModelFile
from zeromind.plugins import Plugins
for adapter in Plugins().adapters():
    for path in pathlib.Path({str(tmp_path)!r}).rglob("*.*"):
        if adapter.recognises(ModelFile(path)):
            adapter.carries_code(ModelFile(path))
print(*sorted({FRAMEWORKS!r} & {{name.partition(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_built_in_adapter_has_a_case_here(makers):
    assert {name.partition("_")[0] for name in makers} == set(ADAPTERS)


# --- served over HTTP


@pytest.fixture(scope="module")
def pool(thread_server, tmp_path_factory):
    roots = [str(tmp_path_factory.getbasetemp())]
    with thread_server(roots=roots, code_roots=roots) as client:
        yield client


@pytest.fixture(scope="module")
def served(case, pool, reloaded, tmp_path_factory):
    """The model loaded; the first one of each adapter is dropped and loaded again. Whoever dropped it gave all back."""
    made = Served(case, pool, tmp_path_factory.mktemp("served"))
    before = {child.pid for child in psutil.Process().children()}
    for more in (True, False) if case.adapter not in reloaded else (False,):
        reloaded.add(case.adapter)
        assert made.load()["memory_consumed"] > 0
        assert pool.get("/model/info?id=m").json["tool"] == case.adapter
        if not more:
            yield made
        assert made.drop()["memory_released"] > 0
        assert {child.pid for child in psutil.Process().children()} <= before


@pytest.fixture(scope="module")
def reloaded():
    """The adapters whose model has been dropped and loaded again."""
    return set()


@pytest.mark.parametrize("rows", [1, 3, 32])
def test_served_it_answers_as_the_framework_does(served, rows):
    with connected(served.pool) as client:
        served.ask(client, np.arange(rows) % 5)


def test_served_no_rows_give_no_rows(served):
    with connected(served.pool) as client:
        answer = served.ask(client, np.arange(0))
    for spec in served.case.loaded.spec.outputs:
        array = answer.as_numpy(spec.name)
        assert array.shape[0] == 0
        assert spec.fits(array.shape)
        assert array.dtype == spec.dtype


def test_served_it_keeps_clients_apart(served):
    served.ask_together()


def test_served_it_answers_json(served):
    case = served.case
    if any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in (*case.inputs.values(), *case.expected.values())):
        pytest.skip("JSON has no form for numbers that are not finite")
    answer = served.pool.predict("m", {name: plain(array).tolist() for name, array in case.inputs.items()})
    assert answer.status == 200, answer
    for name, expected in case.expected.items():
        value = answer.json["result"][name]
        case.agree(as_bytes(np.array(value)) if expected.dtype.hasobject else np.array(value, expected.dtype), expected)


def test_another_answer_than_expected_fails_the_load(case, tmp_path):
    name, expected = next(iter(case.expected.items()))
    wrong = plain(expected).tolist()
    wrong[2] = wrong[3] if expected.dtype.kind in "OS" and wrong[2] != wrong[3] else np.full(expected.shape[1:], 77).tolist()
    if expected.dtype.hasobject and not isinstance(wrong[2], str):
        wrong[2] = np.full(expected.shape[1:], "no such answer").tolist()
    np.savez(tmp_path / "in.npz", **{name: plain(array) for name, array in case.inputs.items()})
    task = {"id": "m", "model_file": str(case.path), **case.task}
    task["samples"] = [{"inputs": str(tmp_path / "in.npz"), "outputs": {name: wrong}, "rtol": 1e-3}]
    with pytest.raises(ZeroMindError, match="sample 1 of the task: output") as caught:
        Skill(Order(task, str(case.path), trusted=True, allow_code=True))
    assert caught.value.kind is ErrorKind.LOAD_FAILED


def test_an_empty_file_and_a_picture_are_known_errors(case, tmp_path):
    (tmp_path / "empty").touch()
    shutil.copyfile(Path(__file__).parents[2] / "samples" / "image5.png", tmp_path / "picture")
    (tmp_path / "folder").mkdir()
    for name in ("empty", "picture", "folder"):
        assert [adapter.name for adapter in Plugins().adapters() if adapter.recognises(ModelFile(tmp_path / name))] == []
        task = {"id": "m", "model_type": case.adapter, "model_file": str(tmp_path / name), **case.task}
        with pytest.raises(ZeroMindError) as caught:
            Skill(Order(task, str(tmp_path / name), trusted=True, allow_code=True))
        assert caught.value.kind is ErrorKind.LOAD_FAILED


def test_a_file_that_is_not_there_is_a_known_error(case, pool, tmp_path):
    answer = pool.load({"id": "none", "model_type": case.adapter, "model_file": str(tmp_path / "none")})
    assert answer.status == 400
    assert answer.json["errors"][0]["code"] == 5
