"""Which request a server answers, found by asking it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from zeromind.bench.call import Call
from zeromind.bench.sample import JSON, Sample
from zeromind.bench.served import Served
from zeromind.bench.tally import message
from zeromind.client.address import Address
from zeromind.errors import ErrorKind, ZeroMindError


def given(served: Served, protocol: str | None, body: bytes, media: str) -> Sample:
    """A request with a body of somebody's own. Without a protocol it is taken for v2 if it is JSON with a list of "inputs"."""
    if protocol is None:
        protocol = "v2" if media == JSON and _is_v2(body) else "0mind"
    return Sample(served.infer if protocol == "v2" else served.predict, body, media, f"{len(body):,} bytes of {media}")


def first_answered(address: Address, candidates: Iterable[Sample], headers: Mapping[str, str], timeout_s: float) -> tuple[Call, Sample]:
    """The first request that gets a good answer.

    Raises INVALID_INPUT with what the server said to the last one if none does, ValueError for a header that cannot be sent, OSError or
    HTTPException where nobody answers.
    """
    said = ""
    for sample in candidates:
        call = Call(address, sample.path, sample.body, sample.media, headers)
        reply = call.once(timeout_s)
        if 200 <= reply.status < 300:
            return call, sample
        said = f"{reply.status} to {sample.about}: {message(reply.body) or 'no reason given'}"
    raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the server answered {said}")


def _is_v2(body: bytes) -> bool:
    try:
        data = json.loads(body)
    except ValueError:
        return False
    return isinstance(data, dict) and isinstance(data.get("inputs"), list)
