"""What is said of a run."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.bench.result import Result, summary

KEPT = Result(
    rate=100,
    connections=8,
    seconds=10,
    requests=1000,
    sent=1000,
    answered=1000,
    failed={},
    unfinished=0,
    throughput=100,
    latency_ms={},
    waited=0,
    behind_s=0,
    backlog=0,
    late_ms=0.1,
    generator_us=30,
    generator_share=0.003,
    interrupted=False,
    gone=False,
    messages={},
)


def but(**changes):
    return Result(**{**{name: getattr(KEPT, name) for name in Result.__slots__}, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "the schedule was kept"),
        ({"waited": 500}, "50% of the requests waited for one of the 8 connections"),
        ({"behind_s": 2.5, "backlog": 250}, "the server did not keep up: at the end it was 2.5 s behind, 250 requests due and unsent"),
        ({"behind_s": 2.5, "generator_share": 0.97}, "the load generator did not keep up: it took 30 µs"),
        ({"late_ms": 20}, "the load generator was late itself (p99 20.0 ms)"),
        ({"rate": None}, "each client sent its next request when it had its answer"),
        ({"gone": True, "behind_s": 5}, "the server has gone"),
        ({"requests": 0}, "no request fell into the time that was measured"),
    ],
)
def test_the_verdict_says_whose_fault_it_is(changes, words):
    assert words in but(**changes).verdict


def test_a_little_behind_is_no_fault():
    assert not but(behind_s=0.4).behind
    assert but(behind_s=0.6).behind
    assert not but(behind_s=0.09, seconds=1).behind


def test_failures_are_the_sum_of_all_kinds():
    assert but(failed={"503": 3, "lost": 4}).failures == 7


def test_as_dict_is_json():
    assert json.loads(json.dumps(but(failed={"503": 3}).as_dict()))["verdict"] == "the schedule was kept"


def test_percentiles_are_latencies_that_were_seen():
    found = summary(np.arange(1, 101) / 1000)
    assert found == {"mean": 50.5, "p50": 50, "p90": 90, "p95": 95, "p99": 99, "p99.9": 100, "max": 100}


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_percentiles_rise(seconds):
    found = summary(np.array(seconds))
    values = list(found.values())[1:]
    assert values == sorted(values)
    assert found["max"] == round(max(seconds) * 1000, 4)


def test_a_single_latency_is_all_of_them():
    assert set(summary(np.array([0.002])).values()) == {2.0}


def test_nothing_is_summed_up_to_nothing():
    assert summary(np.empty(0)) == {}
