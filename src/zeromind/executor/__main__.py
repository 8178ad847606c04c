"""The program of a worker process: ``python -m zeromind.executor SOCKET ARENA CONFINEMENT``.

It is confined first, while it has one thread and nothing but the standard library; then it imports the worker and is one.
"""

from __future__ import annotations

import contextlib
import signal
import sys

from zeromind.executor.confinement import Confinement

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h. It means the death of the thread that started this process: the server's event loop."""


def _die_with_the_server() -> None:
    """Have the system end this process when the server dies: what holds the interpreter's lock lets no thread of ours do it."""
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    _die_with_the_server()
    try:
        Confinement.from_json(sys.argv[3]).apply()
    except OSError as error:
        text = f"the worker cannot be confined, which 'confine' requires ({error.strerror})"
        raise SystemExit(f"{text}: 'zeromind check' tells what this system lacks, 'auto' goes without that") from None

    from zeromind.executor import worker

    worker.main(*map(int, sys.argv[1:3]))
