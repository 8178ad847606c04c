"""The named JSON Schemas of requests and answers, by dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zeromind.config.options import TASK, Option
from zeromind.http import envelope, info_schemas, oip_schemas, tensorflow_schemas
from zeromind.http.schema import ANYTHING, NUMBER, STRING, TRUTH, WHOLE, by_name, named, record, several


def named_schemas() -> dict[str, Any]:
    """Those of every dialect."""
    return {**_zeromind(), **info_schemas.schemas(), **oip_schemas.schemas(), **tensorflow_schemas.schemas()}


def _zeromind() -> dict[str, Any]:
    size = {"type": ["integer", "null"], "description": "null = any"}
    tensors = by_name(record(name=STRING, type=STRING, shape=several(size)), description="index, from 0, → tensor")
    fault = record(
        code={**WHOLE, "enum": sorted({code for _, code in envelope.TABLE.values()})},
        message={**STRING, "description": "what, which, and what to do"},
        params={"type": "array", "description": "the values of which it speaks"},
    )
    return {
        "Errors": record(errors=several(fault, minItems=1)),
        "Info": record(
            service={"const": "ModelPool"},
            id=WHOLE,
            options=record({"model_types": several(STRING)}, debug=TRUTH),
            version=several(WHOLE, minItems=3, maxItems=3),
        ),
        "Task": record(
            id=STRING, model_type=STRING, model_file=STRING, input_filters={"type": "object"}, output_filters={"type": "object"}
        ),
        "Tasks": record(id=WHOLE, tasks=several(named("Task"))),
        "NewTask": _task(),
        "Known": record({"check_sum": {"description": "of the last answer; anything but the present one asks for the ids"}}),
        "Models": record(id=WHOLE, check_sum=STRING, models=several(STRING)),
        "Interface": record(inputs=tensors, outputs=tensors, tool={**STRING, "description": "the adapter"}),
        "Loaded": record(
            {"gpu_memory_consumed": by_name(WHOLE, description="device → bytes, where the model holds any")},
            result={"const": True},
            load_time={**NUMBER, "description": "seconds"},
            memory_consumed=WHOLE,
            model_id=STRING,
        ),
        "Dropped": record(result={"const": True}, unload_time={**NUMBER, "description": "seconds"}, memory_released=WHOLE, model_id=STRING),
        "Data": by_name(ANYTHING, description="input name → data, as the input's shape has it, or as its filters take it", minProperties=1),
        "Prediction": record(
            result=by_name(ANYTHING, description="output name → data"), model_time={**NUMBER, "description": "the model's own seconds"}
        ),
        "Stop": record(pool_id={**WHOLE, "description": "as /info shows it"}),
        "Stopping": record(result={"const": "accepted"}, id=WHOLE),
    }


def _task() -> dict[str, Any]:
    """What ``/model/load`` takes: the keys of every task; those of its adapter come beside them."""
    keys = {option.key: _option(option) for option in TASK if option.key != "allow_code"}
    return {"type": "object", "properties": keys, "required": [option.key for option in TASK if option.default is None]}


def _option(option: Option) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": option.help, **_KINDS[option.kind]}
    if option.default is not None:
        schema["default"] = option.default
    if option.choices:
        schema["enum"] = list(option.choices)
    if option.kind in ("int", "number"):
        bounds = {"minimum": option.least, "maximum": option.most}
        schema.update({name: value for name, value in bounds.items() if value is not None})
    return schema


_FILTER = {"anyOf": [STRING, record(filter=STRING)]}
_SIZE = {"type": ["integer", "null"], "minimum": -1}
_VALUES = {"anyOf": [by_name(ANYTHING), STRING]}
_SAMPLE = record(
    {"outputs": {"anyOf": [by_name(ANYTHING), STRING, several(_VALUES)]}, "rtol": NUMBER, "atol": NUMBER, "parameters": by_name(ANYTHING)},
    inputs=_VALUES,
)
_KINDS: Mapping[str, Mapping[str, Any]] = {
    "int": WHOLE,
    "number": NUMBER,
    "bool": TRUTH,
    "string": STRING,
    "strings": several(STRING),
    "tasks": several({"type": "object"}),
    "tensors": several(record(name=STRING, type=STRING, shape=several(_SIZE))),
    "filters": by_name(several(_FILTER)),
    "labels": by_name({"anyOf": [several(STRING), STRING]}),
    "samples": several(_SAMPLE),
}
