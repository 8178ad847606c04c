"""Whatever a client sends, it gets a 4xx that says what to do; nothing is lost: a right request after it is answered rightly."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.proves("T20", "F21", "F23", "F24")

SUM = {"id": "sum", "model_type": "python", "model_file": "sum.py"}
MIB = 1 << 20
TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def pool(thread_server, models):
    tasks = [
        SUM,
        {"id": "kinds", "model_type": "python", "model_file": "kinds.py"},
        {"id": "double", "model_type": "onnx", "model_file": "double.onnx"},
        {"id": "reader", "model_type": "python", "model_file": "sum.py", "input_filters": {"x": ["own.Reader"]}},
        {"id": "split", "model_type": "python", "model_file": "sum.py", "input_filters": {"x": ["own.Split"]}},
        {"id": "scale", "model_type": "python", "model_file": "sum.py", "input_filters": {"x": ["own.Scale"]}},
    ]
    with thread_server(tasks=tasks, max_body_bytes=MIB, filter_folders=["filters"]) as client:
        assert client.ids() == sorted(task["id"] for task in tasks)
        client.all = client.ids()
        yield client


def check_refused(pool, answer, status, code):
    assert (answer.status, answer.error["code"]) == (status, code), answer
    assert len(answer.error["message"]) > 15
    assert "Traceback" not in answer.error["message"]
    assert len(answer.data) < 8192
    check_alive(pool)


def check_alive(pool):
    assert pool.predict("sum", {"x": [[1, 2, 3]]}).json["result"] == {"sum": [6]}
    assert pool.ids() == pool.all


BAD_JSON = {
    "empty": b"",
    "blank": b" \n",
    "no JSON": b"{x: 1}",
    "cut off": b'{"x": [[1, 2',
    "more behind": b'{"x": [[1, 2, 3]]} more',
    "two objects": b'{"x": [[1, 2, 3]]}{}',
    "a list": b"[1]",
    "a string": b'"x"',
    "a number": b"5",
    "null": b"null",
    "not UTF-8 key": b'{"\xff": 1}',
    "UTF-16": '{"x": [[1, 2, 3]]}'.encode("utf-16"),
    "NUL": b"\0",
    "a bare NaN": b"NaN",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"x":' * 100_000,
    "a key twice": b'{"x": [[1, 2, 3]], "x": [[4, 5, 6]]}',
    "single quotes": b"{'x': [[1, 2, 3]]}",
    "a comma too much": b'{"x": [[1, 2, 3]],}',
    "lone surrogate key": b'{"\\ud800": 1}',
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
@pytest.mark.parametrize(("route", "code"), [("/model/predict?id=sum", 105), ("/model/load", 102), ("/command/stop", 100)])
def test_a_body_that_is_no_json_object(pool, route, code, body):
    check_refused(pool, pool.post(route, body, headers=JSON), 400, code)


@pytest.mark.parametrize(
    "body", [body for body in BAD_JSON.values() if body.strip()], ids=[key for key, body in BAD_JSON.items() if body.strip()]
)
def test_a_list_request_whose_body_is_no_json_object(pool, body):
    check_refused(pool, pool.post("/model/list", body, headers=JSON), 400, 100)


@pytest.mark.parametrize("route", ["/model/predict?id=sum", "/model/load", "/command/stop", "/model/list"])
@pytest.mark.parametrize(
    "headers", [{}, TEXT, {"Content-Type": ""}, {"Content-Type": "application/jsonx"}, {"Content-Type": "multipart/form-data"}]
)
def test_a_content_type_that_is_not_json(pool, route, headers):
    check_refused(pool, pool.post(route, '{"x": [[1, 2, 3]]}', headers=headers), 415, 101)


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "APPLICATION/JSON", " application/json ;x=y"])
def test_parameters_and_case_of_the_content_type_do_not_matter(pool, media):
    assert pool.predict("sum", {"x": [[1, 2, 3]]}, headers={"Content-Type": media}).status == 200


@pytest.mark.parametrize("query", ["", "?id=", "?ID=sum", "?id", "?x=1"])
@pytest.mark.parametrize(
    ("method", "route"),
    [("GET", "/info/task"), ("GET", "/model/info"), ("GET", "/model/drop"), ("POST", "/model/drop"), ("POST", "/model/predict")],
)
def test_a_missing_id(pool, method, route, query):
    body = b'{"x": [[1, 2, 3]]}' if method == "POST" else None
    answer = pool.ask(method, route + query, body)
    check_refused(pool, answer, 400, 100)
    assert answer.error["params"] == ["id"]


@pytest.mark.parametrize("name", ["none", "Sum", "../sum", "%F0%9F%A6%86", "x" * 5000, "%22%3E%3Cb%3E", "sum%20x"])
@pytest.mark.parametrize(
    ("method", "route"),
    [("GET", "/info/task"), ("GET", "/model/info"), ("GET", "/model/drop"), ("POST", "/model/drop"), ("POST", "/model/predict")],
)
def test_an_unknown_id(pool, method, route, name):
    body = b'{"x": [[1, 2, 3]]}' if method == "POST" else None
    answer = pool.ask(method, f"{route}?id={name}", body)
    if len(name) < 1000:
        check_refused(pool, answer, 404, 108)
    assert (answer.status, answer.error["code"]) == (404, 108)


@pytest.mark.parametrize("query", ["id=%ff", "id=%ed%a0%80"])
def test_an_id_that_is_not_utf8(pool, query):
    check_refused(pool, pool.get(f"/model/info?{query}"), 400, 100)


LOADS = {
    "no id": ({"model_file": "sum.py"}, 400, 1),
    "no file": ({"id": "new"}, 400, 1),
    "empty id": ({**SUM, "id": ""}, 400, 1),
    "empty file": ({**SUM, "id": "new", "model_file": ""}, 400, 1),
    "id a number": ({**SUM, "id": 5}, 400, 1),
    "id a list": ({**SUM, "id": ["new"]}, 400, 1),
    "id null": ({**SUM, "id": None}, 400, 1),
    "id false": ({**SUM, "id": False}, 400, 1),
    "id with a slash": ({**SUM, "id": "../x"}, 400, 1),
    "id with a line end": ({**SUM, "id": "new\n"}, 400, 1),
    "id too long": ({**SUM, "id": "x" * 129}, 400, 1),
    "id not ASCII": ({**SUM, "id": "ñ"}, 400, 1),
    "type a number": ({**SUM, "id": "new", "model_type": 5}, 400, 1),
    "unknown type": ({**SUM, "id": "new", "model_type": "abacus"}, 400, 3),
    "file a list": ({**SUM, "id": "new", "model_file": ["sum.py"]}, 400, 1),
    "missing file": ({**SUM, "id": "new", "model_file": "none.py"}, 400, 5),
    "file with NUL": ({**SUM, "id": "new", "model_file": "a\0b"}, 400, 1),
    "absolute outside": ({**SUM, "id": "new", "model_file": "/etc/passwd"}, 400, 5),
    "dots outside": ({**SUM, "id": "new", "model_file": "../../../../etc/passwd"}, 400, 5),
    "a long name": ({**SUM, "id": "new", "model_file": "x" * 5000}, 400, 5),
    "broken file": ({"id": "new", "model_type": "onnx", "model_file": "broken.onnx"}, 422, 6),
    "another type's file": ({"id": "new", "model_type": "onnx", "model_file": "sum.py"}, 422, 6),
    "code word": ({**SUM, "id": "new", "allow_code": True}, 400, 1),
    "unknown key": ({**SUM, "id": "new", "no_such_key": 1}, 400, 1),
    "loaded already": (SUM, 409, 103),
    "unknown filter": ({**SUM, "id": "new", "input_filters": {"x": ["no.Filter"]}}, 400, 53),
    "filter with dots": ({**SUM, "id": "new", "input_filters": {"x": ["os.path.join"]}}, 400, 53),
    "filter of a bad name": ({**SUM, "id": "new", "input_filters": {"x": ["../own.Scale"]}}, 400, 53),
    "no filter": ({**SUM, "id": "new", "input_filters": {"x": ["own.NoFilter"]}}, 400, 54),
    "wrong side": ({**SUM, "id": "new", "output_filters": {"sum": ["own.Split"]}}, 400, 50),
    "wrong parameters": ({**SUM, "id": "new", "input_filters": {"x": [{"filter": "own.Scale", "to": 1}]}}, 400, 51),
    "filter's files": ({**SUM, "id": "new", "input_filters": {"x": [{"filter": "own.Reader", "files": 1}]}}, 400, 51),
    "filter a number": ({**SUM, "id": "new", "input_filters": {"x": [5]}}, 400, 51),
    "filter without id": ({**SUM, "id": "new", "input_filters": {"x": [{}]}}, 400, 51),
    "filters a list": ({**SUM, "id": "new", "input_filters": []}, 400, 1),
    "filters not listed": ({**SUM, "id": "new", "input_filters": {"x": "own.Scale"}}, 400, 1),
    "filter of no input": ({**SUM, "id": "new", "input_filters": {"y": ["own.Scale"]}}, 400, 1),
    "filter of no output": ({**SUM, "id": "new", "output_filters": {"y": ["own.Scale"]}}, 400, 1),
    "inputs a number": ({**SUM, "id": "new", "inputs": 5}, 400, 1),
    "input without shape": ({**SUM, "id": "new", "inputs": [{"name": "x", "type": "float32"}]}, 400, 14),
    "input of no type": ({**SUM, "id": "new", "inputs": [{"name": "x", "type": "float33", "shape": [None, 3]}]}, 400, 10),
    "output's shape a string": ({**SUM, "id": "new", "outputs": [{"name": "x", "type": "float32", "shape": "3"}]}, 400, 11),
    "inputs twice": ({**SUM, "id": "new", "inputs": [{"name": "x", "type": "float32", "shape": [None, 3]}] * 2}, 400, 10),
    "instances none": ({**SUM, "id": "new", "instances": 0}, 400, 1),
    "instances many": ({**SUM, "id": "new", "instances": 10**9}, 400, 1),
    "instances true": ({**SUM, "id": "new", "instances": True}, 400, 1),
    "isolation": ({**SUM, "id": "new", "isolation": "none"}, 400, 1),
    "time-out": ({**SUM, "id": "new", "timeout_s": -1}, 400, 1),
    "device": ({"id": "new", "model_type": "onnx", "model_file": "double.onnx", "device": "abacus"}, 400, 1),
    "a very long value": ({**SUM, "id": "new", "inputs": "x" * 100_000}, 400, 1),
}


@pytest.mark.parametrize(("task", "status", "code"), LOADS.values(), ids=LOADS)
def test_a_task_that_cannot_be_loaded(pool, task, status, code):
    check_refused(pool, pool.load(task), status, code)


def test_an_infinite_number_in_a_task(pool):
    check_refused(pool, pool.load(b'{"id": "new", "model_file": "sum.py", "timeout_s": 1e400}'), 400, 102)
    check_refused(pool, pool.load(b'{"id": "new", "model_file": "sum.py", "timeout_s": NaN}'), 400, 102)


PREDICTS = {
    "no inputs": ("sum", b"{}", 400, 4),
    "another input": ("sum", b'{"z": [[1, 2, 3]]}', 400, 9),
    "one input too many": ("sum", b'{"x": [[1, 2, 3]], "z": 1}', 400, 9),
    "one input missing": ("kinds", b'{"int": [1]}', 400, 4),
    "a number": ("sum", b'{"x": 1}', 400, 9),
    "null": ("sum", b'{"x": null}', 400, 9),
    "an object": ("sum", b'{"x": {"a": 1}}', 400, 9),
    "text": ("sum", b'{"x": "123"}', 400, 9),
    "text for numbers": ("sum", b'{"x": [["1", "2", "3"]]}', 400, 9),
    "true for numbers": ("sum", b'{"x": [[true, 1, 2]]}', 400, 9),
    "null for numbers": ("sum", b'{"x": [[null, 1, 2]]}', 400, 9),
    "no rows": ("sum", b'{"x": []}', 400, 9),
    "an empty row": ("sum", b'{"x": [[]]}', 400, 9),
    "a row too short": ("sum", b'{"x": [[1, 2]]}', 400, 9),
    "a row too long": ("sum", b'{"x": [[1, 2, 3, 4]]}', 400, 9),
    "ragged rows": ("sum", b'{"x": [[1, 2, 3], [1, 2]]}', 400, 9),
    "too flat": ("sum", b'{"x": [1, 2, 3]}', 400, 9),
    "too deep": ("sum", b'{"x": [[[1, 2, 3]]]}', 400, 9),
    "far too deep": ("sum", b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, 105),
    "NaN": ("sum", b'{"x": [[NaN, 1, 2]]}', 400, 105),
    "Infinity": ("sum", b'{"x": [[Infinity, 1, 2]]}', 400, 105),
    "1e400": ("sum", b'{"x": [[1e400, 1, 2]]}', 400, 9),
    "1e300 for float32": ("sum", b'{"x": [[1e300, 1, 2]]}', 400, 9),
    "a number of 1000 digits": ("sum", b'{"x": [[' + b"9" * 1000 + b", 1, 2]]}", 400, 9),
    "not UTF-8": ("sum", b'{"x": [["\xff", 1, 2]]}', 400, 9),
    "not UTF-8 for a filter": ("split", b'{"x": ["1 2 \xff"]}', 400, 9),
    "NaN for a filter": ("split", b'{"x": [NaN]}', 400, 105),
    "no number for a filter": ("split", b'{"x": ["one two three"]}', 400, 55),
    "a short row for a filter": ("split", b'{"x": ["1 2"]}', 400, 9),
    "no rows for a filter": ("split", b'{"x": []}', 400, 9),
    "deep lists for a filter": ("scale", b'{"x": ' + b"[" * 900 + b"]" * 900 + b"}", 400, 9),
    "a key twice for a filter": ("reader", b'{"x": [{"path": "row.txt", "path": "row.txt"}]}', 400, 9),
    "a missing file": ("reader", b'{"x": [{"path": "none.txt"}]}', 400, 52),
    "an absolute file": ("reader", b'{"x": [{"path": "/etc/passwd"}]}', 400, 52),
    "a file above": ("reader", b'{"x": [{"path": "../../../etc/passwd"}]}', 400, 52),
    "a file of no name": ("reader", b'{"x": [{"path": ""}]}', 400, 52),
    "a folder": ("reader", b'{"x": [{"path": "filters"}]}', 400, 52),
    "a file whose name is a number": ("reader", b'{"x": [{"path": 5}]}', 400, 52),
    "a file with NUL": ("reader", b'{"x": [{"path": "row.txt\\u0000"}]}', 400, 52),
    "a file named by half a character": ("reader", b'{"x": [{"path": "\\udc80"}]}', 400, 105),
    "a file of a long name": ("reader", b'{"x": [{"path": "' + b"x" * 5000 + b'"}]}', 400, 52),
    "a number for a list of samples": ("scale", b'{"x": 5}', 400, 9),
    "text for a list of samples": ("scale", b'{"x": "abc"}', 400, 9),
    "text for a sample": ("scale", b'{"x": ["abc"]}', 400, 55),
    "samples of different lengths": ("scale", b'{"x": [[1, 2, 3], [1]]}', 400, 9),
    "a huge whole number for a filter": ("scale", b'{"x": [[' + b"9" * 5000 + b", 2, 3]]}", 400, 9),
}


@pytest.mark.parametrize(("model", "body", "status", "code"), PREDICTS.values(), ids=PREDICTS)
def test_data_that_do_not_fit_the_model(pool, model, body, status, code):
    answer = pool.predict(model, body)
    assert "etc/passwd:" not in answer.error["message"]
    if len(body) < 4096:
        check_refused(pool, answer, status, code)
    assert (answer.status, answer.error["code"]) == (status, code)


def test_a_slip_of_the_operators_own_filter_is_no_fault_of_the_client(pool):
    check_refused(pool, pool.predict("split", {"x": [{"a": 1}]}), 500, 55)


KINDS = {"float": [[1, 2.5]], "half": [0.5], "int": [1], "byte": [255], "flag": [True], "text": [["é"]]}


def test_every_kind_of_number_comes_back_as_it_went(pool):
    answer = pool.predict("kinds", KINDS)
    assert answer.json["result"] == {f"{name}_out": value for name, value in KINDS.items()}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("half", "[70000]"),
        ("int", "[1.5]"),
        ("int", "[1e2]"),
        ("int", "[9223372036854775808]"),
        ("int", f"[{'9' * 5000}]"),
        ("byte", "[256]"),
        ("byte", "[-1]"),
        ("byte", "[1.0]"),
        ("flag", "[1]"),
        ("flag", '["true"]'),
        ("flag", "[null]"),
        ("text", "[1]"),
        ("text", '["a"]'),
        ("text", '[["\\ud800"]]'),
        ("text", "[[1]]"),
        ("text", "[[null]]"),
        ("text", '[["a"], []]'),
        ("text", '[["a", "b"]]'),
        ("text", "[[[]]]"),
        ("int", "[true]"),
        ("int", "[[1]]"),
        ("float", "[[1, 2], [3, [4]]]"),
        ("half", "[-1e5]"),
        ("int", "[1, 2]"),
    ],
)
def test_a_value_that_its_type_cannot_hold(pool, name, text):
    fields = ", ".join(f'"{key}": {text if key == name else json.dumps(value)}' for key, value in KINDS.items())
    answer = pool.predict("kinds", "{" + fields + "}")
    assert answer.status == 400
    assert answer.error["code"] in (9, 105)
    check_alive(pool)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"pool_id": 2}',
        b'{"pool_id": "1"}',
        b'{"pool_id": true}',
        b'{"pool_id": null}',
        b'{"pool_id": [1]}',
        b'{"pool_id": {}}',
        b'{"pool_id": 1.5}',
        b'{"pool_id": 123456789012345678901234567890}',
        b'{"id": 1}',
    ],
)
def test_stop_with_a_wrong_pool_id(pool, body):
    code = 109 if b"pool_id" in body and b"1234567890" not in body else 100  # a number of 64 bits at most is JSON here
    check_refused(pool, pool.post("/command/stop", body), 400, code)


@pytest.mark.parametrize("check_sum", [5, None, [], {}, "x", True, 1.5])
def test_any_check_sum_but_the_present_one_is_no_match(pool, check_sum):
    assert pool.post("/model/list", {"check_sum": check_sum}).json["models"] == pool.all


# What follows is made by chance: values as clients send them, right and wrong, in bytes that may be torn.

ATOMS = st.sampled_from(
    [
        b"1",
        b"-0",
        b"1.5",
        b"1e5",
        b"1e400",
        b"-1e-400",
        b"NaN",
        b"-Infinity",
        b"true",
        b"null",
        b'"1"',
        b'"\\ud800"',
        b'"\xff"',
        b"[]",
        b"{}",
        b'""',
        b"9" * 30,
        b"9" * 400,
        b"01",
        b"+1",
        b"0x1",
        b'"\\u0000"',
        b"18446744073709551616",
        b"[[1,2,3]]",
        b"[1,2,3]",
        b"\xef\xbb\xbf1",
    ]
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: b"[" + b",".join(items) + b"]")
        | st.lists(st.tuples(st.sampled_from([b'"a"', b'"path"', b'"x"']), inner), max_size=3).map(
            lambda pairs: b"{" + b",".join(key + b":" + value for key, value in pairs) + b"}"
        )
    ),
    max_leaves=8,
)
DEEP = st.integers(1, 3000).map(lambda depth: b"[" * depth + b"1" + b"]" * depth)
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def torn(draw, body):
    return body if draw(st.integers(0, 9)) else body[: draw(st.integers(0, len(body)))]


@st.composite
def prediction(draw):
    names = st.sampled_from([b'"x"', b'"\\u0078"', b'"y"', b'"order"', b'""', b'"\\ud800"'])
    pairs = draw(st.lists(st.tuples(names, VALUES | DEEP), max_size=3))
    return torn(draw, b"{" + b",".join(key + b":" + value for key, value in pairs) + b"}")


@st.composite
def task(draw):
    known = {b"id": b'"new"', b"model_file": b'"sum.py"', b"model_type": b'"python"'}
    keys = [
        b"id",
        b"model_file",
        b"model_type",
        b"input_filters",
        b"output_filters",
        b"inputs",
        b"instances",
        b"timeout_s",
        b"device",
        b"z",
    ]
    pairs = [
        (key, draw(VALUES | DEEP if draw(st.booleans()) else st.just(known.get(key, b"1"))))
        for key in draw(st.lists(st.sampled_from(keys)))
    ]
    # The file is never there: a chance hit must not start a worker.
    pairs.append((b"model_file", draw(st.sampled_from([b'"none.py"', b"[]", b'"\\u0000"', b'"../x"']))))
    return torn(draw, b"{" + b",".join(b'"' + key + b'":' + value for key, value in pairs) + b"}")


@pytest.mark.parametrize("model", ["sum", "reader"])
@FUZZ
@given(body=prediction())
def test_no_prediction_request_is_a_fault_of_the_server(pool, model, body):
    answer = pool.predict(model, body)
    assert answer.status in ((200, 400) if model != "reader" else (200, 400, 500)), answer
    if answer.status == 200:
        assert list(answer.json["result"]) == ["sum"]
    else:
        assert answer.error["code"] in (4, 9, 52, 55, 105)
    assert pool.predict("sum", {"x": [[1, 2, 3]]}).json["result"] == {"sum": [6]}


@FUZZ
@given(body=task())
def test_no_task_is_a_fault_of_the_server(pool, body):
    answer = pool.load(body)
    assert answer.status in (400, 403, 409, 422), answer
    assert len(answer.error["message"]) > 15
    assert pool.predict("sum", {"x": [[1, 2, 3]]}).json["result"] == {"sum": [6]}


@FUZZ
@given(body=st.binary(max_size=200), route=st.sampled_from(["/model/load", "/model/predict?id=sum", "/model/list", "/command/stop"]))
def test_no_bytes_are_a_fault_of_the_server(pool, body, route):
    answer = pool.post(route, body, headers=JSON)
    assert answer.status == 400 or (route == "/model/list" and not body.strip())
