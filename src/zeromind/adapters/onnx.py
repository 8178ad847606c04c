"""ONNX models, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from zeromind import datatypes
from zeromind.adapters import batch, device, interface, onnx_file, onnx_values
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor, TensorSpec

# ONNX Runtime's names of its types: https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/framework/data_types.cc
_DATATYPES = {
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(bfloat16)": "BF16",
    "tensor(string)": "BYTES",
}
_ROWS_OF_MAPS = ("seq(map(int64,tensor(float)))", "seq(map(string,tensor(float)))")


class OnnxAdapter(Adapter):
    """An ONNX model with any number of inputs and outputs of any type that the protocol names.

    Strings are BYTES in UTF-8. A classifier's list of maps from class to probability, as scikit-learn's converter writes it,
    becomes FP32 ``[rows, classes]``, classes in ascending order. ``device`` is ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.
    The task's ``inputs`` and ``outputs`` may give shapes that the file leaves open. Requests are joined along a first dimension that all
    tensors share and in which, as a few made-up rows show when the model is loaded, no row's answer depends on its neighbours; a task
    that gives a size for it has them run one by one.
    """

    name = "onnx"
    formats = "ONNX models, with external data beneath the model's folder"
    needs: ClassVar[Mapping[str, str]] = {"onnxruntime": "1.17"}

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it holds an ONNX ModelProto."""
        return onnx_file.is_model(file.head)

    def __init__(self, source: Source) -> None:
        self._runtime = onnx_values.runtime(self.require)
        path = source.file.path
        onnx_file.check_external_data(path)
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = source.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what fails is raised, with the same words
        providers = _providers(source.device, self._runtime.get_available_providers())
        try:
            self._session = self._runtime.InferenceSession(str(path), options, providers)
        except Exception as error:
            text = f"ONNX Runtime cannot load {path.name}: {_reason(error).replace(str(path), path.name)}"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, path.name) from error
        if source.device.startswith("cuda") and "CUDAExecutionProvider" not in self._session.get_providers():
            raise device.absent(source.device, "ONNX Runtime", "check the driver and CUDA's libraries")
        self._inputs, self._outputs = self._session.get_inputs(), self._session.get_outputs()
        inputs = interface.declared([_spec(node) for node in self._inputs], source.inputs, ErrorKind.INPUT_SPEC)
        outputs = interface.declared([_spec(node) for node in self._outputs], source.outputs, ErrorKind.OUTPUT_SPEC)
        self._check_shapes(path, {spec.name for spec in source.inputs})
        onnx_values.check_bfloat16(self._inputs, self._outputs, self._runtime)
        self._bfloat16_comes = any(spec.datatype == "BF16" for spec in outputs)
        self.spec = ModelSpec(inputs, outputs, batches=False)
        names = [node.shape[0] if node.shape else None for node in self._inputs + self._outputs]
        self.spec = ModelSpec(inputs, outputs, batch.shared(inputs, outputs, self._answer, names))

    def _check_shapes(self, path: Path, known: set[str]) -> None:
        """Refuse an input of any number of dimensions, which to ONNX Runtime looks like a scalar, unless the task gives its shape."""
        scalars = {node.name for node in self._inputs if not node.shape and node.name not in known}
        for name in sorted(scalars & onnx_file.shapeless_inputs(path) if scalars else ()):
            text = f"the model file gives no shape for input {name!r}: list it in the task's 'inputs', null for a size that is open"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, text, name)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch; INVALID_INPUT where sizes that must agree differ, or a value is out of the model's range."""
        try:
            return self._answer(inputs)
        except Exception as error:
            refused = isinstance(error, self._runtime.capi.onnxruntime_pybind11_state.InvalidArgument)
            reason = self._disagreement(inputs) or (_reason(error) if refused else "")
            if not reason:
                raise
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the model refuses its inputs: {reason}") from error

    def _answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        feed = {spec.name: onnx_values.fed(inputs[spec.name], spec, self._runtime) for spec in self.spec.inputs}
        if self._bfloat16_comes:
            names = [spec.name for spec in self.spec.outputs]
            values = {name: onnx_values.wrapped(value, self._runtime) for name, value in feed.items()}
            results = [onnx_values.unwrapped(value) for value in self._session.run_with_ort_values(names, values)]
        else:
            results = self._session.run(None, feed)
        return {spec.name: onnx_values.given(result, spec) for spec, result in zip(self.spec.outputs, results, strict=True)}

    def _disagreement(self, inputs: Mapping[str, Tensor]) -> str:
        sizes: dict[str, int] = {}
        pairs = [(name, size) for node in self._inputs for name, size in zip(node.shape, inputs[node.name].shape, strict=False) if name]
        clash = next(((name, size) for name, size in pairs if sizes.setdefault(name, size) != size), None)
        return f"dimension {clash[0]!r} is both {sizes[clash[0]]} and {clash[1]}" if clash else ""


def _providers(text: str, available: list[str]) -> list[Any]:
    asked = device.parse(text)
    cuda = ("CUDAExecutionProvider", {"device_id": str(asked.number)})
    if asked.kind == "cuda" and cuda[0] not in available:
        raise device.absent(text, "this ONNX Runtime", f"it has only {', '.join(available)}: pip install onnxruntime-gpu")
    return [cuda, "CPUExecutionProvider"] if asked.kind != "cpu" and cuda[0] in available else ["CPUExecutionProvider"]


def _spec(node: Any) -> TensorSpec:
    if node.type in _ROWS_OF_MAPS:
        return TensorSpec(node.name, "FP32", (None, None))
    datatype = _DATATYPES.get(node.type, node.type.removeprefix("tensor(").removesuffix(")").upper())
    if datatype not in datatypes.NUMPY_OF:
        text = f"tensor {node.name!r} is of type {node.type}, which no wire can carry: convert the model to plain tensors"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, node.name)
    return TensorSpec(node.name, datatype, tuple(size if isinstance(size, int) else None for size in node.shape))


def _reason(error: Exception) -> str:
    """What ONNX Runtime says, without its prefix ``[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : `` and its later lines."""
    return str(error).split(" : ", 3)[-1].strip().partition("\n")[0]
