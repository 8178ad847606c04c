"""What is bounded where bytes become tensors: each limit is exact, and dies with its test."""

import json
import time
import tracemalloc
import zlib

import numpy as np
import pytest

from zeromind import strictjson
from zeromind.codecs import arrays, generate, inflate, numbers, tensorflow_serving, zeromind
from zeromind.codecs.oip import Codec
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import BODY, JSON, MESSAGES, TENSORS
from zeromind.regions import Regions
from zeromind.tensors import Interface, ModelSpec, TensorSpec

OPEN = TensorSpec("x", "FP32", (None, None))
ONE = Interface(ModelSpec((OPEN,), (OPEN,), True), "test")
TEXT = TensorSpec("x", "BYTES", (None,))
FLAGS = TensorSpec("x", "BOOL", (None,))


def refused(call, *arguments):
    with pytest.raises(ZeroMindError) as caught:
        call(*arguments)
    return caught.value


def test_open_sizes_are_as_the_first_lists_have_them():
    spec = TensorSpec("x", "INT64", (None, None, 2, None))
    for shape in ((1, 1, 2, 1), (3, 4, 2, 5)):
        array = np.arange(np.prod(shape)).reshape(shape)
        text = json.dumps(array.tolist()).encode()
        np.testing.assert_array_equal(arrays.nested(text, spec), array)
        np.testing.assert_array_equal(numbers.to_tensor(text, spec), array)
    for ragged in (b"[[[[1],[1]]],[[[1],[1,2]]]]", b"[[[[1]]]]", b"[1]", b"[[[]]]", b"[[[[],[]]]]", b"[[[[1],[1]]],[]]"):
        assert arrays.nested(ragged, spec) is None
        assert refused(numbers.to_tensor, ragged, spec).kind is ErrorKind.INVALID_INPUT


@pytest.mark.proves("T19", "F28")
def test_t19_a_large_list_of_open_sizes_takes_neither_seconds_nor_a_gigabyte():
    text = b"[" + b",".join([b"[" + b"1," * 999 + b"1]"] * 8000) + b"]"  # 16 MB, eight million numbers
    tracemalloc.start()
    begin = time.process_time()
    try:
        assert numbers.to_tensor(text, OPEN).shape == (8000, 1000)
        assert time.process_time() - begin < 3
        assert tracemalloc.get_traced_memory()[1] < 8 * len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.proves("T19", "T21", "F28")
@pytest.mark.parametrize(
    ("text", "spec"),
    [
        (b"[[" + b"1," * JSON.numbers + b"1]]", OPEN),
        (b"[[" + b"1," * JSON.values + b"1],[1]]", OPEN),
        (b"[" + b"true," * JSON.values + b"true]", FLAGS),
        (b"[" + b'"",' * TENSORS.texts + b'""]', TEXT),
        (b"[" + b'"\\"\\\\",' * (2 * TENSORS.texts) + b'""]', TEXT),
    ],
    ids=["numbers", "ragged", "flags", "texts", "escapes"],
)
def test_t21_lists_of_very_many_values_are_refused_at_once(text, spec):
    begin = time.process_time()
    assert "has more than" in refused(numbers.to_tensor, text, spec).message
    assert time.process_time() - begin < 2
    body = b'{"inputs": [{"name": "x", "shape": [1, %d], "datatype": "%b", "data": %b}]}' % (JSON.numbers, spec.datatype.encode(), text)
    interface = Interface(ModelSpec((spec,), (spec,), True), "test")
    refused(Codec(interface, "m", Regions(False, 0)).decode, body)
    refused(tensorflow_serving.predict, b'{"instances": %b}' % text, interface)
    assert time.process_time() - begin < 6


@pytest.mark.proves("T19", "T21", "F28")
@pytest.mark.parametrize(
    "more",
    [
        b'"outputs": [%b]' % b",".join([b'{"name":"x"}'] * (MESSAGES.fields + 1)),
        b'"outputs": [%b]' % b",".join([b"{}"] * (MESSAGES.fields + 1)),
        b'"parameters": {%b}' % b",".join(b'"%x":0' % at for at in range(MESSAGES.fields + 1)),
        b'"else": [%b]' % b",".join([b'{"":"%b"}' % (b"\\" * 8)] * (MESSAGES.fields + 1)),
    ],
    ids=["outputs", "objects", "parameters", "what is not read"],
)
def test_t21_very_many_members_are_refused_before_they_are_made(more):
    body = b'{"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}], %b}' % more
    assert "has more than" in refused(Codec(ONE, "m", Regions(False, 0)).decode, body).message


@pytest.mark.proves("T19")
@pytest.mark.parametrize("where", [b'"parameters"', b'"\\u0070arameters"'])
def test_t19_parameters_longer_than_any_may_be_are_not_opened(where):
    lists = b",".join([b"[0]"] * 5_000_000)
    body = b'{"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}], %b: {"a": [%b]}}' % (where, lists)
    begin = time.process_time()
    assert "parameters have more than" in refused(Codec(ONE, "m", Regions(False, 0)).decode, body).message
    assert time.process_time() - begin < 0.5  # to make these lists takes a second and more


