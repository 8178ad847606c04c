"""What is to be loaded under a name: a task that is known, what a client wants changed of it, and how far it is still the operator's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from zeromind import strictjson
from zeromind.codecs import oip_config
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.repository.upload import Upload

HARMLESS = frozenset(
    {
        "inputs",
        "outputs",
        "instances",
        "threads",
        "retry",
        "timeout_s",
        "max_batch_size",
        "max_queue_delay_us",
        "priority_levels",
        "default_priority_level",
    }
)
"""What a client may change of the operator's task without making it its own: nothing of these names files or code."""


WORDS = ("allow_code", "network", "reads", "writes", "memory_limit_bytes")
"""What only the operator may say of a task: how far its worker is trusted."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """A task to load; ``trusted`` = it is the operator's.

    ``note`` is what the journal keeps of it: the task, or what differs from the configured one; nothing if it is just that.
    With ``remember`` the journal is told at all. ``upload`` holds its files, if a client sent them.
    """

    source: Mapping[str, Any]
    trusted: bool
    remember: bool = False
    note: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    upload: Upload | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Base:
    """A known task, whether it is the operator's, and the configuration that clients see of it while it is loaded."""

    source: Mapping[str, Any]
    trusted: bool
    shown: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def again(base: Base) -> Plan:
    """The known task as it is."""
    return Plan(base.source, base.trusted, remember=True, note={} if base.trusted else base.source)


def changed(
    name: str, base: Base | None, configured: Mapping[str, Any] | None, config: Mapping[str, Any] | str, upload: Upload | None
) -> Plan:
    """The task with what a client wants changed, as keys of a task or as Triton's ``ModelConfig``; without ``base`` all is the client's.

    Raises TASK_ATTRIBUTE, or MODEL_NOT_FOUND if nothing tells what file is to be loaded.
    """
    keys = _keys(name, config, base)
    if base is None:
        if "model_file" not in keys and upload is None:
            raise unknown(name)
        base = Base({}, trusted=False)
    news = {key: value for key, value in keys.items() if key not in base.source or base.source[key] != value}
    source = {**base.source, **news, "id": name}
    trusted = base.trusted and upload is None and news.keys() <= HARMLESS
    if not trusted:
        source = {key: value for key, value in source.items() if key not in (*WORDS, "isolation")}
    if upload is not None:
        return Plan({**source, "model_file": keys.get("model_file", upload.model_file)}, trusted=False, upload=upload)
    note: Mapping[str, Any] = source
    if trusted:
        own = configured or {}
        note = {key: value for key, value in source.items() if key not in own or own[key] != value}
    return Plan(source, trusted, remember=True, note=note)


def unknown(name: str) -> ZeroMindError:
    """What to say of a name that nothing is known of."""
    text = f"model {name!r} is not known: its configuration has to name its 'model_file'"
    return ZeroMindError(ErrorKind.MODEL_NOT_FOUND, text, name)


def _keys(name: str, config: Mapping[str, Any] | str, base: Base | None) -> dict[str, Any]:
    data = _parsed(config) if isinstance(config, str) else config
    for key in ("id", "name"):
        if data.get(key) not in (None, "", name):
            text = f"the configuration's {key!r} is {data[key]!r}, but it is model {name!r} that is to be loaded"
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, key)
    shown = base.shown if base else {}
    keys = oip_config.task_keys(data, shown) if oip_config.is_config(data) else dict(data)
    keys.pop("name", None)
    if "id" in keys and keys["id"] != name:
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, "the task key 'id' cannot be changed: it is the model's name", "id")
    check_words(keys)
    return keys


def check_words(keys: Mapping[str, Any]) -> None:
    """Raise TASK_ATTRIBUTE for a key that a client may not say."""
    for key in WORDS:
        if key in keys:
            advice = "; clients load such files from 'code_roots'" if key == "allow_code" else ""
            text = f"{key!r} is the operator's word: it stands in the configuration file{advice}"
            raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, key)
    if keys.get("isolation", "process") != "process":
        text = "a client's model runs in a process of its own: 'isolation' is the operator's word, it stands in the configuration file"
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, text, "isolation")


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        data = strictjson.loads(text)
    except ValueError as error:
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"the model's configuration is not JSON: {error}", "config") from None
    if not isinstance(data, dict):
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"the model's configuration must be a JSON object, not {data!r}", "config")
    return data
