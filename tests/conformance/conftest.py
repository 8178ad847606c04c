"""Real models of every adapter, made by the real frameworks."""

import contextlib
import dataclasses
import functools
import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zeromind.adapters import keras_backend
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.datatypes import as_bytes
from zeromind.plugins import Plugins

ROWS = np.linspace(-1, 1, 20).reshape(5, 4)
CLASSES = np.array([0, 1, 2, 1, 0])


@dataclasses.dataclass
class Case:
    """A model file, a batch of five rows for it, and what the framework itself answers."""

    adapter: str
    path: Path
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    code: str = ""
    rtol: float = 0.0

    @property
    def file(self):
        return ModelFile(self.path)

    @functools.cached_property
    def loaded(self):
        return self.load()

    def load(self, path=None, **options):
        return Plugins().adapter(self.adapter)(Source(ModelFile(path or self.path), allow_code=bool(self.code), options=options))

    def agree(self, mine, its):
        if self.rtol and mine.dtype.kind == "f":
            np.testing.assert_allclose(mine, its, rtol=self.rtol, atol=self.rtol)
        else:
            np.testing.assert_array_equal(mine, its)


def onnx_of_every_kind(folder):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    make, types = onnx.helper, onnx.TensorProto
    weights = onnx.numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    nodes = [
        make.make_node("MatMul", ["x", "w"], ["scores"]),
        make.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0),
        make.make_node("Identity", ["name"], ["echo"]),
    ]
    value = make.make_tensor_value_info
    ins = [value("x", types.FLOAT, ["n", 4]), value("name", types.STRING, ["n"])]
    outs = [value("scores", types.FLOAT, ["n", 3]), value("best", types.INT64, ["n"]), value("echo", types.STRING, ["n"])]
    graph = make.make_graph(nodes, "g", ins, outs, initializer=[weights])
    path = folder / "model.onnx"
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), path)
    names = np.array(["a", "é", "", "d", "e"], object)
    rows = ROWS.astype(np.float32)
    answer = runtime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": rows, "name": names})
    expected = {"scores": answer[0], "best": answer[1], "echo": as_bytes(answer[2])}
    return Case("onnx", path, {"x": rows, "name": as_bytes(names)}, expected, rtol=1e-6)


def fitted():
    linear = pytest.importorskip("sklearn.linear_model")
    return linear.LogisticRegression().fit(ROWS, CLASSES)


def classified(path, code="a pickle"):
    model = fitted()
    return Case("sklearn", path, {"input": ROWS}, {"label": model.predict(ROWS), "probabilities": model.predict_proba(ROWS)}, code, 1e-12)


def sklearn_joblib(folder):
    path = folder / "model.joblib"
    pytest.importorskip("joblib").dump(fitted(), path, compress=3)
    return classified(path)


def sklearn_pickle(folder):
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(fitted(), 2))
    return classified(path)


def sklearn_skops(folder):
    path = folder / "model.skops"
    pytest.importorskip("skops.io").dump(fitted(), path)
    return classified(path, code="")


def sklearn_text(folder):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    texts = ["a good day", "bad luck", "", "good", "bad"]
    model = make_pipeline(TfidfVectorizer(), SGDClassifier(random_state=0)).fit(texts, ["+", "-", "+", "+", "-"])
    path = folder / "model.joblib"
    pytest.importorskip("joblib").dump(model, path)
    return Case("sklearn", path, {"input": as_bytes(np.array(texts))}, {"label": as_bytes(model.predict(texts))}, "a pickle")


def sklearn_archive(folder):
    model, stream = fitted(), io.BytesIO()
    pytest.importorskip("joblib").dump(model, stream)
    specs = {"input_spec.json": [{"name": "flower", "type": "float64", "shape": [None, 4]}]}
    specs["output_spec.json"] = [{"name": "kind", "type": "int32", "shape": [None, 1]}]
    members = {"model.jbl": stream.getvalue(), **{name: json.dumps(spec).encode() for name, spec in specs.items()}}
    path = folder / "model.sklearn"
    with tarfile.open(path, "w:gz") as packed:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return Case("sklearn", path, {"flower": ROWS}, {"kind": model.predict(ROWS).reshape(-1, 1)}, "a pickle")


def python_function(folder):
    path = folder / "skill.py"
    path.write_text("def predict(length: float, name: str) -> str:\n    return [f'{n} {x:.1f}' for n, x in zip(name, length)]\n")
    names = ["a", "b", "c", "d", "é"]
    expected = as_bytes(np.array([f"{name} {x:.1f}" for name, x in zip(names, ROWS[:, 0], strict=True)]))
    return Case("python", path, {"length": ROWS[:, 0], "name": as_bytes(np.array(names))}, {"output": expected}, "Python source")


def python_folder(folder):
    np.save(folder / "weights.npy", np.eye(4, 2))
    (folder / "skill.py").write_text(
        "import numpy\n\nclass Skill:\n    inputs = {'x': ('float64', [None, 4])}\n    outputs = {'y': ('float64', [None, 2])}\n\n"
        "    def __init__(self, folder):\n        self.weights = numpy.load(folder / 'weights.npy')\n\n"
        "    def predict(self, x):\n        return x @ self.weights\n"
    )
    return Case("python", folder, {"x": ROWS}, {"y": ROWS @ np.eye(4, 2)}, "Python source")


def keras_model(folder, name):
    pytest.importorskip("jax")
    keras = keras_backend.keras_module(1, "cpu")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dense(3, activation="softmax")])
    path, rows = folder / name, ROWS.astype(np.float32)
    # Keras reads its variables in a way that numpy 2 deprecates, and calls HDF5 old.
    with keras_backend.silence(), contextlib.redirect_stdout(io.StringIO()):
        expected = np.asarray(model(rows))
        model.save(path)
    return path, rows, expected


def keras_zip(folder):
    path, rows, expected = keras_model(folder, "model.keras")
    return keras_case(path, rows, expected)


def keras_hdf5(folder):
    path, rows, expected = keras_model(folder, "model.h5")
    return keras_case(path, rows, expected)


def keras_case(path, rows, expected):
    case = Case("keras", path, {}, {}, rtol=1e-5)
    # Keras numbers its layers per process, so the names are the loaded model's own.
    case.inputs = {case.loaded.spec.inputs[0].name: rows}
    case.expected = {case.loaded.spec.outputs[0].name: expected}
    return case


MAKERS: dict[str, Callable[[Path], Case]] = {
    maker.__name__: maker
    for maker in (
        onnx_of_every_kind,
        sklearn_joblib,
        sklearn_pickle,
        sklearn_skops,
        sklearn_text,
        sklearn_archive,
        python_function,
        python_folder,
        keras_zip,
        keras_hdf5,
    )
}


@pytest.fixture(scope="module", params=MAKERS)
def case(request, tmp_path_factory):
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def makers():
    """What makes a case in a folder, by its name."""
    return MAKERS
