"""A loaded skill: the adapter between its input and output filters, run on batches of requests."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from zeromind import datatypes, strictjson
from zeromind.adapters.base import Adapter, Source, check_options
from zeromind.adapters.file import ModelFile
from zeromind.config.task import FilterUse, Task
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.order import Order
from zeromind.filters import base as filters
from zeromind.plugins import Plugins
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, ModelSpec, Tensor, TensorSpec, Value, find

Answer: TypeAlias = "InferResponse | ZeroMindError"
Chain: TypeAlias = "tuple[tuple[str, filters.Filter], ...]"

_log = logging.getLogger(__name__)


class Skill:
    """One model with its filters. Loading raises ZeroMindError; ``run`` never raises, it answers each request."""

    def __init__(self, order: Order) -> None:
        task = Task.parse(order.task)
        plugins = Plugins(order.adapter_folders, order.filter_folders)
        file = ModelFile(Path(order.model_file))
        adapter_class = _choose(plugins, task.model_type, file)
        _permit(adapter_class, file, order)
        check_options(adapter_class, task.options)
        source = Source(file, task.inputs, task.outputs, task.device, order.threads, order.allow_code, task.options)
        self._adapter: Adapter = _known_or(ErrorKind.LOAD_FAILED, f"the {adapter_class.name} adapter cannot load it", adapter_class, source)
        own = self._adapter.spec
        inputs, self._input_names = _rename(own.inputs, task.input_filters, "input")
        outputs, self._output_names = _rename(own.outputs, task.output_filters, "output")
        self._inputs = {spec.name: spec for spec in inputs}
        self._outputs = {spec.name: spec for spec in outputs}
        files = filters.Files([Path(root) for root in order.roots], trusted=order.trusted)
        self._input_filters = _chains(plugins, task.input_filters, files, "input")
        self._output_filters = _chains(plugins, task.output_filters, files, "output")
        files.trusted = False  # from here on it is clients that name files
        media = {name: tuple(getattr(chain[0][1], "media", ())) for name, chain in self._input_filters.items()}
        self.interface = Interface(
            ModelSpec(inputs, outputs, own.batches),
            adapter_class.name,
            frozenset(self._input_filters),
            frozenset(self._output_filters),
            {name: types for name, types in media.items() if types},
        )

    def run(self, requests: Sequence[InferRequest]) -> list[Answer]:
        """One answer per request, in order; what is wrong with one request stays with it."""
        answers: dict[int, Answer] = {}
        groups: dict[Any, list[tuple[int, dict[str, Tensor]]]] = {}
        for index, request in enumerate(requests):
            try:
                tensors = self._filter_inputs(request)
                if self.interface.spec.batches:
                    _check_rows(tensors)
            except ZeroMindError as error:
                answers[index] = error
                continue
            key = _signature(tensors) if self.interface.spec.batches else index
            groups.setdefault(key, []).append((index, tensors))
        for group in groups.values():
            answers.update(zip((index for index, _ in group), self._predict([tensors for _, tensors in group]), strict=True))
        return [answers[index] for index in range(len(requests))]

    def close(self) -> None:
        """Let go of the model."""
        self._adapter.close()

    def _filter_inputs(self, request: InferRequest) -> dict[str, Tensor]:
        tensors = {}
        for name, value in request.inputs.items():
            spec = self._inputs[name]
            if isinstance(value, Encoded):
                tensors[self._input_names[name]] = _filter_input(value, self._input_filters[name], spec)
            else:
                tensors[self._input_names[name]] = value
        return tensors

    def _predict(self, group: list[dict[str, Tensor]]) -> list[Answer]:
        """Answers for requests whose tensors may be joined; where the joined call fails, each is tried alone."""
        try:
            if len(group) == 1:
                return [self._answer(*self._timed(group[0]))]
            joined = {name: np.concatenate([tensors[name] for tensors in group]) for name in group[0]}
            outputs, seconds = self._timed(joined)
        except ZeroMindError as error:
            return [error] if len(group) == 1 else [answer for tensors in group for answer in self._predict([tensors])]
        answers: list[Answer] = []
        start = 0
        for tensors in group:
            rows = len(next(iter(tensors.values())))
            part = {name: array[start : start + rows] for name, array in outputs.items()}
            start += rows
            try:
                answers.append(self._answer(part, seconds))
            except ZeroMindError as error:
                answers.append(error)
        return answers

    def _timed(self, inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], float]:
        start = time.perf_counter()
        outputs = _known_or(ErrorKind.PREDICTION_FAILED, "the model failed on this input", self._call, inputs)
        return outputs, time.perf_counter() - start

    def _call(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        rows = len(next(iter(inputs.values()))) if self.interface.spec.batches else None
        predicted = self._adapter.predict(inputs)
        outputs = {}
        for name, spec in self._outputs.items():
            own = self._output_names[name]
            if own not in predicted:
                raise ZeroMindError(ErrorKind.OUTPUT_NAME, f"the model gave no output {own!r}", own)
            array = np.asarray(predicted[own])
            array = datatypes.as_bytes(array) if spec.datatype == "BYTES" else array.astype(spec.dtype, copy=False)
            if rows is not None and array.shape[:1] != (rows,):
                raise ZeroMindError(ErrorKind.PREDICTION_FAILED, f"output {own!r} has shape {list(array.shape)} for {rows} rows of input")
            outputs[name] = array
        return outputs

    def _answer(self, outputs: Mapping[str, Tensor], seconds: float) -> InferResponse:
        values: dict[str, Value] = {}
        for name, array in outputs.items():
            chain = self._output_filters.get(name)
            values[name] = _filter_output(array, chain, self._outputs[name]) if chain else array
        return InferResponse(values, seconds)


def _choose(plugins: Plugins, model_type: str, file: ModelFile) -> type[Adapter]:
    if model_type:
        adapter: type[Adapter] = plugins.adapter(model_type)
        return adapter
    fitting: list[type[Adapter]] = [cls for cls in plugins.adapters() if cls.recognises(file)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(repr(cls.name) for cls in fitting)
        raise ZeroMindError(ErrorKind.MODEL_TYPE_UNKNOWN, f"the model file fits several adapters: set 'model_type' to one of {names}")
    known = "; ".join(f"{cls.name}: {cls.formats}" for cls in plugins.adapters())
    raise ZeroMindError(
        ErrorKind.MODEL_TYPE_UNKNOWN, f"no adapter recognises the model file; set 'model_type', or check the file ({known})"
    )


def _permit(adapter: type[Adapter], file: ModelFile, order: Order) -> None:
    """Refuse what the pool's rules forbid, before anything of the file is loaded."""
    if order.model_types and adapter.name not in order.model_types:
        allowed = ", ".join(order.model_types)
        raise ZeroMindError(ErrorKind.MODEL_TYPE_NOT_ALLOWED, f"this pool serves only {allowed}, not {adapter.name!r}", adapter.name)
    danger = adapter.carries_code(file)
    if danger and not order.allow_code:
        raise ZeroMindError(
            ErrorKind.CODE_NOT_ALLOWED,
            f"the model file can run code ({danger}), which the operator has to allow: 'allow_code': true for the task in the "
            "configuration, --allow-code on the command line, or its folder among the pool's 'code_roots'",
            adapter.name,
        )


