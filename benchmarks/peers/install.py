"""Makes one virtual environment for each peer, with what it needs to serve the benchmarks' models.

    python benchmarks/peers/install.py [--peers triton,mosec] [--envs DIR]

Needs the system's python3-venv, and for Triton Debian's own Python 3.11 with its library; a peer whose needs are not met is left out
with a sentence that says what to install. Together they take three gigabytes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import catalogue


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default="all", help="names with commas (default: %(default)s)")
    parser.add_argument("--envs", type=Path, default=catalogue.ENVS, help="where their virtual environments go")
    options = parser.parse_args()
    failures = [sentence for peer in catalogue.chosen(options.peers) if not peer.like and (sentence := install(peer, options.envs))]
    for sentence in failures:
        print(sentence, file=sys.stderr)
    return len(failures)


def install(peer: catalogue.Peer, envs: Path) -> str:
    """Make its environment; gives a sentence about what went wrong, or nothing."""
    if sentence := peer.needs():
        return sentence
    python = peer.python(envs)
    print(f"{peer.title}: {' '.join(peer.requires)} …", flush=True)
    try:
        if not python.exists():
            subprocess.run([peer.interpreter, "-m", "venv", envs / peer.home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requires], check=True)
    except subprocess.CalledProcessError:
        return f"{peer.title} could not be installed, see above; it needs {' '.join(peer.debian)} of the system"
    return ""


if __name__ == "__main__":
    sys.exit(main())
