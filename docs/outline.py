"""A JSON Schema as an outline that looks like the JSON it describes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

DEEPER = "  "


def outline(schema: Mapping[str, Any], deep: str = "") -> str:
    """The outline. A name with a question mark may be missing; behind ``//`` stands what a value means."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "const" in schema or "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    for choice in ("oneOf", "anyOf", "allOf"):
        if choice in schema:
            return " or ".join(outline(one, deep) for one in schema[choice])
    kinds = schema.get("type", "anything")
    if kinds == "array":
        return f"[{outline(schema.get('items', {}), deep)}, …]"
    if kinds == "object":
        return _object(schema, deep)
    return kinds if isinstance(kinds, str) else " | ".join(kinds)


def _object(schema: Mapping[str, Any], deep: str) -> str:
    inner = deep + DEEPER
    lines = list(_members(schema, inner))
    return "{\n" + "\n".join(inner + line for line in lines) + f"\n{deep}}}" if lines else "{…}"


def _members(schema: Mapping[str, Any], deep: str) -> Iterator[str]:
    must = schema.get("required", ())
    for name, value in schema.get("properties", {}).items():
        yield f'"{name}"{"" if name in must else "?"}: {outline(value, deep)}{_meaning(value)}'
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping):
        yield f"name: {outline(others, deep)}{_meaning(others)}"


def _meaning(schema: Mapping[str, Any]) -> str:
    return f"  // {schema['description']}" if "description" in schema else ""
