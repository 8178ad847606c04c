"""Load from the command line: one run after the other, a progress bar meanwhile, Ctrl-C."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console

from zeromind.bench.call import Call
from zeromind.bench.load import Load, Plan
from zeromind.bench.result import Result
from zeromind.cli.results import name

_BURST_S = 3.0
_PARTS = (0.5, 0.8)
# Drawing takes a millisecond in which no answer is read: done so seldom, it does not reach p99.9.
_REFRESH_S = 1.0


class Measuring:
    """Runs of one request. Ctrl-C ends the present one and leaves out the rest; a second time, it does not wait for answers either."""

    def __init__(self, call: Call) -> None:
        self.results: list[Result] = []
        self._call = call
        self._load: Load | None = None
        self._stopped = False

    def run(self, plans: Sequence[Plan]) -> None:
        """Carry out the plans. Raises OSError if the server cannot be connected to; ``results`` are those until then."""
        _run(self._all(plans))

    def search(self, plan: Plan) -> None:
        """Find by a short closed loop how much the server can do, then carry out the plan at parts of that. Raises OSError likewise."""
        burst = dataclasses.replace(plan, rate=None, seconds=min(_BURST_S, plan.seconds))
        _run(self._all([burst], lambda most: [dataclasses.replace(plan, rate=float(f"{part * most:.2g}")) for part in _PARTS if most]))

    async def _all(self, plans: Sequence[Plan], then: Callable[[float], Sequence[Plan]] | None = None) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(signal.SIGINT, self._stop)
        waiting = collections.deque(plans)
        while waiting and not self._stopped:
            plan = waiting.popleft()
            self._load = Load(self._call, plan)
            with _progress(plan, self._load) as watch:
                result = await self._load.run(watch)
            self.results.append(result)
            if result.gone:
                break
            if then is not None:
                waiting.extend(then(result.throughput))
                then = None

    def _stop(self) -> None:
        self._stopped = True
        if self._load is not None:
            self._load.stop()


def _run(work: collections.abc.Coroutine[None, None, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(work)
    else:
        import uvloop

        uvloop.run(work)


@contextlib.contextmanager
def _progress(plan: Plan, load: Load) -> Iterator[Callable[[float], None] | None]:
    """Gives what a run tells its time to: a bar on standard error, if that is a terminal."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # not for every command

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"), TimeRemainingColumn()
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task(name(plan.rate, plan.connections), total=plan.warmup_s + plan.seconds, counts="")
        drawn = -_REFRESH_S

        def watch(seconds: float) -> None:
            nonlocal drawn
            if seconds - drawn >= _REFRESH_S:
                drawn = seconds
                failed = f", [red]{load.tally.bad:,} failed[/]" if load.tally.bad else ""
                progress.update(task, completed=seconds, counts=f"{load.tally.good:,} answered{failed}", refresh=True)

        yield watch
