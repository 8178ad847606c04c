"""Every kind of fault is one class, whichever wire tells it."""

import pickle

import pytest

from zeromind.client import faults
from zeromind.client.faults import TABLE, ClientError, ServerFailed
from zeromind.client.rest import Rest
from zeromind.client.rpc import Rpc
from zeromind.client.step import Reply
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.grpc.status import Fault
from zeromind.http import envelope, oip_status, terms

KINDS = list(ErrorKind)


def http(error, body, status, lines):
    fields = dict(line.split(": ", 1) for line in lines.decode().split("\r\n") if line)
    return Rest().fault(Reply(status(error), {name.lower(): value for name, value in fields.items()}, memoryview(body(error))))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_both_wires_and_both_dialects_tell_the_same(kind):
    error = ZeroMindError(kind, "what, which, and what to do", "x")
    told = Fault.of(error)
    found = [
        http(error, oip_status.body, oip_status.status, terms.fault_fields(error)),
        http(error, envelope.body, envelope.status, envelope.fields(error)),
        Rpc().fault(Reply(int(told.code), {"error-kind": told.kind}, memoryview(told.message.encode()))),
    ]
    assert [type(one) for one in found] == [TABLE[kind]] * 3
    assert {one.kind for one in found} == {kind}
    assert found[1].message == error.message
    assert {found[0].message, found[2].message} <= {error.message, "Request for unknown model: 'x' is not found"}
    assert [one.status for one in found] == [oip_status.status(error), envelope.status(error), told.code]


def test_every_kind_has_a_class_and_every_class_a_kind():
    assert TABLE.keys() == set(ErrorKind)
    assert set(TABLE.values()) == set(ClientError.__subclasses__())
    for cls in TABLE.values():
        assert cls.__doc__
        assert f"    {cls.__name__} " in faults.__doc__


@pytest.mark.parametrize("wire", [Rest(), Rpc()], ids=["http", "grpc"])
def test_what_names_no_kind_has_that_of_its_status(wire):
    statuses = {
        401: "UNAUTHENTICATED",
        404: "MODEL_NOT_FOUND",
        413: "BODY_TOO_LARGE",
        418: "INVALID_INPUT",
        307: "INTERNAL",
        502: "SHUTTING_DOWN",
        599: "INTERNAL",
    }
    codes = {16: "UNAUTHENTICATED", 5: "MODEL_NOT_FOUND", 14: "SHUTTING_DOWN", 2: "INTERNAL"}
    for status, name in (statuses if isinstance(wire, Rest) else codes).items():
        assert wire.fault(Reply(status, {}, memoryview(b"<html>"))).kind.name == name
        assert wire.fault(Reply(status, {"error-kind": "OF_A_LATER_SERVER"}, memoryview(b""))).kind.name == name
    assert wire.fault(Reply(200 if isinstance(wire, Rest) else 0, {}, memoryview(b""))) is None


def test_a_fault_can_go_to_another_process():
    error = ServerFailed(ErrorKind.INTERNAL, "text", 1, request_id="r", status=500)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.kind, again.message, again.params, again.request_id, again.status) == (
        ServerFailed,
        ErrorKind.INTERNAL,
        "text",
        (1,),
        "r",
        500,
    )
