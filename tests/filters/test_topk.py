import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import special

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.filters.base import Files, build
from zeromind.filters.topk import TopKFilter
from zeromind.tensors import TensorSpec

SPEC = TensorSpec("logits", "FP32", (None, None))
SCORES = st.lists(st.floats(-1e6, 1e6, width=32) | st.integers(-3, 3).map(float), min_size=1, max_size=12)


def top(files=None, **settings):
    return build(TopKFilter, "topk.TopKFilter", settings, files or Files([]))


@hypothesis_settings(max_examples=100, deadline=None)
@given(SCORES, st.integers(1, 15))
def test_the_best_come_first_and_equal_ones_in_their_order(scores, k):
    got = top(k=k).apply(np.array(scores), SPEC)
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    assert got == [{"index": index, "score": scores[index]} for index in order[:k]]
    json.dumps(got)


@hypothesis_settings(max_examples=50, deadline=None)
@given(SCORES)
def test_softmax_gives_probabilities(scores):
    got = top(k=99, softmax=True).apply(np.array(scores), SPEC)
    assert sum(item["score"] for item in got) == pytest.approx(1)
    assert np.allclose([item["score"] for item in got], special.softmax(scores)[[item["index"] for item in got]])


def test_five_by_default_and_flat():
    assert [item["index"] for item in top().apply(np.arange(8).reshape(2, 4), SPEC)] == [7, 6, 5, 4, 3]
    assert top().apply(np.array([1, 3], np.uint8), SPEC)[0] == {"index": 1, "score": 3.0}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "cat\ndog\nbig\u2028bird\n"),
        ("labels.txt", "\ufeffcat\r\ndog\r\nbig\u2028bird"),
        ("labels.json", '["cat", "dog", "big\\u2028bird"]'),
    ],
)
def test_labels_come_from_a_file_that_is_read_once(tmp_path, name, text):
    (tmp_path / name).write_bytes(text.encode())
    best = top(Files([tmp_path]), k=2, labels=name)
    (tmp_path / name).unlink()
    assert best.apply(np.array([0.2, 0.1, 0.7]), SPEC) == [
        {"index": 2, "label": "big\u2028bird", "score": 0.7},
        {"index": 0, "label": "cat", "score": 0.2},
    ]


def test_labels_in_the_task():
    assert top(k=1, labels=["no", "yes"]).apply([0, 1], SPEC) == [{"index": 1, "label": "yes", "score": 1.0}]


def test_fewer_labels_than_classes_are_the_tasks_fault():
    with pytest.raises(ZeroMindError, match="'labels' names 2 classes of 3") as caught:
        top(labels=["a", "b"]).apply([1, 2, 3], SPEC)
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS


def test_unreachable_labels_are_a_file_error(tmp_path):
    with pytest.raises(ZeroMindError) as caught:
        top(Files([tmp_path]), labels="labels.txt")
    assert caught.value.kind is ErrorKind.FILTER_FILE


@pytest.mark.parametrize(
    ("name", "data"), [("a.txt", b"\xff"), ("a.json", b"{"), ("a.json", b"[1]"), ("a.json", b"[]"), ("a.json", b"[" * 100_000)]
)
def test_unreadable_labels_are_refused(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ZeroMindError, match="labels") as caught:
        top(Files([tmp_path]), labels=name)
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("settings", [{"k": 0}, {"k": "5"}, {"k": True}, {"labels": 3}, {"labels": [1]}, {"softmax": 1}, {"top": 3}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(ZeroMindError, match=next(iter(settings))) as caught:
        top(**settings)
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("value", [[1, np.nan], [1, np.inf], [-np.inf], ["a"], None, [[1], [1, 2]]])
def test_what_has_no_order_is_refused(value, softmax):
    with pytest.raises(ValueError, match="expected"):
        top(softmax=softmax).apply(value, SPEC)


def test_a_masked_class_has_probability_zero():
    assert top(softmax=True).apply([0, -np.inf], SPEC) == [{"index": 0, "score": 1.0}, {"index": 1, "score": 0.0}]
