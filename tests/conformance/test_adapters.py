"""What every adapter promises, held against real models made by the real frameworks."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from zeromind.adapters.base import Source, check_options
from zeromind.adapters.file import ModelFile
from zeromind.datatypes import NUMPY_OF
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.plugins import ADAPTERS, Plugins

FRAMEWORKS = {
    "catboost",
    "google",
    "h5py",
    "jax",
    "joblib",
    "keras",
    "lightgbm",
    "onnx",
    "onnxruntime",
    "pandas",
    "sklearn",
    "skops",
    "tensorflow",
    "torch",
}


def copied(case, target):
    (shutil.copytree if case.path.is_dir() else shutil.copyfile)(case.path, target)
    return target


def test_exactly_one_adapter_recognises_it_whatever_its_name(case, tmp_path):
    for path in (case.path, copied(case, tmp_path / "nonsense"), copied(case, tmp_path / "wrong.txt")):
        file = ModelFile(path)
        assert [adapter.name for adapter in Plugins().adapters() if adapter.recognises(file)] == [case.adapter]


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


def test_no_rows_give_no_rows(case):
    answer = case.loaded.predict({name: array[:0] for name, array in case.inputs.items()})
    for spec in case.loaded.spec.outputs:
        assert answer[spec.name].shape[0] == 0
        assert spec.fits(answer[spec.name].shape)
        assert answer[spec.name].dtype == spec.dtype


def test_it_neither_writes_into_its_inputs_nor_needs_to(case):
    inputs = {name: array.copy() for name, array in case.inputs.items()}
    for array in inputs.values():
        array.flags.writeable = False
    answer = case.loaded.predict(inputs)
    for name, expected in case.expected.items():
        case.agree(answer[name], expected)
    for name, array in inputs.items():
        np.testing.assert_array_equal(array, case.inputs[name])


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


def test_a_file_cut_off_is_a_known_error(case, tmp_path):
    path = copied(case, tmp_path / "model")
    cut = path / "skill.py" if path.is_dir() else path
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
