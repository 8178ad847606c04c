"""Requests that are nearly right: valid ones of every route and method, torn, swapped and stuffed by a seeded hand."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import io
import json
import re
import struct
import zlib

import hpack
from PIL import Image

from zeromind.grpc.messages import Messages

JSON, OCTETS = b"application/json", b"application/octet-stream"
SERVICE = "/inference.GRPCInferenceService/"
_TENSOR = {"name": "x", "shape": [1, 3], "datatype": "FP32"}
_KINDS = {"float": [[1.5, 2]], "half": [1], "int": [7], "byte": [255], "flag": [True], "text": [["a é"]]}


@dataclasses.dataclass
class Request:
    """One that has an answer: of HTTP with a whole body, or ``torn``, when it may have none; or a message of gRPC's."""

    target: bytes
    body: bytes = b""
    media: bytes = JSON
    method: bytes = b"POST"
    fields: bytes = b""
    torn: bool = False
    grpc: bool = False

    def bytes(self):
        """What is sent over HTTP/1.1."""
        if self.torn:
            return self.body
        head = b"%b %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %b\r\n" % (self.method, self.target, self.media)
        return head + self.fields + b"Content-Length: %d\r\n\r\n" % len(self.body) + self.body


def picture(kind, mode="RGB", size=(9, 7)):
    data = io.BytesIO()
    Image.new(mode, size, 77).save(data, kind)
    return data.getvalue()


PICTURES = [
    picture("PNG"),
    picture("PNG", "P"),
    picture("JPEG", "L"),
    picture("GIF", "P"),
    picture("BMP"),
    picture("WEBP"),
    picture("TIFF"),
]


def _posted(target, document, **more):
    return Request(target.encode(), json.dumps(document).encode(), **more)


def seeds_of_http(document):
    """Valid requests: of every path of an OpenAPI document, and for predictions in all their forms. None of them changes anything."""
    found = []
    for path, item in document["paths"].items():
        target = path.replace("{model}", "sum").replace("{name}", "sum").replace("{id}", "sum")
        target = target.replace("{", "").replace("}", "").encode()
        found += [Request(target, method=method.upper().encode()) for method in item if method in ("get", "post", "head", "delete", "put")]
    found = [request for request in found if not re.search(rb"stop|unload|drop|models/sum/load", request.target)]
    binary = {**_TENSOR, "parameters": {"binary_data_size": 12}}
    head = json.dumps({"inputs": [binary], "outputs": [{"name": "sum", "parameters": {"binary_data": True}}]}).encode()
    more = [
        _posted("/model/predict?id=sum", {"x": [[1, 2, 3]]}),
        _posted("/model/predict?id=kinds", _KINDS),
        _posted("/v2/models/sum/infer", {"id": "7", "inputs": [{**_TENSOR, "data": [1, 2, 3]}], "parameters": {"timeout": 9_000_000}}),
        _posted("/v2/models/sum/infer", {"inputs": [{**_TENSOR, "data": [[1, 2, 3]]}], "outputs": [{"name": "sum"}]}),
        Request(b"/v2/models/sum/infer", head + struct.pack("<3f", 1, 2, 3), OCTETS, fields=_length(len(head))),
        Request(b"/v2/models/sum/infer", struct.pack("<3f", 1, 2, 3), OCTETS, fields=_length(0)),
        _posted("/v2/models/sum/generate", {"x": [1, 2, 3], "id": "a", "parameters": {"a": 1}}),
        _posted("/v2/models/sum/generate_stream", {"x": [1, 2, 3]}),
        _posted("/v1/models/sum:predict", {"instances": [[1, 2, 3], [4, 5, 6]]}),
        _posted("/v1/models/sum:predict", {"inputs": {"x": [[1, 2, 3]]}, "signature_name": "serving_default"}),
        _posted("/v1/models/kinds:predict", {"instances": [{name: value[0] for name, value in _KINDS.items()}]}),
        _posted("/v1/models/sum:classify", {"examples": [{"x": [1, 2, 3]}]}),
        _posted("/v1/models/sum:regress", {"examples": [{"x": [1, 2, 3]}], "context": {}}),
        _posted("/model/load", {"id": "none", "model_file": "none.onnx", "input_filters": {"x": ["a.B"]}, "max_batch_size": 2}),
        _posted("/v2/repository/models/none/load", {"parameters": {"config": '{"backend": "onnx"}', "file:1/model.onnx": "AAAA"}}),
        _posted("/v2/repository/index", {"ready": True}),
        _posted("/v2/logging", {"log_verbose_level": 0, "log_format": "default"}),
        _posted("/v2/trace/setting", {"trace_level": ["OFF"], "trace_rate": "100"}),
        _posted("/v2/systemsharedmemory/region/a/register", {"key": "/a", "offset": 0, "byte_size": 9}),
        _posted("/model/list", {"check_sum": "0"}),
        _posted("/command/stop", {"pool_id": 77}),
    ]
    for data in PICTURES:
        text = base64.b64encode(data).decode()
        more.append(Request(b"/model/predict?id=picture", data, b"image/png"))
        more.append(_posted("/model/predict?id=picture", {"picture": [{"image": text}]}))
        more.append(_posted("/v1/models/picture:predict", {"instances": [{"b64": text}]}))
        more.append(Request(b"/v2/models/picture/infer", data, OCTETS, fields=_length(0)))
    more += [
        dataclasses.replace(request, body=pack(request.body), fields=b"Content-Encoding: %b\r\n" % name + request.fields)
        for request in more[2:4]
        for name, pack in ((b"gzip", gzip.compress), (b"deflate", zlib.compress))
    ]
    return found + 3 * more


