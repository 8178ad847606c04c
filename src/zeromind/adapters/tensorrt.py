"""TensorRT's engines, and ONNX models that it builds engines from, on NVIDIA GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from zeromind.adapters import batch, device, interface, ladder, tensorrt_build, tensorrt_file
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.tensorrt_engine import Engine, logger
from zeromind.adapters.tensorrt_gpu import Gpu
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor


class TensorrtAdapter(Adapter):
    """A serialized engine (PLAN), or with ``"model_type": "tensorrt"`` an ONNX model, of which an engine is built at load.

    Names, types and shapes are the engine's own. An engine is known by the tag that it begins with; it runs in the version of TensorRT,
    and on the kind of GPU, that built it. One that brings code for the processor (built version-compatible, or with plugins) loads only
    with ``allow_code``; that any engine is code for the GPU is in the nature of the thing.

    Requests are joined along a first dimension that is open, or of the same size, in all tensors, if, as a few made-up rows show when the
    model is loaded, no row's answer depends on its neighbours. Batches are as large as the engine's optimization profiles allow, smaller
    ones than these have are filled up, larger ones cut. An engine from ONNX is tuned for one row and for the largest batch; other open
    sizes need ``profile``, or sizes in the task's ``inputs``. ``device`` is ``cuda``, ``cuda:N``, or ``auto``, the first GPU.
    """

    name: ClassVar[str] = "tensorrt"
    formats: ClassVar[str] = "TensorRT engines; with model_type, also ONNX models, built at load"
    needs: ClassVar[Mapping[str, str]] = {"tensorrt": "10.0", "cuda": "12.6"}
    code: ClassVar[str] = "engines that bring code for the processor: version-compatible ones, or with plugins"
    options: ClassVar[Mapping[str, str]] = {
        "framework": "PLAN for an engine, onnx for an ONNX model; else the content tells; tf, uff, c1 and caffe are read no more.",
        "deployfile": "Of old Caffe tasks; understood to say that these have to be converted to ONNX.",
        "precision": "How an ONNX model's float32 products are computed: f32 (the default), or tf32, which is faster and less exact.",
        "profile": 'For an ONNX model\'s inputs with open sizes the least, usual and greatest shape: {"x": [[1, 8], [4, 64], [32, 512]]}.',
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is a serialized engine."""
        return tensorrt_file.is_plan(file.head)

    def __init__(self, source: Source) -> None:
        form = tensorrt_file.format_of(source)
        tensorrt_build.check(source.options)
        asked = device.parse(source.device)
        if asked.kind == "cpu":
            text = "the tensorrt adapter computes on NVIDIA GPUs only: choose device 'cuda:0' or 'auto', or serve ONNX by the onnx adapter"
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, "device")
        tensorrt = self.require("tensorrt")
        gpu = Gpu(self.require("cuda.bindings.runtime"), asked.number)
        log = logger(tensorrt)
        self._engine = Engine(tensorrt, tensorrt_build.engine(tensorrt, log, source, form), gpu, log)
        self._plans: ladder.Plans = ()
        inputs = interface.declared(self._engine.inputs, source.inputs, ErrorKind.INPUT_SPEC)
        outputs = interface.declared(self._engine.outputs, source.outputs, ErrorKind.OUTPUT_SPEC)
        self.spec = ModelSpec(inputs, outputs, batches=False)
        closed = {spec.name for spec in source.inputs if spec.shape[:1] != (None,)}
        if closed.isdisjoint(spec.name for spec in inputs):
            self._join()

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch; ValueError for shapes that the engine was not built for."""
        arrays = [inputs[spec.name] for spec in self.spec.inputs]
        results = ladder.run(self._engine, self._plans, arrays) if self._plans else self._engine(arrays)
        return {spec.name: result for spec, result in zip(self.spec.outputs, results, strict=True)}

    def close(self) -> None:
        """Give the GPU's memory back."""
        self._engine.close()

    def _join(self) -> None:
        """Find out whether rows are a batch: those of a fixed size are tried as such, too, filled up and cut."""
        own = self.spec
        firsts = {spec.shape[:1] for spec in (*self._engine.inputs, *self._engine.outputs)}
        plans = self._engine.plans()
        if len(firsts) != 1 or not plans:
            return
        inputs, outputs = (tuple(spec.of_rows() for spec in specs) for specs in (own.inputs, own.outputs))
        self.spec, self._plans = ModelSpec(inputs, outputs, batches=False), plans
        if batch.shared(inputs, outputs, self.predict):
            self.spec = ModelSpec(inputs, outputs, batches=True)
        else:
            self.spec, self._plans = own, ()
