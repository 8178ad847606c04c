"""Batches form by themselves, every request is answered exactly once, whatever happens to the workers."""

import asyncio

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.observe.statistics import Statistics
from zeromind.observe.trace import Sampler
from zeromind.scheduler.account import Account
from zeromind.scheduler.dispatcher import Dispatcher
from zeromind.scheduler.entry import KILL_GRACE_S, Terms
from zeromind.scheduler.queue import BatchQueue
from zeromind.tensors import Encoded, InferRequest, InferResponse, Interface, ModelSpec, Run, TensorSpec

TICK_S = 0.06
CRASH = ZeroMindError(ErrorKind.WORKER_CRASHED, "dead")
UNREAD = ZeroMindError(ErrorKind.WORKER_CRASHED, "dead")
UNREAD.begun = False


class Worker:
    """A worker that runs when it is told to, and keeps what it got; ``slots`` batches at once."""

    def __init__(self, slots=2):
        self.slots = slots
        self.batches = []
        self.running = []
        self.alive = True
        self.kills = 0
        self.wanted = []
        self.dispatcher = None

    @property
    def under_way(self):
        return len(self.running)

    @property
    def room(self):
        return self.alive and len(self.running) < self.slots

    def send(self, batch, rows, answered, until):
        assert self.room
        assert len(batch) == len(rows) >= 1
        numbers = [number(request) for request in batch]
        self.batches.append(numbers)
        self.running.append((numbers, answered))

    def kill(self):
        self.kills += 1
        self.alive = False

    def go_on(self, wanted):
        self.wanted.append(wanted)

    def respond(self, value):
        """One response of the stream that runs, not the last."""
        self.running[0][1]([InferResponse({"y": np.array(value)}, Run(1, 0.0), final=False)])

    def answer(self, *faulty, run=None):
        """Answer the oldest batch, the faulty ones of it with a fault."""
        numbers, answered = self.running.pop(0)
        no, run = ZeroMindError(ErrorKind.INVALID_INPUT, "no"), run or Run(len(numbers), 0.0)
        answered([no if one in faulty else InferResponse({"y": np.array(one)}, run) for one in numbers])
        self.dispatcher.pump()

    def fail(self, fault):
        """Answer the oldest batch with one fault."""
        self.running.pop(0)[1](fault)
        self.dispatcher.pump()

    def crash(self, fault=CRASH):
        """Die; ``fault`` answers the last batch."""
        self.alive = False
        running, self.running = self.running, []
        for _, answered in reversed(running):
            answered(fault)
            fault = CRASH

    def revive(self):
        self.alive = True
        self.dispatcher.pump()


def request(one, dtype=np.float32, rows=1):
    return InferRequest({"x": np.full(rows, one, dtype)}, str(one))


def number(request):
    return int(request.id)


class Bench:
    """A dispatcher over workers, with what it answered."""

    def __init__(self, loop, *, workers=1, slots=2, max_rows=32, max_count=100, delay_s=0.0, interface=None, terms=None, kind=Worker):
        self.loop = loop
        self.partial = {}
        self.statistics = Statistics()
        self.workers = [kind(slots) for _ in range(workers)]
        self.answers = {}
        self.entries = {}

        async def make():
            queue, account = BatchQueue(max_rows, max_count, 1 << 20, delay_s), Account(self.statistics, Sampler(), loop.time)
            return Dispatcher(self.workers, queue, loop.time, terms=terms or Terms(interface), account=account)

        self.dispatcher = loop.run_until_complete(make())
        for worker in self.workers:
            worker.dispatcher = self.dispatcher

    def submit(self, *requests, lasts=5.0):
        for one in requests:
            made = one if isinstance(one, InferRequest) else request(one)
            key = number(made)
            self.entries[key] = self.dispatcher.submit(made, self.loop.time() + lasts, lambda answer, key=key: self.reply(key, answer))
        self.loop.pass_time()

    def reply(self, key, answer):
        assert key not in self.answers, "answered twice"
        if isinstance(answer, InferResponse) and not answer.final:
            self.partial.setdefault(key, []).append(int(answer.outputs["y"]))
            return
        self.answers[key] = answer.kind if isinstance(answer, ZeroMindError) else int(answer.outputs["y"])

    def close(self, at_once=None):
        self.loop.run_until_complete(asyncio.wait_for(self.dispatcher.close(at_once), 100))
        assert self.dispatcher.pending == 0


@pytest.fixture
def bench(loop):
    """A function that makes a bench; its worker is the only one, if it has one."""

    def make(**options):
        made = Bench(loop, **options)
        made.worker = made.workers[0]
        return made

    return make


# --- how batches form


def test_an_idle_worker_gets_a_single_request_at_once(bench):
    made = bench()
    made.submit(1)
    assert made.worker.batches == [[1]]
    made.worker.answer()
    assert made.answers == {1: 1}


def test_what_waits_while_the_worker_runs_is_the_next_batch(bench):
    made = bench(slots=1)
    made.submit(1)
    made.submit(2, 3, 4)
    assert made.dispatcher.pending == 4
    made.worker.answer()
    assert made.worker.batches == [[1], [2, 3, 4]]
    made.worker.answer()
    assert made.answers == {1: 1, 2: 2, 3: 3, 4: 4}


