"""The bars that were set for the fast path, and how measured figures stand to them. Pure functions of the benchmarks' documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

Documents = Mapping[str, Mapping[str, Any]]
"""What the benchmarks have written, by name."""

Read = Callable[[Documents], float | None]
NOT_MEASURED = "not measured"


@dataclasses.dataclass(frozen=True)
class Term:
    """One condition: a figure that is to be at least ``bound``, or with ``most`` below it, in a unit ``of`` something.

    ``aside`` is a second figure and its words: shown, and deciding nothing.
    """

    bound: float
    unit: str
    of: str
    read: Read
    most: bool = False
    aside: tuple[Read, str] | None = None

    @property
    def target(self) -> str:
        return f"{'<' if self.most else '≥'} {self.bound:g} {self.unit} {self.of}".strip()

    def measured(self, documents: Documents) -> str:
        value = self.read(documents)
        if value is None:
            return NOT_MEASURED
        text = f"{figure(value)} {self.unit}"
        if self.aside is None:
            return text
        read, words = self.aside
        beside = read(documents)
        return text if beside is None else f"{text} ({figure(beside)} {words})"

    def verdict(self, documents: Documents) -> str:
        """That it is met, by how much it misses, or that nobody knows."""
        value = self.read(documents)
        if value is None:
            return NOT_MEASURED
        missing = value - self.bound if self.most else self.bound - value
        # Below its bound is not at it, at least its bound is.
        if missing < 0 or (missing == 0 and not self.most):
            return "met"
        # A percentage of a percentage misleads.
        by = f"{figure(missing)} points" if self.unit == "%" else f"{figure(100 * missing / self.bound)} %"
        return f"{by} {'over' if self.most else 'short'}"


@dataclasses.dataclass(frozen=True)
class Bar:
    """What was asked of the server, as one or more conditions."""

    what: str
    terms: tuple[Term, ...]

    @property
    def target(self) -> str:
        return "; ".join(term.target for term in self.terms)

    def measured(self, documents: Documents) -> str:
        return "; ".join(term.measured(documents) for term in self.terms)

    def verdict(self, documents: Documents) -> str:
        """One word if it is the same for all conditions."""
        verdicts = [term.verdict(documents) for term in self.terms]
        return verdicts[0] if len(set(verdicts)) == 1 else "; ".join(verdicts)


def figure(value: float) -> str:
    """Three digits, and no more of them than were measured."""
    return f"{float(f'{value:.3g}'):,.10g}"


def peer(name: str, model: str, clients: int, wire: str = "JSON") -> Read:
    """How many times as many requests as that server's ours gets answered."""
    benchmark = "calls" if wire == "gRPC" else "peers"

    def read(documents: Documents) -> float | None:
        return _cell(documents, benchmark, "ours_is_times", server=name, model=model, wire=wire, clients=clients)

    return read


def alone(model: str, wire: str, clients: int, percent: bool = False) -> Read:
    """The requests per second as a multiple, or as so many percent, of what the model does in a loop without a server."""

    def read(documents: Documents) -> float | None:
        times = _cell(documents, "end_to_end", "times_alone", model=model, wire=wire, clients=clients)
        return times * 100 if percent and times is not None else times

    return read


def binary(model: str, clients: int) -> Read:
    """How many times as many requests are answered with tensors as bytes as with them in JSON."""

    def read(documents: Documents) -> float | None:
        as_bytes, as_json = (
            _cell(documents, "end_to_end", "requests_per_second", model=model, wire=wire, clients=clients)
            for wire in ("oip, binary", "oip")
        )
        return as_bytes / as_json if as_bytes is not None and as_json else None

    return read


def handler(documents: Documents) -> float | None:
    """The lesser of the two workloads."""
    results = _results(documents, "transport")
    return min((found["times_tornado_on_asyncio"] for found in results.values() if isinstance(found, Mapping)), default=None)


def front(documents: Documents) -> float | None:
    """Megabytes with ten models, whatever they had to do before."""
    pools = {name: found for name, found in _results(documents, "memory").items() if name.startswith("10 ")}
    return max((moment["front"]["resident"] for found in pools.values() for moment in found.values()), default=None)


