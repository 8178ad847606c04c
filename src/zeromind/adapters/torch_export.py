"""What ``torch.export`` saves, to be run by PyTorch or compiled by AOTInductor, and what it tells of its inputs and outputs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from zeromind.adapters import torch_program, torch_values
from zeromind.adapters.base import Source
from zeromind.adapters.torch_program import Program
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.importing import silence
from zeromind.tensors import Shape, TensorSpec


def exported(torch: Any, source: Source) -> Program:
    """An exported program: it tells everything, names, types, sizes, which of them are open and how far."""
    from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind
    from torch.export.passes import move_to_device_pass
    from torch.utils import _pytree as pytree

    place = torch_program.placed(torch, source.device)
    with source.file.path.open("rb") as stream:  # of a path it wants the extension
        program = torch_program.loaded(source, torch.export.load, stream)
    if place.type != "cpu":
        program = torch_program.loaded(source, move_to_device_pass, program, place)
    with silence():
        module = program.module()
    nodes = {node.name: node.meta.get("val") for node in program.graph.nodes}
    arguments = [each.arg for each in program.graph_signature.input_specs if each.kind == InputKind.USER_INPUT]
    in_spec = program.call_spec.in_spec
    fixed = [each.value if isinstance(each, ConstantArgument) else None for each in arguments]
    taken = [index for index, each in enumerate(arguments) if not isinstance(each, ConstantArgument)]
    scalar = [not isinstance(nodes[arguments[index].name], torch.Tensor) for index in taken]

    def run(tensors: Sequence[Any]) -> Any:
        leaves = list(fixed)
        for index, tensor, one in zip(taken, tensors, scalar, strict=True):
            leaves[index] = tensor.item() if one else tensor
        inputs, settings = pytree.tree_unflatten(leaves, in_spec)
        return module(*inputs, **settings)

    values = torch_values.Values(torch, place)
    found = _merged([_described(values, arguments[index].name, nodes[arguments[index].name]) for index in taken], source.inputs)
    results = [each.arg for each in program.graph_signature.output_specs if each.kind == OutputKind.USER_OUTPUT]
    leaves = [_plain(torch, each.value if isinstance(each, ConstantArgument) else nodes[each.name]) for each in results]
    given = dict(torch_values.named(pytree.tree_unflatten(leaves, program.call_spec.out_spec)))
    outputs = tuple(_described(values, name, value) for name, value in given.items())
    first = [(*getattr(value, "shape", ()), None)[0] for value in (*(nodes[arguments[index].name] for index in taken), *given.values())]
    rows = tuple(None if isinstance(size, int) or size is None else str(size) for size in first)
    least, most = _range(program, first)
    writes = bool(program.graph_signature.user_inputs_to_mutate)
    if least == most and not any(spec.shape[:1] not in ((), (None,)) for spec in source.inputs):
        found, outputs = (tuple(spec.of_rows() for spec in side) for side in (found, outputs))
    return Program(run, found, place, outputs, rows, least, most, writes)


def _plain(torch: Any, leaf: Any) -> Any:
    """A number in place of one that is only known by a symbol."""
    return 0 if isinstance(leaf, torch.SymInt) else 0.0 if isinstance(leaf, torch.SymFloat) else leaf


def _described(values: torch_values.Values, name: str, value: Any) -> TensorSpec:
    """The spec of a graph's value, symbols among its sizes being open ones."""
    value = 0 if not hasattr(value, "shape") and not isinstance(value, (bool, int, float)) else value
    return values.spec_of(name, value, [size if isinstance(size, int) else None for size in getattr(value, "shape", ())])


def _range(program: Any, first: Sequence[Any]) -> tuple[int, int]:
    """How many rows there must and may be, where all first dimensions are of one size, or one symbol."""
    if len({str(size) for size in first}) == 1:
        if isinstance(first[0], int):
            return first[0], first[0]
        found = program.range_constraints.get(first[0].node.expr) if first[0] is not None else None
        if found is not None:
            return max(1, int(found.lower)), int(found.upper) if found.upper.is_Integer else sys.maxsize
    return 1, sys.maxsize


def _merged(found: Sequence[TensorSpec], given: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """The file's inputs, with the sizes that the task gives to those that are open. Raises INPUT_SPEC where the two disagree."""
    own = {spec.name: spec for spec in found}
    shapes: dict[str, Shape] = {}
    for spec in given:
        mine = own.get(spec.name)
        if mine is None:
            text = f"the model has no input {spec.name!r}: it has {', '.join(map(repr, own))}"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, text, spec.name)
        if not torch_values.agree(mine, spec):
            text = f"input {spec.name!r} was exported as {torch_values.shown(mine)}, the task says {torch_values.shown(spec)}"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, f"{text}: correct the task, or export it anew", spec.name)
        shapes[spec.name] = tuple(size if size is not None else wanted for size, wanted in zip(mine.shape, spec.shape, strict=True))
    return tuple(TensorSpec(spec.name, spec.datatype, shapes.get(spec.name, spec.shape)) for spec in found)


def compiled(torch: Any, source: Source) -> Program:
    """An AOTInductor package's model. It knows how many tensors it takes, and the names of those that are passed by keyword."""
    from torch.utils import _pytree as pytree

    # Else it would read what lies behind the tensors where the task's shapes are wrong. Its code asks for this once, when it first runs.
    os.environ.setdefault("AOTI_RUNTIME_CHECK_INPUTS", "1")
    name, path = source.file.path.name, str(source.file.path)
    loader_class = torch._C._aoti.AOTIModelPackageLoader  # noqa: SLF001 - what PyTorch itself wraps, for paths with an extension only
    models = {part.split("/data/aotinductor/")[1].split("/")[0] for part in source.file.zip_names if "/data/aotinductor/" in part}
    model = "model" if "model" in models else min(models)
    made_for = torch_program.loaded(source, loader_class.load_metadata_from_package, path, model)["AOTI_DEVICE_KEY"]
    place = torch.device("cpu") if source.device == "auto" and made_for == "cpu" else torch_program.placed(torch, source.device)
    if place.type != made_for:
        text = f"{name} was compiled for {made_for}: choose device {made_for!r}, or compile it for {place.type}"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)
    loader = torch_program.loaded(source, loader_class, path, model, True, 1, -1 if place.index is None else place.index)
    in_spec, out_spec = (torch_program.loaded(source, pytree.treespec_loads, text) for text in loader.get_call_spec())
    positional, keywords = in_spec.children()
    inputs = _ordered(source.inputs, positional, keywords, name)

    def run(tensors: Sequence[Any]) -> Any:
        return pytree.tree_unflatten(loader.boxed_run(list(tensors)), out_spec)

    return Program(run, inputs, place)


def _ordered(given: Sequence[TensorSpec], positional: Any, keywords: Any, file: str) -> tuple[TensorSpec, ...]:
    """The task's inputs in the package's order: those passed by position as the task lists them, then the others. Raises INPUT_SPEC."""
    known = [str(key) for key in keywords.context]
    named = {spec.name: spec for spec in given if spec.name in known}
    rest = [spec for spec in given if spec.name not in named]
    if len(rest) != positional.num_leaves or len(named) != len(known):
        last = f", and by name {', '.join(map(repr, known))}" if known else ""
        text = f"{file} says nothing of its inputs' types and shapes: list the {positional.num_leaves + len(known)} tensors that it takes"
        raise ZeroMindError(ErrorKind.INPUT_SPEC, f"{text} in the task's 'inputs', in the order of forward's parameters{last}", file)
    torch_program.no_text(given)
    return (*rest, *(named[name] for name in known))
