"""The four clients of one pool do the same: two wires, threads or an event loop."""

import io
import json
import pickle

import ml_dtypes
import numpy as np
import pytest
from PIL import Image

from zeromind import client as public
from zeromind import datatypes
from zeromind.client import (
    AlreadyLoaded,
    Client,
    DeadlineExceeded,
    InvalidInput,
    LoadFailed,
    ModelNotFound,
    Picture,
    PredictionFailed,
    WorkerCrashed,
)

VALUES = {
    "BOOL": [[True, False], [False, True]],
    "FP16": [[0.5, -np.inf], [np.nan, 65504]],
    "BF16": [[1.5, -np.inf], [np.nan, 256]],
    "BYTES": [["a", "ü"], ["", "long " * 100]],
}


def filled(datatype):
    """Two rows of a type, with its least and its greatest number."""
    if datatype in VALUES:
        array = np.array(VALUES[datatype], datatypes.NUMPY_OF[datatype])
        return datatypes.as_bytes(array) if datatype == "BYTES" else array
    dtype = datatypes.NUMPY_OF[datatype]
    bounds = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    return np.array([[bounds.min, bounds.max], [0, 1]], dtype)


def test_tensors_of_every_type_come_back_bit_by_bit(client):
    inputs = {name: filled(name) for name in datatypes.NUMPY_OF}
    answer = client.predict("every", inputs)
    assert (answer.model, answer.version, len(answer)) == ("every", "1", len(inputs))
    for name, array in inputs.items():
        back = answer[f"{name}_out"]
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.tolist() == array.tolist() if name == "BYTES" else back.tobytes() == array.tobytes()


def test_brain_floats_of_another_library_are_taken(client):
    inputs = {name: filled(name) for name in datatypes.NUMPY_OF}
    answer = client.predict("every", {**inputs, "BF16": inputs["BF16"].astype(ml_dtypes.bfloat16)}, outputs=["BF16_out"])
    assert list(answer) == ["BF16_out"]
    assert answer.value.tobytes() == inputs["BF16"].tobytes()


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3.5, 4]],
        ([1, 2], (3.5, 4)),
        np.array([[1, 2], [3.5, 4]]),
        np.array([[1, 2], [3.5, 4]], np.float16),
        np.array([[1, 3.5], [2, 4]], np.float32).T,
        np.array([[1, 0, 2], [3.5, 0, 4]], np.float32)[:, ::2],
    ],
    ids=["lists", "tuples", "double", "half", "transposed", "strided"],
)
def test_numbers_become_what_the_model_takes(client, value):
    answer = client.predict("add", value)
    assert (answer.value.dtype, answer.value.tolist()) == (np.float32, [3, 7.5])


def test_a_sample_alone_is_a_batch_of_one(client):
    assert client.predict("add", [1, 2]).value.tolist() == [3]
    assert client.predict("text", "hello")["length"].tolist() == [5]
    answer = client.predict("text", {"text": ["a", "bc"]})
    assert (answer["length"].tolist(), answer.text("again").tolist()) == ([1, 2], ["a", "bc"])
    assert client.predict("text", "ü".encode())["again"].tolist() == ["ü".encode()]


def test_answers_are_mappings_that_say_what_they_have(client):
    answer = client.predict("text", "hello")
    assert sorted(answer) == ["again", "length"]
    assert "Prediction" in repr(answer)
    with pytest.raises(KeyError, match="'length'"):
        answer["other"]
    with pytest.raises(ValueError, match="2 outputs"):
        _ = answer.value


def test_big_tensors(client):
    rows = np.arange(2_000_000, dtype=np.float32).reshape(-1, 2)
    assert np.array_equal(client.predict("add", rows).value, rows.sum(axis=1))
    assert client.predict("add", np.empty((0, 2), np.float32)).value.shape == (0,)


