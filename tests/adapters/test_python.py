import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zeromind.adapters.base import Source, check_options
from zeromind.adapters.file import ModelFile
from zeromind.adapters.python import PythonAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

EXAMPLE = Path(__file__).parents[2] / "examples" / "skill.py"


def written(folder, source, name="skill.py"):
    path = folder / name
    path.write_text(textwrap.dedent(source))
    return path


def serve(folder, source, name="skill.py", **more):
    return PythonAdapter(Source(ModelFile(written(folder, source, name)), allow_code=True, **more))


def described(specs):
    return {spec.name: (spec.datatype, spec.shape) for spec in specs}


def refused(kind, words, folder, source, **more):
    with pytest.raises(ZeroMindError, match=words) as caught:
        serve(folder, source, **more)
    assert caught.value.kind is kind


def texts(*items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


AREA = """
    def predict(length: float, width: float) -> float:
        return length * width
"""


def test_a_function_is_a_skill(tmp_path):
    adapter = serve(tmp_path, AREA)
    assert described(adapter.spec.inputs) == {"length": ("FP64", (None,)), "width": ("FP64", (None,))}
    assert described(adapter.spec.outputs) == {"output": ("FP64", (None,))}
    assert adapter.spec.batches
    assert adapter.predict({"width": np.array([2.0, 3.0]), "length": np.array([4.0, 5.0])})["output"].tolist() == [8, 15]


def test_annotations_may_be_text_or_numpys(tmp_path):
    adapter = serve(
        tmp_path,
        """
        from __future__ import annotations
        import numpy as np

        def predict(a: np.int16, b: bool, c: str) -> np.float32:
            return a * b
        """,
    )
    assert [spec.datatype for spec in adapter.spec.inputs] == ["INT16", "BOOL", "BYTES"]
    assert adapter.spec.outputs[0].datatype == "FP32"


def test_a_function_may_declare_shapes_in_its_module(tmp_path):
    adapter = serve(
        tmp_path,
        """
        inputs = {"x": ("float32", (None, 4))}
        outputs = {"total": ("float32", [None])}

        def predict(x):
            return x.sum(axis=1)
        """,
    )
    assert described(adapter.spec.inputs) == {"x": ("FP32", (None, 4))}
    assert adapter.predict({"x": np.ones((2, 4), np.float32)})["total"].tolist() == [4, 4]


CLASSY = """
    class Skill:
        inputs = {"x": ("float32", [None, 2]), "name": ("string", [None])}
        outputs = {"y": ("float32", [None, 2]), "greeting": ("string", [None])}

        def __init__(self, folder, threads, device, factor=2, *, word="hello"):
            self.word, self.factor, self.given = word, factor, (folder, threads, device)

        def predict(self, x, name):
            return {"y": (x * self.factor).tolist(), "greeting": [f"{self.word} {each}" for each in name], "more": None}

        def close(self):
            self.factor = None
"""


def test_a_class_is_a_skill(tmp_path):
    adapter = serve(tmp_path, CLASSY, threads=3, device="cpu", options={"word": "hi"})
    assert adapter._skill.given == (tmp_path, 3, "cpu")
    answer = adapter.predict({"x": np.float32([[1, 2]]), "name": texts("José".encode())})
    assert answer["y"].dtype == np.float32
    assert answer["y"].tolist() == [[2, 4]]
    assert answer["greeting"].tolist() == ["hi José".encode()]
    adapter.close()
    assert adapter._skill.factor is None


def test_unknown_keys_go_to_the_constructor_which_knows_its_own(tmp_path):
    check_options(PythonAdapter, {"anything": 1})
    refused(ErrorKind.TASK_ATTRIBUTE, r"'wurd'.*factor, word", tmp_path, CLASSY, options={"wurd": 1})
    refused(ErrorKind.TASK_ATTRIBUTE, "'folder'", tmp_path, CLASSY, options={"folder": "/"})
    refused(ErrorKind.TASK_ATTRIBUTE, "'key'.*function", tmp_path, AREA, options={"key": 1})
    needy = "class Skill:\n    def __init__(self, word): ...\n    def predict(self, x: int) -> int: ...\n"
    refused(ErrorKind.TASK_ATTRIBUTE, "needs the task key 'word'", tmp_path, needy)


def test_a_folder_is_a_skill_with_what_lies_beside(tmp_path):
    (tmp_path / "word.txt").write_text("7")
    (tmp_path / "beside.py").write_text("FACTOR = 3\n")
    written(
        tmp_path,
        """
        import beside

        class Skill:
            def __init__(self, folder):
                self.number = int((folder / "word.txt").read_text())

            def predict(self, x: int) -> int:
                return x * self.number * beside.FACTOR
        """,
    )
    file = ModelFile(tmp_path)
    assert PythonAdapter.recognises(file)
    assert PythonAdapter(Source(file, allow_code=True)).predict({"x": np.array([1])})["output"].tolist() == [21]


def test_text_declared_as_bytes_comes_as_bytes(tmp_path):
    skill = """
        class Skill:
            inputs = {"raw": ("bytes", [None]), "text": ("string", [None])}
            outputs = {"raw": ("bytes", [None])}

            def predict(self, raw, text):
                return [one + two.encode() for one, two in zip(raw, text)]
    """
    answer = serve(tmp_path, skill).predict({"raw": texts(b"\xff\0"), "text": texts(b"a")})
    assert answer["raw"].tolist() == [b"\xff\0a"]


def test_a_tasks_interface_comes_before_the_skills(tmp_path):
    adapter = serve(
        tmp_path,
        "def predict(x): return x + 1",
        inputs=(TensorSpec("x", "INT8", (None, 2)),),
        outputs=(TensorSpec("y", "INT8", (None, 2)),),
    )
    assert adapter.predict({"x": np.int8([[1, 2]])})["y"].tolist() == [[2, 3]]


def test_the_class_named_skill_is_served_among_many(tmp_path):
    many = "class Base:\n    def predict(self, x: int) -> int: return x\nclass {}(Base):\n    pass\n"
    assert serve(tmp_path, many.format("Skill")).spec.batches
    refused(ErrorKind.LOAD_FAILED, "which of Base, Other is the skill", tmp_path, many.format("Other"))


def test_batches_may_be_declined(tmp_path):
    assert not serve(tmp_path, "batches = False" + textwrap.dedent(AREA)).spec.batches
    fixed = 'inputs = {"x": ("int8", [4])}\noutputs = {"y": ("int8", [4])}\ndef predict(x): return x\n'
    assert not serve(tmp_path, fixed).spec.batches


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("x = 1", ErrorKind.LOAD_FAILED, "write a function predict"),
        ("class Skill: pass", ErrorKind.LOAD_FAILED, "write a function predict"),
        ("def predict(x): return x", ErrorKind.INPUT_SPEC, r'declare inputs = {"x": \("float32"'),
        ("def predict(x: list) -> int: return x", ErrorKind.INPUT_SPEC, "'x'"),
        ("def predict() -> int: return 1", ErrorKind.INPUT_SPEC, "declare inputs"),
        ("def predict(x: int): return x", ErrorKind.OUTPUT_SPEC, "-> float"),
        ("def predict(x: Nope) -> int: return x", ErrorKind.LOAD_FAILED, "Nope"),
        ("async def predict(x: int) -> int: return x", ErrorKind.LOAD_FAILED, "plain def"),
        ("async def predict(x: int) -> int: yield x", ErrorKind.LOAD_FAILED, "plain def"),
        ("inputs = ['x']\ndef predict(x) -> int: return x", ErrorKind.INPUT_SPEC, "write inputs = "),
        ("inputs = {'x': ('floaty', [None])}\ndef predict(x) -> int: return x", ErrorKind.INPUT_SPEC, "'floaty' is no tensor type"),
        ("inputs = {'x': (3, [None])}\ndef predict(x) -> int: return x", ErrorKind.INPUT_SPEC, "write it as text"),
        ("inputs = {'x': ('int8', 4)}\ndef predict(x) -> int: return x", ErrorKind.INPUT_SPEC, "shape of 'x'"),
        ("inputs = {'z': ('int8', [4])}\ndef predict(x) -> int: return x", ErrorKind.LOAD_FAILED, r"predict\(x\).*'z'"),
        ("def predict(x: int) -> int:\n  return (", ErrorKind.LOAD_FAILED, "SyntaxError"),
        ("import nonesuch_package\ndef predict(x: int) -> int: return x", ErrorKind.MISSING_PACKAGE, "nonesuch_package.*pip install"),
        ("a = 1\nb = a / 0\ndef predict(x: int) -> int: return x", ErrorKind.LOAD_FAILED, "line 2: ZeroDivisionError"),
        ("import sys\nsys.exit(3)\ndef predict(x: int) -> int: return x", ErrorKind.LOAD_FAILED, "line 2: SystemExit"),
    ],
)
def test_what_is_wrong_with_a_skill_is_said_with_the_next_step(tmp_path, source, kind, words):
    refused(kind, words, tmp_path, source)


