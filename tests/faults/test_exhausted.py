"""A system that has no more to give: descriptors, memory that is shared, processes. Who is served stays served, and it passes."""

from __future__ import annotations

import contextlib
import http.client
import resource
import socket
import time

import psutil
import pytest

SUM = {"id": "sum", "model_file": "sum.py"}


def canary(server):
    assert server.get("/v2/health/live").status == 200
    assert server.predict("sum", {"x": [[1, 2, 3]]}).json["result"]["sum"] == [6.0]


@pytest.mark.proves("F30")
def test_f30_no_more_descriptors_costs_new_clients_only_and_passes(spawn, waiting):
    server = spawn(tasks=[SUM])
    process = psutil.Process(server.process.pid)
    host, _, port = server.address.rpartition(":")
    canary(server)
    known = http.client.HTTPConnection(server.address, timeout=10)
    known.request("GET", "/v2/health/live")
    assert known.getresponse().read() is not None
    usual, (soft, hard) = process.num_fds(), process.rlimit(resource.RLIMIT_NOFILE)
    process.rlimit(resource.RLIMIT_NOFILE, (usual + 8, hard))
    with contextlib.ExitStack() as opened:
        for _ in range(60):
            opened.enter_context(socket.create_connection((host, int(port)), timeout=10))
        waiting(lambda: process.num_fds() >= usual + 7)
        begin, before = time.monotonic(), sum(process.cpu_times()[:2])
        for _ in range(10):  # who has a connection is answered, models too
            known.request("POST", "/model/predict?id=sum", b'{"x": [[1, 2, 3]]}', {"Content-Type": "application/json"})
            answer = known.getresponse()
            assert (answer.status, b"[6.0]" in answer.read()) == (200, True)
            time.sleep(0.1)
        spent = sum(process.cpu_times()[:2]) - before
        assert spent < 0.5 * (time.monotonic() - begin), "accepting spins"
        known.request("POST", "/model/load", b'{"id": "more", "model_file": "sum.py"}', {"Content-Type": "application/json"})
        answer = known.getresponse()
        text = answer.read()
        assert answer.status in (503, 507), text
        assert b"Traceback" not in text
    known.close()
    waiting(lambda: process.num_fds() <= usual)
    canary(server)
    process.rlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert server.load({"id": "more", "model_file": "sum.py"}).status == 200
    assert server.complaints() == []
