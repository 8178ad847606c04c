"""Draws the peers' requests per second for the docs: ``python benchmarks/plot.py benchmarks/results/peers.json docs/performance.svg``."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

OURS, OTHERS, TEXT, GRID, CARD = "#0369a1", "#a1a1aa", "#18181b", "#e4e4e7", "#ffffff"
# The same colours where the reader has it dark; whoever knows no such query sees the light card.
DARK = {OURS: "#38bdf8", OTHERS: "#71717a", TEXT: "#f4f4f5", GRID: "#3f3f46", CARD: "#18181b"}
_ABOUT = {
    ("tiny", "JSON"): "the server's own cost",
    ("mnist", "JSON"): "a small network",
    ("image", "JSON"): "1.4 MB of numbers in JSON",
    ("image", "binary"): "the same numbers as 0.6 MB of bytes",
}
_COLUMNS = 2
_BAR_INCHES = 0.21


def draw(document: Mapping[str, Any], file: Path) -> None:
    """Write the SVG: a panel for each model and number of clients, servers from most to least, logarithmic."""
    results = document["results"]
    titles = {name: server["title"] for name, server in results["servers"].items()}
    panels: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for row in results["rows"]:
        panels.setdefault((row["model"], row["wire"], row["clients"]), []).append(row)
    if not panels:
        return
    lines = -(-len(panels) // _COLUMNS)
    height = lines * (max(map(len, panels.values())) * _BAR_INCHES + 0.8) + 0.6
    rates = [row["requests_per_second"] for row in results["rows"]]
    # Text stays text, in whatever the reader's system has, and the same figures give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "zeromind", "font.size": 9, "text.color": TEXT}):
        picture = Figure(figsize=(9.4, height), layout="constrained")
        picture.get_layout_engine().set(w_pad=0.15, h_pad=0.15)
        axes = picture.subplots(lines, _COLUMNS, squeeze=False).ravel()
        for place, ((model, wire, clients), rows) in zip(axes, panels.items(), strict=False):
            panel(place, rows, titles)
            # All panels have one scale: what is twice as long in one is so in another.
            place.set_xlim(min(rates) / 3, max(rates) * 5)
            place.set_title(f"{model}, {clients} client{'s' if clients > 1 else ''}: {_ABOUT[model, wire]}", loc="left", fontsize=9)
        for place in axes[len(panels) :]:
            place.axis("off")
        picture.suptitle("Requests per second over HTTP (logarithmic)", x=0.02, ha="left", fontsize=12, fontweight="bold")
        stream = io.StringIO()
        picture.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    file.write_text(in_both_lights(stream.getvalue()), encoding="utf-8")


def panel(place: Axes, rows: list[Mapping[str, Any]], titles: Mapping[str, str]) -> None:
    """Horizontal bars with their figures, the largest on top, ours in its own colour."""
    ordered = sorted(rows, key=lambda row: row["requests_per_second"])
    rates = [row["requests_per_second"] for row in ordered]
    ours = [row["server"] == "zeromind" for row in ordered]
    bars = place.barh([titles[row["server"]] for row in ordered], rates, height=0.72, color=[OURS if mine else OTHERS for mine in ours])
    values = place.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=4)
    for mine, *texts in zip(ours, values, place.get_yticklabels(), strict=True):
        for text in texts:
            text.set_fontweight("bold" if mine else "normal")
    place.set_xscale("log")
    place.xaxis.set_minor_locator(NullLocator())
    place.xaxis.set_major_formatter("{x:,.0f}")
    place.tick_params(axis="y", length=0, labelcolor=TEXT)
    place.tick_params(axis="x", length=0, labelcolor=TEXT, labelsize=7)
    place.grid(axis="x", color=GRID, linewidth=0.6)
    place.set_axisbelow(True)
    place.spines[:].set_visible(False)


def in_both_lights(svg: str) -> str:
    """The picture on a card of its own, with its colours as names that follow the reader's choice of light or dark."""
    rules = {colour: f"c{number}" for number, colour in enumerate(DARK)}
    for colour, name in rules.items():
        svg = svg.replace(colour, f"var(--{name})")
    light = "".join(f"--{name}:{colour};" for colour, name in rules.items())
    dark = "".join(f"--{name}:{DARK[colour]};" for colour, name in rules.items())
    style = f"<style>svg{{{light}font-family:system-ui,sans-serif}}@media (prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    card = f'<rect width="100%" height="100%" rx="8" style="fill:var(--{rules[CARD]})"/>'
    svg = re.sub(r"<metadata>.*?</metadata>|font-family: [^;\"]*;? ?| transform=\"rotate\(-0[^\"]*\"", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\n\s*", "\n", svg)
    return re.sub(r"(<svg[^>]*>)", rf"\1{style}{card}", svg, count=1)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
