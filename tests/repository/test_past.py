"""What is known of models that have gone: the last of each id, and not without end."""

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.diary import Diary
from zeromind.repository.past import Past


def test_the_last_model_of_an_id_counts():
    made, diary = Past(), Diary(lambda: 5.0)
    made.keep("a", {"id": "a", "model_file": "old"}, Diary())
    made.keep("a", {"id": "a", "model_file": "new"}, diary)
    assert (made.get("a").source["model_file"], made.get("a").since, made.get("a").diary) == ("new", 5.0, diary)
    assert made.get("b") is None


def test_a_failure_that_its_diary_tells_leaves_what_the_workers_said():
    made, diary, error = Past(), Diary(), ZeroMindError(ErrorKind.LOAD_FAILED, "it failed")
    diary.hear(1, ["last words"])
    diary.failed(error)
    made.keep("a", {}, diary)
    made.refused("a", {}, error)
    assert made.get("a").diary is diary
    made.refused("a", {}, ZeroMindError(ErrorKind.MODEL_FILE, "it is not there"))
    assert made.get("a").diary.fault.error.kind is ErrorKind.MODEL_FILE
    assert not made.get("a").diary.lines


def test_names_that_clients_invent_do_not_add_up():
    made = Past()
    for number in range(1000):
        made.keep(str(number), {}, Diary())
    assert made.get("0") is None
    assert made.get("999") is not None
    assert len(made._remains) == 256
