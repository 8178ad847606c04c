"""Texts for a model: tokens of a batch, padded to the longest, cut where the model ends."""

from __future__ import annotations

import inspect
from typing import Any

from zeromind import datatypes
from zeromind.adapters import transformers_settings
from zeromind.adapters.transformers_loader import Loader
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor

_UNKNOWN = 512
"""Tokens of a text where neither the tokenizer nor the model says how many it takes."""
_MOST = 1 << 24
"""What a tokenizer that knows no bound says is more than this."""


class Texts:
    """Tokens for one model. ``longest`` is how many of a text are used: the task's, the tokenizer's or the model's own bound."""

    def __init__(self, loader: Loader, model: Any) -> None:
        self.tokenizer = loader.tokenizer()
        if model.config.get_text_config().pad_token_id is None:
            model.config.get_text_config().pad_token_id = self.tokenizer.pad_token_id
        own = loader.folder.settings("sentence_bert_config.json")
        self.longest = self._longest(loader, model, own)
        self._lower = own.get("do_lower_case") is True
        self._device = loader.device
        # A tokenizer may make what another model takes: distilled ones have no types of tokens.
        self._taken = inspect.signature(model.forward).parameters

    def _longest(self, loader: Loader, model: Any, own: dict[str, Any]) -> int:
        found = [size for size in (self.tokenizer.model_max_length, own.get("max_seq_length"), places(model)) if size and size < _MOST]
        most = places(model) or _MOST
        return transformers_settings.count(loader.options, "max_length", min(found, default=_UNKNOWN), most)

    def encode(self, texts: Tensor, pairs: Tensor | None = None, **more: Any) -> tuple[dict[str, Any], Any]:
        """The model's inputs ``[rows, tokens]`` for texts, or pairs of them, and all that the tokenizer gives.

        Raises INVALID_INPUT for what is no text, or none at all.
        """
        given = [self._read(texts, "text")] if pairs is None else [self._read(texts, "text"), self._read(pairs, "text_pair")]
        more |= {"padding": True, "truncation": True, "max_length": self.longest, "return_attention_mask": True}
        encoded = self.tokenizer(*given, return_tensors="pt", **more)
        if not encoded["input_ids"].shape[1] or not encoded["attention_mask"].any(dim=1).all():
            raise ZeroMindError(ErrorKind.INVALID_INPUT, "a text is empty: the model's tokenizer makes no tokens of it", "text")
        return {name: value.to(self._device) for name, value in encoded.items() if name in self._taken}, encoded

    def _read(self, texts: Tensor, name: str) -> list[str]:
        found = read(texts, name)
        return [text.lower() for text in found] if self._lower else found


def read(texts: Tensor, name: str) -> list[str]:
    """The rows of a BYTES input. Raises INVALID_INPUT for what is no UTF-8."""
    try:
        return [str(text) for text in datatypes.as_text(texts).reshape(-1)]
    except UnicodeDecodeError:
        raise ZeroMindError(ErrorKind.INVALID_INPUT, f"input {name!r} is no text in UTF-8", name) from None


def places(model: Any) -> int:
    """How many tokens the model has places for, as far as it says; else 0."""
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 0
    for name, module in model.named_modules():
        # RoBERTa and its kin count places from behind that of padding.
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(module.num_embeddings - module.padding_idx - 1)
    return most if isinstance(most, int) and most > 0 else 0
