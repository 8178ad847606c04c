"""Memory shared with a worker: nameless, given back, gone with whoever held it."""

import mmap
import os
from pathlib import Path

import numpy as np
import psutil
import pytest

from zeromind.executor.arena import ALIGNMENT, KEPT_BYTES, SLOT_BYTES, SLOTS, Arena, aligned

SHM = Path("/dev/shm")
PAGE = mmap.PAGESIZE


def held(arena):
    """How much memory it takes, in bytes."""
    return os.fstat(arena.descriptor).st_blocks * 512


@pytest.fixture(params=["memfd", "file"])
def arena(request, monkeypatch):
    """One of memory without a name, one where the system has no such thing."""
    if request.param == "file":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("this system has none")
    before = sorted(SHM.iterdir()) if SHM.is_dir() else []
    made = Arena.create()
    assert (sorted(SHM.iterdir()) if SHM.is_dir() else []) == before, "it has a name"
    yield made
    made.close()


def test_it_has_its_slots_and_takes_no_memory_before_it_is_used(arena):
    assert [len(slot) for slot in arena.slots] == [SLOT_BYTES] * SLOTS
    assert held(arena) < 1 << 20
    assert bytes(arena.slots[1][-4:]) == bytes(4)


def test_another_mapping_sees_what_is_written(arena):
    other = Arena(os.dup(arena.descriptor))
    arena.slots[1][5:8] = b"abc"
    assert bytes(other.slots[1][5:8]) == b"abc"
    assert bytes(other.slots[0][5:8]) == bytes(3)
    other.close()


def test_what_was_used_beyond_what_is_kept_goes_back(arena):
    used = KEPT_BYTES + 3 * PAGE + 5
    for slot in arena.slots:
        slot[:used] = b"x" * used
    arena.give_back(0, used)
    assert held(arena) <= KEPT_BYTES + used + 4 * PAGE
    assert bytes(arena.slots[0][KEPT_BYTES - 1 : KEPT_BYTES + 1]) == b"x\0"
    assert bytes(arena.slots[1][used - 1 : used + 1]) == b"x\0", "the other slot keeps its own"
    arena.give_back(1, SLOT_BYTES)
    assert held(arena) <= 2 * KEPT_BYTES + PAGE


def test_what_is_small_stays(arena):
    arena.slots[0][:5] = b"hello"
    arena.give_back(0, 5)
    arena.give_back(0, KEPT_BYTES)
    assert bytes(arena.slots[0][:5]) == b"hello"


def test_it_is_closed_once_and_for_all(arena):
    descriptor = arena.descriptor
    arena.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    reused = os.dup(1)  # a number that somebody else has by then
    arena.close()
    os.fstat(reused)
    os.close(reused)
    assert arena._map.closed


def test_an_array_that_still_looks_at_it_stays_whole(arena):
    arena.slots[1][:4] = b"\0\0\x80\x3f"
    array = np.frombuffer(arena.slots[1], np.float32, 1)
    arena.close()
    assert array.tolist() == [1.0]


def test_no_memory_leaves_nothing_open(monkeypatch):
    def refuse(*_):
        raise OSError(12, "no room")

    monkeypatch.setattr(os, "truncate", refuse)
    before = psutil.Process().num_fds()
    with pytest.raises(OSError, match="no room"):
        Arena.create()
    assert psutil.Process().num_fds() == before


def test_offsets_are_aligned_for_any_dtype():
    assert [aligned(offset) for offset in (0, 1, 63, 64, 65)] == [0, 64, 64, 64, 128]
    assert all(ALIGNMENT % np.dtype(kind).itemsize == 0 for kind in (np.float64, np.complex128))


@pytest.mark.proves("T9")
def test_t9_it_has_no_name_by_which_another_could_open_it(arena):
    place = Path(f"/proc/self/fd/{arena.descriptor}").readlink()
    assert str(place).endswith(" (deleted)")
    assert not place.exists()
    assert not [path for path in Path("/dev/shm").iterdir() if "zeromind" in path.name]


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system cannot seal memory")
@pytest.mark.proves("T5")
def test_t5_who_inherits_it_can_neither_cut_it_off_nor_let_it_grow():
    made = Arena.create()
    for size in (0, PAGE, 1 << 40):
        with pytest.raises(PermissionError):
            os.ftruncate(made.descriptor, size)
    assert made.beats() == 0  # a page that was cut off would have ended this process
    made.close()
