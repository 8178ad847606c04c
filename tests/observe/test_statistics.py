"""Counts that are those of what was done, durations whose parts add up."""

import time
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from zeromind.observe.statistics import Statistics
from zeromind.tensors import Run


class Request(NamedTuple):
    came: float
    since: float


def counts(stats):
    return {name: (entry["count"], entry["ns"]) for name, entry in stats.items()}


def test_a_run_is_told_by_request_and_by_size_of_batch():
    made = Statistics()
    now = time.monotonic()
    made.ran(Run(8, 0.5, 0.125, 0.25), [Request(now - 2.75, now - 2.5), Request(now - 2.0, now - 1.5)], (0.0625, now, now + 0.125))
    told = made.to_json()
    assert (told["inference_count"], told["execution_count"]) == (8, 1)
    assert abs(told["last_inference"] / 1000 - time.time()) < 60
    second = 10**9
    assert counts(told["inference_stats"]) == {
        "success": (2, 5 * second),
        "fail": (0, 0),
        "queue": (2, int(2.125 * second)),
        "compute_input": (2, second * 3 // 8),
        "compute_infer": (2, second),
        "compute_output": (2, second // 2),
        "cache_hit": (0, 0),
        "cache_miss": (0, 0),
    }
    (batch,) = told["batch_stats"]
    assert batch.pop("batch_size") == 8
    assert counts(batch) == {"compute_input": (1, second * 3 // 16), "compute_infer": (1, second // 2), "compute_output": (1, second // 4)}


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 40), st.floats(0, 10))))
def test_sums_are_those_of_what_came(runs):
    made = Statistics()
    for requests, rows, seconds in runs:
        made.ran(Run(rows, seconds), [Request(5.0, 5.0)] * requests, (0.0, 5.0 + seconds, 5.0 + seconds))
    told = made.to_json()
    assert told["inference_count"] == sum(rows for _, rows, _ in runs)
    assert told["execution_count"] == sum(batch["compute_infer"]["count"] for batch in told["batch_stats"]) == len(runs)
    assert told["inference_stats"]["success"]["count"] == sum(requests for requests, _, _ in runs)
    assert [batch["batch_size"] for batch in told["batch_stats"]] == sorted({rows for _, rows, _ in runs})
    assert told["inference_stats"]["queue"]["ns"] <= 1000


def test_sizes_are_bounded_and_their_sums_exact():
    made = Statistics()
    for rows in range(3000):
        made.ran(Run(rows, 0.5), [Request(0.0, 0.0)], (0.0, 1.0, 1.0))
    sizes = made.batch_sizes()
    assert len(sizes) < 1020
    assert (sizes[999], sizes[1024], sizes[2048], sum(sizes.values())) == (1, 1024, 952, 3000)
    told = made.to_json()
    assert (told["inference_count"], made.activity()["rows"], made.snapshot(0.0).rows) == (sum(range(3000)),) * 3


def test_nobody_waited_for_less_than_nothing():
    made = Statistics()
    made.ran(Run(1, 2.0), [Request(0.0, 0.0)] * 2, (0.0, 1.0, 1.0))
    assert made.activity()["stages"]["queue"] == {"counts": [2], "seconds": 0.0}


def test_faults_count_apart():
    made = Statistics()
    made.failed(0.5, "DEADLINE")
    stats = made.to_json()["inference_stats"]
    assert (stats["fail"], stats["success"]["count"]) == ({"count": 1, "ns": 500_000_000}, 0)


def test_responses_of_streams_are_told_by_number():
    made = Statistics()
    for number in range(2):
        made.responded(number, Run(1, 0.25, 0.0, 0.5), 0.5)
    made.ended(2, "empty_response")
    made.ended(1, "cancel")
    told = made.to_json()["response_stats"]
    assert list(told) == ["0", "1", "2"]
    assert (told["0"]["success"], told["2"]["empty_response"]["count"]) == ({"count": 1, "ns": 750_000_000}, 1)
    assert (told["1"]["cancel"]["count"], told["1"]["compute_output"]["ns"]) == (1, 500_000_000)


def test_an_endless_stream_is_told_in_bounded_room():
    made = Statistics()
    for number in range(5000):
        made.responded(number, Run(1, 0.0), 0.0)
    told = made.to_json()["response_stats"]
    assert len(told) == 1001
    assert sum(entry["success"]["count"] for entry in told.values()) == 5000