def test_as_much_as_runs_is_staged_behind_it(bench):
    made = bench(max_rows=4)
    made.submit(1, 2)
    assert made.worker.batches == [[1], [2]]
    made.submit(3, 4, 5)
    assert made.worker.batches == [[1], [2]]
    made.worker.answer()
    assert made.worker.batches == [[1], [2], [3, 4, 5]]
    made.submit(6)
    made.worker.answer()
    assert made.worker.batches == [[1], [2], [3, 4, 5]], "one behind three would split what could be joined"
    made.submit(7, 8)
    assert made.worker.batches == [[1], [2], [3, 4, 5], [6, 7, 8]]
    made.worker.answer()
    made.worker.answer()
    assert list(made.answers) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_full_batch_is_staged_behind_a_larger_one(bench):
    made = bench(max_rows=4)
    made.submit(request(1, rows=9))
    made.submit(2, 3, 4)
    assert made.worker.batches == [[1]]
    made.submit(5)
    assert made.worker.batches == [[1], [2, 3, 4, 5]]


def test_the_worker_runs_again_before_the_answers_are_read(bench):
    made = bench(slots=1)
    seen = []
    made.dispatcher.submit(request(1), made.loop.time() + 5, lambda _: seen.append(list(made.worker.batches)))
    made.submit(2)
    made.worker.slots = 2  # as a process whose answer is being read
    made.worker.answer()
    assert seen == [[[1], [2]]]


def test_a_batch_has_at_most_its_rows(bench):
    made = bench(slots=1, max_rows=4)
    made.submit(1)
    made.submit(*(request(one, rows=2) for one in range(2, 6)))
    made.worker.answer()
    made.worker.answer()
    assert made.worker.batches == [[1], [2, 3], [4, 5]]


def test_only_what_agrees_is_joined(bench):
    made = bench(slots=1)
    made.submit(1)
    other = InferRequest({"x": np.array([[4.0]], np.float32)}, "4")
    made.submit(request(2), request(3, np.int64), other, request(5), request(6, np.int64))
    for _ in range(4):
        made.worker.answer()
    assert made.worker.batches == [[1], [2, 5], [3, 6], [4]]


def test_encoded_values_are_counted_as_a_row_each(bench):
    made = bench(slots=1, max_rows=2)
    made.submit(*(InferRequest({"x": Encoded("application/json", b"[1, 2, 3]")}, str(one)) for one in range(5)))
    for _ in range(3):
        made.worker.answer()
    assert made.worker.batches == [[0], [1, 2], [3, 4]]


def test_two_requests_at_once_go_to_two_idle_workers(bench):
    made = bench(workers=2)
    made.submit(1, 2)
    assert [worker.batches for worker in made.workers] == [[[1]], [[2]]]


def test_the_least_loaded_worker_is_staged_behind(bench):
    made = bench(workers=2, max_rows=4)
    made.submit(request(1, rows=3))
    made.submit(2)
    made.submit(3)
    assert [worker.batches for worker in made.workers] == [[[1]], [[2], [3]]]
    made.workers[0].answer()
    made.submit(4)
    assert made.workers[0].batches == [[1], [4]]


def test_a_full_queue_refuses_at_once(bench):
    made = bench(slots=1, max_count=2)
    made.submit(0)
    made.submit(1, 2)
    with pytest.raises(ZeroMindError) as caught:
        made.submit(3)
    assert caught.value.kind is ErrorKind.BUSY
    made.worker.answer()
    assert made.worker.batches == [[0], [1, 2]]
    made.worker.answer()
    assert 3 not in made.answers


def test_what_could_be_staged_is_not_refused(bench):
    """What comes in one turn of the event loop waits for its end, and must not fill the queue meanwhile."""
    made = bench(max_count=2)
    made.submit(1)
    for one in range(2, 6):
        made.dispatcher.submit(request(one), made.loop.time() + 5, lambda answer: None)
    with pytest.raises(ZeroMindError):
        made.dispatcher.submit(request(6), made.loop.time() + 5, lambda answer: None)
    assert made.worker.batches == [[1], [2, 3]]


def test_what_waits_is_shared_by_those_with_room(bench):
    made = bench(workers=2)
    made.submit(1, 2)
    for one in range(3, 13):
        made.dispatcher.submit(request(one), made.loop.time() + 5, lambda answer: None)
    made.loop.pass_time()
    assert made.workers[0].batches == [[1], [3, 4, 5, 6, 7]]
    assert made.workers[1].batches == [[2], [8, 9, 10, 11, 12]]


def test_a_delay_lets_a_batch_fill(bench):
    made = bench(delay_s=0.5, max_rows=3)
    made.submit(1)
    made.loop.pass_time(0.3)
    made.submit(2)
    assert made.worker.batches == []
    made.loop.pass_time(0.2)
    assert made.worker.batches == [[1, 2]]
    made.worker.answer()
    made.submit(3)
    made.submit(4, 5)
    assert made.worker.batches == [[1, 2], [3, 4, 5]], "full"
    made.worker.answer()
    made.submit(6)
    made.loop.pass_time(0.3)
    assert made.worker.batches == [[1, 2], [3, 4, 5]], "a timer of those before is not its own"
    made.loop.pass_time(0.2)
    assert made.worker.batches == [[1, 2], [3, 4, 5], [6]]


# --- whoever leaves


