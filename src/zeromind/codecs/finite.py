"""What JSON has no form for: numbers of an answer that are not finite. A request says what they become, in the header ``Non-Finite``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferResponse, Tensor, Value

HEADER = "Non-Finite"
POLICIES = ("null", "string", "error")


def check(policy: str) -> None:
    """Raise REQUEST_ATTRIBUTE for a policy that there is not; without one the dialect's own holds."""
    if policy and policy not in POLICIES:
        text = f"the header {HEADER} is {policy[:50]!r}: {', '.join(POLICIES)} are what numbers that are not finite may become"
        raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, text, HEADER)


def shown(array: Tensor, name: str, policy: str) -> Any:
    """What the JSON encoder takes for an output's numbers: the array, where null stands for some of them, or lists with text.

    Raises NON_FINITE naming the first, if that is the policy.
    """
    if policy in ("", "null") or array.dtype.kind != "f" or (finite := np.isfinite(array)).all():
        return np.ascontiguousarray(array)
    if policy == "error":
        place = [int(index) for index in np.unravel_index(int(finite.argmin()), array.shape)]
        text = f"output {name!r} has {_word(float(array[tuple(place)]))} at {place}, which JSON has no number for"
        raise ZeroMindError(ErrorKind.NON_FINITE, f"{text}: ask for {HEADER}: null or string, or for bytes", name, place)
    texts = array.astype(np.object_)
    texts[~finite] = [_word(number) for number in array[~finite].tolist()]
    return texts.tolist()


def applied(response: InferResponse, policy: str) -> InferResponse:
    """The answer whose outputs are JSON where the policy makes them so."""
    if not policy:
        return response
    outputs: dict[str, Value] = {}
    for name, value in response.outputs.items():
        outputs[name] = value
        if not isinstance(value, Encoded) and value.dtype.kind == "f" and not np.isfinite(value).all():
            data = orjson.dumps(shown(value, name, policy), option=orjson.OPT_SERIALIZE_NUMPY)
            outputs[name] = Encoded("application/json", data)
    return InferResponse(outputs, response.run, response.final)


def _word(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
