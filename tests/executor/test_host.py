"""What the pool runs on, as far as the machine of the test can tell."""

import importlib.metadata
import time

import psutil

from zeromind.executor.host import Host
from zeromind.plugins import Plugins


def test_the_processors_are_as_busy_as_they_are():
    made = Host(Plugins())
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        pass
    busy = made.reading()
    assert 0 < busy.busy <= 1
    assert 0 < busy.used < busy.memory == psutil.virtual_memory().total
    assert 1 << 20 < busy.own_memory < busy.memory
    assert 0 <= made.reading().busy <= 1
    assert made.uptime_s >= 1


def test_adapters_are_told_with_the_versions_of_their_frameworks():
    told = Host(Plugins()).to_json()["adapters"]
    assert told["onnx"] == importlib.metadata.version("onnxruntime")
    assert told["python"] == ""
