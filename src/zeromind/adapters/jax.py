"""Functions that JAX exported: StableHLO, compiled by XLA for the machine that serves them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from zeromind import datatypes
from zeromind.adapters import batch, device, interface, jax_file, ladder, xla
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Tensor, TensorSpec

_MANY_BYTES = 64 << 20
"""Above this a program for every usual size, each with the model's constants in it, would take too much memory."""


class JaxAdapter(Adapter):
    """What ``jax.export.export(jax.jit(f))(...).serialize()`` wrote to a file, its constants (the weights) within.

    An argument that is a dict gives its keys as names of inputs, one given by keyword its name; others, whose names no export keeps,
    are ``input_0``, ``input_1``, … in their order. Outputs likewise: ``output_0``, … where the function returns no dict. What lies
    deeper is joined by dots (``image.left``, ``image.0``). bfloat16 is BF16; complex numbers and random keys are refused.

    Dimensions that were exported as symbols are open. Requests are joined along a first dimension of the same symbol, or the same fixed
    size, in all tensors, if, as a few made-up rows show at load, no row's answer depends on its neighbours. XLA compiles anew for every
    size: for a few batch sizes that is done at load, and batches are padded and cut to these; a fixed size is one such. Other sizes that
    are open are compiled for when the first request needs them.
    """

    name: ClassVar[str] = "jax"
    formats: ClassVar[str] = "functions that jax.export serialized (StableHLO)"
    needs: ClassVar[Mapping[str, str]] = {"jax": "0.5", "flatbuffers": "24"}
    code: ClassVar[str] = "exports that call native functions which JAX does not vouch for"
    options: ClassVar[Mapping[str, str]] = {
        "batch_sizes": "The batch sizes that the model is compiled for at load, as a list; other batches are padded or cut to them.",
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is an exported function of JAX."""
        return jax_file.recognises(file)

    def __init__(self, source: Source) -> None:
        named = ladder.parse(source.options["batch_sizes"]) if "batch_sizes" in source.options else ()
        xla.surroundings(source.threads)
        self._jax = self.require("jax")
        self.require("flatbuffers")
        exported = jax_file.load(self.require, source.file, source.allow_code)
        self._function = xla.function(self._compiler(exported, _device(self._jax, exported.platforms, source)))
        found = _specs(self._jax, exported.in_tree, exported.in_avals, "input")
        given = _specs(self._jax, exported.out_tree, exported.out_avals, "output")
        if not found or not given:
            raise ZeroMindError(
                ErrorKind.LOAD_FAILED, f"{source.file.path.name} takes nothing or gives nothing: export a function of arrays"
            )
        inputs = interface.declared(found, source.inputs, ErrorKind.INPUT_SPEC)
        outputs = interface.declared(given, source.outputs, ErrorKind.OUTPUT_SPEC)
        self._wide = any(spec.datatype in ("INT64", "UINT64", "FP64") for spec in (*inputs, *outputs))
        self._plans: ladder.Plans = ()
        self.spec = ModelSpec(inputs, outputs, batches=False)
        self._batched([*exported.in_avals, *exported.out_avals], source, named)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch; ValueError where sizes that must agree differ."""
        arrays = [inputs[spec.name] for spec in self.spec.inputs]
        with self._numbers():
            results = ladder.run(self._function, self._plans, arrays) if self._plans else self._function(arrays)
        return {spec.name: result for spec, result in zip(self.spec.outputs, results, strict=True)}

    def _numbers(self) -> contextlib.AbstractContextManager[Any]:
        """Where JAX takes numbers of 64 bits as such, if the function has any."""
        if not self._wide:
            return contextlib.nullcontext()
        enable = self._jax.enable_x64 if hasattr(self._jax, "enable_x64") else self.require("jax.experimental").enable_x64
        context: contextlib.AbstractContextManager[Any] = enable(True)
        return context

    def _compiler(self, exported: Any, where: Any) -> Any:
        """A function of flat arrays, BF16 as float32, that is compiled for ``where``."""
        jax = self._jax
        narrow = jax.numpy.bfloat16

        def flat(*leaves: Any) -> list[Any]:
            own = [leaf.astype(aval.dtype) for leaf, aval in zip(leaves, exported.in_avals, strict=True)]
            arguments, keywords = jax.tree_util.tree_unflatten(exported.in_tree, own)
            results = jax.tree_util.tree_leaves(exported.call(*arguments, **keywords))
            return [each.astype(jax.numpy.float32) if each.dtype == narrow else each for each in results]

        return jax.jit(flat, in_shardings=jax.sharding.SingleDeviceSharding(where))

    def _compiled(self, inputs: Sequence[TensorSpec], sizes: Sequence[int], limit_s: float) -> ladder.Plans:
        try:
            return ladder.compiled(self._function, inputs, sizes, limit_s)
        except ValueError as error:
            text = f"it does not take batches of all the sizes {', '.join(map(str, sizes))}: list those that it was exported for"
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"{text} in the task's 'batch_sizes' ({error})", "batch_sizes") from error

    def _batched(self, avals: Sequence[Any], source: Source, named: Sequence[int]) -> None:
        """Find out whether requests may be joined, and compile for the sizes that batches will have."""
        firsts = [aval.shape[0] if aval.shape else None for aval in avals]
        fixed = firsts[0] if isinstance(firsts[0], int) and len(set(firsts)) == 1 else None
        own = self.spec
        inputs, outputs = (tuple(spec.of_rows() if fixed else spec for spec in specs) for specs in (own.inputs, own.outputs))
        most = min(source.max_batch_size, ladder.MOST_ROWS)
        few = source.file.path.stat().st_size > _MANY_BYTES
        sizes = (fixed,) if fixed else named or (tuple({1: 1, most: 1}) if few else ladder.usual(most))
        # The rows that are tried run in programs that are wanted anyway.
        self.spec, self._plans = ModelSpec(inputs, outputs, batches=False), ladder.padded(sizes)
        if batch.shared(inputs, outputs, self.predict, [str(first) for first in firsts]):
            self.spec = ModelSpec(inputs, outputs, batches=True)
            with self._numbers():
                limit = float("inf") if named else ladder.COMPILING_S
                self._plans = self._compiled(inputs, sizes, limit)
            return
        self.spec, self._plans = own, ()
        if not any(None in spec.shape for spec in own.inputs):
            self.predict({spec.name: np.zeros([size or 0 for size in spec.shape], spec.dtype) for spec in own.inputs})


