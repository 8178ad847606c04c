"""Memory that front and worker both map: tensors cross in it, only their places go over the socket.

It is made by the front, nameless, and inherited by the worker, so that nobody else can open it and nothing is left when both end.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile

SLOTS = 2
"""How many batches may be under way at once: one runs, one is staged."""
SLOT_BYTES = 512 << 20
"""The room for one batch and its answer, in bytes. It is sparse: only what is used takes memory."""
KEPT_BYTES = 32 << 20
"""How much of a slot stays with it for good; what larger batches used beyond goes back to the system when they have ceased."""
ALIGNMENT = 64


class Arena:
    """The slots, as one writable ``memoryview`` each."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, SLOTS * SLOT_BYTES + mmap.PAGESIZE)
        with memoryview(self._map) as whole:
            self.slots = [whole[index * SLOT_BYTES : (index + 1) * SLOT_BYTES] for index in range(SLOTS)]
            self._pulse = whole[SLOTS * SLOT_BYTES :]

    @classmethod
    def create(cls) -> Arena:
        """A new one, all zeros. Raises OSError where the system has no room."""
        descriptor = _nameless()
        try:
            os.truncate(descriptor, SLOTS * SLOT_BYTES + mmap.PAGESIZE)
            _fix(descriptor)
            return cls(descriptor)
        except OSError:
            os.close(descriptor)
            raise

    def give_back(self, slot: int, used: int) -> None:
        """Return to the system what a large batch used of a slot beyond what is worth keeping."""
        if used > KEPT_BYTES and hasattr(mmap, "MADV_REMOVE"):
            with contextlib.suppress(OSError):  # a file system without holes keeps the memory
                start = slot * SLOT_BYTES + KEPT_BYTES
                self._map.madvise(mmap.MADV_REMOVE, start, -(-(used - KEPT_BYTES) // mmap.PAGESIZE) * mmap.PAGESIZE)

    def beat(self) -> None:
        """Count, as whoever works here does to show that it lives."""
        self._pulse[0] = (self._pulse[0] + 1) % 256

    def beats(self) -> int:
        """The count, which begins anew at 256."""
        return self._pulse[0]

    def close(self) -> None:
        """Unmap, unless an array still looks at it: then it goes with the array."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        with contextlib.suppress(BufferError):
            for view in (self._pulse, *self.slots):
                view.release()
            self._map.close()


def aligned(offset: int) -> int:
    """The next offset at which a tensor of any dtype may begin."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _nameless() -> int:
    """A descriptor of memory without a name: memfd, or where that is absent a file that is unlinked at once."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):
            return os.memfd_create("zeromind", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as file:  # noqa: PTH112, S108 - memory, not disk
        return os.dup(file.fileno())


def _fix(descriptor: int) -> None:
    """Keep its size as it is: a worker that cut it off would have whoever looks at the rest killed, the front too (SIGBUS)."""
    with contextlib.suppress(ImportError, AttributeError, OSError):  # only memfd can be sealed, and only Linux has it
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
