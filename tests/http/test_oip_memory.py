"""The Open Inference Protocol's routes of shared memory."""

from multiprocessing import shared_memory

import pytest

SYSTEM, CUDA = "/v2/systemsharedmemory", "/v2/cudasharedmemory"


@pytest.fixture(scope="module")
def pool(thread_server):
    with thread_server(allow_shared_memory=True) as client:
        yield client
        assert client.post(f"{SYSTEM}/unregister").status == 200


@pytest.fixture
def memory():
    made = shared_memory.SharedMemory(create=True, size=4096)
    yield made
    made.close()
    made.unlink()


def check_fault(answer, status, words):
    assert (answer.status, list(answer.json)) == (status, ["error"]), answer
    assert words in answer.json["error"]


def test_a_region_is_registered_told_and_forgotten(pool, memory):
    body = {"key": f"/{memory.name}", "offset": 8, "byte_size": 100}
    answer = pool.post(f"{SYSTEM}/region/my%20region/register", body, headers={})
    assert (answer.status, answer.data) == (200, b"")
    entry = {"name": "my region", **body}
    assert pool.get(f"{SYSTEM}/status").json == pool.get(f"{SYSTEM}/region/my%20region/status").json == [entry]
    check_fault(pool.post(f"{SYSTEM}/region/my%20region/register", body), 400, "shared memory region 'my region' already in manager")
    for route in ("/region/my%20region/unregister", "/region/other/unregister", "/unregister"):
        answer = pool.post(f"{SYSTEM}{route}")
        assert (answer.status, answer.data) == (200, b"")
    assert pool.get(f"{SYSTEM}/status").json == []
    check_fault(pool.get(f"{SYSTEM}/region/my%20region/status"), 404, "Unable to find system shared memory region: 'my region'")


WRONG = {
    "key": [None, 5, "../x", "none-such", "triton_python_backend_shm_region_1"],
    "offset": ["0", True, -1, None],
    "byte_size": [1 << 40, 0, 1.5, None],
}


@pytest.mark.parametrize("change", [{key: value} for key, values in WRONG.items() for value in values])
def test_what_is_no_region_is_a_400(pool, memory, change):
    body = {"key": memory.name, "offset": 0, "byte_size": 100, **change}
    check_fault(pool.post(f"{SYSTEM}/region/r/register", body), 400, "")
    assert pool.get(f"{SYSTEM}/status").json == []


def test_a_gpus_memory_is_answered_as_without_a_gpu(pool):
    assert pool.get(f"{CUDA}/status").json == []
    for route in ("/unregister", "/region/r/unregister"):
        answer = pool.post(f"{CUDA}{route}")
        assert (answer.status, answer.data) == (200, b"")
    check_fault(pool.get(f"{CUDA}/region/r/status"), 404, "'r'")
    body = {"raw_handle": {"b64": "AAAA"}, "device_id": 0, "byte_size": 8}
    check_fault(pool.post(f"{CUDA}/region/r/register", body), 400, "failed to register CUDA shared memory region 'r'")


def test_it_is_off_unless_the_pool_allows_it(thread_server, memory):
    with thread_server() as pool:
        body = {"key": memory.name, "offset": 0, "byte_size": 100}
        check_fault(pool.post(f"{SYSTEM}/region/r/register", body), 501, "Client shared memory is disabled")
        assert pool.get(f"{SYSTEM}/status").json == []
        assert pool.post(f"{SYSTEM}/unregister").status == 200  # load generators ask for it in any case
