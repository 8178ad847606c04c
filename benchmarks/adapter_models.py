"""A model for each adapter, made by its framework, that takes more than a millisecond for 32 rows on one thread; and that framework's loop.

Each maker writes the model into a folder and gives a Subject, whose ``alone`` does what the framework's documentation tells to do for
inference, as fast as it has it. Frameworks start as the adapters start them: on one thread.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import caffe2_model
import models
import numpy as np

from zeromind import importing

ROWS = 32
_FEATURES = 30
_Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is served, and the batch for its inputs, in their order; ``alone`` gives one output for that batch."""

    model: str
    path: Path
    arrays: tuple[_Array, ...]
    alone: Callable[[], Any]
    task: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def onnx(folder: Path) -> Subject:
    path = models.write("mnist", folder)
    return Subject("a convolutional network", path, (pictures(),), session(path, pictures()))


def caffe2(folder: Path) -> Subject:
    """There is no Caffe2 to compare with any more: the same network in ONNX Runtime, which the adapter also uses."""
    rows = pictures().reshape(ROWS, 1, 28, 28)
    path = caffe2_model.write(folder / "caffe2", layers())
    inputs = [{"name": "x", "type": "float32", "shape": [None, 1, 28, 28]}]
    same = caffe2_model.as_onnx(folder / "same.onnx", layers())
    return Subject("a convolutional network", path, (rows,), session(same, rows), {"inputs": inputs})


def openvino(folder: Path) -> Subject:
    import openvino

    path = folder / "model.xml"
    openvino.save_model(openvino.convert_model(models.write("mnist", folder)), path, compress_to_fp16=False)
    config = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled, rows = openvino.compile_model(path, "CPU", config), pictures()
    return Subject("a convolutional network", path, (rows,), lambda: compiled(rows)[0])


def opencv(folder: Path) -> Subject:
    """A network of Darknet's: biases, then kernels, after a head."""
    import cv2

    path = folder / "darknet"
    path.mkdir()
    layer = "[convolutional]\nfilters={}\nsize=3\nstride=1\npad=1\nactivation=leaky\n"
    text = f"[net]\nbatch=1\nwidth=28\nheight=28\nchannels=1\n{layer.format(32)}[maxpool]\nsize=2\nstride=2\n{layer.format(32)}"
    (path / "model.cfg").write_text(text + layer.format(10).replace("leaky", "linear") + "[avgpool]\n[softmax]\ngroups=1\n")
    parts = numbers((32,), (32, 1, 3, 3), (32,), (32, 32, 3, 3), (10,), (10, 32, 3, 3))
    (path / "model.weights").write_bytes(struct.pack("<iiiq", 0, 2, 0, 0) + b"".join(part.tobytes() for part in parts))
    cv2.setNumThreads(1)
    network, rows = cv2.dnn.readNetFromDarknet(str(path / "model.cfg"), str(path / "model.weights")), pictures().reshape(ROWS, 1, 28, 28)

    def alone() -> Any:
        network.setInput(rows)
        return network.forward()

    return Subject("a convolutional network", path, (rows,), alone)


def keras(folder: Path) -> Subject:
    from zeromind.adapters import keras_backend

    keras = keras_backend.keras_module(1, "cpu")
    of = keras.layers
    stack = [of.Conv2D(32, 5, activation="relu"), of.MaxPooling2D(), of.Conv2D(64, 5, activation="relu"), of.MaxPooling2D(), of.Flatten()]
    model = keras.Sequential([keras.Input((28, 28, 1)), *stack, of.Dense(256, activation="relu"), of.Dense(10, activation="softmax")])
    path, rows = folder / "model.keras", pictures()
    with contextlib.redirect_stdout(io.StringIO()):
        model.save(path)
    return Subject("a convolutional network, predict_on_batch", path, (rows,), lambda: model.predict_on_batch(rows))


def torch(folder: Path) -> Subject:
    import torch

    torch.set_num_threads(1)
    model = convolutions().eval()
    path, rows = folder / "model.pt2", pictures().reshape(ROWS, 1, 28, 28)
    example = torch.from_numpy(rows)
    torch.export.save(torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim("rows")},)), path)

    def alone() -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(rows)).numpy()

    return Subject("a convolutional network", path, (rows,), alone)


