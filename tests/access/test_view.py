"""A key for some models sees those, and of the rest nothing: in what is told of models, and in metrics."""

import pytest
import tritonclient.grpc


@pytest.fixture(scope="module")
def pool(thread_server, shared_keys):
    tasks = [
        {"id": "sum", "model_file": "sum.py", "output_filters": {"sum": ["rounding.RoundFilter"]}},
        {"id": "double", "model_file": "double.onnx"},
        {"id": "elsewhere", "model_file": "no.py"},
    ]
    with thread_server(tasks=tasks, keys_file=str(shared_keys.path)) as client:
        yield client


def ids(pool, headers):
    described = {one["id"] for one in pool.get("/info/models", headers=headers).json["models"]}
    active = set(pool.get("/info/activity", headers=headers).json["models"])
    page = pool.get("/metrics", headers=headers).data.decode()
    measured = {name for name in ("sum", "double", "elsewhere") if f'"{name}"' in page}
    assert described == measured
    assert active == described - {"elsewhere"}
    return described


@pytest.mark.proves("G17")
def test_g17_each_key_sees_its_own_models(pool, shared_keys):
    assert ids(pool, shared_keys.bearer("all")) == {"sum", "double", "elsewhere"}
    assert ids(pool, shared_keys.bearer("reader")) == {"sum"}
    assert ids(pool, shared_keys.bearer("elsewhere")) == {"elsewhere"}
    assert pool.get("/info/activity?id=double", headers=shared_keys.bearer("reader")).status == 403
    assert pool.get("/info/log?id=sum", headers=shared_keys.bearer("reader")).status == 403
    assert pool.get("/info/log?id=double", headers=shared_keys.bearer("sums")).status == 403


@pytest.mark.proves("G17")
def test_g17_the_host_is_for_who_sees_all(pool, shared_keys):
    whole = pool.get("/metrics", headers=shared_keys.bearer("read")).data
    part = pool.get("/metrics", headers=shared_keys.bearer("reader")).data
    for name in (b"nv_cpu_utilization", b"zeromind_server_memory_bytes", b"zeromind_answers_total"):
        assert name in whole
        assert name not in part
    assert b"zeromind_uptime_seconds" in part
    assert pool.get("/metrics").status == 401


@pytest.mark.proves("G17")
def test_g17_who_may_predict_learns_what_a_model_takes_and_not_how_it_was_set(pool, shared_keys):
    def told(key):
        headers = shared_keys.bearer(key)
        http = pool.get("/v2/models/sum/config", headers=headers).json["parameters"]
        with tritonclient.grpc.InferenceServerClient(pool.server.grpc_address) as client:
            grpc = client.get_model_config("sum", headers={name.lower(): value for name, value in headers.items()}).config.parameters
        assert http.keys() == dict(grpc).keys()
        return set(http)

    assert told("predict") == {"interface"}
    assert told("read") == told("all") == {"interface", "output_filters"}
