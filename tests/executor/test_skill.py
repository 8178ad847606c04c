"""A skill between its filters: how requests are joined, how their faults are kept apart."""

import json
import pickle

import numpy as np
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.group import Group, grouped, outcome
from zeromind.executor.order import Order
from zeromind.executor.skill import Skill
from zeromind.tensors import Encoded, InferRequest, InferResponse

ECHO = """
class Skill:
    inputs = {"x": ("float32", [None, None])}
    outputs = {"y": ("float32", [None, None]), "rows": ("int64", [None])}

    def predict(self, x):
        if (x < 0).any():
            raise ValueError("a negative number")
        return {"y": x, "rows": [len(x)] * len(x)}
"""

SPOILER = """
class Skill:
    inputs = {"x": ("float32", [None, None])}
    outputs = {"y": ("float32", [None, None])}

    def predict(self, x):
        bad = (x < 0).any()
        x += 100
        if bad:
            raise ValueError("a negative number")
        return x
"""

PAIR = """
class Skill:
    inputs = {"a": ("float32", [None]), "b": ("float32", [None])}
    outputs = {"sum": ("float32", [None])}

    def predict(self, a, b):
        return a + b
"""

WHOLE = """
class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"mean": ("float32", [1])}

    def predict(self, x):
        return {"mean": x.mean(keepdims=True)}
"""

LOOSE = """
import numpy as np


class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}

    def predict(self, x):
        kind = int(x[0])
        if kind == 1:
            return {"z": x}
        if kind == 2:
            return {"y": np.concatenate([x, x])}
        if kind == 3:
            raise KeyError("a secret")
        if kind == 4:
            raise SystemExit(0)
        return {"y": x}
"""


@pytest.fixture
def skill(tmp_path, models):
    """A function that loads a skill from its source."""
    made = []

    def load(text, **task):
        file = tmp_path / "skill.py"
        file.write_text(text)
        task = {"id": "t", "model_type": "python", "model_file": str(file), **task}
        order = Order(task, str(file), (str(models),), True, True, filter_folders=(str(models / "filters"),))
        made.append(Skill(order))
        return made[-1]

    yield load
    for one in made:
        one.close()


def run(skill, *requests):
    """The answers to a batch of requests that agree in their tensors; what fails as one is asked again one by one, as it should be."""
    rows = [max((len(value) for value in request.inputs.values() if not isinstance(value, Encoded)), default=1) for request in requests]
    answers = outcome(skill.run(grouped(requests, rows, skill.interface)))
    if isinstance(answers, ZeroMindError):
        return [answers] if len(requests) == 1 else [run(skill, request)[0] for request in requests]
    return answers


def tensors(**values):
    return InferRequest({name: np.array(value, np.float32) for name, value in values.items()})


def text(**values):
    return InferRequest({name: Encoded("application/json", json.dumps(value).encode()) for name, value in values.items()})


def check_fault(answer, kind, *words):
    assert isinstance(answer, ZeroMindError), answer
    assert answer.kind is kind
    for word in words:
        assert word in answer.message


def test_requests_that_agree_are_answered_by_one_call(skill):
    answers = run(skill(ECHO), tensors(x=[[1, 2]]), tensors(x=[[3, 4], [5, 6]]))
    assert [answer.outputs["y"].tolist() for answer in answers] == [[[1, 2]], [[3, 4], [5, 6]]]
    assert [answer.outputs["rows"].tolist() for answer in answers] == [[3], [3, 3]]
    assert answers[0].model_time == answers[1].model_time > 0


def test_requests_of_other_shapes_make_groups_of_their_own_and_keep_their_order(skill):
    answers = run(skill(ECHO, input_filters={"x": ["own.Split"]}), text(x=["1"]), text(x=["1 2"]), text(x=["3"]), text(x=["4 5"]))
    assert [answer.outputs["y"].tolist() for answer in answers] == [[[1]], [[1, 2]], [[3]], [[4, 5]]]
    assert [answer.outputs["rows"].tolist() for answer in answers] == [[2], [2], [2], [2]]


