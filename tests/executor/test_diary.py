"""A diary is bounded, whatever a worker says."""

from hypothesis import given
from hypothesis import strategies as st

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.diary import MOST_LINES, Diary


def test_the_last_lines_stay_with_their_times_and_processes():
    seconds = iter(range(1000))
    made = Diary(lambda: next(seconds))
    for number in range(300):
        made.hear(number // 100, [str(number)])
    assert [line.text for line in made.lines] == [str(number) for number in range(100, 300)]
    assert (made.lines[0].pid, made.lines[-1].pid, made.lines[-1].time) == (1, 2, 299)


@given(st.lists(st.lists(st.text(max_size=40).map(lambda text: text * 50), max_size=30), max_size=30))
def test_lines_are_bounded_in_number_and_size(said):
    made = Diary()
    for texts in said:
        made.hear(1, texts)
    assert len(made.lines) <= MOST_LINES
    assert sum(len(line.text) for line in made.lines) <= 1 << 16
    if said and said[-1]:
        assert made.lines[-1].text == said[-1][-1][:1000]


@given(st.text(max_size=1000))
def test_a_stage_is_short_and_can_be_shown(text):
    made = Diary()
    made.reach(text)
    assert len(made.stage) <= 100
    assert made.stage.isprintable()


def test_the_last_fault_is_told_with_its_time():
    made = Diary(lambda: 5.0)
    assert made.fault is None
    made.failed(ZeroMindError(ErrorKind.WORKER_CRASHED, "it died"))
    assert made.fault.to_json() == {"message": "it died", "time": 5.0, "kind": "WORKER_CRASHED"}
