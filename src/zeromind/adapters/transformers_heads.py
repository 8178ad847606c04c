"""What a model's task makes of its numbers, for tasks on text: classes of texts and of their words, embeddings, missing words."""

from __future__ import annotations

import abc
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from zeromind.adapters import transformers_settings as settings
from zeromind.adapters.transformers_loader import Loader
from zeromind.adapters.transformers_text import Texts
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec

_TEXT = TensorSpec("text", "BYTES", (None,))
_DIGITS = 4
"""Of the scores within text: what a row's neighbours add by their padding is far below."""


class Head(abc.ABC):
    """A model for one task. ``__init__`` loads it and sets its interface; ``answer`` runs it on a batch in inference mode."""

    options: ClassVar[Sequence[str]] = ("max_length",)
    """The task keys that it understands beyond those of all."""
    inputs: tuple[TensorSpec, ...] = (_TEXT,)
    outputs: tuple[TensorSpec, ...]
    labels: Mapping[str, Sequence[str]] = {}
    """The names of the classes of outputs."""

    @abc.abstractmethod
    def __init__(self, loader: Loader) -> None: ...

    @abc.abstractmethod
    def answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The outputs for rows; those of text as object arrays."""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go of what is more than memory."""

    def samples(self) -> dict[str, Tensor]:
        """Two rows of different lengths, to try the model on."""
        return {spec.name: np.array([b"a", b"a b c d e f g h i j"], object) for spec in self.inputs}


class TextClassification(Head):
    """The class of each text, or of each pair of texts."""

    options: ClassVar[Sequence[str]] = ("max_length", "pairs")

    def __init__(self, loader: Loader) -> None:
        if settings.flag(loader.options, "pairs", False):
            self.inputs = (_TEXT, TensorSpec("text_pair", "BYTES", (None,)))
        self._model = loader.model("AutoModelForSequenceClassification")
        self._texts = Texts(loader, self._model)
        self._classes = Classes(loader)
        self.outputs, self.labels = self._classes.outputs, self._classes.labels

    def answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``label``, ``score``, ``scores``."""
        encoded, _ = self._texts.encode(inputs["text"], inputs.get("text_pair"))
        return self._classes.answer(self._model(**encoded).logits)


class Classes:
    """The classes that a model's configuration names, and what the numbers for them mean."""

    def __init__(self, loader: Loader) -> None:
        config = loader.config
        self._labels = labels(config)
        # As the library's own pipelines do it.
        multiple = config.problem_type == "multi_label_classification" or len(self._labels) == 1
        sigmoid, plain = loader.torch.sigmoid, loader.torch.Tensor.float
        self._function = sigmoid if multiple else lambda logits: logits.softmax(-1)
        if config.problem_type == "regression":
            self._function = plain
        self.outputs = (
            TensorSpec("label", "BYTES", (None,)),
            TensorSpec("score", "FP32", (None,)),
            TensorSpec("scores", "FP32", (None, len(self._labels))),
        )
        self.labels = {"scores": [label.decode() for label in self._labels]}

    def answer(self, logits: Any) -> dict[str, Tensor]:
        """The best class of each row, its score, and those of all classes, for logits ``[rows, classes]``."""
        scores = self._function(logits.float()).cpu().numpy()
        return {"label": self._labels[scores.argmax(1)], "score": scores.max(1), "scores": scores}


class TokenClassification(Head):
    """The named spans of each text."""

    outputs = (TensorSpec("entities", "BYTES", (None,)),)

    def __init__(self, loader: Loader) -> None:
        self._model = loader.model("AutoModelForTokenClassification")
        self._texts = Texts(loader, self._model)
        if not self._texts.tokenizer.is_fast:
            text = f"the tokenizer in {loader.name} does not tell where a token lies: save it as tokenizer.json"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, loader.name)
        self._labels = [label.decode() for label in labels(loader.config)]

    def answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``entities``."""
        encoded, told = self._texts.encode(inputs["text"], return_offsets_mapping=True, return_special_tokens_mask=True)
        best = self._model(**encoded).logits.float().softmax(-1).max(-1)
        rows = zip(
            inputs["text"].reshape(-1),
            best.indices.tolist(),
            best.values.tolist(),
            told["offset_mapping"].tolist(),
            told["special_tokens_mask"].tolist(),
            strict=True,
        )
        found = np.empty(len(inputs["text"]), object)
        found[:] = [json.dumps(self._entities(*row), ensure_ascii=False).encode() for row in rows]
        return {"entities": found}

    def _entities(
        self, text: bytes, classes: list[int], scores: list[float], offsets: list[list[int]], special: list[int]
    ) -> list[dict[str, Any]]:
        """Neighbouring tokens of one kind as one, but for those that begin another: B-LOC I-LOC, or LOC LOC."""
        groups: list[tuple[str, list[int]]] = []
        for token in (token for token, hidden in enumerate(special) if not hidden):
            label = self._labels[classes[token]]
            kind = label[2:] if label[:2] in ("B-", "I-") else label
            if groups and groups[-1][0] == kind and label[:2] != "B-":
                groups[-1][1].append(token)
            else:
                groups.append((kind, [token]))
        whole = text.decode()
        return [
            {
                "entity": kind,
                "score": round(sum(scores[token] for token in tokens) / len(tokens), _DIGITS),
                "word": whole[offsets[tokens[0]][0] : offsets[tokens[-1]][1]],
                "start": offsets[tokens[0]][0],
                "end": offsets[tokens[-1]][1],
            }
            for kind, tokens in groups
            if kind != "O"
        ]


class FillMask(Head):
    """The likeliest words in place of the mask of each text."""

    options: ClassVar[Sequence[str]] = ("max_length", "top_k")

    def __init__(self, loader: Loader) -> None:
        self._torch = loader.torch
        self._model = loader.model("AutoModelForMaskedLM")
        self._texts = Texts(loader, self._model)
        self._mask = self._texts.tokenizer.mask_token
        if self._mask is None:
            text = f"the tokenizer in {loader.name} has no mask token: choose another 'task'"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, loader.name)
        words = loader.config.vocab_size
        self._count = settings.count(loader.options, "top_k", min(5, words), words)
        self.outputs = (TensorSpec("tokens", "BYTES", (None, self._count)), TensorSpec("scores", "FP32", (None, self._count)))

    def answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``tokens`` and ``scores``."""
        encoded, _ = self._texts.encode(inputs["text"])
        masks = encoded["input_ids"] == self._texts.tokenizer.mask_token_id
        if not (masks.sum(1) == 1).all():
            text = f"a text must have {self._mask} exactly once, within its first {self._texts.longest} tokens"
            raise ZeroMindError(ErrorKind.INVALID_INPUT, text, "text", self._mask)
        logits = self._model(**encoded).logits[masks]
        best = logits.float().softmax(-1).topk(self._count)
        words = [self._texts.tokenizer.decode([token]).encode() for token in best.indices.reshape(-1).tolist()]
        return {"tokens": np.array(words, object).reshape(-1, self._count), "scores": best.values.cpu().numpy()}

    def samples(self) -> dict[str, Tensor]:
        """Two rows with a mask."""
        return {"text": np.array([f"{self._mask}".encode(), f"a b c d {self._mask} e f g h".encode()], object)}


def labels(config: Any) -> Tensor:
    """The names of a model's classes, in their order, as UTF-8."""
    return np.array([str(config.id2label[number]).encode() for number in range(config.num_labels)], object)
