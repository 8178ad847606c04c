"""Requests for inference as they are read: by protobuf, or by a frame that is known."""

from __future__ import annotations

from typing import Protocol

from zeromind.codecs import oip_grpc as codec
from zeromind.codecs.oip_fault import check_version
from zeromind.codecs.oip_frame import Frame, Frames
from zeromind.codecs.oip_tensors import Memory
from zeromind.grpc.messages import Messages
from zeromind.grpc.method import Head
from zeromind.tensors import InferRequest, InferResponse, Interface


class Asked(Protocol):
    """A message, and what it means for its answer."""

    id: str
    decoupled: bool
    """Whether there may be any number of answers."""
    empty_final: bool
    """Whether a last one is wanted that says no more than that."""

    @property
    def model(self) -> str:
        """Which model."""

    @property
    def nbytes(self) -> int:
        """The length of the message."""

    def decode(self, interface: Interface) -> InferRequest:
        """The request. Raises what is wrong with it."""

    def encode(self, response: InferResponse) -> list[bytes]:
        """The answer's message."""


class Remembered:
    """One that is known by its frame."""

    __slots__ = ("_anew", "_data", "_frame", "_reader", "decoupled", "model")

    id = ""
    empty_final = False

    def __init__(self, frame: Frame, data: bytes, reader: Reader) -> None:
        self.model = frame.model
        self.decoupled = False
        self._frame = frame
        self._data = data
        self._reader = reader
        self._anew: Parsed | None = None

    @property
    def nbytes(self) -> int:
        """As Asked has it."""
        return len(self._data)

    def decode(self, interface: Interface) -> InferRequest:
        """As Asked has it."""
        if interface is self._frame.interface:
            self.decoupled = interface.decoupled
            return self._frame.decode(self._data)
        self._anew = Parsed(self._data, False, self._reader)  # the model was loaded anew
        request = self._anew.decode(interface)
        self.decoupled = self._anew.decoupled
        return request

    def encode(self, response: InferResponse) -> list[bytes]:
        """As Asked has it."""
        return self._frame.encode(response) if self._anew is None else self._anew.encode(response)


class Parsed:
    """One that protobuf has read. Raises Fault, or MODEL_NOT_FOUND for another version than the one."""

    def __init__(self, data: bytes, bare: bool, reader: Reader) -> None:
        codec.check_infer(data)
        self._message = reader.messages.parse("inference.ModelInferRequest", data)
        self._data = data
        self._bare = bare
        self._reader = reader
        self.model: str = self._message.model_name
        self.id: str = self._message.id
        self.decoupled = False
        self.empty_final = codec.wants_empty_final(self._message)

    @property
    def nbytes(self) -> int:
        """As Asked has it."""
        return len(self._data)

    def decode(self, interface: Interface) -> InferRequest:
        """As Asked has it."""
        check_version(self.model, self._message.model_version)
        self.decoupled = interface.decoupled
        request, self._asked = codec.decode(self._message, interface, self._reader.memory, self._bare)
        if not self._bare:
            self._reader.frames.learn(self._data, self._message, request, interface, self._asked.wanted)
        return request

    def encode(self, response: InferResponse) -> list[bytes]:
        """As Asked has it."""
        return self._asked.encode(response, self._reader.memory)


class Reader:
    """Reads messages; those that come again it knows by what stands before their data."""

    def __init__(self, messages: Messages, memory: Memory) -> None:
        self.messages = messages
        self.memory = memory
        self.frames = Frames()

    def read(self, data: bytes, head: Head) -> Asked:
        """What is asked in a message. Raises Fault or ZeroMindError."""
        frame = None if head.bare else self.frames.find(data)
        return Parsed(data, head.bare, self) if frame is None else Remembered(frame, data, self)
