"""KServe's Python server: the Open Inference Protocol, one process; joining requests is left to a sidecar outside this package."""

import sys

from kserve import InferOutput, InferResponse, Model, ModelServer
from session import NAME, PORT
from session import Model as Session


class Onnx(Model):
    def __init__(self):
        super().__init__(NAME)
        self.session = Session()
        self.ready = True

    def predict(self, payload, *_headers):
        rows = self.session(payload.inputs[0].as_numpy())
        output = InferOutput("y", list(rows.shape), "FP32")
        output.set_data_from_numpy(rows, binary_data=False)
        return InferResponse(payload.id or "0", self.name, [output])


if __name__ == "__main__":
    # It reads the command line by itself.
    del sys.argv[1:]
    ModelServer(http_port=PORT, workers=1, enable_grpc=False, access_log_format=None).start([Onnx()])
