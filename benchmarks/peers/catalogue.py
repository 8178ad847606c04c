"""The servers that are compared: what each needs, and how it is asked."""

from __future__ import annotations

import ctypes.util
import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

ENVS = Path(__file__).resolve().parents[2] / ".peers"
"""Where `make peers` puts one virtual environment for each."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """A server: ``requires`` is what pip installs, its first package the one whose version counts.

    ``debian`` are the system's packages that it needs, ``library`` one of theirs. ``speaks`` are the wires on which it is
    asked, ``wire`` is the form of its JSON. ``settings`` are variables of its environment;
    a peer that is ``like`` another one is that one with other settings.
    """

    name: str
    title: str
    requires: tuple[str, ...]
    wire: str = "oip"
    interpreter: str = sys.executable
    speaks: tuple[str, ...] = ("JSON",)
    debian: tuple[str, ...] = ("python3-venv",)
    library: str = ""
    like: str = ""
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def home(self) -> str:
        """The name of its program and of its environment's folder."""
        return self.like or self.name

    @property
    def program(self) -> Path:
        """What starts it, in its own environment."""
        return Path(__file__).with_name(f"{self.home}_server.py")

    def python(self, envs: Path) -> Path:
        """The interpreter of its environment."""
        return envs / self.home / "bin" / "python" if self.requires else Path(sys.executable)

    def missing(self, envs: Path) -> str:
        """Why it cannot run, as a sentence; empty if it can."""
        if not self.python(envs).exists():
            return f"{self.title} is not installed in {envs / self.home}: make peers"
        return self.needs()

    def needs(self) -> str:
        """What the system lacks for it, as a sentence; empty if nothing."""
        if not shutil.which(self.interpreter) or (self.library and not ctypes.util.find_library(self.library)):
            return f"{self.title} needs packages of the system: apt-get install {' '.join(self.debian)}"
        return ""

    @property
    def package(self) -> str:
        """What it is called where packages are."""
        return self.requires[0].partition("[")[0] if self.requires else self.name

    def version(self, envs: Path) -> str:
        """The version of its package, as its environment has it."""
        code = f"import importlib.metadata as m; print(m.version({self.package!r}))"
        return subprocess.run([self.python(envs), "-c", code], check=True, capture_output=True, text=True).stdout.strip()

    def route(self, model: str) -> str:
        """Where a request goes."""
        return {"oip": f"/v2/models/{model}/infer", "inference": "/inference"}.get(self.wire, "/predict")

    def body(self, row: np.ndarray[Any, Any]) -> bytes:
        """A request for one row of ``x``, float32 with the batch dimension."""
        # Of float32 the shortest text: 0.123457 and not 0.12345699965953827.
        data: list[Any] = [float(str(number)) for number in row.ravel()]
        if self.wire == "oip":
            return json.dumps({"inputs": [{"name": "x", "shape": row.shape, "datatype": "FP32", "data": data}]}).encode()
        return json.dumps({"data": [data] if self.wire == "rows" else data}).encode()

    def answer(self, body: bytes) -> list[float]:
        """The row of ``y`` in its answer. Raises ValueError, KeyError, IndexError or TypeError where there is none."""
        found = json.loads(body)
        if self.wire == "oip":
            return list(found["outputs"][0]["data"])
        return list(found[0] if self.wire == "rows" else found["y"])


_ALL_WIRES = ("JSON", "binary", "gRPC")
OURS = Peer("zeromind", "0Mind", (), speaks=_ALL_WIRES)
_TRITON = Peer(
    "triton",
    "Triton (Python backend)",
    ("nvidia-pytriton", "onnxruntime"),
    speaks=_ALL_WIRES,
    interpreter="/usr/bin/python3.11",
    debian=("python3.11", "python3.11-venv", "libpython3.11"),
    library="python3.11",
)
PEERS = (
    _TRITON,
    dataclasses.replace(
        _TRITON, name="triton-delay", title="Triton, queue delay 100 µs", like="triton", settings={"BENCH_QUEUE_DELAY_US": "100"}
    ),
    Peer("mosec", "mosec", ("mosec", "onnxruntime", "numpy"), wire="inference"),
    # With a later uvloop it does not start.
    Peer("mlserver", "MLServer", ("mlserver", "onnxruntime", "uvloop<0.22")),
    Peer("kserve", "KServe (Python server)", ("kserve", "onnxruntime")),
    Peer("litserve", "LitServe", ("litserve", "onnxruntime", "numpy"), wire="list"),
    Peer("bentoml", "BentoML", ("bentoml", "onnxruntime", "numpy"), wire="rows"),
    Peer("ray", "Ray Serve", ("ray[serve]", "onnxruntime", "numpy"), wire="list"),
)


def chosen(names: str) -> list[Peer]:
    """The peers of a list with commas, "all" or nothing. Raises SystemExit for a name that is none."""
    if names == "all":
        return list(PEERS)
    known = {peer.name: peer for peer in PEERS}
    wanted = [name for name in names.split(",") if name]
    if strangers := sorted(set(wanted) - set(known)):
        raise SystemExit(f"no such peer: {', '.join(strangers)}; there are {', '.join(known)}")
    return [known[name] for name in wanted]
