"""A request made up from what a model takes."""

from __future__ import annotations

import base64
import dataclasses
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from zeromind.bench.served import Served
from zeromind.tensors import Tensor, TensorSpec

PROTOCOLS = ("v2", "0mind")
JSON = "application/json"
_SIDE = 224  # of a picture whose size the model leaves open
_TEXT = "a sample"


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """A request's body; ``about`` says for people what it holds."""

    path: str
    body: bytes
    media: str
    about: str


def samples(served: Served, protocol: str | None, rows: int, rng: np.random.Generator) -> Iterator[Sample]:
    """Requests that the model may take, the likeliest first; where an input has filters, only the server can say.

    Without a ``protocol`` it is "v2", but "0mind" for a model with filters, which takes pictures as they are.
    ``rows`` is the first dimension of every input that leaves it open; other open dimensions are 1. Numbers are random.
    """
    protocol = protocol or ("0mind" if served.filtered else "v2")
    tensors = {spec.name: random_tensor(spec, rows, rng) for spec in served.inputs}
    shown = ", ".join(f"{spec.name} {list(tensors[spec.name].shape)} {spec.datatype}" for spec in served.inputs)
    lists = {name: array.tolist() for name, array in tensors.items()}
    if served.filtered:
        pictures = {spec.name: picture(spec, rng) for spec in served.inputs if spec.name in served.filtered}
        if len(served.inputs) == 1 and protocol == "0mind":
            (data,) = pictures.values()
            yield Sample(served.predict, data, "image/png", f"a random picture, PNG of {len(data):,} bytes")
        encoded = {name: [{"image": base64.b64encode(data).decode()}] for name, data in pictures.items()}
        yield _sample(served, protocol, {**lists, **encoded}, "random pictures as base64 for the inputs with filters")
    yield _sample(served, protocol, lists, f"random numbers: {shown}")


def random_tensor(spec: TensorSpec, rows: int, rng: np.random.Generator) -> Tensor:
    """An array as the spec wants it, of plain values: floats from 0 to 1 with six digits, integers from 0 to 9, short texts."""
    shape = [(rows if place == 0 else 1) if size is None else size for place, size in enumerate(spec.shape)]
    if spec.datatype == "BYTES":
        return np.full(shape, _TEXT, np.object_)
    if spec.dtype.kind == "f":
        return rng.random(shape).round(6)
    return rng.integers(0, 2 if spec.dtype.kind == "b" else 10, shape).astype(spec.dtype)


def picture(spec: TensorSpec, rng: np.random.Generator) -> bytes:
    """A PNG of random colours, as large as the spec wants pictures: its two largest dimensions behind the first."""
    sides = sorted((_SIDE if size is None else size for size in spec.shape[1:]), reverse=True)
    height, width = sides[:2] if len(sides) > 1 else (_SIDE, _SIDE)
    rows = rng.integers(0, 256, (height, width * 3 + 1), np.uint8)
    rows[:, 0] = 0  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits of each of red, green, blue
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _sample(served: Served, protocol: str, values: dict[str, Any], about: str) -> Sample:
    if protocol == "0mind":
        return Sample(served.predict, json.dumps(values).encode(), JSON, about)
    inputs = [_entry(spec, values[spec.name], spec.name in served.filtered) for spec in served.inputs]
    return Sample(served.infer, json.dumps({"inputs": inputs}).encode(), JSON, about)


def _entry(spec: TensorSpec, value: Any, filtered: bool) -> dict[str, Any]:
    """An input as the Open Inference Protocol has it; one with filters is BYTES, the JSON text of one sample each."""
    if filtered:
        texts = [json.dumps(item) for item in value]
        return {"name": spec.name, "datatype": "BYTES", "shape": [len(texts)], "data": texts}
    array = np.array(value)
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(array.shape), "data": array.reshape(-1).tolist()}
