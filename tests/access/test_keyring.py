"""The keys of a running pool."""

import datetime as dt
import os
import shutil

import pytest

from zeromind.access import key_file
from zeromind.access.keyring import Keyring
from zeromind.access.keys import Keys, dump
from zeromind.config import pool
from zeromind.errors import ConfigError, ErrorKind, ZeroMindError

END = dt.datetime(2026, 2, 1, tzinfo=dt.timezone.utc)


class Clock:
    now = dt.datetime(2026, 1, 15, tzinfo=dt.timezone.utc).timestamp()

    def __call__(self):
        return self.now


def refused(ring, text):
    with pytest.raises(ZeroMindError) as error:
        ring.caller(text)
    assert error.value.kind is ErrorKind.UNAUTHENTICATED
    return error.value.message


def test_a_file_that_cannot_be_used_stops_the_start(tmp_path):
    with pytest.raises(ConfigError, match="zeromind keys add"):
        Keyring(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "broken.json").chmod(0o600)
    with pytest.raises(ConfigError, match="cannot be used"):
        Keyring(tmp_path / "broken.json")


def test_a_key_that_is_added_or_revoked_is_noticed(keys):
    ring = Keyring(keys.path)
    assert ring.caller(keys.texts["all"]).name == "all"
    assert not ring.look()
    keys.add("new")
    refused(ring, keys.texts["new"])
    assert ring.look()
    caller = ring.caller(keys.texts["new"])
    assert ring.holds(caller)
    keys.revoke("new")
    assert ring.look()
    assert "revoked" in refused(ring, keys.texts["new"])
    assert not ring.holds(caller)


@pytest.mark.proves("F19")
def test_f19_a_key_ends_when_it_says_and_at_no_other_jump_of_the_clock(keys):
    clock = Clock()
    keys.add("short", expires=END)
    ring = Keyring(keys.path, clock)
    caller = ring.caller(keys.texts["short"])
    clock.now = END.timestamp() - 1
    assert not ring.look()
    clock.now = END.timestamp()
    assert "expired" in refused(ring, keys.texts["short"]), "at once, also before anybody looked"
    assert ring.look()
    assert not ring.look()
    assert not ring.holds(caller)
    clock.now -= 86400  # the clock is set back
    ring.look()
    assert ring.caller(keys.texts["all"]).name == "all"
    clock.now += 2 * 86400
    assert ring.caller(keys.texts["all"]).name == "all"


@pytest.mark.parametrize("break_it", ["remove", "truncate", "garble", "open"])
def test_a_file_that_breaks_lets_nobody_in_until_it_is_mended(keys, break_it, caplog):
    ring = Keyring(keys.path)
    good = keys.path.read_bytes()
    if break_it == "remove":
        keys.path.unlink()
    elif break_it == "open":
        keys.path.chmod(0o666)
    else:
        keys.path.write_bytes(b"" if break_it == "truncate" else good[:-20])
    assert ring.look()
    refused(ring, keys.texts["all"])
    assert [record.levelname for record in caplog.records if "every key is refused" in record.message] == ["ERROR"]
    assert not ring.look()
    keys.path.write_bytes(good)
    keys.path.chmod(0o600)
    assert ring.look()
    assert ring.caller(keys.texts["all"]).name == "all"


def test_a_file_that_is_put_in_place_with_the_same_times_is_noticed(keys):
    ring = Keyring(keys.path)
    found = keys.path.stat()
    other = keys.path.with_name("other")
    other.write_bytes(dump(Keys()).ljust(found.st_size))
    other.chmod(0o600)
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(keys.path)
    assert ring.look()
    refused(ring, keys.texts["all"])


@pytest.mark.proves("T1")
def test_t1_a_new_key_of_the_same_name_does_not_stand_for_the_one_that_was_revoked(keys):
    ring = Keyring(keys.path)
    leaked = ring.caller(keys.texts["all"])
    keys.revoke("all")
    keys.add("all")
    assert ring.look()
    assert not ring.holds(leaked)
    assert ring.holds(ring.caller(keys.texts["all"]))


@pytest.mark.proves("T1")
def test_t1_a_link_that_comes_to_lead_elsewhere_is_followed(keys, tmp_path):
    """As secrets are renewed in a cluster: the folder of before vanishes."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys.json").write_bytes(keys.path.read_bytes())
        (tmp_path / name / "keys.json").chmod(0o600)
    (tmp_path / "now").symlink_to("old")
    link = tmp_path / "link.json"
    link.symlink_to("now/keys.json")
    config = pool.read(None, {}, {"keys_file": str(link), "tls_certificate": str(link), "tls_key": str(link)})
    assert (config.tls_certificate, config.tls_key) == (link, link), "as keys are"
    ring = Keyring(config.keys_file)
    key_file.change(tmp_path / "new" / "keys.json", lambda here: here.without("read"))
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").replace(tmp_path / "now")
    shutil.rmtree(tmp_path / "old")
    assert ring.look()
    refused(ring, keys.texts["read"])
    assert ring.caller(keys.texts["all"])


@pytest.mark.proves("T1")
def test_t1_a_key_is_revoked_where_a_link_leads(keys, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(keys.path)
    ring = Keyring(keys.path)
    key_file.change(link, lambda here: here.without("read"))
    assert link.is_symlink()
    assert ring.look()
    refused(ring, keys.texts["read"])
