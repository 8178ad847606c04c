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
    (tmp_path / "state" / "pool.sqlite3").mkdir(parents=True)
    for folder in ("file", "state"):
        with pytest.raises(ConfigError) as caught:
            Journal(tmp_path / folder)
        assert caught.value.key == "state_dir"


def test_a_folder_is_one_journals_until_it_is_closed(reopen, tmp_path):
    journal = reopen()
    with pytest.raises(ConfigError, match="another pool that runs") as caught:
        Journal(tmp_path / "state")
    assert caught.value.key == "state_dir"
    assert reopen() is not journal


DAMAGES = {
    "no database": lambda whole: b"no database, and long enough to be read as a header of one " * 100,
    "cut off": lambda whole: whole[:4096],
    "overwritten": lambda whole: whole[:4096] + bytes(len(whole) - 4096),
    "a header": lambda whole: bytes(64) + whole[64:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_and_begun_anew(reopen, tmp_path, caplog, damage):
    asyncio.run(reopen().loaded("b", B))
    file = tmp_path / "state" / "pool.sqlite3"
    broken = DAMAGES[damage](file.read_bytes())
    for number in (1, 2):
        reopen().close()
        file.write_bytes(broken)
        caplog.clear()
        journal = reopen()
        assert "damaged" in caplog.text
        assert file.with_name(f"pool.sqlite3.damaged-{number}").read_bytes() == broken
        assert journal.restore((A,)) == [(A, True)]
        asyncio.run(journal.loaded("b", B))
        assert reopen().restore((A,)) == [(A, True), (B, False)]


@pytest.mark.parametrize("text", ["{", "[1]", "1", "{}", '{"id": "c", "model_file": "x"}', '"text"'])
def test_a_row_that_cannot_be_read_is_passed_over(reopen, tmp_path, caplog, text):
    journal = reopen()
    asyncio.run(journal.loaded("b", B))
    journal._database.execute("INSERT INTO task VALUES ('a', ?)", (text,))
    assert reopen().restore((A,)) == [(A, True), (B, False)]
    assert "model 'a' cannot be read" in caplog.text


def test_a_row_that_is_no_text_any_more_is_passed_over(reopen, caplog):
    journal = reopen()
    asyncio.run(journal.loaded("b", B))
    journal._database.execute("INSERT INTO task VALUES ('a', CAST(x'7b2269ff' AS TEXT)), (CAST(x'ff' AS TEXT), '{\"id\": \"c\"}')")
    assert reopen().restore((A,)) == [(A, True), (B, False)]
    assert "model 'a' cannot be read" in caplog.text


def test_what_an_earlier_version_wrote_is_read(tmp_path):
    (tmp_path / "state").mkdir()
    with sqlite3.connect(tmp_path / "state" / "pool.sqlite3", isolation_level=None) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("CREATE TABLE task (id TEXT PRIMARY KEY, source TEXT) STRICT")
        old.execute("INSERT INTO task VALUES ('a', NULL)")
    old.close()
    journal = Journal(tmp_path / "state")
    assert journal.restore((A, B)) == [(B, True)]
    journal.close()
    assert [file.name for file in (tmp_path / "state").glob("*-wal")] == []


def test_what_cannot_be_remembered_is_told(reopen, tmp_path):
    journal = reopen()
    with sqlite3.connect(tmp_path / "state" / "pool.sqlite3") as other:
        other.execute("DROP TABLE task")
        other.execute("CREATE VIEW task AS SELECT 'a' AS id, NULL AS source")
    other.close()
    with pytest.raises(ZeroMindError) as caught:
        asyncio.run(journal.dropped("a"))
    assert caught.value.kind is ErrorKind.STORAGE
    assert "state_dir" in caught.value.message
