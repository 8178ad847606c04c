"""How long a round trip takes with the Python client, and with tritonclient against the same server.

    python benchmarks/client.py [--quick] [--out FILE]

The models tiny, mnist and image with one row as bytes, over HTTP and gRPC, waiting (Client) and awaited (AsyncClient), all by turns;
medians in microseconds. The bar: over HTTP no slower than tritonclient.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import models
import report
from server import serving
from timing import by_turns

from zeromind.client import AsyncClient, Client

_TOGETHER = 10  # calls of one run of the event loop, whose own start and end are not to count


def measure(options: argparse.Namespace) -> dict[str, Any]:
    if importlib.util.find_spec("tritonclient") is None:
        raise SystemExit("tritonclient is not installed: pip install 'tritonclient[grpc,http]'")
    seconds, rounds = (1.0, 1) if options.quick else (20.0, 99)
    names = ("tiny",) if options.quick else tuple(models.SHAPES)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, serving([models.task(name, Path(folder)) for name in names]) as server:
        for name in names:
            found[name] = {}
            for kind, subjects in (("waiting", waiting), ("awaited", awaited)):
                with subjects(name, server.port) as calls:
                    times = by_turns(calls, seconds, rounds, time.perf_counter)
                calls_of_one = _TOGETHER if kind == "awaited" else 1
                found[name][kind] = {subject: report.significant(taken / calls_of_one * 1e6) for subject, taken in times.items()}
    rows = [(name, kind, *row.values()) for name, kinds in found.items() for kind, row in kinds.items()]
    report.table("round trip, µs", ["model", "", "http", "tritonclient", "grpc", "tritonclient"], rows)
    return {"round_trip_us": found, "rounds": rounds}


@contextlib.contextmanager
def waiting(name: str, port: int) -> Iterator[dict[str, Callable[[], Any]]]:
    """A call of each client that waits."""
    import tritonclient.grpc
    import tritonclient.http

    row, place = models.sample(name), f"127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        http, grpc = (stack.enter_context(Client(f"{scheme}://{place}")) for scheme in ("http", "grpc"))
        modules = tritonclient.http, tritonclient.grpc
        tritons = [stack.enter_context(contextlib.closing(module.InferenceServerClient(place))) for module in modules]
        triton_http, triton_grpc = tritons
        yield {
            "http": lambda: http.predict(name, row)["y"],
            "triton_http": lambda: triton_http.infer(name, [_input(tritonclient.http, row)]).as_numpy("y"),
            "grpc": lambda: grpc.predict(name, row)["y"],
            "triton_grpc": lambda: triton_grpc.infer(name, [_input(tritonclient.grpc, row)]).as_numpy("y"),
        }


@contextlib.contextmanager
def awaited(name: str, port: int) -> Iterator[dict[str, Callable[[], Any]]]:
    """Some calls of each client of an event loop, one after the other."""
    import tritonclient.grpc.aio
    import tritonclient.http.aio

    row, place, loop = models.sample(name), f"127.0.0.1:{port}", asyncio.new_event_loop()

    async def opened() -> list[Any]:
        tritons = [module.aio.InferenceServerClient(place) for module in (tritonclient.http, tritonclient.grpc)]
        return [AsyncClient(f"http://{place}"), tritons[0], AsyncClient(f"grpc://{place}"), tritons[1]]

    def together(ask: Callable[[], Awaitable[Any]]) -> Callable[[], None]:
        async def several() -> None:
            for _ in range(_TOGETHER):
                await ask()

        return lambda: loop.run_until_complete(several())

    clients = loop.run_until_complete(opened())
    http, triton_http, grpc, triton_grpc = clients
    try:
        yield {
            "http": together(lambda: http.predict(name, row)),
            "triton_http": together(lambda: triton_http.infer(name, [_input(tritonclient.http, row)])),
            "grpc": together(lambda: grpc.predict(name, row)),
            "triton_grpc": together(lambda: triton_grpc.infer(name, [_input(tritonclient.grpc, row)])),
        }
    finally:
        for client in clients:
            loop.run_until_complete(client.close())
        loop.close()


def _input(module: Any, row: Any) -> Any:
    made = module.InferInput("x", row.shape, "FP32")
    made.set_data_from_numpy(row)
    return made


if __name__ == "__main__":
    report.main("client", __doc__, measure, ("grpcio", "tritonclient", "onnxruntime"))
