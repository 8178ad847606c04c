"""A line of the access log: of an answered request, as text or as JSON.

Clients ask for the same over and over: what does not change from one line to the next is made once.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

_MOST_TEXT = 1000
"""Of what a client has made up, in characters."""
_MOST_KNOWN = 1000
_UNFIT = re.compile(r"[^ !#-\[\]-~]")
_SECRET = re.compile("key|token|secret|pass|pwd|auth|sig|cred|%", re.IGNORECASE)
_STAGES = ("input_ms", "model_ms", "output_ms")


class Line(NamedTuple):
    """What is told: when the head of the request had come and when it was answered (monotonic clock), who asked, and for what.

    ``asked`` are method, path with query, and protocol; ``who`` is the name of a key; ``received`` and ``sent`` are bytes of the bodies;
    ``request_id`` is its number where its client has no name for it. Of a prediction ``waited_s`` is known, and its ``work``, whose
    second to fourth are seconds of input, model and output.
    """

    began: float
    ended: float
    address: str
    who: str = ""
    asked: tuple[str, str, str] = ("-", "-", "-")
    status: int = 0
    model: str = ""
    received: int = 0
    sent: int = 0
    request_id: bytes | int = b""
    waited_s: float = 0.0
    work: Sequence[Any] | None = None


def cut(line: Sequence[Any]) -> tuple[Any, ...]:
    """What is noted of a line, with no more of what a client has made up than is told."""
    began, ended, address, who, (method, target, protocol), status, model, *more = line
    return began, ended, address, who, (method[:_MOST_TEXT], target[:_MOST_TEXT], protocol), status, model[:_MOST_TEXT], *more


_Asked: TypeAlias = "tuple[str, str, tuple[str, str, str], int, str]"


class _Lines:
    """What both forms have in common: the parts that are known."""

    def __init__(self, prefix: bytes = b"") -> None:
        """``prefix`` stands before the numbers of requests."""
        self._prefix = prefix
        self._second = 0
        self._shown = b""
        self._work: Sequence[Any] | None = None
        self._stages = b""
        self._known: dict[_Asked, tuple[bytes, ...]] = {}

    def _keep(self, key: _Asked, parts: tuple[bytes, ...]) -> tuple[bytes, ...]:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        _, _, (_, target, _), _, model = key
        if len(target) + len(model) <= _MOST_TEXT:
            self._known[key] = parts
        return parts


class Text(_Lines):
    """The common log format (httpd.apache.org/docs/current/logs.html#common), with more behind it."""

    def __call__(self, line: Line, offset_s: float) -> bytes:
        """The line, whose times are ``offset_s`` from the calendar's."""
        began, ended, address, who, asked, status, model, received, sent, name, waited_s, work = line
        key = address, who, asked, status, model
        opening, middle, end = self._known.get(key) or self._keep(key, self._parts(key))
        second = int(ended + offset_s)
        if second != self._second:
            self._second, self._shown = second, time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime(second)).encode()
        if isinstance(name, int):
            name = b"%b%d" % (self._prefix, name)
        elif b'"' in name or b"\\" in name:
            name = _fit(name.decode())
        if work is None:
            return b'%b%b%b%d in=%d ms=%.3f id="%b"%b\n' % (opening, self._shown, middle, sent, received, 1e3 * (ended - began), name, end)
        if work is not self._work:
            self._work, self._stages = work, b"/%.3f/%.3f/%.3f\n" % (1e3 * work[1], 1e3 * work[2], 1e3 * work[3])
        tail = 1e3 * (ended - began), name, end, 1e3 * waited_s, self._stages
        return b'%b%b%b%d in=%d ms=%.3f id="%b"%b stages=%.3f%b' % (opening, self._shown, middle, sent, received, *tail)

    def _parts(self, key: _Asked) -> tuple[bytes, ...]:
        """What stands before the time, behind it to the status, and at the end."""
        address, who, (method, target, protocol), status, model = key
        name = _fit(who).replace(b" ", rb"\x20") or b"-"
        middle = b' +0000] "%b %b %b" %d ' % (_fit(method), _fit(without_secrets(target)), _fit(protocol), status)
        return _fit(address) + b" - " + name + b" [", middle, b' model="%b"' % _fit(model) if model else b""


class Json(_Lines):
    """An object on a line."""

    def __call__(self, line: Line, offset_s: float) -> bytes:
        """The line, whose times are ``offset_s`` from the calendar's."""
        began, ended, address, who, asked, status, model, received, sent, name, waited_s, work = line
        key = address, who, asked, status, model
        (known,) = self._known.get(key) or self._keep(key, self._parts(key))
        when = ended + offset_s
        second = int(when)
        if second != self._second:
            self._second, self._shown = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        shown = b'"%b%d"' % (self._prefix, name) if isinstance(name, int) else json.dumps(name.decode()).encode()
        if work is None:
            stages = b""
        else:
            if work is not self._work:
                self._work, self._stages = work, b"".join(b',"%b":%.3f' % (_STAGES[at].encode(), 1e3 * work[at + 1]) for at in range(3))
            stages = b',"queue_ms":%.3f%b' % (1e3 * waited_s, self._stages)
        head = b'{"time":"%b.%03dZ",%b,"bytes_in":%d,"bytes_out":%d' % (self._shown, int(1000 * (when - second)), known, received, sent)
        return b'%b,"ms":%.3f,"request_id":%b%b}\n' % (head, 1e3 * (ended - began), shown, stages)

    def _parts(self, key: _Asked) -> tuple[bytes, ...]:
        """The members that stay the same, without braces."""
        address, who, (method, target, protocol), status, model = key
        entry: dict[str, Any] = {"client": address, "key": who, "method": method, "path": without_secrets(target)[:_MOST_TEXT]}
        entry |= {"protocol": protocol, "status": status, **({"model": model[:_MOST_TEXT]} if model else {})}
        return (json.dumps(entry, separators=(",", ":")).encode()[1:-1],)  # ASCII, whatever a client has made up


def without_secrets(target: str) -> str:
    """A path and query, without the values of what may be a secret by its name."""
    path, mark, query = target.partition("?")
    return f"{path}?{'&'.join(map(_without_secret, query.split('&')))}" if mark else target


def _without_secret(argument: str) -> str:
    name, equals, _ = argument.partition("=")
    return f"{name}=***" if equals and _SECRET.search(name) else argument


def _fit(text: str) -> bytes:
    """A text that cannot end its quotes or its line, nor fill the disk."""
    shown = _UNFIT.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "replace")), text[:_MOST_TEXT])
    return shown.encode()
