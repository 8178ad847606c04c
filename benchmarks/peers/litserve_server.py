"""LitServe: one API with one worker, joined and split by the methods it asks for."""

import litserve
import numpy as np
from session import BATCH, PORT, Model


class Onnx(litserve.LitAPI):
    def setup(self, _device):
        self.model = Model()

    def decode_request(self, request):
        return self.model.row(request["data"])

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, rows):
        return self.model(rows)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"y": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Onnx(max_batch_size=BATCH), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(port=PORT, host="127.0.0.1", log_level="error", generate_client_file=False)
