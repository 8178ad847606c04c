"""JSON Schemas in few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REFERENCE = "#/components/schemas/"

STRING = {"type": "string"}
NUMBER = {"type": "number"}
WHOLE = {"type": "integer"}
TRUTH = {"type": "boolean"}
ANYTHING: dict[str, Any] = {}


def named(name: str) -> dict[str, Any]:
    """A reference to a schema of the table."""
    return {"$ref": REFERENCE + name}


def several(items: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A list."""
    return {"type": "array", "items": items, **more}


def record(optional: Mapping[str, Any] | None = None, /, **properties: Any) -> dict[str, Any]:
    """An object with these properties, all of which it must have, and perhaps ``optional`` ones."""
    required = {"required": list(properties)} if properties else {}
    return {"type": "object", "properties": {**properties, **(optional or {})}, **required}


def by_name(values: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """An object of name → value."""
    return {"type": "object", "additionalProperties": values, **more}
