"""The filters of one tensor, one after the other."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zeromind import datatypes, strictjson
from zeromind.config.task import FilterUse
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.guard import first_line, guarded
from zeromind.filters import base as filters
from zeromind.limits import JSON
from zeromind.plugins import Plugins
from zeromind.tensors import Encoded, Tensor, TensorSpec

_log = logging.getLogger(__name__)


class Chain:
    """Filters bound to a tensor. Raises FILTER_NOT_FOUND, NOT_A_FILTER, FILTER_PARAMETERS, FILTER_SIDE or FILTER_FILE."""

    def __init__(self, spec: TensorSpec, uses: Sequence[FilterUse], side: str, plugins: Plugins, files: filters.Files) -> None:
        self._spec = spec
        self._steps: list[tuple[str, filters.Filter]] = []
        for use in uses:
            cls = guarded(ErrorKind.FILTER_NOT_FOUND, f"filter {use.id!r} cannot be loaded", plugins.filter, use.id)
            made = filters.build(cls, use.id, dict(use.settings), files)
            if made.side not in (side, "both"):
                text = f"filter {use.id!r} works on the {made.side} side, not on the {side} side"
                raise ZeroMindError(ErrorKind.FILTER_SIDE, text, use.id)
            self._steps.append((use.id, made))

    @property
    def media(self) -> tuple[str, ...]:
        """The content types of whole files that the first filter takes."""
        return tuple(getattr(self._steps[0][1], "media", ()))

    def tensor(self, value: Encoded) -> Tensor:
        """What the filters make of a client's value, fitting the spec. Raises INVALID_INPUT or what a filter raises."""
        spec, data = self._spec, value.data
        if value.media == "application/json":
            try:
                data = strictjson.loads(value.data, values=JSON.numbers)
            except ValueError as error:
                raise ZeroMindError(ErrorKind.INVALID_INPUT, f"input {spec.name!r} is not JSON: {error}", spec.name) from None
        made = self._apply_all(data)
        try:
            array = made if isinstance(made, np.ndarray) else np.asarray(made, spec.dtype)
            array = spec.check(datatypes.as_bytes(array) if spec.datatype == "BYTES" else array)
        except (ValueError, TypeError, OverflowError) as error:
            text = f"what the filters made of input {spec.name!r} is no {spec.shown_shape()} tensor: {error}"
            raise ZeroMindError(ErrorKind.INVALID_INPUT, text, spec.name) from None
        if array.size == 0:
            raise ZeroMindError(ErrorKind.INVALID_INPUT, f"input {spec.name!r} holds no rows", spec.name)
        return array

    def answer(self, array: Tensor) -> Encoded:
        """What the filters make of each sample of an output, as a JSON list. Raises FILTER_FAILED or what a filter raises."""
        samples = list(array) if array.ndim else [array]
        for identifier, step in self._steps:
            samples = [self._apply(identifier, step, sample, ErrorKind.FILTER_FAILED) for sample in samples]
        try:
            return Encoded("application/json", _as_json(samples).encode())
        except (TypeError, ValueError, RecursionError) as error:
            identifier = self._steps[-1][0]
            text = f"filter {identifier!r} on {self._spec.name!r} gave what JSON has no form for: {first_line(error)}"
            raise ZeroMindError(ErrorKind.FILTER_FAILED, text, identifier) from error

    def _apply_all(self, data: Any) -> Any:
        for identifier, step in self._steps:
            if step.side != "both":
                data = self._apply(identifier, step, data, ErrorKind.FILTER_REFUSED)
            elif isinstance(data, (list, np.ndarray)):
                data = [self._apply(identifier, step, sample, ErrorKind.FILTER_REFUSED) for sample in data]
            else:
                raise ZeroMindError(ErrorKind.INVALID_INPUT, f"input {self._spec.name!r} must be a list of samples", self._spec.name)
        return data

    def _apply(self, identifier: str, step: filters.Filter, value: Any, blame: ErrorKind) -> Any:
        try:
            return step.apply(value, self._spec)
        except ZeroMindError:
            raise
        except (ValueError, TypeError) as error:
            raise ZeroMindError(blame, f"filter {identifier!r} on {self._spec.name!r}: {first_line(error)}", identifier) from error
        except (Exception, SystemExit) as error:
            _log.exception("filter %s on %s", identifier, self._spec.name)
            text = f"filter {identifier!r} failed on {self._spec.name!r}; see the server's log"
            raise ZeroMindError(ErrorKind.FILTER_FAILED, text, identifier) from error


def chains(
    specs: Sequence[TensorSpec], uses: Mapping[str, Sequence[FilterUse]], side: str, plugins: Plugins, files: filters.Files
) -> dict[str, Chain]:
    """The chain of each tensor that has filters, by the tensor's name. Raises what Chain raises."""
    by_name = {spec.name: spec for spec in specs}
    return {name: Chain(by_name[name], entries, side, plugins, files) for name, entries in uses.items() if entries}


def _as_json(samples: list[Any]) -> str:
    """JSON text; numbers that are not finite become null, as in every answer."""
    try:
        return json.dumps(samples, default=_plain, separators=(",", ":"), allow_nan=False)
    except ValueError:
        lenient = json.loads(json.dumps(samples, default=_plain), parse_constant=lambda _: None)
        return json.dumps(lenient, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    raise TypeError(f"{type(value).__name__} has no form in JSON")
