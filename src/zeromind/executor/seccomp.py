"""Seccomp: a Linux process gives up system calls for good, in all its threads, for itself and whatever it starts.

The filter is a program of the kernel's packet filter (https://docs.kernel.org/userspace-api/seccomp_filter.html) over one call's number and
arguments. Calls by another architecture's numbers fail as if there were none.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import os
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence

_ARCHITECTURES: Mapping[str, tuple[int, int, int]] = {"x86_64": (0xC000003E, 317, 0), "aarch64": (0xC00000B7, 277, 1)}
"""By the machine: the kernel's name of it, the number of seccomp() itself, and which of a call's two numbers is its own."""
_X32 = 1 << 30
_SET_MODE_FILTER, _ASK_ACTION, _IN_ALL_THREADS = 1, 2, 1
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_NEW_NAMESPACES = 0x7E020000
"""Of clone(): everything of CLONE_NEW…"""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
"""What types into a terminal."""
_UNIX, _STREAM, _SEQPACKET, _TYPE_MASK = 1, 1, 5, 0xF

OUT_OF_REACH: Mapping[str, tuple[int, int]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "shmctl": (31, 195),
    "msgctl": (71, 187),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "semctl": (66, 191),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # another view of the files
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "unshare": (272, 97),
    "setns": (308, 268),
    # the machine
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, -1),
    "ioperm": (173, -1),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    # large parts of the kernel that no model needs, and roads around this filter
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "modify_ldt": (154, -1),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
ATTRIBUTES: Mapping[str, tuple[int, int]] = {
    # of files, which Landlock does not guard
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, -1),
    "fchown": (93, 55),
    "lchown": (94, -1),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "utime": (132, -1),
    "utimes": (235, -1),
    "futimesat": (261, -1),
    "utimensat": (280, 88),
    "truncate": (76, 45),
}
LEAVING: Mapping[str, tuple[int, int]] = {"setsid": (112, 157), "setpgid": (109, 154)}
"""What leads out of the group of processes that ends with the worker."""
NETWORK: Mapping[str, tuple[int, int]] = {"socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201)}
_CLONE, _CLONE3, _PRLIMIT, _IOCTL, _SOCKETPAIR = (56, 220), (435, 435), (302, 261), (16, 29), (53, 199)


@dataclasses.dataclass(frozen=True, slots=True)
class _Step:
    """One instruction of the packet filter: jumps count the steps that are left out."""

    code: int
    value: int
    if_true: int = 0
    if_false: int = 0


def available() -> bool:
    """Whether filters can be set here: the kernel has them, and nothing around this process keeps it from asking."""
    if sys.platform != "linux" or sys.maxsize <= 1 << 32 or os.uname().machine not in _ARCHITECTURES:
        return False
    number, action = ctypes.c_long(_ARCHITECTURES[os.uname().machine][1]), ctypes.byref(ctypes.c_uint32(_FAIL))
    return int(ctypes.CDLL(None).syscall(number, ctypes.c_long(_ASK_ACTION), ctypes.c_long(0), action)) == 0


def refuse(calls: Mapping[str, tuple[int, int]], error: int = errno.EPERM) -> None:
    """Have these calls fail with that error, from now on. Raises OSError; PR_SET_NO_NEW_PRIVS must have been set."""
    _install([step for numbers in calls.values() for step in _when(numbers, [_fail(error)])])


def confine() -> None:
    """Refuse what reaches beyond this process and its files. Raises OSError."""
    steps = [step for numbers in OUT_OF_REACH.values() for step in _when(numbers, [_fail(errno.EPERM)])]
    # What clone3 is to do lies in memory, where no filter sees it: the C library then takes clone instead.
    steps += _when(_CLONE3, [_fail(errno.ENOSYS)])
    steps += _when(_CLONE, [_argument(0), _Step(_ANY_BIT, _NEW_NAMESPACES, 0, 1), _fail(errno.EPERM), _allow()])
    steps += _when(_PRLIMIT, [_argument(0), _Step(_EQUAL, 0, 1, 0), _fail(errno.EPERM), _allow()])  # 0 is this process itself
    typing = [_argument(1), _Step(_EQUAL, _TIOCSTI, 1, 0), _Step(_EQUAL, _TIOCLINUX, 0, 1), _fail(errno.EPERM), _allow()]
    _install(steps + _when(_IOCTL, typing))


def close_network(waiting: bool) -> None:
    """Refuse every socket but pairs of connected ones, which lead nowhere. Raises OSError.

    With ``waiting`` also local ones of packets can be had and bound, but not connected: CUDA does not start without.
    """
    refused = {name: numbers for name, numbers in NETWORK.items() if not waiting or name == "connect"}
    steps = [step for numbers in refused.values() for step in _when(numbers, [_fail(errno.EACCES)])]
    local = [_argument(0), _Step(_EQUAL, _UNIX, 0, 3), _argument(1), _Step(_AND, _TYPE_MASK), _Step(_EQUAL, _SEQPACKET, 1, 0)]
    steps += _when(NETWORK["socket"], [*local, _fail(errno.EACCES), _allow()]) if waiting else []
    pair = [_argument(0), _Step(_EQUAL, _UNIX, 0, 4), _argument(1), _Step(_AND, _TYPE_MASK)]
    pair += [_Step(_EQUAL, _STREAM, 2, 0), _Step(_EQUAL, _SEQPACKET, 1, 0)]
    _install(steps + _when(_SOCKETPAIR, [*pair, _fail(errno.EACCES), _allow()]))


def _when(numbers: tuple[int, int], steps: Sequence[_Step]) -> list[_Step]:
    """Take these steps for one call, whose number is loaded; they must end with its fate."""
    number = numbers[_ARCHITECTURES[os.uname().machine][2]]
    return [_Step(_EQUAL, number, 0, len(steps)), *steps] if number >= 0 else []


def _argument(index: int) -> _Step:
    """Load the lower half of an argument: both architectures have it first."""
    return _Step(_LOAD, _ARGUMENTS + 8 * index)


def _fail(error: int) -> _Step:
    return _Step(_RETURN, _FAIL | error)


def _allow() -> _Step:
    return _Step(_RETURN, _ALLOW)


def _install(steps: Iterable[_Step]) -> None:
    architecture, seccomp, _ = _ARCHITECTURES[os.uname().machine]
    program = [
        _Step(_LOAD, _ARCHITECTURE),
        _Step(_EQUAL, architecture, 1, 0),
        _fail(errno.ENOSYS),
        _Step(_LOAD, _NUMBER),
        _Step(_AT_LEAST, _X32, 0, 1),
        _fail(errno.ENOSYS),
        *steps,
        _allow(),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", s.code, s.if_true, s.if_false, s.value) for s in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    library = ctypes.CDLL(None, use_errno=True)
    done = library.syscall(ctypes.c_long(seccomp), ctypes.c_long(_SET_MODE_FILTER), ctypes.c_long(_IN_ALL_THREADS), header)
    if done:  # less than zero, or the thread that cannot follow
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