@pytest.mark.proves("T22", "F24")
def test_one_bad_request_fails_alone(skill):
    answers = run(skill(ECHO), tensors(x=[[1]]), tensors(x=[[-1]]), tensors(x=[[2]]))
    assert [answers[at].outputs["y"].tolist() for at in (0, 2)] == [[[1]], [[2]]]
    check_fault(answers[1], ErrorKind.INVALID_INPUT, "a negative number")


def test_a_joined_call_that_fails_is_told_as_one_fault_of_them_all(skill):
    """Whoever sent the requests has their tensors as they came; here the model may have written into them."""
    (group,) = skill(ECHO).run([Group([1, 2], {"x": np.array([[1], [-1], [2]], np.float32)})])
    check_fault(group.fault, ErrorKind.INVALID_INPUT, "a negative number")
    assert group.rows == [1, 2]


@pytest.mark.proves("T22")
def test_one_bad_request_among_filtered_ones_fails_alone(skill):
    loaded = skill(SPOILER, input_filters={"x": ["own.Split"]})
    answers = run(loaded, text(x=["1"]), text(x=["-1"]), text(x=["2"]))
    assert [answers[at].outputs["y"].tolist() for at in (0, 2)] == [[[101]], [[102]]]
    check_fault(answers[1], ErrorKind.INVALID_INPUT, "a negative number")


def test_two_requests_whose_rows_disagree_are_not_joined_into_one_that_agrees(skill):
    def pair(a, b):
        return InferRequest(text(a=a).inputs | tensors(b=b).inputs)

    answers = run(skill(PAIR, input_filters={"a": ["own.Scale"]}), pair([1, 2], [1]), pair([1], [1, 2]), pair([1], [2]))
    for answer in answers[:2]:
        check_fault(answer, ErrorKind.INVALID_INPUT, "different numbers of rows", "[1, 2]")
    assert answers[2].outputs["sum"].tolist() == [4]


def test_a_model_that_does_not_batch_gets_each_request_alone(skill):
    loaded = skill(WHOLE)
    assert not loaded.interface.spec.batches
    answers = run(loaded, tensors(x=[1, 3]), tensors(x=[5]))
    assert [answer.outputs["mean"].tolist() for answer in answers] == [[2], [5]]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(1, ErrorKind.OUTPUT_NAME), (2, ErrorKind.PREDICTION_FAILED), (3, ErrorKind.PREDICTION_FAILED), (4, ErrorKind.PREDICTION_FAILED)],
)
def test_a_model_that_breaks_its_word_fails_the_request(skill, number, kind):
    bad, good = run(skill(LOOSE), tensors(x=[number]), tensors(x=[0]))
    check_fault(bad, kind)
    assert "secret" not in bad.message
    assert good.outputs["y"].tolist() == [0]


def test_filters_work_in_their_order_on_both_sides(skill):
    uses = {"input_filters": {"x": ["own.Split", {"filter": "own.Scale", "by": 10}]}, "output_filters": {"y": ["own.Scale"]}}
    loaded = skill(ECHO, **uses)
    assert loaded.interface.filtered_inputs == {"x"}
    assert loaded.interface.filtered_outputs == {"y"}
    (answer,) = run(loaded, text(x=["1 2", "3 4"]))
    assert json.loads(answer.outputs["y"].data) == [[20, 40], [60, 80]]
    assert answer.outputs["rows"].tolist() == [2, 2]


def test_filtered_requests_are_joined_where_their_results_agree(skill):
    answers = run(skill(ECHO, input_filters={"x": ["own.Split"]}), text(x=["1 2"]), text(x=["1"]), text(x=["3 4"]))
    assert [answer.outputs["rows"].tolist() for answer in answers] == [[2], [1], [2]]


