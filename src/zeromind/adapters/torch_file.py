"""A PyTorch model's file: which of the forms it has, told without running anything in it.

What ``torch.save``, ``torch.jit.save`` and ``torch.export.save`` write are zip archives whose members lie in one folder, named after the
file: https://github.com/pytorch/pytorch/blob/main/caffe2/serialize/inline_container.h. Before version 1.6 ``torch.save`` wrote pickles one
after the other, the first of them a magic number. A safetensors file is a length, a JSON header, and bytes:
https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import pickletools
import struct
import zipfile
import zlib
from typing import Literal

from zeromind.adapters.file import ModelFile

Format = Literal["TorchScript", "torch.export", "AOTInductor", "pickle", "state dict", "safetensors", ""]

_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_LEGACY_PICKLES = 4
"""Magic number, protocol, the machine's properties, and what was saved."""
_OLD_EXPORT = "serialized_exported_program.json"
_DATA_MODULES = {"torch", "torch._utils", "torch._tensor", "torch.nn.parameter", "torch.serialization", "torch.storage", "collections"}
_DATA_NAMES = {"set", "bytearray", "complex", "encode"}
_MOST_PICKLE = 1 << 20
_MOST_HEADER = 1 << 22
_OTHER_FRAMEWORKS = {"flax", "tf", "mlx", "jax", "paddle"}

REASONS = {
    "TorchScript": "TorchScript, which can read and write files",
    "torch.export": "a torch.export archive, which holds pickles and expressions to evaluate",
    "AOTInductor": "an AOTInductor package, which is native code",
    "pickle": "a pickle",
    "state dict": "the Python class that its weights need",
    "safetensors": "the Python class that its weights need",
}
"""Why each form needs the operator's word. torch/_export/serde/serialize.py and torch/export/pt2_archive/_package.py unpickle parts of an
exported program without restriction, and give its symbolic sizes to sympify, which is eval."""


def format_of(file: ModelFile) -> Format:
    """Which of the forms it has; empty if none. Never raises for what can be read."""
    if file.is_folder:
        return ""
    if file.head.startswith(b"PK"):
        return _zip_format(file)
    if file.head.startswith(_LEGACY_MAGIC):
        return "state dict" if _is_data(file.head, _LEGACY_PICKLES) else "pickle"
    return "safetensors" if _is_safetensors(file) else ""


def _zip_format(file: ModelFile) -> Format:
    names = file.zip_names
    if _OLD_EXPORT in names:
        return "torch.export"
    folder = next((name.partition("/")[0] for name in names if name.endswith(("/data.pkl", "/archive_format"))), "")
    within = {name.removeprefix(f"{folder}/") for name in names}
    if "archive_format" in within:
        compiled = any(name.startswith("data/aotinductor/") for name in within)
        return "AOTInductor" if compiled else "torch.export" if any(name.startswith("models/") for name in within) else ""
    if not within >= {"version", "data.pkl"}:
        return ""
    if "constants.pkl" in within and any(name.startswith("code/") for name in within):
        return "TorchScript"
    data = _member(file, f"{folder}/data.pkl")
    return "" if not data.startswith(b"\x80") else "state dict" if _is_data(data, 1) else "pickle"


def _member(file: ModelFile, name: str) -> bytes:
    """The first bytes of a member; none where it is damaged."""
    try:
        with zipfile.ZipFile(file.path) as opened, opened.open(name) as stream:
            return stream.read(_MOST_PICKLE)
    except (zipfile.BadZipFile, OSError, EOFError, KeyError, ValueError, RuntimeError, NotImplementedError, zlib.error):
        return b""


def _is_data(head: bytes, pickles: int) -> bool:
    """Whether these pickles, as far as the head tells, name nothing but tensors and plain containers."""
    start = 0
    try:
        for _ in range(pickles):
            for opcode, argument, position in pickletools.genops(head[start:]):
                if opcode.name in ("STACK_GLOBAL", "INST"):
                    return False  # torch.save writes neither
                if opcode.name == "GLOBAL":
                    module, _, name = str(argument).partition(" ")
                    if module not in _DATA_MODULES and name not in _DATA_NAMES:
                        return False
                end = start + (position or 0) + 1
            start = end
    except (ValueError, IndexError, OverflowError, AttributeError, struct.error, MemoryError):
        pass  # the head ends somewhere; what a file is made of comes first
    return True


def _is_safetensors(file: ModelFile) -> bool:
    """Whether its header is one of tensors, and says of no other framework that these are its own."""
    head = file.head
    if len(head) < 10 or head[8:9] != b"{":
        return False
    size = int.from_bytes(head[:8], "little")
    if not 2 <= size <= _MOST_HEADER:
        return False
    try:
        with file.path.open("rb") as stream:
            header = json.loads(stream.read(8 + size)[8:])
    except (ValueError, RecursionError, OSError):
        return False
    metadata = header.pop("__metadata__", {}) if isinstance(header, dict) else None
    if not header or not isinstance(metadata, dict) or metadata.get("format") in _OTHER_FRAMEWORKS:
        return False
    return all(isinstance(entry, dict) and entry.keys() >= {"dtype", "shape", "data_offsets"} for entry in header.values())
