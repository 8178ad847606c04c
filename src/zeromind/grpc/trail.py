"""What is told of each call that has ended: a line to the access log."""

from __future__ import annotations

import time

from zeromind.grpc.call import Call
from zeromind.observe.access import AccessLog


class Trail:
    """Whoever is told; it is made only where somebody is. ``keyed``: callers have the names of keys."""

    def __init__(self, access: AccessLog | None, keyed: bool) -> None:
        self._access = access
        self._keyed = keyed

    def answered(self, call: Call) -> None:
        """A call has its answer, or its client does not wait for one."""
        now = time.monotonic()
        head, timing = call.head, call.timing
        who = head.caller.name if self._keyed else ""
        times, sizes = (now, now - call.came), (call.received, call.sent)
        stages = None if timing is None else timing[:4]
        if self._access is not None:
            asked = head.address, who, "POST", head.path, "gRPC", int(call.code)
            self._access.note((*times, *asked, *sizes, call.request_id, call.model, stages))
