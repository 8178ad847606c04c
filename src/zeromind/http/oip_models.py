"""What the Open Inference Protocol tells of the server and its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import zeromind
from zeromind.access.scope import Scope
from zeromind.codecs import oip_fault, oip_model
from zeromind.codecs.oip_fault import check_version
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http.handler import Handler
from zeromind.http.oip_handler import OipHandler
from zeromind.http.operation import FILTERS, FINDING, Operation, json

MODEL = "/v2/models/([^/]+)(?:/versions/([^/]+))?"
SHOWN = "/v2/models/{id}[/versions/{version}]"


class ServerMetadata(OipHandler):
    """What serves."""

    route = "/v2/?"
    shown = "/v2"
    summary = "The server's name, its version and the extensions of the Open Inference Protocol that it has."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    for_some_models = True
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation(json("ServerMetadata"))}

    def get(self) -> None:
        """Answer with all three."""
        self.send({"name": "0Mind", "version": zeromind.__version__, "extensions": list(oip_model.EXTENSIONS)})


class ModelReady(OipHandler):
    """Whether a model is ready."""

    route = f"{MODEL}/ready"
    shown = f"{SHOWN}/ready"
    summary = "200 while the model is ready, else 400."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation(also={400: ("The model is not ready.", json("Fault"))})}

    def get(self, model_id: str, version: str | None) -> None:
        """An empty 200, with ``Accept: application/json`` one that says so in JSON."""
        try:
            check_version(model_id, version)
            ready = self.engine.registry.get(model_id).serves
        except ZeroMindError:
            ready = False
        if not ready:
            raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, "Model version not ready", model_id)
        if self.wants_json:
            self.send({"name": model_id, "ready": True})
        else:
            self.empty()


class ModelMetadata(OipHandler):
    """A model's tensors."""

    route = MODEL
    shown = SHOWN
    summary = "The inputs and outputs of a model; `?filters=off`: without its filters. Waits for a model that is loading."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.DESCRIBE}
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation(json("ModelMetadata"), FILTERS, faults=FINDING)}

    async def get(self, model_id: str, version: str | None) -> None:
        """Answer with names, datatypes and shapes."""
        check_version(model_id, version)
        interface = await self.engine.interface(model_id)
        self.send(oip_model.metadata(model_id, interface.bare if self.bare else interface))


class ModelConfig(OipHandler):
    """A model's configuration."""

    route = f"{MODEL}/config"
    shown = f"{SHOWN}/config"
    summary = "The configuration of a model in the form of Triton's ModelConfig; `?filters=off`: without its filters."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.DESCRIBE}
    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation(json("ModelConfig"), FILTERS, faults=FINDING)}

    async def get(self, model_id: str, version: str | None) -> None:
        """Answer with the configuration."""
        check_version(model_id, version)
        interface = await self.engine.interface(model_id)
        task = self.engine.registry.get(model_id).task
        self.send(oip_model.config(task, interface.bare if self.bare else interface, Scope.READ in self.caller.scopes))


class Statistics(OipHandler):
    """What models have done."""

    route = f"(?:/v2/models|{MODEL})/stats"
    shown = "/v2/models[/{id}[/versions/{version}]]/stats"
    summary = "What a model has done: counts and nanoseconds; `/v2/models/stats`: of all models."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    for_some_models = True
    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(json("Statistics"), faults=(ErrorKind.MODEL_NOT_FOUND, ErrorKind.REQUEST_ATTRIBUTE))
    }

    def get(self, model_id: str | None, version: str | None) -> None:
        """Answer with the statistics of the model, or of each."""
        self.send({"model_stats": self._found(model_id or "", version)})

    def _found(self, model_id: str, version: str | None) -> list[dict[str, Any]]:
        try:
            check_version(model_id, version)
            found = self.engine.statistics(model_id)
            return [one for one in found if self.caller.sees(one["name"])]
        except ZeroMindError as error:
            if error.kind is not ErrorKind.MODEL_NOT_FOUND:
                raise
            raise oip_fault.not_available(model_id, version or "") from None


ROUTES: tuple[type[Handler], ...] = (ServerMetadata, Statistics, ModelReady, ModelConfig, ModelMetadata)
