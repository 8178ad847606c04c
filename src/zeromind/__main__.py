"""``python -m zeromind -c FILE`` is ``zeromind serve -c FILE``."""

from zeromind.cli import main

if __name__ == "__main__":
    main()
