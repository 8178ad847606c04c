"""The program of a worker process: ``python -m zeromind.executor.worker FD``.

It reads frames from the inherited socket FD: one ``load``, then ``run`` after ``run``; it ends when the socket does, so that it
never outlives the server.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from typing import Any

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import frames
from zeromind.executor.order import Order
from zeromind.executor.skill import Skill

_log = logging.getLogger(__name__)

_GRACE_S = 2.0
"""How long a skill may take to close once the server has let go of it."""


def main() -> None:
    """Serve one skill over the socket whose descriptor the command line names."""
    # The terminal's Ctrl-C goes to the server, which lets accepted requests finish before it ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A framework that prints must not write where the server's own output goes.
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    with socket.socket(fileno=int(sys.argv[1])) as link:
        serve(link)


def serve(link: socket.socket) -> None:
    """Answer frames until the other side closes the socket."""
    threading.Thread(target=_watch, args=(link.fileno(),), daemon=True).start()
    try:
        header, _ = _receive(link)
    except (EOFError, ConnectionError):
        return
    try:
        skill = Skill(Order.from_json(header["order"]))
    except ZeroMindError as error:
        _send(link, frames.pack({"op": "failed", **frames.error_to_json(error)}))
        return
    except Exception:
        _log.exception("loading failed")
        unknown = ZeroMindError(ErrorKind.LOAD_UNKNOWN, "the model failed to load for an unknown reason; see the server's log")
        _send(link, frames.pack({"op": "failed", **frames.error_to_json(unknown)}))
        return
    try:
        _send(link, frames.pack({"op": "ready", "interface": skill.interface.to_json()}))
        while True:
            header, buffers = _receive(link)
            _send(link, frames.pack_answers(skill.run(frames.unpack_requests(header, buffers))))
    except (EOFError, ConnectionError):
        skill.close()


def _watch(descriptor: int) -> None:
    """End the process soon after the server has gone, even while a model loads or hangs."""
    poll = select.poll()
    poll.register(descriptor, 0)  # a hang-up is reported unasked
    while not poll.poll():
        pass
    time.sleep(_GRACE_S)
    os._exit(1)


def _send(link: socket.socket, parts: list[frames.Buffer]) -> None:
    for part in parts:
        link.sendall(part)


def _receive(link: socket.socket) -> tuple[dict[str, Any], list[memoryview]]:
    header_bytes, count = frames.unpack_prefix(_read(link, frames.PREFIX.size))
    lengths = frames.unpack_lengths(_read(link, 8 * count))
    header: dict[str, Any] = json.loads(_read(link, header_bytes))
    return header, [memoryview(_read(link, length)) for length in lengths]


def _read(link: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = link.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return data


if __name__ == "__main__":
    main()
