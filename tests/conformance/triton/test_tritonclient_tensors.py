"""Tensors and requests over Triton's four clients: every type both ways, compressed, classified, with parameters."""

import gzip
import json
import zlib

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

TEXTS = np.array([b"\x00\xff", "ö".encode(), b""], np.object_)


def types(triton, every_type, **more):
    """The inputs of the skill ``every_type``; over HTTP, ``binary_data`` or as JSON."""
    return [triton.tensor(name, array, datatype, **more) for name, (datatype, array) in every_type.items()]


def check_types(triton, every_type, result):
    outputs = {output["name"]: output for output in triton.response(result)["outputs"]}
    for name, (datatype, array) in every_type.items():
        got = result.as_numpy(f"{name}_out")
        assert (outputs[f"{name}_out"]["datatype"], outputs[f"{name}_out"]["shape"]) == (datatype, list(array.shape))
        assert got.dtype == array.dtype
        if datatype == "BYTES":
            assert [text if isinstance(text, str) else text.decode() for text in got.flat] == list(array.flat)
        else:
            assert got.tobytes() == array.tobytes()


def test_every_type_comes_back_bit_by_bit(triton, every_type):
    check_types(triton, every_type, triton.infer("every_type", types(triton, every_type), request_id="7"))


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_any_number_of_rows(triton, every_type, rows):
    several = {name: (datatype, np.repeat(array, rows, axis=0)) for name, (datatype, array) in every_type.items()}
    check_types(triton, several, triton.infer("every_type", types(triton, several)))


def test_tensors_without_columns(triton, every_type):
    empty = {name: (datatype, array[:, :0]) for name, (datatype, array) in every_type.items()}
    check_types(triton, empty, triton.infer("every_type", types(triton, empty)))


NO_JSON = ("FP16", "BF16")
"""The clients give these as binary only."""


@pytest.mark.parametrize("triton", ["http", "http.aio"], indirect=True)
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("rows", [0, 2])
def test_json_and_binary_may_be_mixed(triton, every_type, given, taken, rows):
    several = {name: (datatype, np.repeat(array, rows, axis=0)) for name, (datatype, array) in every_type.items()}
    inputs = [triton.tensor(name, array, datatype, binary_data=given or datatype in NO_JSON) for name, (datatype, array) in several.items()]
    outputs = [triton.wanted(f"{name}_out", binary_data=taken or datatype in NO_JSON) for name, (datatype, array) in several.items()]
    result = triton.infer("every_type", inputs, outputs=outputs)
    check_types(triton, several, result)
    binary = {name: "binary_data_size" in result.get_output(f"{name}_out").get("parameters", {}) for name in several}
    assert binary == {name: taken or datatype in NO_JSON for name, (datatype, _) in several.items()}


@pytest.mark.parametrize("triton", ["http", "http.aio"], indirect=True)
def test_all_in_json(triton):
    rows = np.array([[1, 2, 3, 0.1]], np.float32)
    result = triton.infer("scores", [triton.tensor("x", rows, binary_data=False)], outputs=[triton.wanted("scores", binary_data=False)])
    assert result.as_numpy("scores").tobytes() == rows.tobytes()
    assert "parameters" not in triton.response(result)["outputs"][0]


def test_bytes_are_any_bytes(triton):
    assert triton.ask("echo", {"text": TEXTS}).as_numpy("echo").tolist() == TEXTS.tolist()


@pytest.mark.parametrize("triton", ["http", "http.aio"], indirect=True)
def test_json_has_no_form_for_bytes_that_are_no_text(triton):
    wanted = [triton.wanted("echo", binary_data=False)]
    with pytest.raises(InferenceServerException) as caught:
        triton.ask("echo", {"text": TEXTS}, wanted)
    assert "UTF-8" in caught.value.message()
    assert triton.ask("echo", {"text": TEXTS[1:]}, wanted).as_numpy("echo").tolist() == ["ö", ""]


def test_the_answers_are_those_of_the_request(triton):
    rows = np.array([[1, 2, 3, 4]], np.float32)
    response = triton.response(triton.ask("scores", {"x": rows}, request_id="a/7"))
    assert (response["id"], response["model_name"], response["model_version"]) == ("a/7", "scores", "1")
    assert [output["name"] for output in response["outputs"]] == ["scores", "whole"]
    assert not triton.response(triton.ask("scores", {"x": rows})).get("id")


def test_outputs_come_as_and_in_the_order_that_was_asked_for(triton):
    rows = np.array([[1, 2, 3, 4]], np.float32)
    result = triton.ask("scores", {"x": rows}, [triton.wanted("whole", binary_data=False), triton.wanted("scores", binary_data=True)])
    assert [output["name"] for output in triton.response(result)["outputs"]] == ["whole", "scores"]
    assert result.as_numpy("whole").tolist() == result.as_numpy("scores").tolist() == rows.tolist()
    assert [output["name"] for output in triton.response(triton.ask("scores", {"x": rows}, [triton.wanted("whole")]))["outputs"]] == [
        "whole"
    ]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("rows", [1, 4000])
def test_compressed_both_ways(triton, algorithm, rows):
    array = np.arange(4 * rows, dtype=np.float32).reshape(-1, 4)
    result = triton.ask("double", {"x": array}, **triton.compressed(algorithm))
    assert (result.as_numpy("y") == 2 * array).all()


