"""Skills written in Python: a file with a function, or a class, that predicts.

The shortest is a function whose annotations say what one row holds::

    def predict(length: float, width: float) -> float:
        return length * width

It is called with one numpy array per input, by name, all rows of a batch at once: here two float64 arrays of shape ``[rows]``.
``str`` gives an array of str, ``bytes`` one of bytes. The single output is called ``output``.

``inputs`` and ``outputs``, in the module or the class, declare any other types, shapes and names; None is any size, and the first
dimension is the batch. A class keeps what it has loaded::

    class Skill:
        inputs = {"image": ("uint8", [None, 28, 28]), "title": ("string", [None])}
        outputs = {"score": ("float32", [None]), "label": ("string", [None])}

        def __init__(self, folder, threshold=0.5):    # the file's folder; "threshold" is a key of the task
            self.weights = numpy.load(folder / "weights.npy")

        def predict(self, image, title):
            return {"score": ..., "label": ...}       # arrays or lists; a single output needs no dict

        def close(self):                              # optional
            ...

A task's own ``inputs`` and ``outputs`` come before the skill's. The class is the one named ``Skill``, else, where the file has no
function ``predict``, the only one with that method. Constructor parameters named ``folder`` (Path), ``device`` (str) and ``threads``
(int) are filled by the server, all others by the task's further keys. ``batches = False`` keeps requests from being joined.
A ``predict`` that is a generator may give any number of responses to a request, each as it would return one; requests are then not
joined. A parameter of ``predict`` named ``parameters`` receives what the request has of these beside its data, as a dict.
ValueError from ``predict`` tells the client that its data are at fault. Arrays may be read-only: copy before changing one.
"""

from __future__ import annotations

import contextlib
import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zeromind import datatypes, importing
from zeromind.adapters import python_file
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Parameter, Tensor, TensorSpec

_IN_FOLDER = "skill.py"
_NO_MORE = object()