def test_more_than_the_server_takes(client):
    for _ in range(2):
        with pytest.raises(InvalidInput, match="16777216"):
            client.predict("add", np.zeros((2_500_000, 2), np.float32))
        assert client.predict("add", [1, 2]).value.tolist() == [3]


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        ("add", [1, 2, 3], r"shape \[3\]|shape \[1, 3\]"),
        ("add", [["a", "b"]], "takes float32"),
        ("add", {"y": [1, 2]}, "no input 'y'; its inputs are 'x'"),
        ("add", {"x": [[1, 2]], "y": [1]}, "no input 'y'"),
        ("add", [[1, 2], [3]], "is no array"),
        ("add", None, "takes float32"),
        ("add", [1e300, 0], "too large for float32"),
        ("add", Picture(b"\x89PNG"), "no picture: it has no filters"),
        ("echo", [1, 2], "2 inputs: send"),
        ("echo", {"x": [[1, 2]]}, "lacks the input 'n'"),
        ("echo", {"x": [[1, 2]], "n": [1.5]}, "the model takes int64"),
        ("text", 5, "takes text"),
        ("records", [], "at least one sample"),
        ("records", {"a": {1}}, "JSON has a form for"),
    ],
)
def test_what_does_not_fit_is_told_before_it_is_sent(client, model, inputs, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        client.predict(model, inputs)
    assert caught.value.status is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"parameters": {"a": [1]}}, "parameter 'a' is list"),
        ({"parameters": {"a": float("inf")}}, "finite number"),
        ({"parameters": {"a": 1 << 64}}, "more than 64 bits"),
        ({"timeout_s": 0}, "seconds above 0"),
        ({"request_id": "a\r\nb"}, "printable ASCII"),
        ({"priority": 0}, "1 is the most urgent"),
        ({"outputs": "sum"}, "a list of names"),
        ({"outputs": ["other"]}, "no output 'other'; its outputs are 'sum'"),
    ],
)
def test_terms_that_cannot_be(client, more, words):
    with pytest.raises(InvalidInput, match=words):
        client.predict("add", [1, 2], **more)


def test_no_end_of_patience(client):
    for forever in (float("inf"), 1e12):
        assert client.predict("add", [1, 2], timeout_s=forever).value == [3]
        assert client.models(timeout_s=forever)
    with pytest.raises(InvalidInput, match="seconds above 0"):
        client.models(timeout_s=float("nan"))


def test_what_only_the_server_can_refuse(client):
    with pytest.raises(InvalidInput) as caught:
        client.predict("records", {"a": 1})
    assert caught.value.status in (3, 400)
    with pytest.raises(InvalidInput, match="reserved"):
        client.predict("echo", {"x": [[1, 2]], "n": [1]}, parameters={"triton_a": 1})


def test_parameters_reach_the_model_with_their_types(client):
    told = {"flag": True, "one": 1, "minus": -5, "most": 2**63, "half": 0.5, "text": "ü"}
    answer = client.predict("echo", {"x": [[1, 2]], "n": [2]}, parameters=told, priority=1)
    assert answer["y"].tolist() == [[2, 4]]
    assert answer.text("told").tolist() == [repr(sorted(told.items()))]
    again = client.predict("echo", {"x": [[1, 2]], "n": [2]}, parameters={"flag": 1, "one": True})
    assert again.text("told").tolist() == ["[('flag', 1), ('one', True)]"]


def test_the_server_says_what_it_calls_a_request_and_how_long_it_took(connect, pool):
    client = connect(pool)
    assert client.predict("add", [1, 2], request_id="mine").request_id == "mine"
    answer = client.predict("add", [1, 2])
    assert answer.request_id not in ("", "mine")
    if "grpc" in connect.kind:
        assert answer.timing is None
    else:
        assert {"queue", "input", "model", "output"} <= answer.timing.keys()
        assert all(0 <= seconds < 60 for seconds in answer.timing.values())
    with pytest.raises(InvalidInput) as caught:
        client.predict("records", {"a": 1}, request_id="theirs")
    assert caught.value.request_id == "theirs"


# --- filters


def png(shade):
    buffer = io.BytesIO()
    Image.new("L", (4, 4), shade).save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures_of_every_kind(client, tmp_path):
    (tmp_path / "white.png").write_bytes(png(255))
    white = client.predict("picture", tmp_path / "white.png").value
    assert white.shape == (1,)
    for value in (Picture(png(255)), png(255), Image.new("L", (4, 4), 255), {"picture": tmp_path / "white.png"}):
        assert client.predict("picture", value).value.tolist() == white.tolist()
    both = client.predict("picture", [tmp_path / "white.png", Picture(png(0))]).value
    assert (both.shape, both[0], both[0] != both[1]) == ((2,), white[0], True)


def test_a_picture_that_is_not_there(client, tmp_path):
    with pytest.raises(InvalidInput, match=r"none\.png cannot be read: No such file"):
        client.predict("picture", tmp_path / "none.png")


def test_filters_take_and_give_what_json_has(client):
    assert client.predict("records", {"a": 1, "b": 2}).value == [{"sum": 3.0, "text": "3"}]
    rows = [{"a": 1, "b": np.float32(2)}, {"a": np.array(3), "b": 4}]
    assert [row["text"] for row in client.predict("records", rows).value] == ["3", "7"]
    assert client.predict("records", {"x": [{"a": 1, "b": 2}]}).value[0]["sum"] == 3
    assert client.predict("records", json.dumps({"a": 1, "b": 2}).encode()).value[0]["sum"] == 3
    bare = client.predict("records", [[1, 2]], filters=False)
    assert bare.value.tolist() == [3]