def test_a_fault_in_a_filter_stays_with_its_request(skill):
    loaded = skill(ECHO, input_filters={"x": ["own.Split"]})
    good, refused, broken = run(loaded, text(x=["1"]), text(x=["one"]), text(x=[5]))
    assert isinstance(good, InferResponse)
    check_fault(refused, ErrorKind.FILTER_REFUSED, "own.Split", "one")
    check_fault(broken, ErrorKind.FILTER_FAILED, "own.Split")


def test_a_broken_filter_tells_no_secret(skill):
    (answer,) = run(skill(ECHO, input_filters={"x": ["own.Broken"]}), text(x=[]))
    check_fault(answer, ErrorKind.FILTER_FAILED)
    assert "secret" not in answer.message


@pytest.mark.parametrize("kind", ["set", "keys"])
def test_a_filter_whose_result_json_has_no_form_for_fails_its_request(skill, kind):
    use = {"filter": "own.Strange", "kind": kind}
    (answer,) = run(skill(ECHO, output_filters={"y": [use]}), tensors(x=[[1]]))
    check_fault(answer, ErrorKind.FILTER_FAILED, "own.Strange", "JSON")


def test_numbers_that_are_not_finite_leave_a_filter_as_null(skill):
    (answer,) = run(skill(ECHO, output_filters={"y": [{"filter": "own.Strange", "kind": "nan"}]}), tensors(x=[[1], [2]]))
    assert answer.outputs["y"].data == b"[null,null]"


@pytest.mark.parametrize("data", [b"{", b"[NaN]", b'[{"a": 1, "a": 2}]', b"[" * 100_000, b"\xff"])
def test_what_is_not_json_never_reaches_a_filter(skill, data):
    (answer,) = run(skill(ECHO, input_filters={"x": ["own.Broken"]}), InferRequest({"x": Encoded("application/json", data)}))
    check_fault(answer, ErrorKind.INVALID_INPUT, "'x'")


def test_no_rows_from_a_filter_are_refused(skill):
    (answer,) = run(skill(ECHO, input_filters={"x": ["own.Split"]}), text(x=[]))
    check_fault(answer, ErrorKind.INVALID_INPUT)


KERAS = [{"name": "conv2d_1_input:0", "type": "float32", "shape": [None, 1]}]


def test_tensors_are_renamed_as_the_filters_name_them(tmp_path, models):
    """A file loaded a second time had suffixed names in the original; the task's filters say which the client uses."""
    (tmp_path / "own_adapter.py").write_text(
        "import re\n"
        "from zeromind.adapters.base import Adapter\n"
        "from zeromind.tensors import ModelSpec, TensorSpec\n"
        "class Graph(Adapter):\n"
        "    name, formats = 'graph', 'none'\n"
        "    def __init__(self, source):\n"
        "        x = TensorSpec('conv2d_1_input:0', 'FP32', (None, 1), (r'conv2d_1_input_\\d+:0',))\n"
        "        y = TensorSpec('dense_2/Softmax:0', 'FP32', (None, 1), (r'dense_2_\\d+/Softmax:0',))\n"
        "        self.spec = ModelSpec((x,), (y,), True)\n"
        "    @classmethod\n"
        "    def recognises(cls, file): return False\n"
        "    def predict(self, inputs): return {'dense_2/Softmax:0': inputs['conv2d_1_input:0']}\n"
    )
    file = str(models / "row.txt")

    def load(**uses):
        task = {"id": "new", "model_type": "graph", "model_file": file, **uses}
        return Skill(Order(task, file, adapter_folders=(str(tmp_path),), filter_folders=(str(models / "filters"),)))

    loaded = load(input_filters={"conv2d_1_input_1:0": ["own.Split"]}, output_filters={"dense_2_1/Softmax:0": ["own.Scale"]})
    (x,), (y,) = loaded.interface.spec.inputs, loaded.interface.spec.outputs
    assert (x.name, y.name) == ("conv2d_1_input_1:0", "dense_2_1/Softmax:0")
    (answer,) = run(loaded, text(**{"conv2d_1_input_1:0": ["3"]}))
    assert json.loads(answer.outputs["dense_2_1/Softmax:0"].data) == [[6]]

    with pytest.raises(ZeroMindError) as caught:
        load(input_filters={"conv2d_1_input:0": [], "conv2d_1_input_1:0": ["own.Split"]})
    check_fault(caught.value, ErrorKind.TASK_ATTRIBUTE, "twice")


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ({"input_filters": {"x": ["none.None"]}}, ErrorKind.FILTER_NOT_FOUND),
        ({"input_filters": {"x": ["own.NoFilter"]}}, ErrorKind.NOT_A_FILTER),
        ({"output_filters": {"y": ["own.Split"]}}, ErrorKind.FILTER_SIDE),
        ({"input_filters": {"z": []}}, ErrorKind.TASK_ATTRIBUTE),
        ({"input_filters": {"x": [{"filter": "own.Scale", "times": 2}]}}, ErrorKind.FILTER_PARAMETERS),
        ({"model_type": "abacus"}, ErrorKind.MODEL_TYPE_UNKNOWN),
    ],
)
def test_a_task_that_does_not_fit_does_not_load(skill, task, kind):
    with pytest.raises(ZeroMindError) as caught:
        skill(ECHO, **task)
    check_fault(caught.value, kind)


