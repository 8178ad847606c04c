"""TensorFlow's SavedModels and frozen graphs."""

import importlib.util

import pytest

from zeromind.adapters import tensorflow_runtime


def tensorflow():
    if not importlib.util.find_spec("tensorflow"):
        pytest.skip("tensorflow is not installed")
    return tensorflow_runtime.start(1)


def flower():
    """A module with the function ``scores``: rows of four numbers in, FP32 scores of three classes and the INT64 number of the best out."""
    tf = tensorflow()

    class Flower(tf.Module):
        def __init__(self):
            self.weights = tf.Variable(tf.random.stateless_normal((4, 3), (1, 2)))

        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
        def scores(self, flower):
            logits = flower @ self.weights
            return {"scores": tf.nn.softmax(logits), "best": tf.argmax(logits, 1)}

    return Flower()


MAKERS = []
