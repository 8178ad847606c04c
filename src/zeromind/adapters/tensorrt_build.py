"""Engines of TensorRT's, deserialized from a file or built from an ONNX model."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from typing import Any

from zeromind.adapters import onnx_file
from zeromind.adapters.base import Source
from zeromind.adapters.tensorrt_file import Format
from zeromind.errors import ErrorKind, ZeroMindError

PRECISIONS = ("f32", "tf32")
_Range = tuple[Sequence[int], Sequence[int], Sequence[int]]
"""The least, the usual and the greatest shape of an input."""


def engine(tensorrt: Any, log: Any, source: Source, form: Format) -> Any:
    """TensorRT's engine for the task's file. Raises LOAD_FAILED, or CODE_NOT_ALLOWED for a file that brings code for the processor."""
    name = source.file.path.name
    runtime = tensorrt.Runtime(log)
    # False is TensorRT's default, too: an engine may bring libraries, which deserializing it would run.
    runtime.engine_host_code_allowed = source.allow_code
    if form == "onnx":
        found = runtime.deserialize_cuda_engine(built(tensorrt, log, source))
    else:
        with source.file.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = runtime.deserialize_cuda_engine(data)
    if found is not None:
        return found
    told = log.text()
    if not source.allow_code and "host code" in told.lower().replace("hostcode", "host code"):
        text = f"{name} brings code for the processor, which the operator has to allow with 'allow_code': true ({told})"
        raise ZeroMindError(ErrorKind.CODE_NOT_ALLOWED, text, name)
    text = (
        f"TensorRT {tensorrt.__version__} cannot load {name}: an engine runs in the version and on the kind of GPU that built it ({told})"
    )
    raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)


def check(options: Mapping[str, Any]) -> None:
    """Raise TASK_ATTRIBUTE or ENGINE_ATTRIBUTE for wrong values of the task keys that say how to build."""
    if options.get("precision", PRECISIONS[0]) not in PRECISIONS:
        text = f"task key 'precision' is one of {', '.join(PRECISIONS)}, not {options['precision']!r}"
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, "precision")
    ranges = options.get("profile", {})
    if not isinstance(ranges, dict) or not all(_is_range(value) for value in ranges.values()):
        text = f"'profile' gives each input its least, usual and greatest shape, {{\"x\": [[1, 8], [4, 64], [32, 512]]}}, not {ranges!r}"
        raise ZeroMindError(ErrorKind.ENGINE_ATTRIBUTE, text, "profile")


def _is_range(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(shape, list) for shape in value):
        return False
    same = len({len(shape) for shape in value}) == 1 and all(type(size) is int for shape in value for size in shape)
    return same and all(0 <= low <= usual <= high for low, usual, high in zip(*value, strict=True))


def built(tensorrt: Any, log: Any, source: Source) -> Any:
    """A serialized engine for the ONNX model that the task names. Raises LOAD_FAILED, ENGINE_ATTRIBUTE."""
    path = source.file.path
    onnx_file.check_external_data(path)
    builder = tensorrt.Builder(log)
    builder.max_threads = source.threads
    # Types as the model has them; in TensorRT 11 there is nothing else any more.
    network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = tensorrt.OnnxParser(network, log)
    if not parser.parse_from_file(str(path)):
        reasons = "; ".join(parser.get_error(number).desc() for number in range(parser.num_errors)) or log.text()
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"TensorRT cannot read {path.name}: {reasons.replace(str(path), path.name)}", path.name)
    config = builder.create_builder_config()
    if source.options.get("precision", PRECISIONS[0]) == PRECISIONS[0]:
        config.clear_flag(tensorrt.BuilderFlag.TF32)
    for ranges in _profiles(network, source):
        profile = builder.create_optimization_profile()
        for name, shapes in ranges.items():
            profile.set_shape(name, *(tensorrt.Dims(list(shape)) for shape in shapes))
        if config.add_optimization_profile(profile) < 0:
            text = f"'profile' does not fit the inputs of {path.name}: {log.text()}"
            raise ZeroMindError(ErrorKind.ENGINE_ATTRIBUTE, text, "profile")
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"TensorRT cannot build an engine from {path.name}: {log.text()}", path.name)
    return plan


def _profiles(network: Any, source: Source) -> list[dict[str, _Range]]:
    """The shapes to tune for: a single row, and batches up to the largest; or what the task says. None where no size is open."""
    inputs = [network.get_input(number) for number in range(network.num_inputs)]
    _close(inputs, source)
    shapes = {tensor.name: list(tensor.shape) for tensor in inputs if -1 in tensor.shape}
    given = source.options.get("profile", {})
    for name in given:
        if name not in shapes:
            text = f"'profile' names {name!r}, but the inputs with open sizes are {', '.join(map(repr, shapes)) or 'none'}"
            raise ZeroMindError(ErrorKind.ENGINE_ATTRIBUTE, text, "profile")
    for name, shape in shapes.items():
        if -1 in shape[1:] and name not in given:
            text = f"input {name!r} has open sizes beside its rows, {shape}: say in 'profile' what they may be, or close them in 'inputs'"
            raise ZeroMindError(ErrorKind.ENGINE_ATTRIBUTE, text, "profile")
    if not shapes:
        return []
    most = source.max_batch_size
    sizes = [most] if given or most == 1 else [1, most]
    return [{name: given.get(name) or _rows(shape, size) for name, shape in shapes.items()} for size in sizes]


def _close(inputs: Sequence[Any], source: Source) -> None:
    """Give the inputs the sizes that the task lists."""
    sizes = {spec.name: spec.shape for spec in source.inputs}
    for tensor in inputs:
        own, shape = list(tensor.shape), sizes.get(tensor.name, ())
        if len(own) == len(shape):
            tensor.shape = [its if size is None else size for its, size in zip(own, shape, strict=True)]


def _rows(shape: Sequence[int], most: int) -> _Range:
    return [1, *shape[1:]], [most, *shape[1:]], [most, *shape[1:]]
