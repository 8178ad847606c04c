"""A request handler for clients of TorchServe: ``POST /predictions/MODEL`` with a picture, or with the model's inputs as JSON.

In the configuration: ``"handler_folders": ["examples/handlers"]``. The answer is the model's only output, of the one sample that was
sent; a model with several outputs answers an object of them.
"""

import json

from zeromind.access.scope import Scope
from zeromind.codecs import picture
from zeromind.codecs import zeromind as codec
from zeromind.http.handler import Handler


class Predictions(Handler):
    route = "/predictions/(?P<model>[^/]+)(?:/[^/]+)?"
    shown = "/predictions/{model}[/{version}]"
    summary = "The prediction of a model, as TorchServe answers it."
    scopes = {"POST": Scope.PREDICT}

    async def post(self, model: str) -> None:
        media = picture.media_of(self.body) or self.content_type  # its clients seldom say what they send
        response = await self.infer(model, lambda interface: codec.decode(self.body, media, interface), len(self.body))
        outputs = {name: rows[0] for name, rows in json.loads(codec.encode_response(response))["result"].items()}
        self.send(outputs if len(outputs) > 1 else next(iter(outputs.values())))