@pytest.mark.parametrize("triton", ["http"], indirect=True)
def test_large_tensors(triton):
    array = np.arange(1 << 20, dtype=np.float32).reshape(-1, 4)
    assert (triton.ask("double", {"x": array}).as_numpy("y") == 2 * array).all()


@pytest.mark.parametrize(("algorithm", "expand"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_the_answer_is_compressed_indeed(served, algorithm, expand):
    body = {"inputs": [{"name": "x", "shape": [1000, 4], "datatype": "FP32", "data": [1] * 4000}]}
    answer = served.post("/v2/models/double/infer", body, headers={"Accept-Encoding": algorithm})
    assert answer.headers["Content-Encoding"] == algorithm
    assert json.loads(expand(answer.data))["outputs"][0]["data"] == [2] * 4000


def test_a_raw_request(served):
    """As curl sends it: nothing but the only input's data."""
    head = {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"}
    answer = served.post("/v2/models/double/infer", np.arange(8, dtype=np.float32).tobytes(), headers=head)
    size = int(answer.headers["Inference-Header-Content-Length"])
    assert json.loads(answer.data[:size])["outputs"][0]["shape"] == [2, 4]
    assert np.frombuffer(answer.data[size:], np.float32).tolist() == [2.0 * number for number in range(8)]
    text = served.post("/v2/models/echo/infer", b"\xff raw", headers=head)
    assert text.data.count(b"\x05\x00\x00\x00\xff raw") == 1


ROWS = np.array([[0.1, 0.4, 0.2, 0.3], [4, 1, 3, 2]], np.float32)


def test_classes(triton):
    result = triton.ask("scores", {"x": ROWS}, [triton.wanted("scores", class_count=2), triton.wanted("whole", class_count=9)])
    scores, whole = result.as_numpy("scores"), result.as_numpy("whole")
    assert texts(scores) == [["0.400000:1:bee", "0.300000:3:dog"], ["4.000000:0:ant", "3.000000:2:cat"]]
    assert texts(whole[1:]) == [["4:0", "3:2", "2:3", "1:1"]]
    assert {output["datatype"] for output in triton.response(result)["outputs"]} == {"BYTES"}


def texts(array):
    return [[text if isinstance(text, str) else text.decode() for text in row] for row in array]


@pytest.mark.parametrize("triton", ["http", "http.aio"], indirect=True)
def test_classes_in_json(triton):
    result = triton.ask("scores", {"x": ROWS[:1]}, [triton.wanted("scores", class_count=1, binary_data=False)])
    assert triton.response(result)["outputs"] == [{"name": "scores", "datatype": "BYTES", "shape": [1, 1], "data": ["0.400000:1:bee"]}]


def test_there_are_no_classes_of_texts(triton):
    message = triton.refused("INVALID_ARGUMENT", triton.ask, "echo", {"text": TEXTS}, [triton.wanted("echo", class_count=1)])
    assert "class" in message


def told(result):
    (text,) = result.as_numpy("told")
    return json.loads(text)


def test_parameters_reach_the_model(triton):
    mine = {"yes": True, "number": -5, "share": 0.5, "name": "ö"}
    assert told(triton.ask("echo", {"text": TEXTS[:1]}, parameters=mine)) == mine
    assert told(triton.ask("echo", {"text": TEXTS[:1]})) == {}


@pytest.mark.parametrize("sequence", [5, "five"])
def test_sequences_are_known_to_the_model(triton, sequence):
    result = triton.ask("echo", {"text": TEXTS[:1]}, sequence_id=sequence, sequence_start=True, sequence_end=False)
    assert told(result) == {"sequence_id": sequence, "sequence_start": True, "sequence_end": False}


def test_a_priority_is_no_matter_of_the_model(triton):
    assert told(triton.ask("echo", {"text": TEXTS[:1]}, priority=1, timeout=10_000_000)) == {}


def test_a_request_has_no_more_time_than_it_says(triton):
    order = np.array(["sleep:0.4"], np.object_)
    message = triton.refused("DEADLINE_EXCEEDED", triton.ask, "lab", {"order": order}, timeout=50_000)
    assert "time-out" in message


def test_filters_and_their_absence(triton):
    """Filtered, a sample is one text of JSON; without its filters the model is as it was."""
    (output,) = triton.get_model_metadata("best")["outputs"]
    assert output == {"name": "y", "datatype": "BYTES", "shape": [-1]}
    best = triton.ask("best", {"x": ROWS}).as_numpy("y")
    assert texts([best]) == [["1", "0"]]
    (output,) = triton.get_model_metadata("best", **triton.bare)["outputs"]
    assert output == {"name": "y", "datatype": "FP32", "shape": [-1, 4]}
    for more in (triton.bare, {"parameters": {"filters": "off"}}, {"parameters": {"filters": False}}):
        assert triton.ask("best", {"x": ROWS}, **more).as_numpy("y").tolist() == (2 * ROWS).tolist()


def test_reserved_parameters_are_refused(served):
    body = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
    for name in ("triton_mine", "headers"):
        answer = served.post("/v2/models/double/infer", {**body, "parameters": {name: "x"}})
        assert (answer.status, list(answer.json)) == (400, ["error"])
