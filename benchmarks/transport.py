"""The same Tornado handler on our transport and on Tornado's own server: requests per second, and how many times as many.

    python benchmarks/transport.py [--quick] [--out FILE] [--connections 32]

Three servers, each a process of its own: ours on uvloop, Tornado's on asyncio (its default), Tornado's on uvloop. They are driven by
wrk one after the other, round by round, so that what else the machine does hits all of them; the figures are medians. Needs wrk;
of two cores the server gets one where ``taskset`` is there.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import report
import wrk
from server import end, free_port

SERVERS = ("ours on uvloop", "tornado on asyncio", "tornado on uvloop")
WORKLOADS = {"json echo": ("/", b'{"x":[1,2,3,4]}'), "get": ("/hello", b"")}
_LISTENS_S = 10


def measure(options: argparse.Namespace) -> dict[str, Any]:
    wrk.require()
    rounds, seconds = (1, 1) if options.quick else (3, 2)
    results: dict[str, Any] = {"connections": options.connections, "rounds": rounds}
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(running(name)) for name in SERVERS}
        for workload, (path, body) in WORKLOADS.items():
            rates: dict[str, list[float]] = {name: [] for name in SERVERS}
            for _ in range(rounds):
                for name, port in ports.items():
                    request = wrk.Request(f"http://127.0.0.1:{port}{path}", body)
                    rates[name].append(wrk.drive(request, seconds, options.connections, core=1).requests_per_second)
            results[workload] = compared({name: statistics.median(found) for name, found in rates.items()})
            report.table(workload, ["server", "requests/s"], results[workload]["requests_per_second"].items())
    return results


def compared(rates: dict[str, float]) -> dict[str, Any]:
    ours, on_asyncio, on_uvloop = (rates[name] for name in SERVERS)
    return {
        "requests_per_second": {name: round(rate) for name, rate in rates.items()},
        "times_tornado_on_asyncio": round(ours / on_asyncio, 2),
        "times_tornado_on_uvloop": round(ours / on_uvloop, 2),
    }


@contextlib.contextmanager
def running(name: str) -> Iterator[int]:
    """One of the servers, listening on the port that this gives."""
    port = free_port()
    process = subprocess.Popen(wrk.pinned(0, [sys.executable, __file__, "--serve", name, str(port)]))
    try:
        wait_for(port)
        yield port
    finally:
        end(process)


def wait_for(port: int) -> None:
    """Return once something listens there. Raises RuntimeError if nothing does in time."""
    end_s = time.monotonic() + _LISTENS_S
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def serve(name: str, port: int) -> None:
    """Be one of the servers, until the process is ended."""
    import asyncio

    import orjson
    import tornado.httpserver
    import tornado.web
    import uvloop

    from zeromind.http.listener import Listener

    class Echo(tornado.web.RequestHandler):
        def get(self) -> None:
            self.finish("hello")

        def post(self) -> None:
            self.set_header("Content-Type", "application/json")
            self.finish(orjson.dumps(orjson.loads(self.request.body)))

    async def main() -> None:
        application = tornado.web.Application([("/.*", Echo)])
        if name.startswith("ours"):
            await Listener(application).listen("127.0.0.1", port)
        else:
            tornado.httpserver.HTTPServer(application).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    (asyncio if name.endswith("asyncio") else uvloop).run(main())


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--connections", type=int, default=32, help="how many ask at a time (default: %(default)s)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        report.main("transport", __doc__, measure, arguments=_arguments)
