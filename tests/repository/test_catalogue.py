"""What can be loaded by its name."""

from zeromind.repository.catalogue import Catalogue

A, B = {"id": "a", "model_file": "x"}, {"id": "b", "model_file": "y"}


def test_configured_tasks_stay_known_and_the_first_of_an_id_counts():
    known = Catalogue([A, {**A, "model_file": "z"}, {"id": 5}, {}])
    assert (list(known), known.configured("a"), known.configured("b")) == (["a"], A, None)
    known.keep("a", B)
    assert list(known) == ["a"]


def test_clients_tasks_are_kept_while_they_are_dropped():
    known = Catalogue([A])
    known.keep("b", B)
    assert ("b" in known, known.dropped("b"), list(known)) == (True, B, ["a", "b"])
    known.forget("b")
    known.forget("b")
    assert ("b" in known, known.dropped("b")) == (False, None)


def test_names_that_clients_invent_without_end_are_forgotten():
    known = Catalogue([A])
    for number in range(1000):
        known.keep(str(number), B)
    assert len(list(known)) == 257
    assert "999" in known
    assert "0" not in known
    assert "a" in known
