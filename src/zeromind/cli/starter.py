"""A skill and a filter to begin with, which need no framework: what ``zeromind init --example`` writes."""

from __future__ import annotations

SKILL = '''\
"""A skill in plain Python: the mood of a text, of how many cheerful and gloomy words it has.

Serve it with ``zeromind serve --watch``, change it, save it: it is loaded anew.
"""

import numpy as np


class Skill:
    """Says what goes in and what comes out; None is any number of rows, which come together as a batch."""

    inputs = {"words": ("float32", [None, 2])}
    outputs = {"mood": ("string", [None])}

    def predict(self, words):
        cheerful, gloomy = words[:, 0], words[:, 1]
        return {"mood": np.where(cheerful > gloomy, "cheerful", np.where(cheerful < gloomy, "gloomy", "neutral"))}
'''

FILTER = '''\
"""A filter of your own: what a client sends becomes what the model takes."""

import numpy as np

CHEERFUL = {"good", "great", "happy", "lovely", "sunny"}
GLOOMY = {"awful", "bad", "rain", "sad", "terrible"}


class Counts:
    """Texts become two numbers each: how many of their words are cheerful, and how many gloomy."""

    side = "input"  # or "output", or "both"

    def apply(self, value, spec):
        """``spec`` is the tensor's name, type and shape. A ValueError tells the client what to send instead."""
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ValueError('expected a list of texts, such as ["what a lovely day"]')
        words = [text.lower().split() for text in value]
        return np.array([[sum(word in kind for word in row) for kind in (CHEERFUL, GLOOMY)] for row in words], spec.dtype)
'''

TASK = """
[[tasks]]
id = "mood"
model_file = "mood.py"
allow_code = true  # it is Python, and yours
input_filters.words = ["counts.Counts"]
# Each sample is tried when the model loads, which warms it up; with 'outputs' it must also answer just these.
samples = [{ inputs = { words = ["what a lovely day"] } }]
"""

FILES = {"mood.py": SKILL, "filters/counts.py": FILTER}
"""Where what lies, beside the configuration."""
