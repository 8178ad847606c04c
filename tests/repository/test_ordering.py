"""What a worker is told of its task."""

import pytest

from zeromind.config import pool
from zeromind.config.task import Task
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.repository.ordering import Surroundings, order_for
from zeromind.repository.plan import Plan
from zeromind.scratch import Scratch


@pytest.mark.parametrize("key", ["reads", "writes"])
def test_a_home_that_nobody_knows_is_refused_in_words(key, models):
    config, scratch = pool.read(None, {}, {"roots": [str(models)]}), Scratch()
    task = Task.parse({"id": "a", "model_file": "double.onnx", key: ["~nobody-of-this-name/x"]})
    with pytest.raises(ZeroMindError, match="whose home") as caught:
        order_for(task, Plan(task.source, trusted=True), config, Surroundings(scratch, config))
    assert (caught.value.kind, caught.value.params) == (ErrorKind.TASK_ATTRIBUTE, (key,))
    scratch.close()
