"""Text that goes on from another, token by token, as a model makes it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from zeromind.adapters import transformers_settings as settings
from zeromind.adapters.transformers_heads import Head
from zeromind.adapters.transformers_loader import Loader
from zeromind.adapters.transformers_text import places, read
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Parameter, Tensor, TensorSpec

_USUAL, _MOST = 256, 1 << 20
_BEFORE = 5
"""How many tokens decoding looks back: what a token's text is depends on the ones before it."""
_HALF = "\N{REPLACEMENT CHARACTER}"


class Wish(NamedTuple):
    """What a request's parameters ask for: arguments of the library's ``generate``, and what it does not know."""

    arguments: dict[str, Any]
    stop: str = ""
    seed: int | None = None
    stream: bool = True


class TextGeneration(Head):
    """What follows each text, piece by piece."""

    options: ClassVar[Sequence[str]] = ("max_new_tokens",)
    inputs = (TensorSpec("text_input", "BYTES", (None,), ("text",)),)
    outputs = (TensorSpec("text_output", "BYTES", (None,)),)

    def __init__(self, loader: Loader) -> None:
        self._torch = loader.torch
        self._device = loader.device
        self._model = loader.model("AutoModelForCausalLM")
        self._tokenizer = loader.tokenizer()
        self._places = places(self._model) or _MOST
        self._most = settings.count(loader.options, "max_new_tokens", min(_USUAL, self._places), min(_MOST, self._places))
        # A thread of its own for good: the library's loop runs in it while pieces are sent, and keeps its own threads.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "generation")
        with contextlib.suppress(ZeroMindError):  # this text need not be one for it; what the model itself raises is worth to know now
            list(self.stream({"text_input": np.array([b"a"], object)}, {"max_new_tokens": 1}))

    def answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All of the text in one piece, by the model's own settings."""
        (whole,) = self.stream(inputs, {"stream": False})
        return whole

    def stream(self, inputs: Mapping[str, Tensor], parameters: Mapping[str, Parameter]) -> Generator[dict[str, Tensor], None, None]:
        """The pieces of ``text_output``; INVALID_INPUT for wrong parameters, several texts, and one that leaves no room for more."""
        wish = self._wish(parameters)
        texts = read(inputs["text_input"], "text_input")
        if len(texts) != 1:
            raise _refused(f"input 'text_input' has {len(texts)} texts: each request goes on from one", "text_input")
        encoded = self._tokenizer(texts[0], return_tensors="pt")
        count = encoded["input_ids"].shape[1]
        if not 0 < count < self._places:
            raise _refused(f"input 'text_input' has {count} tokens: the model takes from 1 to {self._places - 1}", "text_input")
        wish.arguments["max_new_tokens"] = min(wish.arguments["max_new_tokens"], self._places - count)
        with contextlib.closing(self._tokens(encoded, wish)) as tokens:
            pieces = until(wish.stop, texts_of(self._decode, encoded["input_ids"][0].tolist(), tokens))
            if not wish.stream:
                pieces = iter(["".join(pieces)])
            for piece in pieces:
                yield {"text_output": np.array([piece.encode()], object)}

    def close(self) -> None:
        """End its thread."""
        self._thread.shutdown()

    def _decode(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    def _tokens(self, encoded: Mapping[str, Any], wish: Wish) -> Generator[int, None, None]:
        """The new tokens as they come. A generator: closed, it stops the model after the token that it is at."""
        made: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stopped = threading.Event()
        work = self._thread.submit(self._generate, encoded, wish, made, stopped)
        try:
            made.get()  # the text that it begins with
            while (tokens := made.get()) is not None:
                yield from tokens.reshape(-1).tolist()
            work.result()
        finally:
            stopped.set()
            concurrent.futures.wait([work])

    def _generate(self, encoded: Mapping[str, Any], wish: Wish, made: queue.SimpleQueue[Any], stopped: threading.Event) -> None:
        try:
            gpus = [self._device] if self._device.type == "cuda" else []
            # What one request sows, the next must not reap.
            with self._torch.random.fork_rng(gpus, enabled=wish.seed is not None), self._torch.inference_mode():
                if wish.seed is not None:
                    self._torch.manual_seed(wish.seed)
                self._model.generate(
                    input_ids=encoded["input_ids"].to(self._device),
                    attention_mask=encoded["attention_mask"].to(self._device),
                    streamer=_Streamer(made),
                    stopping_criteria=[lambda ids, _, **__: self._torch.full((len(ids),), stopped.is_set(), device=ids.device)],
                    pad_token_id=self._tokenizer.pad_token_id,
                    num_beams=1,
                    num_return_sequences=1,
                    **wish.arguments,
                )
        finally:
            made.put(None)
            made.put(None)  # it may have failed before it put the text itself

    def _wish(self, parameters: Mapping[str, Parameter]) -> Wish:
        """What the parameters ask for. Raises INVALID_INPUT, naming the culprit."""
        known = {name: value for name, value in parameters.items() if name in _RULES}
        for name, value in parameters.items():
            if name not in known:
                raise _refused(f"parameter {name!r} is unknown to the model; it knows {', '.join(_RULES)}", name)
            allowed, wanted = _RULES[name]
            if not allowed(value):
                raise _refused(f"parameter {name!r} is {value!r}: {wanted} is expected", name)
        asked = known.get("max_new_tokens", self._most)
        if asked > self._most:  # type: ignore[operator]  # its rule knows only whole numbers
            raise _refused(f"parameter 'max_new_tokens' is {asked}: the model's task allows {self._most}", "max_new_tokens")
        arguments: dict[str, Any] = {"max_new_tokens": asked}
        chances: dict[str, Any] = {name: known[name] for name in ("temperature", "top_p", "top_k") if name in known}
        if chances.get("temperature") == 0:
            arguments["do_sample"] = False
        elif chances:
            arguments |= {"do_sample": True, **chances}
        seed, stop = known.get("seed"), known.get("stop", "")
        return Wish(arguments, str(stop), None if seed is None else int(seed), known.get("stream", True) is True)


class _Streamer:
    """What the library's ``generate`` hands its tokens to."""

    def __init__(self, made: queue.SimpleQueue[Any]) -> None:
        self._made = made

    def put(self, tokens: Any) -> None:
        """Take the text's tokens, then each new one."""
        self._made.put(tokens)

    def end(self) -> None:
        """No more come."""


def texts_of(decode: Callable[[list[int]], str], prompt: list[int], tokens: Iterator[int]) -> Iterator[str]:
    """The text that each token adds to a prompt's, held back while it ends within a character."""
    seen = prompt[-_BEFORE:]
    read_ = len(seen)
    for token in tokens:
        seen.append(token)
        before, now = decode(seen[:read_]), decode(seen)
        if len(now) > len(before) and not now.endswith(_HALF):
            yield now[len(before) :]
            seen, read_ = seen[read_:], len(seen) - read_
    rest = decode(seen)[len(decode(seen[:read_])) :]
    if rest:
        yield rest


def until(stop: str, pieces: Iterator[str]) -> Iterator[str]:
    """The pieces up to where ``stop`` begins; what may be its beginning is held back."""
    held = ""
    for piece in pieces:
        held += piece
        if stop and (place := held.find(stop)) >= 0:
            held = held[:place]
            break
        kept = next((size for size in range(min(len(stop) - 1, len(held)), 0, -1) if held.endswith(stop[:size])), 0)
        ready, held = held[: len(held) - kept], held[len(held) - kept :]
        if ready:
            yield ready
    if held:
        yield held


def _is_count(value: Parameter, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Parameter) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "max_new_tokens": (_is_count, "a whole number from 1 on"),
    "temperature": (lambda value: _is_number(value) and (value == 0 or 0.01 <= value <= 100), "0, or a number from 0.01 to 100"),
    "top_p": (lambda value: _is_number(value) and 0 < value <= 1, "a number above 0, at most 1"),
    "top_k": (_is_count, "a whole number from 1 on"),
    "seed": (lambda value: _is_count(value, 0) and value < 1 << 63, "a whole number from 0 on"),
    "stop": (lambda value: isinstance(value, str) and value != "", "text"),
    "stream": (lambda value: isinstance(value, bool), "true or false"),
}


def _refused(text: str, name: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.INVALID_INPUT, text, name)