def _length(size):
    return b"Inference-Header-Content-Length: %d\r\n" % size


def seeds_of_grpc():
    """Valid calls of every method, as messages; none of them changes anything."""
    made = Messages()

    def call(method, kind="", **fields):
        return Request((SERVICE + method).encode(), made.write(f"inference.{kind or method}Request", fields), grpc=True)

    raw, typed = struct.pack("<3f", 1, 2, 3), {**_TENSOR, "contents": {"fp32_contents": [1, 2, 3]}}
    option = {"int64_param": 1}
    calls = [
        call("ModelInfer", model_name="sum", inputs=[_TENSOR], raw_input_contents=[base64.b64encode(raw).decode()]),
        call("ModelInfer", model_name="sum", inputs=[typed], id="7", outputs=[{"name": "sum"}], parameters={"priority": option}),
        call("ModelInfer", model_name="kinds", inputs=[{"name": "text", "datatype": "BYTES", "shape": [1, 1]}]),
        call("ModelInfer", model_name="picture", inputs=[{"name": "picture", "datatype": "BYTES", "shape": [1]}],
             raw_input_contents=[base64.b64encode(struct.pack("<I", len(PICTURES[0])) + PICTURES[0]).decode()]),
    ]  # fmt: skip
    return 4 * calls + [
        *(call(method, name="sum") for method in ("ModelMetadata", "ModelConfig", "ModelStatistics", "ModelReady")),
        call("RepositoryIndex", ready=True), call("RepositoryModelLoad", model_name="none"), call("ServerMetadata"), call("ServerLive"),
        call("SystemSharedMemoryRegister", name="a", key="/a", byte_size=9), call("SystemSharedMemoryStatus"), call("LogSettings"),
        call("TraceSetting"), Request(b"/grpc.health.v1.Health/Check", b"", grpc=True), Request(SERVICE.encode() + b"None", b"", grpc=True),
    ]  # fmt: skip


# --- what is done to them

ATOMS = [
    b"NaN", b"-Infinity", b"1e400", b"-1e-400", b"1e309", b"0", b"-1", b"18446744073709551648", b"9" * 400, b"0." + b"7" * 500,
    b"null", b"true", b'""', b'"a"', b'"\\u0000"', b'"\\ud800"', b'"\xff"', b'"\\"', b'"' + b"A" * 3000 + b'"', b'"AAA=A"',
    b'"/etc/passwd"', b'"../../x"', b"[]", b"{}", b"[[]]", b"[[[[[1]]]]]", b"[" * 70 + b"]" * 70, b"[" * 5000,
    b'{"a":' * 80 + b"1" + b"}" * 80, b'{"a":1,"a":2}', b"[1,[2]]", b"[1,2,3,4]", b"[9223372036854775807,2]",
    b"[4294967296,4294967296,4294967296]", b"[0,3]", b"[-1,3]", b'[{"image_file":"/etc/passwd"}]', b"[" + b"0," * 3000 + b"0]",
    b'"BYTES"', b'"FP64"', b'"BF16"', b'{"b64":"AAAA"}', b'{"shared_memory_region":"a","shared_memory_byte_size":1}',
    b'{"binary_data_size":-1}', b'{"binary_data_size":99999999999999999999}', b'{"classification":999999999}', b",", b":", b"'",
    b"\\u00", b"\0", b"\xef\xbb\xbf",
]  # fmt: skip
LINES = [
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Content-Length: 5", b"Content-Length: +5",
    b"Content-Length: 0x5", b"Content-Length: 99999999999999999999", b"Content-Length: 1048577", b"Content-Encoding: gzip",
    b"Content-Encoding: br", b"Expect: 100-continue", b"Connection: close", b"Connection: upgrade\r\nUpgrade: websocket",
    b"Host: evil", b"Host :x", b" folded", b"A" * 900 + b": b", b"A: \0",
    b"Inference-Header-Content-Length: 99999999999999999999", b"Inference-Header-Content-Length: -1",
    b"Accept-Encoding: gzip;q=9,*;q=x", b"Content-Type: multipart/form-data; boundary=x", b"Content-Type: text/plain",
    b"Origin: null", b"Cookie: " + b"a=b;" * 99,
]  # fmt: skip
WORDS = [
    b"", b"*", b"TRACE", b"/%00", b"/" + b"a" * 3000, b"/v2/models/..%2f..%2fetc/infer", b"HTTP/9.9", b"http://x/info", b"//",
    b"/?" + b"a=b&" * 200,
]  # fmt: skip
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


