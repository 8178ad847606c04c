"""Networks of Caffe, Darknet, Torch 7 and TensorFlow, run by OpenCV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from zeromind.adapters import batch, device, interface, opencv_file, opencv_net, opencv_network
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.opencv_file import Parts
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor, TensorSpec

_CONFIG, _DEPLOYFILE = "config", "deployfile"
_UNNAMED = ""
_SIZES = (64, 16, 256, 5, 1)
"""Of dimensions that are open, to see of how many dimensions the outputs are."""


class OpencvAdapter(Adapter):
    """A network of Caffe, Darknet, Torch 7 or TensorFlow.

    That is Caffe's prototxt with its caffemodel, Darknet's cfg with its weights, Torch 7's file of ``nn`` modules, or TensorFlow's frozen
    graph, alone or with a pbtxt. Two files lie in a folder, or the task names the one as its model and the other in ``config``; what
    each is shows in its content.

    Tensors are FP32; pictures have their channels first, ``[rows, channels, height, width]``, for TensorFlow's graphs, too. Inputs have
    the names and sizes of the network's file, Darknet's is ``data``. Torch 7's file tells neither, so that the task's ``inputs`` have to,
    under any name. Outputs are those that lead nowhere further, under the names of their layers, or the layers that the task's
    ``outputs`` name. How many rows the file has its inputs take is no bound: any number is a batch if, as a few made-up rows show, no
    row's answer depends on its neighbours; a task that gives a size for it has them run one by one.

    The wheels of OpenCV compute on the processor; one built with CUDA also takes ``device`` ``cuda`` or ``cuda:N``. OpenCV's own readers
    trust their files: a maliciously damaged one may end the worker that loads it.
    """

    name = "opencv"
    formats = "Caffe prototxt + caffemodel, Darknet cfg + weights, Torch 7, TensorFlow frozen graphs, by OpenCV 4"
    needs: ClassVar[Mapping[str, str]] = {"cv2": "4.10"}
    options: ClassVar[Mapping[str, str]] = {
        _CONFIG: "The model's other file, beside it: its prototxt, cfg or pbtxt, or the weights if the model is one of those.",
        _DEPLOYFILE: "Old name of 'config'.",
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is one of these files, or a folder with one; Darknet's weights alone say too little of themselves."""
        return opencv_file.recognised(file)

    def __init__(self, source: Source) -> None:
        self._cv2 = self.require("cv2")
        self._cv2.utils.logging.setLogLevel(self._cv2.utils.logging.LOG_LEVEL_SILENT)  # what fails is raised, with the same words
        self._cv2.setNumThreads(source.threads)
        key = _CONFIG if _CONFIG in source.options else _DEPLOYFILE
        other = source.file.companion(source.options[key], key) if key in source.options else None
        parts = opencv_file.parts_of(source.file, other)
        found = opencv_network.inputs_of(parts)
        inputs = _inputs(found, source)
        self._names = {spec.name: spec.name if found else _UNNAMED for spec in inputs}
        self._net = opencv_net.read(self._cv2, parts)
        self._choose_device(source.device)
        layers = self._net.getLayerNames()
        self._wanted = [spec.name for spec in source.outputs] or list(self._net.getUnconnectedOutLayersNames())
        for name in self._wanted:
            if name not in layers:
                ends = ", ".join(repr(end) for end in self._net.getUnconnectedOutLayersNames())
                raise ZeroMindError(ErrorKind.OUTPUT_SPEC, f"the network has no layer {name!r}; it ends in {ends}", name)
        self.spec = self._described(inputs, source, parts)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch; INVALID_INPUT where the network cannot take sizes that its file leaves open."""
        if self.spec.batches and not len(next(iter(inputs.values()))):
            one = {name: np.zeros((1, *array.shape[1:]), array.dtype) for name, array in inputs.items()}
            return {name: array[:0] for name, array in self._answer(one).items()}
        try:
            return self._answer(inputs)
        except self._cv2.error as error:
            if not any(None in spec.shape[1:] for spec in self.spec.inputs):
                raise
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the network refuses its inputs: {opencv_net.reason_of(error)}") from error

    def _answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        for name, own in self._names.items():
            self._net.setInput(np.ascontiguousarray(inputs[name]), own)
        results = dict(zip(self._wanted, self._net.forward(self._wanted), strict=True))
        for spec in self.spec.outputs:
            if results[spec.name].ndim == len(spec.shape) - 1:
                # Some layers drop the dimension of a single row.
                results[spec.name] = results[spec.name][np.newaxis]
        return results

    def _described(self, inputs: tuple[TensorSpec, ...], source: Source, parts: Parts) -> ModelSpec:
        """The interface, after a few trials: whether the rows are a batch, and of what shape the outputs are."""
        given = {spec.name: spec.shape for spec in source.inputs}
        opened = tuple(spec.of_rows() if given.get(spec.name, (None,))[:1] == (None,) else spec for spec in inputs)
        self.spec = ModelSpec(opened, (), batches=False)
        results, _ = self._tried(opened, rows=2)
        if results and all(array.shape[:1] == (2,) for array in results.values()):
            outputs = self._outputs(opened, results, source)
            self.spec = ModelSpec(opened, outputs, batches=False)
            if batch.shared(opened, outputs, self._answer):
                return ModelSpec(opened, outputs, batches=True)
        self.spec = ModelSpec(inputs, (), batches=False)
        results, reason = self._tried(inputs, rows=1)
        if not results:
            text = f"the network of {parts.weights.name} does not run: {reason}; is a file damaged, or are 'inputs' wrong?"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, parts.weights.name)
        return ModelSpec(inputs, self._outputs(inputs, results, source), batches=False)

    def _tried(self, inputs: tuple[TensorSpec, ...], rows: int) -> tuple[dict[str, Tensor], str]:
        """What the network makes of some numbers, or why it makes nothing of them."""
        reason = ""
        for size in _SIZES if any(None in spec.shape[1:] for spec in inputs) else _SIZES[:1]:
            shapes = {
                spec.name: [rows if spec.shape[0] is None else spec.shape[0], *(size if n is None else n for n in spec.shape[1:])]
                for spec in inputs
            }
            try:
                return self._answer({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}), ""
            except (self._cv2.error, ValueError, MemoryError) as error:
                reason = reason or opencv_net.reason_of(error)
        return {}, reason

    def _outputs(self, inputs: tuple[TensorSpec, ...], results: Mapping[str, Tensor], source: Source) -> tuple[TensorSpec, ...]:
        known = not any(None in spec.shape[1:] for spec in inputs)
        first: tuple[int | None, ...]
        found = []
        for name, array in results.items():
            first = (None,) if inputs[0].shape[0] is None else array.shape[:1]
            shape = (*first, *array.shape[1:]) if known else (None,) * array.ndim
            found.append(TensorSpec(name, "FP32", shape))
        return interface.declared(found, source.outputs, ErrorKind.OUTPUT_SPEC)

    def _choose_device(self, text: str) -> None:
        asked, cv2 = device.parse(text), self._cv2
        built = asked.kind != "cpu" and cv2.dnn.DNN_TARGET_CUDA in cv2.dnn.getAvailableTargets(cv2.dnn.DNN_BACKEND_CUDA)
        count = cv2.cuda.getCudaEnabledDeviceCount() if built else 0
        if count > asked.number:
            cv2.cuda.setDevice(asked.number)
            self._net.setPreferableBackend(cv2.dnn.DNN_BACKEND_CUDA)
            self._net.setPreferableTarget(cv2.dnn.DNN_TARGET_CUDA)
        elif asked.kind == "cuda":
            raise device.absent(text, "this OpenCV", f"it sees {count} such devices; build OpenCV with CUDA and cuDNN")


def _inputs(found: opencv_network.Inputs, source: Source) -> tuple[TensorSpec, ...]:
    """The inputs with the file's names and the shapes of the file or the task. Raises INPUT_SPEC where one is missing."""
    if not found:
        if len(source.inputs) != 1:
            text = "this file does not tell its input: list exactly one in the task's 'inputs', under any name, null for the number of rows"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, text)
        found = {source.inputs[0].name: source.inputs[0].shape}
    known = {name: shape for name, shape in found.items() if shape is not None} | {spec.name: spec.shape for spec in source.inputs}
    for name in found:
        if not known.get(name):
            text = f"the network's file gives no shape for input {name!r}: list it in the task's 'inputs', null for a size that is open"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, text, name)
    return interface.declared([TensorSpec(name, "FP32", known[name]) for name in found], source.inputs, ErrorKind.INPUT_SPEC)
