"""A LightGBM model's file, read so far that LightGBM can be trusted with it: given a file that was cut off, it ends the process."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeromind.adapters.columns import Column
from zeromind.errors import ErrorKind, ZeroMindError

# How LightGBM writes a model: https://github.com/microsoft/LightGBM/blob/master/src/boosting/gbdt_model_text.cpp
HEAD = re.compile(rb"tree\nversion=v[2-9]\d*\n(?=[a-z])")
_FIRST_TREE, _LAST_TREE = b"\n\nTree=0\n", b"end of trees\n"
_LAST_PARAMETER = b"\nend of parameters\n"
_CATEGORICAL = re.compile(rb"\n\[categorical_feature: (\d+(?:,\d+)*)\]\n")
_CATEGORIES = b"\npandas_categorical:"


@dataclasses.dataclass(frozen=True)
class Model:
    """A model: its text, what its head says, its columns, and whether it does not tell of which of these its categories are."""

    text: bytes
    head: Mapping[str, str]
    columns: tuple[Column, ...]
    rounds: int
    unplaced: bool

    @property
    def objective(self) -> str:
        """Its name; empty for one of the user's own."""
        return self.head.get("objective", "").partition(" ")[0]


def read(path: Path) -> Model:
    """The model in a file. Raises LOAD_FAILED for one that is not whole."""
    text = path.read_bytes()
    start = text.find(_FIRST_TREE)
    end = text.find(_LAST_TREE, start)
    if not HEAD.match(text) or start < 0 or end < 0:
        raise _failed(path, "its trees do not end")
    try:
        pairs = (line.partition("=") for line in text[:start].decode().split("\n"))
        head = {key: value for key, _, value in pairs}
        count = int(head["max_feature_idx"]) + 1
        rounds = text.count(b"\nTree=", start, end) // int(head["num_tree_per_iteration"])
        sizes = [int(size) for size in head.get("tree_sizes", "").split()]
        categories = _categories(text[end:])
    except (ValueError, KeyError, RecursionError, ZeroDivisionError) as error:
        raise _failed(path, str(error)) from None
    if sizes and sum(sizes) != end - (start + len(b"\n\n")):
        raise _failed(path, "its trees are not as long as it says")
    names = head.get("feature_names", "").split(" ")
    names = names if len(names) == count and not all(name == f"Column_{place}" for place, name in enumerate(names)) else [""] * count
    found = _CATEGORICAL.search(text, end)
    places = [int(place) for place in found[1].split(b",")] if found else []
    placed = dict(zip(places, categories, strict=True)) if len(places) == len(categories) else {}
    columns = tuple(_column(name, placed.get(place)) for place, name in enumerate(names))
    return Model(text, head, columns, rounds, unplaced=bool(categories) and not placed)


def _categories(rest: bytes) -> list[list[Any]]:
    """The categories of the training DataFrame's categorical columns, in the order of these, by what follows the trees.

    Raises ValueError if that is cut off.
    """
    _, found, rest = rest.partition(_LAST_PARAMETER)
    if not found:
        raise ValueError("its parameters do not end")
    if rest.startswith(_CATEGORIES):
        return json.loads(rest.removeprefix(_CATEGORIES)) or []
    if rest.strip():
        raise ValueError("its end is unknown")
    return []


def _column(name: str, values: list[Any] | None) -> Column:
    if values is None:
        return Column(name, "FP64")
    if any(isinstance(value, str) for value in values):
        return Column(name, "BYTES", tuple(values))
    return Column(name, "FP64", tuple(float(value) for value in values))


def _failed(path: Path, why: str) -> ZeroMindError:
    text = f"{path.name} is no whole model of LightGBM, {why}: save it again with Booster.save_model"
    return ZeroMindError(ErrorKind.LOAD_FAILED, text, path.name)
