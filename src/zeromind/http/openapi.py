"""The OpenAPI document of a pool: every route, made from the handlers that answer them, and the route that serves it.

The format is OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0). Beyond it stand ``x-examples`` at an operation, the requests of
``http.examples`` with their answers, ``x-like`` at a path that is another one with more in it, and ``x-faults``, the table of errors.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import orjson

import zeromind
from zeromind import strictjson
from zeromind.access.scope import Scope
from zeromind.errors import ErrorKind
from zeromind.http import envelope
from zeromind.http.entrance import needed
from zeromind.http.examples import EXAMPLES, Example
from zeromind.http.handler import Handler
from zeromind.http.operation import JSON, MODEL, NAME, OWN, PAGES, ZEROMIND, Content, Dialect, Operation, Parameter, Schema, json
from zeromind.http.schema import REFERENCE, named
from zeromind.http.schemas import named_schemas

_INTRODUCTION = """\
Trained models of many frameworks behind one port, in several dialects. JSON bodies need the header `Content-Type: application/json`.
What is refused before its route is known (no HTTP, too large, too slow) is told in every dialect's form at once."""
_REFUSED = {
    400: "the request cannot be understood",
    401: ErrorKind.UNAUTHENTICATED.value,
    403: ErrorKind.PERMISSION_DENIED.value,
    408: "the request did not come in time",
    413: ErrorKind.BODY_TOO_LARGE.value,
    421: "the pool is not known by the name that the request has as its Host",
    431: "the request's head is too large",
    500: ErrorKind.INTERNAL.value,
    503: "the server has all the connections that it takes",
}
"""What the transport or the base handler answers, whatever the route."""
_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, where the pool has keys; it must have the `x-scope`.",
    },
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
}
_KEYED: list[dict[str, list[str]]] = [{name: []} for name in _SCHEMES]
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "The kind of key.", "required": True, "schema": {"const": envelope.CHALLENGE}}}
_PLACES = {"id": MODEL, "model": MODEL}
"""What stands in a path under these names."""
_GROUP = re.compile(r"\((?:\?P<(\w+)>)?[^()]*\)")
_REFERENCES = re.compile(rf'"{REFERENCE}(\w+)"')
_PARAMETER = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"([\[(])([^][()]*)[\])]")


class OpenApi(Handler):
    """What there is to ask."""

    route = r"/openapi\.json"
    shown = "/openapi.json"
    summary = "Every route as an OpenAPI document."
    dialect = PAGES
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.OPEN}
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation(json({"type": "object"}))}

    def get(self) -> None:
        """The document, made when the pool started."""
        self.send(self.application.settings["document"])


ROUTES: tuple[type[Handler], ...] = (OpenApi,)


def document(built_in: Sequence[type[Handler]], own: Sequence[type[Handler]] = (), pages: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
    """The document of a pool's handlers; ``own`` are its operator's, which come first, ``pages`` the path and summary of HTML pages."""
    described: dict[str, dict[str, Any]] = {}
    dialects: dict[str, Dialect] = {}
    for handler in (*own, *built_in):
        dialect = OWN if handler in own and handler.dialect is ZEROMIND else handler.dialect
        dialects.setdefault(dialect.name, dialect)
        for path, like in paths(handler):
            described.setdefault(path, _path(handler, dialect, path, like))
    for path, summary in pages:
        dialects.setdefault(PAGES.name, PAGES)
        described.setdefault(path, _page(path, summary))
    forms = {PAGES.fault, *(dialect.fault for dialect in dialects.values())}
    responses = {f"{form}{status}": _fault(status, [text], form) for form in sorted(forms) for status, text in _REFUSED.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "0Mind", "version": zeromind.__version__, "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": dialect.name, "description": dialect.description} for dialect in dialects.values()],
        "paths": described,
        "security": [{}, *_KEYED],
        "components": {"schemas": _used(named_schemas(), [described, responses]), "responses": responses, "securitySchemes": _SCHEMES},
        "x-faults": faults(),
    }


def paths(handler: type[Handler]) -> Iterator[tuple[str, str]]:
    """The paths that a handler answers, each with the one that it extends: one if nothing in them is optional, as in ``/a[/{b}]``."""
    shown = handler.shown
    if not shown:
        count = iter(range(1, 100))
        shown = _GROUP.sub(lambda group: f"{{{group[1] or f'argument{next(count)}'}}}", handler.route).replace("\\", "")
    first, *others = sorted(_expanded(shown), key=len)
    yield first, ""
    yield from ((path, first) for path in others)


def _expanded(shown: str) -> set[str]:
    """The paths for which one stands: with and without what is in brackets, and with each of ``(one|or|another)``."""
    group = _CHOICE.search(shown)
    if group is None:
        return {shown}
    choices = group[2].split("|") if group[1] == "(" else ["", group[2]]
    return {path for choice in choices for path in _expanded(shown[: group.start()] + choice + shown[group.end() :])}


def faults() -> list[dict[str, Any]]:
    """``{"code", "status", "name", "meaning"}`` of every kind of fault, by code."""
    rows = [{"code": code, "status": status, "name": kind.name, "meaning": kind.value} for kind, (status, code) in envelope.TABLE.items()]
    return sorted(rows, key=lambda row: (row["code"], row["status"]))


