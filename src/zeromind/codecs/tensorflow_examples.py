"""TensorFlow Serving's classify and regress APIs (tensorflow_serving/g3doc/api_rest.md): examples of features in, labels or numbers out."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import orjson

from zeromind import datatypes
from zeromind.codecs import tensorflow_values as values
from zeromind.codecs.inputs import complete, named, refused
from zeromind.codecs.tensorflow_serving import Encode, check_signature, columns
from zeromind.codecs.tensorflow_values import Node
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, Tensor, TensorSpec, Value

_FLOATS = ("FP16", "FP32", "FP64", "BF16")


@dataclasses.dataclass(frozen=True, slots=True)
class _Classes:
    """The outputs that an answer to classify is made of: one score for each class, and perhaps which class that is."""

    scores: TensorSpec
    classes: TensorSpec | None
    labels: tuple[str, ...]

    def encode(self, response: InferResponse) -> bytes:
        """``{"results": [[[label, score], …], …]}``."""
        scores = _array(response, self.scores)
        width = scores.shape[1]
        if self.classes is None:
            names = [*self.labels[:width], *map(str, range(len(self.labels), width))]
            labels = [orjson.dumps(name) for name in names] * len(scores)
        else:
            classes = _array(response, self.classes)
            if classes.shape != scores.shape:
                raise refused(
                    f"outputs {self.classes.name!r} and {self.scores.name!r} have shapes {list(classes.shape)} and {list(scores.shape)}: "
                    "classify needs a class for each score; ask with :predict"
                )
            labels = [orjson.dumps(name) for name in _names(classes)]
        pairs = list(map(b"[%b,%b]".__mod__, zip(labels, values.scalars(scores), strict=True)))
        rows = (b"[" + b",".join(pairs[at * width : (at + 1) * width]) + b"]" for at in range(len(scores)))
        return b'{"results":[%b]}' % b",".join(rows)


def classify(body: bytes, interface: Interface) -> tuple[InferRequest, Encode]:
    """The request in a body, and what writes its answer.

    Scores are a float output [rows, classes], their labels the task's, or else an output [rows, classes] of text or whole numbers, or
    else their places. Raises as ``regress``.
    """
    open_outputs = _open_outputs(interface)
    scores = _only([spec for spec in open_outputs if spec.datatype in _FLOATS and len(spec.shape) == 2], "scores", "[rows, classes]")
    classes = [spec for spec in open_outputs if spec.datatype not in (*_FLOATS, "BOOL") and len(spec.shape) == 2]
    labels = interface.labels.get(scores.name, ())
    chosen = _only(classes, "classes", "[rows, classes]") if classes and not labels else None
    return _request(body, interface), _Classes(scores, chosen, labels).encode


def regress(body: bytes, interface: Interface) -> tuple[InferRequest, Encode]:
    """The request in a body, and what writes its answer: the numbers of a float output [rows] or [rows, 1].

    Raises PREDICT_DATA if the body is no request, INPUT_MISSING, or INVALID_INPUT where the data or the model's outputs do not fit.
    """
    one_each = [spec for spec in _open_outputs(interface) if spec.datatype in _FLOATS and (len(spec.shape) == 1 or spec.shape[1:] == (1,))]
    chosen = _only(one_each, "outputs", "[rows] or [rows, 1]")
    return _request(body, interface), functools.partial(_encode_regress, chosen)


def _encode_regress(spec: TensorSpec, response: InferResponse) -> bytes:
    """``{"results": [number, …]}``."""
    return b'{"results":%b}' % values.text(_array(response, spec).reshape(-1), "")


def _open_outputs(interface: Interface) -> list[TensorSpec]:
    """The outputs that are numbers still: filters make of them what they like."""
    return [spec for spec in interface.spec.outputs if spec.name not in interface.filtered_outputs]


def _only(specs: Sequence[TensorSpec], preferred: str, form: str) -> TensorSpec:
    """The output that is meant: the only one, or the one that has the name that it has in TensorFlow."""
    chosen = [spec for spec in specs if spec.name == preferred] if len(specs) > 1 else specs
    if len(chosen) != 1:
        which = ", ".join(repr(spec.name) for spec in specs) or "none"
        text = f"this needs one output {form} of {preferred} without filters, or of several one that is called so; there is {which}"
        raise refused(f"{text}: ask with :predict")
    return chosen[0]


def _array(response: InferResponse, spec: TensorSpec) -> Tensor:
    value = response.outputs[spec.name]
    if isinstance(value, Encoded):  # it has no filters: this is what numbers that are not finite have become
        raise refused(f"output {spec.name!r} has numbers that are not finite, and these make no scores: ask with :predict", spec.name)
    return value


def _names(classes: Tensor) -> list[str]:
    if classes.dtype.kind in "iu":
        return [str(number) for number in classes.reshape(-1).tolist()]
    return [item.decode(errors="replace") for item in datatypes.as_bytes(classes).reshape(-1).tolist()]


# --- examples


def _request(body: bytes, interface: Interface) -> InferRequest:
    fields = values.body(body)
    check_signature(fields)
    if "examples" not in fields:
        raise ZeroMindError(ErrorKind.PREDICT_DATA, "the body must have 'examples', a list of objects of feature → value")
    examples = values.objects(fields["examples"], "'examples'")
    if "context" in fields:
        context = values.members(fields["context"], "'context'")
        examples = [{**context, **example} for example in examples]
    features = columns(examples, "example")
    specs = interface.spec.inputs
    inputs: dict[str, Value] = {}
    for name, node in features.items():
        spec = specs[0] if len(specs) == len(features) == 1 else named(name, interface, inputs)
        inputs[spec.name] = values.value(node, spec, interface) if spec.name in interface.filtered_inputs else _column(node, spec)
    return InferRequest(complete(inputs, interface))


def _column(node: Node, spec: TensorSpec) -> Tensor:
    """The tensor in a feature's values, one for each example: the row itself, its numbers in one list, or the only one without a list."""
    inner = spec.shape[1:]
    rows = values.items(node, f"the feature of input {spec.name!r}")
    if not inner:
        return values.tensor(values.listed([_only_item(row, spec) for row in rows]), spec)
    rows = [row if values.is_list(row) else values.listed([row]) for row in rows]
    if len(inner) == 1 or None in inner or _is_nested(rows[0]):
        return values.tensor(values.listed(rows), spec)
    size = math.prod(inner)  # type: ignore[arg-type]  # there is no None in it
    flat = dataclasses.replace(spec, shape=(spec.shape[0], size))
    return values.tensor(values.listed(rows), flat).reshape(len(rows), *inner)


def _only_item(row: Node, spec: TensorSpec) -> Node:
    if not values.is_list(row):
        return row
    items = values.items(row, "")
    if len(items) != 1:
        raise refused(f"input {spec.name!r} takes one value for each example, not {len(items)}", spec.name)
    return items[0]


def _is_nested(row: Node) -> bool:
    items = values.items(row, "")
    return bool(items) and values.is_list(items[0])