def mutated(request, chance):
    """The request with something wrong, most of the time: its body, its head, or its framing."""
    data = request.body
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
        data = _document(data, chance) if data[:1] in b"{[" and chance.random() < 0.7 else _bytes(data, chance)
    data = data[: 1 << 18]
    changed = dataclasses.replace(request, body=data)
    if request.grpc or chance.random() < 0.6:
        return changed
    if chance.random() < 0.3:
        return dataclasses.replace(changed, media=chance.choice((JSON, OCTETS, b"image/png", b"image/gif", b"text/plain", b"")))
    return dataclasses.replace(changed, body=_torn(changed, chance), torn=True)


def _document(data, chance):
    """A value of a JSON text replaced, a member doubled, or a piece of it said twice."""
    places = [at for at, byte in enumerate(data[:4000]) if byte in b':,["'] or [0]
    at = chance.choice(places) + 1
    end = min([len(data), *(found for mark in b",]}" if (found := data.find(bytes((mark,)), at)) >= 0)])
    kind = chance.random()
    if kind < 0.6:
        return data[:at] + chance.choice(ATOMS) + data[end:]
    return data[:end] + b"," + data[at:end] + data[end:] if kind < 0.8 else data[:at] + data[end:]


def _bytes(data, chance):  # noqa: PLR0911 - each way is a line
    kind, at = chance.randrange(7), chance.randrange(len(data) + 1)
    size = chance.choice((1, 1, 2, 4, 8, 100))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + chance.randbytes(size) + data[at + size :]
    if kind == 2:
        return data[:at] + chance.randbytes(size) + data[at:]
    if kind == 3:
        return data[:at] + data[at + size :]
    if kind == 4:
        return data[:at] + data[at : at + size] * chance.choice((2, 3, 300)) + data[at + size :]
    number = chance.choice(_NUMBERS)
    if kind == 5:
        return data[:at] + struct.pack(chance.choice(("<I", ">I")), number & 0xFFFFFFFF) + data[at + 4 :]
    return data[:at] + _varint(number) + data[at + 1 :]


def _varint(number):
    data = b""
    while number > 0x7F:
        data, number = data + bytes((number & 0x7F | 0x80,)), number >> 7
    return data + bytes((number,))


def _torn(request, chance):
    """What is no longer sure to be one request."""
    kind = chance.randrange(5)
    if kind == 0:  # in chunks, which are not all what they should be
        head = dataclasses.replace(request, body=b"").bytes().replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        body, chunks = request.body[:5000], []
        while body:
            size = chance.choice((1, 3, 50, 1000))
            said = chance.choice((b"%x", b"%x", b"%x", b"%x;a=b", b"0%x", b"+%x", b"%x ", b"-%x"))
            chunks.append(said % len(body[:size]) + chance.choice((b"\r\n", b"\r\n", b"\r\n", b"\n")) + body[:size] + b"\r\n")
            body = body[size:]
        return head + b"".join(chunks) + chance.choice((b"0\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"0\r\n", b"ffffffffffffffff\r\n", b""))
    head, _, body = request.bytes().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if kind == 1:
        lines.insert(chance.randrange(1, len(lines) + 1), chance.choice(LINES))
    elif kind == 2:
        first = lines[0].split(b" ")
        first[chance.randrange(3)] = chance.choice((*WORDS, b"/model/predict?id=" + chance.randbytes(9)))
        lines[0] = b" ".join(first)
    elif kind == 3:
        lines = _bytes(b"\r\n".join(lines), chance).split(b"\r\n")
    else:  # the next request is here already
        return (head + b"\r\n\r\n" + body) * 2 + chance.choice((b"", b"GET / HTTP/1.1\r\n", b"\r\n", b"\0"))
    return chance.choice((b"\r\n", b"\r\n", b"\r\n", b"\n")).join(lines) + b"\r\n\r\n" + body


def head_block(path):
    """The fields of a call, in a form that refers to none before."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "127.0.0.1"), ("te", "trailers")]
    return hpack.Encoder().encode([*fields, ("content-type", "application/grpc"), ("grpc-accept-encoding", "gzip")])
