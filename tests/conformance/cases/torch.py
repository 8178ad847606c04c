"""PyTorch models."""

import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from conformance.cases.case import ROWS, Case
from zeromind import importing

X = {"inputs": [{"name": "x", "type": "float32", "shape": [None, 4]}]}
CLASS = """import torch

class Net(torch.nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.a, self.b = torch.nn.Linear(4, hidden), torch.nn.Linear(hidden, 3)

    def forward(self, x):
        return {"scores": torch.softmax(self.b(torch.relu(self.a(x))), 1)}
"""
SCRIPT = "TorchScript, which can read and write files"
EXPORT = "a torch.export archive, which holds pickles and expressions to evaluate"
NATIVE = "an AOTInductor package, which is native code"
WEIGHTS = "the Python class that its weights need"


def net(folder):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    path = folder / "net.py"
    path.write_text(CLASS)
    return torch, importing.load_file(path).Net(5).eval()


def torch_case(torch, module, path, code, **task):
    rows = ROWS.astype(np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(rows))["scores"].numpy()
    return Case("torch", path, {"x": rows}, {"scores": expected}, code, 1e-6, task)


def torch_script(folder):
    torch, module = net(folder)
    path = folder / "model.pt"
    with importing.silence():
        torch.jit.script(module).save(path)
    return torch_case(torch, module, path, SCRIPT, **X)


def exported(torch, module):
    with importing.silence():
        return torch.export.export(module, (torch.zeros(3, 4),), dynamic_shapes={"x": {0: torch.export.Dim("n")}})


def torch_export(folder):
    torch, module = net(folder)
    path = folder / "model.pt2"
    with importing.silence():
        torch.export.save(exported(torch, module), path)
    return torch_case(torch, module, path, EXPORT)


@functools.cache
def package():
    """A package that AOTInductor compiled, once for all tests since that takes a compiler a while."""
    if not shutil.which("g++"):
        pytest.skip("AOTInductor needs a C++ compiler")
    settings = {"aot_inductor.precompile_headers": False, "cpp.vec_isa_ok": True, "aot_inductor.compile_wrapper_opt_level": "O0"}
    with tempfile.TemporaryDirectory() as folder, importing.silence():
        path = Path(folder, "model.pt2")
        program = exported(*net(Path(folder)))
        pytest.importorskip("torch._inductor").aoti_compile_and_package(program, package_path=str(path), inductor_configs=settings)
        return path.read_bytes()


def torch_compiled(folder):
    torch, module = net(folder)
    path = folder / "model.pt2"
    path.write_bytes(package())
    return torch_case(torch, module, path, NATIVE, **X)


def torch_state_dict(folder):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    arguments = {"d_model": 4, "nhead": 2, "dim_feedforward": 8, "batch_first": True}
    module = torch.nn.TransformerEncoderLayer(**arguments).eval()
    path = folder / "model.pth"
    torch.save({"epoch": 3, "net": module.state_dict()}, path)
    task = {"class": "torch.nn:TransformerEncoderLayer", "arguments": arguments, "weights": "net"}
    rows = np.repeat(ROWS.astype(np.float32)[:, None], 2, 1) * np.float32([[[1], [-2]]])
    return weighted(module, path, "src", rows, task)


def torch_safetensors(folder):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Linear(4, 3)
    path = folder / "model.safetensors"
    pytest.importorskip("safetensors.torch").save_model(module, path)
    task = {"class": "torch.nn:Linear", "arguments": {"in_features": 4, "out_features": 3}}
    return weighted(module, path, "input", ROWS.astype(np.float32), task)


def weighted(module, path, name, rows, task):
    import torch

    with torch.inference_mode():
        expected = module(torch.from_numpy(rows)).numpy()
    task["inputs"] = [{"name": name, "type": "float32", "shape": [None, *rows.shape[1:]]}]
    return Case("torch", path, {name: rows}, {"output_0": expected}, WEIGHTS, 1e-6, task)


MAKERS = [torch_script, torch_export, torch_compiled, torch_state_dict, torch_safetensors]
