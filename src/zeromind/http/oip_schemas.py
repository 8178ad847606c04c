"""The named JSON Schemas of the Open Inference Protocol, its extensions included, and of its form of errors."""

from __future__ import annotations

from typing import Any

from zeromind import datatypes
from zeromind.http.schema import STRING, TRUTH, WHOLE, by_name, named, record, several

_COUNT = {**WHOLE, "minimum": 0}
_DATATYPE = {**STRING, "enum": list(datatypes.NUMPY_OF)}
_SHAPE = several(_COUNT)
_OPEN_SHAPE = several({**WHOLE, "minimum": -1}, description="-1 = any")
_PARAMETERS = by_name({"type": ["boolean", "integer", "number", "string"]}, description="name → value")
_DATA = {"type": "array", "description": "flat or nested, row by row"}


def schemas() -> dict[str, Any]:
    """The whole table."""
    return {"Fault": record(error=STRING), **_inference(), **_models(), **_repository(), **_regions(), **_settings()}


def _inference() -> dict[str, Any]:
    return {
        "InferRequest": record(
            {"id": STRING, "parameters": _PARAMETERS, "outputs": several(record({"parameters": _PARAMETERS}, name=STRING))},
            inputs=several(record({"data": _DATA, "parameters": _PARAMETERS}, name=STRING, shape=_SHAPE, datatype=_DATATYPE)),
        ),
        "InferResponse": record(
            {"id": STRING, "parameters": _PARAMETERS},
            model_name=STRING,
            model_version=STRING,
            outputs=several(record({"data": _DATA, "parameters": _PARAMETERS}, name=STRING, datatype=_DATATYPE, shape=_SHAPE)),
        ),
        "GenerateRequest": {"type": "object", "description": "input name → value or list; any other name is a parameter"},
        "GenerateResponse": record({"id": STRING}, model_name=STRING, model_version=STRING),
    }


def _models() -> dict[str, Any]:
    tensors = several(record(name=STRING, datatype=_DATATYPE, shape=_OPEN_SHAPE))
    configured = several(record(name=STRING, data_type=STRING, dims=_OPEN_SHAPE))
    spent = named("Spent")
    compute = {"compute_input": spent, "compute_infer": spent, "compute_output": spent}
    return {
        "ServerMetadata": record(name=STRING, version=STRING, extensions=several(STRING)),
        "ModelMetadata": record(name=STRING, versions=several(STRING), platform=STRING, inputs=tensors, outputs=tensors),
        "ModelConfig": record(name=STRING, platform=STRING, max_batch_size=_COUNT, input=configured, output=configured),
        "Spent": record(count=_COUNT, ns={**_COUNT, "description": "nanoseconds, all together"}),
        "Statistics": record(
            model_stats=several(
                record(
                    {"response_stats": by_name({"type": "object"}), "memory_usage": several({"type": "object"})},
                    name=STRING,
                    version=STRING,
                    last_inference={**_COUNT, "description": "milliseconds since 1970"},
                    inference_count={**_COUNT, "description": "rows"},
                    execution_count={**_COUNT, "description": "batches"},
                    inference_stats=record(success=spent, fail=spent, queue=spent, **compute),
                    batch_stats=several(record(batch_size=_COUNT, **compute)),
                )
            )
        ),
    }


def _repository() -> dict[str, Any]:
    state = {**STRING, "enum": ["READY", "UNAVAILABLE", "LOADING", "UNLOADING", ""]}
    config = {**STRING, "description": "JSON text"}
    overrides = {"type": "object", "properties": {"config": config}, "additionalProperties": STRING}
    return {
        "IndexRequest": record({"ready": TRUTH}),
        "Index": several(record({"version": STRING, "state": state, "reason": STRING}, name=STRING)),
        "LoadRequest": record({"parameters": overrides}),
        "UnloadRequest": record({"parameters": {**record({"unload_dependents": TRUTH}), "additionalProperties": False}}),
    }


def _regions() -> dict[str, Any]:
    handle = record(b64={**STRING, "description": "Base64"})
    return {
        "Region": record(key=STRING, offset=_COUNT, byte_size=_COUNT),
        "Regions": several(record(name=STRING, key=STRING, offset=_COUNT, byte_size=_COUNT)),
        "CudaRegion": record(raw_handle=handle, device_id=_COUNT, byte_size=_COUNT),
        "CudaRegions": several(record(name=STRING, device_id=_COUNT, byte_size=_COUNT)),
    }


def _settings() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    trace = {"trace_level": several(STRING), "trace_rate": STRING, "trace_count": STRING, "log_frequency": STRING}
    change = {"trace_level": {**several(STRING), "type": ["array", "null"]}, "trace_rate": text, "trace_count": text, "log_frequency": text}
    logs = {
        "log_info": TRUTH,
        "log_warning": TRUTH,
        "log_error": TRUTH,
        "log_verbose_level": {**_COUNT, "maximum": (1 << 31) - 1},
        "log_format": {**STRING, "enum": ["default", "ISO8601"]},
    }
    return {
        "Trace": record(**trace, trace_file=STRING, trace_mode=STRING),
        "TraceChange": {**record(change), "additionalProperties": False},
        "Logs": record(**logs, log_file=STRING),
        "LogsChange": {**record(logs), "additionalProperties": False},
    }
