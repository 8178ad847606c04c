"""The samples of a task: a model that does not give what is expected of it is not served."""

import json

import numpy as np
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.order import Order
from zeromind.executor.skill import Skill

DOUBLE = """
class Skill:
    inputs = {"x": ("float32", [None, 2]), "name": ("string", [None])}
    outputs = {"y": ("float32", [None, 2]), "greeting": ("string", [None]), "count": ("int64", [None])}
    calls = 0

    def predict(self, x, name):
        self.calls += 1
        if (x < 0).any():
            raise ValueError("a negative number")
        return {"y": 2 * x, "greeting": ["hello " + one for one in name], "count": [self.calls] * len(x)}
"""

COUNTDOWN = """
class Skill:
    inputs = {"start": ("int32", [1])}
    outputs = {"left": ("int32", [1])}

    def predict(self, start, parameters):
        for left in range(int(start[0]), 0, -int(parameters.get("step", 1))):
            yield [left]
"""

INPUTS = {"x": [[1, 2], [3, 4]], "name": ["Ada", "Zoë"]}
OUTPUTS = {"y": [[2, 4], [6, 8]], "greeting": ["hello Ada", "hello Zoë"]}


@pytest.fixture
def load(tmp_path):
    """A function that loads a skill from its source with samples."""

    def load(text, *samples, trusted=True, **task):
        file = tmp_path / "skill.py"
        file.write_text(text)
        task = {"id": "t", "model_file": str(file), "samples": list(samples), **task}
        return Skill(Order(task, str(file), (str(tmp_path),), trusted, allow_code=True))

    return load


def refused(load, *arguments, **task):
    with pytest.raises(ZeroMindError) as caught:
        load(*arguments, **task)
    assert caught.value.kind is ErrorKind.LOAD_FAILED
    return caught.value.message


def test_samples_run_when_the_model_is_loaded(load):
    skill = load(DOUBLE, {"inputs": INPUTS, "outputs": OUTPUTS}, {"inputs": INPUTS})
    outputs, _ = skill.infer({"x": np.zeros((1, 2), np.float32), "name": np.array([b"a"], object)})
    assert outputs["count"].tolist() == [3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y": [[2, 4], [6, 9]]}, "sample 1 of the task: output 'y' at [1, 1] is 8.0, expected is 9 (rtol"),
        ({"y": [[2, 4]]}, "shape [2, 2], expected is [1, 2]"),
        ({"greeting": ["hello Ada", "x"]}, "is 'hello Zoë', expected is 'x'"),
        ({"count": [2, 1]}, "at [0] is 1, expected is 2; 1 of 2 values differ"),
        ({"z": [1]}, "it names the output 'z', but the model's outputs are 'y', 'greeting', 'count'"),
        ({"y": [[2, 4], [6]]}, "no [any, 2] tensor"),
        ({"count": [1.0, 1.9]}, "not int64, but float64"),
        ({"greeting": [None, "x"]}, "not string"),
        ({"y": [[None, 4], [6, 8]]}, "at [0, 0] is 2.0, expected is nan"),
        ([5], "values by tensor name are expected, not 5"),
        ({"y": [["a", "b"]]}, "what stands for 'y' is not float32, but str"),
    ],
)
def test_another_answer_fails_the_load(load, changes, words):
    outputs = {**OUTPUTS, **changes} if isinstance(changes, dict) else changes
    assert words in refused(load, DOUBLE, {"inputs": INPUTS, "outputs": outputs})


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"x": [[1, 2]]}, "input 'name' is missing"),
        ({**INPUTS, "z": [1]}, "it names the input 'z'"),
        ({**INPUTS, "x": [[1, 2, 3]]}, "the model takes [any, 2]"),
        ({**INPUTS, "x": [[-1, 2], [3, 4]]}, "a negative number"),
        ("no/such.npz", "not readable"),
    ],
)
def test_inputs_that_do_not_fit(load, inputs, words):
    message = refused(load, DOUBLE, {"inputs": INPUTS}, {"inputs": inputs})
    assert message.startswith("sample 2 of the task: ")
    assert words in message


def test_tolerances(load):
    near = {"y": [[2.001, 4], [6, 8.001]]}
    load(DOUBLE, {"inputs": INPUTS, "outputs": near, "rtol": 1e-3})
    load(DOUBLE, {"inputs": INPUTS, "outputs": near, "atol": 2e-3, "rtol": 0})
    assert "2 of 4 values differ" in refused(load, DOUBLE, {"inputs": INPUTS, "outputs": near})


