"""Models of Hugging Face's transformers, from the folder that ``save_pretrained`` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from zeromind import importing
from zeromind.adapters import interface, torch_program, transformers_folder
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.transformers_embedding import Embedding
from zeromind.adapters.transformers_generation import TextGeneration
from zeromind.adapters.transformers_heads import FillMask, Head, TextClassification, TokenClassification
from zeromind.adapters.transformers_image import ImageClassification
from zeromind.adapters.transformers_loader import Loader
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, Parameter, Tensor

_TASKS: Mapping[str, type[Head]] = {
    "text-classification": TextClassification,
    "token-classification": TokenClassification,
    "feature-extraction": Embedding,
    "fill-mask": FillMask,
    "image-classification": ImageClassification,
    "text-generation": TextGeneration,
}
# How the names of architectures end.
_TASK_OF = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForMaskedLM": "fill-mask",
    "ForImageClassification": "image-classification",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "EncoderModel": "feature-extraction",
    "Model": "feature-extraction",
}
_TOLERANCE = 1e-3
_HALF_TOLERANCE = 5e-2
"""Of the largest number, for how much padding may change a row's answer where it should not."""


class TransformersAdapter(Adapter):
    """A model with its tokenizer or image processor, so that text or pictures come in. Its task decides on inputs and outputs.

    - ``text-classification``: ``text`` BYTES ``[rows]`` to ``label`` BYTES ``[rows]``, ``score`` FP32 ``[rows]`` and ``scores`` FP32
      ``[rows, labels]``, in the order of the labels in the file; softmax, or a sigmoid for several labels at once and for a single one, or
      the numbers themselves of a regression. With ``pairs`` it takes ``text_pair``, too.
    - ``token-classification``: ``text`` to ``entities`` BYTES ``[rows]``, each a JSON list of ``{"entity", "score", "word", "start",
      "end"}``: neighbouring tokens of a kind are one entity, places are those of characters, scores have four decimals.
    - ``feature-extraction``: ``text`` to ``embedding`` FP32 ``[rows, hidden]``, the mean over the tokens, or what the files of
      sentence-transformers say; a prompt such as ``query:`` is the client's to write.
    - ``fill-mask``: ``text`` with the mask token once to the likeliest ``tokens`` BYTES and their ``scores`` FP32, ``[rows, top_k]``.
    - ``image-classification``: ``image`` BYTES ``[rows]`` to outputs as of ``text-classification``. Each is a PNG, JPEG, WebP, BMP or GIF
      file of at most 64 megapixels, or base64 of one, where the wire has only text.
    - ``text-generation``: ``text_input`` BYTES ``[1]`` to any number of ``text_output`` BYTES ``[1]``, pieces that follow each other:
      ``generate_stream`` and gRPC's ``ModelStreamInfer`` carry them. With the parameter ``"stream": false`` there is one answer, which
      every other wire takes as well. Further parameters of a request: ``max_new_tokens``, ``temperature`` (0 takes the likeliest token),
      ``top_p``, ``top_k``, ``seed`` and ``stop``, a text before which to end; without them the model's ``generation_config.json`` decides.

    Text longer than ``max_length`` tokens is cut, but refused for generation. Where a model's answer to a row depends on its padding, as
    two rows show when it is loaded, it gets one row at a time. Weights in a pickle are read as data only; nothing is ever downloaded.
    """

    name = "transformers"
    formats = "Hugging Face folders with config.json and weights in safetensors or pytorch_model.bin, those of sentence-transformers too"
    needs: ClassVar[Mapping[str, str]] = {"transformers": "5.0", "torch": "2.10"}
    code = "folders whose configuration names code in them (trust_remote_code)"
    options: ClassVar[Mapping[str, str]] = {
        "task": f"What the model is for: {', '.join(_TASKS)}; by default what the architecture in config.json says.",
        "dtype": "In which numbers it computes: float32 (default), bfloat16, float16, or auto for those of the file.",
        "max_length": "How many tokens of a text are used; by default, and at most, as many as the model takes.",
        "pairs": "Whether text-classification takes pairs of texts: true or false (default).",
        "top_k": "How many tokens fill-mask answers, 5 by default.",
        "pooling": "How feature-extraction makes one vector of all tokens': mean, cls, max or last; by default as the model's files say.",
        "normalize": "Whether feature-extraction gives embeddings the length 1: true or false; by default as the model's files say.",
        "max_new_tokens": "How many tokens text-generation makes, and the most that a request may ask for; 256 by default.",
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it is a folder with a configuration of transformers and with weights."""
        return transformers_folder.is_model(file)

    @classmethod
    def carries_code(cls, file: ModelFile) -> str:
        """Whether a configuration in the folder has ``auto_map``, which names Python files."""
        return transformers_folder.code_in(file)

    def __init__(self, source: Source) -> None:
        name = source.file.path.name
        code = self.carries_code(source.file)
        if code and not source.allow_code:
            raise ZeroMindError(ErrorKind.CODE_NOT_ALLOWED, f"{name} carries {code}, which the operator must allow", name)
        folder = transformers_folder.look_into(source.file)
        head = _TASKS[_task(source.options, folder)]
        if useless := sorted({*source.options} - {"task", "dtype", *head.options}):
            known = ", ".join(("task", "dtype", *head.options))
            text = f"task key {useless[0]!r} has no meaning for this model's task, which knows {known}"
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, useless[0])
        loader = Loader(self.require, folder, source, bool(code))
        self._torch, self._device = loader.torch, loader.device
        self._head = head(loader)
        self.decoupled = self.parameters = isinstance(self._head, TextGeneration)
        inputs = interface.declared(self._head.inputs, source.inputs, ErrorKind.INPUT_SPEC)
        outputs = interface.declared(self._head.outputs, source.outputs, ErrorKind.OUTPUT_SPEC)
        self.labels = self._head.labels
        open_ = all(spec.shape[0] is None for spec in (*inputs, *outputs))
        self.spec = ModelSpec(inputs, outputs, open_ and not self.decoupled)
        self._step = source.max_batch_size if not self.decoupled and self._rows_are_apart(loader) else 1

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch; INVALID_INPUT for what is no text, no picture, or has no single mask."""
        rows = len(next(iter(inputs.values())))
        # No more at once than a batch may have: a client's many rows would take memory for all their tokens.
        parts = [self._answer({name: rows_[at : at + self._step] for name, rows_ in inputs.items()}) for at in range(0, rows, self._step)]
        return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def stream(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter]) -> Iterator[Mapping[str, Tensor]]:
        """The pieces of a text, as they are made; ``parameters`` as the class says."""
        assert isinstance(self._head, TextGeneration), "only that is decoupled"  # noqa: S101 - a fault of ours
        return self._head.stream(inputs, parameters)

    def lost(self) -> bool:
        """Whether the GPU is."""
        return torch_program.is_lost(self._torch, self._device)

    def close(self) -> None:
        """Let go of the model."""
        self._head.close()

    def _answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with self._torch.inference_mode():
            return self._head.answer(inputs)

    def _rows_are_apart(self, loader: Loader) -> bool:
        """Whether a short row gets beside a longer one the answer that it gets alone; loads what the first request would wait for."""
        samples = self._head.samples()
        try:
            with importing.silence():
                together, alone = self._answer(samples), self._answer({name: rows[:1] for name, rows in samples.items()})
        except ZeroMindError:
            return False  # its tokenizer makes nothing of these: nothing is known
        tolerance = _HALF_TOLERANCE if loader.half else _TOLERANCE
        return all(_alike(alone[name], both[:1], tolerance) for name, both in together.items())


def _task(options: Mapping[str, Any], folder: transformers_folder.Folder) -> str:
    """What the model is for. Raises TASK_ATTRIBUTE where that cannot be served or told."""
    known = ", ".join(_TASKS)
    if "task" in options:
        task = options["task"]
        if task not in _TASKS:
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"task key 'task' is {task!r}: one of {known} is expected", "task")
        return str(task)
    architectures = folder.config.get("architectures") or ["none"]
    name = str(architectures[0])
    task = "feature-extraction" if folder.modules else next((task for end, task in _TASK_OF.items() if name.endswith(end)), "")
    if not task:
        text = f"the architecture in config.json is {name!r}, which tells of no task: set the task's key 'task' to one of {known}"
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, "task")
    return task


def _alike(one: Tensor, other: Tensor, tolerance: float) -> bool:
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    return bool(np.allclose(one, other, rtol=0, atol=tolerance * float(np.abs(other).max(initial=0)), equal_nan=True))
