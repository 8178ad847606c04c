"""Memory of GPUs: nothing where there are none, what a process holds where there are."""

import os
import subprocess
import sys

import pytest

from conformance.cases.case import has_gpu
from zeromind.executor import confinement, gpus


def test_a_process_that_holds_none():
    assert gpus.held({0}) == {}


def test_what_this_process_holds():
    torch = pytest.importorskip("torch")
    if not has_gpu() or not torch.cuda.is_available():
        pytest.skip("no GPU here")
    kept = torch.zeros(64 << 20, dtype=torch.uint8, device="cuda:0")
    assert gpus.held({os.getpid()})[0] >= kept.nbytes
    assert gpus.by_process()[0][os.getpid()] >= kept.nbytes


def test_the_devices_of_this_machine():
    found = gpus.devices()
    assert [device.number for device in found] == list(range(len(found)))
    assert bool(found) is bool(has_gpu())
    for device in found:
        assert device.name
        assert device.uuid.startswith("GPU-")
        assert 0 < device.used < device.memory
        assert device.busy is None or 0 <= device.busy <= 100
        assert device.watts is None or 0 < device.watts < 2000


FRAGILE = """
import os

from zeromind.adapters.base import Adapter
from zeromind.tensors import ModelSpec, TensorSpec


class Fragile(Adapter):
    name = "fragile"
    formats = "anything"
    is_lost = False

    @classmethod
    def recognises(cls, file):
        return False

    def __init__(self, source):
        self.spec = ModelSpec((TensorSpec("x", "FP32", (None,)),), (TensorSpec("pid", "INT64", (None,)),), batches=True)

    def predict(self, inputs):
        x = inputs["x"]
        self.is_lost = self.is_lost or bool((x < -1).any())
        if self.is_lost or (x < 0).any():
            raise RuntimeError("CUDA error: device-side assert triggered" if self.is_lost else "nothing worse")
        return {"pid": (0 * x + os.getpid()).astype("int64")}

    def lost(self):
        return self.is_lost
"""


def test_a_worker_that_cannot_compute_any_more_ends_and_another_serves_on(thread_server, models, tmp_path, waiting, is_gone):
    (tmp_path / "fragile.py").write_text(FRAGILE)
    with thread_server(adapter_folders=[str(tmp_path)]) as client:
        assert client.load({"id": "m", "model_type": "fragile", "model_file": str(models / "row.txt")}).status == 200

        def serves():
            return client.predict("m", {"x": [1.0]}).json["result"]["pid"][0]

        first = serves()
        assert client.predict("m", {"x": [-1.0]}).status == 500
        assert serves() == first
        assert client.predict("m", {"x": [-2.0]}).error["params"] == ["WORKER_CRASHED"]
        waiting(lambda: is_gone(first))
        assert serves() != first


NEEDS = """
import os, socket, sys, threading
from pathlib import Path
from zeromind.executor import confinement

folder = sys.argv[1]
confinement._MARKS_OF_GPUS = ("null",)  # as if it were a GPU's
cell = confinement.Confinement("require", f"{folder}/model", folder, network=True, gpu=confinement.uses_gpu({"device": "auto"}))
cell.apply()
assert not os.access("/dev", os.R_OK) or not list(Path("/dev").glob("n*"))
confinement.close_network(confinement.uses_gpu({"device": "auto"}))
local = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
local.bind(f"\\0{folder}")
Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text("named")
for family, kind in ((None, 0), (socket.AF_INET, 1), (socket.AF_INET, 5), (socket.AF_UNIX, 1), (socket.AF_UNIX, 2)):
    try:
        socket.socket(family, kind) if family else local.connect(f"\\0{folder}")
    except PermissionError:
        continue
    sys.exit("it reaches others")
assert not confinement.uses_gpu({"device": "cpu"})
"""


@pytest.mark.skipif(not all(confinement.offered().values()), reason="this system has no Landlock or no seccomp")
def test_a_confined_worker_keeps_what_cuda_needs_to_start_and_reaches_nobody_by_it(tmp_path):
    """Names for its threads, and local sockets that nothing is connected to: found by trying on a GPU what each of them does."""
    (tmp_path / "model").touch()
    subprocess.run([sys.executable, "-c", NEEDS, str(tmp_path)], check=True)
