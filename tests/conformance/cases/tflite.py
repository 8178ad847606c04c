"""TensorFlow Lite models."""

import numpy as np
import pytest

from conformance.cases.case import ROWS, Case
from conformance.cases.tensorflow import flower, tensorflow
from zeromind import importing


def interpreted(path, rows):
    """What LiteRT answers by its own signature runner."""
    runner = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path), num_threads=1).get_signature_runner()
    return runner(flower=rows)


def converted(path, **settings):
    tf = tensorflow()
    with importing.silence():
        module = flower()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([module.scores.get_concrete_function()], module)
        for name, value in settings.items():
            setattr(converter, name, value)
        path.write_bytes(converter.convert())
    return path


def tflite_float(folder):
    rows = ROWS.astype(np.float32)
    path = converted(folder / "model.tflite")
    return Case("tflite", path, {"flower": rows}, interpreted(path, rows), rtol=1e-6)


def tflite_quantized(folder):
    tf = tensorflow()
    rows = ROWS.astype(np.float32)
    settings = {"optimizations": [tf.lite.Optimize.DEFAULT], "representative_dataset": lambda: ([row[None]] for row in rows)}
    # With integers only within, the graph itself has the operators that convert floats to them and back.
    expected = interpreted(converted(folder / "inside.tflite", **settings), rows)
    path = converted(folder / "model.tflite", **settings, inference_input_type=tf.int8, inference_output_type=tf.int8)
    return Case("tflite", path, {"flower": rows}, expected, rtol=1e-6)


MAKERS = [tflite_float, tflite_quantized]
