"""The named JSON Schemas of what there is to see of a pool (``http.info``)."""

from __future__ import annotations

from typing import Any

from zeromind.errors import ErrorKind
from zeromind.http.schema import NUMBER, STRING, TRUTH, WHOLE, by_name, named, record, several
from zeromind.observe.statistics import CANCELLED, STAGES

_BYTES = {**WHOLE, "description": "bytes"}
_TIME = {**NUMBER, "description": "seconds since 1970"}
_SECONDS = {**NUMBER, "description": "seconds"}
_DEVICES = by_name(_BYTES, description="device → bytes")


def schemas() -> dict[str, Any]:
    """By name."""
    size = {"type": ["integer", "null"], "description": "null = any"}
    tensor = {"name": STRING, "type": STRING, "shape": several(size), "filters": several(STRING)}
    labels = {"type": ["array", "null"], "items": STRING, "description": "the names of the classes"}
    return {
        "System": record(
            id=WHOLE,
            cpu_usage={**NUMBER, "description": "percent"},
            memory=by_name(NUMBER, description="bytes, and `percent`"),
            python={"type": "array", "description": "version"},
            cores=WHOLE,
            uptime_s=_SECONDS,
            process=record(pid=WHOLE, memory=_BYTES),
            gpus=several(record(name=STRING, memory=_BYTES, used=_BYTES)),
            version=STRING,
            platform=STRING,
            adapters=by_name({"type": ["string", "null"]}, description="name → version of its framework, null if that is missing"),
            filters={**several(STRING), "description": "the built-in ones"},
        ),
        "Described": record(id=WHOLE, models=several(named("DescribedModel"))),
        "DescribedModel": record(
            id=STRING,
            version=STRING,
            state={"enum": ["READY", "LOADING", "UNLOADING", "UNAVAILABLE"]},
            stage={**STRING, "description": "what is done to load it"},
            since={**_TIME, "description": "when it came to its state, in seconds since 1970"},
            model_file=STRING,
            adapter=STRING,
            isolation=STRING,
            instances=WHOLE,
            max_batch_size=WHOLE,
            batches=TRUTH,
            decoupled=TRUTH,
            parameters=TRUTH,
            inputs=several(record(**tensor, media=several(STRING))),
            outputs=several(record(**tensor, labels=labels)),
            workers=several(named("DescribedWorker")),
            memory=_BYTES,
            gpu_memory=_DEVICES,
            load_time=_SECONDS,
            error={"anyOf": [{"type": "null"}, record(message=STRING, time=_TIME, kind={"enum": [kind.name for kind in ErrorKind]})]},
        ),
        "DescribedWorker": record(
            pid={"type": ["integer", "null"]}, state={"enum": ["ready", "starting", "waiting"]}, restarts=WHOLE, memory=_BYTES
        ),
        "Activity": record(
            id=WHOLE,
            time={**_SECONDS, "description": "on a clock of the server's that nobody sets"},
            bounds=several(_SECONDS, description="upper bounds of the buckets of histograms; there is one more bucket beyond"),
            models=by_name(named("ModelActivity")),
        ),
        "ModelActivity": record(
            requests={**WHOLE, "description": "answered with a result"},
            failures=by_name(WHOLE, description=f"by kind of error; `{CANCELLED}`: the client did not wait"),
            rows=WHOLE,
            batches=WHOLE,
            queue={**WHOLE, "description": "requests that wait"},
            running={**WHOLE, "description": "requests in workers"},
            batch_sizes=by_name(WHOLE, description="rows → batches"),
            stages=record(**dict.fromkeys(STAGES, named("Histogram"))),
        ),
        "Histogram": record(counts=several(WHOLE, description="by bucket, zeros at the end left out"), seconds=_SECONDS),
        "Log": record(id=WHOLE, model=STRING, lines=several(record(time=_TIME, pid=WHOLE, text=STRING))),
    }
