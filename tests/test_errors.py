import copy
import pickle

import pytest

from zeromind.errors import ConfigError, ErrorKind, ZeroMindError


def test_every_kind_is_a_kind_of_its_own():
    assert len(ErrorKind) == len(ErrorKind.__members__), "two kinds with the same words are one to enum"


@pytest.mark.parametrize("kind", ErrorKind)
def test_kinds_read_as_sentences_of_no_wire(kind):
    assert kind.value
    assert not kind.value.endswith(".")
    assert not {"http", "grpc", "json", "status", "code:"} & set(kind.value.lower().split())


def test_an_error_shows_its_message_and_keeps_kind_and_parameters():
    error = ZeroMindError(ErrorKind.MODEL_NOT_FOUND, "model 'a' is not loaded: load it first", "a", 3)
    assert str(error) == error.message == "model 'a' is not loaded: load it first"
    assert error.kind is ErrorKind.MODEL_NOT_FOUND
    assert error.params == ("a", 3)


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_survives_being_copied(again):
    error = again(ZeroMindError(ErrorKind.BUSY, "all workers are busy: try again", 106, "m"))
    assert (error.kind, error.message, error.params) == (ErrorKind.BUSY, "all workers are busy: try again", (106, "m"))


def test_a_config_error_names_the_key_where_there_is_one():
    assert str(ConfigError("port", "must be a number, not 'x'")) == "port: must be a number, not 'x'"
    assert ConfigError("port", "must be a number").key == "port"
    assert str(ConfigError("", "the file is empty")) == "the file is empty"
