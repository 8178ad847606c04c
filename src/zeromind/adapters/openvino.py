"""OpenVINO's models, and those of other frameworks that it reads, on the processor."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from zeromind.adapters import batch, device, interface, ladder, openvino_file, openvino_model
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.openvino_request import Request, reason
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor

_PRECISIONS = ("f32", "bf16", "f16")
_WARMING_S = 0.5


class OpenvinoAdapter(Adapter):
    """An OpenVINO IR: a folder with the XML file and its weights, or the XML file with the weights beside it, named alike.

    With ``"model_type": "openvino"`` it also serves what else OpenVINO reads: ONNX, TensorFlow (a frozen graph, a SavedModel's folder),
    TensorFlow Lite, PaddlePaddle (its parameters as ``weights``).

    Tensors have the names that the file gives them; of several the first in alphabetical order, the others are understood too. Strings are
    BYTES, which lose zero bytes at their end. OpenVINO computes with 64-bit numbers in 32 bits. A model that keeps a state between
    calls forgets it: each request is the first. Computing happens on the processor only; OpenVINO's GPUs are Intel's, which ``device``
    cannot name.

    Requests are joined along the first dimension if that is open, or of the same size in all tensors, and, as a few made-up rows show
    when the model is loaded, no row's answer depends on its neighbours. A model of fixed size is opened for any number of rows where its
    operations allow that, else batches are padded and cut to that size. The task's ``inputs`` may give sizes that the file leaves open;
    with a first size among them requests run one by one.
    """

    name: ClassVar[str] = "openvino"
    formats: ClassVar[str] = "OpenVINO IR (xml and bin); with model_type, also ONNX, TensorFlow, TensorFlow Lite and PaddlePaddle"
    needs: ClassVar[Mapping[str, str]] = {"openvino": "2025.0"}
    options: ClassVar[Mapping[str, str]] = {
        "weights": "The file of the IR's weights, beside the model, where it is not named like the XML file.",
        "precision": "f32 (the default) computes exactly; bf16 or f16 let the processor compute in that type where it is faster so.",
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is an IR, or a folder with one and its weights."""
        with contextlib.suppress(OSError):
            parts = openvino_file.parts(file)
            return parts is not None and not (file.is_folder and parts.weights is None)
        return False

    def __init__(self, source: Source) -> None:
        device.only_cpu(source.device, self.name)
        self._config = _config(source)
        self._openvino = self.require("openvino")
        self._core = self._openvino.Core()
        model = openvino_model.read(self._openvino, self._core, source)
        inputs = openvino_model.specs(model.inputs, source.inputs, ErrorKind.INPUT_SPEC)
        model = openvino_model.reshaped(self._openvino, model, inputs)
        outputs = openvino_model.specs(model.outputs, source.outputs, ErrorKind.OUTPUT_SPEC)
        self.labels = interface.labelled(outputs, openvino_model.labels(model))
        model = openvino_model.widened(self._openvino, model, inputs, outputs)
        self._plans: ladder.Plans = ()
        self._function = self._compiled(model)
        self.spec = ModelSpec(inputs, outputs, batches=False)
        given = {spec.name for spec in source.inputs if spec.shape[:1] != (None,)}
        if given.isdisjoint(spec.name for spec in inputs):
            self._join(model)
        if self.spec.batches and not any(None in spec.shape[1:] for spec in inputs):
            self._function.settle()
            if not self._plans:
                self._warm(source.max_batch_size)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch; ValueError where sizes that must agree differ."""
        arrays = [inputs[spec.name] for spec in self.spec.inputs]
        results = ladder.run(self._function, self._plans, arrays) if self._plans else self._function(arrays)
        return {spec.name: result for spec, result in zip(self.spec.outputs, results, strict=True)}

    def _compiled(self, model: Any) -> Request:
        try:
            return Request(self._openvino, self._core, model, self._config)
        except RuntimeError as error:
            raise ZeroMindError(ErrorKind.LOAD_FAILED, f"OpenVINO cannot compile the model: {reason(error)}") from error

    def _join(self, model: Any) -> None:
        """Find out whether rows are a batch, and where the file fixes their number, how to run any other."""
        own, function = self.spec, self._function
        inputs, outputs = (tuple(spec.of_rows() for spec in specs) for specs in (own.inputs, own.outputs))
        self.spec = ModelSpec(inputs, outputs, batches=False)
        for way, plans in self._ways(model):
            self._function, self._plans = way, plans
            if batch.shared(inputs, outputs, self.predict):
                self.spec = ModelSpec(inputs, outputs, batches=True)
                return
        self.spec, self._function, self._plans = own, function, ()

    def _ways(self, model: Any) -> Iterator[tuple[Request, ladder.Plans]]:
        """How any number of rows can be run, the best way first; none where tensors differ in their first dimension."""
        first = openvino_model.first(model)
        if first is None:
            return
        if first.is_dynamic and first.get_max_length() < 0:
            yield self._function, ()
            return
        function = self._function
        wide = openvino_model.of_any_rows(self._openvino, model)
        if wide is not None:
            yield self._compiled(wide), ()
        if first.is_static and first.get_length():
            yield function, ladder.padded((first.get_length(),))

    def _warm(self, most: int) -> None:
        """OpenVINO prepares itself for each number of rows when it first comes, for milliseconds: it does for a while now."""
        until = time.perf_counter() + _WARMING_S
        for rows in range(1, most + 1):
            if time.perf_counter() > until:
                break
            self.predict({spec.name: np.zeros((rows, *spec.shape[1:]), spec.dtype) for spec in self.spec.inputs})


def _config(source: Source) -> dict[str, Any]:
    """How to compile: for one request at a time, as fast as it goes without another result."""
    precision = source.options.get("precision", _PRECISIONS[0])
    if precision not in _PRECISIONS:
        text = f"task key 'precision' is one of {', '.join(_PRECISIONS)}, not {precision!r}"
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, "precision")
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "EXECUTION_MODE_HINT": "ACCURACY" if precision == _PRECISIONS[0] else "PERFORMANCE",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": source.threads,
        "ENABLE_CPU_PINNING": False,  # instances would share the same cores
    }
