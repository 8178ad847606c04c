"""The program of a worker process: ``python -m zeromind.executor SOCKET ARENA CONFINEMENT``.

It is confined first, while it has one thread and nothing but the standard library; then it imports the worker and is one.
"""

from __future__ import annotations

import sys

from zeromind.executor.confinement import Confinement

if __name__ == "__main__":
    try:
        Confinement.from_json(sys.argv[3]).apply()
    except OSError as error:
        text = f"the worker cannot be confined, which 'confine' requires ({error.strerror})"
        raise SystemExit(f"{text}: 'zeromind check' tells what this system lacks, 'auto' goes without that") from None

    from zeromind.executor import worker

    worker.main(*map(int, sys.argv[1:3]))
