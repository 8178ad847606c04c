"""The audit log by itself: its bounds."""

import json
import stat
import time

import pytest

from zeromind.access import audit
from zeromind.access.audit import Audit, Deed
from zeromind.errors import ConfigError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.proves("T26")
def test_t26_a_flood_of_deeds_has_a_rate_and_refused_ones_do_not_crowd_out_others(tmp_path):
    clock = Clock()
    log = Audit(tmp_path / "audit.log", clock)
    for _ in range(10_000):
        log.record(Deed("anonymous", "10.0.0.1", "GET /model/drop"), 401, done=False, ms=0.1)
    log.record(Deed("ops", "10.0.0.1", "GET /model/drop", "a\nb\u2028"), 200, done=True, ms=0.1)
    clock.now = 10.0
    log.record(Deed("anonymous", "10.0.0.1", "x" * 10_000), 401, done=False, ms=0.1)
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert len(lines) == 52
    assert (lines[50]["who"], lines[50]["left_out"], lines[50]["model"]) == ("ops", 9950, "a\nb\u2028")
    assert len(lines[51]["call"]) == audit.MOST_VALUE
    assert stat.S_IMODE((tmp_path / "audit.log").stat().st_mode) == 0o600


@pytest.mark.proves("T26")
def test_t26_the_file_is_rotated(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "FILE_BYTES", 2000)
    clock = Clock()
    log = Audit(tmp_path / "audit.log", clock)
    for number in range(400):
        log.record(Deed("ops", "10.0.0.1", f"GET /{number}"), 200, done=True, ms=0.1)
    log.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == audit.FILES
    assert sum(file.stat().st_size for file in files) <= audit.FILES * 2000
    assert json.loads((tmp_path / "audit.log").read_text().splitlines()[-1])["call"] == "GET /399"
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.proves("F11")
def test_f11_a_full_disk_holds_nobody_up(tmp_path, caplog):
    full = tmp_path / "audit.log"
    full.symlink_to("/dev/full")
    log = Audit(full)
    begun = time.monotonic()
    for _ in range(50):
        log.record(Deed("ops", "10.0.0.1", "GET /model/drop"), 200, done=True, ms=0.1)
    log.close()
    assert time.monotonic() - begun < 5
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1


def test_a_file_that_cannot_be_made_stops_the_start(tmp_path):
    with pytest.raises(ConfigError, match="audit_file"):
        Audit(tmp_path / "none" / "audit.log")
