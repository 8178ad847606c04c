"""What the Open Inference Protocol's wires make of inputs and outputs with filters, and of shared memory.

An input with filters is offered as BYTES of shape [-1], one element per
sample: a picture file, or the sample as JSON text. An output with filters is answered likewise, as the JSON text of each sample.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np

from zeromind.codecs import picture
from zeromind.codecs.inputs import refused
from zeromind.codecs.oip_raw import to_objects
from zeromind.tensors import Encoded, Tensor, TensorSpec, Value

_JSON = "application/json"
_ONE = msgspec.json.Decoder(msgspec.Raw)
_SAMPLES = msgspec.json.Decoder(list[msgspec.Raw])


class Memory(Protocol):
    """Shared memory that clients have registered."""

    def read(self, name: str, offset: int, byte_size: int) -> bytes:
        """A copy of some bytes of a region. Raises INVALID_INPUT if it has no such bytes."""

    def write(self, name: str, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Put bytes into a region. Raises INVALID_INPUT if they do not fit there."""


def to_encoded(array: Tensor, spec: TensorSpec, media: Sequence[str]) -> Encoded:
    """What the filters of an input get, which take files of the types ``media``: one picture as it is, else a JSON list of samples.

    Raises INVALID_INPUT if it is no BYTES tensor of shape [samples], or an element is neither.
    """
    if array.dtype != np.object_ or array.ndim != 1 or not array.size:
        raise refused(
            f"input {spec.name!r} has filters and takes BYTES of shape [any]: each element a picture file, or one sample as JSON text",
            spec.name,
        )
    items: list[bytes] = array.tolist()
    if len(items) == 1 and (kind := picture.media_of(items[0])) in media and kind:
        return Encoded(kind, items[0])
    return Encoded(_JSON, b"[" + b",".join(_sample(item, index, spec, media) for index, item in enumerate(items)) + b"]")


def to_wire(value: Value, spec: TensorSpec) -> tuple[str, Tensor]:
    """An output as it is offered, its datatype and its array: of a filtered one BYTES, the JSON text of each sample."""
    if not isinstance(value, Encoded):
        return spec.datatype, value
    items = samples(value.data)
    return "BYTES", to_objects(items, (len(items),))


def samples(text: bytes) -> list[bytes]:
    """The JSON text of each entry of a list; of anything else the text itself."""
    try:
        return [bytes(sample) for sample in _SAMPLES.decode(text)]
    except msgspec.DecodeError:
        return [text]


def _sample(item: bytes, index: int, spec: TensorSpec, media: Sequence[str]) -> bytes:
    kind = picture.media_of(item)
    if kind in media and kind:
        return b'{"image":"' + base64.b64encode(item) + b'"}'
    try:
        _ONE.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"it takes no {kind} files" if kind else f"it is no JSON text: {error}"
        raise refused(f"element {index} of input {spec.name!r}: {reason}", spec.name) from None
    return item
