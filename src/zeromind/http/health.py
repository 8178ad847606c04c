"""Whether the pool lives and whether it is ready, under the routes of the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from zeromind.access.scope import Scope
from zeromind.http.handler import Handler
from zeromind.http.oip_handler import OipHandler
from zeromind.http.operation import NOTHING, Operation


class Live(OipHandler):
    """The process answers."""

    route = "/v2/health/live"
    summary = "200 while the process answers."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.OPEN}
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation()}

    def get(self) -> None:
        """An empty 200, with ``Accept: application/json`` one that says so in JSON."""
        if self.wants_json:
            self.send({"live": True})
        else:
            self.empty()


class Ready(OipHandler):
    """Every configured task has loaded or failed."""

    route = "/v2/health/ready"
    summary = "200 once every configured task has loaded or failed; 400 before, and while the pool stops."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.OPEN}
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation(also={400: ("It is not ready, and there is no body.", NOTHING)})}

    def get(self) -> None:
        """An empty 200 or 400, as Triton answers, with ``Accept: application/json`` one that says so in JSON."""
        ready = self.engine.ready
        self.set_status(200 if ready else 400)
        if self.wants_json:
            self.send({"ready": ready})
        else:
            self.empty()


ROUTES: tuple[type[Handler], ...] = (Live, Ready)
