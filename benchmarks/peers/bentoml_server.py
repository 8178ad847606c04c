"""BentoML: a service whose batchable method gets the rows of several requests; it adapts the batch's size by itself."""

import os
import sys
from pathlib import Path

import bentoml
import numpy as np
from session import BATCH, PORT, Model


@bentoml.service(traffic={"timeout": 30}, workers=1)
class Service:
    def __init__(self):
        self.model = Model()

    @bentoml.api(route="/predict", batchable=True, max_batch_size=BATCH, max_latency_ms=1000)
    def predict(self, data: np.ndarray) -> np.ndarray:
        return self.model(data.reshape(-1, *self.model.shape))


if __name__ == "__main__":
    folder = str(Path(__file__).parent)
    program = str(Path(sys.executable).with_name("bentoml"))
    arguments = ["serve", "bentoml_server:Service", "--host", "127.0.0.1", "--port", str(PORT), "--working-dir", folder]
    os.execv(program, [program, *arguments])
