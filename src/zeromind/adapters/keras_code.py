"""Whether a Keras configuration can run code that travels with it: read from the parsed JSON, nothing instantiated."""

from __future__ import annotations

from typing import Any

_RUNNERS = {
    "Lambda": "Python bytecode",
    "__lambda__": "Python bytecode",
    "FlaxLayer": "a Python module",
    "JaxLayer": "a Python function",
    "TFSMLayer": "a TensorFlow graph",
    "TorchModuleWrapper": "a pickle",
}


def carried(config: Any) -> str:
    """Why loading this configuration can run foreign code, for people; empty if it cannot."""
    stack = [config]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            reason = _reason(item)
            if reason:
                return reason
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return ""


def _reason(item: dict[str, Any]) -> str:
    name, module, registered = item.get("class_name"), item.get("module"), item.get("registered_name")
    inner = item.get("config")
    if not isinstance(name, str):
        return ""
    if name in _RUNNERS:
        called = f" {inner['name']!r}" if isinstance(inner, dict) and isinstance(inner.get("name"), str) else ""
        return f"the layer{called} is a {name}, which holds {_RUNNERS[name]}"
    if name == "Merge" and isinstance(inner, dict) and inner.get("mode_type") in ("lambda", "function"):
        return f"the layer {inner.get('name')!r} merges by a function of its own"
    ours = isinstance(module, str) and (module == "keras" or module.startswith("keras."))
    if module is not None and not ours and not (module == "builtins" and name == "function"):
        return f"{name!r} comes from the module {module!r}, which is not Keras"
    if isinstance(registered, str) and ">" in registered:
        return f"{registered!r} is a class of the model's author, which Keras would import"
    return ""
