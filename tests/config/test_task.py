"""A task: checked whole before anything is loaded, each fault with the name of its key."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.config.options import TASK
from zeromind.config.task import FilterUse, Task
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

GOOD = {"id": "1", "model_file": "a.onnx"}
TENSOR = {"name": "x", "type": "float32", "shape": [None, 4]}


def refused(source):
    with pytest.raises(ZeroMindError) as caught:
        Task.parse(source)
    return caught.value


def test_the_least_task_has_the_defaults():
    task = Task.parse(GOOD)
    assert (task.id, task.model_file, task.model_type) == ("1", "a.onnx", "")
    assert (task.instances, task.isolation, task.timeout_s, task.device, task.allow_code) == (1, "process", 30, "auto", False)
    assert (task.options, task.source) == ({}, GOOD)


def test_keys_beyond_everybodys_are_the_adapters():
    task = Task.parse({**GOOD, "framework": "tf", "load_s": [1]})
    assert task.options == {"framework": "tf", "load_s": [1]}


def test_filters_are_ids_or_objects_with_parameters():
    task = Task.parse({**GOOD, "input_filters": {"x": ["a.B", {"filter": "c.D", "k": 3}]}, "output_filters": {"y": []}})
    assert task.input_filters == {"x": (FilterUse("a.B"), FilterUse("c.D", {"k": 3}))}
    assert task.output_filters == {"y": ()}


def test_tensors_are_read_as_numpy_or_the_protocol_write_them():
    shapes = [{**TENSOR, "type": "FP16"}, {"name": "t", "type": "string", "shape": [-1]}, {"name": "s", "type": "<i8", "shape": []}]
    assert Task.parse({**GOOD, "inputs": shapes}).inputs == (
        TensorSpec("x", "FP16", (None, 4)), TensorSpec("t", "BYTES", (None,)), TensorSpec("s", "INT64", ())
    )  # fmt: skip


def test_a_relative_file_belongs_to_the_base(tmp_path):
    assert Task.parse(GOOD, tmp_path).model_file == str(tmp_path / "a.onnx")
    assert Task.parse({**GOOD, "model_file": "/b"}, tmp_path).model_file == str(Path("/b").resolve())


WRONG = {
    "id": [None, "", 5, True, [], "a b", "/", "..", ".a", "-a", "é", "a\n", "x" * 129],
    "model_type": [5, None, []], "model_file": [None, "", 5, [], "a\0b"], "input_filters": [[], "x", None, {"x": "a.B"}, {"x": None}],
    "output_filters": [5, {"x": {}}], "inputs": [{}, "x", [5], None], "outputs": [5], "instances": [0, 65, 1.0, True, "1", None],
    "isolation": ["none", None, 5, []], "retry": ["twice", None, 1, True],
    "timeout_s": [0, -1, float("inf"), float("nan"), 1e9, "30", True, None],
    "device": [0, None], "allow_code": [1, "true", None], "max_batch_size": [0, 1 << 20, 1.5],
    "max_queue_delay_us": [-1, 1e9, "5"], "threads": [-1, 2000, 1.5, True],
    "labels": [[], "x", None, {"y": 5}, {"y": [1]}, {"y": None}], "priority_levels": [0, -1, 1.5, 10_000],
    "default_priority_level": [0, "1", 11], "network": ["yes", True, None], "reads": ["/x", [1], None], "writes": ["/x", [None]],
    "memory_limit_bytes": [-1, 1.5, "1", True],
    "samples": [{}, "x", [5], [{}], [{"inputs": 5}], [{"inputs": {}, "output": {}}], [{"inputs": {}, "rtol": -1}],
                [{"inputs": {}, "atol": "0"}], [{"inputs": {}, "outputs": 5}], [{"inputs": {}, "parameters": []}]],
}  # fmt: skip


def test_every_key_is_tried_below():
    assert WRONG.keys() == {option.key for option in TASK}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_wrong_value_names_its_key(key, value):
    error = refused({**GOOD, key: value})
    assert (error.kind, error.params) == (ErrorKind.TASK_ATTRIBUTE, (key,))
    assert key in error.message


@pytest.mark.parametrize("key", ["id", "model_file"])
def test_a_missing_key_says_what_it_is(key):
    error = refused({other: value for other, value in GOOD.items() if other != key})
    assert (error.kind, error.params) == (ErrorKind.TASK_ATTRIBUTE, (key,))
    assert next(option.help for option in TASK if option.key == key) in error.message


@pytest.mark.parametrize("entry", [5, None, [], {}, {"filter": 5}, {"id": "a.B"}])
def test_a_filter_that_is_none(entry):
    assert refused({**GOOD, "input_filters": {"x": [entry]}}).kind is ErrorKind.FILTER_PARAMETERS


@pytest.mark.parametrize("lack", ["name", "type", "shape"])
def test_a_tensor_that_lacks_an_attribute(lack):
    error = refused({**GOOD, "inputs": [{key: value for key, value in TENSOR.items() if key != lack}]})
    assert (error.kind, error.params) == (ErrorKind.SPEC_ATTRIBUTE, (lack,))


@pytest.mark.parametrize(
    "change",
    [{"name": 5}, {"name": ""}, {"type": "float33"}, {"type": 5}, {"type": None}, {"type": "complex64"}, {"shape": 4}, {"shape": None},
     {"shape": "4"}, {"shape": [1.5]}, {"shape": [True]}, {"shape": [-2]}, {"shape": [1 << 40]}, {"shape": [1] * 33}, {"shape": [[1]]}],
)  # fmt: skip
@pytest.mark.parametrize(("side", "kind"), [("inputs", ErrorKind.INPUT_SPEC), ("outputs", ErrorKind.OUTPUT_SPEC)])
def test_a_tensor_that_cannot_be_read(side, kind, change):
    assert refused({**GOOD, side: [{**TENSOR, **change}]}).kind is kind


def test_two_tensors_of_one_name():
    assert refused({**GOOD, "inputs": [TENSOR, TENSOR]}).kind is ErrorKind.INPUT_SPEC


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "type", "shape", "filter", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([option.key for option in TASK] + ["z"]), ANY))
def test_any_object_is_a_task_or_a_known_fault(source):
    for base in (GOOD, {}):
        whole = {**base, **source}
        with contextlib.suppress(ZeroMindError):
            assert Task.parse(whole).id == whole["id"]
