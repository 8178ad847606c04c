"""Shared memory of clients: what is taken, what is refused, and what a client may do to it meanwhile."""

import os
import resource
import uuid
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path

import pytest

from zeromind import regions
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.regions import FOLDER, RESERVED, Regions

K = ErrorKind


@pytest.fixture
def memory():
    """A function that makes shared memory of so many bytes, 0, 1, 2, …"""
    made = []

    def make(size):
        one = shared_memory.SharedMemory(f"zeromind-test-{uuid.uuid4().hex}", create=True, size=size)
        one.buf[:size] = bytes(index % 256 for index in range(size))
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
        if (FOLDER / one.name).exists():
            one.unlink()
        else:
            resource_tracker.unregister(one._name, "shared_memory")


@pytest.fixture
def known():
    made = Regions(allowed=True, most_bytes=1 << 20)
    yield made
    made.unregister()


def refused(call, *arguments):
    with pytest.raises(ZeroMindError) as caught:
        call(*arguments)
    return caught.value


def opened():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("slash", ["", "/"])
def test_bytes_come_from_and_go_to_the_clients_memory(known, memory, slash):
    mine = memory(100)
    known.register("r", slash + mine.name, 10, 50)
    assert known.read("r", 5, 3) == bytes([15, 16, 17])
    assert known.read("r", 50, 0) == b""
    known.write("r", 47, b"abc")
    known.write("r", 0, memoryview(bytearray(2)))
    assert (bytes(mine.buf[57:60]), mine.buf[60], bytes(mine.buf[9:13])) == (b"abc", 60, bytes([9, 0, 0, 12]))


def test_status_tells_what_is_registered(known, memory):
    mine = memory(100)
    assert known.status() == []
    known.register("a", f"/{mine.name}", 0, 100)
    known.register("b", mine.name, 96, 4)
    a, b = known.status()
    assert a == {"name": "a", "key": f"/{mine.name}", "offset": 0, "byte_size": 100}
    assert known.status("b") == [b] == [{"name": "b", "key": mine.name, "offset": 96, "byte_size": 4}]
    assert refused(known.status, "c").kind is K.REGION_NOT_FOUND


def test_what_is_unregistered_is_forgotten_but_not_unlinked(known, memory):
    mine = memory(10)
    before = opened()
    for name in "abc":
        known.register(name, mine.name, 0, 10)
    known.unregister("b")
    known.unregister("unknown")
    assert [entry["name"] for entry in known.status()] == ["a", "c"]
    known.unregister()
    known.unregister()
    assert (known.status(), opened()) == ([], before)
    assert (FOLDER / mine.name).exists()


def test_a_name_is_registered_once(known, memory):
    mine = memory(10)
    known.register("n", mine.name, 0, 10)
    error = refused(known.register, "n", mine.name, 0, 5)
    assert (error.kind, error.message) == (K.REGION_EXISTS, "shared memory region 'n' already in manager")
    assert known.status("n")[0]["byte_size"] == 10


@pytest.mark.parametrize(("offset", "size"), [(0, 101), (100, 1), (1, 100), (-1, 5), (0, 0), (0, -1), (1 << 70, 1), (0, 1 << 70)])
def test_what_the_memory_does_not_have_cannot_be_registered(known, memory, offset, size):
    mine = memory(100)
    os.truncate(FOLDER / mine.name, 100)
    before = opened()
    assert refused(known.register, "r", mine.name, offset, size).kind is K.REQUEST_ATTRIBUTE
    assert (known.status(), opened()) == ([], before)


@pytest.mark.parametrize(
    "key", ["", "/", ".", "..", "/..", "a/b", "//a", "../etc/passwd", "/../etc/passwd", "a\0b", "\udcff", "x" * 300, "none-such"]
)
def test_a_key_is_one_plain_name(known, key):
    before = opened()
    assert refused(known.register, "r", key, 0, 1).kind is K.REQUEST_ATTRIBUTE
    assert opened() == before


@pytest.mark.parametrize("slash", ["", "/"])
def test_keys_of_tritons_own_are_reserved(known, slash):
    assert "reserved prefix" in refused(known.register, "r", f"{slash}{RESERVED}1", 0, 1).message


def test_what_is_no_file_is_refused(known, tmp_path):
    path = FOLDER / f"zeromind-test-{uuid.uuid4().hex}"
    (tmp_path / "secret").write_bytes(b"secret")
    for make in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to(tmp_path / "secret")):
        make()
        try:
            assert refused(known.register, "r", path.name, 0, 1).kind is K.REQUEST_ATTRIBUTE
        finally:
            path.rmdir() if path.is_dir() else path.unlink()


def test_only_what_a_region_holds_is_read_and_written(known, memory):
    mine = memory(100)
    known.register("r", mine.name, 10, 50)
    for offset, size in ((0, 51), (50, 1), (-1, 1), (0, -1), (1 << 70, 1)):
        assert refused(known.read, "r", offset, size).kind is K.INVALID_INPUT
    for offset, data in ((0, bytes(51)), (50, b"x"), (-1, b"x"), (1 << 70, b"")):
        assert refused(known.write, "r", offset, data).kind is K.INVALID_INPUT
    assert refused(known.read, "none", 0, 1).message == "Unable to find shared memory region: 'none'"
    assert refused(known.write, "none", 0, b"").kind is K.INVALID_INPUT
    assert bytes(mine.buf)[:100] == bytes(range(100))


def test_memory_that_its_client_shrinks_is_a_fault_of_the_request_and_no_death_of_the_server(known, memory):
    mine = memory(3 << 16)
    known.register("r", mine.name, 0, 3 << 16)
    os.truncate(FOLDER / mine.name, 1 << 16)
    for call in (known.read, lambda name, at, size: known.write(name, at, bytes(size))):
        assert "shrunk" in refused(call, "r", 0, 3 << 16).message
        assert "shrunk" in refused(call, "r", 2 << 16, 1).message
    assert (FOLDER / mine.name).stat().st_size == 1 << 16
    assert known.read("r", 0, 1) == b"\0"


def test_memory_that_its_client_unlinks_stays_until_it_is_unregistered(known, memory):
    mine = memory(10)
    known.register("r", mine.name, 0, 10)
    mine.unlink()
    assert known.read("r", 9, 1) == b"\x09"


def test_one_read_is_bounded(known, memory):
    mine = memory(4096)
    os.truncate(FOLDER / mine.name, 1 << 40)  # it has no pages: it costs nothing but to be read
    known.register("r", mine.name, 0, 1 << 40)
    assert "more than" in refused(known.read, "r", 0, 1 << 40).message
    assert len(known.read("r", 1 << 39, 1 << 20)) == 1 << 20


def test_their_number_is_bounded(known, memory, monkeypatch):
    mine = memory(10)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 400), hard))
    try:
        for number in range(regions._most_regions()):
            known.register(str(number), mine.name, 0, 10)
        assert "no more" in refused(known.register, "one more", mine.name, 0, 10).message
        assert len(known.status()) == 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("name", ["", "x" * 2000])
def test_a_name_is_neither_empty_nor_endless(known, memory, name):
    assert refused(known.register, name, memory(1).name, 0, 1).kind is K.REQUEST_ATTRIBUTE


def test_a_pool_that_does_not_allow_it_takes_nothing(memory):
    closed = Regions(allowed=False, most_bytes=100)
    error = refused(closed.register, "r", memory(10).name, 0, 10)
    assert error.kind is K.NOT_SUPPORTED
    assert error.message.startswith("Client shared memory is disabled")
    closed.unregister()
    assert closed.status() == []
