"""Numbers of an answer that JSON has not: null, text or an error, as each request has it, over every dialect."""

import json

import numpy as np
import pytest

SKILL = """
import numpy as np


class Skill:
    inputs = {"x": ("float32", [None, 3])}
    outputs = {"y": ("float32", [None, 3])}

    def predict(self, x):
        with np.errstate(all="ignore"):
            return np.log(x)
"""
X = [[1.0, 0.0, -1.0]]
TENSOR = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 0, -1]}
WORDS = {"null": [0, None, None], "string": [0, "-Infinity", "NaN"]}


@pytest.fixture(scope="module")
def pool(thread_server, models):
    (models / "log.py").write_text(SKILL)
    with thread_server(tasks=[{"id": "log", "model_file": "log.py"}]) as client:
        yield client


ASKED = {
    "0Mind": ("/model/predict?id=log", {"x": X}, lambda answer: answer["result"]["y"][0]),
    "0Mind, long": ("/model/predict?id=log&x=", {"x": X}, lambda answer: answer["result"]["y"][0]),
    "infer": ("/v2/models/log/infer", {"inputs": [TENSOR]}, lambda answer: answer["outputs"][0]["data"]),
    "infer, long": ("/v2/models/log/infer?x=", {"inputs": [TENSOR]}, lambda answer: answer["outputs"][0]["data"]),
    "generate": ("/v2/models/log/generate", {"x": X[0]}, lambda answer: answer["y"]),
    "TensorFlow": ("/v1/models/log:predict", {"instances": X}, lambda answer: answer["predictions"][0]),
}


@pytest.mark.proves("F20")
@pytest.mark.parametrize("wire", ASKED)
def test_f20_each_request_says_what_becomes_of_them(pool, wire):
    route, body, values = ASKED[wire]
    headers = {"Content-Type": "application/json"}
    for _ in range(3):  # heads that come again go another way
        for policy, wanted in WORDS.items():
            answer = pool.post(route, body, headers={**headers, "Non-Finite": policy})
            assert (answer.status, values(answer.json)) == (200, wanted)
        answer = pool.post(route, body, headers={**headers, "Non-Finite": "error"})
        assert answer.status == 422, answer
        assert "'y' has -Infinity at [" in str(answer.json)
        answer = pool.post(route, body, headers={**headers, "Non-Finite": "zero"})
        assert answer.status == 400, answer
        assert "null, string, error" in str(answer.json)
        assert pool.post(route, json.loads(json.dumps(body).replace("0", "1").replace("-1", "1")), headers=headers).status == 200


@pytest.mark.proves("F20")
def test_f20_without_a_word_an_answer_is_json_all_the_same(pool):
    for wire, (route, body, values) in ASKED.items():
        if wire != "TensorFlow":
            assert values(pool.post(route, body).json) == WORDS["null"]
    assert pool.post(*ASKED["TensorFlow"][:2]).data == b'{"predictions":[[0.0,-Infinity,NaN]]}'


@pytest.mark.proves("F20")
def test_f20_bytes_carry_every_number(pool):
    body = {"inputs": [TENSOR], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}
    answer = pool.post("/v2/models/log/infer", body, headers={"Non-Finite": "error"})
    assert answer.status == 200
    assert np.isinf(np.frombuffer(answer.data[-12:], np.float32)[1])
