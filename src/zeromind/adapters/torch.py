"""PyTorch models: TorchScript, torch.export, AOTInductor, and weights with the Python class that they belong to."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from zeromind.adapters import batch, ladder, torch_class, torch_export, torch_file, torch_probe, torch_program, torch_values
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.torch_program import Program
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor, TensorSpec


class TorchAdapter(Adapter):
    """A PyTorch model in evaluation mode, without gradients. Every form can run code, so the operator has to allow it.

    - TorchScript (``torch.jit.save``), frozen when it is loaded
    - an exported program (``torch.export.save``)
    - an AOTInductor package (``torch._inductor.aoti_compile_and_package``)
    - a state dict (``torch.save(model.state_dict(), …)``, or a checkpoint with one in it, which the task key ``weights`` names) or a
      safetensors file: the task's ``class`` computes with it, ``arguments`` are those of its constructor. Weights are only ever loaded as
      data, and must fill the class exactly.
    - a whole pickled module (``torch.save(model, …)``), where the packages of its classes are installed

    An exported program tells its inputs. For all others the task, or a spec file, lists them: names are those of ``forward``'s parameters,
    of which optional ones may be left out; an AOTInductor package takes any names, in ``forward``'s order. Outputs are found by trying the
    model on made-up numbers: they have the names of a dict's keys or a named tuple's fields, else ``output_0``, ``output_1``, …; the
    task's ``outputs`` choose among them, or rename all of those without a name. Parameters that are annotated as numbers take a tensor
    of shape ``[]``. ``device`` is ``cpu``, ``cuda``, ``cuda:N`` or ``auto``; a package runs where it was compiled for.

    Requests are joined where the first dimension of all tensors is open and, as the trial shows, no row's answer depends on its
    neighbours. A program that was exported for a fixed number of rows serves any: they are filled up with zeros, or cut.
    """

    name = "torch"
    formats = "PyTorch: TorchScript, torch.export, AOTInductor packages, state dicts and safetensors with the user's class"
    needs: ClassVar[Mapping[str, str]] = {"torch": "2.10", "safetensors": "0.5"}
    code = "all: TorchScript, exported and compiled programs, pickles, and weights for the class that they need"
    options: ClassVar[Mapping[str, str]] = {
        "class": 'What computes with a file of weights: "net.py:Net" for a Python file beside it, or "package.module:Net".',
        "arguments": "The arguments for that class's constructor, by name.",
        "weights": "Which part of a checkpoint holds the weights, such as 'model_state_dict'.",
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is something that PyTorch has saved, or a safetensors file."""
        return bool(torch_file.format_of(file))

    @classmethod
    def carries_code(cls, file: ModelFile) -> str:
        """What in it is code, or needs some."""
        return torch_file.REASONS.get(torch_file.format_of(file), "")

    def __init__(self, source: Source) -> None:
        name, form = source.file.path.name, torch_file.format_of(source.file)
        if not form:
            raise ZeroMindError(ErrorKind.LOAD_FAILED, f"{name} is nothing that PyTorch has saved: is it cut off or damaged?", name)
        if not source.allow_code:
            text = f"{name} runs code ({torch_file.REASONS[form]}), which the operator must allow"
            raise ZeroMindError(ErrorKind.CODE_NOT_ALLOWED, text, name)
        self._torch = torch = self.require("torch")
        torch.set_num_threads(source.threads)
        with contextlib.suppress(RuntimeError):  # it may be told only once
            torch.set_num_interop_threads(1)
        self._program = program = self._load(form, source)
        self._values = torch_values.Values(torch, program.device)
        least = torch_probe.least_rows(self._run, program.inputs, self._values) if form == "AOTInductor" else program.least
        self._bounds = least, program.most
        seen = self._tried(name)
        self._writes, self._keeps = seen.writes, {spec.name: keeps for spec, keeps in zip(seen.outputs, seen.keeps, strict=True)}
        self._answers = _chosen(program.outputs or seen.outputs, source.outputs)
        self.spec = self._described()
        self._open = len(program.inputs) > 1 or any(None in spec.shape[1:] or spec.dtype.kind in "iu" for spec in program.inputs)

    def _load(self, form: torch_file.Format, source: Source) -> Program:
        if form in ("state dict", "safetensors") or (form == "pickle" and "class" in source.options):
            return torch_class.weighted(self._torch, source, self.require("safetensors.torch") if form == "safetensors" else None)
        for key in source.options:
            text = f"{key!r} is for a file of weights, {source.file.path.name} is {torch_file.REASONS[form]}: leave it out"
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, key)
        load = {"TorchScript": torch_program.script, "torch.export": torch_export.exported, "AOTInductor": torch_export.compiled}
        return load.get(form, torch_class.pickled)(self._torch, source)

    def _tried(self, name: str) -> torch_probe.Seen:
        program = self._program
        try:
            return torch_probe.observed(self._run, program.inputs, self._values, name, self._bounds)
        except ZeroMindError as error:
            if not program.outputs or error.kind is not ErrorKind.INPUT_SPEC:
                raise
            # Sizes that it takes may be hard to guess; its file tells the rest.
            return torch_probe.Seen(program.outputs, program.writes, (True,) * len(program.outputs))

    def _described(self) -> ModelSpec:
        """The interface, after a trial whether rows are independent of each other."""
        program = self._program
        inputs, outputs = program.inputs, tuple(spec for _, spec in self._answers)
        named = dict(zip((spec.name for spec in program.outputs), program.rows[len(inputs) :], strict=True)) if program.rows else {}
        rows = [*(program.rows[: len(inputs)] or [None] * len(inputs)), *(named.get(own) for own, _ in self._answers)]
        self._batches = True
        self._batches = batch.shared(inputs, outputs, self._answer, rows)
        if not self._batches and program.least == program.most:
            inputs, outputs = (tuple(spec.of_rows(program.most) for spec in side) for side in (inputs, outputs))
        return ModelSpec(inputs, outputs, self._batches)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch; INVALID_INPUT where the model refuses sizes that are open, or whole numbers."""
        try:
            return self._answer(inputs)
        except self._torch.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error
        except (RuntimeError, IndexError, AssertionError, self._torch.jit.Error) as error:
            if not self._open or self.lost():
                raise
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the model refuses its inputs: {torch_probe.said(error)}") from error

    def lost(self) -> bool:
        """Whether the GPU is."""
        return torch_program.is_lost(self._torch, self._program.device)

    def _answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        arrays = [inputs[spec.name] for spec in self._program.inputs]
        least, most = self._bounds
        if self._batches and not least <= len(arrays[0]) <= most:
            results = ladder.within(self._results, least, most, arrays)
        else:
            results = self._results(arrays)
        return {spec.name: result for (_, spec), result in zip(self._answers, results, strict=True)}

    def _results(self, arrays: Sequence[Tensor]) -> list[Tensor]:
        """What the model gives for these arrays, in memory that is nobody else's."""
        feed = [self._values.fed(array, spec, self._writes) for array, spec in zip(arrays, self._program.inputs, strict=True)]
        found = dict(torch_values.named(self._run(feed)))
        for own, _ in self._answers:
            if own not in found:
                raise ZeroMindError(ErrorKind.OUTPUT_NAME, f"the model gave no output {own!r} this time", own)
        results = self._values.given([found[own] for own, _ in self._answers])
        for place, (own, _) in enumerate(self._answers):
            if self._keeps.get(own, True) or any(np.may_share_memory(results[place], array) for array in arrays):
                results[place] = results[place].copy()
        return results

    def _run(self, tensors: Sequence[Any]) -> Any:
        with self._torch.inference_mode():
            return self._program.run(tensors)


def _chosen(found: Sequence[TensorSpec], given: Sequence[TensorSpec]) -> list[tuple[str, TensorSpec]]:
    """The outputs to give, each with the model's own name for it. Raises OUTPUT_SPEC for those of the task that it has not."""
    own = {spec.name: spec for spec in found}
    if not given:
        return list(own.items())
    names = [spec.name for spec in given]
    if not own.keys() >= set(names):
        if len(given) != len(found) or not all(name.startswith("output_") for name in own):
            listed = ", ".join(f"{spec.name!r} {spec.shown_shape()}" for spec in found)
            raise ZeroMindError(ErrorKind.OUTPUT_SPEC, f"the model gives {listed}: name some of those in the task's 'outputs'", *names)
        names = list(own)
    for name, spec in zip(names, given, strict=True):
        mine = own[name]
        if not torch_values.agree(mine, spec):
            text = f"output {spec.name!r} is {torch_values.shown(mine)}, the task says {torch_values.shown(spec)}: correct the task"
            raise ZeroMindError(ErrorKind.OUTPUT_SPEC, text, spec.name)
    return list(zip(names, given, strict=True))
