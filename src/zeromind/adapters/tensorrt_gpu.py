"""One GPU as CUDA's runtime gives it: memory by name, copies, and a stream in which everything happens in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor


class Gpu:
    """The GPU of that number. Raises LOAD_FAILED where CUDA has none such; what fails later is a RuntimeError."""

    def __init__(self, runtime: Any, number: int) -> None:
        self._cuda, self._number = runtime, number
        self._rooms: dict[str, tuple[int, int]] = {}
        try:
            count = self._done(runtime.cudaGetDeviceCount())
        except RuntimeError as error:
            text = (
                f"TensorRT needs an NVIDIA GPU, and CUDA finds none ({error}): check the driver, or serve an ONNX model by the onnx adapter"
            )
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text) from error
        if number >= count:
            raise ZeroMindError(ErrorKind.LOAD_FAILED, f"there is no GPU 'cuda:{number}': this machine has {count}, counted from 0", number)
        self.use()
        self._stream = self._done(runtime.cudaStreamCreate())

    @property
    def stream(self) -> int:
        """The stream's handle."""
        return int(self._stream)

    def use(self) -> None:
        """Make it the calling thread's GPU."""
        self._done(self._cuda.cudaSetDevice(self._number))

    def room(self, name: str, size: int) -> int:
        """The address of that many bytes on it; those of a name are the same until it needs more."""
        address, known = self._rooms.get(name, (0, 0))
        if known < max(size, 1):
            if known:
                del self._rooms[name]
                self._done(self._cuda.cudaFree(address))
            known = max(size, 1)
            address = self._done(self._cuda.cudaMalloc(known))
            self._rooms[name] = address, known
        return address

    def sent(self, name: str, array: Tensor) -> int:
        """The address of a copy of the array, which is there when what follows in the stream runs."""
        address = self.room(name, array.nbytes)
        if array.nbytes:
            towards = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
            self._done(self._cuda.cudaMemcpyAsync(address, array.ctypes.data, array.nbytes, towards, self._stream))
        return address

    def fetched(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
        """A new array for what lies in the room of that name, filled when ``wait`` returns."""
        array = np.empty(shape, dtype)
        if array.nbytes:
            address, _ = self._rooms[name]
            back = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
            self._done(self._cuda.cudaMemcpyAsync(array.ctypes.data, address, array.nbytes, back, self._stream))
        return array

    def wait(self) -> None:
        """Until all that is in the stream is done."""
        self._done(self._cuda.cudaStreamSynchronize(self._stream))

    def close(self) -> None:
        """Give the memory back."""
        self.use()
        self.wait()
        for address, _ in self._rooms.values():
            self._done(self._cuda.cudaFree(address))
        self._rooms.clear()
        self._done(self._cuda.cudaStreamDestroy(self._stream))

    def _done(self, answer: tuple[Any, ...]) -> Any:
        """The value of a call. Raises RuntimeError in CUDA's words where it failed."""
        error, *values = answer
        if int(error):
            _, words = self._cuda.cudaGetErrorString(error)
            raise RuntimeError(words.decode() if isinstance(words, bytes) else str(words))
        return values[0] if values else None