def test_a_client_that_leaves_the_queue_does_not_reach_the_model(bench):
    made = bench(slots=1)
    made.submit(1, 2, 3)
    made.entries[2].withdraw()
    assert made.dispatcher.pending == 2
    made.worker.answer()
    made.worker.answer()
    assert made.worker.batches == [[1], [3]]
    assert made.answers == {1: 1, 3: 3}


def test_a_client_that_leaves_a_running_batch_costs_the_others_nothing(bench):
    made = bench(slots=1)
    made.submit(0, 1, 2)
    made.worker.answer()
    made.entries[1].withdraw()
    assert made.dispatcher.pending == 1
    made.worker.answer()
    assert made.answers == {0: 0, 2: 2}


def test_a_client_may_leave_at_any_time(bench):
    made = bench()
    made.submit(1)
    made.worker.answer()
    made.entries[1].withdraw()
    made.entries[1].withdraw()
    assert made.answers == {1: 1}


def test_a_reply_that_fails_costs_the_others_nothing(bench, caplog):
    made = bench(slots=1)
    made.submit(1)
    made.dispatcher.submit(request(2), made.loop.time() + 5, lambda _: 1 / 0)
    made.submit(3)
    made.worker.answer()
    made.worker.answer()
    assert made.answers == {1: 1, 3: 3}
    assert "could not be delivered" in caplog.text


def test_a_reply_may_ask_again(bench):
    made = bench()
    made.dispatcher.submit(request(1), made.loop.time() + 5, lambda _: made.submit(2))
    made.worker.answer()
    made.worker.answer()
    assert made.answers == {2: 2}


# --- faults


def test_one_fault_in_a_batch_stays_with_its_request(bench):
    made = bench(slots=1)
    made.submit(0, 1, 2, 3)
    made.worker.answer()
    made.worker.answer(2)
    assert made.answers == {0: 0, 1: 1, 2: ErrorKind.INVALID_INPUT, 3: 3}


def test_the_fault_of_a_whole_batch_is_found_by_running_each_alone(bench):
    made = bench(slots=1)
    made.submit(0, 1, 2, 3)
    made.worker.answer()
    made.worker.fail(ZeroMindError(ErrorKind.PREDICTION_FAILED, "one of them"))
    made.worker.answer()
    made.worker.fail(ZeroMindError(ErrorKind.PREDICTION_FAILED, "this one"))
    made.worker.answer()
    assert made.worker.batches == [[0], [1, 2, 3], [1], [2], [3]]
    assert made.answers == {0: 0, 1: 1, 2: ErrorKind.PREDICTION_FAILED, 3: 3}


def test_a_death_fails_the_request_that_caused_it_and_no_other(bench):
    made = bench(slots=1)
    made.submit(0, 1, 2, 3, 4)
    made.worker.answer()
    made.worker.crash()
    assert made.answers == {0: 0}
    made.worker.revive()
    made.worker.answer()
    made.worker.answer()
    made.worker.crash()  # while 3 runs
    made.worker.revive()
    made.worker.answer()
    assert made.worker.batches == [[0], [1, 2, 3, 4], [1], [2], [3], [4]]
    assert made.answers == {0: 0, 1: 1, 2: 2, 3: ErrorKind.WORKER_CRASHED, 4: 4}


def test_a_death_does_not_fail_what_was_staged_behind_its_cause(bench):
    made = bench()
    made.submit(1, 2)
    made.submit(3)
    made.worker.crash()
    made.worker.revive()
    assert made.worker.batches == [[1], [2], [1]], "nothing beside a suspect"
    made.worker.crash()
    made.worker.revive()
    assert made.worker.batches[3:] == [[2]]
    made.worker.answer()
    assert made.worker.batches[4:] == [[3]]
    made.worker.answer()
    assert made.answers == {1: ErrorKind.WORKER_CRASHED, 2: 2, 3: 3}


@pytest.mark.proves("F1", "G1")
def test_f1_a_lone_request_is_run_once_more_and_answered(bench):
    made = bench(slots=1)
    made.submit(1)
    made.worker.crash()
    assert made.answers == {}
    made.worker.revive()
    made.worker.answer()
    assert (made.worker.batches, made.answers) == ([[1], [1]], {1: 1})


@pytest.mark.proves("F4", "G1")
@pytest.mark.parametrize("terms", [Terms(), Terms(retry=False)])
def test_what_a_dying_worker_had_not_read_is_none_of_its_deaths(bench, terms):
    made = bench(slots=1, terms=terms)
    made.submit(1)
    for _ in range(3):
        made.worker.crash(UNREAD)
        made.worker.revive()
    made.worker.answer()
    assert (made.worker.batches, made.answers) == ([[1]] * 4, {1: 1})


@pytest.mark.proves("G3")
def test_g3_a_request_takes_two_workers_with_it_at_most(bench):
    made = bench(slots=1)
    made.submit(1)
    for _ in range(2):
        made.worker.crash()
        made.worker.revive()
    assert (made.worker.batches, made.answers) == ([[1], [1]], {1: ErrorKind.WORKER_CRASHED})


def test_what_may_not_be_run_again_is_not(bench):
    """A staged batch has not begun, so that it may."""
    made = bench(terms=Terms(retry=False))
    made.submit(1, 2)
    made.submit(3)
    made.worker.crash()
    assert made.answers == {1: ErrorKind.WORKER_CRASHED}
    made.worker.revive()
    made.worker.answer()
    made.worker.answer()
    assert made.answers == {1: ErrorKind.WORKER_CRASHED, 2: 2, 3: 3}


