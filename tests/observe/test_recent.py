"""What came in about the last minute, whoever looks how often."""

from hypothesis import given
from hypothesis import strategies as st

from zeromind.observe.recent import WINDOW_S, Recent


def test_the_first_look_sees_all_and_each_later_one_what_came_since_a_minute_ago():
    made = Recent()
    assert made.since(0.0, [[4, 1]]) == [[4, 1]]
    assert made.since(30.0, [[6, 1]]) == [[2, 0]]
    assert made.since(61.0, [[7, 1]]) == [[3, 0]]
    assert made.since(95.0, [[9, 2]]) == [[3, 1]]
    assert made.since(1000.0, [[9, 2]]) == [[0, 0]]


@given(st.lists(st.floats(0.1, 40), min_size=1, max_size=200))
def test_the_window_is_a_minute_and_a_pause_at_most_and_little_is_kept(pauses):
    made, now = Recent(), 0.0
    looks = [0.0]
    made.since(now, [[0]])
    for pause in pauses:
        now += pause
        (count,) = made.since(now, [[round(now * 1000)]])[0]
        span = count / 1000
        assert span <= WINDOW_S + 45.1
        assert span >= min(WINDOW_S, now) - 0.01
        looks.append(now)
        assert len(made._kept) <= WINDOW_S / 5 + 2