def convolutions() -> Any:
    from torch import nn

    stack = [nn.Conv2d(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*stack, nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 10))


def tensorflow(folder: Path) -> Subject:
    tf, module = tensorflow_module()
    path = folder / "saved_model"
    tf.saved_model.save(module, str(path), {"serving_default": module.scores})
    serve, rows = tf.saved_model.load(str(path)).signatures["serving_default"], pictures()

    def alone() -> Any:
        return serve(x=tf.constant(rows))["y"].numpy()

    return Subject("a convolutional network", path, (rows,), alone)


def tflite(folder: Path) -> Subject:
    from ai_edge_litert.interpreter import Interpreter

    tf, module = tensorflow_module()
    path, rows = folder / "model.tflite", pictures()
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([module.scores.get_concrete_function()], module).convert())
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], rows.shape)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def alone() -> Any:
        interpreter.set_tensor(taken, rows)
        interpreter.invoke()
        return interpreter.get_tensor(given)

    return Subject("a convolutional network", path, (rows,), alone)


def jax(folder: Path) -> Subject:
    from zeromind.adapters import xla

    xla.surroundings(1)
    import jax
    from jax import export

    xla.only_cpu(jax)
    weights = numbers((784, 1024), (1024, 1024), (1024, 10))

    @jax.jit
    def scores(rows: Any) -> Any:
        for layer in weights[:-1]:
            rows = jax.nn.relu(rows @ layer)
        return jax.nn.softmax(rows @ weights[-1])

    path, rows = folder / "model.jax", pictures().reshape(ROWS, 784)
    shape = jax.ShapeDtypeStruct((*export.symbolic_shape("rows"), 784), np.float32)
    path.write_bytes(export.export(scores)(shape).serialize())
    return Subject("three dense layers", path, (rows,), lambda: np.asarray(scores(rows)))


def sklearn(folder: Path) -> Subject:
    import joblib

    path, rows = folder / "model.joblib", table(ROWS)[0]
    model = forest(100)
    joblib.dump(model, path)
    return Subject("a forest of 100 trees", path, (rows,), lambda: model.predict(rows))


def xgboost(folder: Path) -> Subject:
    import xgboost

    rows, (x, y) = table(ROWS)[0].astype(np.float32), table(1000)
    model = xgboost.train({"max_depth": 8, "learning_rate": 0.02, "nthread": 1}, xgboost.DMatrix(x, y), 1500)
    path = folder / "model.ubj"
    model.save_model(path)
    return Subject("1500 trees", path, (rows,), lambda: model.inplace_predict(rows))


def lightgbm(folder: Path) -> Subject:
    import lightgbm

    rows, (x, y) = table(ROWS)[0], table(2000)
    model = lightgbm.train({"num_leaves": 63, "num_threads": 1, "verbose": -1}, lightgbm.Dataset(x, y), 500)
    path = folder / "model.txt"
    model.save_model(path)
    return Subject("500 trees", path, (rows,), lambda: model.predict(rows, num_threads=1))


def catboost(folder: Path) -> Subject:
    import catboost

    rows, (x, y) = table(ROWS)[0].astype(np.float32), table(300)
    settings = {"depth": 6, "border_count": 32, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
    model = catboost.CatBoostRegressor(iterations=6000, **settings).fit(x, y)
    path = folder / "model.cbm"
    model.save_model(str(path))
    return Subject("6000 trees", path, (rows,), lambda: model.predict(rows, thread_count=1))


def transformers(folder: Path) -> Subject:
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.set_num_threads(1)
    words = ["[PAD]", "[UNK]", *(f"word{number}" for number in range(1000))]
    text = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "[UNK]"))
    text.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=text, pad_token="[PAD]", unk_token="[UNK]")
    sizes = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512}
    model = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=len(words), num_labels=3, **sizes)).eval()
    path = folder / "bert"
    for part in (model, tokenizer):
        part.save_pretrained(path)
    random = np.random.default_rng(0)
    texts = [" ".join(f"word{number}" for number in random.integers(1000, size=16)) for _ in range(ROWS)]

    def alone() -> Any:
        tokens = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
        with torch.inference_mode():
            return torch.softmax(model(**tokens).logits, 1).numpy()

    return Subject("a BERT of two layers, 16 words", path, (np.array([each.encode() for each in texts], object),), alone)


