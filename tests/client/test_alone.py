"""The client by itself: with numpy and what its extra names, without the server's dependencies."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import grpc
import zeromind

# The packages that a script may import: links to those of this environment, and nothing beside them.
_ASKS = """
import sys
from zeromind.client import Client
with Client(sys.argv[1], timeout_s=60) as client:
    print(client.predict("add", [1, 2]).value.tolist(), [part.value.tolist() for part in client.stream("add", [1, 2])])
import asyncio
from zeromind.client import AsyncClient
async def main():
    async with AsyncClient(sys.argv[1], timeout_s=60) as client:
        print((await client.predict("add", [1, 2])).value.tolist())
asyncio.run(main())
import json
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names))))
"""


def site(folder, *packages):
    """A folder of packages, as ``pip install --target`` would leave it."""
    folder.mkdir()
    for package in packages:
        home = Path(package.__file__).parent
        (folder / home.name).symlink_to(home)
        for more in home.parent.glob(f"{home.name}.libs"):
            (folder / more.name).symlink_to(more)
    return folder


def ask(folder, url):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", _ASKS, url], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_over_http_it_needs_numpy_alone(pool, tmp_path):
    *answers, names = ask(site(tmp_path / "site", zeromind, np), pool.url)
    assert answers == ["[3.0] [[3.0]]", "[3.0]"]
    assert set(json.loads(names)) <= {"__main__", "__mp_main__", "numpy", "zeromind"}


def test_over_grpc_it_needs_what_its_extra_names(pool, tmp_path):
    import typing_extensions  # grpcio's only dependency

    folder = site(tmp_path / "site", zeromind, np, grpc)
    (folder / "typing_extensions.py").symlink_to(typing_extensions.__file__)
    *answers, names = ask(folder, pool.grpc_url)
    assert answers == ["[3.0] [[3.0]]", "[3.0]"]
    found = {name for name in json.loads(names) if "cython" not in name}
    assert found <= {"__main__", "__mp_main__", "numpy", "zeromind", "grpc", "typing_extensions"}


def test_without_grpcio_it_says_what_to_install(pool, tmp_path):
    code = "from zeromind.client import Client; Client('grpc://127.0.0.1:1')"
    environment = {**os.environ, "PYTHONPATH": str(site(tmp_path / "site", zeromind, np))}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "pip install 'zeromind[client]'" in done.stderr
