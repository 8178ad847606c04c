"""The OpenAPI document: all routes and methods, with what they take and give and every way in which they can fail."""

import json
import re

import pytest
from openapi_spec_validator import validate
from tornado.httputil import HTTPHeaders

from zeromind.console import pages
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import app, envelope, openapi
from zeromind.http.handler import Handler
from zeromind.http.operation import OPEN_INFERENCE, OWN, ZEROMIND, Operation, Parameter
from zeromind.http.operation import json as json_body

NO_ROUTE = {ErrorKind.ROUTE_NOT_FOUND, ErrorKind.METHOD_NOT_ALLOWED}
"""What no documented request can meet."""
TOO_LARGE = "send less, or raise 'max_body_bytes' of the pool"
DOCUMENT = json.loads(json.dumps(openapi.document(app.BUILT_IN, (), [(page.route, page.summary) for page in pages.LISTED])))
OPERATIONS = [
    (path, method) for path, item in DOCUMENT["paths"].items() for method in ("get", "head", "post", "put", "delete") if method in item
]


def resolved(document, value):
    while "$ref" in value:
        target = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value


def described(*handlers, built_in=()):
    document = openapi.document(built_in, handlers)
    validate(json.loads(json.dumps(document)))
    return document


def test_the_document_is_openapi():
    validate(DOCUMENT)


@pytest.mark.parametrize("handler", app.BUILT_IN)
def test_every_method_of_every_route_is_described(handler):
    paths = [path for path, _ in openapi.paths(handler)]
    assert paths
    assert handler.summary
    assert set(handler.operations) == set(handler.methods())
    for path in paths:
        item = DOCUMENT["paths"][path]
        assert {method.upper() for method in item} - {"PARAMETERS", "X-LIKE"} == set(handler.methods())
        assert re.fullmatch(handler.route, re.sub(r"\{(\w+)\}", "1", path)), "the path is one that the route answers"
        for method in handler.methods():
            operation = item[method.lower()]
            assert operation["tags"] == [handler.dialect.name]
            assert ("200" in operation["responses"]) is (handler.operations[method].answer is not None)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_operation_says_how_it_ends(path, method):
    operation = DOCUMENT["paths"][path][method]
    statuses = set(operation["responses"])
    assert {"400", "408", "413", "431", "500", "503"} <= statuses, "what the transport and the base handler answer"
    for status, response in operation["responses"].items():
        answer = resolved(DOCUMENT, response)
        assert answer["description"]
        if status == "503":
            assert "Retry-After" in answer["headers"]


def test_no_two_operations_have_the_same_id():
    ids = [DOCUMENT["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("handler", app.BUILT_IN)
def test_a_handlers_faults_are_its_dialects(handler):
    form = DOCUMENT["components"]["schemas"][handler.dialect.fault]
    asked = handler.__new__(handler)
    asked._headers = HTTPHeaders()
    for kind in ErrorKind:
        error = ZeroMindError(kind, "a sentence", "x")
        assert asked.status_of(error) == handler.dialect.statuses[kind]
        assert list(json.loads(asked.encode_error(error))) == form["required"]


def test_every_kind_of_fault_is_told_where_it_can_happen():
    told = {}
    for path, method in OPERATIONS:
        for status, response in DOCUMENT["paths"][path][method]["responses"].items():
            for meaning in resolved(DOCUMENT, response)["description"].split("; "):
                told.setdefault(meaning, set()).add(int(status))
    for kind in set(ErrorKind) - NO_ROUTE:
        statuses = {handler.dialect.statuses[kind] for handler in app.BUILT_IN}
        assert told[kind.value] & statuses, kind
        assert told[kind.value] <= statuses, kind


def test_the_table_of_faults_is_whole():
    faults = {row["name"]: (row["status"], row["code"], row["meaning"]) for row in DOCUMENT["x-faults"]}
    assert faults == {kind.name: (*envelope.TABLE[kind], kind.value) for kind in ErrorKind}


def test_every_named_schema_is_used():
    used = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)))
    assert used == set(DOCUMENT["components"]["schemas"])


class Bare(Handler):
    """Says what it is told.

    And more.
    """

    route = r"/bare/(?P<name>\w+)/(\d+)"

    def put(self, name, number):
        """Put it."""


def test_a_handler_that_declares_nothing_is_described_by_its_docstrings():
    (path, item) = next(iter(described(Bare)["paths"].items()))
    assert path == "/bare/{name}/{argument1}"
    assert set(item) == {"parameters", "put"}
    assert item["put"]["summary"] == "Says what it is told."
    assert item["put"]["description"] == "Put it."
    assert item["put"]["tags"] == [OWN.name]
    assert set(item["put"]["responses"]) == {"200", "default"}


class Twofold(Handler):
    route = r"/v2/things/([^/]+)(?:/versions/([^/]+))?"
    shown = "/v2/things/{thing}[/versions/{version}]"
    dialect = OPEN_INFERENCE
    operations = {  # noqa: RUF012 - as an operator writes it
        "GET": Operation(
            json_body("Fault"), (Parameter("way", "Of asking.", required=False),), faults=(ErrorKind.BUSY,), headers={"X-Way": "Of asking."}
        )
    }

    def get(self, thing, version=None):
        """Get it."""


def test_a_route_may_be_shown_as_several():
    several = type("Several", (Twofold,), {"shown": "/v2[/a/{b}[/c/{d}]]/(one|two/{e})"})
    assert [path for path, _ in openapi.paths(several)] == [
        "/v2/one", "/v2/two/{e}", "/v2/a/{b}/one", "/v2/a/{b}/two/{e}", "/v2/a/{b}/c/{d}/one", "/v2/a/{b}/c/{d}/two/{e}",
    ]  # fmt: skip


def test_what_may_stand_in_a_path_makes_two_of_it():
    paths = described(Twofold)["paths"]
    assert list(paths) == ["/v2/things/{thing}", "/v2/things/{thing}/versions/{version}"]
    short, long = paths.values()
    assert long["x-like"] == "/v2/things/{thing}"
    assert [entry["name"] for entry in long["parameters"]] == ["thing", "version"]
    assert short["get"]["parameters"][0]["name"] == "way"
    assert short["get"]["responses"]["503"]["content"]["application/json"]["schema"]["$ref"].endswith("/Fault")
    assert list(short["get"]["responses"]["200"]["headers"]) == ["X-Way"]


class Instead(Handler):
    route = "/info"
    summary = "The operator's own."

    def get(self):
        """Get it."""


def test_the_operators_routes_come_first():
    document = described(Instead, built_in=app.BUILT_IN)
    assert document["paths"]["/info"]["get"]["summary"] == "The operator's own."
    assert next(iter(document["tags"]))["name"] == OWN.name
    assert ZEROMIND.name in [tag["name"] for tag in document["tags"]]


def test_it_is_served(thread_server):
    with thread_server() as pool:
        answer = pool.get("/openapi.json")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json == DOCUMENT
        assert pool.post("/openapi.json", {}).headers["Allow"] == "GET"
        assert pool.get("/openapi.json", headers={"If-None-Match": answer.headers["Etag"]}).status == 304


@pytest.mark.parametrize("route", ["/model/load", "/v2/models/x/infer"])
def test_what_the_transport_refuses_has_the_form_of_every_dialect(thread_server, route):
    with thread_server(max_body_bytes=10) as pool:
        answer = pool.post(route, {"too": "large a body"})
    assert answer.status == 413
    assert answer.json["error"] == answer.json["errors"][0]["message"] == "the body is larger than 10 bytes: " + TOO_LARGE
