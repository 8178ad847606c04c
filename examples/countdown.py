"""A decoupled skill: one request, any number of responses, each sent as soon as it is there.

Serve it with::

    zeromind serve examples/countdown.py

and listen to it, line by line::

    curl -N -d '{"count": 3, "word": "liftoff"}' http://127.0.0.1:5885/v2/models/countdown/generate_stream

What a request has beside its inputs, here ``word``, are its parameters.
"""


class Skill:
    """``predict`` is a generator: whatever it yields is a response of its own."""

    inputs = {"count": ("int32", [None])}
    outputs = {"text": ("string", [None])}

    def predict(self, count, parameters):
        for number in range(int(count[0]), 0, -1):
            yield [f"{number} …"]
        yield [parameters.get("word", "zero")]
