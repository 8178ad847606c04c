"""The names of classes, listed or in a file."""

import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor.labels import labels_of
from zeromind.filters.base import Files
from zeromind.tensors import TensorSpec

OUTPUTS = (TensorSpec("y", "FP32", (None, 3), ("y_[0-9]+",)), TensorSpec("z", "FP32", (None,)))


@pytest.fixture
def files(tmp_path):
    (tmp_path / "labels.txt").write_bytes("\ufeffcat\r\ndög\n".encode())
    (tmp_path / "picture").write_bytes(b"\xff\xd8")
    return Files([tmp_path])


def test_labels_are_listed_or_stand_in_a_file(files):
    assert labels_of({"y_1": ["a", "b"], "z": "labels.txt"}, OUTPUTS, files) == {"y": ("a", "b"), "z": ("cat", "dög")}


@pytest.mark.parametrize(
    ("labels", "kind", "words"),
    [
        ({"x": []}, ErrorKind.TASK_ATTRIBUTE, "the model's outputs are 'y', 'z'"),
        ({"y": "absent.txt"}, ErrorKind.FILTER_FILE, "absent.txt"),
        ({"y": "picture"}, ErrorKind.TASK_ATTRIBUTE, "no UTF-8 text"),
    ],
)
def test_what_cannot_be_had_is_refused(files, labels, kind, words):
    with pytest.raises(ZeroMindError, match=words) as caught:
        labels_of(labels, OUTPUTS, files)
    assert caught.value.kind is kind
