"""What a worker says reaches the log, whole lines of it, and not without end."""

import asyncio
import logging
import os
import time

import pytest

from zeromind.executor.words import KEPT_LINES, Words


def said(caplog, *parts, clock=time.monotonic):
    """What the log holds after these were written, and what is kept."""
    caplog.set_level(logging.INFO, "zeromind")

    async def main():
        heard, mouth = os.pipe()
        made = Words("m", heard, clock)
        for part in parts:
            os.write(mouth, part)
            await asyncio.sleep(0.01)
        os.close(mouth)
        await asyncio.sleep(0.01)
        made.close()
        made.close()
        return list(made.last)

    kept = asyncio.run(main())
    return [record.getMessage() for record in caplog.records if record.name == "zeromind.executor.words"], kept


def test_lines_are_put_together(caplog):
    lines, kept = said(caplog, b"one\ntw", b"o\n\n", "thr\u00e9e".encode(), b"\xff")
    assert lines == ["m: one", "m: two", "m: thr\u00e9e\ufffd"]
    assert kept == ["one", "two", "thr\u00e9e\ufffd"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"\x1b[31mred\x1b[0m\tis \x1b[1;4mred", "red\tis red"),
        (b"10 %\r20 %\r\n", "20 %"),
        (b"said 'x\r2026-01-01 00:00:00 ERROR all is lost", "2026-01-01 00:00:00 ERROR all is lost"),
        (b"a\x1b[2Jb\x00c\x08d", "a\\x1b[2Jb\\x00c\\x08d"),
        ("one\u2028two\u202ethree\x85".encode(), "one\\x2028two\\x202ethree"),
    ],
)
def test_what_moves_a_terminals_cursor_is_no_part_of_a_line(caplog, written, told):
    assert said(caplog, written + b"\n") == ([f"m: {told}"], [told])


def test_the_last_lines_are_kept(caplog):
    assert said(caplog, b"".join(b"%d\n" % number for number in range(50)))[1] == [str(number) for number in range(50 - KEPT_LINES, 50)]


@pytest.mark.proves("T26")
def test_t26_a_model_that_prints_at_every_request_does_not_fill_the_log(caplog):
    seconds = iter([100.0, 100.0, 101.0])
    lines, _ = said(caplog, *[b"x\n" * 500] * 2, b"y\n", clock=lambda: next(seconds))
    assert len(lines) == 102
    assert lines[100:] == ["m: 900 more lines were left out", "m: y"]


def test_endless_lines_are_cut(caplog):
    lines, kept = said(caplog, b"x" * 60_000, b"x" * 10_000 + b"\nend\n")
    assert lines[-1] == "m: end"
    assert max(map(len, kept)) <= 4096
    assert sum(line.count("x") for line in lines) == 70_000


def test_whoever_writes_on_and_on_is_not_listened_to_for_ever():
    async def main():
        heard, mouth = os.pipe()
        os.set_blocking(mouth, False)
        made = Words("m", heard)
        read = made._readable

        def endless():
            os.write(mouth, b"x\n" * 1000)
            return read()

        made._readable = endless
        made.close()
        assert list(made.last) == ["x"] * KEPT_LINES
        os.close(mouth)

    asyncio.run(main())
