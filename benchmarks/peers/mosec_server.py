"""mosec: a worker that gets a batch of decoded JSON bodies."""

import sys

import numpy as np
from mosec import Server, Worker
from session import BATCH, PORT, Model


class Onnx(Worker):
    def __init__(self):
        self.model = Model()

    def forward(self, requests):
        rows = np.stack([self.model.row(request["data"]) for request in requests])
        return [{"y": row} for row in self.model(rows).tolist()]


if __name__ == "__main__":
    sys.argv[1:] = ["--address", "127.0.0.1", "--port", str(PORT), "--wait", "0", "--log-level", "warning"]
    server = Server()
    server.append_worker(Onnx, num=1, max_batch_size=BATCH)
    server.run()
