"""Ray Serve: a cluster of this machine alone, one replica, requests joined by its own decorator."""

import signal
from pathlib import Path

import numpy as np
import ray
from ray import serve
from session import BATCH, NAME, PORT, Model


@serve.deployment(num_replicas=1, max_ongoing_requests=200, ray_actor_options={"num_cpus": 0.5})
class Onnx:
    def __init__(self):
        self.model = Model()

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0.001)
    async def joined(self, rows):
        return self.model(np.stack(rows)).tolist()

    async def __call__(self, request):
        body = await request.json()
        return {"y": await self.joined(self.model.row(body["data"]))}


if __name__ == "__main__":
    folder = str(Path.cwd())
    ray.init(
        num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False, _temp_dir=folder, _node_ip_address="127.0.0.1"
    )
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(Onnx.bind(), name=NAME, route_prefix="/predict")
    signal.pause()