@pytest.mark.proves("F2")
def test_f2_a_batch_too_large_for_the_memory_is_run_one_by_one(bench):
    made = bench(slots=1)
    made.submit(0, 1, 2)
    made.worker.answer()
    made.worker.fail(ZeroMindError(ErrorKind.OUT_OF_MEMORY, "too much"))
    assert made.worker.batches == [[0], [1, 2], [1]]
    made.worker.answer()
    made.worker.fail(ZeroMindError(ErrorKind.OUT_OF_MEMORY, "too much"))
    assert made.answers == {0: 0, 1: 1, 2: ErrorKind.OUT_OF_MEMORY}


@pytest.mark.proves("F18")
def test_f18_while_the_workers_keep_dying_nothing_waits(bench):
    trouble = ZeroMindError(ErrorKind.MODEL_UNAVAILABLE, "they keep dying")
    made = bench(slots=1)
    made.worker.crash()
    made.submit(1)
    made.dispatcher.refuse(trouble)
    assert made.answers == {1: ErrorKind.MODEL_UNAVAILABLE}
    frames = []
    for _ in range(3):
        with pytest.raises(ZeroMindError, match="keep dying") as refused:
            made.submit(2)
        frames.append(len(refused.traceback))
    assert frames == frames[:1] * 3  # the fault does not hold whoever got it
    made.dispatcher.refuse(None)
    made.submit(3)
    made.worker.revive()
    made.worker.answer()
    assert made.answers[3] == 3
    made.close()
    made.dispatcher.refuse(None)
    with pytest.raises(ZeroMindError, match="was dropped"):
        made.submit(4)


def test_another_worker_takes_over_from_one_that_died(bench):
    made = bench(workers=2, slots=1, max_rows=2)
    made.submit(1, 2)
    made.submit(3, 4)
    made.workers[0].answer()
    assert made.workers[0].running[0][0] == [3, 4]
    made.workers[1].answer()
    made.workers[0].crash()
    assert made.workers[1].batches == [[2], [3]]
    made.workers[1].answer()
    made.workers[1].answer()
    assert made.answers == {1: 1, 2: 2, 3: 3, 4: 4}


def test_whoever_left_a_batch_that_died_is_not_asked_again(bench):
    made = bench(slots=1)
    made.submit(0, 1, 2)
    made.worker.answer()
    made.entries[1].withdraw()
    made.worker.crash()
    made.worker.revive()
    made.worker.answer()
    assert made.worker.batches == [[0], [1, 2], [2]]
    assert made.answers == {0: 0, 2: 2}


def test_a_fault_of_ours_is_answered_too(bench, caplog):
    def odd(batch, rows, answered, until):
        raise LookupError("a secret")

    made = bench()
    made.worker.send = odd
    made.submit(1, 2)
    made.loop.pass_time()
    assert made.answers == dict.fromkeys((1, 2), ErrorKind.PREDICT_UNKNOWN)
    assert "a secret" in caplog.text


# --- deadlines and hangs


def test_a_deadline_is_told_whether_the_request_waits_or_runs(bench):
    made = bench(slots=1)
    made.submit(1, 2, lasts=0.3)
    made.loop.pass_time(0.25)
    assert made.answers == {}
    made.loop.pass_time(TICK_S)
    assert made.answers == dict.fromkeys((1, 2), ErrorKind.DEADLINE)
    made.worker.answer()
    assert made.worker.batches == [[1]]
    assert made.worker.kills == 0


def test_a_deadline_in_the_past_never_reaches_the_model(bench):
    made = bench()
    made.submit(1, lasts=-1)
    made.loop.pass_time(TICK_S)
    assert made.answers == {1: ErrorKind.DEADLINE}
    assert made.worker.batches == []


def test_an_earlier_deadline_is_kept_behind_a_later_one(bench):
    made = bench()
    made.submit(1, lasts=60)
    made.submit(2, lasts=0.2)
    made.loop.pass_time(0.2 + TICK_S)
    assert made.answers == {2: ErrorKind.DEADLINE}


def test_a_deadline_is_kept_while_a_hang_before_it_is_given_time(bench):
    made = bench()
    made.submit(1, lasts=0.3)
    made.loop.pass_time(0.4)
    assert made.answers == {1: ErrorKind.DEADLINE}
    made.submit(2, lasts=0.3)
    made.loop.pass_time(0.3 + TICK_S)
    assert made.answers[2] is ErrorKind.DEADLINE
    assert made.worker.kills == 0


def test_deadlines_shorter_than_a_tick_are_not_put_off_by_those_that_follow(bench):
    made = bench()
    for one in range(20):
        made.submit(one, lasts=0.01)
        made.loop.pass_time(0.01)
    assert made.answers[0] is ErrorKind.DEADLINE


def test_what_hangs_is_killed_when_the_grace_is_over(bench):
    made = bench()
    made.submit(1, lasts=1)
    made.loop.pass_time(1 + KILL_GRACE_S - 0.1)
    assert made.worker.kills == 0
    made.loop.pass_time(0.1 + TICK_S)
    assert made.worker.kills >= 1
    made.submit(2)
    made.worker.crash()
    made.worker.revive()
    made.worker.answer()
    assert made.answers == {1: ErrorKind.DEADLINE, 2: 2}


