"""What a pool answers, as plain data for whoever shows it: its routes with examples, and its faults."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zeromind.http import envelope
from zeromind.http.examples import EXAMPLES
from zeromind.http.handler import Handler


def routes(handlers: Iterable[type[Handler]]) -> list[dict[str, Any]]:
    """``{"path", "methods", "summary", "examples"}`` of every handler, in the order in which they are asked.

    An example is ``{"target", "body", "file", "media", "answer"}``, all text: see ``examples.Example``.
    """
    return [
        {
            "path": handler.shown or handler.route,
            "methods": handler.methods(),
            "summary": handler.summary or (handler.__doc__ or "").partition("\n")[0],
            "examples": [example.as_dict() for example in EXAMPLES.get(handler.shown or handler.route, ())],
        }
        for handler in handlers
    ]


def faults() -> list[dict[str, Any]]:
    """``{"code", "status", "name", "meaning"}`` of every kind of fault, by code."""
    rows = [{"code": code, "status": status, "name": kind.name, "meaning": kind.value} for kind, (status, code) in envelope.TABLE.items()]
    return sorted(rows, key=lambda row: (row["code"], row["status"]))
