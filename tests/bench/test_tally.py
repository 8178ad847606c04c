"""What is noted of each request."""

import numpy as np
import pytest

from zeromind.bench.tally import Tally, message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'HTTP/1.1 400 No\r\n\r\n{"errors": [{"message": "one"}, {"message": "two"}]}', "one; two"),
        (b'HTTP/1.1 400 No\r\n\r\n{"error": "one"}', "one"),
        (b'{"error": "the body alone"}', "the body alone"),
        (b"HTTP/1.1 502 No\r\n\r\nBad Gateway\n", "Bad Gateway"),
        (b"HTTP/1.1 500 No\r\n\r\n[1]", "[1]"),
        (b'HTTP/1.1 500 No\r\n\r\n{"errors": 1}', '{"errors": 1}'),
        (b"HTTP/1.1 500 No\r\n\r\n\xff", "\N{REPLACEMENT CHARACTER}"),
        (b"HTTP/1.1 500 No\r\n\r\n" + b"x" * 1000, "x" * 300),
        (b"", ""),
    ],
)
def test_the_sentence_in_an_answer(answer, words):
    assert message(answer) == words


def result(tally):
    return tally.result(rate=10, connections=1, interrupted=False, gone=False)


def measured():
    tally = Tally()
    tally.begin = 10.0
    tally.answered(9.0, 9.5)
    tally.mark(10.0)
    return tally


def test_what_was_due_in_the_warm_up_is_in_no_figure():
    tally = measured()
    for due in (9.0, 9.9, 10.0, 11.0):
        tally.sent(due, due, starved=False)
    tally.failed("500", 9.9, b"oh")
    tally.answered(10.0, 10.5)
    tally.gave_up(11.0, 12.0, "timeout")
    tally.ended(12.0, np.empty(0))
    found = result(tally)
    assert (found.requests, found.sent, found.answered, found.failed) == (2, 2, 1, {"timeout": 1})
    assert (found.latency_ms["p50"], found.latency_ms["max"]) == (500, 1000)
    assert (tally.good, tally.bad) == (2, 2), "on the way they count"
    assert (found.seconds, found.throughput) == (2, 0.5)


def test_those_that_waited_for_a_connection_are_not_the_generators_fault():
    tally = measured()
    tally.sent(10.0, 10.001, starved=False)
    tally.sent(10.1, 15.0, starved=True)
    tally.ended(20.0, np.array([12.0, 13.0]))
    found = result(tally)
    assert found.waited == 1
    assert found.late_ms == pytest.approx(1)
    assert (found.behind_s, found.backlog) == (8, 2)


def test_what_an_interruption_cuts_off_is_no_failure():
    tally = measured()
    tally.gave_up(11.0, 12.0, "")
    tally.ended(12.0, np.empty(0))
    found = result(tally)
    assert (found.requests, found.failures, found.unfinished) == (1, 0, 1)
    assert found.latency_ms["max"] == 1000


def test_only_the_first_answer_of_a_kind_is_kept():
    tally = measured()
    for text in (b"one", b"two"):
        tally.failed("500", 11.0, text)
    tally.failed("503", 11.0, b"three")
    assert result(tally).messages == {"500": "one", "503": "three"}