@pytest.mark.parametrize(
    ("returned", "kind", "words"),
    [
        ("{}", ErrorKind.OUTPUT_NAME, "no 'y'"),
        ("None", ErrorKind.PREDICTION_FAILED, "NoneType.*'y', 'z'"),
        ("(x,)", ErrorKind.PREDICTION_FAILED, "tuple"),
        ("{'y': x.reshape(-1, 1), 'z': x}", ErrorKind.PREDICTION_FAILED, r"shape \[2, 1\], declared is \[any\]"),
        ("{'y': None, 'z': x}", ErrorKind.PREDICTION_FAILED, "'y' is nothing"),
        ("{'y': [[1], [1, 2]], 'z': x}", ErrorKind.PREDICTION_FAILED, "no array"),
        ("{'y': x[:1], 'z': x}", ErrorKind.PREDICTION_FAILED, "1 rows for 2"),
        ("{'y': x + 0.5, 'z': x}", ErrorKind.PREDICTION_FAILED, "float64, declared is int64"),
    ],
)
def test_answers_are_held_to_their_declaration(tmp_path, returned, kind, words):
    source = (
        f"inputs = {{'x': ('int64', [None])}}\noutputs = {{'y': (int, [None]), 'z': (int, [None])}}\ndef predict(x): return {returned}\n"
    )
    with pytest.raises(ZeroMindError, match=words) as caught:
        serve(tmp_path, source).predict({"x": np.array([1, 2])})
    assert caught.value.kind is kind


