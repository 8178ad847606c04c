"""A loaded skill: the adapter between its input and output filters, run on batches of requests."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zeromind import datatypes
from zeromind.adapters import interface, spec_file
from zeromind.adapters.base import Adapter, Source, check_options
from zeromind.adapters.file import ModelFile
from zeromind.config.task import Task
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import golden
from zeromind.executor.chain import chains
from zeromind.executor.group import Group
from zeromind.executor.guard import guarded
from zeromind.executor.labels import labels_of
from zeromind.executor.order import Order
from zeromind.executor.stages import told
from zeromind.filters import base as filters
from zeromind.plugins import Plugins
from zeromind.tensors import Encoded, Interface, ModelSpec, Parameter, Run, Tensor, TensorSpec, Value, find

_FAILED = "the model failed on this input"


class Skill:
    """One model with its filters. Loading raises ZeroMindError; ``run`` never raises: faults are in what it gives."""

    def __init__(self, order: Order, admitted: Callable[[bool], None] | None = None, reached: Callable[[str], None] | None = None) -> None:
        """Load it; ``admitted`` is told whether the file carries code, before anything of it is loaded, ``reached`` of each stage.

        The latter is for a process of its own: imports are watched.
        """
        task = Task.parse(order.task)
        plugins = Plugins(order.adapter_folders, order.filter_folders)
        file = ModelFile(Path(order.model_file))
        adapter_class = _choose(plugins, task.model_type, file)
        code = _permit(adapter_class, file, order)
        if admitted is not None:
            admitted(code)
        check_options(adapter_class, task.options)
        inputs, outputs = spec_file.beside(file)
        inputs, outputs = task.inputs or inputs, task.outputs or outputs
        source = Source(file, inputs, outputs, task.device, order.threads, order.allow_code, task.options, task.max_batch_size)
        with told(reached, tuple(adapter_class.needs)):
            self._adapter: Adapter = guarded(
                ErrorKind.LOAD_FAILED, f"the {adapter_class.name} adapter cannot load it", adapter_class, source
            )
        try:
            if reached is not None and task.samples:
                reached("trying the samples")
            self._finish(task, order, plugins)
        except BaseException:
            self._adapter.close()
            raise

    def _finish(self, task: Task, order: Order, plugins: Plugins) -> None:
        """Set the interface around the loaded adapter, and try it on the task's samples."""
        own = self._adapter.spec
        inputs, self._input_names = _rename(own.inputs, task.input_filters, "input")
        outputs, self._output_names = _rename(own.outputs, task.output_filters, "output")
        self._outputs = {spec.name: spec for spec in outputs}
        files = filters.Files([Path(root) for root in order.roots], trusted=order.trusted)
        self._input_filters = chains(inputs, task.input_filters, "input", plugins, files)
        self._output_filters = chains(outputs, task.output_filters, "output", plugins, files)
        known = {name: tuple(self._adapter.labels[own]) for name, own in self._output_names.items() if own in self._adapter.labels}
        labels = {**known, **labels_of(task.labels, outputs, files)}
        media = {name: chain.media for name, chain in self._input_filters.items()}
        self.interface = Interface(
            ModelSpec(inputs, outputs, own.batches),
            self._adapter.name,
            frozenset(self._input_filters),
            frozenset(self._output_filters),
            {name: types for name, types in media.items() if types},
            labels,
            self._adapter.decoupled,
            self._adapter.parameters,
        )
        golden.check(self, task.samples, files)
        files.trusted = False  # from here on it is clients that name files

    @property
    def filters_inputs(self) -> bool:
        """Whether there is something to do before the model runs that may be done beside it."""
        return bool(self._input_filters)

    @property
    def lost(self) -> bool:
        """Whether the model cannot answer any more in this process; to be asked after a fault."""
        return self._adapter.lost()

    def run(self, groups: Sequence[Group]) -> list[Group]:
        """The answers to all requests of the groups, in their order, perhaps cut into other groups.

        The fault of a group of several requests need be one's only: each should be tried again alone, with its tensors as they came,
        since the model may have written into these.
        """
        return self.predict([self.prepare(group) for group in groups])

    def prepare(self, group: Group) -> Group:
        """The group with tensors for the model, or with what is wrong with it. Thread-safe: it may be called while the model runs."""
        start = time.perf_counter()
        try:
            tensors = {name: self._filtered(name, value) for name, value in group.join().items()}
            rows = _checked_rows(tensors, group.rows) if self.interface.spec.batches else group.rows
        except ZeroMindError as error:
            return Group(group.rows, {}, error)
        return dataclasses.replace(group, rows=rows, values=tensors, input_s=time.perf_counter() - start)

    def predict(self, prepared: Sequence[Group]) -> list[Group]:
        """Run the model on prepared groups, those that agree joined; what is wrong with one request stays with it."""
        if len(prepared) == 1:
            return [prepared[0]] if prepared[0].fault else self._predict(prepared[0])
        answered: dict[int, list[Group]] = {}
        alike: dict[Any, list[int]] = {}
        for index, group in enumerate(prepared):
            if group.fault:
                answered[index] = [group]
            else:
                key = _signature(group.values) if self.interface.spec.batches else index
                alike.setdefault(key, []).append(index)
        for indices in alike.values():
            # One request is one group here: only requests that need filters come in a batch of several groups.
            parts = [prepared[index] for index in indices]
            together = self._predict(_joined(parts))
            if len(together) < len(parts) and together[0].fault:  # one's fault: the others must not have it
                together = [answer for part in parts for answer in self._predict(part)]
            singles = [single for answer in together for single in answer.singles()]
            answered.update(zip(indices, ([single] for single in singles), strict=True))
        return [group for index in range(len(prepared)) for group in answered[index]]

    def infer(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter] | None = None) -> tuple[dict[str, Tensor], float]:
        """What the model makes of one batch of tensors, by the names of the interface, and in how many seconds; no filters.

        Raises PREDICTION_FAILED, or INVALID_INPUT where the data is to blame.
        """
        own = {self._input_names[name]: value for name, value in inputs.items()}
        start = time.perf_counter()
        outputs = guarded(ErrorKind.PREDICTION_FAILED, _FAILED, self._call, own, parameters)
        return outputs, time.perf_counter() - start

    def stream(self, prepared: Group) -> Generator[Group, None, None]:
        """The responses of a decoupled model to one prepared request, as they come; a fault is the last of them."""
        if prepared.fault:
            yield prepared
            return
        own = {self._input_names[name]: value for name, value in prepared.values.items()}
        (rows,) = prepared.rows
        input_s = prepared.input_s
        try:
            start = time.perf_counter()
            responses = guarded(ErrorKind.PREDICTION_FAILED, _FAILED, self._adapter.stream, own, prepared.parameters or {})
            try:
                while (predicted := guarded(ErrorKind.PREDICTION_FAILED, _FAILED, next, responses, None)) is not None:
                    outputs = guarded(ErrorKind.PREDICTION_FAILED, _FAILED, self._outputs_of, predicted, None)
                    run = Run(rows, time.perf_counter() - start, input_s)
                    yield self._finished([Group([rows], outputs, None, run, bare=prepared.bare)])[0]
                    start, input_s = time.perf_counter(), 0.0
            finally:
                if isinstance(responses, Generator):
                    responses.close()
        except ZeroMindError as error:
            yield Group([rows], {}, error)

    def close(self) -> None:
        """Let go of the model."""
        self._adapter.close()

    def _filtered(self, name: str, value: Value) -> Tensor:
        return self._input_filters[name].tensor(value) if isinstance(value, Encoded) else value

    def _predict(self, group: Group) -> list[Group]:
        """The answers of a group of tensors, or one fault for them all."""
        start = time.perf_counter()
        inputs = group.join()
        input_s = group.input_s + time.perf_counter() - start
        try:
            outputs, infer_s = self.infer(inputs, group.parameters)
        except ZeroMindError as error:
            return [Group(group.rows, {}, error)]
        answered = Group(group.rows, outputs, None, Run(sum(group.rows), infer_s, input_s), bare=group.bare)
        return self._finished(answered.singles()) if self._output_filters and not group.bare else [answered]

    def _finished(self, answered: Sequence[Group]) -> list[Group]:
        """The answers of one run through the output filters, each request's by itself."""
        if answered[0].bare or not self._output_filters:
            return list(answered)
        start = time.perf_counter()
        finished = [self._filtered_answer(group) for group in answered]
        assert answered[0].run is not None, "it has been answered"  # noqa: S101 - a fault of ours
        run = answered[0].run._replace(output_s=time.perf_counter() - start)
        for group in finished:
            if group.fault is None:
                group.run = run
        return finished

    def _filtered_answer(self, group: Group) -> Group:
        values: dict[str, Value] = {}
        try:
            for name, array in group.values.items():
                chain = self._output_filters.get(name)
                values[name] = chain.answer(array) if chain else array
        except ZeroMindError as error:
            return Group(group.rows, {}, error)
        return Group(group.rows, values)

    def _call(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter] | None) -> dict[str, Tensor]:
        rows = len(next(iter(inputs.values()))) if self.interface.spec.batches else None
        adapter = self._adapter
        if rows == 0 and (none := interface.nothing(adapter.spec)) is not None:
            return self._outputs_of(none, rows)
        predicted = adapter.predict_with(inputs, parameters or {}) if adapter.parameters else adapter.predict(inputs)
        return self._outputs_of(predicted, rows)

    def _outputs_of(self, predicted: Mapping[str, Tensor], rows: int | None) -> dict[str, Tensor]:
        """The arrays of every output by the names of the interface; ``rows`` is how many each must have."""
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


