"""The part of docs/performance.md that is made from the benchmarks' documents: between its two markers, and nothing else of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from standing import BARS, Documents, figure

BEGIN = "<!-- measured, by make bench -->"
END = "<!-- end of what make bench has measured -->"
_ORDER = {"model": ("tiny", "mnist", "image"), "wire": ("JSON", "binary", "gRPC")}


def rewrite(file: Path, documents: Documents) -> None:
    """Put the figures between the markers. Raises ValueError if the file has not both."""
    text = file.read_text(encoding="utf-8")
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (begun and ended):
        raise ValueError(f"{file} needs the lines {BEGIN} and {END}")
    file.write_text("\n".join([before + BEGIN, *lines(documents), END + after]), encoding="utf-8")


def lines(documents: Documents) -> list[str]:
    """What stands between the markers."""
    return ["", *where(documents), "", *bars(documents), *peers(documents), *calls(documents), *wires(documents), *adapters(documents), ""]


def where(documents: Documents) -> Iterator[str]:
    """With what, on what and when it was measured."""
    if not documents:
        yield "Nothing has been measured yet."
        return
    machines = {f"{found['machine']['processor']}, {found['machine']['cores']} cores" for found in documents.values()}
    dates = sorted({found["date"] for found in documents.values()})
    versions: dict[str, str] = {}
    for found in documents.values():
        versions |= found["versions"]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield f"Measured on {' to '.join(dates[:: max(1, len(dates) - 1)])} on {' and '.join(sorted(machines))}: {packages}."


def bars(documents: Documents) -> Iterator[str]:
    rows = [(bar.what, bar.target, bar.measured(documents), bar.verdict(documents)) for bar in BARS]
    yield from table(("", "bar", "measured", ""), rows)


def peers(documents: Documents) -> Iterator[str]:
    """Requests per second, a row for each server."""
    results = documents.get("peers", {}).get("results", {})
    if not results.get("rows"):
        return
    yield from ("", "## Side by side", "", "![Requests per second of each server](performance.svg)", "")
    yield from servers(results, "requests per second", "client")
    packages = {server["package"]: server["version"] for server in results["servers"].values()}
    yield from ("", "Versions: " + ", ".join(f"{package} {version}" for package, version in packages.items()) + ".")
    yield from skipped(results)


def calls(documents: Documents) -> Iterator[str]:
    """The same over gRPC."""
    results = documents.get("calls", {}).get("results", {})
    if not results.get("rows"):
        return
    yield from ("", "## Side by side over gRPC", "")
    yield from servers(results, "calls per second", "stream")
    yield from skipped(results)


def servers(results: Mapping[str, Any], figures: str, asking: str) -> Iterator[str]:
    """A comparison as a table: a row for each server, a column for each thing asked; ``asking`` is one of those who do."""
    rows = results["rows"]
    columns = sorted({(row["model"], row["wire"], row["clients"]) for row in rows}, key=placed)
    cells = {(row["server"], row["model"], row["wire"], row["clients"]): row for row in rows}
    shown = []
    for name, server in results["servers"].items():
        title = f"**{server['title']}**" if name == "zeromind" else server["title"]
        shown.append([title, *(rate(cells.get((name, *column))) for column in columns)])
    heads = (f"{model}{', as bytes' * (wire == 'binary')}, {counted(clients, asking)}" for model, wire, clients in columns)
    yield from table([figures, *heads], shown)


def placed(column: tuple[str, str, int]) -> tuple[int, int, int]:
    """Where a column stands: small models first, then JSON, then few clients."""
    model, wire, clients = column
    return _ORDER["model"].index(model), _ORDER["wire"].index(wire), clients


def skipped(results: Mapping[str, Any]) -> Iterator[str]:
    """What is missing in a comparison, and why."""
    for name, reason in results.get("skipped", {}).items():
        yield from ("", f"Without {name}: {reason.splitlines()[0]}")


def wires(documents: Documents) -> Iterator[str]:
    """The whole way, a row for each model and wire."""
    rows = documents.get("end_to_end", {}).get("results", {}).get("rows", [])
    if not rows:
        return
    numbers = sorted({row["clients"] for row in rows})
    cells = {(row["model"], row["wire"], row["clients"]): row for row in rows}
    yield from ("", "## The whole way", "")
    shown = []
    for model, wire in dict.fromkeys((row["model"], row["wire"]) for row in rows):
        found = [cells.get((model, wire, clients)) for clients in numbers]
        most = max((cell for cell in found if cell), key=lambda cell: cell["clients"])
        shown.append([f"{model}, {wire}", *map(rate, found), f"{figure(most['times_alone'])} times {most['alone']}"])
    yield from table(["requests per second", *map(counted, numbers), "the last, beside the loop alone"], shown)


def adapters(documents: Documents) -> Iterator[str]:
    """What is left of each framework's speed."""
    results = documents.get("adapters", {}).get("results", {})
    if not results.get("rows"):
        return
    yield from ("", "## Each framework", "")
    percent = ((row, f"{figure(row['adapter_percent'])} %", f"{figure(row['served_percent'])} %") for row in results["rows"])
    shown = ([row["adapter"], row["model"], f"{figure(row['alone_ms'])} ms", *figures] for row, *figures in percent)
    yield from table(["32 rows on one thread", "model", "the framework alone", "by the adapter", "served"], shown)
    yield from skipped(results)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of Markdown, figures to the right where the columns' heads have them."""
    yield f"| {' | '.join(heads)} |"
    yield "|---" + "|---:" * (len(heads) - 1) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def counted(clients: int, asking: str = "client") -> str:
    return f"{clients} {asking}{'s' * (clients > 1)}"


def rate(row: Mapping[str, Any] | None) -> str:
    """Requests per second, with those that failed if any did."""
    if row is None:
        return ""
    failed = f" ({row['failed']} failed)" if row.get("failed") else ""
    return figure(row["requests_per_second"]) + failed