@pytest.mark.proves("F3", "G4")
def test_f3_one_that_hangs_does_not_keep_its_neighbours_until_their_own_end(bench):
    made = bench(slots=1, terms=Terms(timeout_s=30))
    made.submit(0)
    made.loop.pass_time(0.1)
    made.worker.answer()  # so it is known what is usual
    made.submit(1)
    made.submit(2, lasts=2)
    made.submit(3, lasts=30)
    made.worker.answer()
    assert made.worker.running[0][0] == [2, 3]
    made.loop.pass_time(2 + TICK_S)
    assert made.answers[2] is ErrorKind.DEADLINE
    made.loop.pass_time(KILL_GRACE_S)
    assert made.worker.kills
    made.worker.crash()
    made.worker.revive()
    made.worker.answer()
    assert made.answers == {0: 0, 1: 1, 2: ErrorKind.DEADLINE, 3: 3}


def test_a_client_in_a_hurry_does_not_end_a_slow_model(bench):
    made = bench(slots=1, terms=Terms(timeout_s=30))
    made.submit(1, lasts=0.1)
    made.loop.pass_time(20)
    assert made.worker.kills == 0, "nobody knows how long it usually takes"
    made.worker.answer()
    made.submit(2, lasts=0.1)
    made.loop.pass_time(29)
    assert made.worker.kills == 0, "it usually takes long"
    made.loop.pass_time(4)
    assert made.worker.kills, "but not longer than the model gives"


def test_a_batch_that_began_late_has_its_time(bench):
    """A model that is slow under load does not hang: its worker must not be lost to that."""
    made = bench()
    made.submit(1, 2, lasts=3)
    made.loop.pass_time(4.5)
    made.worker.answer()  # the first took longer than allowed; the second begins, too late for its client
    made.loop.pass_time(4.5)
    assert made.worker.kills == 0
    made.loop.pass_time(0.5 + TICK_S)
    assert made.worker.kills >= 1
    assert made.answers == dict.fromkeys((1, 2), ErrorKind.DEADLINE)


def test_what_is_staged_does_not_end_what_runs(bench):
    made = bench()
    made.submit(1, lasts=30)
    made.submit(2, lasts=0.1)
    made.loop.pass_time(10)
    assert made.worker.kills == 0
    assert made.answers == {2: ErrorKind.DEADLINE}
    made.worker.answer()
    assert made.answers[1] == 1


def test_a_pool_at_rest_sets_no_timer(bench):
    made = bench()
    made.submit(1, lasts=0.1)
    made.worker.answer()
    made.loop.pass_time(1)
    assert made.dispatcher._sweeper is None


# --- the end


def test_closing_lets_what_runs_finish_and_refuses_what_waits(bench):
    made = bench(slots=1)
    made.submit(1, 2)
    closing = made.loop.create_task(made.dispatcher.close())
    made.loop.pass_time()
    assert made.answers == {2: ErrorKind.MODEL_NOT_FOUND}
    with pytest.raises(ZeroMindError) as caught:
        made.submit(3)
    assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND
    assert not closing.done()
    made.worker.answer()
    made.loop.run_until_complete(closing)
    assert made.answers == {1: 1, 2: ErrorKind.MODEL_NOT_FOUND}


def test_closing_at_once_answers_what_runs_as_well(bench):
    made = bench(slots=1)
    made.submit(1, 2)
    made.close(ZeroMindError(ErrorKind.SHUTTING_DOWN, "now"))
    assert made.answers == dict.fromkeys((1, 2), ErrorKind.SHUTTING_DOWN)
    made.worker.answer()
    made.loop.pass_time(100)
    assert made.worker.batches == [[1]]


def test_closing_at_once_ends_a_close_that_waits(bench):
    made = bench()
    made.submit(1)
    closing = made.loop.create_task(made.dispatcher.close())
    made.loop.pass_time()
    made.close(ZeroMindError(ErrorKind.SHUTTING_DOWN, "now"))
    made.loop.run_until_complete(closing)
    assert made.answers == {1: ErrorKind.SHUTTING_DOWN}


def test_a_death_while_it_closes_is_the_end_of_what_runs(bench):
    made = bench()
    made.submit(1, 2)
    closing = made.loop.create_task(made.dispatcher.close())
    made.loop.pass_time()
    made.worker.crash()
    made.loop.run_until_complete(closing)
    assert made.answers == dict.fromkeys((1, 2), ErrorKind.WORKER_CRASHED)


# --- what must agree, and what comes first


def test_requests_that_want_no_filters_are_not_joined_with_those_that_do(bench):
    made = bench(slots=1)
    made.submit(1)
    bare = request(2)
    bare.filters = False
    made.submit(bare, 3, 4)
    made.worker.answer()
    assert made.worker.batches[1:] == [[2]]
    made.worker.answer()
    assert made.worker.batches[2:] == [[3, 4]]