def test_what_looks_like_many_members_may_be_text():
    interface = Interface(ModelSpec((TEXT,), (TEXT,), True), "test")
    texts = ['{"a": :}'] * MESSAGES.fields
    body = json.dumps({"inputs": [{"name": "x", "shape": [len(texts)], "datatype": "BYTES", "data": texts}]}).encode()
    request, _ = Codec(interface, "m", Regions(False, 0)).decode(body)
    assert request.inputs["x"].tolist() == [text.encode() for text in texts]


def test_as_many_values_as_are_allowed():
    assert numbers.to_tensor(b"[" + b"true," * (JSON.values - 1) + b"true]", FLAGS).size == JSON.values
    assert numbers.to_tensor(b"[" + b'"",' * (TENSORS.texts - 1) + b'""]', TEXT).size == TENSORS.texts


@pytest.mark.proves("T19", "F28")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * (JSON.depth + 1) + b"]" * (JSON.depth + 1), "levels deep"),
        (b'{"a":' * (JSON.depth + 1) + b"1" + b"}" * (JSON.depth + 1), "levels deep"),
        (b'["]]]]]]]]",' * JSON.depth + b"[" + b"]" * (JSON.depth + 1), "levels deep"),
        (b"[" * 10**6, "levels deep"),
        (b"[" * 10**7, "values"),
        (b"[" + b"1," * JSON.values + b"1]", "values"),
        (b"[" + b'""' * (3 * JSON.values) + b"[" * 65, "values"),
        (b"1" * (JSON.digits + 1), "digits"),
        (b'{"a": 0.%b}' % (b"12" * JSON.digits), "digits"),
        (b"1e400", "too large"),
        (b"-1E+309", "too large"),
        (b'"\\ud800"', "half a character"),
        (b'["\\udc00\\ud800"]', "half a character"),
        (b"\xff", "utf-8"),
        ("[1]".encode("utf-16"), "utf-8"),
        (b"\xef\xbb\xbf[1]", "BOM"),
    ],
    ids=range(16),
)
def test_f28_json_is_looked_at_before_it_is_parsed(text, reason):
    begin = time.process_time()
    with pytest.raises(ValueError, match=reason):
        strictjson.loads(text)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    "value",
    [
        "[" * 1000,
        ['[{\\"[' * 30] * 3,
        "1" * 1000,
        {"\\": '"[' * 100, "é😀": [1e308, -0.5, 2**63]},
        ["a,b"] * 10,
        json.loads("[" * JSON.depth + "]" * JSON.depth),
        10 ** (JSON.digits - 1),
        "," * (JSON.values + 5),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_what_merely_looks_like_too_much_is_read(value, ascii_only):
    assert strictjson.loads(json.dumps(value, ensure_ascii=ascii_only)) == value


@pytest.mark.proves("T19", "T20", "F22")
def test_f22_members_of_a_body():
    names = ",".join(f'"k{at}":1' for at in range(TENSORS.members)).encode()
    assert len(zeromind.members(b"{%b}" % names)) == TENSORS.members
    for body, reason in (
        (b'{%b,"x":1}' % names, "members"),
        (b'{%b,"k7":1}' % names[: -len('"k16383":1,')], "'k7' stands twice"),
        (b'{"a":1,"\\u0061":1}', "'a'"),
    ):
        with pytest.raises(ValueError, match=reason):
            zeromind.members(body)


@pytest.mark.proves("T20", "F21")
@pytest.mark.parametrize("text", ["a" * (TENSORS.request_id + 1), "a\0b"])
def test_f21_the_id_of_a_request(text):
    body = {"id": text, "inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}]}
    codec = Codec(ONE, "m", Regions(False, 0))
    assert "the id of a request" in refused(codec.decode, json.dumps(body).encode()).message
    assert "the id of a request" in refused(generate.decode, json.dumps({"id": text, "x": [[1]]}).encode(), ONE).message
    assert codec.decode(json.dumps({**body, "id": "a" * TENSORS.request_id}).encode())[0].id


@pytest.mark.proves("T20", "F22")
def test_f22_what_generate_passes_on_is_strict():
    for more in (b'{"parameters": {"a": 1, "a": 2}, "x": [1]}', b'{"y": %b, "x": [1]}' % (b"[" * 99 + b"]" * 99)):
        assert refused(generate.decode, more, ONE).kind is ErrorKind.PREDICT_DATA


@pytest.mark.proves("T14")
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_t14_what_expands_out_of_proportion_is_not_expanded(coding):
    def packed(size):
        packer = zlib.compressobj(9, wbits=inflate.WINDOWS[coding])
        return packer.compress(bytes(size)) + packer.flush()

    assert len(inflate.inflated(packed(BODY.unrated), coding, BODY.size)) == BODY.unrated
    error = refused(inflate.inflated, packed(8 * BODY.unrated), coding, BODY.size)
    assert (error.kind, "times" in error.message) == (ErrorKind.BODY_TOO_LARGE, True)
    assert refused(inflate.inflated, packed(1001), coding, 1000).kind is ErrorKind.BODY_TOO_LARGE
    for data in (packed(9) * 2, packed(9)[:-1], packed(9) + b"x", b"x"):
        assert refused(inflate.inflated, data, coding, 1000).kind is ErrorKind.REQUEST_ATTRIBUTE
    noise = np.random.default_rng(1).bytes(2 * BODY.unrated)
    packer = zlib.compressobj(1, wbits=inflate.WINDOWS[coding])
    assert inflate.inflated(packer.compress(noise) + packer.flush(), coding, BODY.size) == noise
