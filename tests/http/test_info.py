"""What there is to see of models over real sockets: what they are, what they did after known traffic, what their workers said."""

import json
import os
import signal
import threading
import time

import pytest

from zeromind.observe.histogram import BOUNDS

NOISY = '''
"""Says what it does."""

import sys
import time


class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}

    def __init__(self, load_s=0.0):
        print("loading", file=sys.stderr, flush=True)
        time.sleep(load_s)

    def predict(self, x):
        for number in x.tolist():
            print(f"a line {int(number)}", file=sys.stderr, flush=True)
        return x
'''
TASKS = [
    {"id": "sum", "model_file": "sum.py", "instances": 2, "max_batch_size": 8},
    {"id": "lab", "model_file": "lab.py"},
    {
        "id": "pictures",
        "model_file": "picture.py",
        "input_filters": {"picture": [{"filter": "image.ImageFilter"}]},
        "output_filters": {"mean": ["rounding.RoundFilter"]},
        "labels": {"mean": ["dark"]},
    },
    {"id": "gone", "model_file": "nothing.py"},
]


@pytest.fixture(scope="module")
def folder(models):
    (models / "noisy.py").write_text(NOISY)
    return models


@pytest.fixture(scope="module")
def pool(thread_server, folder):
    with thread_server(tasks=TASKS, id=9) as client:
        yield client


def described(client, model):
    answer = client.get("/info/models").json
    return next((one for one in answer["models"] if one["id"] == model), None)


def activity(client, model):
    answer = client.get(f"/info/activity?id={model}")
    assert answer.status == 200, answer
    return answer.json["models"][model]


def ask(client, model="lab", *words):
    return client.predict(model, {"order": list(words or ("a",))})


def test_models_are_described_as_they_are(pool):
    answer = pool.get("/info/models").json
    assert answer["id"] == 9
    assert [one["id"] for one in answer["models"]] == ["sum", "lab", "pictures", "gone"]
    made = described(pool, "sum")
    workers = made.pop("workers")
    assert [(worker["state"], worker["restarts"]) for worker in workers] == [("ready", 0)] * 2
    assert {worker["pid"] for worker in workers} == {worker.pid for worker in pool.server.engine.registry.get("sum").workers}
    assert made.pop("memory") == sum(worker["memory"] for worker in workers) > 0
    assert abs(made.pop("since") - time.time()) < 600
    assert made.pop("load_time") > 0
    assert made == {
        "id": "sum", "version": "1", "state": "READY", "stage": "", "model_file": "sum.py", "adapter": "python", "isolation": "process",
        "instances": 2, "max_batch_size": 8, "batches": True, "decoupled": False, "parameters": False, "gpu_memory": {}, "error": None,
        "inputs": [{"name": "x", "type": "float32", "shape": [None, 3], "filters": [], "media": []}],
        "outputs": [{"name": "sum", "type": "float32", "shape": [None], "filters": [], "labels": None}],
    }  # fmt: skip


def test_filters_media_and_labels_are_told(pool):
    made = described(pool, "pictures")
    (given,), (told,) = made["inputs"], made["outputs"]
    assert (given["filters"], told["filters"], told["labels"]) == (["image.ImageFilter"], ["rounding.RoundFilter"], ["dark"])
    assert "image/png" in given["media"]


def test_a_model_that_is_not_served_is_told_with_its_fault(pool):
    made = described(pool, "gone")
    assert (made["state"], made["model_file"], made["workers"], made["inputs"]) == ("UNAVAILABLE", "nothing.py", [], [])
    assert made["error"]["kind"] == "MODEL_FILE"
    assert "nothing.py" in made["error"]["message"]
    assert abs(made["error"]["time"] - time.time()) < 600


def test_a_loading_model_tells_what_it_does(pool, waiting):
    stages = []

    def loaded():
        made = described(pool, "slowly")
        if made is not None and made["state"] == "LOADING":
            stages.append((made["stage"], made["inputs"], made["adapter"]))
        return made is not None and made["state"] == "READY"

    loading = threading.Thread(target=pool.load, args=({"id": "slowly", "model_file": "noisy.py", "load_s": 1.0},))
    loading.start()
    waiting(loaded)
    loading.join()
    assert ("loading the file", [], "") in stages
    pool.drop("slowly")
    assert described(pool, "slowly")["state"] == "UNAVAILABLE"


def test_counts_after_known_traffic_are_exact(thread_server):
    with thread_server(tasks=TASKS[:2]) as client:
        for _ in range(5):
            assert client.predict("sum", {"x": [[1, 2, 3]] * 2}).status == 200
        assert client.predict("sum", {"y": 1}).error["message"]
        assert client.predict("sum", {"x": "text"}).status == 400
        assert ask(client, "lab", "fail").status == 500
        made = activity(client, "sum")
        assert (made["requests"], made["rows"], made["batches"], made["batch_sizes"]) == (5, 10, 5, {"2": 5})
        assert sum(made["failures"].values()) == 2
        assert set(made["failures"]) <= {"INPUT_MISSING", "INVALID_INPUT"}
        assert (made["queue"], made["running"]) == (0, 0)
        assert list(made["stages"]) == ["request", "queue", "input", "model", "output"]
        assert [sum(stage["counts"]) for stage in made["stages"].values()] == [5] * 5
        parts = [made["stages"][name]["seconds"] for name in ("queue", "input", "model", "output")]
        assert sum(parts) <= made["stages"]["request"]["seconds"] + 1e-6
        assert activity(client, "lab")["failures"] == {"PREDICTION_FAILED": 1}
        whole = client.get("/info/activity").json
        assert set(whole["models"]) == {"sum", "lab"}
        assert whole["bounds"] == list(BOUNDS)
        assert 0 < whole["time"] <= time.monotonic()
        (told,) = client.get("/v2/models/sum/stats").json["model_stats"]
        assert (told["inference_stats"]["success"]["count"], told["inference_stats"]["fail"]["count"]) == (5, 2)