def mlflow(folder: Path) -> Subject:
    """As a python_function: all else is another adapter's."""
    import mlflow.models
    import mlflow.pyfunc
    import pandas as pd

    class Forest(mlflow.pyfunc.PythonModel):
        def __init__(self, model):  # MLflow takes hints of types for a schema
            self.model = model

        def predict(self, context, model_input, params=None):  # noqa: ARG002 - as MLflow calls it
            return self.model.predict(model_input.to_numpy())

    rows = table(ROWS)[0]
    frame = pd.DataFrame(rows, columns=[f"x{index}" for index in range(_FEATURES)])
    path = folder / "mlflow"
    signature = mlflow.models.infer_signature(frame, rows[:, 0])
    mlflow.pyfunc.save_model(path, python_model=Forest(forest(100)), signature=signature, pip_requirements=[])
    model = mlflow.pyfunc.load_model(str(path), suppress_warnings=True)
    columns = tuple(rows[:, index : index + 1].copy() for index in range(_FEATURES))
    return Subject("a forest of 100 trees, 30 columns", path, columns, lambda: model.predict(frame))


def python(folder: Path) -> Subject:
    path = folder / "skill.py"
    path.write_text(
        "import numpy\n\nW = numpy.random.default_rng(0).random((784, 2048), numpy.float32)\n\n\nclass Skill:\n"
        "    inputs = {'x': ('float32', [None, 784])}\n    outputs = {'y': ('float32', [None, 2048])}\n\n"
        "    def predict(self, x):\n        return numpy.tanh(x @ W)\n"
    )
    skill, rows = importing.load_file(path).Skill(), pictures().reshape(ROWS, 784)
    return Subject("a dense layer of numpy", path, (rows,), lambda: skill.predict(rows))


MAKERS: dict[str, Callable[[Path], Subject]] = {
    maker.__name__: maker
    for maker in (
        onnx, torch, tensorflow, tflite, jax, keras, openvino, opencv, caffe2,
        sklearn, xgboost, lightgbm, catboost, transformers, mlflow, python,
    )
}  # fmt: skip


def pictures() -> _Array:
    return np.random.default_rng(1).random((ROWS, 28, 28, 1), np.float32)


def table(rows: int) -> tuple[_Array, _Array]:
    """Features, and something to learn from them."""
    x = np.random.default_rng(rows).random((rows, _FEATURES))
    return x, np.sin(7 * x[:, 0]) + x[:, 1] * x[:, 2]


def numbers(*shapes: tuple[int, ...]) -> list[_Array]:
    random = np.random.default_rng(0)
    return [random.normal(0, 0.05, shape).astype(np.float32) for shape in shapes]


def layers() -> dict[str, _Array]:
    """The weights of two convolutions and a dense layer."""
    shapes = {"w1": (32, 1, 5, 5), "b1": (32,), "w2": (64, 32, 5, 5), "b2": (64,), "w3": (10, 1024), "b3": (10,)}
    return dict(zip(shapes, numbers(*shapes.values()), strict=True))


def forest(trees: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(trees, max_depth=10, random_state=0, n_jobs=1).fit(*table(1000))


def tensorflow_module() -> tuple[Any, Any]:
    """TensorFlow, and a module of its with the function ``scores`` from ``x`` to ``y``."""
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # it is asked twice, and has started by then
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    w1, w2, w3 = numbers((5, 5, 1, 32), (5, 5, 32, 64), (1024, 10))

    class Module(tf.Module):  # type: ignore[misc]  # TensorFlow's types are not read
        @tf.function(input_signature=[tf.TensorSpec((None, 28, 28, 1), tf.float32, "x")])
        def scores(self, x: Any) -> Any:
            for weights in (w1, w2):
                x = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(x, weights, 1, "VALID")), 2, 2, "VALID")
            return {"y": tf.nn.softmax(tf.reshape(x, (-1, 1024)) @ w3)}

    return tf, Module()


def session(path: Path, rows: _Array) -> Callable[[], Any]:
    """A run of ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    made = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return lambda: made.run(None, {"x": rows})[0]
