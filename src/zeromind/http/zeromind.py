"""0Mind's own dialect: the original's requests, but what it tells of the host (``http.info``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import zeromind
from zeromind.access.scope import Scope
from zeromind.codecs import finite
from zeromind.codecs import zeromind as codec
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http.handler import Handler
from zeromind.http.operation import FINDING, LOADING, MODEL, NON_FINITE, PREDICTING, Operation, Parameter, json
from zeromind.tensors import InferRequest, Interface

VERSION = [int(part) for part in zeromind.__version__.split(".")[:3]]

_BOTH = ("GET", "POST")
_ID = (Parameter("id", "Of the model.", MODEL),)


class Info(Handler):
    """What this pool is."""

    route = "/(?:info)?"
    shown = "/info"
    summary = "General information about the pool."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ, "POST": Scope.READ}
    for_some_models = True
    operations: ClassVar[Mapping[str, Operation]] = dict.fromkeys(_BOTH, Operation(json("Info")))

    def get(self) -> None:
        """The service, its id, its optional settings, its version; a browser that asks for / is sent to the console instead."""
        if self.request.path == "/":
            self.set_header("Vary", "Accept")
        config = self.engine.config
        options: dict[str, Any] = {"debug": config.debug}
        if config.model_types:
            options["model_types"] = list(config.model_types)
        if config.insecure:
            options["insecure"] = True
        self.send({"service": "ModelPool", "id": config.id, "options": options, "version": VERSION})

    post = get


class InfoTask(Handler):
    """How one model was asked to be served."""

    route = "/info/task"
    summary = "The task of the model `id`."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ, "POST": Scope.READ}
    operations: ClassVar[Mapping[str, Operation]] = dict.fromkeys(_BOTH, Operation(json("Task"), _ID, faults=FINDING))

    def get(self) -> None:
        """The task as its author wrote it, completed by the attributes of the original."""
        self.send(_task(self.engine.registry.get(self.argument("id"))))

    post = get


class InfoTasks(Handler):
    """How all models were asked to be served."""

    route = "/info/tasks"
    summary = "The tasks of all models."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ, "POST": Scope.READ}
    for_some_models = True
    operations: ClassVar[Mapping[str, Operation]] = dict.fromkeys(_BOTH, Operation(json("Tasks")))

    def get(self) -> None:
        """Every task."""
        models = [model for model in self.engine.registry.models() if self.caller.sees(model.task.id)]
        self.send({"id": self.engine.config.id, "tasks": [_task(model) for model in models]})

    post = get


class ModelList(Handler):
    """Which models are loaded."""

    route = "/model/list"
    summary = "The ids of the loaded models and their check sum; no ids if the request's `check_sum` is the present one."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ, "POST": Scope.READ}
    for_some_models = True
    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(json("Models")),
        "POST": Operation(
            json("Models"), body=json("Known"), needs_body=False, faults=(ErrorKind.CONTENT_TYPE, ErrorKind.REQUEST_ATTRIBUTE)
        ),
    }

    def get(self) -> None:
        """The ids, unless the client's check sum says that it knows them."""
        registry = self.engine.registry
        known = self.json_object(ErrorKind.REQUEST_ATTRIBUTE).get("check_sum") if self.body.strip() else None
        ids = self.caller.visible(registry.ids())
        check_sum = registry.check_sum(ids)
        self.send({"id": self.engine.config.id, "check_sum": check_sum, "models": [] if known == check_sum else ids})

    post = get


class ModelInfo(Handler):
    """A model's interface."""

    route = "/model/info"
    summary = "The inputs and outputs of the model `id`."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.DESCRIBE, "POST": Scope.DESCRIBE}
    operations: ClassVar[Mapping[str, Operation]] = dict.fromkeys(_BOTH, Operation(json("Interface"), _ID, faults=FINDING))

    async def get(self) -> None:
        """Names, types and shapes; waits for a model that is loading."""
        self.send(codec.describe(await self.engine.interface(self.argument("id"))))

    post = get


