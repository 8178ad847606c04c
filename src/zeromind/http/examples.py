"""A request and its answer for each route, as the demo of the default configuration gives them, in an order that can be played."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """A request and the answer to it.

    ``target`` is the path with its query, ``body`` a JSON text that is posted, ``file`` instead a file that is the body, of the
    content type ``media``. Without either it is a GET, unless ``method`` says otherwise.
    """

    target: str
    answer: str
    body: str = ""
    file: str = ""
    media: str = "application/json"
    method: str = ""

    def __post_init__(self) -> None:
        if not self.method:
            object.__setattr__(self, "method", "POST" if self.body or self.file else "GET")

    def as_dict(self) -> dict[str, Any]:
        """Its fields."""
        return dataclasses.asdict(self)


_SCALED = "i_img_file_to_ns_arr.ImageFileToNormAndScaledNPArrayFilter"
_TASK = (
    '"model_type": "keras", "model_file": "models/mnist_cnn_model.keras", '
    f'"input_filters": {{"conv2d_1_input:0": ["{_SCALED}"]}}, "output_filters": '
)

EXAMPLES: Mapping[str, tuple[Example, ...]] = {
    "/info": (Example("/info", '{"service": "ModelPool", "id": 1, "options": {"debug": false}, "version": [2, 0, 0]}'),),
    "/info/system": (
        Example(
            "/info/system",
            '{"id": 1, "cpu_usage": 1.3, "memory": {"total": 16777216000, "available": 12884901888, "percent": 23.2, …}, '
            '"python": [3, 11, 2, "final", 0]}',
        ),
    ),
    "/info/task": (Example("/info/task?id=1", f'{{"id": "1", {_TASK}{{}}}}'),),
    "/info/tasks": (Example("/info/tasks", f'{{"id": 1, "tasks": [{{"id": "1", {_TASK}{{}}}}]}}'),),
    "/model/list": (
        Example("/model/list", '{"id": 1, "check_sum": "4d8a15e3cc35750f016ce15a43937620", "models": ["1"]}'),
        Example(
            "/model/list",
            '{"id": 1, "check_sum": "4d8a15e3cc35750f016ce15a43937620", "models": []}',
            body='{"check_sum": "4d8a15e3cc35750f016ce15a43937620"}',
        ),
    ),
    "/model/info": (
        Example(
            "/model/info?id=1",
            '{"inputs": {"0": {"name": "conv2d_1_input:0", "type": "float32", "shape": [null, 28, 28, 1]}}, '
            '"outputs": {"0": {"name": "dense_2/Softmax:0", "type": "float32", "shape": [null, 10]}}, "tool": "keras"}',
        ),
    ),
    "/model/load": (
        Example(
            "/model/load",
            '{"result": true, "load_time": 1.92, "memory_consumed": 301989888, "model_id": "new"}',
            body=f'{{"id": "new", {_TASK}{{"dense_2/Softmax:0": ["io_argmax.ArgMaxFilter"]}}}}',
        ),
    ),
    "/model/drop": (
        Example("/model/drop?id=new", '{"result": true, "unload_time": 0.11, "memory_released": 301989888, "model_id": "new"}'),
    ),
    "/model/predict": (
        Example(
            "/model/predict?id=1",
            '{"result": {"dense_2/Softmax:0": [[0.0, 0.0, 0.0, 0.0001, 0.0, 0.9999, 0.0, 0.0, 0.0, 0.0]]}, "model_time": 0.0006}',
            body='{"conv2d_1_input:0": [{"image_file": "samples/image5.png"}]}',
        ),
        Example(
            "/model/predict?id=1",
            '{"result": {"dense_2/Softmax:0": [[0.0, 0.0, 0.0, 0.0001, 0.0, 0.9999, 0.0, 0.0, 0.0, 0.0]]}, "model_time": 0.0006}',
            file="samples/image5.png",
            media="image/png",
        ),
    ),
    "/v2/health/live": (Example("/v2/health/live", ""),),
    "/v2/health/ready": (Example("/v2/health/ready", ""),),
    "/v2": (Example("/v2", '{"name": "0Mind", "version": "2.0.0", "extensions": ["classification", "model_repository", …]}'),),
    "/v2/models/{id}[/versions/{version}]": (
        Example(
            "/v2/models/1",
            '{"name": "1", "versions": ["1"], "platform": "keras", '
            '"inputs": [{"name": "conv2d_1_input:0", "datatype": "BYTES", "shape": [-1]}], '
            '"outputs": [{"name": "dense_2/Softmax:0", "datatype": "FP32", "shape": [-1, 10]}]}',
        ),
    ),
    "/v2/models/{id}[/versions/{version}]/ready": (Example("/v2/models/1/ready", ""),),
    "/v2/models/{id}[/versions/{version}]/infer": (
        Example(
            "/v2/models/1/infer",
            '{"model_name": "1", "model_version": "1", "outputs": [{"name": "dense_2/Softmax:0", "datatype": "FP32", "shape": [1, 10], '
            '"data": [0.0, 0.0, 0.0, 0.0001, 0.0, 0.9999, 0.0, 0.0, 0.0, 0.0]}]}',
            body='{"inputs": [{"name": "conv2d_1_input:0", "datatype": "BYTES", "shape": [1], '
            '"data": ["{\\"image_file\\": \\"samples/image5.png\\"}"]}]}',
        ),
    ),
    "/v2/models/{id}[/versions/{version}]/generate": (
        Example(
            "/v2/models/1/generate",
            '{"model_name": "1", "model_version": "1", "dense_2/Softmax:0": [0.0, 0.0, 0.0, 0.0001, 0.0, 0.9999, 0.0, 0.0, 0.0, 0.0]}',
            body='{"conv2d_1_input:0": {"image_file": "samples/image5.png"}}',
        ),
    ),
    "/v2/repository/index": (
        Example("/v2/repository/index", '[{"name": "1", "version": "1", "state": "READY", "reason": ""}]', body='{"ready": true}'),
    ),
    "/v2/logging": (
        Example(
            "/v2/logging",
            '{"log_file": "", "log_info": true, "log_warning": true, "log_error": true, "log_verbose_level": 0, "log_format": "default"}',
        ),
    ),
    "/v1/models/{model}(|/versions/{version}|/labels/{label})": (
        Example(
            "/v1/models/1",
            '{"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]}',
        ),
    ),
    "/v1/models/{model}(|/versions/{version}|/labels/{label}):predict": (
        Example(
            "/v1/models/1:predict",
            '{"predictions": [[0.0, 0.0, 0.0, 0.0001, 0.0, 0.9999, 0.0, 0.0, 0.0, 0.0]]}',
            body='{"instances": [{"image_file": "samples/image5.png"}]}',
        ),
    ),
    "/command/stop": (Example("/command/stop", '{"result": "accepted", "id": 1}', body='{"pool_id": 1}'),),
}
