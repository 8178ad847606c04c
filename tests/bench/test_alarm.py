"""The timer rings when it is set to, once."""

import asyncio
import time

import pytest
import uvloop

from zeromind.bench import alarm
from zeromind.bench.alarm import Alarm


async def rings(*times):
    """When an alarm rang that was set to each of the times from now, one after the other."""
    loop, rung, done = asyncio.get_running_loop(), [], asyncio.Event()

    def ring():
        rung.append(time.monotonic() - start)
        done.set()

    clock = Alarm(loop, ring)
    start = time.monotonic()
    for wait in times:
        clock.set(start + wait)
    await asyncio.wait_for(done.wait(), 10)
    clock.set(time.monotonic() + 60)
    clock.close()
    await asyncio.sleep(0)
    return rung


@pytest.fixture(params=[uvloop.run, asyncio.run])
def run(request):
    return request.param


def test_it_rings_at_its_time_and_not_before(run):
    (rung,) = run(rings(0.0505))
    assert rung >= 0.0505


def test_what_is_past_rings_at_once(run):
    assert len(run(rings(-1))) == 1


def test_setting_it_anew_replaces_the_time(run):
    (rung,) = run(rings(0.01, 0.06))
    assert rung >= 0.06
    (rung,) = run(rings(60, 0.01))
    assert rung < 60


def test_without_timerfd_the_loops_own_timer_does(run, monkeypatch):
    monkeypatch.setattr(alarm.sys, "platform", "darwin")
    (rung,) = run(rings(60, 0.05))
    # A timer of uvloop's may be early by a millisecond: it counts in them.
    assert 0.045 <= rung < 60
