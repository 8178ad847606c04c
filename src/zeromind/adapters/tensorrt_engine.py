"""An engine of TensorRT's on a GPU, as a function of arrays."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from zeromind import datatypes
from zeromind.adapters import ladder
from zeromind.adapters.tensorrt_gpu import Gpu
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec

# The names of tensorrt.DataType; those of 8 bits and fewer that are no plain numbers have no twin.
_DATATYPES = {"FLOAT": "FP32", "HALF": "FP16", "BF16": "BF16", "BOOL": "BOOL"}
_DATATYPES |= {name: name for name in ("INT8", "INT32", "INT64", "UINT8")}
_MOST_ROWS = 1 << 16
_MOST_MESSAGES = 5


class Engine:
    """Called with an array for each input, gives new arrays, one for each output.

    An engine has optimization profiles: ranges of shapes, for each of which it was tuned. Each gets a context of its own here, and a
    call goes to the narrowest that its shapes fit. ``inputs`` and ``outputs`` describe the tensors as the engine does.
    """

    def __init__(self, tensorrt: Any, engine: Any, gpu: Gpu, log: Any) -> None:
        self._tensorrt, self._engine, self._gpu, self._log = tensorrt, engine, gpu, log
        names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        taken = [name for name in names if engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT]
        self.inputs = tuple(self._spec(name) for name in taken)
        self.outputs = tuple(self._spec(name) for name in names if name not in taken)
        profiles = [_Profile(engine, number, taken, gpu) for number in range(engine.num_optimization_profiles)]
        self._profiles = sorted(profiles, key=lambda profile: profile.most)
        self._allocators: dict[str, Any] = {}

    def __call__(self, arrays: Sequence[Tensor]) -> list[Tensor]:
        """What the engine gives for these. Raises ValueError for shapes that it was not built for, or that do not go together."""
        self._gpu.use()
        context = self._context([array.shape for array in arrays])
        own = [_own(array, spec) for array, spec in zip(arrays, self.inputs, strict=True)]
        for spec, array in zip(self.inputs, own, strict=True):
            context.set_input_shape(spec.name, array.shape)
            context.set_tensor_address(spec.name, self._gpu.sent(spec.name, array))
        self._infer_shapes(context)
        shapes = [self._place(context, spec) for spec in self.outputs]
        if not context.execute_async_v3(self._gpu.stream):
            raise RuntimeError(f"the engine did not run: {self._log.text()}")
        results = [self._fetched(spec, shape) for spec, shape in zip(self.outputs, shapes, strict=True)]
        self._gpu.wait()
        pairs = zip(results, self.outputs, strict=True)
        return [datatypes.from_bfloat16(result) if spec.datatype == "BF16" else result for result, spec in pairs]

    def plans(self) -> ladder.Plans:
        """How to run any number of rows: as many where a profile has them, else filled up or cut; empty where none has rows."""
        ranges = [profile.rows for profile in self._profiles if profile.rows is not None]
        if not ranges:
            return ()
        most = min(max(high for _, high in ranges), max(_MOST_ROWS, *(low for low, _ in ranges)))
        return [(min(max(rows, low) for low, high in ranges if high >= rows),) for rows in range(most + 1)]

    def close(self) -> None:
        """Give the GPU's memory back."""
        self._profiles, self._engine = [], None
        self._gpu.close()

    def _spec(self, name: str) -> TensorSpec:
        engine, tensorrt = self._engine, self._tensorrt
        kind = engine.get_tensor_dtype(name).name
        fault = ""
        if kind not in _DATATYPES:
            fault = f"is of type {kind}, which no wire can carry: build the engine with plain types"
        elif engine.get_tensor_location(name) != tensorrt.TensorLocation.DEVICE:
            fault = "holds sizes, which TensorRT reads on the processor: build an engine whose shapes depend on no input's values"
        elif engine.get_tensor_format(name) != tensorrt.TensorFormat.LINEAR:
            fault = "is laid out for the GPU: build the engine with linear formats of its inputs and outputs"
        if fault:
            raise ZeroMindError(ErrorKind.LOAD_FAILED, f"tensor {name!r} {fault}", name)
        return TensorSpec(name, _DATATYPES[kind], tuple(None if size < 0 else size for size in engine.get_tensor_shape(name)))

    def _context(self, shapes: Sequence[tuple[int, ...]]) -> Any:
        for profile in self._profiles:
            if profile.fits(shapes):
                return profile.context
        given = ", ".join(str(list(shape)) for shape in shapes)
        known = " or ".join(profile.shown() for profile in self._profiles)
        raise ValueError(f"inputs of shapes {given} are not what the engine was built for: {known}")

    def _infer_shapes(self, context: Any) -> None:
        self._log.clear()
        try:
            missing = context.infer_shapes()
        except RuntimeError as error:
            raise ValueError(self._log.text() or str(error)) from None
        if missing:
            raise ValueError(self._log.text() or f"the engine does not learn the shapes of {', '.join(missing)}")

    def _place(self, context: Any, spec: TensorSpec) -> tuple[int, ...] | None:
        """The shape that an output is going to have, memory given for it; None where only the data tell."""
        shape = tuple(context.get_tensor_shape(spec.name))
        if min(shape, default=0) < 0:
            if spec.name not in self._allocators:
                self._allocators[spec.name] = _allocator(self._tensorrt, self._gpu)
            context.set_output_allocator(spec.name, self._allocators[spec.name])
            return None
        context.set_tensor_address(spec.name, self._gpu.room(spec.name, math.prod(shape) * _own_dtype(spec).itemsize))
        return shape

    def _fetched(self, spec: TensorSpec, shape: tuple[int, ...] | None) -> Tensor:
        if shape is None:
            self._gpu.wait()
            shape = self._allocators[spec.name].shape
        return self._gpu.fetched(spec.name, shape, _own_dtype(spec))


