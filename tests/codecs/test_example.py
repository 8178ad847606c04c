"""Examples of requests: what is shown as one can be sent as it stands."""

import json

import pytest

from zeromind.codecs import example, oip, zeromind
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Interface, ModelSpec, TensorSpec

SPECS = [
    TensorSpec("x", "FP32", (None, 3)),
    TensorSpec("i", "INT64", (None,)),
    TensorSpec("b", "BOOL", (2, 2)),
    TensorSpec("t", "BYTES", (None, 1)),
    TensorSpec("h", "FP16", (None, None)),
    TensorSpec('a "quoted" name', "UINT8", (1,)),
]


def interface(*specs, **more):
    return Interface(ModelSpec(specs, (TensorSpec("y", "FP32", (None,)),), False), "test", **more)


@pytest.mark.parametrize("specs", [*([spec] for spec in SPECS), SPECS], ids=lambda specs: specs[0].name if len(specs) == 1 else "all")
def test_an_example_is_a_request_that_fits(specs):
    takes = interface(*specs)
    for text, read in (
        (example.own(takes), lambda body: zeromind.decode(body, "application/json", takes)),
        (example.oip(takes), lambda body: oip.Codec(takes, "m", None).decode(body)[0]),
    ):
        assert example.is_whole(text)
        request = read(text.encode())
        assert list(request.inputs) == [spec.name for spec in specs]
        assert all(spec.fits(request.inputs[spec.name].shape) for spec in specs)


def test_what_would_be_long_is_cut_and_says_so():
    takes = interface(TensorSpec("x", "FP32", (None, 28, 28, 1)))
    assert example.own(takes) == '{"x": [[[[0.5], …], …]]}'
    assert '"shape": [1, 28, 28, 1], "data": [0.5, …]' in example.oip(takes)
    assert not example.is_whole(example.own(takes))


def test_what_filters_take_is_told_where_that_is_known():
    picture = interface(SPECS[0], filtered_inputs=frozenset({"x"}), media={"x": ("image/png", "image/jpeg")})
    assert json.loads(example.own(picture)) == {"x": [{"image_file": "picture.png"}]}
    assert json.loads(json.loads(example.oip(picture))["inputs"][0]["data"][0]) == {"image_file": "picture.png"}
    assert example.takes_picture(picture)
    own = interface(SPECS[0], filtered_inputs=frozenset({"x"}))
    assert not example.takes_picture(own)
    assert not example.is_whole(example.own(own))


def test_only_faults_of_a_requests_form_get_an_example_and_none_that_is_long():
    fault = ZeroMindError(ErrorKind.INPUT_MISSING, "the data lacks the input 'x'", "x")
    told = example.with_example(fault, '{"x": 1}')
    assert (told.kind, told.message, told.params) == (fault.kind, "the data lacks the input 'x'; such as {\"x\": 1}", ("x",))
    assert example.with_example(fault, "x" * 1000) is fault
    busy = ZeroMindError(ErrorKind.BUSY, "later")
    assert example.with_example(busy, '{"x": 1}') is busy
