"""The named JSON Schemas of TensorFlow Serving's REST API (tensorflow_serving/g3doc/api_rest.md)."""

from __future__ import annotations

from typing import Any

from zeromind.http.schema import ANYTHING, NUMBER, STRING, record, several


def schemas() -> dict[str, Any]:
    """The whole table."""
    signature = {"signature_name": STRING}
    version = record(
        version=STRING,
        state={**STRING, "enum": ["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]},
        status=record(error_code=STRING, error_message=STRING),
    )
    rows = {**record(signature, instances=several(ANYTHING)), "description": "a list of rows"}
    columns = {**record(signature, inputs=ANYTHING), "description": "whole tensors"}
    examples = record({**signature, "context": {"type": "object"}}, examples=several({"type": "object"}, minItems=1))
    return {
        "ModelStatus": record(model_version_status=several(version)),
        "SignatureMetadata": record(
            model_spec=record(name=STRING, signature_name=STRING, version=STRING), metadata=record(signature_def={"type": "object"})
        ),
        "PredictRequest": {"oneOf": [rows, columns]},
        "PredictResponse": {"oneOf": [record(predictions={"type": "array"}), record(outputs=ANYTHING)]},
        "ExamplesRequest": examples,
        "ClassifyResponse": record(results=several(several({"type": "array", "description": "label, score"}))),
        "RegressResponse": record(results=several(NUMBER)),
    }