def _joined(parts: Sequence[Group]) -> Group:
    """Groups that agree, as one."""
    if len(parts) == 1:
        return parts[0]
    rows = [count for part in parts for count in part.rows]
    values = {name: [part.values[name] for part in parts] for name in parts[0].values}
    return dataclasses.replace(parts[0], rows=rows, values=values, input_s=max(part.input_s for part in parts))


def _choose(plugins: Plugins, model_type: str, file: ModelFile) -> type[Adapter]:
    if model_type:
        adapter: type[Adapter] = plugins.adapter(model_type)
        return adapter
    fitting: list[type[Adapter]] = [cls for cls in plugins.adapters() if cls.recognises(file)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(repr(cls.name) for cls in fitting)
        raise ZeroMindError(
            ErrorKind.MODEL_TYPE_UNKNOWN, f"the model file fits several adapters: set 'model_type' (--model-type) to one of {names}"
        )
    text = "no adapter recognises the model file: check that it is whole, or set 'model_type'; 'zeromind adapters' lists what each serves"
    raise ZeroMindError(ErrorKind.MODEL_TYPE_UNKNOWN, text)


def _permit(adapter: type[Adapter], file: ModelFile, order: Order) -> bool:
    """Refuse what the pool's rules forbid, before anything of the file is loaded; whether it carries code."""
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
    return bool(danger)


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


def _checked_rows(tensors: Mapping[str, Tensor], rows: list[int]) -> list[int]:
    """How many rows each request has. Refuses one whose own inputs disagree, before it is joined with one that disagrees the other way."""
    found = {len(array) for array in tensors.values()}
    if len(found) > 1:
        raise ZeroMindError(
            ErrorKind.INVALID_INPUT, f"the inputs have different numbers of rows: {sorted(found)}; give each the same first dimension"
        )
    return rows if len(rows) > 1 else list(found)


def _signature(tensors: Mapping[str, Tensor]) -> tuple[Any, ...]:
    return tuple((name, array.dtype.str, array.shape[1:]) for name, array in sorted(tensors.items()))