@pytest.mark.parametrize(("looks", "batches"), [(True, [[2, 4], [3], [5]]), (False, [[2, 3, 4, 5]])])
def test_parameters_keep_requests_apart_where_the_model_looks_at_them(bench, looks, batches):
    spec = ModelSpec((TensorSpec("x", "FP32", (None,)),), (TensorSpec("y", "FP32", (None,)),), True)
    made = bench(slots=1, interface=Interface(spec, "python", parameters=looks))
    made.submit(1)
    for one, parameters in ((2, {"a": 1}), (3, {"a": 2}), (4, {"a": 1}), (5, {"a": True})):
        asked = request(one)
        asked.parameters = parameters
        made.submit(asked)
    for _ in range(len(batches) + 1):
        made.worker.answer()
    assert made.worker.batches[1:] == batches


def test_the_more_urgent_overtakes(bench):
    made = bench(slots=1, max_rows=1)
    made.submit(1)
    for one, priority in ((2, 5), (3, 5), (4, 1)):
        asked = request(one)
        asked.priority = priority
        made.submit(asked)
    for _ in range(4):
        made.worker.answer()
    assert made.worker.batches == [[1], [4], [2], [3]]


# --- what is counted


def counted(made):
    told = made.statistics.to_json()
    stats = told["inference_stats"]
    batches = {batch["batch_size"]: batch["compute_infer"]["count"] for batch in told["batch_stats"]}
    return stats["success"]["count"], stats["fail"]["count"], told["inference_count"], batches


def test_every_request_is_counted_once(bench):
    made = bench()
    made.submit(1)
    made.submit(2, 3, 4)
    made.worker.answer()
    made.worker.answer(3)
    made.submit(5, lasts=0.1)
    made.submit(6)
    made.entries[6].withdraw()
    made.entries[6].withdraw()
    made.loop.pass_time(1)
    assert counted(made) == (3, 3, 4, {1: 1, 3: 1})


def test_who_has_left_or_is_late_is_not_counted_again_when_the_answer_comes(bench):
    made = bench()
    made.submit(1)
    made.submit(2, 3, lasts=1)
    made.entries[1].withdraw()
    made.worker.answer()
    made.submit(4)
    made.loop.pass_time(1.1)
    made.worker.answer()
    made.worker.answer()
    assert counted(made) == (1, 3, 4, {1: 2, 2: 1})


def test_who_leaves_upon_the_answer_of_another_is_counted_once(bench):
    made = bench()
    made.submit(0)
    made.dispatcher.submit(request(1), made.loop.time() + 5, lambda _: made.entries[2].withdraw())
    made.submit(2)
    made.worker.answer()
    made.worker.answer()
    assert made.worker.batches == [[0], [1, 2]]
    assert counted(made) == (2, 1, 3, {1: 1, 2: 1})


def test_time_in_the_queue_is_what_was_not_the_models(bench):
    made = bench()
    made.submit(1)
    made.submit(2)
    made.loop.pass_time(2)
    made.worker.answer(run=Run(1, 0.5, 0.25, 0.125))
    made.loop.pass_time(1)
    made.worker.answer(run=Run(1, 1.0))
    stats = made.statistics.to_json()["inference_stats"]
    assert stats["queue"] == {"count": 2, "ns": round((2 - 0.875 + 3 - 1) * 1e9)}
    assert stats["success"]["ns"] == stats["queue"]["ns"] + round(1.875e9)


# --- streams


DECOUPLED = Interface(ModelSpec((TensorSpec("x", "FP32", (None,)),), (TensorSpec("y", "FP32", (None,)),), True), "python", decoupled=True)


@pytest.fixture
def stream(bench):
    return bench(interface=DECOUPLED)


def test_a_stream_has_any_number_of_answers_and_its_worker_to_itself(stream):
    stream.submit(1, 2)
    stream.worker.respond(10)
    stream.worker.respond(11)
    assert stream.worker.batches == [[1]]
    assert stream.answers == {}
    stream.worker.answer()
    assert (stream.partial, stream.answers) == ({1: [10, 11]}, {1: 1})
    assert stream.worker.batches == [[1], [2]]


def test_each_response_is_made_when_it_is_wanted(stream):
    stream.submit(1)
    stream.entries[1].go_on()
    stream.worker.respond(10)
    assert stream.worker.wanted == []
    stream.entries[1].go_on()
    stream.entries[1].go_on()
    assert stream.worker.wanted == [True]
    stream.worker.answer()
    stream.entries[1].go_on()
    assert stream.worker.wanted == [True]


def test_a_stream_whose_client_has_left_is_told_to_end(stream):
    stream.submit(1, 2)
    stream.worker.respond(10)
    stream.entries[1].withdraw()
    assert stream.worker.wanted == [False]
    stream.worker.answer()
    stream.entries[2].withdraw()
    stream.worker.respond(20)
    assert stream.worker.wanted == [False, False]
    assert stream.partial == {1: [10]}
    stream.worker.answer()
    assert (stream.answers, stream.dispatcher.pending) == ({}, 0)


def test_a_stream_that_outlasts_its_time_is_told_to_end_and_its_worker_killed_if_it_does_not(stream):
    stream.submit(1, lasts=1)
    stream.worker.respond(10)
    stream.loop.pass_time(1.1)
    assert (stream.answers, stream.worker.wanted) == ({1: ErrorKind.DEADLINE}, [False])
    stream.loop.pass_time(KILL_GRACE_S)
    assert stream.worker.kills


