"""A filter of your own: texts become numbers, so that a model of word counts can be asked in plain language.

Put the file into a folder that the configuration names in ``filter_folders``, and bind it in a task:

    "input_filters": {"x": [{"filter": "words.WordsFilter", "vocabulary": "vocabulary.txt"}]}
"""

import re
import zlib

import numpy as np

WORD = re.compile(r"\w\w+")


class WordsFilter:
    """Counts words: a list of texts gives an array (texts, columns), columns being the model's second dimension.

    With ``vocabulary``, a text file with one word per line, the first word counts in column 0, and so on, unknown words nowhere:
    as scikit-learn's CountVectorizer does. Without it a word's column is CRC-32 (word) modulo columns; a model must then be
    trained on arrays of this same filter.
    """

    side = "input"

    def __init__(self, files, vocabulary=None):
        words = files.read(vocabulary).decode().split() if vocabulary is not None else []
        self.columns = {word: column for column, word in enumerate(words)}
        self.hashed = vocabulary is None

    def apply(self, value, spec):
        """The counts, in the input's dtype. ValueError tells the client what to send instead."""
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ValueError("expected a list of texts")
        counts = np.zeros((len(value), spec.shape[1]), spec.dtype)
        for row, text in zip(counts, value, strict=True):
            for word in WORD.findall(text.lower()):
                column = zlib.crc32(word.encode()) % len(row) if self.hashed else self.columns.get(word)
                if column is not None:
                    row[column] += 1
        return counts
