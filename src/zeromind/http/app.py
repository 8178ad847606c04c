"""The Tornado application of a pool: the built-in routes and the operator's own."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import orjson
import tornado.web
from tornado.httputil import HTTPServerRequest

from zeromind import plugins
from zeromind.config.pool import PoolConfig
from zeromind.engine import Engine
from zeromind.errors import ConfigError
from zeromind.http import (
    generate,
    health,
    info,
    metrics,
    oip,
    oip_memory,
    oip_models,
    oip_repository,
    oip_settings,
    openapi,
    tensorflow_serving,
    zeromind,
)
from zeromind.http.entrance import Entrance, asked_by
from zeromind.http.exchange import Exchange
from zeromind.http.handler import Handler, NotFound, Preflight, Refusal
from zeromind.http.oip_handler import OipNotFound
from zeromind.http.tensorflow_serving import TensorFlowNotFound

BUILT_IN: tuple[type[Handler], ...] = (
    *zeromind.ROUTES,
    *info.ROUTES,
    *metrics.ROUTES,
    *health.ROUTES,
    *oip.ROUTES,
    *generate.ROUTES,
    *oip_models.ROUTES,
    *oip_repository.ROUTES,
    *oip_memory.ROUTES,
    *oip_settings.ROUTES,
    *tensorflow_serving.ROUTES,
    *openapi.ROUTES,
)


class Application(tornado.web.Application):
    """Tornado's, with an entrance."""

    def __init__(self, engine: Engine, entrance: Entrance, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._engine = engine
        self._entrance = entrance

    def get_handler_delegate(
        self,
        request: HTTPServerRequest,
        target_class: type[tornado.web.RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: list[bytes] | None = None,
        path_kwargs: dict[str, bytes] | None = None,
    ) -> Any:
        """What answers a request: its handler, or one that refuses it. Every route leads through here, known or not."""
        if request.method == "OPTIONS" and request.headers.get("Origin") in self._entrance.gate.origins:
            target_class, target_kwargs, path_args, path_kwargs = Preflight, {"engine": self._engine}, None, None
        fault = self._entrance.enter(target_class, request, path_args or [], path_kwargs or {})
        asked, exchange = asked_by(request), cast("Exchange", request.connection)
        exchange.model, exchange.who = asked.model, asked.caller.known
        exchange.route = getattr(target_class, "shown", "") or getattr(target_class, "route", "")
        if fault is not None:
            like = target_class if issubclass(target_class, Handler) else Handler
            return super().get_handler_delegate(request, Refusal, {"engine": self._engine, "fault": fault, "like": like})
        return super().get_handler_delegate(request, target_class, target_kwargs, path_args, path_kwargs)

    def log_request(self, handler: tornado.web.RequestHandler) -> None:
        """Note deeds in the audit log; the transport tells the access log."""
        self._entrance.note(handler.request, handler.get_status())


def build(
    engine: Engine,
    entrance: Entrance,
    more: Iterable[Any] = (),
    own: Sequence[type[Handler]] | None = None,
    document: Mapping[str, Any] | None = None,
) -> tornado.web.Application:
    """The application: the operator's routes first, then ``more`` (Tornado rules), then the built-in ones.

    ``own`` are the operator's handlers where they have been loaded already, ``document`` is the OpenAPI document where it has been made.
    Raises ConfigError for a handler folder that cannot be read.
    """
    if own is None:
        own = own_handlers(engine.config)
    rules = [(handler.route, handler, {"engine": engine}) for handler in (*own, *BUILT_IN)]
    rules[len(own) : len(own)] = more
    rules += [(missing.route, missing, {"engine": engine}) for missing in (OipNotFound, TensorFlowNotFound)]
    entrance.targets = [*own, *BUILT_IN]
    return Application(
        engine,
        entrance,
        rules,
        default_handler_class=NotFound,
        default_handler_args={"engine": engine},
        document=orjson.dumps(document or openapi.document(BUILT_IN, own)),
    )


def own_handlers(config: PoolConfig) -> list[type[Handler]]:
    """The operator's handlers, in the order of their folders. Raises ConfigError for a folder that cannot be read."""
    return [handler for place in config.handler_folders for handler in handlers_in(place)]


def handlers_in(place: str) -> Iterator[type[Handler]]:
    """The handlers of a folder of Python files or an installed package. Raises ConfigError if that fails."""
    try:
        for module in plugins.modules_in(place):
            for value in vars(module).values():
                if inspect.isclass(value) and issubclass(value, Handler) and value.__module__ == module.__name__ and value.route:
                    yield value
    except Exception as error:
        raise ConfigError("handler_folders", f"{place!r} cannot be loaded: {type(error).__name__}: {error}") from error
