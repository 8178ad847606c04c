"""MLServer: a runtime of our own over the Open Inference Protocol, with its adaptive batching.

The model runs in the server's own process: with a worker process for it, every figure is lower.
"""

import json
import os
import sys
from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
from session import BATCH, FILE, NAME, PORT, Model


class Onnx(MLModel):
    async def load(self):
        self.model = Model()
        return True

    async def predict(self, payload):
        rows = self.model(self.decode(payload.inputs[0], default_codec=NumpyCodec))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", rows)])


def port(offset):
    return int(os.environ["BENCH_SPARE_PORTS"].split()[offset])


if __name__ == "__main__":
    Path("settings.json").write_text(
        json.dumps(
            {"debug": False, "host": "127.0.0.1", "http_port": PORT, "grpc_port": port(0), "metrics_port": port(1), "parallel_workers": 0}
        )
    )
    Path(NAME).mkdir()
    Path(NAME, "model-settings.json").write_text(
        json.dumps(
            {
                "name": NAME,
                "implementation": "mlserver_server.Onnx",
                "max_batch_size": BATCH,
                "max_batch_time": 0.001,
                "parameters": {"uri": FILE},
            }
        )
    )
    program = str(Path(sys.executable).with_name("mlserver"))
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    os.execv(program, [program, "start", "."])