def test_several_outputs_may_come_as_a_tuple(tmp_path):
    source = "outputs = {'y': (int, [None]), 'z': (int, [None])}\ndef predict(x: int): return x, x + 1\n"
    answer = serve(tmp_path, source).predict({"x": np.array([1])})
    assert (answer["y"].tolist(), answer["z"].tolist()) == ([1], [2])


def test_value_error_is_the_clients_and_type_error_the_skills(tmp_path):
    adapter = serve(tmp_path, "def predict(x: int) -> int:\n    if x[0]: raise ValueError('too much')\n    return len(None)\n")
    with pytest.raises(ValueError, match="too much"):
        adapter.predict({"x": np.array([1])})
    with pytest.raises(RuntimeError, match="line 3: TypeError"):
        adapter.predict({"x": np.array([0])})


@pytest.mark.parametrize(
    "source", [AREA, CLASSY, "class Other:\n    def predict(self): ...", "async def predict(): ...", "class Skill(object): pass"]
)
def test_skills_are_known_without_their_extension(tmp_path, source):
    assert PythonAdapter.recognises(ModelFile(written(tmp_path, source, "nonsense")))


@pytest.mark.parametrize(
    "source", ["", "predict the weather", "predict = 1", "x = 'def predict(): ...'", "if 1:\n    def predict(): ...", "def predict(:"]
)
def test_other_texts_are_no_skills(tmp_path, source):
    assert not PythonAdapter.recognises(ModelFile(written(tmp_path, source, "nonsense")))


