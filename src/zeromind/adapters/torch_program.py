"""A loaded PyTorch model as a function of tensors, whatever form it was saved in, and what its file tells of its interface."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from zeromind.adapters import device
from zeromind.adapters.base import Source
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.importing import silence
from zeromind.tensors import TensorSpec

_SCALARS = {"int", "float", "bool", "number"}


class Program(NamedTuple):
    """A function of tensors on ``device``, in the order of ``inputs``, that returns what the model does."""

    run: Callable[[Sequence[Any]], Any]
    inputs: tuple[TensorSpec, ...]
    device: Any
    outputs: tuple[TensorSpec, ...] = ()
    """Empty where the file does not tell them."""
    rows: tuple[object, ...] = ()
    """What the file calls the first dimension of each input, then of each output; None where it has no name for it."""
    least: int = 1
    """How many rows it takes at least."""
    most: int = sys.maxsize
    """How many rows it takes at most; if they are also the least, its file knows no other number."""
    writes: bool = False
    """Whether its file says that it changes its inputs."""


class Parameter(NamedTuple):
    """One of a function's parameters; ``type`` as TorchScript or an annotation has it."""

    name: str
    type: str
    optional: bool
    keyword: bool
    """Whether it is only known by its name."""


def placed(torch: Any, text: str) -> Any:
    """The device that a task means. Raises TASK_ATTRIBUTE for an unknown word, LOAD_FAILED for a GPU that is not there."""
    asked = device.parse(text)
    count = torch.cuda.device_count() if asked.kind != "cpu" and torch.cuda.is_available() else 0
    if asked.kind == "cuda" and asked.number >= count:
        raise device.beyond(text, "PyTorch", count, "and that PyTorch was installed with CUDA")
    return torch.device("cuda", asked.number) if count else torch.device("cpu")


def is_lost(torch: Any, place: Any) -> bool:
    """Whether a GPU does nothing more for this process: after a wrong index or address on it, CUDA answers with that error for good."""
    if place.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(place)
    except RuntimeError:
        return True
    return False


def loaded(source: Source, call: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    """What the call gives, in silence; what it raises becomes LOAD_FAILED, or MISSING_PACKAGE."""
    name = source.file.path.name
    try:
        with silence():
            return call(*arguments, **settings)
    except (ZeroMindError, MemoryError):
        raise
    except ModuleNotFoundError as error:
        text = f"{name} needs the package {error.name!r}, which is not installed: pip install it beside the server"
        raise ZeroMindError(ErrorKind.MISSING_PACKAGE, text, error.name) from error
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # PyTorch's own, of a GPU
            raise MemoryError(str(error)) from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
        text = f"{name} cannot be loaded: {type(error).__name__}: {lines[0]}; is it cut off, damaged, or of a newer PyTorch?"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name) from error


def script(torch: Any, source: Source) -> Program:
    """A TorchScript file's model, frozen."""
    place = placed(torch, source.device)
    module = loaded(source, torch.jit.load, str(source.file.path), map_location=place).eval()
    schema = module.forward.schema.arguments[1:]
    parameters = [Parameter(each.name, str(each.type), each.has_default_value(), each.kwarg_only) for each in schema]
    try:
        with silence():
            module = torch.jit.freeze(module)
    except Exception:  # noqa: S110 - some cannot be, such as those frozen already, and run as they are
        pass
    return Program(called(module, parameters, source), source.inputs, place)


def eager(source: Source, module: Any, place: Any) -> Program:
    """A module written in Python."""
    try:
        signature = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        signature = inspect.signature(lambda *inputs: inputs).parameters.values()
    parameters = []
    for each in signature:
        annotation = each.annotation if isinstance(each.annotation, str) else getattr(each.annotation, "__name__", "")
        type_ = "*" if each.kind == each.VAR_POSITIONAL else "**" if each.kind == each.VAR_KEYWORD else annotation
        parameters.append(Parameter(each.name, type_, each.default is not each.empty, each.kind == each.KEYWORD_ONLY))
    module = loaded(source, module.eval().to, place)
    return Program(called(module, parameters, source), source.inputs, place)


def called(function: Any, parameters: Sequence[Parameter], source: Source) -> Callable[[Sequence[Any]], Any]:
    """The function with the task's inputs for its parameters. Raises INPUT_SPEC, naming these, where the two do not go together."""
    own = {each.name: each for each in parameters if not each.type.startswith("*")}
    names = [spec.name for spec in source.inputs]
    open_ = {each.type for each in parameters} - {each.type for each in own.values()}
    unknown = [name for name in names if name not in own]
    lacking = [name for name, each in own.items() if not each.optional and name not in names]
    if not names or lacking or (unknown and not open_):
        file = source.file.path.name
        why = f"{', '.join(map(repr, unknown))} is none of forward's" if unknown else f"{', '.join(map(repr, lacking))} is missing"
        why = why if names else f"{file} says nothing of its inputs' types and shapes"
        raise ZeroMindError(ErrorKind.INPUT_SPEC, f"{why}: {_advice(parameters)}", *(unknown or lacking))
    no_text(source.inputs)
    scalar = [name in own and own[name].type in _SCALARS for name in names]
    first = list(own)[: len(names)]
    if (names == first and not any(own[name].keyword for name in first)) or (unknown and "*" in open_):
        run = functools.partial(_by_place, function)
    else:
        run = functools.partial(_by_name, function, names)
    if not any(scalar):
        return run
    return lambda tensors: run([tensor.item() if one else tensor for tensor, one in zip(tensors, scalar, strict=True)])


def _by_place(function: Callable[..., Any], tensors: Sequence[Any]) -> Any:
    return function(*tensors)


def _by_name(function: Callable[..., Any], names: Sequence[str], tensors: Sequence[Any]) -> Any:
    return function(**dict(zip(names, tensors, strict=True)))


def _advice(parameters: Sequence[Parameter]) -> str:
    needed = [each.name for each in parameters if not each.optional and not each.type.startswith("*")]
    further = [each.name for each in parameters if each.optional]
    shown = ", ".join(map(repr, needed)) or "what it takes"
    more = f" (and {', '.join(map(repr, further))}, if wanted)" if further else ""
    example = f'{{"name": "{(needed or further or ["x"])[0]}", "type": "float32", "shape": [null, 4]}}'
    return f"list forward's parameters {shown}{more} in the task's 'inputs', as in [{example}], null for a size that is open"


def no_text(inputs: Iterable[TensorSpec]) -> None:
    """Refuse inputs of text. Raises INPUT_SPEC."""
    for spec in inputs:
        if spec.datatype == "BYTES":
            text = f"input {spec.name!r} is a string, and PyTorch has no tensors of text: have a filter make numbers of it"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, text, spec.name)
