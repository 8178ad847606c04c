"""Temporary folders of servers that end as they should, of others that were killed, and of those that still run."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zeromind import claim, scratch
from zeromind.scratch import Scratch

HOLDER = """
import sys, time
from zeromind.scratch import Scratch
made = Scratch()
print(made.folder("sent-"), flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def tmp(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_folders_are_private_and_go_at_the_end(tmp):
    made = Scratch()
    assert list(tmp.iterdir()) == []
    folders = [made.folder("a-"), made.folder()]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700] * 2
    (folders[0] / "file").write_text("x")
    assert scratch.sweep() == []
    made.close()
    assert list(tmp.iterdir()) == []
    assert made.folder().is_dir()
    made.close()
    made.close()


def test_a_folder_that_cannot_be_locked_at_present_is_not_used(tmp, monkeypatch):
    def exhausted(folder):
        raise OSError(errno.EMFILE, "Too many open files")

    made = Scratch()
    with monkeypatch.context() as patched:
        patched.setattr(claim, "hold", exhausted)
        with pytest.raises(OSError, match="Too many"):
            made.folder()
    assert list(tmp.iterdir()) == []
    made.folder()
    assert scratch.sweep() == []
    made.close()


def test_where_there_are_no_locks_there_is_one_folder(tmp, monkeypatch):
    def absent(folder):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(claim, "hold", absent)
    made = Scratch()
    made.folder()
    assert len(list(tmp.iterdir())) == 1
    assert scratch.sweep() == []
    made.close()
    assert list(tmp.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp):
    (tmp / "zeromind-pool-file").write_text("no folder")
    (tmp / "zeromind-other").mkdir()
    (tmp / "elsewhere").mkdir()
    (tmp / "zeromind-pool-link").symlink_to(tmp / "elsewhere")
    own = Scratch()
    mine = own.folder()
    environment = {**os.environ, "TMPDIR": str(tmp)}
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, env=environment, text=True) as holder:
        theirs = Path(holder.stdout.readline().strip())
        assert scratch.sweep() == []
        holder.kill()
    assert theirs.is_dir()
    assert scratch.sweep() == [theirs.parent]
    assert mine.is_dir()
    own.close()
    assert sorted(path.name for path in tmp.iterdir()) == ["elsewhere", "zeromind-other", "zeromind-pool-file", "zeromind-pool-link"]


@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="such folders cannot be made here")
@pytest.mark.proves("T5")
def test_t5_folders_in_folders_without_end_are_removed_too(tmp):
    (tmp / "elsewhere").mkdir()
    (tmp / "elsewhere" / "kept").write_text("x")
    made = Scratch()
    for name in ("a", "b" * 200):
        at = os.open(made.folder(), os.O_RDONLY)
        for _ in range(1500):
            os.mkdir(name, dir_fd=at)
            os.symlink(tmp / "elsewhere", "link", dir_fd=at)
            inner = os.open(name, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = inner
        os.close(at)
    made.close()
    assert [path.name for path in tmp.iterdir()] == ["elsewhere"]
    assert (tmp / "elsewhere" / "kept").read_text() == "x"
