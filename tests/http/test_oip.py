"""The Open Inference Protocol's inference route, on the short way and on the long one."""

import pytest


@pytest.fixture(scope="module")
def pool(thread_server):
    with thread_server(tasks=[{"id": "double", "model_file": "double.onnx"}]) as client:
        yield client


TENSOR = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
LONG_WAY = "?long=way"


@pytest.mark.parametrize("way", ["", LONG_WAY])
def test_tensors_in_tensors_out(pool, way):
    answer = pool.post(f"/v2/models/double/infer{way}", {"id": "a", "inputs": [TENSOR]})
    assert (answer.status, answer.headers["Server"], answer.headers["Content-Type"]) == (200, "0Mind", "application/json")
    output = {"name": "y", "shape": [1, 4], "datatype": "FP32", "data": [2.0, 4.0, 6.0, 8.0]}
    assert answer.json == {"model_name": "double", "model_version": "1", "id": "a", "outputs": [output]}


@pytest.mark.parametrize("way", ["", LONG_WAY])
@pytest.mark.parametrize(
    ("model", "body", "status"),
    [
        ("none", {"inputs": [TENSOR]}, 404),
        ("double", {"inputs": []}, 400),
        ("double", b"{", 400),
        ("double", {"inputs": [{**TENSOR, "shape": [4]}]}, 400),
    ],
)
def test_a_fault_is_one_sentence(pool, way, model, body, status):
    answer = pool.post(f"/v2/models/{model}/infer{way}", body, headers={"Content-Type": "application/json"})
    assert answer.status == status
    assert list(answer.json) == ["error"]
    assert pool.post("/v2/models/double/infer", {"inputs": [TENSOR]}).status == 200


@pytest.mark.parametrize("way", ["", LONG_WAY])
def test_the_content_type_does_not_matter(pool, way):
    for _ in range(2):  # the second time its head is known
        answer = pool.post(f"/v2/models/double/infer{way}", {"inputs": [TENSOR]}, headers={"Content-Type": "text/plain"})
        assert answer.status == 200


def test_only_post_is_answered(pool):
    answer = pool.get("/v2/models/double/infer")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
