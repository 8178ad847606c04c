"""How the Open Inference Protocol puts a fault into words, on both of its wires."""

from __future__ import annotations

from zeromind.codecs.oip_model import VERSION
from zeromind.errors import ErrorKind, ZeroMindError

KIND = "Error-Kind"
"""The header, in lower case the metadata, that names a fault's ErrorKind: statuses and codes are shared by several."""


def sentence(error: ZeroMindError) -> str:
    """The fault's sentence; of a model that is not there the one that Triton's clients know."""
    if error.kind is ErrorKind.MODEL_NOT_FOUND and len(error.params) == 1:
        return f"Request for unknown model: '{error.params[0]}' is not found"
    return error.message


def check_version(model_id: str, version: str | None) -> None:
    """Raise MODEL_NOT_FOUND for a version that no model has: there is but one."""
    if version not in (None, "", VERSION):
        text = f"Request for unknown model: '{model_id}' version {version} is not found: leave the version out, or ask for {VERSION}"
        raise ZeroMindError(ErrorKind.MODEL_NOT_FOUND, text, model_id, version)


def not_available(model_id: str, version: str = "") -> ZeroMindError:
    """What to say to whoever asks for the statistics of a model that is not there."""
    which = f" version '{version}'" if version else ""
    text = f"requested model '{model_id}'{which} is not available"
    return ZeroMindError(ErrorKind.REQUEST_ATTRIBUTE, text, model_id)
