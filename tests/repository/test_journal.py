"""What a pool remembers over a restart."""

import asyncio
import sqlite3

import pytest

from zeromind.errors import ConfigError, ErrorKind, ZeroMindError
from zeromind.repository.journal import Journal


@pytest.fixture
def reopen(tmp_path):
    journals = []

    def make():
        if journals:
            journals.pop().close()
        journals.append(Journal(tmp_path / "state"))
        return journals[0]

    yield make
    for journal in journals:
        journal.close()


A, B = {"id": "a", "model_file": "x"}, {"id": "b", "model_file": "ü", "n": [1.5, None]}


def test_a_new_journal_changes_nothing(reopen):
    assert reopen().restore((A, B)) == [(A, True), (B, True)]


def test_what_was_loaded_comes_back_and_is_not_the_operators(reopen):
    asyncio.run(reopen().loaded("b", B))
    assert reopen().restore((A,)) == [(A, True), (B, False)]


def test_what_was_dropped_stays_dropped_even_if_the_file_lists_it(reopen):
    async def life(journal):
        await journal.dropped("a")
        await journal.loaded("b", B)
        await journal.dropped("b")

    asyncio.run(life(reopen()))
    assert reopen().restore((A, B)) == []


def test_a_configured_id_that_was_loaded_anew_is_as_the_client_loaded_it(reopen):
    other = {"id": "a", "model_file": "y"}

    async def life(journal):
        await journal.dropped("a")
        await journal.loaded("a", other)

    asyncio.run(life(reopen()))
    assert reopen().restore((A,)) == [(other, False)]


def test_tasks_with_impossible_ids_are_left_to_be_told(reopen):
    odd = ({"id": ["a"]}, {"id": {}}, {}, {"id": 1.5}, {"id": None})
    asyncio.run(reopen().dropped("a"))
    assert reopen().restore(odd) == [(task, True) for task in odd]


def test_a_folder_that_cannot_be_used_names_its_key(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "pool.sqlite3").write_text("no database, and long enough to be read as a header of one " * 100)
    for folder in ("file", "state"):
        with pytest.raises(ConfigError) as caught:
            Journal(tmp_path / folder)
        assert caught.value.key == "state_dir"


def test_what_cannot_be_remembered_is_told(reopen, tmp_path):
    journal = reopen()
    with sqlite3.connect(tmp_path / "state" / "pool.sqlite3") as other:
        other.execute("DROP TABLE task")
    other.close()
    with pytest.raises(ZeroMindError) as caught:
        asyncio.run(journal.dropped("a"))
    assert caught.value.kind is ErrorKind.INTERNAL
    assert "state_dir" in caught.value.message