def test_a_stream_breaks_with_its_worker(stream):
    stream.submit(1)
    stream.worker.respond(10)
    stream.worker.crash()
    assert (stream.partial, stream.answers) == ({1: [10]}, {1: ErrorKind.WORKER_CRASHED})
    stream.entries[1].go_on()


def test_streams_are_counted_by_response(stream):
    stream.submit(1)
    stream.worker.respond(10)
    stream.worker.respond(11)
    stream.worker.answer()
    stream.submit(2)
    stream.worker.respond(20)
    stream.entries[2].withdraw()
    stream.worker.answer()
    told = stream.statistics.to_json()["response_stats"]
    assert {number: entry["success"]["count"] for number, entry in told.items()} == {"0": 2, "1": 1, "2": 0}
    assert (told["2"]["empty_response"]["count"], told["1"]["cancel"]["count"]) == (1, 1)


@pytest.fixture(scope="module", autouse=True)
def loops(virtual_loop):
    """A state machine takes no fixtures."""
    Life.make_loop = StreamLife.make_loop = virtual_loop


class Life(RuleBasedStateMachine):
    """Clients come and go, workers answer, fail, die and hang: no request is answered twice, none is forgotten."""

    make_loop = None

    def __init__(self):
        super().__init__()
        self.loop = self.make_loop()
        self.bench = Bench(self.loop, workers=2, max_rows=4, max_count=6, delay_s=0.1)
        self.count = 0
        self.gone = set()
        self.reached = set()
        self.deadlines = {}
        self.killers = set()
        self.excused = set()
        """What was in a worker that hung, on its own account or another's."""
        self.closed = False

    @rule(lasts=st.floats(-0.5, 3), rows=st.integers(0, 5), kills=st.booleans(), dtype=st.sampled_from([np.float32, np.int64]))
    def submit(self, lasts, rows, kills, dtype):
        self.count += 1
        made = InferRequest({"x": np.zeros(rows, dtype)}, str(self.count))
        if kills:
            self.killers.add(self.count)
        refusal = None
        try:
            self.bench.submit(made, lasts=lasts)
        except ZeroMindError as error:
            refusal = error.kind
        if refusal is None:
            self.deadlines[self.count] = self.loop.now + max(0, lasts)
        else:
            assert refusal is (ErrorKind.MODEL_NOT_FOUND if self.closed else ErrorKind.BUSY)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def withdraw(self, data):
        one = data.draw(st.sampled_from(sorted(self.waiting())))
        self.reached |= {name for worker in self.bench.workers for batch in worker.batches for name in batch}
        self.bench.entries[one].withdraw()
        self.gone.add(one)

    @rule(which=st.integers(0, 1), whole=st.booleans(), faulty=st.sets(st.integers(1, 30)))
    def step(self, which, whole, faulty):
        """The batch that runs comes to its end, whatever that is."""
        worker = self.bench.workers[which]
        if not worker.running:
            return
        if self.killers & set(worker.running[0][0]):
            worker.crash()
        elif whole:
            worker.fail(ZeroMindError(ErrorKind.PREDICTION_FAILED, "whole"))
        else:
            worker.answer(*faulty)

    @rule(which=st.integers(0, 1))
    def revive(self, which):
        self.end_killed()
        if not self.bench.workers[which].alive:
            self.bench.workers[which].revive()

    @rule(seconds=st.floats(0, 1) | st.floats(0, 6))
    def pass_time(self, seconds):
        self.loop.pass_time(seconds)
        self.end_killed()

    @rule()
    def close(self):
        self.closed = True
        self.closing = self.loop.create_task(self.bench.dispatcher.close())
        self.loop.pass_time()

    def end_killed(self):
        for worker in self.bench.workers:
            if not worker.alive:
                self.excused |= {name for numbers, _ in worker.running for name in numbers}
                worker.crash()

    def waiting(self):
        return set(self.deadlines) - set(self.bench.answers) - self.gone

    @invariant()
    def promises(self):
        answers = self.bench.answers
        assert not self.gone & set(answers)
        for one in self.waiting():
            assert self.deadlines[one] + TICK_S >= self.loop.now
        for one, answer in answers.items():
            if answer is ErrorKind.WORKER_CRASHED:
                assert one in self.killers or one in self.excused or self.closed
        sent = {name for worker in self.bench.workers for batch in worker.batches for name in batch}
        assert not (self.gone - self.reached) & sent, "it was withdrawn before any worker had it"
        assert self.bench.dispatcher.pending == len(self.waiting())
        success, fail, *_ = counted(self.bench)
        assert success + fail == len(self.deadlines) - len(self.waiting())

    def teardown(self):
        self.loop.pass_time(0)
        self.bench.close(ZeroMindError(ErrorKind.SHUTTING_DOWN, "now"))
        self.loop.pass_time(10)
        assert not self.waiting()
        if self.closed:
            self.loop.run_until_complete(self.closing)
        self.loop.close()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


class StreamWorker(Worker):
    """A worker of a decoupled model, which is to be told once for each response, and not more, whether it shall make another."""

    def __init__(self, slots):
        super().__init__(slots)
        self.awaiting = self.ending = False

    def send(self, batch, rows, answered):
        super().send(batch, rows, answered)
        assert len(self.running) == len(batch) == 1, "a stream has its worker to itself"
        self.awaiting = self.ending = False

    def respond(self, value):
        self.awaiting = True
        super().respond(value)

    def go_on(self, wanted):
        if self.alive:  # who has died hears nothing
            assert self.awaiting
            self.awaiting, self.ending = False, not wanted


