"""The queue of one model: every entry leaves it once, within the bounds, in order, in batches of one kind."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.scheduler.queue import BatchQueue, Waiting

ROWS, COUNT, BYTES = 8, 5, 100


def entry(item=0, rows=1, nbytes=1, deadline=10.0, kind=None):
    return Waiting(item, rows, nbytes, deadline, kind)


def queue(*entries):
    made = BatchQueue(ROWS, COUNT, BYTES)
    for one in entries:
        made.put(one)
    return made


def items(entries):
    return [one.item for one in entries]


class Life(RuleBasedStateMachine):
    """A plain list tells what the queue should do."""

    def __init__(self):
        super().__init__()
        self.queue = BatchQueue(ROWS, COUNT, BYTES)
        self.now = 0.0
        self.number = 0
        self.waiting = []
        self.taken = []
        self.left = set()

    @rule(rows=st.integers(1, 12), nbytes=st.integers(0, 150), lasts=st.floats(-1, 5), kind=st.sampled_from("ab"))
    def put(self, rows, nbytes, lasts, kind):
        self.number += 1
        new = entry(self.number, rows, nbytes, self.now + lasts, kind)
        held = sum(one.nbytes for one in self.waiting)
        full = len(self.waiting) >= COUNT or (self.waiting and held + nbytes > BYTES)
        if full:
            with pytest.raises(ZeroMindError) as caught:
                self.queue.put(new)
            assert caught.value.kind is ErrorKind.BUSY
        else:
            self.queue.put(new)
            self.waiting.append(new)

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
            assert batch == [one for one in living if one in batch]
            rows = sum(one.rows for one in batch)
            left = [one for one in living if one not in batch and one.kind == batch[0].kind]
            assert rows >= ROWS or all(rows + one.rows > ROWS for one in left)
        self.leave(batch)
        self.taken = batch

    @precondition(lambda self: self.taken)
    @rule()
    def put_back(self):
        self.queue.put_back(self.taken)
        self.left -= {one.item for one in self.taken}
        self.waiting = self.taken + self.waiting
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
            assert one.item not in self.left
            self.left.add(one.item)
            self.waiting.remove(one)
        self.taken = []

    @invariant()
    def counts(self):
        assert len(self.queue) == len(self.waiting)
        assert self.queue.nbytes == sum(one.nbytes for one in self.waiting)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_waits_goes_together_in_its_order():
    assert items(queue(*(entry(number) for number in range(4))).take(0)) == [0, 1, 2, 3]


def test_another_kind_waits_for_its_own_batch():
    made = queue(entry(0, kind="a"), entry(1, kind="b"), entry(2, kind="a"))
    assert items(made.take(0)) == [0, 2]
    assert items(made.take(0)) == [1]


def test_an_entry_larger_than_a_batch_goes_alone():
    made = queue(entry(0, rows=20), entry(1))
    assert items(made.take(0)) == [0]
    assert items(made.take(0)) == [1]


def test_an_entry_larger_than_the_bytes_is_let_in_alone():
    made = queue(entry(0, nbytes=1000))
    with pytest.raises(ZeroMindError) as caught:
        made.put(entry(1))
    assert caught.value.kind is ErrorKind.BUSY
    assert caught.value.params == (1,)


def test_what_is_late_is_not_taken():
    made = queue(entry(0, deadline=1), entry(1, deadline=3))
    assert items(made.take(2)) == [1]
    assert items(made.expire(2)) == [0]


def test_what_is_put_back_comes_first_though_the_queue_is_full():
    made = queue(entry(0), entry(1))
    batch = made.take(0)
    for number in range(2, 2 + COUNT):
        made.put(entry(number))
    made.put_back(batch)
    assert items(made.take(0)) == list(range(2 + COUNT))
