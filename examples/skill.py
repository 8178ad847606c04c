"""A skill in plain Python: how cheerful a text sounds, by counting words.

Serve it with::

    zeromind serve examples/skill.py

and ask it::

    curl -H "Content-Type: application/json" -d '{"text": ["what a lovely day", "this is awful"]}' \
        "http://127.0.0.1:5885/model/predict?id=skill"

The words may be other ones: every parameter of the constructor is a key of the task, here ``"cheerful": ["super"]``.
"""

import numpy as np


class Skill:
    """Declares what goes in and comes out; ``None`` is any number of rows."""

    inputs = {"text": ("string", [None])}
    outputs = {"score": ("float32", [None]), "mood": ("string", [None])}

    def __init__(self, cheerful=("good", "great", "lovely", "happy"), gloomy=("bad", "awful", "sad")):
        self.cheerful = set(cheerful)
        self.gloomy = set(gloomy)

    def predict(self, text):
        """All rows of a batch at once: ``text`` is an array of str."""
        score = np.array([self.score(line) for line in text])
        return {"score": score, "mood": np.where(score > 0, "cheerful", np.where(score < 0, "gloomy", "neutral"))}

    def score(self, line):
        words = line.lower().split()
        return sum((word in self.cheerful) - (word in self.gloomy) for word in words) / max(1, len(words))
