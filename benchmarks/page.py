"""The part of docs/performance.md that is made from the benchmarks' documents: between its two markers, and nothing else of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from standing import BARS, Documents, figure

BEGIN = "<!-- measured, by make bench -->"
END = "<!-- end of what make bench has measured -->"
_MODELS = ("tiny", "mnist", "image")


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
    return ["", *where(documents), "", *bars(documents), *peers(documents), *wires(documents), ""]


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
    rows = results.get("rows", [])
    if not rows:
        return
    columns = sorted({(row["model"], row["clients"]) for row in rows}, key=lambda column: (_MODELS.index(column[0]), column[1]))
    cells = {(row["server"], row["model"], row["clients"]): row for row in rows}
    heads = ["requests per second", *(f"{model}, {counted(clients)}" for model, clients in columns)]
    shown = []
    for name, server in results["servers"].items():
        title = f"**{server['title']}**" if name == "zeromind" else server["title"]
        shown.append([title, *(rate(cells.get((name, *column))) for column in columns)])
    yield from ("", "## Side by side", "", "![Requests per second of each server](performance.svg)", "")
    yield from table(heads, shown)
    packages = {server["package"]: server["version"] for server in results["servers"].values()}
    yield from ("", "Versions: " + ", ".join(f"{package} {version}" for package, version in packages.items()) + ".")
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


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of Markdown, figures to the right where the columns' heads have them."""
    yield f"| {' | '.join(heads)} |"
    yield "|---" + "|---:" * (len(heads) - 1) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def counted(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"


def rate(row: Mapping[str, Any] | None) -> str:
    """Requests per second, with those that failed if any did."""
    if row is None:
        return ""
    failed = f" ({row['failed']} failed)" if row.get("failed") else ""
    return figure(row["requests_per_second"]) + failed