def test_code_is_run_only_where_the_operator_allows_it(tmp_path):
    mark = tmp_path / "mark"
    file = tmp_path / "skill.py"
    file.write_text(f"open({str(mark)!r}, 'w').close()\n{ECHO}")
    for model_type in ("python", ""):
        with pytest.raises(ZeroMindError) as caught:
            Skill(Order({"id": "t", "model_type": model_type, "model_file": str(file)}, str(file)))
        check_fault(caught.value, ErrorKind.CODE_NOT_ALLOWED, "allow_code", "code_roots")
    assert not mark.exists()


def test_model_types_hold_for_recognised_files_too(tmp_path):
    file = tmp_path / "skill.py"
    file.write_text(ECHO)
    with pytest.raises(ZeroMindError) as caught:
        Skill(Order({"id": "t", "model_file": str(file)}, str(file), allow_code=True, model_types=("onnx",)))
    check_fault(caught.value, ErrorKind.MODEL_TYPE_NOT_ALLOWED, "onnx")


def test_classes_that_the_adapter_names_are_told_unless_the_task_names_them(tmp_path):
    linear = pytest.importorskip("sklearn.linear_model")
    (tmp_path / "m").write_bytes(pickle.dumps(linear.LogisticRegression().fit([[0], [1], [2]], ["a", "b", "b"])))
    for task, expected in (({}, ("a", "b")), ({"labels": {"probabilities": ["x", "y"]}}, ("x", "y"))):
        loaded = Skill(Order({"id": "t", "model_file": "m", **task}, str(tmp_path / "m"), trusted=True, allow_code=True))
        assert loaded.interface.labels == {"probabilities": expected}
    filtered = {"output_filters": {"probabilities": ["argmax.ArgMaxFilter"]}}
    loaded = Skill(Order({"id": "t", "model_file": "m", **filtered}, str(tmp_path / "m"), trusted=True, allow_code=True))
    assert loaded.interface.labels == {"probabilities": ("a", "b")}


BRITTLE = """
class Skill:
    inputs = {"x": ("float32", [None, 2])}
    outputs = {"y": ("float32", [None, SIZE]), "label": ("string", [None])}

    def predict(self, x):
        return {"y": x[0] - x, "label": ["one"] * len(x)}
"""


def test_no_rows_never_reach_a_model_whose_sizes_are_known(skill):
    answers = run(skill(BRITTLE.replace("SIZE", "2")), tensors(x=np.empty((0, 2))))
    assert {name: (array.shape, array.dtype) for name, array in answers[0].outputs.items()} == {
        "y": ((0, 2), np.float32), "label": ((0,), object),
    }  # fmt: skip
    check_fault(run(skill(BRITTLE.replace("SIZE", "None")), tensors(x=np.empty((0, 2))))[0], ErrorKind.PREDICTION_FAILED)
