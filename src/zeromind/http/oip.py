"""The Open Inference Protocol's dialect: inference with JSON tensors."""

from __future__ import annotations

from zeromind.codecs import oip
from zeromind.http.handler import Handler
from zeromind.http.oip_handler import OipHandler
from zeromind.tensors import InferRequest, Interface


class Infer(OipHandler):
    """Ask a model. Usual requests take the short way of ``http.front``; what is answered is the same."""

    route = "/v2/models/([^/]+)/infer"
    shown = "/v2/models/{id}/infer"
    summary = "The prediction of a model for tensors in the Open Inference Protocol's JSON."

    async def post(self, model_id: str) -> None:
        """Answer with every output."""
        request_id, codec = "", None

        def decode(interface: Interface) -> InferRequest:
            nonlocal request_id, codec
            codec = oip.Codec(interface, model_id)
            request = codec.decode(self.body, self.content_type)
            request_id = request.id
            return request

        response = await self.engine.infer(model_id, decode)
        assert codec is not None, "it has decoded the request"  # noqa: S101 - a fault of ours
        self.send(codec.encode(response, request_id))


ROUTES: tuple[type[Handler], ...] = (Infer,)