def _rename(specs: Iterable[TensorSpec], uses: Mapping[str, Any], side: str) -> tuple[tuple[TensorSpec, ...], dict[str, str]]:
    """The specs under the names that the task's filters use, and the way back to the model's own names."""
    specs = tuple(specs)
    asked: dict[str, str] = {}
    for name in uses:
        spec = find(specs, name)
        if spec is None:
            names = ", ".join(repr(spec.name) for spec in specs)
            raise ZeroMindError(
                ErrorKind.TASK_ATTRIBUTE, f"'{side}_filters' names {name!r}, but the model's {side}s are {names}", f"{side}_filters"
            )
        if spec.name in asked:
            text = f"'{side}_filters' names one {side} twice, {asked[spec.name]!r} and {name!r}: put its filters into one list"
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, f"{side}_filters")
        asked[spec.name] = name
    renamed = []
    for spec in specs:
        name = asked.get(spec.name, spec.name)
        extra = () if name == spec.name else (re.escape(spec.name),)
        renamed.append(dataclasses.replace(spec, name=name, aliases=spec.aliases + extra))
    return tuple(renamed), {asked.get(spec.name, spec.name): spec.name for spec in specs}


def _chains(plugins: Plugins, uses: Mapping[str, Sequence[FilterUse]], files: filters.Files, side: str) -> dict[str, Chain]:
    chains = {}
    for name, entries in uses.items():
        chain = []
        for use in entries:
            cls = _known_or(ErrorKind.FILTER_NOT_FOUND, f"filter {use.id!r} cannot be loaded", plugins.filter, use.id)
            made = filters.build(cls, use.id, dict(use.settings), files)
            if made.side not in (side, "both"):
                raise ZeroMindError(
                    ErrorKind.FILTER_SIDE, f"filter {use.id!r} works on the {made.side} side, not on the {side} side", use.id
                )
            chain.append((use.id, made))
        if chain:
            chains[name] = tuple(chain)
    return chains