def test_who_waits_runs_is_refused_and_leaves_is_counted(thread_server, waiting):
    with thread_server(tasks=[{"id": "lab", "model_file": "lab.py", "max_batch_size": 1}], max_queue=2) as client:
        threads = [threading.Thread(target=ask, args=(client, "lab", "sleep:1")) for _ in range(4)]
        for thread in threads:
            thread.start()
        waiting(lambda: activity(client, "lab")["running"] + activity(client, "lab")["queue"] == 4)
        made = activity(client, "lab")
        assert (made["running"], made["queue"]) == (2, 2)
        assert ask(client).status == 503
        for thread in threads:
            thread.join()
        made = activity(client, "lab")
        assert (made["requests"], made["failures"], made["queue"], made["running"]) == (4, {"BUSY": 1}, 0, 0)


def test_who_is_refused_or_leaves_while_a_model_loads_is_counted(thread_server, waiting):
    with thread_server(tasks=[], max_queue=1) as client:
        loading = threading.Thread(target=client.load, args=({"id": "slow", "model_file": "slow.py", "load_s": 2.0},))
        loading.start()
        waiting(lambda: described(client, "slow") is not None)
        with pytest.raises(TimeoutError):
            client.predict("slow", {"x": [1]}, timeout=0.1)
        waiting(lambda: activity(client, "slow")["failures"] == {"CANCELLED": 1})
        early = threading.Thread(target=client.predict, args=("slow", {"x": [1]}))
        early.start()
        waiting(lambda: activity(client, "slow")["queue"] == 1)
        assert client.predict("slow", {"x": [1]}).status == 503
        early.join()
        loading.join()
        made = activity(client, "slow")
        assert (made["requests"], made["failures"]) == (1, {"CANCELLED": 1, "BUSY": 1})


def test_a_client_that_leaves_is_counted_as_cancelled(pool, waiting):
    before = activity(pool, "lab")["failures"].get("CANCELLED", 0)
    with pytest.raises(TimeoutError):
        pool.predict("lab", {"order": ["sleep:1"]}, timeout=0.2)
    waiting(lambda: activity(pool, "lab")["failures"].get("CANCELLED", 0) == before + 1)


def test_a_killed_worker_is_told_with_its_fault_and_its_restart(pool, waiting):
    os.kill(pool.pid(), signal.SIGKILL)

    def back():
        (worker,) = described(pool, "lab")["workers"]
        return (worker["restarts"], worker["state"]) == (1, "ready")

    waiting(back)
    fault = described(pool, "lab")["error"]
    assert fault["kind"] == "WORKER_CRASHED"
    assert "SIGKILL" in fault["message"]


def test_the_log_has_what_workers_said_those_of_models_that_are_gone_too(pool, waiting):
    assert pool.load({"id": "noisy", "model_file": "noisy.py"}).status == 200
    pool.predict("noisy", {"x": list(range(250))})
    (pid,) = (worker["pid"] for worker in described(pool, "noisy")["workers"])

    def lines():
        return pool.get("/info/log?id=noisy").json["lines"]

    waiting(lambda: lines()[-1:] and lines()[-1]["text"] == "a line 249")
    told = lines()
    assert [line["text"] for line in told] == [f"a line {number}" for number in range(50, 250)]
    assert {line["pid"] for line in told} == {pid}
    assert all(abs(line["time"] - time.time()) < 600 for line in told)
    pool.drop("noisy")
    assert lines() == told
    failed = pool.load({"id": "never", "model_file": "broken.onnx"})
    assert failed.status != 200
    assert pool.get("/info/log?id=never").status == 200
    assert pool.get("/info/log?id=unknown").status == 404


def test_the_system_is_told_of(pool):
    made = pool.get("/info/system").json
    assert made["cores"] == os.cpu_count()
    assert made["process"]["pid"] == os.getpid()
    assert made["process"]["memory"] > 0
    assert made["uptime_s"] > 0
    assert made["adapters"]["onnx"]
    assert "image.ImageFilter" in made["filters"]
    assert made["gpus"] == [] or all(one["memory"] >= one["used"] > 0 for one in made["gpus"])
    assert json.loads(pool.post("/info/system").data)["version"] == made["version"]


LIAR = """
from zeromind.tensors import Interface

told = Interface.to_json
Interface.to_json = lambda self: {**told(self), **LIE}


class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}

    def predict(self, x):
        return x
"""


@pytest.mark.parametrize(
    ("lie", "loads"), [({"adapter": ["x"]}, False), ({"adapter": 'x\ud800"\n'}, True), ({"labels": {"y": [7]}}, False)]
)
def test_what_a_worker_says_of_itself_spoils_no_page(thread_server, models, lie, loads):
    (models / "liar.py").write_text(LIAR.replace("LIE", ascii(lie)))
    with thread_server(tasks=[{"id": "liar", "model_file": "liar.py"}, {"id": "sum", "model_file": "sum.py"}]) as client:
        assert client.predict("liar", {"x": [1]}).status == (200 if loads else 404)
        assert described(client, "liar")["state"] == ("READY" if loads else "UNAVAILABLE")
        for route in ("/metrics", "/info/activity", "/v2/models/stats"):
            assert client.get(route).status == 200
        assert client.post("/v2/repository/index", {}).status == 200
