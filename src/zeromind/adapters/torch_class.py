"""Weights and the Python class that computes with them."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping
from typing import Any

from zeromind import importing
from zeromind.adapters import torch_program
from zeromind.adapters.base import Source
from zeromind.adapters.torch_program import Program
from zeromind.errors import ErrorKind, ZeroMindError


def weighted(torch: Any, source: Source, safetensors: Any) -> Program:
    """The task's class with a file's weights in it; ``safetensors`` is the package's module for PyTorch, None for what torch.save wrote."""
    place = torch_program.placed(torch, source.device)
    module = _made(torch, source)
    if safetensors is not None:
        if "weights" in source.options:
            raise _wrong("weights", "'weights' is for what torch.save wrote, a safetensors file has no parts: leave it out")
        _filled(source, safetensors.load_model, module, str(source.file.path), strict=True)
        return torch_program.eager(source, module, place)
    # Whatever is wrong with the file, it is never read in a way that could run code.
    weights = torch_program.loaded(source, torch.load, source.file.path, map_location="cpu", weights_only=True)
    _filled(source, module.load_state_dict, _part(weights, source), strict=True)
    return torch_program.eager(source, module, place)


def pickled(torch: Any, source: Source) -> Program:
    """The module that a pickle holds."""
    place = torch_program.placed(torch, source.device)
    name = source.file.path.name
    advice = "save its state_dict() and name the class in the task's 'class'"
    try:
        with importing.silence():
            module = torch.load(source.file.path, map_location="cpu", weights_only=False)
    except (AttributeError, ModuleNotFoundError) as error:
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{name} needs Python code that is not here ({error}): {advice}", name) from error
    except Exception as error:
        return torch_program.loaded(source, _raised, error)  # type: ignore[no-any-return]  # it never returns
    if not isinstance(module, torch.nn.Module):
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{name} holds {type(module).__name__}, which is no model: {advice}", name)
    return torch_program.eager(source, module, place)


def _raised(error: Exception) -> None:
    raise error


def _made(torch: Any, source: Source) -> Any:
    """An object of the task's class. Raises TASK_ATTRIBUTE, LOAD_FAILED, MODEL_FILE or MISSING_PACKAGE."""
    text = source.options.get("class")
    if text is None:
        reason = (
            f'{source.file.path.name} holds weights only: name the class that computes with them in the task, as in "class": "net.py:Net"'
        )
        raise _wrong("class", f'{reason} for a file beside it, or "package.module:Net"; "arguments" are those of its constructor')
    place, _, name = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    if not place or not name:
        raise _wrong("class", f'\'class\' is "file.py:Name" or "package.module:Name", not {text!r}')
    arguments = source.options.get("arguments", {})
    if not isinstance(arguments, dict):
        raise _wrong("arguments", f"'arguments' is an object with the constructor's arguments by name, not {arguments!r}")
    try:
        beside = importing.load_file(source.file.companion(place, "class")) if place.endswith(".py") else None
        cls = getattr(beside, name) if beside else importing.load(text)
    except ModuleNotFoundError as error:
        reason = f"class {text!r} needs the package {error.name!r}, which is not installed: pip install it beside the server"
        raise ZeroMindError(ErrorKind.MISSING_PACKAGE, reason, error.name) from error
    except (AttributeError, ImportError) as error:
        raise _wrong("class", f"class {text!r} cannot be found: {error}") from error
    except ZeroMindError:
        raise
    except (Exception, SystemExit) as error:
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{place} fails: {type(error).__name__}: {error}", place) from error
    # A client may name a file of the operator's and with it any function that Python can import: nothing is called that is no model,
    # or that the file has only imported.
    own = beside is not None and getattr(cls, "__module__", None) == beside.__name__
    if not own and not (inspect.isclass(cls) and issubclass(cls, torch.nn.Module)):
        raise _wrong("class", f"{text} is no subclass of torch.nn.Module: name one, or put a function that makes it into a file beside it")
    try:
        with contextlib.suppress(ValueError):  # some classes of C have no signature
            inspect.signature(cls).bind(**arguments)
    except TypeError as error:
        raise _wrong("arguments", f"{text} cannot be made with the task's 'arguments' {arguments!r}: {error}") from error
    try:
        with importing.silence():
            module = cls(**arguments)
    except Exception as error:
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{text} cannot be made: {type(error).__name__}: {error}", text) from error
    if not isinstance(module, torch.nn.Module):
        raise _wrong("class", f"{text} makes {type(module).__name__}, which is no torch.nn.Module")
    return module


def _part(weights: Any, source: Source) -> Any:
    """The state dict among what was saved. Raises TASK_ATTRIBUTE or LOAD_FAILED."""
    key = source.options.get("weights")
    found = weights.get(key) if isinstance(weights, Mapping) and isinstance(key, str) else weights
    if isinstance(found, Mapping) and not any(isinstance(value, Mapping) for value in found.values()):
        return found
    parts = [str(name) for name, value in weights.items() if isinstance(value, Mapping)] if isinstance(weights, Mapping) else []
    if not parts:
        name = source.file.path.name
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{name} holds {type(weights).__name__}, no state_dict(): save that", name)
    raise _wrong(
        "weights", f"{source.file.path.name} holds several things: name the weights among {', '.join(map(repr, parts))} in 'weights'"
    )


def _filled(source: Source, fill: Any, *arguments: Any, **settings: Any) -> None:
    """Put the weights into the module. Raises LOAD_FAILED where they do not belong together."""
    name = source.file.path.name
    try:
        fill(*arguments, **settings)
    except Exception as error:
        what = "; ".join(line.strip() for line in str(error).splitlines()[:4])
        text = f"{name} does not fill {source.options['class']}: {what}; check 'class' and 'arguments', or is the file damaged?"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name) from error


def _wrong(key: str, text: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, key)
