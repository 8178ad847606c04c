"""Timelines: which requests are taken, what is written, what a client may set."""

import json

import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.observe.trace import Trace
from zeromind.tensors import Run

RUN = Run(1, 0.5, 0.25, 0.125)
TIMES = (1.0, 2.0, 5.0, 6.0)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "trace.json"


def test_the_defaults_trace_nothing(file):
    made = Trace(file)
    assert made.settings() == {
        "trace_level": ["OFF"], "trace_rate": "1000", "trace_count": "-1", "log_frequency": "0",
        "trace_file": str(file), "trace_mode": "triton"
    }  # fmt: skip
    assert not made.sampler("m").active


def test_a_timeline_says_when_each_stage_began(file):
    made = Trace(file)
    sampler = made.sampler("m")
    made.change({"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
    sampler.sample("42", TIMES, RUN)
    made.write()
    head, timeline = json.loads(file.read_text())
    assert head == {"id": 1, "model_name": "m", "model_version": 1, "request_id": "42"}
    assert timeline["id"] == 1
    assert {stamp["name"]: stamp["ns"] / 1e9 for stamp in timeline["timestamps"]} == {
        "REQUEST_START": 1.0,
        "QUEUE_START": 2.0,
        "COMPUTE_START": 4.125,
        "COMPUTE_INPUT_END": 4.375,
        "COMPUTE_OUTPUT_START": 4.875,
        "COMPUTE_END": 5.0,
        "REQUEST_END": 6.0,
    }


def test_one_of_so_many_is_taken_until_there_are_enough(file):
    made = Trace(file)
    sampler = made.sampler("m")
    made.change({"trace_level": ["TIMESTAMPS"], "trace_rate": "3", "trace_count": "2"})
    for number in range(1, 20):
        if sampler.active:
            sampler.sample(str(number), TIMES, RUN)
    assert not sampler.active
    made.write()
    assert [entry["request_id"] for entry in json.loads(file.read_text()) if "request_id" in entry] == ["3", "6"]


def test_the_file_is_whole_after_each_writing(file):
    made = Trace(file)
    made.change({"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "log_frequency": "2"})
    sampler = made.sampler("m")
    for number in range(1, 7):
        sampler.sample("", TIMES, RUN)
        if file.exists():
            assert len(json.loads(file.read_text())) == number // 2 * 4


def test_a_model_has_settings_of_its_own_until_they_are_cleared(file):
    made = Trace(file)
    mine, other = made.sampler("mine"), made.sampler("other")
    assert made.change({"trace_level": ["TIMESTAMPS"], "trace_rate": "7"}, "mine")["trace_rate"] == "7"
    assert (mine.active, other.active) == (True, False)
    made.change({"trace_rate": "5"})
    assert (made.settings("mine")["trace_rate"], made.settings("other")["trace_rate"]) == ("7", "5")
    made.change({"trace_level": None, "trace_rate": None}, "mine")
    assert made.settings("mine")["trace_rate"] == "5"
    assert not mine.active
    made.change({"trace_rate": None})
    assert made.settings()["trace_rate"] == "1000"


@pytest.mark.parametrize(
    "changes",
    [
        {"trace_level": ["ALL"]}, {"trace_level": []}, {"trace_level": 5}, {"trace_rate": "0"}, {"trace_rate": "x"}, {"trace_rate": -1},
        {"trace_rate": True}, {"trace_rate": "1" * 30}, {"trace_count": "-2"}, {"log_frequency": "-1"}, {"unknown": 1},
        {"trace_rate": ["1", "2"]},
    ],
)  # fmt: skip
def test_what_is_no_setting_is_refused_and_changes_nothing(file, changes):
    made = Trace(file)
    before = made.settings()
    with pytest.raises(ZeroMindError) as caught:
        made.change({"trace_rate": "9", **changes} if "trace_rate" not in changes else changes)
    assert caught.value.kind is ErrorKind.REQUEST_ATTRIBUTE
    assert made.settings() == before


def test_where_it_goes_is_the_operators_to_say(file):
    with pytest.raises(ZeroMindError) as caught:
        Trace(file).change({"trace_file": "/etc/passwd"})
    assert caught.value.kind is ErrorKind.NOT_SUPPORTED
    with pytest.raises(ZeroMindError, match="--trace-file"):
        Trace().change({"trace_level": ["TIMESTAMPS"]})


def test_a_file_that_cannot_be_written_is_logged(tmp_path, caplog):
    made = Trace(tmp_path)
    made.change({"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
    made.sampler("m").sample("", TIMES, RUN)
    made.write()
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("text", ["a poem", "[]", "["])
def test_a_file_of_something_else_is_left_as_it_is(file, caplog, text):
    file.write_text(text)
    made = Trace(file)
    made.change({"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
    made.sampler("m").sample("", TIMES, RUN)
    made.write()
    assert file.read_text() == text
    assert "choose another" in caplog.text


def test_a_file_does_not_grow_without_end(file, caplog):
    made = Trace(file, most_bytes=2000)
    made.change({"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "log_frequency": "1"})
    for _ in range(20):
        made.sampler("m").sample("", TIMES, RUN)
    assert file.stat().st_size <= 2001
    assert json.loads(file.read_text())
    assert "no more are written" in caplog.text
