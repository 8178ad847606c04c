"""The third door: a request handler. ``GET /load`` tells how busy each model is.

In the configuration: ``"handler_folders": ["examples/handlers"]``.
"""

from zeromind.http.handler import Handler


class Load(Handler):
    route = "/load"
    summary = "How many requests wait or run, and how often workers were restarted, by model."

    async def get(self) -> None:
        models = self.engine.registry.models()
        self.send({model.task.id: {"pending": model.pending, "restarts": model.restarts} for model in models})
