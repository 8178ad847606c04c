"""A model of today's Keras from a configuration of Keras 2: Sequential as a bare list or an object, and functional graphs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from zeromind.adapters import keras_layers
from zeromind.adapters.keras_hdf5 import first_line
from zeromind.errors import ErrorKind, ZeroMindError

NAMELESS = "nameless_sequential"
"""How the name begins of a nested Sequential whose bare list of layers has none."""

_RECURRENT = ("SimpleRNN", "LSTM", "GRU", "CuDNNLSTM", "CuDNNGRU", "RNN", "ConvLSTM2D", "Bidirectional")


def build(keras: Any, entry: Any, allow_code: bool) -> Any:
    """The model that ``{"class_name", "config"}`` describes, with weights of zeros. Raises LOAD_FAILED, naming the layer."""
    kind, config = entry["class_name"], entry["config"]
    name = entry.get("name") if isinstance(config, list) else config.get("name")
    layer = functools.partial(
        keras_layers.build, keras, model=functools.partial(build, keras, allow_code=allow_code), allow_code=allow_code
    )
    if kind == "Sequential":
        return _sequential(keras, name, layers(config), layer)
    if kind in ("Model", "Functional"):
        return _Graph(keras, name, config, layer).model()
    raise keras_layers.unknown(kind, str(name or "?"))


def layers(config: Any) -> list[Any]:
    """The entries of a Sequential's layers, first the one for its input where the file knows its shape."""
    found: list[Any] = config if isinstance(config, list) else config["layers"]
    if not found:
        raise ZeroMindError(ErrorKind.LOAD_FAILED, "the Sequential model has no layers")
    first = found[0]
    if first["class_name"] in ("InputLayer", "Sequential", "Model", "Functional"):
        return found
    shape = first["config"].get("batch_input_shape") or (None if isinstance(config, list) else config.get("build_input_shape"))
    if shape is None:
        return found
    kind = first["config"].get("input_dtype") or keras_layers.dtype(first["config"].get("dtype")) or "float32"
    settings = {"batch_input_shape": shape, "dtype": kind.removeprefix("mixed_"), "name": f"{first['config']['name']}_input"}
    return [{"class_name": "InputLayer", "config": settings}, *found]


def _sequential(keras: Any, name: str | None, entries: list[Any], layer: Callable[[Any], Any]) -> Any:
    made = []
    for index, entry in enumerate(entries):
        if entry["class_name"] == "InputLayer":
            made.append(_input(keras, entry))
        elif isinstance(entry["config"], list):
            made.append(layer({"name": f"{NAMELESS}_{index}", **entry}))
        else:
            made.append(layer(entry))
    return keras.Sequential(made, name=name)


def _input(keras: Any, entry: Any) -> Any:
    settings = entry["config"]
    shape = settings.get("batch_input_shape", settings.get("batch_shape"))
    if settings.get("ragged") or shape is None:
        raise keras_layers.refused("InputLayer", settings["name"], "its shape is not a plain one")
    return keras.Input(batch_shape=tuple(shape), dtype=keras_layers.dtype(settings.get("dtype")) or "float32", name=settings["name"])


class _Graph:
    """A functional model while it is built: layers by name, and the tensors that each call of a layer made."""

    def __init__(self, keras: Any, name: str | None, config: Any, layer: Callable[[Any], Any]) -> None:
        self._keras = keras
        self._name = name
        self._config = config
        self._layer = layer
        # Keras 2 counts a nested model's own making as its first call.
        self._first = {entry["name"]: int(entry["class_name"] in ("Sequential", "Model", "Functional")) for entry in config["layers"]}
        self._made: dict[str, list[list[Any]]] = {}

    def model(self) -> Any:
        """The model; LOAD_FAILED where the calls do not lead from its inputs to its outputs."""
        waiting = [self._calls(entry) for entry in self._config["layers"]]
        while waiting:
            before = sum(map(len, waiting))
            left = [calls for calls in waiting if not self._make(calls)]
            if left and sum(map(len, left)) == before:
                names = ", ".join(repr(calls.entry["name"]) for calls in left)
                raise ZeroMindError(ErrorKind.LOAD_FAILED, f"the graph does not reach the layers {names}")
            waiting = left
        inputs, outputs = (self._ends(self._config[key]) for key in ("input_layers", "output_layers"))
        return self._keras.Model(inputs, outputs, name=self._name)

    def _calls(self, entry: Any) -> _Calls:
        if entry["class_name"] == "InputLayer":
            self._made[entry["name"]] = [[_input(self._keras, entry)]]
            return _Calls(entry, None, [])
        self._made[entry["name"]] = []
        return _Calls(entry, self._layer(entry), list(entry["inbound_nodes"]))

    def _make(self, calls: _Calls) -> bool:
        made = self._made[calls.entry["name"]]
        while calls:
            node = calls.left[0]
            if not all(self._ready(each) for each in _references(node, self._first)):
                return False
            calls.left.pop(0)
            try:
                made.append(self._keras.tree.flatten(self._apply(calls, node)))
            except ZeroMindError:
                raise
            except Exception as error:
                raise keras_layers.refused(calls.entry["class_name"], calls.entry["name"], first_line(error)) from error
        return True

    def _apply(self, calls: _Calls, node: Any) -> Any:
        node = [node] if node and isinstance(node[0], str) else node
        given = [self._tensor(each) for each in node]
        settings = {key: self._value(value) for each in node for key, value in (each[3] if len(each) > 3 else {}).items()}
        settings.pop("training", None)
        if len(given) > 1 and calls.entry["class_name"] in _RECURRENT:
            first, *state = given
            return calls.layer(first, initial_state=state if len(state) > 1 else state[0], **settings)
        return calls.layer(given if len(given) > 1 else given[0], **settings)

    def _ready(self, reference: Any) -> bool:
        name: str = reference[0]
        node: int = reference[1]
        return node - self._first[name] < len(self._made[name])

    def _tensor(self, reference: Any) -> Any:
        name, node, index = reference[:3]
        return self._made[name][node - self._first[name]][index]

    def _value(self, value: Any) -> Any:
        if _is_reference(value, self._first):
            return self._tensor(value)
        return [self._value(each) for each in value] if isinstance(value, list) else value

    def _ends(self, ends: Any) -> Any:
        if _is_reference(ends, self._first):
            return self._tensor(ends)
        if isinstance(ends, dict):
            return {key: self._tensor(end) for key, end in ends.items()}
        tensors = [self._tensor(end) for end in ends]
        return tensors if len(tensors) > 1 else tensors[0]


class _Calls:
    """A layer and the calls of it that are still to be made."""

    def __init__(self, entry: Any, layer: Any, left: list[Any]) -> None:
        self.entry = entry
        self.layer = layer
        self.left = left

    def __len__(self) -> int:
        return len(self.left)


def _is_reference(value: Any, names: Any) -> bool:
    return isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str) and value[0] in names and isinstance(value[1], int)


def _references(value: Any, names: Any) -> list[Any]:
    if _is_reference(value, names):
        return [value, *_references(value[3:], names)]
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [found for each in inner for found in _references(each, names)]
