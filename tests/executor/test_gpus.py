"""Memory of GPUs: nothing where there are none, what a process holds where there are."""

import os

import pytest

from conformance.cases.case import has_gpu
from zeromind.executor import gpus


def test_a_process_that_holds_none():
    assert gpus.held({0}) == {}


def test_what_this_process_holds():
    torch = pytest.importorskip("torch")
    if not has_gpu() or not torch.cuda.is_available():
        pytest.skip("no GPU here")
    kept = torch.zeros(64 << 20, dtype=torch.uint8, device="cuda:0")
    assert gpus.held({os.getpid()})[0] >= kept.nbytes
