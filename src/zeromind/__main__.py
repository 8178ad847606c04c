"""``python -m zeromind -c FILE`` is ``zeromind serve -c FILE``."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - pip sees to it, but not where the sources are run as they are
    sys.exit(f"0Mind needs Python 3.10 or newer, this is {sys.version.split()[0]}: python3.12 -m zeromind, or make serve PYTHON=python3.12")

from zeromind.cli import main

if __name__ == "__main__":
    main()
