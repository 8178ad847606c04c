"""The same Tornado handler on our transport and on Tornado's own server: requests per second, and how many times as many.

    python benchmarks/transport.py [--seconds 2] [--rounds 3] [--connections 32]

Three servers, each a process of its own: ours on uvloop, Tornado's on asyncio (its default), Tornado's on uvloop. They are driven by
``wrk`` one after the other, round by round, so that what else the machine does hits all of them; the medians are printed as JSON.
Needs ``wrk`` and the package with its dependencies; two cores, of which the server gets one where ``taskset`` is there.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SERVERS = ("ours on uvloop", "tornado on asyncio", "tornado on uvloop")
WORKLOADS = {
    "json echo": 'wrk.method="POST" wrk.body=\'{"x":[1,2,3,4]}\' wrk.headers["Content-Type"]="application/json"',
    "get": 'wrk.path="/hello"',
}


def serve(name: str, port: int) -> None:
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


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command] if shutil.which("taskset") else command


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on port {port}")


def measure(port: int, script: Path, seconds: float, connections: int) -> float:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), f"http://127.0.0.1:{port}/"]
    output = subprocess.run(pinned(1, command), check=True, capture_output=True, text=True, timeout=60).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"wrong answers:\n{output}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])


def compare(seconds: float, rounds: int, connections: int) -> dict[str, object]:
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed: apt-get install wrk")
    ports = {name: free_port() for name in SERVERS}
    processes = [subprocess.Popen(pinned(0, [sys.executable, __file__, "--serve", name, str(port)])) for name, port in ports.items()]
    result: dict[str, object] = {"machine": platform.processor() or platform.machine(), "connections": connections, "rounds": rounds}
    try:
        with tempfile.TemporaryDirectory() as folder:
            for port in ports.values():
                wait_for(port)
            for workload, lua in WORKLOADS.items():
                script = Path(folder, "work.lua")
                script.write_text(lua.replace(" wrk.", "\nwrk."))
                rates: dict[str, list[float]] = {name: [] for name in SERVERS}
                for _ in range(rounds):
                    for name, port in ports.items():
                        rates[name].append(measure(port, script, seconds, connections))
                medians = {name: statistics.median(found) for name, found in rates.items()}
                ours = medians[SERVERS[0]]
                result[workload] = {
                    "requests_per_second": {name: round(rate) for name, rate in medians.items()},
                    "times_tornado_on_asyncio": round(ours / medians[SERVERS[1]], 2),
                    "times_tornado_on_uvloop": round(ours / medians[SERVERS[2]], 2),
                }
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return result


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
        parser.add_argument("--seconds", type=float, default=2.0)
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--connections", type=int, default=32)
        options = parser.parse_args()
        print(json.dumps(compare(options.seconds, options.rounds, options.connections), indent=2))
