"""The protocol's statuses."""

import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.http import envelope, oip_status


def test_every_kind_has_a_status():
    assert set(envelope.TABLE) == set(oip_status.TABLE) == set(ErrorKind)


def test_the_clients_faults_are_400_where_triton_has_no_better_word():
    assert set(oip_status.TABLE.values()) <= {400, 401, 403, 404, 405, 413, 415, 422, 500, 501, 503, 504, 507}


@pytest.mark.parametrize(
    ("params", "text"),
    [(("a",), "Request for unknown model: 'a' is not found"), (("a", "3"), "in other words")],
)
def test_an_unknown_model_is_told_in_the_words_that_clients_know(params, text):
    error = ZeroMindError(ErrorKind.MODEL_NOT_FOUND, "in other words", *params)
    assert oip_status.body(error) == b'{"error":"%b"}' % text.encode()
    assert oip_status.status(error) == 404
