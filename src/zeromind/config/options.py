"""Every key of a pool and of a task, declared once: from here come the file's key, the variable, the flag, the help and the docs.

Precedence: flag > environment > file > default.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal

from zeromind.limits import BODY

Kind = Literal["int", "number", "bool", "string", "strings", "tasks", "tensors", "filters", "labels", "samples"]

_SHOWN: dict[Kind, str] = {
    "int": "a whole number",
    "number": "a number",
    "bool": "true or false",
    "string": "a string",
    "strings": "a list of strings",
    "tasks": "a list of tasks (objects; in TOML each begins with [[tasks]])",
    "tensors": 'a list of {"name", "type", "shape"}',
    "filters": "an object of tensor name → list of filters",
    "labels": "an object of output name → list of strings, or the path of a text file",
    "samples": 'a list of {"inputs", "outputs", "rtol", "atol", "parameters"}',
}


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One key: ``flag`` says that the command line has it too, ``least`` and ``most`` bound a number or a list's length."""

    key: str
    kind: Kind
    default: Any
    help: str
    flag: bool = False
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable of a pool's key."""
        return f"ZEROMIND_{self.key.upper()}"

    def problem(self, value: Any) -> str:
        """What is wrong with a value, as the rest of a sentence; empty if nothing is."""
        if not _CHECKS[self.kind](value):
            return f"must be {_SHOWN[self.kind]}, not {value!r}"
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(map(repr, self.choices))}, not {value!r}"
        if self.kind == "string" and self.least and not value.strip():
            return f"must be filled in, not {value!r}"
        size = value if self.kind in ("int", "number") else 0
        if self.kind != "string" and self.least is not None and size < self.least:
            return f"must be at least {self.least:g}, not {value!r}"
        if self.most is not None and size > self.most:
            return f"must be at most {self.most:g}, not {value!r}"
        return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(item, kind) for item in value)


_is_texts = _is_list_of(str)


_CHECKS: dict[Kind, Callable[[Any], bool]] = {
    "int": lambda value: _is_number(value) and isinstance(value, int),
    "number": _is_number,
    "bool": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "strings": _is_list_of(str),
    "tasks": _is_list_of(dict),
    "tensors": _is_list_of(dict),
    "samples": _is_list_of(dict),
    "filters": lambda value: isinstance(value, dict) and all(isinstance(item, list) for item in value.values()),
    "labels": lambda value: isinstance(value, dict) and all(isinstance(item, str) or _is_texts(item) for item in value.values()),
}


POOL: tuple[Option, ...] = (
    Option("id", "int", 1, "Unique number of this pool: for balancing and addressing in a network of pools.", least=0),
    Option("host", "string", "127.0.0.1", "Address to listen on.", flag=True, least=1),
    Option("port", "int", 5885, "Port to listen on; 0 picks a free one.", flag=True, least=0, most=65535),
    Option(
        "grpc_port",
        "int",
        -1,
        "Port for gRPC alone, on the same address; -1 = the one after 'port', if it is free; 0 = none. 'port' answers gRPC as well.",
        flag=True,
        least=-1,
        most=65535,
    ),
    Option("tasks", "tasks", [], "Models to serve from the start."),
    Option("model_types", "strings", [], "Model types that may be loaded; empty = all."),
    Option("debug", "bool", False, "Tell clients more about unknown errors, and log more.", flag=True),
    Option("roots", "strings", ["."], "Folders beneath which clients may name files; relative paths resolve against them in this order."),
    Option("code_roots", "strings", [], "Folders beneath which clients may load model files that can carry code (pickles, Python)."),
    Option(
        "state_dir", "string", "", "Folder in which models loaded and dropped over the API are remembered; empty = nothing is.", flag=True
    ),
    Option(
        "trace_file",
        "string",
        "",
        "File for the timelines of single requests, once /v2/trace/setting asks for them; empty = none.",
        flag=True,
    ),
    Option("filter_folders", "strings", [], "Where your own filters are: folders of Python files, or installed packages."),
    Option("adapter_folders", "strings", [], "Where your own adapters are: folders of Python files, or installed packages."),
    Option("handler_folders", "strings", [], "Where your own request handlers are: folders of Python files, or installed packages."),
    Option(
        "keys_file",
        "string",
        "",
        "File of the API keys that clients need ('zeromind keys add' makes one); empty = none.",
        flag=True,
    ),
    Option(
        "insecure",
        "bool",
        False,
        "Listen where others can reach the pool although nobody needs a key: everybody may do all.",
        flag=True,
    ),
    Option(
        "allowed_hosts",
        "strings",
        [],
        "Names by which clients may ask for the pool (Host); '*.example.org' = all beneath that, '*' = any; loopback names always may.",
    ),
    Option("allowed_origins", "strings", [], "Origins, such as 'https://app.example.org', whose pages may ask this server (CORS)."),
    Option(
        "tls_certificate", "string", "", "File of the certificate and its chain, in PEM: HTTP and gRPC use TLS; empty = none.", flag=True
    ),
    Option("tls_key", "string", "", "File of the certificate's private key, in PEM; empty = it is in 'tls_certificate' too.", flag=True),
    Option(
        "tls_client_ca",
        "string",
        "",
        "File of the authorities, in PEM, that clients need a certificate of; empty = they need none.",
        flag=True,
    ),
    Option("audit_file", "string", "", "File for a line of JSON on each load, drop, stop and the like; empty = the log alone.", flag=True),
    Option(
        "access_log",
        "string",
        "",
        "File for a line on each answered request; - = standard output; empty = none. SIGHUP, or another file of its name, opens it anew.",
        flag=True,
    ),
    Option(
        "log_format", "string", "text", "How the log and the access log are written: text, or JSON.", flag=True, choices=("text", "json")
    ),
    Option(
        "otlp_endpoint",
        "string",
        "",
        "URL of an OpenTelemetry collector that takes traces over HTTP, such as 'http://127.0.0.1:4318'; empty = none.",
        flag=True,
    ),
    Option(
        "trace_ratio",
        "number",
        0.01,
        "Which part of the requests that come without a trace begin one; those that come with one go by what it says.",
        least=0,
        most=1,
    ),
    Option("max_body_bytes", "int", BODY.size, "Largest request body, in bytes; larger ones get 413.", least=1),
    Option("max_queue", "int", 1024, "Most requests that may wait for one model; more get 503.", least=1, most=1 << 20),
    Option("max_queue_bytes", "int", 256 << 20, "Most bytes that requests waiting for one model may hold; more get 503.", least=1),
    Option(
        "allow_shared_memory", "bool", False, "Let clients on this machine pass tensors in shared memory that they register.", flag=True
    ),
    Option(
        "allow_file_override",
        "bool",
        False,
        "Let clients send a model's files with /v2/repository/models/{id}/load; never such as can carry code.",
        flag=True,
    ),
    Option("load_timeout_s", "number", 300, "How long a model may take to load, in seconds.", least=0.1, most=86400),
    Option(
        "pre_stop_s",
        "number",
        0,
        "How long the pool still serves when it is asked to stop, but says that it is not ready, so that balancers notice; in seconds.",
        least=0,
        most=3600,
    ),
    Option("drain_s", "number", 10, "How long accepted requests may take to finish when the pool stops, in seconds.", least=0, most=3600),
    Option(
        "confine",
        "string",
        "auto",
        "Whether workers give up what no model needs (files, network, system calls): auto = as far as the system lets them; require = load "
        "nothing where it does not; off.",
        flag=True,
        choices=("auto", "require", "off"),
    ),
    Option("worker_environment", "strings", [], "Further variables of the server's environment that workers get, by name."),
    Option("memory_limit_bytes", "int", 0, "How much memory each worker may allocate, in bytes; 0 = no limit.", least=0),
)

