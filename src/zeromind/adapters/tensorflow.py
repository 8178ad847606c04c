"""TensorFlow's SavedModels and frozen graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from zeromind.adapters import fixed, signature, tensorflow_file, tensorflow_graph, tensorflow_runtime
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec


class TensorflowAdapter(Adapter):
    """A SavedModel of TensorFlow 1 or 2 or of Keras, or a frozen graph. Keras itself is not needed.

    Of a SavedModel a signature is served, ``serving_default`` or the one that the task names, with the signature's names, types and
    shapes. A folder of numbered versions, as TensorFlow Serving has them, stands for the newest. Of a frozen graph those tensors are
    served that the task's ``inputs`` and ``outputs`` name, ``x`` or ``x:0``; without these its placeholders, and the nodes that no
    other uses. Text is BYTES, bfloat16 is BF16.

    Requests are joined where no row's answer depends on its neighbours, as a few made-up rows show when the model is loaded; a graph
    that is made for a fixed number of rows takes any then: it runs as often as it must, the last time filled up with zeros.

    ``device`` is ``cpu``, ``cuda``, ``cuda:N`` or ``auto``. Graphs with operators that reach for files or other machines need the
    operator's word, but for what loads a SavedModel's own variables and tables.
    """

    name = "tensorflow"
    formats = "TensorFlow SavedModels, also Keras' and in numbered versions; frozen graphs"
    needs: ClassVar[Mapping[str, str]] = {"tensorflow": tensorflow_runtime.LEAST}
    code = "graphs with operators for files, other machines or Python"
    options: ClassVar[Mapping[str, str]] = {
        "signature": signature.HELP,
        "tags": "The tags of the graph to serve, as a list, for SavedModels with several; without it 'serve', or the only one's.",
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is a SavedModel's folder, one with numbered versions of a SavedModel, or a file with a GraphDef."""
        home = tensorflow_file.home(file)
        if home:
            return tensorflow_file.is_saved_model(ModelFile(home / tensorflow_file.SAVED_MODEL).head)
        return tensorflow_file.is_graph(file.head)

    @classmethod
    def carries_code(cls, file: ModelFile) -> str:
        """The operator that reaches for files or other machines, if there is one; what is no whole file will not load."""
        try:
            return _danger(file)
        except ValueError:
            return ""

    def __init__(self, source: Source) -> None:
        name = source.file.path.name
        try:
            danger = _danger(source.file)
        except ValueError as error:
            text = f"{name} is no whole SavedModel or frozen graph ({error}): is it cut off or damaged?"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name) from None
        if danger and not source.allow_code:
            text = f"{name} reaches beyond itself: {danger}; the operator can allow it with 'allow_code'"
            raise ZeroMindError(ErrorKind.CODE_NOT_ALLOWED, text, danger)
        self._tf = tensorflow_runtime.start()
        self._session = tensorflow_runtime.session(self._tf, source.threads, source.device)
        try:
            inputs, outputs = self._load(source)
        except ZeroMindError:
            raise
        except Exception as error:
            text = f"TensorFlow cannot load {name}: {_reason(error).replace(str(source.file.path), name)}"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, name) from error
        self._types = [spec.datatype for spec in inputs]
        self._bfloat16 = self._tf.bfloat16.as_numpy_dtype
        self.spec, self._run = fixed.served(self._invoke, inputs, outputs, source)

    def _load(self, source: Source) -> tuple[list[TensorSpec], list[TensorSpec]]:
        home = tensorflow_file.home(source.file)
        if home:
            inputs, outputs = tensorflow_graph.saved(self._tf, self._session, home, source.options)
        else:
            inputs, outputs = tensorflow_graph.frozen(self._tf, self._session, source.file.path, source)
        with self._session.graph.as_default():
            feeds, fetches = ([node.tensor for node in side.values()] for side in (inputs, outputs))
            self._call = self._session.make_callable(fetches, feed_list=feeds)
        return (
            [node.spec(name, source.inputs, ErrorKind.INPUT_SPEC) for name, node in inputs.items()],
            [node.spec(name, source.outputs, ErrorKind.OUTPUT_SPEC) for name, node in outputs.items()],
        )

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch; INVALID_INPUT where TensorFlow cannot compute with such values or sizes."""
        try:
            results = self._run([inputs[spec.name] for spec in self.spec.inputs])
        except (self._tf.errors.InvalidArgumentError, self._tf.errors.OutOfRangeError) as error:
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"the model cannot compute with these inputs: {_reason(error)}") from error
        return {spec.name: result for spec, result in zip(self.spec.outputs, results, strict=True)}

    def close(self) -> None:
        """Let go of the graph and its variables."""
        self._session.close()

    def _invoke(self, arrays: Sequence[Tensor]) -> list[Tensor]:
        fed = [array.astype(self._bfloat16) if datatype == "BF16" else array for array, datatype in zip(arrays, self._types, strict=True)]
        results = [np.asarray(result) for result in self._call(*fed)]
        # An input that is an output, too, comes back as it is, in memory that is not ours.
        return [self._own(result, fed) for result in results]

    def _own(self, result: Tensor, fed: Sequence[Tensor]) -> Tensor:
        if result.dtype == self._bfloat16:
            return result.astype(np.float32)
        return result.copy() if any(result is array for array in fed) else result


def _danger(file: ModelFile) -> str:
    """What in it reaches beyond it. Raises ValueError where it is no whole SavedModel or graph."""
    if not TensorflowAdapter.recognises(file):
        raise ValueError("it begins as neither does")
    home = tensorflow_file.home(file)
    return tensorflow_file.danger(home / tensorflow_file.SAVED_MODEL if home else file.path, saved=home is not None)


def _reason(error: Exception) -> str:
    """What TensorFlow says, without its stack of calls."""
    lines: list[Any] = [line.strip() for line in str(getattr(error, "message", None) or error).splitlines()]
    said = [line for line in lines if line and not line.startswith(("Graph execution error", "Detected at node", "<stack", "[[", "Node: "))]
    return str(said[0] if said else type(error).__name__)