class Streams(Bench):
    """Clients of a decoupled model, each of whom goes on at once, or later, or leaves upon the first response."""

    def __init__(self, loop):
        super().__init__(loop, workers=2, max_count=6, interface=DECOUPLED, kind=StreamWorker)
        self.manners = {}
        self.gone = set()
        self.owed = set()

    def reply(self, key, answer):
        assert key not in self.gone, "answered although it has left"
        super().reply(key, answer)
        self.owed.discard(key)
        if key in self.answers:
            return
        if self.manners[key] == "leave":
            self.leave(key)
        elif self.manners[key] == "go on":
            self.entries[key].go_on()
        else:
            self.owed.add(key)

    def leave(self, key):
        self.gone.add(key)
        self.owed.discard(key)
        self.entries[key].withdraw()


class StreamLife(RuleBasedStateMachine):
    """The same with streams: each has one end, no response after it, and its worker is told once for each response."""

    make_loop = None

    def __init__(self):
        super().__init__()
        self.loop = self.make_loop()
        self.bench = Streams(self.loop)
        self.count = 0
        self.deadlines = {}
        self.crashed = set()
        self.closing = None

    @rule(lasts=st.sampled_from([1, 0.2, 3, -1]), manner=st.sampled_from(["wait", "go on", "leave"]))
    def submit(self, lasts, manner):
        self.count += 1
        self.bench.manners[self.count] = manner
        refusal = None
        try:
            self.bench.submit(request(self.count), lasts=lasts)
        except ZeroMindError as error:
            refusal = error.kind
        if refusal is None:
            self.deadlines[self.count] = self.loop.now + max(0, lasts)
        else:
            assert refusal is (ErrorKind.MODEL_NOT_FOUND if self.closing else ErrorKind.BUSY)

    def at_work(self):
        """The workers that are not waiting to be told whether to go on."""
        return [worker for worker in self.bench.workers if worker.alive and worker.running and not worker.awaiting]

    @precondition(lambda self: self.at_work())
    @rule(last=st.booleans())
    def respond(self, last):
        worker = self.at_work()[-last]
        if not worker.ending:
            wanted = set(worker.running[0][0]) & self.waiting()
            worker.respond(0)
            assert wanted or worker.ending, "nobody wants more"

    @precondition(lambda self: self.at_work())
    @rule(last=st.booleans(), fails=st.booleans())
    def finish(self, last, fails):
        worker = self.at_work()[-last]
        if fails:
            worker.fail(ZeroMindError(ErrorKind.PREDICTION_FAILED, "told to"))
        else:
            worker.answer()

    @precondition(lambda self: self.deadlines)
    @rule(data=st.data())
    def go_on(self, data):
        """A client wants more, perhaps more often than it should ask."""
        one = data.draw(st.sampled_from(sorted(self.deadlines)))
        self.bench.owed.discard(one)
        self.bench.entries[one].go_on()

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def withdraw(self, data):
        self.bench.leave(data.draw(st.sampled_from(sorted(self.waiting()))))

    @precondition(lambda self: all(worker.running for worker in self.bench.workers))
    @rule(which=st.integers(0, 1))
    def crash(self, which):
        self.bench.workers[which].kill()
        self.end_killed()

    @precondition(lambda self: not all(worker.alive for worker in self.bench.workers))
    @rule()
    def revive(self):
        for worker in self.bench.workers:
            if not worker.alive:
                worker.revive()

    @rule(seconds=st.sampled_from([0.5, 1.5, 0, 6]))
    def pass_time(self, seconds):
        self.loop.pass_time(seconds)
        self.end_killed()

    @precondition(lambda self: self.closing is None and self.count > 4)  # hardly anything happens after
    @rule()
    def close(self):
        self.closing = self.loop.create_task(self.bench.dispatcher.close())
        self.loop.pass_time()

    def end_killed(self):
        for worker in self.bench.workers:
            if not worker.alive:
                self.crashed |= {one for numbers, _ in worker.running for one in numbers}
                worker.crash()

    def waiting(self):
        return set(self.deadlines) - set(self.bench.answers) - self.bench.gone

    @invariant()
    def promises(self):
        waiting = self.waiting()
        for worker in self.bench.workers:
            if worker.alive and worker.running and worker.awaiting:
                assert set(worker.running[0][0]) <= waiting & self.bench.owed, "nobody will tell it what to do"
        for one in waiting:
            assert self.deadlines[one] + TICK_S >= self.loop.now
        for one, answer in self.bench.answers.items():
            assert answer is not ErrorKind.WORKER_CRASHED or one in self.crashed
        assert self.bench.dispatcher.pending == len(waiting)
        success, fail, *_ = counted(self.bench)
        assert success + fail == len(self.deadlines) - len(waiting)

    def teardown(self):
        self.loop.pass_time(0)
        self.bench.close(ZeroMindError(ErrorKind.SHUTTING_DOWN, "now"))
        self.loop.pass_time(10)
        assert not self.waiting()
        if self.closing is not None:
            self.loop.run_until_complete(self.closing)
        self.loop.close()


TestStreamLife = StreamLife.TestCase
TestStreamLife.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
