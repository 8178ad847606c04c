"""An OpenAPI document as rows."""

import pytest

from zeromind.console.listing import Listing

STRING = {"type": "string"}
DOCUMENT = {
    "tags": [{"name": "One", "description": "First."}, {"name": "Two", "description": "Second."}],
    "paths": {
        "/a": {
            "get": {"tags": ["One"], "summary": "Gives.", "responses": {"200": {"description": "No body."}}},
            "post": {"tags": ["One"], "summary": "Gives.", "responses": {"200": {"description": "No body."}}, "x-examples": ["example"]},
            "put": {
                "tags": ["One"],
                "summary": "Takes.",
                "parameters": [{"name": "q", "in": "query", "description": "Of `q`."}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {"400": {"description": "wrong"}, "500": {"$ref": "#/components/responses/Errors500"}},
            },
        },
        "/a/{b}": {"x-like": "/a", "get": {"tags": ["One"], "summary": "Gives.", "responses": {}}},
        "/c": {"get": {"tags": ["Two"], "summary": "Other.", "responses": {}}},
    },
    "components": {
        "schemas": {"Thing": {"type": "object", "properties": {"name": STRING}, "required": ["name"], "description": "a thing"}},
        "responses": {"Errors500": {"description": "unknown"}},
    },
    "x-faults": [],
}


def test_routes_stand_in_their_groups():
    one, two = Listing(DOCUMENT).groups()
    assert [route["path"] for route in one["routes"]] == ["/a", "/a/{b}"]
    assert [route["path"] for route in two["routes"]] == ["/c"]
    assert (two["name"], two["description"]) == ("Two", "Second.")


def test_methods_that_take_and_give_the_same_are_one_form():
    route = Listing(DOCUMENT).groups()[0]["routes"][0]
    assert route["methods"] == ["GET", "POST", "PUT"]
    same, other = route["forms"]
    assert (same["methods"], same["examples"]) == (["GET", "POST"], ["example"])
    assert other["methods"] == ["PUT"]
    assert [(row["what"], row["where"], row["text"], row["shape"]) for row in other["rows"]] == [
        ("q", "query, optional", "Of `q`.", ""),
        ("body", "application/json", "a thing", '{"name": string}'),
        ("400", "", "wrong", ""),
    ]


def test_a_path_with_more_in_it_only_points_at_the_other():
    route = Listing(DOCUMENT).groups()[0]["routes"][1]
    assert (route["like"], route["forms"]) == ("/a", [])


def test_what_any_request_may_be_answered_stands_once():
    assert Listing(DOCUMENT).refusals() == [{"status": "500", "meaning": "unknown"}]


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        ({}, "anything"),
        (STRING, "string"),
        ({"const": True}, "true"),
        ({"enum": ["a", "b"]}, '"a" | "b"'),
        ({"type": "string", "enum": list("abcdefgh")}, "string"),
        ({"type": ["integer", "null"]}, "whole number | null"),
        ({"anyOf": [STRING, {"type": "number"}, STRING]}, "string | number"),
        ({"type": "array", "items": STRING}, "[string, …]"),
        ({"type": "array"}, "[…]"),
        ({"type": "object"}, "{…}"),
        ({"type": "object", "additionalProperties": STRING}, "{name: string, …}"),
        ({"type": "object", "properties": {"a": STRING, "b": {"$ref": "#/components/schemas/Thing"}}, "required": ["b"]},
         '{"a"?: string, "b": {"name": string}}'),
        ({"type": "object", "properties": {"a" * 99: STRING, "b": STRING}}, f'{{\n  "{"a" * 99}"?: string,\n  "b"?: string\n}}'),
    ],
)  # fmt: skip
def test_a_schema_is_shown_as_the_json_that_it_means(schema, shape):
    assert Listing(DOCUMENT).shape(schema) == shape