def _filter_input(value: Encoded, chain: Chain, spec: TensorSpec) -> Tensor:
    data: Any = value.data
    if value.media == "application/json":
        try:
            data = strictjson.loads(value.data)
        except ValueError as error:
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"input {spec.name!r} is not JSON: {error}", spec.name) from None
    for identifier, step in chain:
        if step.side == "both":
            if not isinstance(data, (list, np.ndarray)):
                raise ZeroMindError(ErrorKind.INVALID_INPUT, f"input {spec.name!r} must be a list of samples", spec.name)
            data = [_apply(identifier, step, sample, spec, ErrorKind.FILTER_REFUSED) for sample in data]
        else:
            data = _apply(identifier, step, data, spec, ErrorKind.FILTER_REFUSED)
    try:
        array = data if isinstance(data, np.ndarray) else np.asarray(data, spec.dtype)
        array = spec.check(datatypes.as_bytes(array) if spec.datatype == "BYTES" else array)
    except (ValueError, TypeError, OverflowError) as error:
        raise ZeroMindError(
            ErrorKind.INVALID_INPUT, f"what the filters made of input {spec.name!r} is no {spec.shown_shape()} tensor: {error}", spec.name
        ) from None
    if array.size == 0:
        raise ZeroMindError(ErrorKind.INVALID_INPUT, f"input {spec.name!r} holds no rows", spec.name)
    return array


def _filter_output(array: Tensor, chain: Chain, spec: TensorSpec) -> Encoded:
    samples = list(array) if array.ndim else [array]
    for identifier, step in chain:
        samples = [_apply(identifier, step, sample, spec, ErrorKind.FILTER_FAILED) for sample in samples]
    try:
        return Encoded("application/json", _as_json(samples).encode())
    except (TypeError, ValueError, RecursionError) as error:
        text = f"filter {chain[-1][0]!r} on {spec.name!r} gave what JSON has no form for: {first_line(error)}"
        raise ZeroMindError(ErrorKind.FILTER_FAILED, text, chain[-1][0]) from error


def _as_json(samples: list[Any]) -> str:
    """JSON text; numbers that are not finite become null, as in every answer."""
    try:
        return json.dumps(samples, default=_plain, separators=(",", ":"), allow_nan=False)
    except ValueError:
        lenient = json.loads(json.dumps(samples, default=_plain), parse_constant=lambda _: None)
        return json.dumps(lenient, separators=(",", ":"))


def _apply(identifier: str, step: filters.Filter, value: Any, spec: TensorSpec, blame: ErrorKind) -> Any:
    try:
        return step.apply(value, spec)
    except ZeroMindError:
        raise
    except (ValueError, TypeError) as error:
        raise ZeroMindError(blame, f"filter {identifier!r} on {spec.name!r}: {first_line(error)}", identifier) from error
    except (Exception, SystemExit) as error:
        _log.exception("filter %s on %s", identifier, spec.name)
        raise ZeroMindError(
            ErrorKind.FILTER_FAILED, f"filter {identifier!r} failed on {spec.name!r}; see the server's log", identifier
        ) from error


def _known_or(kind: ErrorKind, sentence: str, call: Callable[..., Any], *args: Any) -> Any:
    """The call's result; an unknown fault in it is logged and becomes ``kind``, with its text where it is the data's."""
    try:
        return call(*args)
    except ZeroMindError:
        raise
    except (ValueError, TypeError) as error:
        if kind is ErrorKind.PREDICTION_FAILED:
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the model refused this input: {first_line(error)}") from error
        raise ZeroMindError(kind, f"{sentence}: {first_line(error)}") from error
    except (Exception, SystemExit) as error:
        _log.exception(sentence)
        detail = f": {type(error).__name__}: {first_line(error)}" if kind is not ErrorKind.PREDICTION_FAILED else "; see the server's log"
        raise ZeroMindError(kind, sentence + detail) from error


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:500]


def _check_rows(tensors: Mapping[str, Tensor]) -> None:
    """Refuse a request whose own inputs disagree, before it is joined with one that disagrees the other way round."""
    rows = {len(array) for array in tensors.values()}
    if len(rows) > 1:
        raise ZeroMindError(
            ErrorKind.INVALID_INPUT, f"the inputs have different numbers of rows: {sorted(rows)}; give each the same first dimension"
        )


def _signature(tensors: Mapping[str, Tensor]) -> tuple[Any, ...]:
    return tuple((name, array.dtype.str, array.shape[1:]) for name, array in sorted(tensors.items()))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    raise TypeError(f"{type(value).__name__} has no form in JSON")
