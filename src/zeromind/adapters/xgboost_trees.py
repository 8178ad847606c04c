"""XGBoost's prediction by its C interface, which its Python function takes longer to prepare than small models to run.

https://xgboost.readthedocs.io/en/stable/c.html
"""

from __future__ import annotations

import ctypes
import functools
import json
import math
import re
from typing import Any

import numpy as np

from zeromind.tensors import Tensor

_PLACE = re.compile(r"^\[[\d:]+\] \S+: ")
_TYPES = {"value": 0, "margin": 1}


class Trees:
    """Asks a booster for ``value`` or ``margin``, FP32 ``[rows]`` or ``[rows, outputs]``, of its first ``iterations`` rounds; 0: all.

    Tables are FP32 in C order and may be read-only. Raises ValueError for what XGBoost refuses.
    """

    def __init__(self, xgboost: Any, booster: Any, iterations: int, missing: float = math.nan) -> None:
        self._booster = booster
        self._library = ctypes.CDLL(xgboost.libpath.find_lib_path()[0])
        self._library.XGBGetLastError.restype = ctypes.c_char_p
        common = {"training": False, "iteration_begin": 0, "iteration_end": iterations, "strict_shape": False, "cache_id": 0}
        self._settings = {name: json.dumps({"type": code, "missing": missing, **common}).encode() for name, code in _TYPES.items()}
        linear = json.loads(booster.save_config())["learner"]["gradient_booster"]["name"] == "gblinear"
        self._matrix = functools.partial(xgboost.DMatrix, missing=missing, nthread=1) if linear else None

    def predict(self, table: Tensor, call: str) -> Tensor:
        """What ``call`` names, for each row of the table."""
        if self._matrix is not None:  # only trees predict in place
            return np.asarray(self._booster.predict(self._matrix(table), output_margin=call == "margin"))
        data = f'{{"data":[{table.ctypes.data},true],"shape":[{table.shape[0]},{table.shape[1]}],"typestr":"<f4","version":3}}'
        shape, dimensions, numbers = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64(), ctypes.POINTER(ctypes.c_float)()
        results = ctypes.byref(shape), ctypes.byref(dimensions), ctypes.byref(numbers)
        if self._library.XGBoosterPredictFromDense(self._booster.handle, data.encode(), self._settings[call], None, *results):
            raise ValueError(f"XGBoost refuses the inputs: {reason(self._library.XGBGetLastError().decode('utf-8', 'replace'))}")
        answer = np.empty(shape[: dimensions.value], np.float32)
        ctypes.memmove(answer.ctypes.data, numbers, answer.nbytes)  # the next call reuses its memory
        return answer


def reason(error: object) -> str:
    """What XGBoost says, without time and place of its source before it and the stack after it."""
    said = " ".join(str(error).partition("Stack trace")[0].split())
    return _PLACE.sub("", said)
