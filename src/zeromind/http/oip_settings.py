"""The Open Inference Protocol's settings that change while the pool runs: traces and the log."""

from __future__ import annotations

from zeromind.http.handler import Handler
from zeromind.http.oip_handler import OipHandler


class TraceSetting(OipHandler):
    """Which requests are traced."""

    route = "/v2(?:/models/([^/]+))?/trace/setting"
    shown = "/v2[/models/{id}]/trace/setting"
    summary = "Which requests leave a timeline in the pool's `trace_file`, of all models or of one; a POST changes it."

    def get(self, model_id: str | None) -> None:
        """Answer with what holds."""
        self.send(self.engine.trace.settings(self._named(model_id)))

    def post(self, model_id: str | None) -> None:
        """Answer with what holds now."""
        self.send(self.engine.trace.change(self.fields, self._named(model_id)))

    def _named(self, model_id: str | None) -> str:
        return self.engine.registry.get(model_id).task.id if model_id else ""


class Logging(OipHandler):
    """What is logged."""

    route = "/v2/logging"
    summary = "Which messages are logged, and in which form of time; a POST changes it."

    def get(self) -> None:
        """Answer with what holds."""
        self.send(self.engine.logging.settings())

    def post(self) -> None:
        """Answer with what holds now."""
        self.send(self.engine.logging.change(self.fields))


ROUTES: tuple[type[Handler], ...] = (TraceSetting, Logging)