# --- what a server tells


def test_models_and_their_interfaces(client):
    assert {one.name for one in client.models() if one.ready} >= {"add", "echo", "every"}
    info = client.model("records")
    assert (info.name, info.adapter, info.batches, info.decoupled) == ("records", "python", True, False)
    (x,) = info.inputs
    assert (x.name, x.datatype, x.shape, x.filtered) == ("x", "FP32", (None, 2), True)
    assert [(one.name, one.filtered) for one in info.outputs] == [("sum", True)]
    assert client.model("picture").inputs[0].media
    with pytest.raises(ModelNotFound):
        client.model("nowhere")


def test_labels(client, pool):
    names = ["no", "yes"]
    pool.serve({"id": "labelled", "model_file": "echo.py", "isolation": "thread", "labels": {"y": names}})
    try:
        assert client.model("labelled").outputs[0].labels == tuple(names)
    finally:
        pool.drop("labelled")


def test_the_server(client):
    info = client.info()
    assert (info.name, "binary_tensor_data" in info.extensions) == ("0Mind", True)
    assert (client.ready(), client.ready("add"), client.ready("nowhere")) == (True, True, False)
    before = client.statistics("add")[0]["inference_count"]
    client.predict("add", [[1, 2], [3, 4]])
    (after,) = client.statistics("add")
    assert after["inference_count"] == before + 2
    assert after["inference_stats"]["success"]["count"] > 0
    assert {one["name"] for one in client.statistics()} >= {"add", "echo"}


def test_both_wires_tell_the_same_statistics(pool):
    with Client(pool.url) as http, Client(pool.grpc_url) as grpc:
        http.predict("add", [1, 2])
        assert http.statistics("add") == grpc.statistics("add")


def test_load_and_drop(client):
    info = client.load({"id": "extra", "model_file": "add.py"})
    assert (info.name, info.inputs[0].name) == ("extra", "x")
    assert client.predict("extra", [1, 2]).value.tolist() == [3]
    with pytest.raises(AlreadyLoaded):
        client.load({"id": "extra", "model_file": "add.py"})
    client.drop("extra")
    with pytest.raises(ModelNotFound):
        client.predict("extra", [1, 2])
    with pytest.raises(ModelNotFound):
        client.drop("nowhere")


def test_a_task_that_cannot_be_loaded(client):
    with pytest.raises(LoadFailed) as caught:
        client.load({"id": "broken", "model_file": "nothing.py"})
    assert "nothing.py" in caught.value.message


def test_a_model_that_was_loaded_anew_is_asked_as_it_is_now(client, pool):
    pool.serve({"id": "changing", "model_file": "add.py", "isolation": "thread"})
    assert client.predict("changing", [1, 2]).value.tolist() == [3]
    pool.drop("changing")
    pool.serve({"id": "changing", "model_file": "text.py", "isolation": "thread"})
    assert client.predict("changing", "abc")["length"].tolist() == [3]
    pool.drop("changing")
    pool.serve({"id": "changing", "model_file": "echo.py", "isolation": "thread"})
    assert client.predict("changing", {"x": [[1, 2]], "n": [3]})["y"].tolist() == [[3, 6]]
    pool.drop("changing")


# --- faults


@pytest.mark.parametrize(("order", "error"), [("exit:3", WorkerCrashed), ("fail", PredictionFailed), ("refuse", InvalidInput)], ids=str)
def test_faults_are_told_apart(client, order, error):
    with pytest.raises(error) as caught:
        client.predict("lab", order)
    assert type(caught.value) is error
    assert "secret" not in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.kind, again.message, again.status) == (error, caught.value.kind, caught.value.message, caught.value.status)


def test_a_deadline_is_kept_and_told_to_the_server(client, tmp_path, waiting):
    client.predict("lab", "echo")
    note = tmp_path / "note"
    with pytest.raises(DeadlineExceeded):
        client.predict("lab", "sleep:3", timeout_s=0.2)
    with pytest.raises(DeadlineExceeded):  # it waits for the one above, and never runs
        client.predict("lab", f"note:{note}", timeout_s=0.2)
    assert client.predict("lab", "echo", timeout_s=30).text("echo").tolist() == ["echo"]
    assert not note.exists()


def test_every_name_is_there():
    assert sorted(public.__all__) == public.__all__
    for name in public.__all__:
        assert getattr(public, name).__module__.startswith("zeromind.client.")
    with pytest.raises(AttributeError, match="nothing"):
        _ = public.nothing
