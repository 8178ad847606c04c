"""What an import costs: no framework, next to no time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.glob("zeromind/**/*.py")
    if path.stem != "__main__"
)
FRAMEWORKS = {
    "PIL", "caffe2", "cv2", "flax", "h5py", "jax", "jaxlib", "joblib", "keras", "lightgbm", "onnx", "onnxruntime", "openvino",
    "pandas", "safetensors", "scipy", "skl2onnx", "sklearn", "skops", "tensorflow", "tensorrt", "torch", "transformers", "xgboost",
}  # fmt: skip
SERVER = {"click", "google", "grpc", "hpack", "httptools", "orjson", "msgspec", "prometheus_client", "psutil", "rich", "tornado", "uvloop"}

LISTS_LOADED = "import sys, json, importlib; importlib.import_module(sys.argv[1]); print(json.dumps(sorted(sys.modules)))"
FINDS_CULPRITS = """
import importlib, json, sys
frameworks, found = set(json.loads(sys.argv[1])), {}
for name in sys.argv[2:]:
    importlib.import_module(name)
    if new := frameworks & sys.modules.keys():
        found[name] = sorted(new)
        frameworks -= new
print(json.dumps(found))
"""
TIMES = "import time; start = time.perf_counter(); import zeromind; print(time.perf_counter() - start)"


def answer(code: str, *arguments: str):
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def packages_after(module: str) -> set[str]:
    return {name.partition(".")[0] for name in answer(LISTS_LOADED, module)}


def test_no_module_of_ours_imports_a_framework():
    assert answer(FINDS_CULPRITS, json.dumps(sorted(FRAMEWORKS)), *MODULES) == {}


def test_importing_zeromind_loads_nothing_else():
    assert packages_after("zeromind") <= {*sys.stdlib_module_names, "zeromind", "__main__", "__mp_main__", *preloaded()}


def preloaded() -> set[str]:
    """What an interpreter of this environment holds before the first import: editable finders, hooks of site-packages."""
    return {name.partition(".")[0] for name in answer("import sys, json; print(json.dumps(sorted(sys.modules)))")}


@pytest.mark.skipif("zeromind.executor.worker" not in MODULES, reason="there is no worker yet")
def test_a_worker_starts_with_numpy_and_nothing_more():
    """Another interpreter may serve a task, and that one has the framework but not the server's dependencies."""
    assert packages_after("zeromind.executor.worker") <= {*sys.stdlib_module_names, "zeromind", "numpy", "__main__", *preloaded()}


@pytest.mark.skipif("zeromind.client" not in MODULES, reason="there is no client yet")
def test_the_client_needs_none_of_the_servers_dependencies():
    assert not packages_after("zeromind.client") & SERVER


def test_importing_zeromind_takes_less_than_100_ms():
    assert min(answer(TIMES) for _ in range(5)) < 0.1
