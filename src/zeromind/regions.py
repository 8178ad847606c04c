"""Shared memory that clients on this machine have made and registered, so that tensors need not travel.

A client may shrink its memory at any time, and touching a mapped page beyond the end would kill the server. So nothing is mapped:
tensors are copied by reading and writing through the descriptor, which fails in an orderly way. The memory stays the client's; it is
never unlinked here.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path
from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import MEMORY

FOLDER = Path("/dev/shm")  # noqa: S108 - it is where POSIX shared memory lies, and no file of ours
RESERVED = "triton_python_backend_shm_region_"
"""Keys that begin so belong to Triton's own processes."""
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclasses.dataclass(frozen=True, slots=True)
class _Region:
    key: str
    offset: int
    byte_size: int
    descriptor: int


class Regions:
    """The registered regions of one pool, by name. One read gives ``most_bytes`` at most; ``allowed`` is the operator's word."""

    def __init__(self, allowed: bool, most_bytes: int) -> None:
        self._allowed = allowed
        self._most_bytes = most_bytes
        self._regions: dict[str, _Region] = {}

    def register(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Take ``byte_size`` bytes from ``offset`` on of the memory that ``key`` names, with or without its slash.

        Raises NOT_SUPPORTED if the pool does not allow it, REGION_EXISTS, or REQUEST_ATTRIBUTE for a key or a size that cannot be.
        """
        if not self._allowed:
            text = "Client shared memory is disabled: the pool's option 'allow_shared_memory' opens it"
            raise ZeroMindError(ErrorKind.NOT_SUPPORTED, text)
        if not 0 < len(name) <= MEMORY.name:
            raise _wrong(f"a region's name must have 1 to {MEMORY.name} characters", name[: MEMORY.name])
        if name in self._regions:
            raise ZeroMindError(ErrorKind.REGION_EXISTS, f"shared memory region '{name}' already in manager", name)
        if len(self._regions) >= _most_regions():
            raise _wrong(f"{len(self._regions)} regions are registered, and no more are taken: unregister some", name)
        if offset < 0 or byte_size < 1:
            raise _wrong(f"region '{name}' needs an offset of at least 0 and a byte_size of at least 1, not {offset} and {byte_size}", name)
        descriptor = _opened(name, key)
        problem = _problem(descriptor, offset + byte_size)
        if problem:
            os.close(descriptor)
            raise _wrong(f"Unable to register shared memory region '{name}': '{key}' {problem}", name, key)
        self._regions[name] = _Region(key, offset, byte_size, descriptor)

    def unregister(self, name: str = "") -> None:
        """Forget a region, or all of them; one that is not known is forgotten already."""
        for gone in [name] if name else list(self._regions):
            region = self._regions.pop(gone, None)
            if region is not None:
                os.close(region.descriptor)

    def status(self, name: str = "") -> list[dict[str, Any]]:
        """``{"name", "key", "offset", "byte_size"}`` of a region, or of all of them. Raises REGION_NOT_FOUND."""
        if name and name not in self._regions:
            raise ZeroMindError(ErrorKind.REGION_NOT_FOUND, f"Unable to find system shared memory region: '{name}'", name)
        found = {name: self._regions[name]} if name else self._regions
        return [{"name": name, "key": region.key, "offset": region.offset, "byte_size": region.byte_size} for name, region in found.items()]

    def read(self, name: str, offset: int, byte_size: int) -> bytes:
        """A copy of ``byte_size`` bytes of a region from ``offset`` on. Raises INVALID_INPUT if it has no such bytes."""
        if byte_size > self._most_bytes:
            text = f"{byte_size} bytes of shared memory region '{name}' are more than the {self._most_bytes} that one tensor may have"
            raise ZeroMindError(ErrorKind.INVALID_INPUT, text, name)
        region = self._within(name, offset, byte_size)
        parts = []
        at, end = region.offset + offset, region.offset + offset + byte_size
        while at < end:  # one call need not give them all
            part = os.pread(region.descriptor, end - at, at)
            if not part:
                raise _shrunk(name)
            parts.append(part)
            at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, name: str, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Put bytes into a region, from ``offset`` on. Raises INVALID_INPUT if they do not fit there."""
        view = memoryview(data).cast("B")
        region = self._within(name, offset, len(view))
        at = region.offset + offset
        if os.fstat(region.descriptor).st_size < at + len(view):  # to write there would make it grow
            raise _shrunk(name)
        while view:
            try:
                count = os.pwrite(region.descriptor, view, at)
            except OSError as error:
                text = f"shared memory region '{name}' cannot be written: {error.strerror}"
                raise ZeroMindError(ErrorKind.INVALID_INPUT, text, name) from None
            view, at = view[count:], at + count

    def _within(self, name: str, offset: int, byte_size: int) -> _Region:
        region = self._regions.get(name)
        if region is None:
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"Unable to find shared memory region: '{name}'", name)
        if offset < 0 or byte_size < 0 or offset + byte_size > region.byte_size:
            text = f"Invalid offset + byte size for shared memory region: '{name}': {offset} + {byte_size} of {region.byte_size} bytes"
            raise ZeroMindError(ErrorKind.INVALID_INPUT, text, name)
        return region


def _opened(name: str, key: str) -> int:
    """The descriptor of the memory that a key names; the key is one plain name in one folder, and no link."""
    file = key.removeprefix("/")
    if file.startswith(RESERVED):
        text = f"cannot register shared memory region '{name}' with key '{key}' as the key contains the reserved prefix '{RESERVED}'"
        raise _wrong(text, name, key)
    if file in ("", ".", "..") or "/" in file or "\0" in file:
        raise _wrong(f"the key {key!r} of shared memory region '{name}' must be a plain name, such as '/mine'", name, key)
    try:
        return os.open(FOLDER / file, _OPEN)
    except (OSError, ValueError) as error:  # ValueError: no UTF-8
        reason = getattr(error, "strerror", None) or "it is no name of a file"
        raise _wrong(f"Unable to open shared memory region: '{key}': {reason}", name, key) from None


def _problem(descriptor: int, end: int) -> str:
    """Why the first ``end`` bytes of what was opened cannot be had, as the end of a sentence; empty if they can."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        return "is no shared memory"
    return f"has {found.st_size} bytes, fewer than offset + byte_size = {end}" if found.st_size < end else ""


def _most_regions() -> int:
    """Each costs a descriptor, of which connections and workers need most."""
    try:
        import resource
    except ImportError:  # on Windows, where there is no such memory either
        return MEMORY.regions
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MEMORY.regions if soft == resource.RLIM_INFINITY else min(MEMORY.regions, soft // 4)


def _wrong(message: str, *params: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, message, *params)


def _shrunk(name: str) -> ZeroMindError:
    return ZeroMindError(
        ErrorKind.INVALID_INPUT, f"shared memory region '{name}' has shrunk since it was registered: register it anew", name
    )
