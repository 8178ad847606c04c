"""What a worker may still do: read its model and the programs that it runs, write into a folder of its own, compute.

The worker gives up everything else itself, before it imports more than the standard library, so that no thread is left out. Where the
system has no Landlock or no seccomp, it keeps what only that one could take.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import itertools
import json
import logging
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zeromind.executor import landlock, seccomp
from zeromind.executor.landlock import CHANGE, DEVICE, LOOK, RUN, Right, Rule
from zeromind.executor.order import Order

_log = logging.getLogger(__name__)

_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITIES = 0x20080522
"""The version of capget() and capset() in which each set has two words; see linux/capability.h, as for the numbers below."""
_KEPT = 1 << 1 | 1 << 2 | 1 << 14 | 1 << 23
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, so that root reads whose files it is given; CAP_IPC_LOCK and CAP_SYS_NICE, which GPUs use."""
_LARGEST_FILE = 64 << 30
"""In bytes: a worker that writes on and on must not fill the disk."""
_MOST_BESIDE = 10_000

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
_KNOWLEDGE = (
    *("/proc", "/sys"),  # of other processes only what everybody is told: the kernel guards the rest itself, since they are not confined
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/os-release", "/etc/mime.types", "/etc/fonts"),
    *("/etc/localtime", "/etc/timezone", "/etc/passwd", "/etc/group", "/etc/OpenCL", "/etc/vulkan"),
)
_KNOWLEDGE_OF_NETWORKS = (
    *("/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols", "/etc/gai.conf"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki", "/etc/ca-certificates", "/etc/ca-certificates.conf"),
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
_GPUS = ("nvidia*", "dri", "kfd", "dxg")
_MARKS_OF_GPUS = ("nvidiactl", "dri", "kfd", "dxg")
"""One of these is there if a GPU is; names, since a confined worker cannot list /dev."""


@dataclasses.dataclass(frozen=True, slots=True)
class Confinement:
    """What one worker is left with.

    ``mode`` is "auto", as far as the system offers it; "require", which ends the process where it does not; or "off". ``beside`` says that
    folders next to the model's file belong to it, ``code`` that it may run code of the operator's, which may do more; a ``network`` that
    is left open can still be closed. ``memory_bytes`` bounds what it allocates; 0 = nothing does.
    """

    mode: str
    model: str
    scratch: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    beside: bool = False
    code: bool = False
    network: bool = False
    gpu: bool = True
    memory_bytes: int = 0

    @classmethod
    def of(cls, order: Order, scratch: Path) -> Confinement:
        """That of a worker with this order."""
        task = order.task
        # Who names files beneath the roots: filters, at any time, and the task itself.
        roots = order.roots if any(task.get(key) for key in ("input_filters", "output_filters", "labels", "samples")) else ()
        return cls(
            order.confine,
            order.model_file,
            str(scratch),
            (*order.reads, *order.adapter_folders, *order.filter_folders, *roots),
            order.writes,
            order.allow_code or any(Path(order.model_file).is_relative_to(Path(root).resolve()) for root in order.roots),
            order.allow_code,
            order.network == "open" or (order.network == "auto" and order.allow_code),
            uses_gpu(task),
            order.memory_bytes,
        )

    def to_json(self) -> str:
        """Text for a command line; ``from_json`` is its inverse."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Confinement:
        """What ``to_json`` wrote."""
        plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()}
        return cls(**plain)

    def apply(self) -> None:
        """Give the rest up, for good. Raises OSError where that fails, if it is required."""
        _limit(self.memory_bytes)
        if self.mode == "off":
            return
        for step in (_give_up_privileges, self._give_up_files, self._give_up_calls):
            try:
                step()
            except OSError as error:
                if self.mode == "require":
                    raise
                _log.warning("this worker is not fully confined: %s: %s", step.__name__.strip("_"), error)

    def _give_up_files(self) -> None:
        if self.mode == "require" or landlock.abi():
            landlock.restrict(self._rules(), self.network)

    def _give_up_calls(self) -> None:
        if self.mode == "require" or seccomp.available():
            seccomp.confine()
            if not self.code:
                seccomp.refuse({**seccomp.ATTRIBUTES, **seccomp.LEAVING})
            if not self.network:
                seccomp.close_network(self.gpu)

    def _rules(self) -> Iterator[Rule]:
        for path in (*_SYSTEM, *_python()):
            yield Rule(path, RUN)
        for path in (*_KNOWLEDGE, *(_of_networks() if self.network else ()), *self.reads):
            yield Rule(path, LOOK)
        for path in _model(self.model, self.beside):
            yield Rule(path, LOOK, real=True)
        yield Rule(str(Path(self.model).parent), Right.READ_DIR, real=True)  # for imports from beside it
        if self.gpu:
            # CUDA names its threads there, and does not start if it cannot. Kept open: the rule is for what has this name now.
            os.open("/proc/self/task", os.O_RDONLY | os.O_CLOEXEC)
            yield Rule("/proc/self/task", LOOK | Right.WRITE_FILE | Right.TRUNCATE)
        for pattern in (*_DEVICES, *(_GPUS if self.gpu else ())):
            for device in Path("/dev").glob(pattern):
                yield Rule(str(device), DEVICE | Right.READ_DIR)
        # Locks between processes have names in /dev/shm, where other things lie as well.
        for path in (self.scratch, *self.writes, *(("/dev/shm",) if self.code else ())):  # noqa: S108 - no file of ours
            yield Rule(path, CHANGE)


def offered() -> dict[str, str]:
    """What this system has to confine workers with, by its name, in words; empty words if it lacks it."""
    version = landlock.abi()
    parts = [(1, "files"), (4, "TCP"), (6, "signals")]
    guarded = ", ".join(name for least, name in parts if version >= least)
    return {
        "Landlock": f"ABI {version}: {guarded}" if version else "",
        "seccomp": "system calls, sockets" if seccomp.available() else "",
    }


def uses_gpu(task: Mapping[str, Any]) -> bool:
    """Whether a worker with this task may use a GPU: there is one, and the task does not want the processor; also told from within."""
    return task.get("device") != "cpu" and any(Path("/dev", name).exists() for name in _MARKS_OF_GPUS)


def close_network(gpu: bool) -> None:
    """Give up the network after all, where the system offers that: the model has proved to carry no code."""
    with contextlib.suppress(OSError):
        if seccomp.available():
            seccomp.close_network(gpu)


def found() -> dict[str, bool]:
    """What this process can do that a confined one cannot, found by trying."""
    return {"files": _works(lambda: os.scandir("/").close()), "network": _works(lambda: socket.socket().close())}


def _works(attempt: Any) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _limit(memory_bytes: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    # Not the address space: frameworks reserve far more of that than they use.
    bounds = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: _LARGEST_FILE, resource.RLIMIT_DATA: memory_bytes or resource.RLIM_INFINITY}
    for limit, most in bounds.items():
        _, hard = resource.getrlimit(limit)
        bound = most if hard == resource.RLIM_INFINITY else hard if most == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (bound, bound))


def _give_up_privileges() -> None:
    """Be root no more than it takes to read files; and no program that this process starts gets more rights than it has."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):  # first: the other steps need it
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    # With others, root could look at other processes, confined or not (capabilities(7), CAP_PERFMON).
    header = struct.pack("=Ii", _CAPABILITIES, 0)
    held = ctypes.create_string_buffer(24)
    if library.capget(header, held):
        raise OSError(ctypes.get_errno(), "capget")
    had = struct.unpack("=6I", held.raw)
    kept = (had[0] & _KEPT, had[1] & _KEPT, 0, 0, 0, 0)
    if kept != had and library.capset(header, struct.pack("=6I", *kept)):  # some services may not ask, and have none either
        raise OSError(ctypes.get_errno(), "capset")


def _python() -> Iterator[str]:
    """Where the interpreter and its packages are, those too that are installed from elsewhere ("editable"), and libraries."""
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    yield from filter(None, sys.path)
    for finder in sys.meta_path:
        mapping = getattr(sys.modules.get(getattr(finder, "__module__", "")), "MAPPING", None)
        yield from mapping.values() if isinstance(mapping, dict) else ()
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))


def _of_networks() -> Iterator[str]:
    """What names hosts, and vouches for them, also where the environment says that it lies elsewhere."""
    yield from _KNOWLEDGE_OF_NETWORKS
    yield from filter(None, map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))


def _model(path: str, folders: bool) -> Iterator[str]:
    """The model, and if it is a file what lies beside it: but nothing hidden, no link, and folders only if they belong to it."""
    yield path
    if Path(path).is_dir():
        return
    with contextlib.suppress(OSError), os.scandir(Path(path).parent) as entries:
        for entry in itertools.islice(entries, _MOST_BESIDE):
            fits = entry.is_file(follow_symlinks=False) or (folders and entry.is_dir(follow_symlinks=False))
            if fits and not entry.name.startswith("."):
                yield entry.path
