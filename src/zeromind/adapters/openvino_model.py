"""A model as OpenVINO reads it from a file, and what it says of its tensors."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zeromind.adapters import interface, onnx_file, openvino_file
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.openvino_request import reason
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Shape, TensorSpec

# https://docs.openvino.ai/2025/documentation/openvino-ir-format/operation-sets/operations-specifications.html names the types so
_DATATYPES = {"boolean": "BOOL", "string": "BYTES", "bf16": "BF16", "f16": "FP16", "f32": "FP32", "f64": "FP64"}
_DATATYPES |= {f"{sign}{bits}": f"{name}{bits}" for sign, name in (("i", "INT"), ("u", "UINT")) for bits in (8, 16, 32, 64)}


def read(openvino: Any, core: Any, source: Source) -> Any:
    """The model in the task's file. Raises LOAD_FAILED, and TASK_ATTRIBUTE or MODEL_FILE for ``weights`` that are not beside it."""
    file, named = source.file, source.options.get("weights")
    weights = None if named is None else file.companion(named, "weights")
    parts = openvino_file.parts(file)
    if parts is not None and weights is None and parts.weights is not None:
        weights = file.companion(parts.weights.name, "weights")
    path = file.companion(parts.xml.name, "model_file") if parts is not None and file.is_folder else file.path
    try:
        with _with_suffix(ModelFile(path)) as readable:
            found = openvino.frontend.FrontEndManager().load_by_model(readable)
            if found is not None and found.get_name() == "onnx":
                onnx_file.check_external_data(path)
            return core.read_model(readable, *([] if weights is None else [str(weights)]))
    except ZeroMindError:
        raise
    except Exception as error:
        text = f"OpenVINO cannot read {file.path.name}: {reason(error).replace(str(path), path.name)}"
        if parts is not None and weights is None:
            text += "; its weights belong beside it, named alike with .bin at the end, or the task names their file in 'weights'"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, file.path.name) from error


def specs(ports: Sequence[Any], given: Sequence[TensorSpec], kind: ErrorKind) -> tuple[TensorSpec, ...]:
    """The tensors of a model's inputs or outputs, with the sizes that the task gives; ``kind`` where that is wrong or needed."""
    sizes = {spec.name: spec.shape for spec in given}
    found: list[TensorSpec] = []
    for number, port in enumerate(ports):
        name, *others = _names(port)
        if any(spec.name == name for spec in found):
            name = f"{name}_{number}"
        aliases = tuple(re.escape(other) for other in others)
        found.append(TensorSpec(name, _datatype(name, port), _shape(name, port, sizes.get(name), kind), aliases))
    interface.declared(found, given, kind)
    return tuple(found)


def reshaped(openvino: Any, model: Any, inputs: Sequence[TensorSpec]) -> Any:
    """The model with inputs of these shapes. Raises INPUT_SPEC where it cannot take them."""
    shapes = {}
    for number, (port, spec) in enumerate(zip(model.inputs, inputs, strict=True)):
        known = [-1] * len(spec.shape) if port.partial_shape.rank.is_dynamic else list(port.partial_shape)
        sizes = [known[place] if size is None else size for place, size in enumerate(spec.shape)]
        shapes[number] = openvino.PartialShape(sizes)
    if any(port.partial_shape != shapes[number] for number, port in enumerate(model.inputs)):
        try:
            model.reshape(shapes)
        except RuntimeError as error:
            text = f"the model cannot take the shapes in the task's 'inputs': {reason(error)}"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, text, "inputs") from error
    return model


def widened(openvino: Any, model: Any, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Any:
    """The model, taking and giving float32 where these say BF16."""
    if all(spec.datatype != "BF16" for spec in (*inputs, *outputs)):
        return model
    builder = openvino.preprocess.PrePostProcessor(model)
    for side, tensors in ((builder.input, inputs), (builder.output, outputs)):
        for number, spec in enumerate(tensors):
            if spec.datatype == "BF16":
                side(number).tensor().set_element_type(openvino.Type.f32)
    return builder.build()


def first(model: Any) -> Any:
    """The first dimension of all tensors, as OpenVINO describes one; None where they do not have the same."""
    shapes = [port.partial_shape for port in (*model.inputs, *model.outputs)]
    if any(shape.rank.is_dynamic or len(shape) == 0 or shape[0] != shapes[0][0] for shape in shapes):
        return None
    return shapes[0][0]


def of_any_rows(openvino: Any, model: Any) -> Any:
    """The model with its first dimension opened, where its operations carry that through to all outputs; else None."""
    wide = model.clone()
    wanted = [_any_rows(openvino, port) for port in wide.outputs]
    try:
        wide.reshape({number: _any_rows(openvino, port) for number, port in enumerate(wide.inputs)})
    except RuntimeError:
        return None
    return wide if [port.partial_shape for port in wide.outputs] == wanted else None


def _any_rows(openvino: Any, port: Any) -> Any:
    return openvino.PartialShape([-1, *list(port.partial_shape)[1:]])


@contextlib.contextmanager
def _with_suffix(file: ModelFile) -> Iterator[str]:
    """A path to the file that OpenVINO accepts: it knows TensorFlow Lite by the name only."""
    if file.head[4:8] != b"TFL3" or file.suffix == ".tflite":
        yield str(file.path)
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "model.tflite")
        link.symlink_to(file.path.resolve())
        yield str(link)


def _names(port: Any) -> list[str]:
    """The tensor's names; last that of its operation, which OpenVINO may have made up, where there are others."""
    node = port.node.get_friendly_name()
    return [*sorted(port.names - {node}), *({node} & port.names)] or [node]


def _datatype(name: str, port: Any) -> str:
    own = port.element_type.get_type_name()
    if own not in _DATATYPES:
        text = f"tensor {name!r} is of type {own}, which no wire can carry: convert the model to plain tensors"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)
    return _DATATYPES[own]


def _shape(name: str, port: Any, given: Shape | None, kind: ErrorKind) -> Shape:
    side = "inputs" if kind is ErrorKind.INPUT_SPEC else "outputs"
    if port.partial_shape.rank.is_dynamic:
        if given is None:
            text = f"the model file gives no shape for {name!r}: list it in the task's {side!r}, null for a size that is open"
            raise ZeroMindError(kind, text, name)
        return given
    own = tuple(size.get_length() if size.is_static else None for size in port.partial_shape)
    if given is None:
        return own
    if len(given) != len(own):
        raise ZeroMindError(kind, f"{name!r} has {len(own)} dimensions, the task's {side!r} give it {len(given)}: correct the task", name)
    return tuple(size if size is not None else its for size, its in zip(given, own, strict=True))


def labels(model: Any) -> list[str]:
    """The names of classes that ``model_info`` keeps, parted by spaces; none where it keeps none."""
    place = ["model_info", "labels"]
    return str(model.get_rt_info(place).value).split() if model.has_rt_info(place) else []
