"""LightGBM's prediction by its C interface: its Python function takes longer to prepare one row than most models to answer it.

https://lightgbm.readthedocs.io/en/latest/C-API.html
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from zeromind.tensors import Tensor

_FP64, _ROW_MAJOR = 1, 1
_TYPES = {"value": 0, "raw": 1}


class Trees:
    """Loads a model and asks it for ``value`` or ``raw``, FP64 ``[rows]`` or ``[rows, outputs]``, of its first ``iterations`` rounds.

    Tables are FP64 in C order and may be read-only. Raises ValueError for what LightGBM refuses.
    """

    def __init__(self, lightgbm: Any, text: bytes, columns: int, iterations: int, threads: int) -> None:
        self._library = lightgbm.basic._LIB  # noqa: SLF001 - wherever it lies, it has no other name
        self._columns, self._iterations = columns, iterations
        self._settings = f"num_threads={threads} verbosity=-1".encode()
        self._model, outputs = ctypes.c_void_p(), ctypes.c_int()
        self._check(self._library.LGBM_BoosterLoadModelFromString(text, ctypes.byref(ctypes.c_int()), ctypes.byref(self._model)))
        self._check(self._library.LGBM_BoosterGetNumClasses(self._model, ctypes.byref(outputs)))
        self._outputs = outputs.value
        self._for_one_row: dict[str, ctypes.c_void_p] = {}

    def predict(self, table: Tensor, call: str) -> Tensor:
        """What ``call`` names, for each row of the table."""
        rows = len(table)
        answer = np.empty((rows, self._outputs) if self._outputs > 1 else rows)
        count, numbers = ctypes.byref(ctypes.c_int64()), ctypes.c_void_p(answer.ctypes.data)
        data = ctypes.c_void_p(table.ctypes.data)
        if rows == 1:
            prepared = self._for_one_row.get(call) or self._prepare_one_row(call)
            self._check(self._library.LGBM_BoosterPredictForMatSingleRowFast(prepared, data, count, numbers))
        else:
            sizes = _FP64, rows, self._columns, _ROW_MAJOR, _TYPES[call], 0, self._iterations
            self._check(self._library.LGBM_BoosterPredictForMat(self._model, data, *sizes, self._settings, count, numbers))
        return answer

    def close(self) -> None:
        """Free the model; it must not be asked any more."""
        for prepared in self._for_one_row.values():
            self._library.LGBM_FastConfigFree(prepared)
        self._for_one_row.clear()
        self._library.LGBM_BoosterFree(self._model)

    def _prepare_one_row(self, call: str) -> ctypes.c_void_p:
        prepared = ctypes.c_void_p()
        sizes = _TYPES[call], 0, self._iterations, _FP64, self._columns
        make = self._library.LGBM_BoosterPredictForMatSingleRowFastInit
        self._check(make(self._model, *sizes, self._settings, ctypes.byref(prepared)))
        self._for_one_row[call] = prepared
        return prepared

    def _check(self, status: int) -> None:
        if status:
            raise ValueError(self._library.LGBM_GetLastError().decode("utf-8", "replace"))
