"""The meaning of the Open Inference Protocol's parameters, and what is refused."""

import pytest

from zeromind.codecs import oip_parameters as parameters
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Interface, ModelSpec, TensorSpec

Y = TensorSpec("y", "FP32", (None, 3))
TEXT = TensorSpec("text", "BYTES", (None,))
INTERFACE = Interface(ModelSpec((), (Y, TEXT), True), "test")
REGION = {"shared_memory_region": "r", "shared_memory_byte_size": 64}


def refused(call, *arguments):
    with pytest.raises(ZeroMindError) as caught:
        call(*arguments)
    assert caught.value.kind is ErrorKind.INVALID_INPUT
    return caught.value.message


def test_what_a_request_says_of_itself():
    fields = parameters.request_fields({"priority": 2, "timeout": 1500, "binary_data_output": True, "sequence_id": 7, "mine": "x"})
    assert fields == {"priority": 2, "timeout_s": 0.0015, "parameters": {"sequence_id": 7, "mine": "x"}}
    assert parameters.request_fields({}) == {}


@pytest.mark.parametrize(("value", "told"), [(False, False), ("off", False), ("false", False), (True, True), ("on", True)])
def test_filters_are_there_or_not(value, told):
    assert parameters.request_fields({"filters": value}) == {"filters": told}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"triton_enable_empty_final_response": True}, "reserved"),
        ({"headers": "x"}, "reserved"),
        ({"priority": -1}, "a whole number from 0 on"),
        ({"priority": True}, "a whole number"),
        ({"timeout": "1"}, "a whole number"),
        ({"timeout": 10**5000}, "more than 64 bits"),
        ({"filters": 1}, "true or false"),
        ({"filters": "maybe"}, "true or false"),
        ({"binary_data_output": 1}, "true or false"),
        ({"mine": None}, "'mine' is None"),
        ({"mine": [1]}, "'mine' is [1]"),
        ({"mine": 1 << 64}, "more than 64 bits"),
        ({"mine": "x" * (1 << 19), "too": "y" * (1 << 19)}, "more than 1048576 characters"),
        ({f"{at:020}": at for at in range(40_000)}, "more than 1048576 characters"),
    ],
)
def test_what_a_request_cannot_say(fields, words):
    assert words in refused(parameters.request_fields, fields)


def test_what_is_refused_is_shown_in_short():
    for fields in ({"mine": [[0]] * 10**6}, {"filters": "x" * 10**6}, {"binary_data_output": [0] * 10**6}):
        assert len(refused(parameters.request_fields, fields)) < 300
    assert len(refused(parameters.place, "input 'x'", {"shared_memory_region": [0] * 10**6})) < 300


def test_how_an_output_is_wanted():
    wanted = parameters.wanted
    assert wanted("y", {}, INTERFACE, True) == parameters.Wanted(Y, True)
    assert wanted("y", {"binary_data": False, "other": []}, INTERFACE, True) == parameters.Wanted(Y, False)
    assert wanted("y", {"classification": 3}, INTERFACE, False) == parameters.Wanted(Y, False, 3)
    assert wanted("y", REGION, INTERFACE, True) == parameters.Wanted(Y, False, 0, "r", 64, 0)
    assert wanted("y", {**REGION, "shared_memory_offset": 8}, INTERFACE, False).region_offset == 8


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("z", {}, "no output 'z'; its outputs are 'y', 'text'"),
        ("y", {"binary_data": "yes"}, "true or false"),
        ("y", {"classification": -1}, "a whole number from 0 on"),
        ("y", {"shared_memory_region": "r"}, "lacks 'shared_memory_byte_size'"),
        ("y", {"shared_memory_region": 5, "shared_memory_byte_size": 4}, "the name of a registered region"),
        ("y", {**REGION, "classification": 1}, "cannot go to shared memory as classes"),
        ("y", {**REGION, "binary_data": True}, "both in shared memory and in the answer"),
        ("text", {"classification": 1}, "it is BYTES"),
    ],
)
def test_how_an_output_cannot_be_wanted(name, fields, words):
    assert words in refused(parameters.wanted, name, fields, INTERFACE, False)


def test_filtered_outputs_have_no_classes():
    filtered = Interface(INTERFACE.spec, "test", filtered_outputs=frozenset({"y"}))
    assert "it has filters" in refused(parameters.wanted, "y", {"classification": 1}, filtered, False)


def test_a_selection_is_in_the_order_of_the_request_and_else_everything():
    assert [one.spec.name for one in parameters.selection([("text", {}), ("y", {})], INTERFACE, False)] == ["text", "y"]
    assert parameters.selection([], INTERFACE, True) == (parameters.Wanted(Y, True), parameters.Wanted(TEXT, True))
    assert "asked for twice" in refused(parameters.selection, [("y", {}), ("y", {})], INTERFACE, False)
