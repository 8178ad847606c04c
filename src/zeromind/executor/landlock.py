"""Landlock: a Linux process gives up files, TCP and signals for good, for itself and whatever it starts.

The interface is the kernel's (https://docs.kernel.org/userspace-api/landlock.html, linux/landlock.h); each ABI knows more rights than the
one before, and all that the running kernel knows are given up. Only the calling thread is restricted, and threads that it starts later.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import os
import stat
import struct
import sys
from collections.abc import Iterable
from typing import NamedTuple

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_RULE_PATH_BENEATH = 1
_TCP = 0b11
"""To bind and to connect."""
_SCOPES = 0b11
"""Abstract sockets and signals, which then stay among the restricted."""


class Right(enum.IntFlag):
    """What can be done with a file or a folder; a folder's rights hold for all beneath it."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


LOOK = Right.READ_FILE | Right.READ_DIR
RUN = LOOK | Right.EXECUTE
DEVICE = Right.READ_FILE | Right.WRITE_FILE | Right.IOCTL_DEV
CHANGE = (
    LOOK
    | Right.WRITE_FILE
    | Right.TRUNCATE
    | Right.REFER
    | Right.MAKE_DIR
    | Right.MAKE_REG
    | Right.MAKE_SOCK
    | Right.MAKE_FIFO
    | Right.MAKE_SYM
    | Right.REMOVE_DIR
    | Right.REMOVE_FILE
)
_OF_FILES = Right.EXECUTE | Right.WRITE_FILE | Right.READ_FILE | Right.TRUNCATE | Right.IOCTL_DEV


def abi() -> int:
    """The version of Landlock that this kernel offers; 0 if it offers none."""
    if sys.platform != "linux":
        return 0
    try:
        return max(0, _call(_CREATE_RULESET, None, 0, _ASK_VERSION))
    except OSError:
        return 0


class Rule(NamedTuple):
    """Rights to a path; with ``real`` it must be that of the file itself, no link on the way."""

    path: str
    rights: Right
    real: bool = False


def restrict(rules: Iterable[Rule], network: bool) -> None:
    """Keep only what the rules name, and TCP only with ``network``; paths that are not there are skipped.

    PR_SET_NO_NEW_PRIVS must have been set. Raises OSError.
    """
    version = abi()
    handled = _rights(version)
    words: list[int] = [handled]
    words += [0 if network else _TCP] if version >= 4 else []
    words += [_SCOPES] if version >= 6 else []
    attributes = struct.pack(f"={len(words)}Q", *words)
    ruleset = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for rule in rules:
            with contextlib.suppress(OSError):
                _allow(ruleset, rule, handled)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _rights(version: int) -> Right:
    last = {1: Right.MAKE_SYM, 2: Right.REFER, 3: Right.TRUNCATE, 4: Right.TRUNCATE}.get(version, Right.IOCTL_DEV)
    return Right(2 * last - 1)


def _allow(ruleset: int, rule: Rule, handled: Right) -> None:
    rights = rule.rights & handled
    descriptor = os.open(rule.path, os.O_PATH | os.O_CLOEXEC)
    try:
        if rule.real and os.readlink(f"/proc/self/fd/{descriptor}") != rule.path:  # noqa: PTH115 - text is what is compared
            return
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: int | bytes | None) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    plain = [ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in arguments]
    result = int(library.syscall(ctypes.c_long(number), *plain))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
