"""An event loop without waiting: its time is a number, and jumps to the next timer when nothing else is to do."""

import asyncio
import selectors

import pytest


class _Selector(selectors.SelectSelector):
    loop = None

    def select(self, timeout=None):
        assert timeout is not None, "nothing is left that could happen"
        self.loop.now += max(timeout, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.now = 1000.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self.complaints = []
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def time(self):
        return self.now

    def pass_time(self, seconds=0.0):
        self.run_until_complete(asyncio.sleep(seconds))

    def close(self):
        super().close()
        assert self.complaints == []


@pytest.fixture(scope="session")
def virtual_loop():
    """The class."""
    return VirtualLoop


@pytest.fixture
def loop():
    made = VirtualLoop()
    yield made
    made.close()
