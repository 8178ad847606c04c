"""TensorFlow Serving's REST API over sockets."""

import base64
import gzip
import io
import json
import threading
import zlib

import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import tensorflow_status

PICTURE = '''
"""The mean of a picture, and whether it is bright."""

import numpy as np


class Skill:
    inputs = {"picture": ("float32", [None, 4, 4, 1])}
    outputs = {"scores": ("float32", [None, 2])}

    def predict(self, picture):
        mean = picture.mean(axis=(1, 2, 3))
        return np.stack([1 - mean, mean], axis=1)
'''
NAMED = '''
"""Adds up the numbers of each row, some of them named; says its bytes backwards."""


class Skill:
    inputs = {"x": ("float32", [None, 3]), "k": ("int64", [None]), "word": ("string", [None])}
    outputs = {"sum": ("float32", [None]), "word_bytes": ("string", [None])}

    def predict(self, x, k, word):
        return {"sum": x.sum(axis=1) + k, "word_bytes": [item[::-1] for item in word]}
'''
SEEN = {"model_file": "tfs_picture.py", "input_filters": {"picture": ["image.ImageFilter"]}}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}  # what curl -d sends


@pytest.fixture(scope="module")
def pool(models, thread_server):
    (models / "tfs_picture.py").write_text(PICTURE)
    (models / "tfs_named.py").write_text(NAMED)
    tasks = [
        {"id": "double", "model_file": "double.onnx"},
        {"id": "sum", "model_file": "sum.py"},
        {"id": "named", "model_file": "tfs_named.py"},
        {"id": "lab", "model_file": "lab.py"},
        {"id": "split", "model_file": "sum.py", "input_filters": {"x": ["own.Split"]}, "output_filters": {"sum": ["own.Scale"]}},
        {"id": "picture", **SEEN, "labels": {"scores": ["dark", "bright"]}},
        {"id": "best", **SEEN, "output_filters": {"scores": ["argmax.ArgMaxFilter"]}},
        {"id": "broken", "model_file": "broken.onnx"},
    ]
    folders = [str(models / "filters")]
    with thread_server(tasks=tasks, filter_folders=folders, max_body_bytes=1 << 20) as client:
        yield client


def asked(pool, model, body, verb="predict", **more):
    return pool.post(f"/v1/models/{model}:{verb}", body, **more)


def error(answer):
    assert list(answer.json) == ["error"], answer
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json["error"]


def png(level):
    from PIL import Image

    stream = io.BytesIO()
    Image.new("L", (4, 4), level).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


@pytest.mark.parametrize("place", ["", "/versions/1", "/labels/1", "/versions/01"])
def test_a_model_is_available(pool, place):
    status = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert pool.get(f"/v1/models/double{place}").json == {"model_version_status": [status]}
    assert pool.get(f"/V1/Models/double{place}").status == 200
    assert pool.get(f"/v1/models/double{place}/metadata").json["model_spec"]["name"] == "double"
    assert asked(pool, f"double{place}", {"instances": [[1, 2, 3, 4]]}).json == {"predictions": [[2, 4, 6, 8]]}


def test_a_configured_model_that_failed_says_why(pool):
    answer = pool.get("/v1/models/broken")
    (entry,) = answer.json["model_version_status"]
    assert (answer.status, entry["state"], entry["status"]["error_code"]) == (200, "END", "FAILED_PRECONDITION")
    assert "no adapter recognises the model file" in entry["status"]["error_message"]
    assert asked(pool, "broken", {"instances": [[1]]}).status == 404


def test_a_model_that_loads_says_so(pool):
    with_slow = {"id": "slow", "model_file": "slow.py", "load_s": 60}
    loading = threading.Thread(target=pool.load, args=(with_slow,))
    loading.start()
    state = ""
    while state != "LOADING":
        answer = pool.get("/v1/models/slow").json
        state = answer["model_version_status"][0]["state"] if "error" not in answer else ""
    pool.drop("slow")
    loading.join()
    assert pool.get("/v1/models/slow").status == 404


@pytest.mark.parametrize("place", ["/v1/models/double/versions/2", "/v1/models/double/labels/stable", "/v1/models/none"])
def test_what_is_not_there_is_not_found(pool, place):
    for answer in (pool.get(place), pool.get(f"{place}/metadata"), *(pool.post(f"{place}:{verb}", {}) for verb in ("predict", "classify"))):
        assert answer.status == 404
        assert error(answer).startswith("Servable not found for request: ")
        assert ("double" if "double" in place else "none") in error(answer)


@pytest.mark.parametrize("place", ["/v1", "/v1/models", "/v1/models/double:ask", "/v1/models/double/versions/x", "/v1/models/a/labels/b/c"])
def test_a_route_that_there_is_not(pool, place):
    assert pool.get(place).status == 404
    assert place in error(pool.post(place, {}))


@pytest.mark.parametrize(("method", "place", "allowed"), [("POST", "", "GET"), ("POST", "/metadata", "GET"), ("GET", ":predict", "POST")])
def test_another_method_is_refused(pool, method, place, allowed):
    answer = pool.ask(method, f"/v1/models/double{place}")
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert error(answer)


def test_the_content_type_does_not_matter(pool):
    for headers in ({}, FORM):
        answer = asked(pool, "double", b'{"instances": [[1,2,3,4]]}', headers=headers)
        assert (answer.status, answer.json) == (200, {"predictions": [[2, 4, 6, 8]]})


