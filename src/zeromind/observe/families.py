"""The metrics that a pool gives, each with what it means: ``docs/metrics.md`` and ``observe.metrics`` are made of this table."""

from __future__ import annotations

import dataclasses
from typing import Literal

_MODEL = ("model", "version")
_GPU = ("gpu_uuid",)


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """A metric by its name, without what the parts of a histogram or a summary have behind it."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "summary"]
    labels: tuple[str, ...]
    unit: str
    help: str

    @property
    def tritons(self) -> bool:
        """Whether it has the name that Triton gives it."""
        return self.name.startswith("nv_")


OURS = (
    Family("zeromind_pool_info", "gauge", ("id", "version"), "", "1, with the pool's id and the version of 0Mind"),
    Family("zeromind_ready", "gauge", (), "", "1 once every configured model has loaded or failed, until the pool stops"),
    Family("zeromind_uptime_seconds", "gauge", (), "seconds", "Since the pool was made"),
    Family("zeromind_server_memory_bytes", "gauge", (), "bytes", "Resident memory of the server's own process, without workers"),
    Family("zeromind_connections", "gauge", ("protocol",), "", "Open connections, by protocol: http or grpc"),
    Family("zeromind_answers_total", "counter", ("protocol", "status"), "", "Answers of every route, by HTTP status or gRPC code"),
    Family("zeromind_model_info", "gauge", (*_MODEL, "adapter", "isolation"), "", "1, with the model's adapter and isolation"),
    Family("zeromind_model_state", "gauge", (*_MODEL, "state"), "", "1 for the state in which the model is, 0 for the others"),
    Family("zeromind_model_load_seconds", "gauge", _MODEL, "seconds", "How long the model took to load"),
    Family("zeromind_model_memory_bytes", "gauge", _MODEL, "bytes", "What the model's workers hold; shared pages by their share"),
    Family("zeromind_model_gpu_memory_bytes", "gauge", (*_MODEL, "device"), "bytes", "What the model's workers hold of a GPU's memory"),
    Family("zeromind_workers", "gauge", (*_MODEL, "state"), "", "Workers by state: ready, starting, or waiting to be started again"),
    Family("zeromind_worker_restarts_total", "counter", _MODEL, "", "How often workers died and were started again"),
    Family("zeromind_requests_total", "counter", (*_MODEL, "outcome"), "", "Requests: OK, CANCELLED by their client, or the kind of error"),
    Family("zeromind_stage_seconds", "histogram", (*_MODEL, "stage"), "seconds", "How long answered requests took, whole and by stage"),
    Family("zeromind_first_response_seconds", "histogram", _MODEL, "seconds", "How long streams took to their first response"),
    Family("zeromind_batch_size", "histogram", _MODEL, "rows", "Rows of each run of the model"),
    Family("zeromind_queue_length", "gauge", _MODEL, "", "Requests that wait"),
    Family("zeromind_queue_limit", "gauge", _MODEL, "", "How many requests may wait (max_queue)"),
    Family("zeromind_queue_limit_bytes", "gauge", _MODEL, "bytes", "How large the requests that wait may be together (max_queue_bytes)"),
    Family("zeromind_running_requests", "gauge", _MODEL, "", "Requests that workers have"),
)
"""Under names of ours."""

TRITONS = (
    Family("nv_inference_request_success", "counter", _MODEL, "", "Requests that were answered with a result"),
    Family("nv_inference_request_failure", "counter", (*_MODEL, "reason"), "", "Those that were not: REJECTED, CANCELED, BACKEND, OTHER"),
    Family("nv_inference_count", "counter", _MODEL, "rows", "Rows that the model was run on"),
    Family("nv_inference_exec_count", "counter", _MODEL, "", "Runs of the model, each of a batch"),
    Family("nv_inference_pending_request_count", "gauge", _MODEL, "", "Requests that wait"),
    Family("nv_inference_request_duration_us", "counter", _MODEL, "microseconds", "Sum over requests: the whole of them"),
    Family("nv_inference_queue_duration_us", "counter", _MODEL, "microseconds", "Sum over requests: waiting"),
    Family("nv_inference_compute_input_duration_us", "counter", _MODEL, "microseconds", "Sum over requests: inputs and their filters"),
    Family("nv_inference_compute_infer_duration_us", "counter", _MODEL, "microseconds", "Sum over requests: the model itself"),
    Family("nv_inference_compute_output_duration_us", "counter", _MODEL, "microseconds", "Sum over requests: outputs and their filters"),
    Family("nv_inference_request_summary_us", "summary", _MODEL, "microseconds", "Quantiles of about the last minute: whole requests"),
    Family("nv_inference_queue_summary_us", "summary", _MODEL, "microseconds", "Quantiles of about the last minute: waiting"),
    Family("nv_inference_compute_input_summary_us", "summary", _MODEL, "microseconds", "Quantiles of about the last minute: inputs"),
    Family("nv_inference_compute_infer_summary_us", "summary", _MODEL, "microseconds", "Quantiles of about the last minute: the model"),
    Family("nv_inference_compute_output_summary_us", "summary", _MODEL, "microseconds", "Quantiles of about the last minute: outputs"),
    Family("nv_inference_first_response_histogram_ms", "histogram", _MODEL, "milliseconds", "To the first response, of decoupled models"),
    Family("nv_gpu_utilization", "gauge", _GPU, "share", "How busy a GPU was, from 0 to 1"),
    Family("nv_gpu_memory_total_bytes", "gauge", _GPU, "bytes", "Memory of a GPU"),
    Family("nv_gpu_memory_used_bytes", "gauge", _GPU, "bytes", "What all processes use of it"),
    Family("nv_gpu_power_usage", "gauge", _GPU, "watts", "What a GPU draws"),
    Family("nv_gpu_power_limit", "gauge", _GPU, "watts", "What it may draw"),
    Family("nv_energy_consumption", "counter", _GPU, "joules", "What it has drawn since its driver was loaded"),
    Family("nv_cpu_utilization", "gauge", (), "share", "How busy the host's cores were since the last reading, from 0 to 1"),
    Family("nv_cpu_memory_total_bytes", "gauge", (), "bytes", "Memory of the host"),
    Family("nv_cpu_memory_used_bytes", "gauge", (), "bytes", "What is used of it"),
)
"""Under those that Triton has given them (docs/user_guide/metrics.md), for dashboards that exist."""

FAMILIES: tuple[Family, ...] = (*OURS, *TRITONS)
