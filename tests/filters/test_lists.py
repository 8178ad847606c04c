import json

import numpy as np
import pytest

from zeromind.filters.lists import ListsFilter
from zeromind.tensors import TensorSpec

SPEC = TensorSpec("y", "FP32", (None, 2))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.arange(4.0).reshape(2, 2), [[0.0, 1.0], [2.0, 3.0]]),
        (np.array([1, 2], np.uint8), [1, 2]),
        (np.array([True, False]), [True, False]),
        (np.float32(0.5), 0.5),
        (np.array(3), 3),
        (np.array([b"caf\xc3\xa9", "th\u00e9"], object), ["caf\u00e9", "th\u00e9"]),
        (np.zeros((0, 2)), []),
        ([1, {"a": 2}], [1, {"a": 2}]),
    ],
)
def test_arrays_become_what_json_shows(value, wanted):
    got = ListsFilter().apply(value, SPEC)
    assert got == wanted
    assert json.loads(json.dumps(got)) == wanted


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(ValueError, match="utf-8"):
        ListsFilter().apply(np.array([b"\xff"], object), SPEC)
