"""Embeddings: one vector for each text, pooled from those of its tokens as the folder of sentence-transformers says, else their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from zeromind.adapters import transformers_folder
from zeromind.adapters import transformers_settings as settings
from zeromind.adapters.transformers_folder import Folder
from zeromind.adapters.transformers_heads import Head
from zeromind.adapters.transformers_loader import Loader
from zeromind.adapters.transformers_text import Texts
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec

# How sentence-transformers calls them in 1_Pooling/config.json.
_POOLING = {"mean_tokens": "mean", "cls_token": "cls", "max_tokens": "max", "lasttoken": "last"}


def _mean(vectors: Any, mask: Any) -> Any:
    weights = mask.unsqueeze(-1).to(vectors.dtype)
    return (vectors * weights).sum(1) / weights.sum(1)


def _first(vectors: Any, mask: Any) -> Any:
    return vectors[range(len(mask)), mask.argmax(1)]


def _largest(vectors: Any, mask: Any) -> Any:
    return vectors.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(1)


def _last(vectors: Any, mask: Any) -> Any:
    return vectors[range(len(mask)), mask.shape[1] - 1 - mask.flip(1).argmax(1)]


_WAYS: Mapping[str, Callable[[Any, Any], Any]] = {"mean": _mean, "cls": _first, "max": _largest, "last": _last}
"""From vectors ``[rows, tokens, hidden]`` and the mask ``[rows, tokens]`` of those that are no padding to ``[rows, hidden]``."""


class Embedding(Head):
    """The vector of each text."""

    options: ClassVar[Sequence[str]] = ("max_length", "normalize", "pooling")

    def __init__(self, loader: Loader) -> None:
        pooling, normal = _told(loader.folder)
        self._pool = _WAYS[settings.choice(loader.options, "pooling", pooling, tuple(_WAYS))]
        self._normal = settings.flag(loader.options, "normalize", normal)
        self._torch = loader.torch
        kind = "AutoModelForTextEncoding" if loader.config.is_encoder_decoder else "AutoModel"
        self._model = loader.model(kind, unused="pooler")
        self._texts = Texts(loader, self._model)
        self.outputs = (TensorSpec("embedding", "FP32", (None, self._model.config.get_text_config().hidden_size)),)

    def answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``embedding``."""
        encoded, told = self._texts.encode(inputs["text"])
        vectors = self._model(**encoded).last_hidden_state
        pooled = self._pool(vectors.float(), told["attention_mask"].to(vectors.device))
        if self._normal:
            pooled = self._torch.nn.functional.normalize(pooled, dim=1)
        return {"embedding": pooled.cpu().numpy()}


def _told(folder: Folder) -> tuple[str, bool]:
    """How the folder's modules pool and whether they normalize. Raises LOAD_FAILED for modules of other kinds."""
    pooling, normal = "mean", False
    for kind, path in folder.modules[1:]:
        if kind == "Pooling":
            pooling = _pooling(Folder(path, {}).settings(transformers_folder.CONFIG))
        elif kind == "Normalize":
            normal = True
        else:
            text = f"the model's {transformers_folder.MODULES} has a module {kind!r}: only Transformer, Pooling and Normalize are served"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, kind)
    return pooling, normal


def _pooling(config: Mapping[str, Any]) -> str:
    wanted = [name.removeprefix("pooling_mode_") for name, on in config.items() if name.startswith("pooling_mode_") and on is True]
    if isinstance(config.get("pooling_mode"), str):
        wanted = [config["pooling_mode"]]
    known = [_POOLING.get(name, name) for name in wanted]
    if len(known) != 1 or known[0] not in _WAYS:
        text = f"the model pools by {' and '.join(wanted) or 'nothing'}; one of {', '.join(_WAYS)} is served: set the task's 'pooling'"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, "pooling")
    return known[0]
