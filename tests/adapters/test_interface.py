import numpy as np
import pytest

from zeromind.adapters import interface
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import ModelSpec, TensorSpec

OWN = (TensorSpec("x", "FP32", (None, None), ("x:0",)), TensorSpec("y", "BYTES", (None,)))


def test_the_task_gives_shapes_and_the_file_all_else():
    assert interface.declared(OWN, (), ErrorKind.INPUT_SPEC) == OWN
    given = (TensorSpec("x", "FP32", (None, 4)),)
    assert interface.declared(OWN, given, ErrorKind.INPUT_SPEC) == (TensorSpec("x", "FP32", (None, 4), ("x:0",)), OWN[1])


@pytest.mark.parametrize(
    ("given", "words"), [(TensorSpec("z", "FP32", (None,)), "it has 'x', 'y'"), (TensorSpec("y", "INT8", (None,)), "int8")]
)
def test_a_task_that_contradicts_the_file_is_refused(given, words):
    with pytest.raises(ZeroMindError, match=words) as caught:
        interface.declared(OWN, (given,), ErrorKind.OUTPUT_SPEC)
    assert caught.value.kind is ErrorKind.OUTPUT_SPEC


def test_no_rows_are_answered_where_the_sizes_are_known():
    outputs = (TensorSpec("y", "INT8", (None, 3)), TensorSpec("z", "BYTES", (None,)))
    answer = interface.nothing(ModelSpec((), outputs, batches=True))
    assert {name: (array.shape, array.dtype) for name, array in answer.items()} == {"y": ((0, 3), np.int8), "z": ((0,), np.dtype(object))}
    assert interface.nothing(ModelSpec((), OWN, batches=True)) is None
