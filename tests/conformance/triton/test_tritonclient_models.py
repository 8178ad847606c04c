"""What models there are, their coming and going, what they have done, traces and the log, with Triton's four clients."""

import json
import logging

import numpy as np
import pytest

ROWS = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
PARTS = ("success", "queue", "compute_input", "compute_infer", "compute_output")


def test_the_index(triton):
    index = triton.index()
    for name in ("every_type", "echo", "scores", "count", "lab", "double"):
        assert index[name]["version"] == "1"
        assert index[name]["state"] == "READY"


def config(**keys):
    return json.dumps({"model_file": "double.onnx", **keys})


@pytest.fixture
def mine(triton):
    """A model of the test's own."""
    triton.load_model("mine", config=config())
    yield "mine"
    if triton.is_model_ready("mine"):
        triton.unload_model("mine")
        triton.waiting(lambda: triton.index()["mine"]["state"] == "UNAVAILABLE")


def test_a_configuration_changes_a_model(triton, mine):
    before = triton.config(mine)
    triton.load_model(mine, config=json.dumps({"max_batch_size": 3, "input": before["input"]}))
    assert triton.config(mine)["max_batch_size"] == 3
    assert triton.ask(mine, {"x": ROWS}).as_numpy("y").tolist() == (2 * ROWS).tolist()
    triton.load_model(mine, config=config(max_batch_size=4))
    assert triton.config(mine)["max_batch_size"] == 4


def test_a_configuration_may_come_back_as_it_was_told(triton, mine):
    """Tools read the configuration, change a number, and send it."""
    told = {**triton.config(mine), "max_batch_size": 5}
    triton.load_model(mine, config=json.dumps(told))
    assert triton.config(mine)["max_batch_size"] == 5


def test_unloaded_models_come_back_by_their_names(triton, mine):
    triton.unload_model(mine, unload_dependents=True)
    triton.waiting(lambda: triton.index()[mine]["state"] == "UNAVAILABLE")
    assert not triton.is_model_ready(mine)
    triton.refused("NOT_FOUND", triton.ask, mine, {"x": ROWS})
    triton.load_model(mine)
    assert triton.is_model_ready(mine)


def test_loads_that_cannot_be(triton, mine):
    for wrong in ("no JSON", json.dumps({"max_batch_size": "x"}), json.dumps({"model_file": "../x"})):
        assert triton.refused("INVALID_ARGUMENT", triton.load_model, mine, config=wrong)
    files = {"file:1/model.onnx": b"x"}
    assert "allow_file_override" in triton.refused("UNIMPLEMENTED", triton.load_model, mine, config=config(), files=files)
    assert triton.ask(mine, {"x": ROWS}).as_numpy("y").tolist() == (2 * ROWS).tolist()


def test_statistics_are_what_was_sent(triton, mine):
    """A model of its own, so that they begin with nothing."""
    for rows in (1, 2, 2):
        triton.ask(mine, {"x": ROWS[:rows]})
    triton.refused("INVALID_ARGUMENT", triton.ask, mine, {"x": ROWS[:, :2]})
    told = triton.statistics(mine)[mine]
    assert (told["inference_count"], told["execution_count"]) == (5, 3)
    counts = {name: entry["count"] for name, entry in told["inference_stats"].items()}
    assert counts == {**dict.fromkeys(PARTS, 3), "fail": 1, "cache_hit": 0, "cache_miss": 0}
    parts = {name: entry["ns"] for name, entry in told["inference_stats"].items()}
    assert parts["success"] >= parts["queue"] + parts["compute_input"] + parts["compute_infer"] + parts["compute_output"] > 0
    assert {entry["batch_size"]: entry["compute_infer"]["count"] for entry in told["batch_stats"]} == {1: 1, 2: 2}
    assert told["last_inference"] > 1_700_000_000_000
    assert triton.statistics()[mine] == told


def test_timelines(triton, mine, served):
    triton.update_trace_settings(mine, {"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "trace_count": "1", "log_frequency": "1"})
    held = triton.settings(triton.get_trace_settings(mine))
    assert (held["trace_level"], held["trace_rate"]) == (["TIMESTAMPS"], "1")
    assert triton.settings(triton.get_trace_settings())["trace_level"] == ["OFF"]
    for number in range(2):
        triton.ask(mine, {"x": ROWS}, request_id=f"{triton.name} {number}")
    traced = [
        entry["request_id"] for entry in json.loads(served.traces.read_text()) if entry.get("request_id", "").startswith(triton.name + " ")
    ]
    assert traced == [f"{triton.name} 0"]
    settings = triton.settings(triton.update_trace_settings(mine, {"trace_level": None, "trace_rate": None}))
    assert settings["trace_level"] == ["OFF"]


def test_timelines_of_all_models(triton):
    before = triton.settings(triton.get_trace_settings())
    assert triton.settings(triton.update_trace_settings(settings={"trace_rate": "9"})) == {**before, "trace_rate": "9"}
    assert triton.settings(triton.get_trace_settings("double"))["trace_rate"] == "9"
    assert triton.settings(triton.update_trace_settings(settings={"trace_rate": None})) == before


def test_the_log(triton, kept_log, caplog):
    changes = {"log_info": False, "log_warning": False, "log_error": True, "log_verbose_level": 1, "log_format": "ISO8601"}
    held = triton.settings(triton.update_log_settings(changes))
    assert held == {"log_file": "", **changes}
    logging.getLogger("zeromind.x").warning("this is not wanted")
    logging.getLogger("zeromind.x").debug("this is")
    assert "this is not wanted" not in caplog.text
    assert "this is" in caplog.text
    back = triton.settings(triton.update_log_settings({"log_info": True, "log_warning": True, "log_format": "default"}))
    assert back["log_format"] == "default"
