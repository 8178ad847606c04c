"""What a model may be asked, shown to people: in error messages and on the terminal."""

from __future__ import annotations

import json

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Interface, TensorSpec

PICTURE = "image/png"
_MOST_SHOWN = 4
"""Of the numbers in a row; what stands for more than so many is cut short with an ellipsis."""
_MORE = "…"
_MOST_CHARACTERS = 400
"""Of an example in an error."""
_OF_THE_REQUEST = frozenset({ErrorKind.CONTENT_TYPE, ErrorKind.INPUT_MISSING, ErrorKind.INVALID_INPUT, ErrorKind.PREDICT_DATA})


def own(interface: Interface) -> str:
    """``{input name: data}`` with one row, as 0Mind's own routes take it; cut short with "…" where it would be long."""
    return _object({spec.name: _data(spec, interface) for spec in interface.spec.inputs})


def oip(interface: Interface) -> str:
    """The same as the Open Inference Protocol has it."""
    return f'{{"inputs": [{", ".join(_entry(spec, interface) for spec in interface.spec.inputs)}]}}'


def with_example(error: ZeroMindError, text: str) -> ZeroMindError:
    """The fault with an example of what is wanted, if it is one of the request's form and the example is not long."""
    if error.kind not in _OF_THE_REQUEST or len(text) > _MOST_CHARACTERS:
        return error
    return ZeroMindError(error.kind, f"{error.message}; such as {text}", *error.params)


def takes_picture(interface: Interface) -> bool:
    """Whether a picture may be the whole body of a request."""
    return len(interface.spec.inputs) == 1 and any(PICTURE in types for types in interface.media.values())


def is_whole(text: str) -> bool:
    """Whether nothing of an example had to be left out, so that it can be sent as it stands."""
    return _MORE not in text


def _entry(spec: TensorSpec, interface: Interface) -> str:
    filtered = spec.name in interface.filtered_inputs
    sizes = [1] if filtered else [1 if size is None else size for size in spec.shape]
    one = json.dumps(_encoded(spec, interface)) if filtered else _one(spec)
    count = 1
    for size in sizes:
        count *= size
    data = ", ".join([one] * count) if count <= _MOST_SHOWN else f"{one}, {_MORE}"
    datatype = "BYTES" if filtered else spec.datatype
    return f'{{"name": {json.dumps(spec.name)}, "datatype": "{datatype}", "shape": {sizes}, "data": [{data}]}}'


def _data(spec: TensorSpec, interface: Interface) -> str:
    if spec.name in interface.filtered_inputs:
        return f"[{_encoded(spec, interface)}]"
    return _nested(_one(spec), [1 if size is None else size for size in spec.shape])


def _encoded(spec: TensorSpec, interface: Interface) -> str:
    """One value for the filters of an input: only of those that take pictures it is known what they take."""
    return '{"image_file": "picture.png"}' if PICTURE in interface.media.get(spec.name, ()) else json.dumps(_MORE, ensure_ascii=False)


def _one(spec: TensorSpec) -> str:
    if spec.datatype == "BYTES":
        return '"text"'
    kind = datatypes.NUMPY_OF[spec.datatype].kind
    return "true" if kind == "b" else "0.5" if kind == "f" else "1"


def _nested(one: str, sizes: list[int]) -> str:
    for size in reversed(sizes):
        one = f"[{', '.join([one] * size)}]" if size <= _MOST_SHOWN else f"[{one}, {_MORE}]"
    return one


def _object(members: dict[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in members.items()) + "}"
