"""Triton: NVIDIA's own tritonserver out of the nvidia-pytriton wheel, with its Python backend, which is the only one in there.

The backend's stub embeds the interpreter that Debian packages (libpython3.11), so the environment must be made by that one.
"""

import os
import shutil
import sysconfig
from pathlib import Path

from session import BATCH, GRPC_PORT, NAME, PORT, Model

CONFIG = """\
name: "{name}"
backend: "python"
max_batch_size: {batch}
input [{{name: "x" data_type: TYPE_FP32 dims: [{inputs}]}}]
output [{{name: "y" data_type: TYPE_FP32 dims: [{outputs}]}}]
instance_group [{{count: 1 kind: KIND_CPU}}]
dynamic_batching {{max_queue_delay_microseconds: {delay}}}
"""

MODEL = """\
import sys

sys.path[:0] = {path!r}

import numpy as np
import triton_python_backend_utils as triton
from session import Model


class TritonPythonModel:
    def initialize(self, args):
        self.model = Model()

    def execute(self, requests):
        inputs = [triton.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        rows, answers = self.model(np.concatenate(inputs)), []
        for part in inputs:
            answers.append(triton.InferenceResponse([triton.Tensor("y", rows[: len(part)])]))
            rows = rows[len(part) :]
        return answers
"""

if __name__ == "__main__":
    packages = Path(sysconfig.get_path("purelib"))
    wheel = packages / "pytriton" / "tritonserver"
    # Triton looks for the stub beside the backend, where the wheel has it for another Python or not at all.
    backends = Path("backends")
    shutil.copytree(wheel / "backends" / "python", backends / "python")
    shutil.copy2(wheel / "python_backend_stubs" / "3.11" / "triton_python_backend_stub", backends / "python")

    session = Model().session
    dimensions = [", ".join(map(str, tensor.shape[1:])) for tensor in (session.get_inputs()[0], session.get_outputs()[0])]
    version = Path("repository", NAME, "1")
    version.mkdir(parents=True)
    version.joinpath("model.py").write_text(MODEL.format(path=[str(Path(__file__).parent), str(packages)]))
    delay = os.environ.get("BENCH_QUEUE_DELAY_US", "0")
    text = CONFIG.format(name=NAME, batch=BATCH, inputs=dimensions[0], outputs=dimensions[1], delay=delay)
    version.with_name("config.pbtxt").write_text(text)

    os.environ["LD_LIBRARY_PATH"] = f"{packages / 'nvidia_pytriton.libs'}:{wheel / 'external_libs'}"
    program = str(wheel / "bin" / "tritonserver")
    options = {
        "model-repository": Path("repository").resolve(), "backend-directory": backends.resolve(), "http-address": "127.0.0.1",
        "http-port": PORT, "grpc-address": "127.0.0.1", "grpc-port": GRPC_PORT, "allow-metrics": "false",
    }  # fmt: skip
    os.execv(program, [program, *(f"--{key}={value}" for key, value in options.items())])