TASK: tuple[Option, ...] = (
    Option("id", "string", None, "Name under which the model is served: letters, digits, '.', '_', '-', at most 128."),
    Option("model_type", "string", "", "Adapter to use ('zeromind adapters' lists them), or your own; empty = recognised by content."),
    Option("model_file", "string", None, "Path of the model's file or folder."),
    Option("input_filters", "filters", {}, "Filters by input name, applied in order."),
    Option("output_filters", "filters", {}, "Filters by output name, applied in order."),
    Option("inputs", "tensors", [], "The model's inputs, where its file does not tell: first dimension = batch; null, or -1, = any size."),
    Option("outputs", "tensors", [], "The model's outputs, likewise."),
    Option("labels", "labels", {}, "Names of the classes, by output: a list, or the path of a text file with one on each line."),
    Option(
        "samples",
        "samples",
        [],
        "Requests that the model is tried on when it is loaded, which warms it up: 'inputs' by name, as values or the path of an .npz or "
        "JSON file; with 'outputs' likewise, it is not served unless it gives just these, within 'rtol' (1e-4) and 'atol' (1e-6).",
    ),
    Option("instances", "int", 1, "How many workers hold the model.", least=1, most=64),
    Option(
        "threads",
        "int",
        0,
        "How many threads each worker's framework may use; 0 = the cores, shared among the instances.",
        least=0,
        most=1024,
    ),
    Option(
        "isolation", "string", "process", "Run in a worker process of its own, or in a thread of the server.", choices=("process", "thread")
    ),
    Option(
        "retry",
        "string",
        "once",
        "Whether requests that a dying worker leaves are run again: once, each alone; or never, where a prediction has side effects.",
        choices=("once", "never"),
    ),
    Option("timeout_s", "number", 30, "How long a request may take, waiting included, in seconds.", least=0.001, most=86400),
    Option("device", "string", "auto", "Where the framework computes: auto, cpu, or cuda:N."),
    Option("allow_code", "bool", False, "The operator's word that this file may run code. Clients cannot say it."),
    Option(
        "network",
        "string",
        "auto",
        "Whether the worker may use the network: open, closed; auto = only where the model carries code. Clients cannot say it.",
        choices=("auto", "open", "closed"),
    ),
    Option("reads", "strings", [], "Further files and folders that the worker may read. Clients cannot say it."),
    Option("writes", "strings", [], "Further files and folders that the worker may change. Clients cannot say it."),
    Option("memory_limit_bytes", "int", 0, "How much memory the worker may allocate, in bytes; 0 = as the pool says.", least=0),
    Option("max_batch_size", "int", 32, "Most rows of waiting requests that are joined into one call of the model.", least=1, most=65536),
    Option(
        "max_queue_delay_us", "number", 0, "How long an idle worker waits for a batch to fill, in microseconds.", least=0, most=60_000_000
    ),
    Option("priority_levels", "int", 10, "How many priorities requests may have: 1, the most urgent, to this one.", least=1, most=1000),
    Option("default_priority_level", "int", 5, "The priority of a request that names none, or one that there is not.", least=1, most=1000),
)


def nearest(key: str, options: tuple[Option, ...]) -> str:
    """The known key that a misspelt one most resembles; empty if none does."""
    import difflib

    found = difflib.get_close_matches(key, [option.key for option in options], n=1, cutoff=0.6)
    return found[0] if found else ""
