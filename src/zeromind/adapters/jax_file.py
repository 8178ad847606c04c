"""The files that ``jax.export`` writes: StableHLO in a FlatBuffer, recognised by its layout, and the function in one.

The layout is that of jax/_src/export/serialization.fbs. It has no identifier, but its root table holds a module in MLIR's bytecode
(mlir.llvm.org/docs/BytecodeFormat), which begins with a magic number and the name of its producer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError

_VERSION, _NAME, _IN_TREE, _OUT_TREE, _MODULE = 0, 1, 2, 4, 13
"""The places of fields in the root table."""
_LEAST_FIELDS, _MOST_FIELDS = 16, 64
_MOST_VERSION = 255
_MAGIC, _PRODUCER = b"ML\xefR", b"StableHLO_v"
_DIALECTS = {"builtin", "func", "stablehlo", "chlo", "sdy"}
"""What an export is made of; in others a native function may be called under another name."""
_COMPILERS = {"mosaic_gpu_v2", "tpu_custom_call"}
"""JAX vouches for their form only: they compile what the file has for them."""
_CALLBACK = "python"
"""What the targets that call back into Python have in their names."""


def recognises(file: ModelFile) -> bool:
    """Whether it is an exported function of JAX."""
    if file.is_folder or len(file.head) < 64:
        return False
    try:
        fields = _root(file.head)
        version, module = fields[_VERSION], fields[_MODULE]
        if not all(fields[place] for place in (_VERSION, _NAME, _IN_TREE, _OUT_TREE, _MODULE)):
            return False
        if not 0 < int(struct.unpack_from("<H", file.head, version)[0]) <= _MOST_VERSION:
            return False
        module += int(struct.unpack_from("<I", file.head, module)[0])
        with file.path.open("rb") as stream:
            return _begins(stream, module)
    except (struct.error, IndexError, OSError):
        return False


def _root(head: bytes) -> list[int]:
    """Where the fields of a FlatBuffer's root table lie, 0 for those that are not there. Raises struct.error, IndexError."""
    (table,) = struct.unpack_from("<I", head)
    vtable = table - int(struct.unpack_from("<i", head, table)[0])
    if vtable < 4 or table % 4 or vtable % 2:
        raise IndexError("the table lies beside its place")
    size, length = struct.unpack_from("<HH", head, vtable)
    count = (size - 4) // 2
    if size % 2 or not _LEAST_FIELDS <= count <= _MOST_FIELDS:
        raise IndexError("the table has too few fields or too many")
    offsets = struct.unpack_from(f"<{count}H", head, vtable + 4)
    if any(offset and not 4 <= offset < length for offset in offsets):
        raise IndexError("a field lies beside its table")
    return [table + offset if offset else 0 for offset in offsets]


def _begins(stream: BinaryIO, place: int) -> bool:
    """Whether a vector of bytes begins with the magic number, a version of one byte, and the producer."""
    stream.seek(place + 4)
    return stream.read(len(_MAGIC)) == _MAGIC and stream.read(1 + len(_PRODUCER))[1:] == _PRODUCER


def load(require: Callable[[str], Any], file: ModelFile, allow_code: bool) -> Any:
    """The ``jax.export.Exported`` in the file; ``require`` imports. Raises LOAD_FAILED, CODE_NOT_ALLOWED."""
    name = file.path.name
    if not recognises(file):
        text = f"{name} is no exported function of JAX: write what jax.export.export(...)(...).serialize() gives to a file"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)
    try:
        exported = require("jax.export").deserialize(bytearray(file.path.read_bytes()))
        targets = _targets(require, exported.mlir_module_serialized)
    except Exception as error:
        why = str(error).strip().partition("\n")[0][:300] or type(error).__name__
        text = f"this JAX ({require('jax').__version__}) cannot read {name}: {why}; export it anew, trees of it as dicts and lists"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name) from error
    if exported.nr_devices != 1:
        # Files of newer versions look to older ones as if they were for none.
        text = f"{name} was exported for {exported.nr_devices} devices, or by a newer JAX than this one: export it for one, or upgrade JAX"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)
    callback = next((target for target in targets if _CALLBACK in target), "")
    if callback:
        text = f"{name} calls Python functions of the process that exported it ({callback}): export it without callbacks"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, callback)
    vouched: set[str] = getattr(require("jax._src.export._export"), "_CUSTOM_CALL_TARGETS_GUARANTEED_STABLE", set())
    strange = sorted(targets - (vouched - _COMPILERS))
    if strange and not allow_code:
        text = (
            f"{name} calls native functions that JAX does not vouch for ({', '.join(strange)}); the operator can allow it with 'allow_code'"
        )
        raise ZeroMindError(ErrorKind.CODE_NOT_ALLOWED, text, *strange)
    return exported


def _targets(require: Callable[[str], Any], module: bytes) -> set[str]:
    """The native functions that a module calls by name. They get settings, addresses even, as the file has them."""
    ir, found = require("jax.extend.mlir.ir"), set()

    def look(operation: Any) -> Any:
        if operation.name.partition(".")[0] not in _DIALECTS:
            found.add(operation.name)
        elif operation.name == "stablehlo.custom_call":
            found.add(str(ir.StringAttr(operation.attributes["call_target_name"]).value))
        return ir.WalkResult.ADVANCE

    dialect = require("jax.extend.mlir.dialects.stablehlo")
    with require("jax.interpreters.mlir").make_ir_context() as context:
        dialect.deserialize_portable_artifact(context, module).operation.walk(look)
    return found