def _device(jax: Any, platforms: Sequence[str], source: Source) -> Any:
    """The device that computes. Raises LOAD_FAILED where there is none that both the task and the file allow."""
    asked, name = device.parse(source.device), source.file.path.name
    kinds = ["cuda", "cpu"] if asked.kind == "auto" else [asked.kind]
    exported = [kind for kind in kinds if kind in platforms]
    if not exported:
        text = f"{name} was exported for {', '.join(platforms)}, not for {' or '.join(kinds)}: export it with platforms={kinds}"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, *platforms)
    if "cuda" not in exported:
        xla.only_cpu(jax)
    count = 0
    for kind in exported:
        with contextlib.suppress(RuntimeError):
            found = jax.devices(kind)
            if asked.number < len(found):
                return found[asked.number]
            count = len(found)
    if asked.kind == "cuda":
        raise device.beyond(source.device, "JAX", count, "pip install 'jax[cuda13]'")
    text = f"{name} was exported for {', '.join(platforms)}, and this machine has none of these: export it for the processor, too"
    raise ZeroMindError(ErrorKind.LOAD_FAILED, text, *platforms)


def _specs(jax: Any, tree: Any, avals: Sequence[Any], word: str) -> list[TensorSpec]:
    numbered = jax.tree_util.tree_unflatten(tree, range(len(avals)))
    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(numbered)[0]]
    plain = [f"{word}_{index}" for index in range(len(avals))]
    names = [_name(path) or own for path, own in zip(paths, plain, strict=True)]
    names = [own if names.count(name) > 1 else name for name, own in zip(names, plain, strict=True)]
    return [_spec(name, aval) for name, aval in zip(names, avals, strict=True)]


def _name(path: Sequence[Any]) -> str:
    """What a dict calls a leaf of the tree, and all that lies below; empty where there is no dict on the way."""
    steps = [(hasattr(step, "key"), str(getattr(step, "key", getattr(step, "idx", "")))) for step in path]
    first = next((place for place, (keyed, _) in enumerate(steps) if keyed), len(steps))
    return ".".join(text for _, text in steps[first:])


def _spec(name: str, aval: Any) -> TensorSpec:
    try:
        datatype = datatypes.parse_datatype(str(aval.dtype))
    except ValueError:
        text = f"tensor {name!r} is of type {aval.dtype}, which no wire can carry: export a function of plain numbers"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name) from None
    return TensorSpec(name, datatype, tuple(size if isinstance(size, int) else None for size in aval.shape))
