"""Loads the parts of a model with Hugging Face's library: from its folder only, and no code in it unless that is allowed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from zeromind import importing
from zeromind.adapters import torch_program, transformers_settings
from zeromind.adapters.base import Source
from zeromind.adapters.transformers_folder import Folder
from zeromind.errors import ErrorKind, ZeroMindError

_ONE_BY_ONE = threading.Lock()
"""The library makes models with functions of its own and of PyTorch's put aside for all threads."""
_DTYPES = ("float32", "float16", "bfloat16", "auto")


class Loader:
    """A folder, and where and how its parts are to compute; ``torch`` and ``transformers`` are the two modules."""

    def __init__(self, require: Callable[[str], Any], folder: Folder, source: Source, trusted: bool) -> None:
        _quieten(source.threads)
        self.torch = require("torch")
        self.transformers = require("transformers")
        self.transformers.utils.logging.set_verbosity_error()
        self.transformers.utils.logging.disable_progress_bar()
        self.torch.set_num_threads(source.threads)
        self.folder = folder
        self.options = source.options
        self.name = source.file.path.name
        self.device = torch_program.placed(self.torch, source.device)
        self._dtype = transformers_settings.choice(source.options, "dtype", "float32", _DTYPES)
        self.half = False
        """Whether the model, once it is there, computes with less than float32."""
        self._safe = {"local_files_only": True, "trust_remote_code": trusted}
        self.config = self._load("the configuration", self.transformers.AutoConfig)
        # A file may name any implementation of attention, also one that would be fetched; none: the fastest built-in one.
        self.config._attn_implementation = None  # noqa: SLF001 - of the public ways, each names one, which not all models have

    def model(self, kind: str, unused: str = "") -> Any:
        """The model, ready to compute, as the class ``kind`` reads it; weights for ``unused`` parts of it may be absent."""
        dtype = "auto" if self._dtype == "auto" else getattr(self.torch, self._dtype)
        model, found = self._load(
            "the model",
            getattr(self.transformers, kind),
            config=self.config,
            dtype=dtype,
            use_safetensors=self.folder.has_safetensors,
            weights_only=True,
            output_loading_info=True,
        )
        # The library would fill them with random numbers.
        absent = sorted(name for name in found["missing_keys"] if not unused or unused not in name)
        if absent:
            text = f"{self.name} lacks the weights {', '.join(absent[:3])}, so that it cannot serve as {kind}: choose another 'task'"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, self.name)
        self.half = model.dtype.itemsize < 4
        try:
            return model.eval().to(self.device)
        except self.torch.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error

    def tokenizer(self) -> Any:
        """The tokenizer, which pads with some token in any case."""
        tokenizer = self._load("the tokenizer", self.transformers.AutoTokenizer)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        return tokenizer

    def image_processor(self) -> Any:
        """What makes a model's input of a picture, with Pillow and numpy alone."""
        return self._load("the image processor", self.transformers.AutoImageProcessor, backend="pil")

    def _load(self, part: str, auto: Any, **more: Any) -> Any:
        try:
            with _ONE_BY_ONE, importing.silence():
                return auto.from_pretrained(str(self.folder.path), **self._safe, **more)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0].replace(str(self.folder.path), self.name)
            text = f"{part} in {self.name} cannot be loaded: {reason or type(error).__name__}"
            raise ZeroMindError(ErrorKind.LOAD_FAILED, text, self.name) from error


def _quieten(threads: int) -> None:
    """Tell the libraries, which read this once, to stay off the network and to use no more threads than they may."""
    os.environ.update(
        HF_HUB_OFFLINE="1",
        TRANSFORMERS_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        TOKENIZERS_PARALLELISM="true" if threads > 1 else "false",
        RAYON_NUM_THREADS=str(threads),
    )
