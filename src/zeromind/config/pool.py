"""A pool's settings, read once from file, environment and flags into a frozen value."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeromind.config.file import File
from zeromind.config.options import POOL, Option, nearest
from zeromind.errors import ConfigError

_KNOWN: dict[str, Option] = {option.key: option for option in POOL}
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+")
_URL = re.compile(r"https?://[!-~]+")
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclasses.dataclass(frozen=True, slots=True)
class PoolConfig:
    """A checked configuration. ``tasks`` are still raw: one bad task must not stop the others. ``folder`` is where its file lies."""

    id: int
    host: str
    port: int
    grpc_port: int
    tasks: tuple[Mapping[str, Any], ...]
    model_types: tuple[str, ...]
    debug: bool
    roots: tuple[Path, ...]
    code_roots: tuple[Path, ...]
    state_dir: Path | None
    trace_file: Path | None
    filter_folders: tuple[str, ...]
    adapter_folders: tuple[str, ...]
    handler_folders: tuple[str, ...]
    keys_file: Path | None
    insecure: bool
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    tls_certificate: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    audit_file: Path | None
    access_log: str
    log_format: str
    otlp_endpoint: str
    trace_ratio: float
    max_body_bytes: int
    max_queue: int
    max_queue_bytes: int
    allow_shared_memory: bool
    allow_file_override: bool
    load_timeout_s: float
    pre_stop_s: float
    drain_s: float
    confine: str
    worker_environment: tuple[str, ...]
    memory_limit_bytes: int
    given: frozenset[str]
    """The keys that were set anywhere."""


def read(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any], working_dir: Path | None = None) -> PoolConfig:
    """The settings: flag > environment > file > default; paths resolve against ``working_dir`` (default: the process's).

    ``flags`` holds only what was given. Raises ConfigError naming the key.
    """
    base = (working_dir or Path.cwd()).resolve()
    written = File.read(file) if file else File({}, "")
    over = {**_from_environment(environ), **flags}
    values = {**written.values, **over}
    for key, value in values.items():
        problem = _KNOWN[key].problem(value) if key in _KNOWN else _unknown(key)
        if problem:
            line = 0 if key in over else written.line(key)
            raise ConfigError(key, f"{problem} (line {line})" if line else problem)
    full = {key: values.get(key, option.default) for key, option in _KNOWN.items()}
    for key in ("roots", "code_roots"):
        full[key] = tuple((base / path).resolve() for path in full[key])
    for key in ("filter_folders", "adapter_folders", "handler_folders"):
        full[key] = tuple(_place(key, place, base) for place in full[key])
    for key in ("tasks", "model_types", "allowed_hosts", "allowed_origins", "worker_environment"):
        full[key] = tuple(full[key])
    for origin in full["allowed_origins"]:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError("allowed_origins", f"{origin!r} must be an origin, such as 'https://app.example.org': no path, no '*'")
    for key in ("tls_key", "tls_client_ca"):
        if full[key] and not full["tls_certificate"]:
            raise ConfigError(key, "there is no TLS without 'tls_certificate': give that, too")
    for key in ("state_dir", "trace_file", "audit_file"):
        full[key] = (base / full[key]).resolve() if full[key] else None
    full["access_log"] = str(base / full["access_log"]) if full["access_log"] not in ("", "-") else full["access_log"]
    _check_url("otlp_endpoint", full["otlp_endpoint"])
    # Not resolved: where a link leads is another file when these are renewed.
    for key in ("keys_file", "tls_certificate", "tls_key", "tls_client_ca"):
        full[key] = base / full[key] if full[key] else None
    return PoolConfig(**full, given=frozenset(values))


def _check_url(key: str, value: str) -> None:
    if value and not _URL.fullmatch(value):
        raise ConfigError(key, f"{value!r} is no URL: write one such as 'http://127.0.0.1:4318'")


def _place(key: str, place: str, base: Path) -> str:
    """A folder as an absolute path, or the dotted name of a package."""
    if (base / place).is_dir():
        return str(base / place)
    if not _PACKAGE.fullmatch(place):
        raise ConfigError(key, f"{place!r} is neither a folder nor the name of an installed package")
    return place


def _unknown(key: str) -> str:
    near = nearest(key, POOL)
    return f"unknown key; did you mean {near!r}?" if near else f"unknown key; known are {', '.join(_KNOWN)}"


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    from zeromind import strictjson

    values: dict[str, Any] = {}
    for option in POOL:
        text = environ.get(option.variable)
        if text is None:
            continue
        if option.kind == "string":
            values[option.key] = text
            continue
        try:
            values[option.key] = strictjson.loads(text)
        except ValueError:
            raise ConfigError(option.key, f"the variable {option.variable} must hold JSON, not {text[:200]!r}") from None
    return values
