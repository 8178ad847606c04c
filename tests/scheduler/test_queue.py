"""The queue of one model: every entry leaves it once, within the bounds, in order, in batches of one kind."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.scheduler.queue import BatchQueue, Waiting

ROWS, COUNT, BYTES, DELAY = 8, 5, 100, 1.5


def entry(rows=1, nbytes=1, deadline=10.0, *, kind=None, since=0.0, alone=False, priority=0):
    return Waiting(rows, nbytes, deadline, kind, since, alone, priority)


def queue(*entries, delay=0.0):
    made = BatchQueue(ROWS, COUNT, BYTES, delay)
    for one in entries:
        made.put(one)
    return made


def by_urgency(one):
    return one.priority


class Life(RuleBasedStateMachine):
    """A plain list tells what the queue should do."""

    def __init__(self):
        super().__init__()
        self.queue = BatchQueue(ROWS, COUNT, BYTES, DELAY)
        self.now = 0.0
        self.waiting = []
        self.taken = []
        self.left = []

    @rule(
        rows=st.integers(0, 12),
        nbytes=st.integers(0, 150),
        lasts=st.floats(-1, 5),
        kind=st.sampled_from("ab"),
        priority=st.sampled_from([0, 0, 0, -1, 2]),
    )
    def put(self, rows, nbytes, lasts, kind, priority):
        new = entry(rows, nbytes, self.now + lasts, kind=kind, since=self.now, priority=priority)
        held = sum(one.nbytes for one in self.waiting)
        full = len(self.waiting) >= COUNT or (self.waiting and held + nbytes > BYTES)
        if full:
            with pytest.raises(ZeroMindError) as caught:
                self.queue.put(new)
            assert caught.value.kind is ErrorKind.BUSY
        else:
            self.queue.put(new)
            self.waiting.append(new)
            self.waiting.sort(key=by_urgency)

    @rule(seconds=st.floats(0, 3))
    def pass_time(self, seconds):
        self.now += seconds

    @rule()
    def take(self):
        batch = self.queue.take(self.now)
        living = [one for one in self.waiting if one.deadline > self.now]
        assert bool(batch) == bool(living)
        if batch:
            assert batch[0] is living[0]
            assert len({one.kind for one in batch}) == 1
            assert len(batch) == 1 or sum(one.rows for one in batch) <= ROWS
            assert len(batch) == 1 or not any(one.alone for one in batch)
            assert batch == [one for one in living if one in batch]
            rows = sum(one.rows for one in batch)
            left = [one for one in living if one not in batch and one.kind == batch[0].kind and not one.alone]
            assert batch[0].alone or rows >= ROWS or all(rows + one.rows > ROWS for one in left)
        self.leave(batch)
        self.taken = batch

    @precondition(lambda self: self.taken)
    @rule(alone=st.booleans())
    def put_back(self, alone):
        for one in self.taken:
            one.alone = one.alone or alone
        self.queue.put_back(self.taken)
        self.left = [one for one in self.left if one not in self.taken]
        self.waiting = sorted(self.taken + self.waiting, key=by_urgency)
        self.taken = []

    @rule()
    def expire(self):
        late = self.queue.expire(self.now)
        assert late == [one for one in self.waiting if one.deadline <= self.now]
        self.leave(late)

    @rule(data=st.data())
    def remove(self, data):
        if self.waiting:
            one = data.draw(st.sampled_from(self.waiting))
            assert self.queue.remove(one)
            self.leave([one])
            assert not self.queue.remove(one)

    @rule()
    def clear(self):
        assert self.queue.clear() == self.waiting
        self.leave(list(self.waiting))

    def leave(self, entries):
        for one in entries:
            assert one not in self.left
            self.left.append(one)
            self.waiting.remove(one)
        self.taken = []

    @invariant()
    def counts(self):
        assert len(self.queue) == len(self.waiting)
        assert self.queue.nbytes == sum(one.nbytes for one in self.waiting)
        assert self.queue.rows == sum(one.rows for one in self.waiting)
        assert self.queue.next_deadline() == min((one.deadline for one in self.waiting), default=None)

    @precondition(lambda self: self.waiting)
    @invariant()
    def answers(self):
        due = self.queue.due(self.now)
        assert 0 <= due <= DELAY + 1e-9
        full = self.queue.rows >= ROWS
        assert (due == 0) == (full or min(one.since for one in self.waiting) + DELAY <= self.now)
        for running in (0, 1, ROWS, 3 * ROWS):
            assert self.queue.fills(running) == (self.queue.rows >= min(running, ROWS) and not self.waiting[0].alone)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_waits_goes_together_in_its_order():
    entries = [entry() for _ in range(4)]
    assert queue(*entries).take(0) == entries


def test_another_kind_waits_for_its_own_batch():
    entries = [entry(kind="a"), entry(kind="b"), entry(kind="a")]
    made = queue(*entries)
    assert made.take(0) == [entries[0], entries[2]]
    assert made.take(0) == [entries[1]]


def test_a_batch_holds_as_many_rows_as_fit_and_no_more():
    entries = [entry(rows) for rows in (3, 4, 2, 1)]
    made = queue(*entries)
    assert made.rows == 10
    assert made.take(0) == [entries[0], entries[1], entries[3]]
    assert (made.take(0), made.rows) == ([entries[2]], 0)


def test_an_entry_larger_than_a_batch_goes_alone():
    large, small = entry(rows=20), entry()
    made = queue(large, small)
    assert made.take(0) == [large]
    assert made.take(0) == [small]


def test_an_entry_larger_than_the_bytes_is_let_in_alone():
    made = queue(entry(nbytes=1000))
    with pytest.raises(ZeroMindError) as caught:
        made.put(entry())
    assert caught.value.kind is ErrorKind.BUSY
    assert caught.value.params == (1,)


def test_what_is_late_is_not_taken():
    late, living = entry(deadline=1), entry(deadline=3)
    made = queue(late, living)
    assert made.next_deadline() == 1
    assert made.take(2) == [living]
    assert made.expire(2) == [late]
    assert made.next_deadline() is None


def test_what_is_put_back_comes_first_though_the_queue_is_full():
    first = [entry(), entry()]
    made = queue(*first)
    batch = made.take(0)
    more = [entry() for _ in range(COUNT)]
    for one in more:
        made.put(one)
    made.put_back(batch)
    assert made.take(0) == first + more


def test_what_has_to_run_by_itself_joins_nothing_and_is_not_staged():
    made = queue(*(entry() for _ in range(3)))
    batch = made.take(0)
    batch[0].alone = batch[1].alone = True
    made.put_back(batch)
    assert not made.fills(1)
    assert made.take(0) == batch[:1]
    assert made.take(0) == batch[1:2]
    assert made.take(0) == batch[2:]


def test_without_a_delay_a_batch_is_due_at_once():
    assert queue(entry(since=5)).due(5) == 0


def test_with_a_delay_a_batch_is_due_when_it_is_full_or_its_oldest_entry_has_waited_for_long_enough():
    made = queue(entry(since=5), entry(since=6), delay=2)
    assert [made.due(now) for now in (5, 6, 6.5, 7, 8)] == [2, 1, 0.5, 0, 0]
    made.put(entry(rows=ROWS - 2, since=6))
    assert made.due(6) == 0


def test_as_much_as_runs_is_worth_staging():
    made = queue(entry(rows=3))
    assert [made.fills(rows) for rows in (1, 3, 4)] == [True, True, False]
    full = queue(entry(rows=ROWS))
    assert full.fills(100)


def test_the_most_urgent_goes_first_and_of_equals_the_first_come():
    late, usual, urgent, also = (entry(rows=ROWS, priority=priority) for priority in (9, 5, 1, 1))
    made = queue(late, usual, urgent, also)
    assert [made.take(0) for _ in range(4)] == [[urgent], [also], [usual], [late]]


def test_what_is_put_back_comes_before_those_as_urgent_only():
    first, second = entry(rows=ROWS, priority=5), entry(rows=ROWS, priority=5)
    made = queue(first, second)
    made.put_back(made.take(0))
    urgent = entry(rows=ROWS, priority=1)
    made.put(urgent)
    assert [made.take(0) for _ in range(3)] == [[urgent], [first], [second]]