class PythonAdapter(Adapter):
    """A skill in a Python file, or in ``skill.py`` of a folder; the module's own docstring is its contract."""

    name = "python"
    formats = "Python files with a class Skill or a function predict, folders with a skill.py"
    code = "all"
    open_options = True

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is named ``.py``, or is Python source that defines ``predict``; nothing in it runs."""
        if file.is_folder:
            return (file.path / _IN_FOLDER).is_file()
        return file.suffix == ".py" or python_file.defines_predict(file)

    @classmethod
    def carries_code(cls, file: ModelFile) -> str:
        """It is nothing but code."""
        del file
        return "Python source"

    def __init__(self, source: Source) -> None:
        if not source.allow_code:
            name = source.file.path.name
            raise ZeroMindError(ErrorKind.CODE_NOT_ALLOWED, f"{name} is Python source, which is code: the operator must allow it", name)
        path = source.file.path / _IN_FOLDER if source.file.is_folder else source.file.path
        self._file = path.name
        made = python_file.find(self._run(importing.load_file, path), self._file)
        if inspect.isclass(made):
            self._skill = self._run(made, **python_file.settings(made, source, path.parent))
        else:
            if source.options:
                raise python_file.unknown_key(self._file, next(iter(source.options)), "none, as it is a function")
            self._skill = made
        predict = self._skill.predict
        try:
            signature = inspect.signature(predict, eval_str=True)
        except (ValueError, TypeError, NameError) as error:
            raise self._failure(f"the annotations of predict cannot be read: {error}") from None
        self.decoupled = inspect.isgeneratorfunction(predict)
        self.parameters = python_file.takes_parameters(self._skill, signature)
        inputs = source.inputs or python_file.inputs_of(self._skill, signature, self._file)
        outputs = source.outputs or python_file.outputs_of(self._skill, signature, self._file)
        self._check(predict, signature, inputs)
        self._raw = python_file.raw_names(self._skill, signature)
        open_ = all(spec.shape[:1] == (None,) for spec in (*inputs, *outputs))
        self.spec = ModelSpec(inputs, outputs, open_ and getattr(self._skill, "batches", True) is True)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The skill's answer as arrays of the declared types; PREDICTION_FAILED or OUTPUT_NAME where it keeps not to its declaration."""
        return self.predict_with(inputs, {})

    def predict_with(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter]) -> Mapping[str, Tensor]:
        """The same, for a skill that looks at the parameters of requests."""
        rows = next(iter(inputs.values())).shape[0] if self.spec.batches else None
        return self._outputs(self._ask(self._skill.predict, **self._arguments(inputs, parameters)), rows)

    def stream(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter]) -> Iterator[Mapping[str, Tensor]]:
        """The responses of a skill whose ``predict`` is a generator; faults as of ``predict``."""
        responses = self._skill.predict(**self._arguments(inputs, parameters))
        with contextlib.closing(responses):
            while (response := self._ask(next, responses, _NO_MORE)) is not _NO_MORE:
                yield self._outputs(response, None)

    def _arguments(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter]) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            name: datatypes.as_text(array) if self._is_text(name, array) else array for name, array in inputs.items()
        }
        return {**arguments, "parameters": dict(parameters)} if self.parameters else arguments

    def _ask(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return call(*arguments, **named)
        except TypeError as error:
            # In somebody's code it is a slip, hardly ever the client's data.
            raise RuntimeError(f"{self._file}: {_shown(error, self._file)}") from error

    def _outputs(self, result: Any, rows: int | None) -> dict[str, Tensor]:
        """What the skill gave, as arrays of the declared types."""
        outputs = self.spec.outputs
        if len(outputs) == 1 and not isinstance(result, Mapping):
            result = {outputs[0].name: result}
        elif isinstance(result, tuple) and len(result) == len(outputs):
            result = {spec.name: value for spec, value in zip(outputs, result, strict=True)}
        if not isinstance(result, Mapping):
            raise self._broken(f"predict returned {type(result).__name__}: return a dict with {_listed(outputs)}")
        return {spec.name: self._output(spec, result, rows) for spec in outputs}

    def close(self) -> None:
        """Call the skill's own ``close``, if it has one."""
        close = getattr(self._skill, "close", None)
        if callable(close):
            close()

    def _is_text(self, name: str, array: Tensor) -> bool:
        return array.dtype.hasobject and name not in self._raw

    def _output(self, spec: TensorSpec, result: Mapping[str, Any], rows: int | None) -> Tensor:
        if spec.name not in result:
            text = f"{self._file}: predict returned no {spec.name!r}, only {', '.join(map(repr, result)) or 'an empty dict'}"
            raise ZeroMindError(ErrorKind.OUTPUT_NAME, text, spec.name)
        value = result[spec.name]
        try:
            array = np.asarray(value, object) if spec.datatype == "BYTES" else np.asarray(value)
        except (ValueError, TypeError) as error:
            raise self._broken(f"output {spec.name!r} is no array: {error}") from error
        if self.decoupled and array.ndim == 0 and spec.shape == (None,):
            array = array.reshape(1)  # one value yielded
        if not spec.fits(array.shape) or value is None:
            given = "nothing" if value is None else f"shape {list(array.shape)}"
            raise self._broken(f"output {spec.name!r} is {given}, declared is {spec.shown_shape()}: return that shape or correct 'outputs'")
        if rows is not None and array.shape[0] != rows:
            raise self._broken(f"output {spec.name!r} has {array.shape[0]} rows for {rows}: return one per row, or set batches = False")
        if spec.datatype == "BYTES":
            return datatypes.as_bytes(array)
        if not np.can_cast(array.dtype, spec.dtype, "same_kind"):
            type_ = datatypes.type_name(spec.datatype)
            raise self._broken(f"output {spec.name!r} is {array.dtype.name}, declared is {type_}: convert it or correct 'outputs'")
        return array.astype(spec.dtype, copy=False)

    def _check(self, predict: Callable[..., Any], signature: inspect.Signature, inputs: Sequence[TensorSpec]) -> None:
        if inspect.iscoroutinefunction(predict) or inspect.isasyncgenfunction(predict):
            raise self._failure("predict is async: make it a plain def that returns its result, or yields each of several")
        try:
            signature.bind(**{spec.name: None for spec in inputs}, **({"parameters": {}} if self.parameters else {}))
        except TypeError as error:
            raise self._failure(f"predict{signature} cannot take the inputs {_listed(inputs)}: {error}") from None

    def _run(self, call: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
        try:
            return call(*arguments, **settings)
        except ZeroMindError:
            raise
        except ModuleNotFoundError as error:
            text = f"{self._file} needs the package {error.name!r}, which is not installed: pip install it beside the server"
            raise ZeroMindError(ErrorKind.MISSING_PACKAGE, text, error.name) from error
        except (Exception, SystemExit) as error:
            raise self._failure(_shown(error, self._file)) from error

    def _failure(self, text: str) -> ZeroMindError:
        return ZeroMindError(ErrorKind.LOAD_FAILED, f"{self._file}: {text}", self._file)

    def _broken(self, text: str) -> ZeroMindError:
        return ZeroMindError(ErrorKind.PREDICTION_FAILED, f"{self._file}: {text}", self._file)


def _listed(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(repr(spec.name) for spec in specs)


def _shown(error: BaseException, file: str) -> str:
    """The error in one line, with the line of the skill's file that it came from."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == file]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"
