"""TensorFlow Lite models, run by LiteRT."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np

from zeromind import datatypes
from zeromind.adapters import device, fixed, interface, signature
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Shape, Tensor, TensorSpec

Details: TypeAlias = Mapping[str, Any]
"""What LiteRT tells of a tensor: its number, dtype, shape, scale, …"""

_MAGIC = b"TFL3"
"""The file identifier of https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs."""
_QUANTIZED = ("int8", "uint8", "int16")
_MOST_LABELS_BYTES = 1 << 20
_FLEX = "Select TensorFlow op"
_PLACE = re.compile(r"^\S+\.cc:\d+ ")
_NODE = re.compile(r"Node number \d+ \(\w+\) failed to \w+\.")


class TfliteAdapter(Adapter):
    """A TensorFlow Lite model, with the tensors of one of its signatures, or, if it has none, those of its graph by their own names.

    Quantized tensors (int8, uint8, int16 with one scale) are float32 for clients, converted with the file's scale and zero point; with
    the task key ``quantized`` they are the integers themselves. Text is BYTES. A graph that is made for a fixed number of rows
    takes any: it runs as often as it must, the last time filled up with zeros. It does so, and requests are joined, where no row's
    answer depends on its neighbours, as a few made-up rows show when the model is loaded; a task that gives the number of rows has
    requests run one by one. Every request finds a recurrent layer's state empty.
    """

    name = "tflite"
    formats = "TensorFlow Lite models"
    needs: ClassVar[Mapping[str, str]] = {"ai_edge_litert": "1.2"}
    options: ClassVar[Mapping[str, str]] = {
        "signature": signature.HELP,
        "quantized": "true: clients send and get the integers of quantized tensors; false, the default: the numbers they stand for.",
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is a flatbuffer with TensorFlow Lite's identifier."""
        return file.head[4:8] == _MAGIC and int.from_bytes(file.head[:4], "little") >= len(_MAGIC) * 2

    def __init__(self, source: Source) -> None:
        device.only_cpu(source.device, self.name)
        self.require("ai_edge_litert")
        raw = source.options.get("quantized", False)
        if not isinstance(raw, bool):
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"task key 'quantized' is true or false, not {raw!r}", "quantized")
        path = source.file.path
        try:
            self._interpreter = self.require("ai_edge_litert.interpreter").Interpreter(str(path), num_threads=source.threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            text = f"LiteRT cannot load {path.name}: {_reason(error).replace(str(path), path.name)}"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, path.name) from error
        signatures = self._interpreter.get_signature_list()
        name = signature.choose(source.options.get("signature"), list(signatures))
        self._graph = self._interpreter.get_signature_runner(name) if name else _Whole(self._interpreter)
        self._inputs: Mapping[str, Details] = self._graph.get_input_details()
        self._outputs: Mapping[str, Details] = self._graph.get_output_details()
        self._scaled = set() if raw else {each["index"] for each in (*self._inputs.values(), *self._outputs.values()) if _scale(each)}
        inputs, outputs = ([self._spec(name, details) for name, details in side.items()] for side in (self._inputs, self._outputs))
        self.spec, self._run = fixed.served(self._invoke, inputs, outputs, source)
        self.labels = interface.labelled(self.spec.outputs, _labels(path))

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch; INVALID_INPUT where LiteRT cannot compute with such values or sizes."""
        try:
            results = self._run([inputs[spec.name] for spec in self.spec.inputs])
        except RuntimeError as error:
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the model cannot compute with these inputs: {_reason(error)}") from error
        return {spec.name: result for spec, result in zip(self.spec.outputs, results, strict=True)}

    def _spec(self, name: str, details: Details) -> TensorSpec:
        shape: Shape = tuple(None if size < 0 else int(size) for size in details["shape_signature"])
        if details["index"] in self._scaled:
            return TensorSpec(name, "FP32", shape)
        try:
            return TensorSpec(name, datatypes.datatype_of(np.dtype(details["dtype"])), shape)
        except (KeyError, TypeError):
            text = f"tensor {name!r} is of type {details['dtype']}, which no wire can carry: convert the model to plain tensors"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name) from None

    def _invoke(self, arrays: Sequence[Tensor]) -> list[Tensor]:
        # The state of recurrent layers would reach from one request into the next.
        self._interpreter.reset_all_variables()
        fed = {name: self._fed(array, details) for (name, details), array in zip(self._inputs.items(), arrays, strict=True)}
        results = self._graph(**fed)
        return [self._given(results[name], details) for name, details in self._outputs.items()]

    def _fed(self, array: Tensor, details: Details) -> Tensor:
        if details["index"] not in self._scaled:
            return array
        (scale, zero), bounds = details["quantization"], np.iinfo(details["dtype"])
        numbers = np.rint(array / np.float32(scale)) + np.float32(zero)
        if np.isnan(numbers).any():
            raise ValueError("a quantized tensor cannot hold NaN")
        return np.clip(numbers, bounds.min, bounds.max).astype(details["dtype"])

    def _given(self, array: Tensor, details: Details) -> Tensor:
        if details["index"] not in self._scaled:
            return array
        scale, zero = details["quantization"]
        return (array.astype(np.float32) - np.float32(zero)) * np.float32(scale)


class _Whole:
    """A graph without signatures as if it were one's runner: tensors go by their own names, or numbers where these are no names."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._inputs = _named("input", interpreter.get_input_details())
        self._outputs = _named("output", interpreter.get_output_details())
        self._shapes: list[Shape] = []

    def get_input_details(self) -> Mapping[str, Details]:
        return self._inputs

    def get_output_details(self) -> Mapping[str, Details]:
        return self._outputs

    def __call__(self, **arrays: Tensor) -> dict[str, Tensor]:
        shapes = [array.shape for array in arrays.values()]
        if shapes != self._shapes:
            self._shapes = []
            for name, array in arrays.items():
                self._interpreter.resize_tensor_input(self._inputs[name]["index"], array.shape)
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        for name, array in arrays.items():
            self._interpreter.set_tensor(self._inputs[name]["index"], array)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(details["index"]) for name, details in self._outputs.items()}


def _labels(path: Path) -> list[str]:
    """The lines of the only text file that the metadata appends to the model (tensorflow.org/lite/models/convert/metadata)."""
    try:
        with zipfile.ZipFile(path) as appended:
            texts = [member for member in appended.infolist() if member.filename.endswith(".txt")]
            if len(texts) == 1 and texts[0].file_size <= _MOST_LABELS_BYTES:
                return appended.read(texts[0]).decode().splitlines()
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, zlib.error):
        pass  # without metadata, or with such as says nothing
    return []


def _named(side: str, tensors: Sequence[Details]) -> dict[str, Details]:
    names = [details["name"] for details in tensors]
    plain = all(names) and len(set(names)) == len(names)
    return {details["name"] if plain else f"{side}_{number}": details for number, details in enumerate(tensors)}


def _scale(details: Details) -> float:
    """How much one step of a quantized tensor is; 0 for any other tensor, or one with a scale for each channel."""
    scales = details["quantization_parameters"]["scales"]
    return float(scales[0]) if len(scales) == 1 and np.dtype(details["dtype"]).name in _QUANTIZED else 0.0


def _reason(error: Exception) -> str:
    """What LiteRT says last, without the place in its source and the number of the node."""
    if _FLEX in str(error):
        return "it has operators of TensorFlow's own: convert it with TFLITE_BUILTINS alone, or serve its SavedModel"
    said = [part for part in _NODE.split(str(error)) if part.strip()]
    return _PLACE.sub("", said[-1]).strip().rstrip(".") if said else str(error).strip()