def _path(handler: type[Handler], dialect: Dialect, path: str, like: str) -> dict[str, Any]:
    item: dict[str, Any] = {"x-like": like} if like else {}
    names = _PARAMETER.findall(path)
    if names:
        item["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _PLACES.get(name, NAME)} for name in names]
    examples = EXAMPLES.get(handler.shown or handler.route, ()) if not like else ()
    for method in handler.methods():
        item[method.lower()] = _operation(handler, dialect, method, path, [one for one in examples if one.method == method])
    return item


def _operation(handler: type[Handler], dialect: Dialect, method: str, path: str, examples: list[Example]) -> dict[str, Any]:
    declared = handler.operations.get(method)
    function = getattr(handler, method.lower())
    result: dict[str, Any] = {
        "operationId": _operation_id(method, path),
        "tags": [dialect.name],
        "summary": handler.summary or (handler.__doc__ or "").partition("\n")[0],
        "description": inspect.getdoc(function) or "",
        **_security(needed(handler, method)),
    }
    if declared is None:
        anything = {"description": "The answer.", "content": {"*/*": {}}}
        if method in ("POST", "PUT", "PATCH"):
            result["requestBody"] = {"content": {"*/*": {}}}
        result["responses"] = {"200": anything, "default": _fault(0, ["A fault."], dialect.fault)}
    else:
        if declared.parameters:
            result["parameters"] = [_parameter(parameter) for parameter in declared.parameters]
        if declared.body:
            result["requestBody"] = {"required": declared.needs_body, "content": _content(declared.body, examples)}
        result["responses"] = _responses(declared, dialect)
    if examples:
        result["x-examples"] = [example.as_dict() for example in examples]
    return result


def _security(scope: Scope) -> dict[str, Any]:
    """What an operation needs of a key: a pool without keys needs none."""
    return {"x-scope": scope.value, "security": [{}] if scope is Scope.OPEN else [{}, *_KEYED]}


def _operation_id(method: str, path: str) -> str:
    return "_".join([method.lower(), *re.findall(r"\w+", path)])


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": _schema(parameter.schema),
    }


def _schema(schema: Schema) -> Mapping[str, Any]:
    return named(schema) if isinstance(schema, str) else schema


def _content(content: Content, examples: Sequence[Example] = ()) -> dict[str, Any]:
    described: dict[str, Any] = {media: {"schema": _schema(schema)} for media, schema in content.items()}
    bodies = [example.body for example in examples if example.body]
    if bodies and JSON in described:
        described[JSON]["example"] = strictjson.loads(bodies[0])
    return described


def _responses(declared: Operation, dialect: Dialect) -> dict[str, Any]:
    responses = _refused(dialect.fault)
    meanings: dict[int, list[str]] = {}
    asked = (ErrorKind.REQUEST_ATTRIBUTE,) if any(parameter.required for parameter in declared.parameters) else ()
    for kind in dict.fromkeys((*asked, *declared.faults)):
        meanings.setdefault(dialect.statuses[kind], []).append(kind.value)
    if 403 in meanings:
        meanings[403].append(_REFUSED[403])
    responses.update({str(status): _fault(status, texts, dialect.fault) for status, texts in meanings.items()})
    good = {} if declared.answer is None else {200: ("The answer." if declared.answer else "No body.", declared.answer)}
    for status, (meaning, content) in {**good, **declared.also}.items():
        responses[str(status)] = {"description": meaning, **({"content": _content(content)} if content else {})}
    if declared.headers:
        fields = {name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in declared.headers.items()}
        responses["200"]["headers"] = fields
    return dict(sorted(responses.items()))


def _refused(form: str) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/{form}{status}"} for status in _REFUSED}


def _fault(status: int, meanings: list[str], form: str) -> dict[str, Any]:
    fault: dict[str, Any] = {"description": "; ".join(meanings), "content": {JSON: {"schema": named(form)}}}
    if status == 503:
        fault["headers"] = _RETRY_AFTER
    if status == 401:
        fault["headers"] = _CHALLENGE
    return fault


def _used(schemas: Mapping[str, Any], users: Any) -> dict[str, Any]:
    """Those of the schemas to which something refers, be it another that is used."""
    used: dict[str, Any] = {}
    asked = [users]
    while asked:
        for name in _REFERENCES.findall(orjson.dumps(asked.pop()).decode()):
            if name not in used:
                used[name] = schemas[name]
                asked.append(schemas[name])
    return used


def _page(path: str, summary: str) -> dict[str, Any]:
    """A page of HTML, which answers HEAD too."""
    shared = {"tags": [PAGES.name], "summary": summary, **_security(Scope.OPEN)}
    refused = _refused(PAGES.fault)
    text = {"schema": {"type": "string"}}
    answers = {"200": {"description": "The page.", "content": {"text/html": text}}, **refused}
    return {
        "get": {"operationId": _operation_id("GET", path), **shared, "responses": answers},
        "head": {"operationId": _operation_id("HEAD", path), **shared, "responses": {"200": {"description": "No body."}, **refused}},
    }
