"""A scikit-learn model's file: what it is, told without unpickling, and the estimator in it."""

from __future__ import annotations

import bz2
import logging
import lzma
import pickletools
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from zeromind.adapters import archive, spec_file
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import ARCHIVES
from zeromind.tensors import TensorSpec

Format = Literal["skops", "archive", "pickle", ""]

PICKLE_IN_ARCHIVE = "model.jbl"
_PACKAGES = {"sklearn", "imblearn", "xgboost", "lightgbm", "catboost"}
_EXTENSIONS = {".sklearn", ".joblib", ".jbl"}
_HEAD = 1 << 16
_MOST_COMPRESSED = 1 << 20  # a block of bzip2 gives nothing before its end, up to 900 kB on
_MOST_XZ_MEMORY = 1 << 28
_LINE = re.compile(rb"[\x20-\x7e]*\n")

_log = logging.getLogger(__name__)


def format_of(file: ModelFile) -> Format:
    """Which of the forms it has; nothing in it runs."""
    if "schema.json" in file.zip_names:
        return "skops" if _is_skops(file.path) else ""
    if file.is_folder or file.zip_names or file.is_hdf5:
        return ""
    head = _decompressed(file)
    packages = packages_in(head)
    if packages & _PACKAGES or (packages and file.suffix in _EXTENSIONS):
        return "pickle"
    return "archive" if PICKLE_IN_ARCHIVE in file.tar_names else ""


def packages_in(head: bytes) -> set[str]:
    """The top-level packages that a pickle which begins so would import, as far as its head tells; none for anything else."""
    found: set[str] = set()
    texts: list[str] = ["", ""]
    memo: dict[int, str] = {}
    if not head.startswith(b"\x80") and not _LINE.match(head, 1):
        return found
    try:
        for opcode, argument, _ in pickletools.genops(head):
            if opcode.name in ("GLOBAL", "INST"):
                found.add(str(argument).partition(" ")[0].partition(".")[0])
            elif opcode.name == "STACK_GLOBAL":
                found.add(texts[-2].partition(".")[0])
            elif opcode.name == "MEMOIZE":
                memo[len(memo)] = texts[-1]
            elif opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
                memo[int(str(argument))] = texts[-1]
            elif opcode.name in ("GET", "BINGET", "LONG_BINGET"):
                texts.append(memo.get(int(str(argument)), ""))
            elif "UNICODE" in opcode.name:
                texts.append(str(argument))
            elif opcode.name != "FRAME":
                texts.append("")
    except (ValueError, IndexError, OverflowError, AttributeError, struct.error, MemoryError):
        pass  # the head ends somewhere, and joblib puts raw arrays between the opcodes
    return found - {""}


def load(require: Callable[[str], Any], source: Source) -> tuple[Any, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The estimator, and the inputs and outputs that an archive describes beside it; ``require`` imports.

    Raises LOAD_FAILED, MISSING_PACKAGE, or CODE_NOT_ALLOWED for a pickle; what is no skops file is read as a pickle.
    """
    path = source.file.path
    form = format_of(source.file)
    if form == "skops":
        return _load_skops(require, source), (), ()
    if source.file.head.startswith(b"PK"):
        # Never a pickle: what looks like a damaged skops file must not be given to a loader that runs code.
        raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{path.name} is a zip archive, but no skops file: is it cut off or damaged?", path.name)
    if not source.allow_code:
        raise ZeroMindError(ErrorKind.CODE_NOT_ALLOWED, f"{path.name} is a pickle, which runs code: the operator must allow it", path.name)
    if "trusted" in source.options:
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"'trusted' is for skops files, {path.name} is a pickle: leave it out", "trusted")
    joblib = require("joblib")
    if form != "archive":
        return _guarded(path, joblib.load, path), (), ()
    with archive.unpacked(path) as folder:
        inputs = spec_file.read(folder / spec_file.INPUTS, ErrorKind.INPUT_SPEC)
        outputs = spec_file.read(folder / spec_file.OUTPUTS, ErrorKind.OUTPUT_SPEC)
        return _guarded(path, joblib.load, folder / PICKLE_IN_ARCHIVE), inputs, outputs


def _load_skops(require: Callable[[str], Any], source: Source) -> Any:
    path = source.file.path
    trusted = source.options.get("trusted", [])
    if not isinstance(trusted, list) or not all(isinstance(name, str) for name in trusted):
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"'trusted' is {trusted!r}: write a list of type names", "trusted")
    if trusted and not source.allow_code:
        raise ZeroMindError(ErrorKind.CODE_NOT_ALLOWED, "'trusted' lets a skops file run code: the operator must allow it", "trusted")
    size = _guarded(path, _unpacked_size, path)
    if size > min(ARCHIVES.size, max(1 << 26, ARCHIVES.ratio * path.stat().st_size)):
        raise ZeroMindError(
            ErrorKind.LOAD_FAILED, f"{path.name} unpacks to {size} bytes, which is out of proportion: save it anew", path.name
        )
    skops = require("skops.io")
    untrusted = [name for name in _guarded(path, skops.get_untrusted_types, file=path) if name not in trusted]
    if untrusted:
        raise ZeroMindError(
            ErrorKind.LOAD_FAILED,
            f"{path.name} holds types that skops does not trust: {', '.join(untrusted)}; "
            "if they are harmless, list them in the task's 'trusted', where the operator allows code",
            *untrusted,
        )
    return _guarded(path, skops.load, path, trusted=trusted)


def _unpacked_size(path: Path) -> int:
    with zipfile.ZipFile(path) as opened:
        return sum(member.file_size for member in opened.infolist())


def _guarded(path: Path, call: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    """The call's result; its warnings, of another version's file above all, go to the log."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = call(*arguments, **settings)
    except ModuleNotFoundError as error:
        text = f"{path.name} was saved with the package {error.name!r}, which is not installed: pip install it beside the server"
        raise ZeroMindError(ErrorKind.MISSING_PACKAGE, text, error.name) from error
    except Exception as error:
        text = f"{path.name} cannot be loaded: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, path.name) from error
    for text in sorted({str(warning.message) for warning in caught}):
        _log.warning("%s: %s", path.name, text)
    return result


def _is_skops(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as opened, opened.open("schema.json") as stream:
            head = stream.read(_HEAD)
    except (zipfile.BadZipFile, OSError, EOFError, KeyError, ValueError, RuntimeError, zlib.error, lzma.LZMAError):
        return False
    return all(key in head for key in (b'"__class__"', b'"__module__"', b'"__loader__"'))


def _decompressed(file: ModelFile) -> bytes:
    """The first bytes of what is in the file, through the compressions that joblib knows."""
    head = file.head
    decompress: Callable[[bytes, int], bytes]
    if head.startswith((b"\x1f\x8b", b"\x78")):
        decompress = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    elif head.startswith(b"BZh"):
        decompress = bz2.BZ2Decompressor().decompress
    elif head.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        decompress = lzma.LZMADecompressor(memlimit=_MOST_XZ_MEMORY).decompress
    else:
        return head
    try:
        with file.path.open("rb") as stream:
            return decompress(stream.read(_MOST_COMPRESSED), _HEAD)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, MemoryError, ValueError):
        return b""
