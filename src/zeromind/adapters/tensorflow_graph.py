"""A graph in a session of TensorFlow, with the tensors that are served: those of a SavedModel's signature, or of a frozen graph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from zeromind import datatypes, importing
from zeromind.adapters import signature, tensorflow_file
from zeromind.adapters.base import Source
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Shape, TensorSpec

_OWN = {"__saved_model_init_op", "__saved_model_train_op"}
"""Signatures that are operations for the loader, not for clients: tensorflow/python/saved_model/constants.py."""
_SERVE = {"serve"}
_NO_RESULT = {"Const", "Placeholder", "PlaceholderWithDefault", "NoOp", "Assert", "Print"}
_VARIABLES = {"Variable", "VariableV2", "VarHandleOp"}


class Node(NamedTuple):
    """A tensor of the graph, ``name:number`` there, with TensorFlow's type and shape."""

    tensor: str
    dtype: Any
    shape: Any

    def spec(self, name: str, given: Sequence[TensorSpec], kind: ErrorKind) -> TensorSpec:
        """It as clients see it, its shape as the task has it where the file has none. Raises ``kind``, LOAD_FAILED."""
        type_ = self.dtype.base_dtype.name
        try:
            datatype = datatypes.parse_datatype(type_)
        except ValueError:
            text = f"tensor {name!r} is of type {type_}, which no wire can carry: save the model with plain tensors"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name) from None
        other = name.removesuffix(":0") if name == self.tensor else self.tensor
        alias = (re.escape(other),) if other.removesuffix(":0") == name.removesuffix(":0") != self.tensor else ()
        return TensorSpec(name, datatype, self._shape(name, given, kind), alias)

    def _shape(self, name: str, given: Sequence[TensorSpec], kind: ErrorKind) -> Shape:
        if self.shape.rank is not None:
            return tuple(self.shape.as_list())
        for spec in given:
            if spec.name == name:
                return spec.shape
        side = "inputs" if kind is ErrorKind.INPUT_SPEC else "outputs"
        text = f"the model file gives no shape for {name!r}: list it in the task's {side!r}, null for a size that is open"
        raise ZeroMindError(kind, text, name)


Nodes = tuple[dict[str, Node], dict[str, Node]]


def saved(tf: Any, session: Any, folder: Path, options: Mapping[str, Any]) -> Nodes:
    """Load a SavedModel into the session: the inputs and outputs of the signature that the task means.

    Raises TASK_ATTRIBUTE, LOAD_FAILED, and what TensorFlow raises.
    """
    tags = _tags(options.get("tags"), tensorflow_file.tags(folder / tensorflow_file.SAVED_MODEL))
    with session.graph.as_default(), importing.silence():
        meta = tf.compat.v1.saved_model.load(session, sorted(tags), str(folder))
    known = {name: each for name, each in meta.signature_def.items() if name not in _OWN and each.outputs}
    chosen = signature.choose(options.get("signature"), sorted(known))
    if not chosen:
        text = "the SavedModel has no signatures: give tf.saved_model.save(…, signatures=…) a function, or use Keras' model.export(folder)"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text)
    sides = known[chosen].inputs, known[chosen].outputs
    inputs, outputs = ({name: _signed(tf, name, side[name]) for name in sorted(side)} for side in sides)
    return inputs, outputs


def frozen(tf: Any, session: Any, path: Path, source: Source) -> Nodes:
    """Load a frozen graph into the session: the inputs and outputs that the task names, else its placeholders, and what nothing uses.

    Raises INPUT_SPEC, OUTPUT_SPEC, LOAD_FAILED, and what TensorFlow raises.
    """
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    graph = session.graph
    with graph.as_default(), importing.silence():
        tf.import_graph_def(definition, name="")
    del definition
    inputs = _named(graph, source.inputs, ErrorKind.INPUT_SPEC)
    outputs = _named(graph, source.outputs, ErrorKind.OUTPUT_SPEC) or _unused(graph)
    if not outputs:
        text = "the graph has no tensor that nothing uses: name its outputs in the task's 'outputs'"
        raise ZeroMindError(ErrorKind.OUTPUT_SPEC, text)
    needed = _needed([node.tensor for node in outputs.values()], {node.tensor for node in inputs.values()}, graph)
    for op in needed:
        if op.type in _VARIABLES:
            text = f"the graph's variable {op.name!r} has no value in the file: freeze the graph, or serve a SavedModel"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, op.name)
    placeholders = {op.name: _node(op.outputs[0]) for op in needed if op.type == "Placeholder"}
    if inputs and placeholders:
        name = next(iter(placeholders))
        raise ZeroMindError(ErrorKind.INPUT_SPEC, f"the outputs depend on {name!r}: list it in the task's 'inputs', too", name)
    return inputs or placeholders, outputs


def _tags(asked: Any, known: Sequence[set[str]]) -> set[str]:
    if asked is None:
        asked = list(known[0]) if len(known) == 1 else list(_SERVE)
    if isinstance(asked, list) and all(isinstance(tag, str) for tag in asked) and set(asked) in known:
        return set(asked)
    names = " or ".join(str(sorted(tags)) for tags in known) or "none"
    raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"task key 'tags' must list the tags of a graph in the file: {names}", "tags")


def _signed(tf: Any, name: str, info: Any) -> Node:
    if info.WhichOneof("encoding") != "name":
        text = f"tensor {name!r} of the signature is sparse or composite: save a signature of plain tensors"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name)
    return Node(info.name, tf.as_dtype(info.dtype), tf.TensorShape(info.tensor_shape))


def _named(graph: Any, given: Sequence[TensorSpec], kind: ErrorKind) -> dict[str, Node]:
    nodes = {}
    for spec in given:
        try:
            nodes[spec.name] = _node(graph.get_tensor_by_name(spec.name if ":" in spec.name else f"{spec.name}:0"))
        except (KeyError, ValueError):
            raise ZeroMindError(kind, f"the graph has no tensor {spec.name!r}", spec.name) from None
    return nodes


def _node(tensor: Any) -> Node:
    return Node(tensor.name, tensor.dtype, tensor.shape)


def _unused(graph: Any) -> dict[str, Node]:
    """The tensors of the nodes that nothing uses, each by the node's name if it is the only one."""
    found = {}
    for op in graph.get_operations():
        if op.type not in _NO_RESULT and not any(tensor.consumers() for tensor in op.outputs):
            found.update({op.name if len(op.outputs) == 1 else tensor.name: _node(tensor) for tensor in op.outputs})
    return found


def _needed(tensors: Iterable[str], fed: set[str], graph: Any) -> list[Any]:
    """The operations that must run for these tensors, if others are fed."""
    todo = [graph.get_tensor_by_name(name) for name in tensors]
    found: dict[str, Any] = {}
    while todo:
        tensor = todo.pop()
        if tensor.name not in fed and tensor.op.name not in found:
            found[tensor.op.name] = tensor.op
            todo += [*tensor.op.inputs, *(output for control in tensor.op.control_inputs for output in control.outputs)]
    return [op for op in graph.get_operations() if op.name in found]
