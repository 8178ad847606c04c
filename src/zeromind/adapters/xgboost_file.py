"""An XGBoost model's file: what it is, whether it is whole, and the categories in it.

XGBoost itself must not be asked about files that are cut off or of another kind: it reads beyond their end, which may end the process.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError

# A model is an object of "learner" and "version", keys are sorted: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
_LEARNER = "attributes|feature_names|feature_types|gradient_booster|learner_model_param|objective"
_JSON = re.compile(rb'\s*\{\s*"learner"\s*:\s*\{\s*"(' + _LEARNER.encode() + rb')"\s*:')
_JSON_END = re.compile(rb'"version"\s*:\s*\[\s*(\d+)\s*,\s*(\d+)\s*,\s*\d+\s*\]\s*\}\s*\Z')
_UBJSON = b"{L\0\0\0\0\0\0\0\x07learner{L\0\0\0\0\0\0\0"
_UBJSON_END = re.compile(rb"L\0{7}\x07version\[#L\0{7}\x03i(.)i(.)i.\}\Z", re.DOTALL)
_TAIL = 200
_CATEGORIES = '"cats":{'
_FIRST_IN_BYTES = (3, 3)
"""The versions before count the bounds of categories in characters, of a text in UTF-8: https://github.com/dmlc/xgboost/pull/12371"""


def is_model(head: bytes) -> bool:
    """Whether a file that begins so is XGBoost's JSON or UBJSON."""
    return head.startswith(_UBJSON) or _JSON.match(head) is not None


def read(file: ModelFile) -> tuple[bytearray, tuple[int, int]]:
    """The content of a model's file, and the version of XGBoost that wrote it. Raises LOAD_FAILED if it is not whole."""
    name = file.path.name
    if not is_model(file.head):
        text = f"{name} is no JSON or UBJSON of XGBoost: save the model again with save_model, under a name that ends in .json or .ubj"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)
    content = bytearray(file.path.read_bytes())
    if found := _JSON_END.search(content[-_TAIL:]):
        return content, (int(found[1]), int(found[2]))
    if found := _UBJSON_END.search(content[-_TAIL:]):
        return content, (found[1][0], found[2][0])
    raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{name} is cut off or damaged, it does not end as XGBoost's models do: copy it again", name)


def categories(booster: Any, version: tuple[int, int]) -> list[tuple[Any, ...] | None]:
    """The categories of each feature, numbers or texts: None for one that has none, empty where they are garbled; no list without any."""
    # No call gives them unless pyarrow is installed, but they are in the file.
    text = booster.save_raw("json").decode()
    start = text.find(_CATEGORIES)
    found = json.JSONDecoder().raw_decode(text, start + len(_CATEGORIES) - 1)[0]["enc"] if start >= 0 else []
    return [_decoded(each, version) for each in found]


def _decoded(encoded: Mapping[str, list[int]], version: tuple[int, int]) -> tuple[Any, ...] | None:
    """``encoded`` has whole numbers, or the UTF-8 of all texts and the ``offsets`` of their bounds in it."""
    numbers = encoded["values"]
    if "offsets" not in encoded or not numbers:
        return tuple(numbers) or None
    text = np.array(numbers, np.int64).astype(np.uint8).tobytes()
    if not text.isascii() and version < _FIRST_IN_BYTES:
        return ()
    try:
        return tuple(text[start:end].decode() for start, end in itertools.pairwise(encoded["offsets"]))
    except UnicodeDecodeError:
        return ()
