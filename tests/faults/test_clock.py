"""The clock is set a day ahead and a day back while the server works: nothing comes of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from faults.versions import NAME, VERSIONED, task, versioned

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
DAY_S = 86_400
SLEEP = "time.sleep(float(wait.max(initial=0)))"


@pytest.mark.proves("F19")
@pytest.mark.skipif(LIBRARY is None, reason="setting the clock of one process needs libfaketime")
def test_f19_setting_the_clock_has_no_effect(spawn, tmp_path, waiting):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    own = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    server = versioned(spawn, tmp_path, environment={"LD_PRELOAD": str(LIBRARY), **own}, worker_environment=list(own))
    # The library cannot have a process sleep while its clock is set.
    (tmp_path / "versioned.py").write_text(
        VERSIONED.replace(
            SLEEP, "end = time.monotonic() + float(wait.max(initial=0))\n        while time.monotonic() < end:\n            pass"
        )
    )
    assert server.load(task(1, timeout_s=5, max_queue_delay_us=200_000)).status == 200

    def shown():
        """What the server takes for now, in seconds."""
        server.predict(NAME, {"wait": [0]})
        return server.get(f"/v2/models/{NAME}/stats").json["model_stats"][0]["last_inference"] / 1000

    for days in (1, -1):
        answers = []
        running = threading.Thread(target=lambda answers=answers: answers.append(server.predict(NAME, {"wait": [1.5]})))
        running.start()
        time.sleep(0.4)
        clock.write_text(f"{days * DAY_S:+d}")
        running.join()
        assert (answers[0].status, answers[0].json.get("result")) == (200, {"version": [1]}), answers[0]
        assert abs(shown() - time.time() - days * DAY_S) < 60  # it was really set
        begun = time.monotonic()
        late = server.predict(NAME, {"wait": [7]})
        assert late.status == 504
        assert 4.9 < time.monotonic() - begun < 8
        waiting(lambda: server.get(f"/v2/models/{NAME}/ready").status == 200)
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        begun = time.monotonic()
        answer = server.predict(NAME, {"wait": [0]})
        assert (answer.status, answer.json.get("result")) == (200, {"version": [1]}), answer
        assert time.monotonic() - begun < 5
    server.signal()
    assert server.wait() == 0