class _Profile:
    """A range of shapes for each input, and the context that runs them."""

    def __init__(self, engine: Any, number: int, inputs: Sequence[str], gpu: Gpu) -> None:
        ranges = [engine.get_tensor_profile_shape(name, number) for name in inputs]
        self._ranges = [(tuple(least), tuple(most)) for least, _, most in ranges]
        self.most = sum(math.prod(most) for _, most in self._ranges)
        self.context = engine.create_execution_context()
        if self.context is None or not self.context.set_optimization_profile_async(number, gpu.stream):
            raise ZeroMindError(ErrorKind.LOAD_FAILED, "TensorRT cannot run the engine: is the GPU's memory full?")
        gpu.wait()

    @property
    def rows(self) -> tuple[int, int] | None:
        """The least and the greatest number of rows that all inputs have in it."""
        if not self._ranges or any(not least for least, _ in self._ranges):
            return None
        low, high = max(1, *(least[0] for least, _ in self._ranges)), min(most[0] for _, most in self._ranges)
        return (low, high) if low <= high else None

    def fits(self, shapes: Sequence[tuple[int, ...]]) -> bool:
        """Whether inputs of these shapes are in the range."""
        return all(
            len(shape) == len(least) and all(low <= size <= high for low, size, high in zip(least, shape, most, strict=True))
            for shape, (least, most) in zip(shapes, self._ranges, strict=True)
        )

    def shown(self) -> str:
        """The range for people."""
        return ", ".join(f"{list(least)} to {list(most)}" for least, most in self._ranges)


def logger(tensorrt: Any) -> Any:
    """Where TensorRT tells its errors: a call that fails gives no more than None or False."""

    class Log(tensorrt.ILogger):  # type: ignore[misc]  # it is imported when a model is loaded
        def __init__(self) -> None:
            super().__init__()
            self._told: collections.deque[str] = collections.deque(maxlen=_MOST_MESSAGES)

        def log(self, severity: Any, message: str) -> None:
            if severity in (tensorrt.ILogger.ERROR, tensorrt.ILogger.INTERNAL_ERROR):
                self._told.append(message)

        def text(self) -> str:
            return "; ".join(self._told)

        def clear(self) -> None:
            self._told.clear()

    return Log()


def _allocator(tensorrt: Any, gpu: Gpu) -> Any:
    class Allocator(tensorrt.IOutputAllocator):  # type: ignore[misc]  # likewise
        """Gives memory while the engine runs, and is told the shape when that is known."""

        shape: tuple[int, ...] = ()

        def reallocate_output(self, name: str, _memory: int, size: int, _alignment: int) -> int:
            return gpu.room(name, size)

        def reallocate_output_async(self, name: str, memory: int, size: int, alignment: int, _stream: int) -> int:
            return self.reallocate_output(name, memory, size, alignment)

        def notify_shape(self, _name: str, shape: Any) -> None:
            self.shape = tuple(shape)

    return Allocator()


def _own(array: Tensor, spec: TensorSpec) -> Tensor:
    return np.asarray(datatypes.to_bfloat16(array) if spec.datatype == "BF16" else array, order="C")


def _own_dtype(spec: TensorSpec) -> np.dtype[Any]:
    return np.dtype(np.uint16) if spec.datatype == "BF16" else spec.dtype