def test_rows_and_columns_of_several_inputs_and_outputs(pool):
    rows = [{"x": [1, 2, 3], "k": 1, "word": "ab"}, {"x": [4, 5, 6], "k": 2, "word": {"b64": "Y2Q="}}]
    out = [{"sum": 7, "word_bytes": {"b64": "YmE="}}, {"sum": 17, "word_bytes": {"b64": "ZGM="}}]
    assert asked(pool, "named", {"instances": rows, "signature_name": "serving_default"}).json == {"predictions": out}
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    wanted = {"sum": [7, 17], "word_bytes": [{"b64": "YmE="}, {"b64": "ZGM="}]}
    assert asked(pool, "named", {"inputs": columns}).json == {"outputs": wanted}


def test_numbers_that_are_not_finite(pool):
    answer = asked(pool, "double", b'{"instances": [[1.0, NaN, Infinity, -Infinity]]}')
    assert (answer.status, answer.data) == (200, b'{"predictions":[[2.0,NaN,Infinity,-Infinity]]}')


def test_filters_get_and_give_what_they_like(pool):
    assert asked(pool, "split", {"instances": ["1 2 3", "4 5 6"]}).json == {"predictions": [12, 30]}
    assert asked(pool, "split", {"instances": [{"x": "1 2 3"}]}).json == {"predictions": [12]}
    assert asked(pool, "split", {"inputs": {"x": ["1 2 3"]}}).json == {"outputs": [12]}
    assert asked(pool, "split", {"examples": [{"x": "1 2 3"}]}, "regress").status == 400


def test_pictures_for_filters(pool):
    dark, bright = {"b64": png(0)}, {"b64": png(255)}
    assert asked(pool, "picture", {"instances": [bright]}).json == {"predictions": [[0, 1]]}
    assert asked(pool, "picture", {"instances": [dark, bright]}).json == {"predictions": [[1, 0], [0, 1]]}
    assert asked(pool, "best", {"instances": [dark, {"picture": bright}]}).status == 400
    assert asked(pool, "best", {"instances": [{"picture": dark}, {"picture": bright}]}).json == {"predictions": [0, 1]}
    assert asked(pool, "picture", {"inputs": {"picture": [{"image": png(255)}]}}).json == {"outputs": [[0, 1]]}
    results = asked(pool, "picture", {"examples": [{"picture": bright}, {"picture": dark}]}, "classify").json["results"]
    assert results == [[["dark", 0], ["bright", 1]], [["dark", 1], ["bright", 0]]]
    answer = asked(pool, "picture", {"instances": [{"b64": "bm8gcGljdHVyZQ=="}]})
    assert answer.status == 400
    assert "picture" in error(answer)


def test_classify_and_regress(pool):
    examples = {"examples": [{"x": [1, 2, 3]}, {"x": [4, 5, 6]}]}
    assert asked(pool, "sum", examples, "regress").json == {"results": [6, 15]}
    assert "[rows, classes]" in error(asked(pool, "sum", examples, "classify"))
    results = asked(pool, "double", {"examples": [{"x": [1, 2, 3, 4]}]}, "classify").json["results"]
    assert results == [[["0", 2], ["1", 4], ["2", 6], ["3", 8]]]
    assert "[rows, 1]" in error(asked(pool, "double", examples, "regress"))


@pytest.mark.parametrize(
    ("model", "body", "status"),
    [
        ("double", b"{", 400),
        ("double", b"", 400),
        ("double", b'{"instances": [[1, 2, 3]]}', 400),
        ("double", b'{"instances": [[1, 2, 3, 4]], "signature_name": "other"}', 400),
        ("lab", b'{"instances": ["refuse"]}', 400),
        ("lab", b'{"instances": ["fail"]}', 500),
    ],
)
def test_a_fault_is_one_sentence(pool, model, body, status):
    answer = asked(pool, model, body)
    assert answer.status == status
    assert error(answer)
    assert "secret" not in error(answer)


def compressed(data, encoding="gzip"):
    return gzip.compress(data) if encoding == "gzip" else zlib.compress(data)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "GZIP"])
def test_bodies_may_be_compressed(pool, encoding):
    body = compressed(b'{"instances": [[1,2,3,4]]}', encoding.lower())
    answer = asked(pool, "double", body, headers={"Content-Encoding": encoding})
    assert (answer.status, answer.json) == (200, {"predictions": [[2, 4, 6, 8]]})


def test_a_bomb_is_not_expanded(pool):
    body = compressed(b'{"instances": [[1,2,3,4]]}' + b" " * (1 << 20))
    assert len(body) < 10_000
    answer = asked(pool, "double", body, headers={"Content-Encoding": "gzip"})
    assert answer.status == 413
    assert "max_body_bytes" in error(answer)
    whole = b'{"instances": [[1,2,3,4]]}'
    assert asked(pool, "double", compressed(whole.ljust(1 << 20)), headers={"Content-Encoding": "gzip"}).status == 200


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"no gzip", "gzip", 400),
        (b"", "gzip", 400),
        (compressed(b'{"instances": [[1,2,3,4]]}')[:-4], "gzip", 400),
        (compressed(b'{"instances": [[1,2,3,4]]}') + b"more", "gzip", 400),
        (b"{}", "br", 501),
    ],
)
def test_bodies_that_are_not_what_their_header_says(pool, body, encoding, status):
    answer = asked(pool, "double", body, headers={"Content-Encoding": encoding})
    assert answer.status == status
    assert encoding in error(answer)


def test_every_kind_of_fault_has_a_status():
    assert tensorflow_status.TABLE.keys() == set(ErrorKind)
    assert set(tensorflow_status.TABLE.values()) <= tensorflow_status.STATUSES.keys()
    for kind in ErrorKind:
        assert 400 <= tensorflow_status.status(ZeroMindError(kind, "no")) < 600
        assert json.loads(tensorflow_status.body(ZeroMindError(kind, "no", "m"))).keys() == {"error"}
