"""What a load by name comes to, and whose task it is then."""

import json

import pytest

from zeromind.config.options import TASK
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.repository.plan import HARMLESS, WORDS, Base, Plan, again, changed

OWN = {"id": "m", "model_file": "m.py", "allow_code": True, "max_batch_size": 8}
OPERATORS, CLIENTS = Base(OWN, trusted=True), Base({"id": "m", "model_file": "m.onnx"}, trusted=False)


def test_the_known_task_is_as_it_is_and_the_operators_stays_so():
    assert again(OPERATORS) == Plan(OWN, trusted=True, remember=True, note={})
    assert again(CLIENTS) == Plan(CLIENTS.source, trusted=False, remember=True, note=CLIENTS.source)


def test_harmless_changes_leave_a_task_the_operators():
    plan = changed("m", OPERATORS, OWN, {"max_batch_size": 4, "timeout_s": 1}, None)
    assert plan == Plan({**OWN, "max_batch_size": 4, "timeout_s": 1}, True, True, {"max_batch_size": 4, "timeout_s": 1})
    assert changed("m", OPERATORS, OWN, {"model_file": "m.py"}, None).trusted
    back = changed("m", Base(plan.source, trusted=True), OWN, {"max_batch_size": 8}, None)
    assert back.note == {"timeout_s": 1}


@pytest.mark.parametrize("key", sorted({option.key for option in TASK} - HARMLESS - {"id", "isolation", *WORDS} | {"load_s"}))
def test_any_other_change_makes_it_the_clients_and_takes_the_word_for_code_from_it(key):
    plan = changed("m", OPERATORS, OWN, {key: "other"}, None)
    assert not plan.trusted
    assert "allow_code" not in plan.source
    assert plan.note == plan.source == {"id": "m", "model_file": "m.py", "max_batch_size": 8, key: "other"}


@pytest.mark.parametrize("base", [OPERATORS, CLIENTS, None])
@pytest.mark.parametrize("word", [True, False, None])
def test_no_client_speaks_the_operators_word(base, word):
    for config in (
        {"model_file": "x", "allow_code": word},
        {"backend": "python", "parameters": {"model_file": {"string_value": "x"}, "allow_code": {"string_value": json.dumps(word)}}},
    ):
        with pytest.raises(ZeroMindError) as caught:
            changed("m", base, None, config, None)
        assert (caught.value.kind, caught.value.params) == (ErrorKind.TASK_ATTRIBUTE, ("allow_code",))


@pytest.mark.proves("T1", "T5")
@pytest.mark.parametrize("base", [OPERATORS, CLIENTS, None])
@pytest.mark.parametrize(
    "said", [{"network": "open"}, {"reads": ["/"]}, {"writes": ["/"]}, {"memory_limit_bytes": 0}, {"isolation": "thread"}]
)
def test_t5_no_client_loosens_what_confines_its_model(base, said):
    with pytest.raises(ZeroMindError) as caught:
        changed("m", base, None, {"model_file": "x", **said}, None)
    assert (caught.value.kind, caught.value.params) == (ErrorKind.TASK_ATTRIBUTE, tuple(said))


def test_a_task_that_becomes_a_clients_runs_in_a_process_of_its_own():
    base = Base({**OWN, "isolation": "thread", "network": "open", "reads": ["/"]}, trusted=True)
    plan = changed("m", base, None, {"model_file": "other"}, None)
    assert plan.source == {"id": "m", "model_file": "other", "max_batch_size": 8}
    assert changed("m", base, None, {"instances": 2}, None).source["isolation"] == "thread"


WRONG = ["", "{", "[]", '"x"', "null", '{"id": "n"}', '{"name": "n", "max_batch_size": 1}', '{"a": 1, "a": 2}', "[" * 100_000]


@pytest.mark.parametrize("config", [*WRONG, '{"parameters": {"id": {"string_value": "n"}}}'])
def test_a_configuration_that_cannot_be_is_refused(config):
    with pytest.raises(ZeroMindError) as caught:
        changed("m", OPERATORS, OWN, config, None)
    assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE


def test_text_and_mappings_in_both_forms_mean_the_same():
    wanted = changed("m", CLIENTS, None, {"max_batch_size": 4, "instances": 2}, None)
    triton = {"name": "m", "max_batch_size": 4, "instance_group": [{"count": 2}]}
    for config in (triton, json.dumps(triton), '{"id": "m", "max_batch_size": 4, "instances": 2}'):
        assert changed("m", CLIENTS, None, config, None) == wanted


def test_a_name_that_nothing_is_known_of_needs_a_file():
    assert changed("m", None, None, {"model_file": "x"}, None).source == {"id": "m", "model_file": "x"}
    with pytest.raises(ZeroMindError) as caught:
        changed("m", None, None, {"backend": "onnx"}, None)
    assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND
