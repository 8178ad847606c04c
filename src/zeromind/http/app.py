"""The Tornado application of a pool: the built-in routes and the operator's own."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import tornado.web

from zeromind import plugins
from zeromind.config.pool import PoolConfig
from zeromind.engine import Engine
from zeromind.errors import ConfigError
from zeromind.http import generate, health, oip, oip_memory, oip_models, oip_repository, oip_settings, openapi, tensorflow_serving, zeromind
from zeromind.http.handler import Handler, NotFound
from zeromind.http.oip_handler import OipNotFound
from zeromind.http.tensorflow_serving import TensorFlowNotFound

_access = logging.getLogger("zeromind.access")

BUILT_IN: tuple[type[Handler], ...] = (
    *zeromind.ROUTES,
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


def build(
    engine: Engine,
    more: Iterable[tuple[Any, ...]] = (),
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
    return tornado.web.Application(
        rules,
        default_handler_class=NotFound,
        default_handler_args={"engine": engine},
        log_function=_log_access,
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


def _log_access(handler: tornado.web.RequestHandler) -> None:
    status = handler.get_status()
    level = logging.INFO if status < 500 else logging.ERROR
    if _access.isEnabledFor(level):
        milliseconds = 1000 * handler.request.request_time()
        _access.log(level, "%d %s %s %.1f ms", status, handler.request.method, handler.request.uri, milliseconds)
