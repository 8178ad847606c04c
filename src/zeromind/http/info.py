"""0Mind's own dialect: what there is to see of the host, of each model, of what it does, and of what its workers say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import ClassVar

from zeromind.access.scope import Scope
from zeromind.errors import ErrorKind
from zeromind.http.handler import Handler
from zeromind.http.operation import MODEL, Operation, Parameter, json

_READ: Mapping[str, Scope] = {"GET": Scope.READ, "POST": Scope.READ}
_BOTH = ("GET", "POST")


class InfoSystem(Handler):
    """What the host has."""

    route = "/info/system"
    summary = "Processor, memory, GPUs, Python and frameworks of the host."
    scopes: ClassVar[Mapping[str, Scope]] = _READ
    operations: ClassVar[Mapping[str, Operation]] = dict.fromkeys(_BOTH, Operation(json("System")))

    async def get(self) -> None:
        """Processor use in percent since the last such request, memory in bytes, Python's version, what is installed."""
        self.send({"id": self.engine.config.id, **await asyncio.to_thread(self.engine.view.host.to_json)})

    post = get


class InfoModels(Handler):
    """What there is to say of every model."""

    route = "/info/models"
    summary = "Every model with its state, interface, workers, memory and last error."
    scopes: ClassVar[Mapping[str, Scope]] = _READ
    for_some_models = True
    operations: ClassVar[Mapping[str, Operation]] = dict.fromkeys(_BOTH, Operation(json("Described")))

    async def get(self) -> None:
        """Those that are loaded, load, or could be loaded by their names."""
        self.send({"id": self.engine.config.id, "models": await self.engine.view.models(self.caller)})

    post = get


class InfoActivity(Handler):
    """What the models have done and do."""

    route = "/info/activity"
    summary = "Counts, histograms and queues of every model, or of the model `id`, since it was loaded."
    scopes: ClassVar[Mapping[str, Scope]] = _READ
    for_some_models = True
    operations: ClassVar[Mapping[str, Operation]] = dict.fromkeys(
        _BOTH,
        Operation(json("Activity"), (Parameter("id", "Of the model.", MODEL, required=False),), faults=(ErrorKind.MODEL_NOT_FOUND,)),
    )

    def get(self) -> None:
        """For whoever asks again and again, and looks at what has changed."""
        name = self.argument("id") if "id" in self.request.query_arguments else None
        self.send({"id": self.engine.config.id, **self.engine.view.activity(self.caller, name)})

    post = get


class InfoLog(Handler):
    """What a model's workers have said."""

    route = "/info/log"
    summary = "The last lines that the workers of the model `id` wrote."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.MANAGE, "POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = dict.fromkeys(
        _BOTH, Operation(json("Log"), (Parameter("id", "Of the model.", MODEL),), faults=(ErrorKind.MODEL_NOT_FOUND,))
    )

    def get(self) -> None:
        """Oldest first, those of workers that have died and of models that have gone included."""
        name = self.argument("id")
        self.send({"id": self.engine.config.id, "model": name, "lines": self.engine.view.log(name)})

    post = get


ROUTES: tuple[type[Handler], ...] = (InfoSystem, InfoModels, InfoActivity, InfoLog)