def test_recognising_runs_nothing(tmp_path):
    assert PythonAdapter.recognises(ModelFile(written(tmp_path, "import os\nos._exit(3)\ndef predict(): ...", "nonsense")))


def test_deep_nesting_is_bearable(tmp_path):
    PythonAdapter.recognises(ModelFile(written(tmp_path, "predict = " + "(" * 100_000, "nonsense")))
    PythonAdapter.recognises(ModelFile(written(tmp_path, "predict = " + "-" * 100_000 + "1", "nonsense")))


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_noise_is_bearable(tmp_path, noise):
    (tmp_path / "noise").write_bytes(b"predict" + noise)
    PythonAdapter.recognises(ModelFile(tmp_path / "noise"))


def test_the_example_works():
    adapter = PythonAdapter(Source(ModelFile(EXAMPLE), allow_code=True, options={"gloomy": ["meh"]}))
    answer = adapter.predict({"text": texts(b"What a lovely day", b"meh", b"a door")})
    assert answer["mood"].tolist() == [b"cheerful", b"gloomy", b"neutral"]
    assert answer["score"].tolist() == [0.25, -1, 0]


def test_a_generator_gives_any_number_of_responses(tmp_path):
    adapter = serve(
        tmp_path,
        """
        from collections.abc import Iterator

        def predict(word: str, times: int) -> Iterator[str]:
            for index in range(times[0]):
                yield f"{word[0]}{index}"
        """,
    )
    assert adapter.decoupled
    assert described(adapter.spec.outputs) == {"output": ("BYTES", (None,))}
    arguments = {"word": texts(b"a"), "times": np.array([3])}
    assert [response["output"].tolist() for response in adapter.stream(arguments, {})] == [[b"a0"], [b"a1"], [b"a2"]]
    assert list(adapter.stream({**arguments, "times": np.array([0])}, {})) == []


def test_a_response_that_is_not_as_declared_is_a_fault_behind_the_good_ones(tmp_path):
    adapter = serve(tmp_path, "def predict(x: int) -> int:\n    yield 1\n    yield 'a'")
    responses = adapter.stream({"x": np.array([1])}, {})
    assert next(responses)["output"].tolist() == [1]
    with pytest.raises(ZeroMindError, match="is str"):
        next(responses)


def test_a_stream_that_is_closed_ends_the_skills_generator(tmp_path):
    left = tmp_path / "left"
    source = f"""
        from pathlib import Path

        def predict(x: int) -> int:
            try:
                while True:
                    yield 1
            finally:
                Path({str(left)!r}).touch()
        """
    responses = serve(tmp_path, source).stream({"x": np.array([1])}, {})
    next(responses)
    responses.close()
    assert left.exists()


def test_a_skill_may_look_at_the_parameters_of_requests(tmp_path):
    adapter = serve(tmp_path, "def predict(x: float, parameters) -> float:\n    return x * parameters.get('by', 1)")
    assert adapter.parameters
    assert [spec.name for spec in adapter.spec.inputs] == ["x"]
    x = {"x": np.array([1.0, 2.0])}
    assert adapter.predict_with(x, {"by": 3})["output"].tolist() == [3, 6]
    assert adapter.predict(x)["output"].tolist() == [1, 2]


def test_an_input_may_be_called_parameters(tmp_path):
    source = """
        inputs = {"parameters": ("float32", [None])}
        outputs = {"y": ("float32", [None])}

        def predict(parameters):
            return parameters
        """
    adapter = serve(tmp_path, source)
    assert not adapter.parameters
    assert adapter.predict({"parameters": np.ones(1, np.float32)})["y"].tolist() == [1]
