"""An OpenAPI document as the rows that a page of it shows: groups of routes, what each takes and gives, and the faults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
_WORDS = {"integer": "whole number", "boolean": "true or false", "object": "{…}", "array": "[…]"}
_MOST_CHOICES = 6
_WIDTH = 90

Row = dict[str, Any]


class Listing:
    """The rows of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def groups(self) -> list[Row]:
        """``{"name", "description", "routes"}`` of each tag; a route is ``{"path", "like", "methods", "summary", "forms"}``.

        A form is what some of its methods have in common: ``{"methods", "description", "rows", "examples"}``, each row being
        ``{"what", "where", "text", "shape"}``.
        """
        return [{**tag, "routes": list(self._routes(tag["name"]))} for tag in self._document["tags"]]

    def faults(self) -> list[Row]:
        """``{"code", "status", "name", "meaning"}`` of every kind of fault."""
        return list(self._document["x-faults"])

    def refusals(self) -> list[Row]:
        """``{"status", "meaning"}`` of what any request may be answered."""
        answers = self._document["components"]["responses"]
        meanings = {name[-3:]: answer["description"] for name, answer in answers.items()}
        return [{"status": status, "meaning": meaning} for status, meaning in meanings.items()]

    def _routes(self, tag: str) -> Iterator[Row]:
        for path, item in self._document["paths"].items():
            operations = {method: item[method] for method in _METHODS if method in item}
            first = next(iter(operations.values()))
            if tag in first["tags"]:
                forms = [] if "x-like" in item else self._forms(item.get("parameters", []), operations)
                methods = [method.upper() for method in operations]
                yield {"path": path, "like": item.get("x-like", ""), "methods": methods, "summary": first["summary"], "forms": forms}

    def _forms(self, shared: list[Row], operations: Mapping[str, Row]) -> list[Row]:
        forms: list[Row] = []
        for method, operation in operations.items():
            rows = list(self._rows([*shared, *operation.get("parameters", [])], operation))
            form = next((form for form in forms if form["rows"] == rows), None)
            if form is None:
                form = {"methods": [], "description": operation.get("description", ""), "rows": rows, "examples": []}
                forms.append(form)
            form["methods"].append(method.upper())
            form["examples"] += operation.get("x-examples", [])
        return forms

    def _rows(self, parameters: list[Row], operation: Row) -> Iterator[Row]:
        for parameter in parameters:
            where = parameter["in"] + ("" if parameter.get("required") else ", optional")
            yield {"what": parameter["name"], "where": where, "text": parameter.get("description", ""), "shape": ""}
        request = operation.get("requestBody", {})
        for media, content in request.get("content", {}).items():
            yield self._body("body" if request.get("required") else "body, optional", media, content)
        for status, answer in operation["responses"].items():
            if "$ref" not in answer:  # those are everybody's
                yield from self._answer(status, answer)

    def _answer(self, status: str, answer: Row) -> Iterator[Row]:
        contents = answer.get("content", {}) if status.startswith("2") else {}
        for media, content in contents.items():
            yield self._body(status, media, content)
        if not contents:
            yield {"what": status, "where": "", "text": answer["description"], "shape": ""}

    def _body(self, what: str, media: str, content: Row) -> Row:
        schema = self._resolved(content.get("schema", {}))
        return {"what": what, "where": media, "text": schema.get("description", ""), "shape": self.shape(schema)}

    def _resolved(self, value: Row) -> Row:
        while "$ref" in value:
            target: Any = self._document
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            value = target
        return value

    def shape(self, schema: Row, indent: str = "") -> str:
        """A schema as JSON with words in place of values: ``{"id": whole number, "models"?: [string, …]}``."""
        schema = self._resolved(schema)
        if "const" in schema:
            return json.dumps(schema["const"])
        if len(schema.get("enum", ())) in range(1, _MOST_CHOICES):
            return " | ".join(map(json.dumps, schema["enum"]))
        if choices := schema.get("anyOf", schema.get("oneOf")):
            return " | ".join(dict.fromkeys(self.shape(choice, indent) for choice in choices))
        if schema.get("properties") or isinstance(schema.get("additionalProperties"), dict):
            return self._object(schema, indent)
        if schema.get("items"):
            return f"[{self.shape(schema['items'], indent)}, …]"
        kind = schema.get("type", "anything")
        return " | ".join(_WORDS.get(one, one) for one in ([kind] if isinstance(kind, str) else kind))

    def _object(self, schema: Row, indent: str) -> str:
        inner = indent + "  "
        required = schema.get("required", ())
        fields = [
            f"{json.dumps(name)}{'' if name in required else '?'}: {self.shape(value, inner)}"
            for name, value in schema.get("properties", {}).items()
        ]
        if isinstance(schema.get("additionalProperties"), dict):
            fields.append(f"name: {self.shape(schema['additionalProperties'], inner)}, …")
        line = "{" + ", ".join(fields) + "}"
        if "\n" not in line and len(indent) + len(line) <= _WIDTH:
            return line
        return "{\n" + ",\n".join(inner + field for field in fields) + f"\n{indent}}}"
