"""A Python skill's file: whether it is one, which object in it is the skill, what that object declares."""

from __future__ import annotations

import ast
import inspect
import typing
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

_PARAMETERS = "parameters"
_MOST_SOURCE = 1 << 20
_SCALARS = (bool, int, float, str, bytes, np.generic)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def defines_predict(file: ModelFile) -> bool:
    """Whether the file is Python source with a function or method ``predict``, or a class ``Skill``; nothing in it runs."""
    try:
        source = b"" if file.is_folder or file.path.stat().st_size > _MOST_SOURCE else file.path.read_bytes()
        if b"\0" in source or (b"predict" not in source and b"Skill" not in source):
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the style of somebody's source
            body = ast.parse(source).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    methods = [item for node in body if isinstance(node, ast.ClassDef) for item in node.body]
    named = any(isinstance(node, ast.ClassDef) and node.name == "Skill" for node in body)
    return named or any(isinstance(node, functions) and node.name == "predict" for node in (*body, *methods))


def find(module: ModuleType, file: str) -> Any:
    """The skill's class, or the module itself, whose ``predict`` is the skill. Raises LOAD_FAILED."""
    if inspect.isclass(getattr(module, "Skill", None)):
        found = [module.Skill]
    elif inspect.isfunction(getattr(module, "predict", None)):
        return module
    else:
        found = [cls for cls in vars(module).values() if inspect.isclass(cls) and cls.__module__ == module.__name__]
        found = [cls for cls in found if callable(getattr(cls, "predict", None))]
    if len(found) != 1 or not callable(getattr(found[0], "predict", None)):
        names = ", ".join(cls.__name__ for cls in found)
        text = (
            f"which of {names} is the skill? Name it Skill"
            if len(found) > 1
            else "it has no skill: write a function predict, or a class with it"
        )
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{file}: {text}", file)
    return found[0]


def settings(made: Any, source: Source, folder: Path) -> dict[str, Any]:
    """The arguments for the skill's constructor. Raises TASK_ATTRIBUTE for a task key that it does not take, or that it lacks."""
    ours = {"folder": folder, "device": source.device, "threads": source.threads}
    parameters = inspect.signature(made).parameters
    open_ = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters.values())
    theirs = [name for name, parameter in parameters.items() if name not in ours and parameter.kind in _NAMED]
    for key in source.options:
        if key in ours or (key not in theirs and not open_):
            raise unknown_key(source.file.path.name, key, ", ".join(theirs) or "none")
    for name in theirs:
        if parameters[name].default is inspect.Parameter.empty and name not in source.options:
            text = f"the skill in {source.file.path.name} needs the task key {name!r}: {made.__name__}{inspect.signature(made)}"
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, name)
    return {**source.options, **{name: value for name, value in ours.items() if name in parameters}}


def unknown_key(file: str, key: str, known: str) -> ZeroMindError:
    """TASK_ATTRIBUTE for a key that the skill does not take; ``known`` lists those that it does."""
    text = f"unknown task key {key!r}: neither every task's nor the skill's in {file} (its own keys: {known})"
    return ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, key)


def _declared(skill: Any, side: str, kind: ErrorKind) -> tuple[TensorSpec, ...]:
    value = getattr(skill, side, None)
    if value is None:
        return ()
    if not isinstance(value, Mapping) or not value or not all(isinstance(entry, Sequence) and len(entry) == 2 for entry in value.values()):
        raise ZeroMindError(kind, f'the skill\'s {side} is {value!r}: write {side} = {{"x": ("float32", [None, 4])}}', side)
    return _specs(value, kind)


def raw_names(skill: Any, signature: inspect.Signature) -> frozenset[str]:
    """The inputs of text that the skill wants as bytes, as they come, since it says ``bytes`` and not ``str``."""
    types = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    types.update({name: entry[0] for name, entry in (getattr(skill, "inputs", None) or {}).items()})
    return frozenset(name for name, type_ in types.items() if type_ is bytes or str(type_).lower() == "bytes")


def takes_parameters(skill: Any, signature: inspect.Signature) -> bool:
    """Whether ``predict`` wants the parameters of requests: it has a parameter of that name, which is not declared as an input."""
    return _PARAMETERS in signature.parameters and _PARAMETERS not in (getattr(skill, "inputs", None) or {})


def inputs_of(skill: Any, signature: inspect.Signature, file: str) -> tuple[TensorSpec, ...]:
    """The inputs that the skill declares, else those that its ``predict`` annotates. Raises INPUT_SPEC."""
    if specs := _declared(skill, "inputs", ErrorKind.INPUT_SPEC):
        return specs
    named = [one for one in signature.parameters.values() if one.kind in _NAMED and one.name != _PARAMETERS]
    wrong = next((parameter.name for parameter in named if not _is_scalar(parameter.annotation)), "" if named else "x")
    if wrong:
        text = f'nothing says what {wrong!r} holds: declare inputs = {{"{wrong}": ("float32", [None, 4])}} with all parameters of predict'
        text += f", or annotate those that hold one value per row, as in {wrong}: float"
        raise ZeroMindError(ErrorKind.INPUT_SPEC, f"{file}: {text}", wrong)
    return _specs({parameter.name: (parameter.annotation, [None]) for parameter in named}, ErrorKind.INPUT_SPEC)


def outputs_of(skill: Any, signature: inspect.Signature, file: str) -> tuple[TensorSpec, ...]:
    """The outputs that the skill declares, else the one that its ``predict`` annotates. Raises OUTPUT_SPEC."""
    if specs := _declared(skill, "outputs", ErrorKind.OUTPUT_SPEC):
        return specs
    annotation = signature.return_annotation
    if inspect.isgeneratorfunction(skill.predict):  # Iterator[str], Generator[str, None, None]
        annotation = next(iter(typing.get_args(annotation)), annotation)
    if not _is_scalar(annotation):
        text = 'nothing says what predict returns: declare outputs = {"output": ("float32", [None])}'
        text += ", or annotate it where it gives one value per row, as in -> float"
        raise ZeroMindError(ErrorKind.OUTPUT_SPEC, f"{file}: {text}")
    return _specs({"output": (annotation, [None])}, ErrorKind.OUTPUT_SPEC)


def _is_scalar(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, _SCALARS) and annotation is not np.generic


def _specs(declared: Mapping[Any, Sequence[Any]], kind: ErrorKind) -> tuple[TensorSpec, ...]:
    from zeromind.config.task import parse_specs

    try:
        types = {name: type_ if isinstance(type_, str) else np.dtype(type_).name for name, (type_, _) in declared.items()}
    except TypeError as error:
        raise ZeroMindError(kind, f"a declared type cannot be read: {error}; write it as text, such as 'float32' or 'string'") from None
    entries = [{"name": name, "type": types[name], "shape": _as_list(shape)} for name, (_, shape) in declared.items()]
    return parse_specs(entries, kind)


def _as_list(shape: Any) -> Any:
    return list(shape) if isinstance(shape, tuple) else shape
