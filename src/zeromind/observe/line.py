"""A line of the access log: of an answered request, as text or as JSON."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

_MOST_TEXT = 1000
_UNFIT = re.compile(r"[^ !#-\[\]-~]")
_SECRET = re.compile(r"([?&][^=&]*(?:key|token|secret|pass|pwd|auth|sig|cred|%)[^=&]*=)[^&]*", re.IGNORECASE)


class Line(NamedTuple):
    """What is told: when the request was answered (monotonic clock) and how long that took, in seconds; by whom it was asked, and for what.

    ``who`` is the name of a key, ``target`` the path and query, ``received`` and ``sent`` are bytes of the bodies, ``stages`` the seconds
    of a prediction's queue, input, model and output.
    """

    ended: float
    took_s: float
    address: str
    who: str = ""
    method: str = "-"
    target: str = "-"
    protocol: str = "-"
    status: int = 0
    received: int = 0
    sent: int = 0
    request_id: bytes = b""
    model: str = ""
    stages: Sequence[float] | None = None


class Text:
    """The common log format (httpd.apache.org/docs/current/logs.html#common), with more behind it."""

    def __init__(self) -> None:
        self._second = 0
        self._shown = ""

    def __call__(self, line: Line, offset_s: float) -> str:
        """The line, whose time is ``offset_s`` from the calendar's."""
        _, took_s, address, who, method, target, protocol, status, received, sent, request_id, model, stages = line
        second = int(line[0] + offset_s)
        if second != self._second:
            self._second, self._shown = second, time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
        name = request_id.decode()
        if "?" in target:
            target = without_secrets(target)
        if len(target) > _MOST_TEXT or _UNFIT.search(f"{who}{target}{name}{model}"):
            target, name, model, who = _fit(target), _fit(name), _fit(model), _fit(who)
        who = who.replace(" ", r"\x20") or "-"
        head = f'{address} - {who} [{self._shown}] "{method} {target} {protocol}" {status} {sent}'
        text = f'{head} in={received} ms={took_s * 1e3:.3f} id="{name}"'
        if model:
            text += f' model="{model}"'
        if stages is not None:
            text += " stages={:.3f}/{:.3f}/{:.3f}/{:.3f}".format(*[1e3 * seconds for seconds in stages])
        return text + "\n"


class Json:
    """An object on a line."""

    def __init__(self) -> None:
        self._second = 0
        self._shown = ""

    def __call__(self, line: Line, offset_s: float) -> str:
        """The line, whose time is ``offset_s`` from the calendar's."""
        ended, took_s, address, who, method, target, protocol, status, received, sent, request_id, model, stages = line
        when = ended + offset_s
        second = int(when)
        if second != self._second:
            self._second, self._shown = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        entry: dict[str, Any] = {
            "time": f"{self._shown}.{int((when - second) * 1000):03d}Z",
            "client": address,
            "key": who,
            "method": method,
            "path": (without_secrets(target) if "?" in target else target)[:_MOST_TEXT],
            "protocol": protocol,
            "status": status,
            "bytes_in": received,
            "bytes_out": sent,
            "ms": round(took_s * 1e3, 3),
            "request_id": request_id.decode(),
        }
        if model:
            entry["model"] = model[:_MOST_TEXT]
        if stages is not None:
            for name, seconds in zip(("queue_ms", "input_ms", "model_ms", "output_ms"), stages, strict=True):
                entry[name] = round(seconds * 1e3, 3)
        return orjson.dumps(entry).decode() + "\n"


def without_secrets(target: str) -> str:
    """A path and query, without the values of what may be a secret by its name."""
    return _SECRET.sub(r"\1***", target)


def _fit(text: str) -> str:
    """A text that cannot end its quotes or its line, nor fill the disk."""
    return _UNFIT.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "replace")), text[:_MOST_TEXT])