class ModelLoad(Handler):
    """Serve one more model."""

    route = "/model/load"
    summary = "Load the task in the body."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.MANAGE}
    for_some_models = True
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(
            json("Loaded"),
            body=json("NewTask"),
            faults=(ErrorKind.CONTENT_TYPE, ErrorKind.LOAD_DATA, ErrorKind.ALREADY_LOADED, ErrorKind.SHUTTING_DOWN, *LOADING),
        )
    }

    async def post(self) -> None:
        """Answer when the model is loaded: seconds and bytes that it took."""
        task = self.json_object(ErrorKind.LOAD_DATA)
        self.is_about(str(task.get("id", "")))
        model = await self.engine.load(task)
        gpus = {f"cuda:{number}": nbytes for number, nbytes in model.gpu_memory.items()}
        took = {"load_time": model.load_time, "memory_consumed": model.memory_consumed, **({"gpu_memory_consumed": gpus} if gpus else {})}
        self.send({"result": True, **took, "model_id": model.task.id})


class ModelDrop(Handler):
    """Serve one model less."""

    route = "/model/drop"
    summary = "Drop the model `id`; answers when its memory is free."
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.MANAGE, "POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = dict.fromkeys(
        _BOTH, Operation(json("Dropped"), _ID, faults=(ErrorKind.MODEL_NOT_FOUND, ErrorKind.STORAGE, ErrorKind.SHUTTING_DOWN))
    )

    async def get(self) -> None:
        """Answer when the model's workers are gone: seconds and bytes that they held."""
        model_id = self.argument("id")
        seconds, held = await self.engine.drop(model_id)
        self.send({"result": True, "unload_time": seconds, "memory_released": held, "model_id": model_id})

    post = get


class ModelPredict(Handler):
    """Ask a model."""

    route = "/model/predict"
    summary = "The prediction of the model `id` for `{input name: data}`, or for a picture as the body."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.PREDICT}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(
            json("Prediction"),
            (*_ID, NON_FINITE),
            body={**json("Data"), "image/*": {"description": "a picture, as a file"}},
            faults=PREDICTING,
        )
    }

    async def post(self) -> None:
        """Answer with every output by name, and the model's own seconds. Usual requests take the short way of ``http.front``."""
        response = await self.unless_left(self.infer(self.argument("id"), self._decode, len(self.body)))
        self.send(codec.encode_response(finite.applied(response, self.non_finite)))

    def _decode(self, interface: Interface) -> InferRequest:
        return codec.decode(self.body, self.content_type, interface)


class CommandStop(Handler):
    """End the pool."""

    route = "/command/stop"
    summary = "Stop the pool whose id is `pool_id` in the body."
    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.MANAGE}
    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(
            json("Stopping"), body=json("Stop"), faults=(ErrorKind.CONTENT_TYPE, ErrorKind.REQUEST_ATTRIBUTE, ErrorKind.POOL_ID)
        )
    }

    def post(self) -> None:
        """Accept, then let accepted requests finish and end the process."""
        config = self.engine.config
        data = self.json_object(ErrorKind.REQUEST_ATTRIBUTE)
        if "pool_id" not in data:
            raise ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, "the body needs 'pool_id', the id that /info shows", "pool_id")
        if data["pool_id"] != config.id or isinstance(data["pool_id"], bool):
            raise ZeroMindError(ErrorKind.POOL_ID, f"the pool_id {data['pool_id']!r} is not this pool's; /info shows it", data["pool_id"])
        self.send({"result": "accepted", "id": config.id})
        self.engine.stop()


ROUTES: tuple[type[Handler], ...] = (
    Info, InfoTask, InfoTasks, ModelList, ModelInfo, ModelLoad, ModelDrop, ModelPredict, CommandStop
)  # fmt: skip


def _task(model: Any) -> dict[str, Any]:
    task = model.task
    model_type = task.model_type or (model.interface.adapter if model.interface else "")
    first = {"id": task.id, "model_file": task.model_file, "model_type": model_type, "input_filters": {}, "output_filters": {}}
    return {**first, **task.source, "model_type": model_type}
