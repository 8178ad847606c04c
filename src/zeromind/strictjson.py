"""JSON as its specification has it, where the standard library's reader is more lenient than that."""

from __future__ import annotations

import collections
import json
from typing import Any


def loads(text: bytes | str, constants: bool = False) -> Any:
    """The value in a JSON text. Raises ValueError for anything else: a key twice in one object, too deep nesting, NaN and its kin.

    With ``constants`` NaN, Infinity and -Infinity are numbers, as some protocols have it.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=float if constants else _no_constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        counts = collections.Counter(key for key, _ in pairs)
        raise ValueError(f"the key {next(key for key in counts if counts[key] > 1)!r} stands twice in one object")
    return data


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