def start(documents: Documents) -> float | None:
    """Seconds to the open port, with whatever there is to load."""
    pools = _results(documents, "cold_start").get("start_s", {})
    return max((found["listening"] for found in pools.values()), default=None)


def neighbour(documents: Documents) -> float | None:
    change = _results(documents, "neighbour").get("change", {}).get("p99")
    return None if change is None else 100 * change


def adapters(key: str) -> Read:
    """The least that any adapter keeps of its framework's speed, in percent."""

    def read(documents: Documents) -> float | None:
        return min((row[key] for row in _results(documents, "adapters").get("rows", [])), default=None)

    return read


def _cell(documents: Documents, benchmark: str, figure: str, **keys: Any) -> float | None:
    """A figure of the row that has these values, if there is one."""
    rows = _results(documents, benchmark).get("rows", [])
    return next((row[figure] for row in rows if all(row[key] == value for key, value in keys.items())), None)


def _results(documents: Documents, name: str) -> Mapping[str, Any]:
    return documents.get(name, {}).get("results", {})


def _either_triton(bound: float, model: str, clients: int, wire: str) -> Term:
    """As bytes and over gRPC the faster of the two counts, whichever that is."""
    reads = [peer(name, model, clients, wire) for name in ("triton", "triton-delay")]

    def read(documents: Documents) -> float | None:
        found = [times for each in reads if (times := each(documents)) is not None]
        return min(found) if len(found) == len(reads) else None

    return Term(bound, "times", "Triton", read)


def _triton(bound: float, model: str, clients: int) -> Term:
    """The bars were set against a Triton that waits up to 100 µs for a batch; without that it is faster, and this is shown too."""
    aside = (peer("triton", model, clients), "without its queue delay")
    return Term(bound, "times", "Triton", peer("triton-delay", model, clients), aside=aside)


BARS = (
    Bar(
        "mnist.onnx, 32 clients",
        (_triton(1.8, "mnist", 32), Term(85, "%", "of ONNX Runtime alone", alone("mnist", "oip", 32, percent=True))),
    ),
    Bar("mnist.onnx, 1 client", (_triton(2, "mnist", 1),)),
    Bar("tiny.onnx, 32 clients", (_triton(2.7, "tiny", 32), Term(2.7, "times", "mosec", peer("mosec", "tiny", 32)))),
    Bar("tiny.onnx, 1 client", (_triton(2.2, "tiny", 1),)),
    Bar("the demo with pixels, 32 clients", (Term(5, "times", "predict_on_batch alone", alone("demo", "0mind", 32)),)),
    Bar(
        "the demo with PNG bodies, 2 instances, 32 clients",
        (Term(70, "%", "of Pillow and the model alone", alone("pictures", "0mind", 32, percent=True)),),
    ),
    Bar("224x224x3 FP32 as JSON, 8 clients", (_triton(1.5, "image", 8),)),
    Bar("mnist.onnx as bytes, 32 clients", (Term(1.1, "times", "JSON", binary("mnist", 32)),)),
    Bar("mnist.onnx as bytes, 1 client", (Term(1.1, "times", "JSON", binary("mnist", 1)),)),
    Bar(
        "224x224x3 FP32 as bytes, 8 clients",
        (Term(5, "times", "JSON", binary("image", 8)), _either_triton(1, "image", 8, "binary")),
    ),
    Bar("mnist.onnx over gRPC, 32 streams", (_either_triton(1, "mnist", 32, "gRPC"),)),
    Bar("mnist.onnx over gRPC, 1 stream", (_either_triton(1.3, "mnist", 1, "gRPC"),)),
    Bar("tiny.onnx over gRPC, 32 streams", (_either_triton(0.6, "tiny", 32, "gRPC"),)),
    Bar("an ordinary Tornado handler", (Term(2.5, "times", "Tornado's own server", handler),)),
    Bar("the front process with ten models", (Term(90, "MB", "resident", front, most=True),)),
    Bar("from start to listening", (Term(1, "s", "", start, most=True),)),
    Bar("tiny.onnx beside a model that sleeps", (Term(20, "%", "more at p99", neighbour, most=True),)),
    Bar(
        "32 rows of a model over 1 ms, every adapter",
        (
            Term(90, "%", "of the framework alone, by the adapter", adapters("adapter_percent")),
            Term(90, "%", "served", adapters("served_percent")),
        ),
    ),
)
