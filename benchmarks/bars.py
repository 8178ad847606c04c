"""Runs every benchmark and shows how the figures stand to the bars that were set before; rewrites docs/performance.md with them.

    python benchmarks/bars.py [--only peers,end_to_end] [--quick] [--envs DIR] [--results DIR] [--page FILE]

Each benchmark's document stays in benchmarks/results; the loops of bare.py are among end_to_end's turns. ``--only`` measures some
anew, or with an empty list none, and takes the others as they are there. A bar whose figure is missing is "not measured". ``--quick``
shows that it works, not how fast: no page is written.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import page
import report
import signals
from standing import BARS, Documents

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results"
PAGE = FOLDER.parent / "docs" / "performance.md"
SCRIPTS = {
    "peers": "peers/run.py",
    "calls": "peers/calls.py",
    **{
        name: f"{name}.py"
        for name in ("end_to_end", "transport", "neighbour", "cold_start", "memory", "batching", "codec", "shared_memory", "adapters")
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="names with commas, of " + ", ".join(SCRIPTS))
    parser.add_argument("--quick", action="store_true", help="a few seconds each: shows that it works, not how fast")
    parser.add_argument("--envs", type=Path, help="where the peers' virtual environments are")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the documents are kept (default: %(default)s)")
    parser.add_argument("--page", type=Path, default=PAGE, help="what is rewritten (default: %(default)s)")
    options = parser.parse_args()
    names = list(SCRIPTS) if options.only is None else [name for name in options.only.split(",") if name]
    if strangers := sorted(set(names) - set(SCRIPTS)):
        parser.error(f"no such benchmark: {', '.join(strangers)}; there are {', '.join(SCRIPTS)}")
    with contextlib.ExitStack() as stack:
        # What was measured in a hurry must not be taken for the other.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if options.quick else options.results
        failed = [name for name in names if not measured(name, folder, options)]
        documents = read(folder)
    report.table(
        "bars", ("", "target", "measured", ""), ((bar.what, bar.target, bar.measured(documents), bar.verdict(documents)) for bar in BARS)
    )
    if not options.quick:
        page.rewrite(options.page, documents)
        draw(documents, options.page.with_suffix(".svg"))
    if failed:
        report.say(f"\nthese failed, see above: {', '.join(failed)}")
    return len(failed)


def measured(name: str, folder: Path, options: argparse.Namespace) -> bool:
    """Run one benchmark; whether it has written its document."""
    out = folder / f"{name}.json"
    # An old document would pass for a new one.
    out.unlink(missing_ok=True)
    command = [sys.executable, str(FOLDER / SCRIPTS[name]), "--out", str(out)]
    compares = SCRIPTS[name].startswith("peers/")
    command += ["--quick"] if options.quick else ["--seconds", "2"] if compares else []
    command += ["--envs", str(options.envs)] if compares and options.envs else []
    report.say(f"\n{name} …")
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        process.wait()
    finally:
        # It ends its servers itself, so it must not be killed.
        process.terminate()
        process.wait()
    report.say(f"{name} took {time.monotonic() - begun:.0f} s")
    return out.exists()


def read(folder: Path) -> Documents:
    """The documents that are there, by benchmark."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def draw(documents: Documents, file: Path) -> None:
    """Draw the peers, if there are some, and what draws them is installed."""
    try:
        import plot
    except ModuleNotFoundError:
        report.say("matplotlib is not installed, so the plot stays as it is: pip install 'zeromind[bench]'")
        return
    if "peers" in documents:
        plot.draw(documents["peers"], file)


if __name__ == "__main__":
    signals.unwind()
    sys.exit(main())
