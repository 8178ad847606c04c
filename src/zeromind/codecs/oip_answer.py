"""Answers of the Open Inference Protocol over HTTP: JSON, behind which outputs may follow as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import orjson

from zeromind import datatypes
from zeromind.codecs import finite
from zeromind.codecs.inputs import refused
from zeromind.codecs.oip_outputs import offered, put
from zeromind.codecs.oip_parameters import Wanted
from zeromind.codecs.oip_raw import PLAIN, Bytes, to_raw
from zeromind.codecs.oip_tensors import Memory
from zeromind.tensors import InferResponse, Interface, Tensor

_MOST_HEADS = 64


Answer: TypeAlias = tuple[bytes, int]
"""A body, and how many of its bytes are JSON; 0 if all of them are."""


class Asked:
    """What a request wants of its answer."""

    __slots__ = ("_heads", "_raw", "id", "interface", "wanted")

    def __init__(self, request_id: str, wanted: tuple[Wanted, ...], interface: Interface) -> None:
        self.id = request_id
        self.wanted = wanted
        self.interface = interface
        raw = all(_is_raw(one, interface) for one in wanted)
        self._raw = tuple(one.spec.name for one in wanted) if raw else ()
        self._heads: dict[tuple[tuple[int, ...], ...], bytes] = {}

    def encode(self, response: InferResponse, model: str, memory: Memory, non_finite: str = "") -> Answer:
        """The answer: flat data; a filtered output is BYTES, the JSON text of one sample each.

        Raises INVALID_INPUT for text that is no UTF-8 and wanted as JSON, and for shared memory that is gone or too small.
        """
        if self._raw:
            return self._encode_raw(response, model)
        outputs: list[dict[str, Any]] = []
        buffers: list[Bytes] = []
        for one in self.wanted:
            entry, data = self._output(one, response, memory, non_finite)
            outputs.append(entry)
            buffers += data
        head = orjson.dumps(
            {"model_name": model, "model_version": "1", "outputs": outputs, **({"id": self.id} if self.id else {})},
            None,
            orjson.OPT_SERIALIZE_NUMPY,
        )
        return _joined(head, buffers)

    def _encode_raw(self, response: InferResponse, model: str) -> Answer:
        """The answer whose outputs are all bytes of numbers, by a head that depends on their shapes only."""
        values: list[Any] = [response.outputs[name] for name in self._raw]
        shapes = tuple([value.shape for value in values])
        head = self._heads.get(shapes)
        if head is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            outputs = [_binary(one, value) for one, value in zip(self.wanted, values, strict=True)]
            head = self._heads[shapes] = orjson.dumps({"model_name": model, "model_version": "1", "outputs": outputs})[:-1]
        head += b',"id":%b}' % orjson.dumps(self.id) if self.id else b"}"
        return _joined(head, [np.ascontiguousarray(value) for value in values])

    def _output(self, one: Wanted, response: InferResponse, memory: Memory, non_finite: str) -> tuple[dict[str, Any], list[Bytes]]:
        """The entry of an output, and its bytes if it has some."""
        datatype, array = offered(one, response, self.interface)
        entry: dict[str, Any] = {"name": one.spec.name, "datatype": datatype, "shape": array.shape}
        if one.region:
            put(one, to_raw(array, datatype), memory)
        elif one.binary:
            data = to_raw(array, datatype)
            return {**entry, "parameters": {"binary_data_size": len(data)}}, [data]
        else:
            entry["data"] = _listed(array, datatype, one.spec.name, non_finite)
        return entry, []


def _is_raw(one: Wanted, interface: Interface) -> bool:
    return one.binary and not one.top and one.spec.datatype in PLAIN and one.spec.name not in interface.filtered_outputs


def _binary(one: Wanted, value: Tensor) -> dict[str, Any]:
    parameters = {"binary_data_size": value.nbytes}
    return {"name": one.spec.name, "datatype": one.spec.datatype, "shape": value.shape, "parameters": parameters}


def _joined(head: bytes, buffers: Sequence[Any]) -> Answer:
    body = b"".join((head, *buffers))
    return body, len(head) if len(body) > len(head) else 0


def _listed(array: Tensor, datatype: str, name: str, non_finite: str) -> Any:
    """The elements as the JSON encoder takes them."""
    if datatype != "BYTES":
        return finite.shown(datatypes.rounded(array, datatype).reshape(-1), name, non_finite)
    try:
        return datatypes.as_text(array).reshape(-1).tolist()
    except UnicodeDecodeError:
        raise refused(f"output {name!r} is no UTF-8 text, so that JSON cannot carry it: ask for 'binary_data': true", name) from None
