"""A call with many messages each way, between its connection and who answers it."""

from __future__ import annotations

from zeromind.grpc.call import Call
from zeromind.grpc.method import Conversation, Pieces, Talk
from zeromind.grpc.outlet import Outlet
from zeromind.grpc.site import Site
from zeromind.grpc.status import Code, Fault


class Stream:
    """Hands over messages as fast as they are answered; a client that is faster, or does not take the answers, has to wait.

    It is the conversation's Speaker.
    """

    def __init__(self, call: Call, talk: Talk, site: Site, outlet: Outlet) -> None:
        self._call = call
        self._site = site
        self._outlet = outlet
        self._leaving = self._told = self._hearing = False
        self._conversation: Conversation | None = talk(self, call.head)
        call.withdraw = self.withdraw

    # called by the connection

    def hear(self) -> None:
        """Hand over what has come, as far as it may be."""
        call, conversation, most = self._call, self._conversation, self._site.limits.message_bytes
        if conversation is None or self._hearing:
            return
        self._hearing = True  # an answer at once must not begin with the next message below itself
        try:
            while not self._full and not self._leaving:
                held = call.held
                message = call.message(most)
                if message is None:
                    break
                self._site.buffered -= held - call.held
                conversation.hear(message)
                if self._conversation is None:
                    return
            self._choke(self._full)
            if call.ended and not self._told and not call.choked and not self._leaving:
                self._told = True
                if call.held:
                    self.end(Fault(Code.INVALID_ARGUMENT, f"the call ended within a message, after {call.held} bytes"))
                else:
                    conversation.ended()
        except Exception as error:
            self.end(error)
        finally:
            self._hearing = False

    def eased(self) -> None:
        """The client has taken something."""
        if self._conversation is not None and not self.crowded:
            self._conversation.eased()
            self.hear()

    def leave(self) -> None:
        """The pool is stopping: what was heard is answered, then the call ends."""
        self._leaving = True
        if self._conversation is not None and not self._conversation.pending:
            self.end(Fault(Code.UNAVAILABLE, "the pool is shutting down: try another one"))

    def withdraw(self) -> None:
        """The call is over."""
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            conversation.withdraw()

    # called by the conversation

    def say(self, pieces: Pieces) -> None:
        """Send one message."""
        if self._conversation is not None:
            self._outlet.say(self._call, pieces)

    def ready(self) -> None:
        """One of the client's messages is done with."""
        if self._leaving:
            self.leave()
        elif self._call.held or self._call.choked:
            self.hear()

    def end(self, error: Exception | None = None) -> None:
        """Say no more."""
        if self._conversation is not None and not self._call.closing:
            self._leaving = True
            self._outlet.close(self._call, None if error is None else self._fault(error))

    def _fault(self, error: Exception) -> Fault:
        return self._site.service.fault(error, self._call.head.name, self._call.request_id)

    @property
    def crowded(self) -> bool:
        """Whether much of the answers waits for the client."""
        return self._call.unsent > self._site.limits.unsent_bytes

    @property
    def _full(self) -> bool:
        """Whether no more messages shall be worked on."""
        return self.crowded or (self._conversation is not None and self._conversation.pending >= self._site.limits.messages)

    def _choke(self, choked: bool) -> None:
        """Let the client send no more, or again."""
        self._call.choked = choked
        if not choked:
            self._outlet.admit(self._call)
