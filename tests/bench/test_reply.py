"""A question before a load: what is sent, and what comes back."""

from zeromind.bench.reply import Reply
from zeromind.client.address import Address


def test_it_has_status_and_body_and_the_fields_are_sent(scripted):
    with scripted(lambda _: b"HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nno!") as server:
        reply = Reply.to(Address("127.0.0.1", server.port, prefix="/a"), "/b?c", {"X-Key": "secret"}, 20, b"body")
    assert (reply.status, reply.body) == (404, b"no!")
    (request,) = server.requests
    assert request.startswith(b"POST /a/b?c HTTP/1.1\r\n")
    assert b"X-Key: secret\r\n" in request
    assert request.endswith(b"\r\n\r\nbody")
