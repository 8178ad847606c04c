"""Who is refused does not fill the log."""

import logging
import socket
import time

import pytest

from zeromind.observe.logs import Sparing


def test_a_second_has_so_many_records_and_the_next_tells_of_the_others():
    now = [5.2]
    sparing = Sparing(2, lambda: now[0])

    def told():
        record = logging.LogRecord("a", logging.INFO, "b", 1, "refused %s", ("x",), None)
        return record.getMessage() if sparing.filter(record) else None

    assert [told() for _ in range(5)] == ["refused x", "refused x", None, None, None]
    now[0] = 6.0
    assert [told() for _ in range(3)] == ["refused x (and 3 more that are not told)", "refused x", None]
    now[0] = 9.0
    assert told() == "refused x (and 1 more that are not told)"
    now[0] = 10.0
    assert told() == "refused x"


@pytest.mark.proves("T26")
def test_t26_a_flood_of_refusals_is_a_few_lines(spawn):
    server = spawn(tasks=[{"id": "sum", "model_file": "sum.py"}])
    host, _, port = server.address.rpartition(":")
    begin = time.monotonic()
    for _ in range(500):
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall(b"no HTTP\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 400")
    lines = server.log.read_text().count("refused 127.0.0.1")
    assert 0 < lines <= 10 * (time.monotonic() - begin + 2)
    assert lines < 250 or time.monotonic() - begin > 20
    assert server.predict("sum", {"x": [[1, 2, 3]]}).status == 200
