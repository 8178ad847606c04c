"""Timelines of single requests, in the form of the Open Inference Protocol's trace extension: which are taken, and where they go.

The file holds one JSON array of entries like those of Triton's own traces (docs/user_guide/trace.md): ``{"id", "model_name",
"model_version", "request_id"}`` and ``{"id", "timestamps": [{"name", "ns"}]}``, so that programs which read those read these.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Run

_log = logging.getLogger(__name__)

_DEFAULTS = {"trace_level": ["OFF"], "trace_rate": "1000", "trace_count": "-1", "log_frequency": "0"}
_LEVELS = ("OFF", "TIMESTAMPS")
_LEAST = {"trace_rate": 1, "trace_count": -1, "log_frequency": 0}
_MOST_KEPT = 1000
"""Timelines that wait to be written; then they are, whatever ``log_frequency`` says."""


class Sampler:
    """Takes every so-many-th request of one model."""

    def __init__(self, trace: Trace | None = None, model: str = "") -> None:
        self._trace = trace
        self._model = model
        self._rate = 1
        self._left = 0
        self._seen = 0
        self.active = False

    def set(self, settings: Mapping[str, Any]) -> None:
        """Go by these settings from now on; the count of those to be taken begins anew."""
        self._rate, self._left = int(settings["trace_rate"]), int(settings["trace_count"])
        self._seen = 0
        self.active = self._trace is not None and settings["trace_level"] == ["TIMESTAMPS"] and self._left != 0

    def sample(self, request_id: str, times: tuple[float, float, float, float], run: Run) -> None:
        """A request was answered: it came, waited, its answer arrived, was given then, on the monotonic clock in seconds."""
        self._seen += 1
        if self._trace is None or self._seen % self._rate:
            return
        self._left -= self._left > 0
        self.active = self._left != 0
        came, since, arrived, done = times
        begun = arrived - run.output_s - run.infer_s - run.input_s
        stamps = {
            "REQUEST_START": came,
            "QUEUE_START": since,
            "COMPUTE_START": begun,
            "COMPUTE_INPUT_END": begun + run.input_s,
            "COMPUTE_OUTPUT_START": arrived - run.output_s,
            "COMPUTE_END": arrived,
            "REQUEST_END": done,
        }
        self._trace.add(self._model, request_id, {name: int(value * 1e9) for name, value in stamps.items()})


class Trace:
    """The settings of a pool and of single models, and the file, of ``most_bytes`` at most; without a file nothing is traced."""

    def __init__(self, file: Path | None = None, most_bytes: int = 1 << 30) -> None:
        self._file = file
        self._most_bytes = most_bytes
        self._pool = dict(_DEFAULTS)
        self._models: dict[str, dict[str, Any]] = {}
        self._samplers: dict[str, Sampler] = {}
        self._kept: list[dict[str, Any]] = []
        self._number = 0
        self._unwritten = 0

    def sampler(self, model: str) -> Sampler:
        """The sampler of a model."""
        if model not in self._samplers:
            self._samplers[model] = Sampler(self if self._file else None, model)
            self._samplers[model].set(self.settings(model))
        return self._samplers[model]

    def forget(self, model: str) -> None:
        """The model is gone, and its own settings with it."""
        self._samplers.pop(model, None)
        self._models.pop(model, None)

    def settings(self, model: str = "") -> dict[str, Any]:
        """The settings of a model, or the pool's."""
        own = self._models.get(model, {})
        return {**self._pool, **own, "trace_file": str(self._file or ""), "trace_mode": "triton"}

    def change(self, changes: Mapping[str, Any], model: str = "") -> dict[str, Any]:
        """What results from changing some settings, of one model or of the pool; None takes the pool's, or the default.

        Raises REQUEST_ATTRIBUTE, NOT_SUPPORTED.
        """
        checked = {key: _checked(key, value) for key, value in changes.items()}
        if self._file is None and checked.get("trace_level") == ["TIMESTAMPS"]:
            raise _wrong("trace_level", "there is nowhere to write to: start the pool with --trace-file")
        target = self._models.setdefault(model, {}) if model else self._pool
        for key, value in checked.items():
            if value is not None:
                target[key] = value
            elif model:
                target.pop(key, None)
            else:
                target[key] = _DEFAULTS[key]
        for name, sampler in self._samplers.items():
            if model in ("", name):
                sampler.set(self.settings(name))
        self.write()
        return self.settings(model)

    def add(self, model: str, request_id: str, stamps: Mapping[str, int]) -> None:
        """Keep a timeline, stamps in nanoseconds, and write when enough are kept."""
        self._number += 1
        entry = {"id": self._number, "model_name": model, "model_version": 1}
        self._kept.append({**entry, "request_id": request_id} if request_id else entry)
        self._kept.append({"id": self._number, "timestamps": [{"name": name, "ns": ns} for name, ns in stamps.items()]})
        self._unwritten += 1
        frequency = int(self.settings(model)["log_frequency"])
        if self._unwritten >= (min(frequency, _MOST_KEPT) if frequency else _MOST_KEPT):
            self.write()

    def write(self) -> None:
        """Append what is kept to the file, which is one JSON array at any time."""
        if not self._kept or self._file is None:
            return
        text = ",".join(json.dumps(entry) for entry in self._kept)
        self._kept.clear()
        self._unwritten = 0
        try:
            with self._file.open("r+b" if self._file.exists() else "w+b") as stream:
                end = stream.seek(0, 2)
                stream.seek(max(0, end - 2))
                if end and stream.read() != b"}]":
                    _log.error("the trace file %s is not one of this pool's, and is left as it is: choose another", self._file)
                    return
                if end + len(text) > self._most_bytes:
                    _log.error("the trace file %s has %d bytes, and no more are written: move it away", self._file, end)
                    return
                stream.seek(max(0, end - 1))
                stream.write((b"," if end else b"[") + text.encode() + b"]")
        except OSError as error:
            _log.error("the trace file %s cannot be written: %s", self._file, error.strerror)


def _checked(key: str, value: Any) -> Any:
    """A setting as it is kept. Raises REQUEST_ATTRIBUTE, NOT_SUPPORTED."""
    if key == "trace_file":
        raise ZeroMindError(ErrorKind.NOT_SUPPORTED, "the trace file is chosen when the pool starts, with --trace-file", key)
    if key not in _DEFAULTS:
        raise _wrong(key, f"there is no such trace setting; known are {', '.join(_DEFAULTS)}")
    if value is None:
        return None
    if key == "trace_level":
        levels = value if isinstance(value, list) else [value]
        if not levels or any(level not in _LEVELS for level in levels):
            raise _wrong(key, f"it must be one of {', '.join(_LEVELS)}, not {value!r}")
        return ["TIMESTAMPS"] if "TIMESTAMPS" in levels else ["OFF"]
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    try:
        number = int(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not _LEAST[key] <= number < 1 << 31:
        raise _wrong(key, f"it must be a whole number from {_LEAST[key]} on, as text, not {value!r}")
    return str(number)


def _wrong(key: str, text: str) -> ZeroMindError:
    return ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, f"trace setting {key!r}: {text}", key)
