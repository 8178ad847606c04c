"""``zeromind bench``: how fast a running server is."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import http.client
import json
import mimetypes
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.markup import escape

from zeromind.bench.call import Call
from zeromind.bench.load import Plan
from zeromind.bench.result import Result
from zeromind.bench.sample import JSON, PROTOCOLS, Sample, samples
from zeromind.bench.schedule import KINDS
from zeromind.bench.served import Served, look
from zeromind.bench.trial import first_answered, given
from zeromind.cli import results, settings, suggestions
from zeromind.cli.measuring import Measuring
from zeromind.client import faults
from zeromind.client.address import Address
from zeromind.errors import ErrorKind, ZeroMindError

_FIRST_ANSWER_S = 60.0  # a model may still be loading
_WIDEST = 200
_MOST_SHOWN = 100
_MOST_REQUESTS = 10_000_000


def _rates(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[float, ...]:
    """The rates in ``--rate``, "500,1000"."""
    try:
        found = tuple(float(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        found = (0.0,)
    if not all(0.01 <= rate <= 1e6 for rate in found):
        raise click.BadParameter(f"{text!r} is not a number of requests per second from 0.01 to 1000000, or several with commas")
    return found


def _headers(_context: click.Context, _option: click.Parameter, lines: tuple[str, ...]) -> dict[str, str]:
    pairs = [line.partition(":") for line in lines]
    if not all(
        name.strip() and colon and line.isascii() and line.isprintable() for line, (name, colon, _) in zip(lines, pairs, strict=True)
    ):
        raise click.BadParameter("a header is written 'Name: value'")
    return {name.strip(): value.strip() for name, _, value in pairs}


@click.command()
@click.argument("url")
@click.argument("model", shell_complete=suggestions.models)
@click.option("--rate", "rates", metavar="N[,N…]", callback=_rates, help="Requests per second; several are measured one after the other.")
@click.option("--arrivals", type=click.Choice(KINDS), default="poisson", show_default=True, help="How they are spread over time.")
@click.option("--closed", is_flag=True, help="A closed loop instead: each of the connections sends again when it has its answer.")
@click.option("--duration", type=click.FloatRange(0.1, 3600), default=10, show_default=True, help="How long to measure, in seconds.")
@click.option("--warmup", type=click.FloatRange(0, 3600), default=1, show_default=True, help="The same load before, not measured.")
@click.option(
    "--connections", "--clients", type=click.IntRange(1, 10_000), default=64, show_default=True,
    help="Connections, and so the most requests under way.",
)  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0.01, 600), default=10, show_default=True, help="How long an answer may take, in seconds.")
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The body to send instead of a made-up one.")
@click.option("--content-type", help="What the --data is.  [default: by the file's name, else application/json]")
@click.option("--batch", type=click.IntRange(1, 65_536), default=1, show_default=True, help="Rows in a made-up request.")
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="The route to ask.  [default: v2, or 0mind for inputs with filters]")
@click.option("-H", "--header", "headers", multiple=True, callback=_headers, help="A header to send, 'Name: value'.")
@settings.key
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--output", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write it as JSON into a file, too.")
def bench(  # noqa: PLR0913 - each is an argument or an option of the command line
    *,
    url: str,
    model: str,
    rates: tuple[float, ...],
    arrivals: str,
    closed: bool,
    duration: float,
    warmup: float,
    connections: int,
    timeout: float,
    data: Path | None,
    content_type: str | None,
    batch: int,
    protocol: str | None,
    headers: dict[str, str],
    key: str | None,
    as_json: bool,
    output: Path | None,
) -> None:
    """Measure latency and throughput of MODEL on the running server at URL.

    \b
    zeromind bench http://127.0.0.1:5885 iris --rate 500,1000,2000
    zeromind bench http://127.0.0.1:5885 1 --data samples/image5.png --duration 30

    Requests come on a schedule, as they do from clients that know nothing of each other, and latency counts from when a request was
    due: when the server stalls, those that had to wait for it show it. Without --rate a closed loop finds how much the server can
    do, and 50 % and 80 % of that are measured. What is sent is made up from what the server says the model takes.

    The load generator takes processor time, too, so on the server's own machine both get less. Ctrl-C ends early and tells what was
    measured so far. Exits 1 if a request failed or none was answered.
    """
    if closed and rates:
        raise click.UsageError("give either --rate or --closed: a closed loop takes the rate that it gets")
    if max(rates, default=0) * (duration + warmup) > _MOST_REQUESTS:
        raise click.UsageError(f"this would be more than {_MOST_REQUESTS:,} requests: give a shorter --duration or a lower --rate")
    headers = {**settings.bearer(key), **headers}
    try:
        address = Address.parse(url)
    except ValueError as error:
        raise click.UsageError(f"URL {error}") from None
    candidates: Iterable[Sample]
    with _told(address, "" if data else "; send a request of your own: --data FILE"):
        if data is None:
            candidates = samples(look(address, model, headers, _FIRST_ANSWER_S), protocol, batch, np.random.default_rng(0))
        else:
            media = content_type or mimetypes.guess_type(data.name)[0] or JSON
            candidates = [given(Served(model, ()), protocol, data.read_bytes(), media)]
        call, sample = first_answered(address, candidates, headers, _FIRST_ANSWER_S)
    plan = Plan(None, duration, warmup, arrivals, connections, timeout)
    measuring = Measuring(call)
    failure = _measure(measuring, plan, closed, rates)
    document = _document(call, model, sample, plan, measuring.results)
    if as_json:
        click.echo(document)
    elif measuring.results:
        _show(call, sample, plan, measuring.results)
    if output is not None:
        try:
            output.write_text(document + "\n")
        except OSError as error:
            raise click.ClickException(f"{output} cannot be written: {error}") from None
    if failure:
        raise click.ClickException(failure)
    if not any(run.answered for run in measuring.results) or any(run.failures or run.gone for run in measuring.results):
        raise SystemExit(1)


@contextlib.contextmanager
def _told(address: Address, otherwise: str) -> Iterator[None]:
    """Ends the command with one line where the server cannot be asked, or refuses; ``otherwise`` is what then helps."""
    try:
        yield
    except ZeroMindError as error:
        raise click.ClickException(
            str(error) + (otherwise if error.kind in (ErrorKind.INVALID_INPUT, ErrorKind.INPUT_SPEC) else "")
        ) from None
    except OSError as error:
        raise click.ClickException(faults.unreachable(address.url, error).message) from None
    except http.client.HTTPException as error:
        said = "".join(letter for letter in str(error)[:_MOST_SHOWN] if letter.isprintable())
        raise click.ClickException(f"what answers at {address.url} is no 0Mind server, as it does not speak HTTP: {said}") from None


def _measure(measuring: Measuring, plan: Plan, closed: bool, rates: Sequence[float]) -> str:
    """Measure as asked for; what made it end, empty if nothing did."""
    try:
        if closed or rates:
            measuring.run([dataclasses.replace(plan, rate=rate) for rate in rates] or [plan])
        else:
            measuring.search(plan)
    except OSError as error:
        files = "; allow more open files (ulimit -n) or ask for fewer --connections" if error.errno == errno.EMFILE else ""
        return f"the connections cannot be opened: {error}{files}"
    return ""


def _document(call: Call, model: str, sample: Sample, plan: Plan, runs: Sequence[Result]) -> str:
    about = {"url": call.address.url, "model": model, "path": call.path, "request": sample.about, "request_bytes": len(call.body)}
    settings = {key: value for key, value in dataclasses.asdict(plan).items() if key != "rate"}
    return json.dumps({**about, **settings, "runs": [run.as_dict() for run in runs]}, indent=2)


def _show(call: Call, sample: Sample, plan: Plan, runs: Sequence[Result]) -> None:
    console = Console(highlight=False)
    table = results.table(runs)
    # A terminal that is too narrow breaks the lines, which is better than figures that are cut.
    console.width = max(console.width, console.measure(table, options=console.options.update(width=_WIDEST)).maximum)
    pace, since = (", a closed loop", "sent") if all(run.rate is None for run in runs) else (f", {plan.arrivals} arrivals", "due")
    console.print(f"POST {escape(call.address.url + call.path)}: {escape(sample.about)}", soft_wrap=True)
    console.print(f"{plan.connections} connections{pace}; latency in milliseconds from when a request was {since}\n", soft_wrap=True)
    console.print(table)
    console.print()
    for line in results.remarks(runs):
        console.print(line, soft_wrap=True)
