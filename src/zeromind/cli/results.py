"""What load came to, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from zeromind.bench.result import NO_ANSWER, Result

_LATENCIES = ("mean", "p50", "p90", "p95", "p99", "p99.9", "max")


def name(rate: float | None, connections: int) -> str:
    """How a run is called: its rate, or its clients."""
    return f"{connections} clients" if rate is None else f"{_number(rate)}/s"


def table(results: Sequence[Result]) -> Table:
    """A row for each run."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    made.add_column("offered", no_wrap=True)
    for column in ("answers/s", *_LATENCIES, "failed"):
        made.add_column(column, justify="right", no_wrap=True)
    for result in results:
        latencies = [_milliseconds(result.latency_ms[key]) if result.latency_ms else "-" for key in _LATENCIES]
        failures = f"[bold red]{result.failures:,}[/]" if result.failures else "0"
        made.add_row(name(result.rate, result.connections), _number(result.throughput), *latencies, failures)
    return made


def remarks(results: Sequence[Result]) -> Iterator[str]:
    """For each run what its numbers were and whether its schedule was kept, as rich writes it; then what went wrong."""
    for result in results:
        counts = f"{result.requests:,} requests, "
        counts += "all answered" if result.answered == result.requests > 0 else f"{result.sent:,} sent, {result.answered:,} answered"
        counts += f", {result.failures:,} failed" if result.failures else ""
        counts += f", {result.unfinished:,} unfinished" if result.unfinished else ""
        early = f"ended early after {result.seconds:.1f} s; " if result.interrupted else ""
        good = not result.behind and not result.gone and result.requests
        verdict = result.verdict if good else f"[bold red]{result.verdict}[/]"
        yield f"[bold]{name(result.rate, result.connections)}[/]: {counts}; {early}{verdict}"
        for how, count in result.failed.items():
            said = NO_ANSWER.get(how) or result.messages.get(how) or "no reason given"
            yield f"  [red]{count:,} x {how}[/]: {escape(said)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _milliseconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
