"""TensorFlow's SavedModels and frozen graphs."""

import importlib.util

import numpy as np
import pytest

from conformance.cases.case import ROWS, Case
from zeromind import importing
from zeromind.adapters import keras_backend, tensorflow_runtime
from zeromind.datatypes import as_bytes


def tensorflow():
    if not importlib.util.find_spec("tensorflow"):
        pytest.skip("tensorflow is not installed")
    return tensorflow_runtime.start()


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


def tensorflow_saved_model(folder):
    tf, module, rows = tensorflow(), flower(), ROWS.astype(np.float32)
    with importing.silence():
        tf.saved_model.save(module, str(folder), signatures=module.scores)
        expected = {name: tensor.numpy() for name, tensor in module.scores(rows).items()}
    return Case("tensorflow", folder, {"flower": rows}, expected, rtol=1e-6, cut="saved_model.pb")


def tensorflow_of_version_one(folder):
    """A table of words, which is an asset, and a variable with what each means."""
    v1, words = tensorflow().compat.v1, as_bytes(np.array(["red", "blue", "", "grün", "red"]))
    (folder / "words.txt").write_text("red\ngrün\nblue\n")
    lookup = tensorflow().lookup
    column = lookup.TextFileIndex
    with importing.silence(), v1.Graph().as_default(), v1.Session() as session:
        word = v1.placeholder(v1.string, (None,), "word")
        known = lookup.TextFileInitializer(str(folder / "words.txt"), v1.string, column.WHOLE_LINE, v1.int64, column.LINE_NUMBER)
        place = lookup.StaticHashTable(known, 3).lookup(word)
        meaning = v1.get_variable("meaning", initializer=np.arange(8, dtype=np.float64).reshape(4, 2))
        tensors = {"place": place, "meaning": v1.gather(meaning, place)}
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        expected = session.run(tensors, {word: words})
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder / "model"))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"words": v1.saved_model.predict_signature_def({"word": word}, tensors)},
            main_op=v1.tables_initializer(),
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
        )
        builder.save()
    return Case("tensorflow", folder / "model", {"word": words}, expected, rtol=1e-6, cut="saved_model.pb")


def tensorflow_frozen(folder):
    v1, rows, path = tensorflow().compat.v1, ROWS.astype(np.float32), folder / "frozen.pb"
    with importing.silence(), v1.Graph().as_default() as graph, v1.Session() as session:
        x = v1.placeholder(v1.float32, (None, 4), "flower")
        weights = v1.get_variable("weights", initializer=np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))
        scores = v1.nn.softmax(v1.matmul(x, weights), name="scores")
        session.run(v1.global_variables_initializer())
        expected = {"scores": session.run(scores, {x: rows})}
        path.write_bytes(v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["scores"]).SerializeToString())
    # OpenCV reads frozen graphs, too: the task has to say who shall.
    return Case("tensorflow", path, {"flower": rows}, expected, rtol=1e-6, task={"model_type": "tensorflow"}, also=("opencv",))


def tensorflow_of_keras(folder):
    tensorflow()
    keras, rows = keras_backend.keras_module(1, "cpu"), ROWS.astype(np.float32)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,), name="flower"), keras.layers.Dense(3, activation="softmax")])
    with importing.silence():
        model.export(folder, verbose=False)
        expected = {"output_0": np.asarray(model(rows))}
    return Case("tensorflow", folder, {"flower": rows}, expected, rtol=1e-5, cut="saved_model.pb")


MAKERS = [tensorflow_saved_model, tensorflow_of_version_one, tensorflow_frozen, tensorflow_of_keras]
