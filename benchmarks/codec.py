"""What it takes to get a tensor out of JSON and back into it: our codecs beside what the parsers do on their own.

    python benchmarks/codec.py [--quick] [--out FILE]

Per row of 4, 784 and 150 528 numbers (28 x 28 and 224 x 224 x 3) as clients write them, six digits each. Ours are the whole request
and the whole answer, checked: names, datatypes, shapes, ranges. The parsers only read the same request and make the array, and only
write the array's numbers: the least that has to be done. Microseconds of processor time per call.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import report
import timing

from zeromind.codecs import oip, oip_request, zeromind
from zeromind.codecs.oip_answer import Asked
from zeromind.codecs.oip_parameters import selection
from zeromind.regions import Regions
from zeromind.tensors import InferResponse, Interface, ModelSpec, Run, TensorSpec

SIZES = {4: (4,), 784: (28, 28, 1), 150_528: (224, 224, 3)}
NO_MEMORY = Regions(False, 0)
_Calls = dict[str, Callable[[], Any]]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = {}
    seconds = 0.3 if options.quick else 8
    for title, make in {"decode": decoders, "encode": encoders}.items():
        results[title] = {}
        for size, shape in SIZES.items():
            found = timing.by_turns(make(shape), seconds, 3 if options.quick else 9)
            results[title][str(size)] = {name: report.significant(1e6 * time) for name, time in found.items()}
        rows = results[title]
        names = list(next(iter(rows.values())))
        report.table(f"{title}, µs", ["numbers", *names], ([size, *row.values()] for size, row in rows.items()))
    return results


def decoders(shape: tuple[int, ...]) -> _Calls:
    """Each gets the same row out of a request; they agree."""
    interface = interface_of(shape)
    row = np.random.default_rng(1).random((1, *shape)).round(6).astype(np.float32)
    plain = [float(str(number)) for number in row.ravel()]
    flat = json.dumps({"inputs": [{"name": "x", "shape": row.shape, "datatype": "FP32", "data": plain}]}).encode()
    nested = json.dumps({"x": np.reshape(plain, row.shape).tolist()}).encode()
    entry = {"name": "x", "shape": row.shape, "datatype": "FP32", "parameters": {"binary_data_size": row.nbytes}}
    head = json.dumps({"inputs": [entry], "parameters": {"binary_data_output": True}}).encode()
    binary, codec = head + row.tobytes(), oip.Codec(interface, "model", NO_MEMORY)
    calls: _Calls = {
        "ours, Open Inference": lambda: oip_request.decode(flat, None, interface, NO_MEMORY)[0].inputs["x"],
        "ours, Open Inference, come again": lambda: codec.decode(flat)[0].inputs["x"],
        "ours, Open Inference, binary": lambda: oip_request.decode(binary, len(head), interface, NO_MEMORY)[0].inputs["x"],
        "ours, Open Inference, binary, come again": lambda: codec.decode(binary, len(head))[0].inputs["x"],
        "ours, 0Mind": lambda: zeromind.decode_predict(nested, interface).inputs["x"],
        "json": lambda: np.array(json.loads(flat)["inputs"][0]["data"], np.float32),
        **parsers(flat),
    }
    for name, call in calls.items():
        if not np.array_equal(call().ravel(), row.ravel()):
            raise RuntimeError(f"{name} reads other numbers")
    return calls


def parsers(text: bytes) -> _Calls:
    """The installed ones."""
    calls: _Calls = {}
    if orjson := installed("orjson"):
        calls["orjson"] = lambda: np.array(orjson.loads(text)["inputs"][0]["data"], np.float32)
    if msgspec := installed("msgspec"):
        entry = msgspec.defstruct("Entry", [("data", list[float])])
        decode = msgspec.json.Decoder(msgspec.defstruct("Request", [("inputs", list[entry])])).decode
        calls["msgspec"] = lambda: np.array(decode(text).inputs[0].data, np.float32)
    if simdjson := installed("simdjson"):
        parser = simdjson.Parser()
        calls["pysimdjson"] = lambda: np.frombuffer(parser.parse(text)["inputs"][0]["data"].as_buffer(of_type="d")).astype(np.float32)
    return calls


def encoders(shape: tuple[int, ...]) -> _Calls:
    """Each writes the same row."""
    interface = interface_of(shape)
    row = np.random.default_rng(1).random((1, *shape)).astype(np.float32)
    response = InferResponse({"x": row}, Run(1, 0.001))
    codec = oip.Codec(interface, "model", NO_MEMORY)
    as_json, as_bytes = (Asked("", selection((), interface, binary), interface) for binary in (False, True))
    calls: _Calls = {
        "ours, Open Inference": lambda: codec.encode(response, as_json),
        "ours, Open Inference, binary": lambda: codec.encode(response, as_bytes),
        "ours, 0Mind": lambda: zeromind.encode_response(response),
        "json": lambda: json.dumps(row.tolist()),
    }
    if orjson := installed("orjson"):
        calls["orjson"] = lambda: orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)
    if msgspec := installed("msgspec"):
        calls["msgspec"] = lambda: msgspec.json.encode(row.tolist())
    return calls


def interface_of(shape: tuple[int, ...]) -> Interface:
    """A model that takes and gives rows of that shape under the name ``x``."""
    specs = (TensorSpec("x", "FP32", (None, *shape)),)
    return Interface(ModelSpec(specs, specs, True), "benchmark")


def installed(name: str) -> Any:
    """The module, or None."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


if __name__ == "__main__":
    report.main("codec", __doc__, measure)
