"""Between numpy's arrays and PyTorch's tensors: views of the same memory where both know the type, and nothing that outlives a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from zeromind import datatypes
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.importing import silence
from zeromind.tensors import Tensor, TensorSpec

_OWN_NAMES = {"BF16": "bfloat16", "BOOL": "bool"}


class Values:
    """Tensors for a model on one device, and arrays of what it gives."""

    def __init__(self, torch: Any, device: Any) -> None:
        self._torch = torch
        self._device = device
        self._names = {
            getattr(torch, _OWN_NAMES.get(name, dtype.name)): name for name, dtype in datatypes.NUMPY_OF.items() if name != "BYTES"
        }
        read_only = np.zeros(1, np.float32)
        read_only.flags.writeable = False
        with silence():
            torch.from_numpy(read_only)  # that it could be written to is told once in a process: now, and not to whoever serves

    def fed(self, array: Tensor, spec: TensorSpec, kept: bool) -> Any:
        """A tensor that views the array, or has its elements on the device; of its own if what the array holds is to be ``kept``."""
        contiguous = np.ascontiguousarray(array) if array.ndim else array
        tensor = self._torch.from_numpy(contiguous)
        if spec.datatype == "BF16":
            return tensor.to(self._device, self._torch.bfloat16)
        if self._device.type != "cpu":
            return tensor.to(self._device, non_blocking=True)
        return tensor.clone() if kept and contiguous is array else tensor

    def given(self, results: Sequence[Any]) -> list[Tensor]:
        """Arrays of a model's results, tensors or numbers; they view the tensors' memory."""
        torch = self._torch
        tensors = [result if isinstance(result, torch.Tensor) else torch.as_tensor(result) for result in results]
        if self._device.type != "cpu":
            # Into page-locked memory, all of them at once.
            tensors = [tensor.to("cpu", non_blocking=True) for tensor in tensors]
            torch.cuda.current_stream(self._device).synchronize()
        return [self._array(tensor) for tensor in tensors]

    def _array(self, tensor: Any) -> Tensor:
        if tensor.requires_grad:
            tensor = tensor.detach()
        array: Tensor = (tensor.float() if tensor.dtype == self._torch.bfloat16 else tensor).numpy(force=True)
        return array

    def spec_of(self, name: str, value: Any, shape: Sequence[int | None]) -> TensorSpec:
        """How a result, or a tensor that only looks like one, is described. Raises LOAD_FAILED for what no wire can carry."""
        dtype = value.dtype if isinstance(value, self._torch.Tensor) else self._torch.as_tensor(value).dtype
        if dtype not in self._names or (isinstance(value, self._torch.Tensor) and value.layout != self._torch.strided):
            text = f"tensor {name!r} is {dtype}, {getattr(value, 'layout', '')}, which no wire can carry: have the model convert it"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)
        return TensorSpec(name, self._names[dtype], tuple(shape))


def agree(mine: TensorSpec, its: TensorSpec) -> bool:
    """Whether two specs may be of one tensor: the same type, and the same sizes where neither is open."""
    sizes = zip(mine.shape, its.shape, strict=False)
    return mine.datatype == its.datatype and len(mine.shape) == len(its.shape) and all(None in pair or len({*pair}) == 1 for pair in sizes)


def shown(spec: TensorSpec) -> str:
    """Type and shape for people: ``float32 [any, 3]``."""
    return f"{datatypes.type_name(spec.datatype)} {spec.shown_shape()}"


def named(result: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What a model returns, tensor by tensor: under the keys of dicts and the fields of named tuples, numbered in tuples and lists.

    Raises TypeError for anything else.
    """
    parts: Any = None
    if isinstance(result, Mapping):
        parts = result.items()
    elif hasattr(result, "_fields"):
        parts = zip(result._fields, result, strict=True)
    elif isinstance(result, (tuple, list)):
        parts = enumerate(result)
        name = name or "output"
    if parts is not None:
        for key, part in parts:
            yield from named(part, f"{name}_{key}" if name else str(key))
    elif hasattr(result, "dtype") or isinstance(result, (bool, int, float)):
        yield name or "output_0", result
    elif result is not None:
        raise TypeError(f"it returns {type(result).__name__}{f' in {name!r}' if name else ''}, which is no tensor")