def test_files_of_arrays_and_of_json(load, tmp_path):
    np.savez(tmp_path / "in.npz", x=np.array(INPUTS["x"], np.float32), name=np.array(INPUTS["name"]))
    (tmp_path / "out.json").write_text(json.dumps(OUTPUTS))
    load(DOUBLE, {"inputs": str(tmp_path / "in.npz"), "outputs": "out.json"}, trusted=False)
    (tmp_path / "out.json").write_text("[1]")
    assert "must hold a JSON object" in refused(load, DOUBLE, {"inputs": INPUTS, "outputs": "out.json"})
    (tmp_path / "in.npz").write_bytes((tmp_path / "in.npz").read_bytes()[:50])
    assert "neither an .npz file" in refused(load, DOUBLE, {"inputs": "in.npz"})
    np.savez(tmp_path / "in.npz", x=np.array([{}], object))
    assert "neither an .npz file" in refused(load, DOUBLE, {"inputs": "in.npz"})


def test_files_outside_the_roots_are_the_operators_alone(load, tmp_path, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "in.json"
    outside.write_text(json.dumps(INPUTS))
    load(DOUBLE, {"inputs": str(outside)})
    assert "not readable" in refused(load, DOUBLE, {"inputs": str(outside)}, trusted=False)


def test_samples_go_through_the_filters(load):
    filters = {"output_filters": {"y": ["argmax.ArgMaxFilter"]}}
    load(DOUBLE, {"inputs": INPUTS, "outputs": {"y": [1, 1]}}, **filters)
    assert "output 'y' is [1,1], expected is [0, 1]" in refused(load, DOUBLE, {"inputs": INPUTS, "outputs": {"y": [0, 1]}}, **filters)


def test_the_responses_of_a_decoupled_model(load):
    sample = {"inputs": {"start": [4]}, "parameters": {"step": 2}}
    load(COUNTDOWN, {**sample, "outputs": [{"left": [4]}, {"left": [2]}]})
    assert "3 responses are expected, the model gives 2" in refused(load, COUNTDOWN, {**sample, "outputs": [{}, {}, {}]})
    assert "at [0] is 2, expected is 3" in refused(load, COUNTDOWN, {**sample, "outputs": [{"left": [4]}, {"left": [3]}]})


SHOW = """
class ShowFilter:
    side = "output"

    def apply(self, value, spec):
        return {"sum": float(value.sum()), "kind": "two"}
"""


def test_answers_of_filters_are_compared_within_the_tolerance(load, tmp_path):
    (tmp_path / "show.py").write_text(SHOW)
    file = tmp_path / "skill.py"
    file.write_text(DOUBLE)

    def tried(**expected):
        sample = {"inputs": INPUTS, "outputs": {"y": [{"sum": 6, "kind": "two", **expected}, {"sum": 14.0000001, "kind": "two"}]}}
        task = {"id": "t", "model_file": str(file), "samples": [sample], "output_filters": {"y": ["show.ShowFilter"]}}
        return Skill(Order(task, str(file), trusted=True, allow_code=True, filter_folders=(str(tmp_path),)))

    tried()
    for wrong in ({"sum": 7}, {"kind": 2}, {"more": 1}):
        with pytest.raises(ZeroMindError, match="expected is"):
            tried(**wrong)


def test_a_model_that_fails_its_samples_is_closed(load, tmp_path):
    closing = f"    def close(self):\n        open({str(tmp_path / 'closed')!r}, 'w').close()\n"
    refused(load, DOUBLE + closing, {"inputs": INPUTS, "outputs": {"count": [9, 9]}})
    assert (tmp_path / "closed").exists()


HALVED = """
class Skill:
    inputs = {"x": ("bfloat16", [None])}
    outputs = {"y": ("bfloat16", [None]), "exact": ("float32", [None])}

    def predict(self, x):
        return {"y": x / 2, "exact": x}
"""


def test_bfloat16_is_what_a_client_could_have_sent(load):
    load(HALVED, {"inputs": {"x": [0.3]}, "outputs": {"y": [0.15], "exact": [0.30078125]}, "rtol": 1e-7, "atol": 0})
