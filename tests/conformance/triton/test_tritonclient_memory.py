"""System shared memory with Triton's four clients: inputs lie there, outputs come there."""

import numpy as np
import pytest
from tritonclient.utils import serialize_byte_tensor, shared_memory, triton_to_np_dtype

ROWS = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
SIZE = ROWS.nbytes


@pytest.fixture
def region(triton):
    """A region of 4096 bytes, registered as ``mine``."""
    with triton.memory(4096) as handle:
        triton.register_system_shared_memory("mine", f"/{handle._shm_key}", 4096)
        yield handle


def rows(handle, count, offset):
    return shared_memory.get_contents_as_numpy(handle, np.float32, [count, 4], offset).copy()


def test_inputs_and_outputs_in_one_region(triton, region):
    shared_memory.set_shared_memory_region(region, [ROWS], offset=64)
    output = triton.wanted("y")
    output.set_shared_memory("mine", SIZE, 1024)
    result = triton.infer("double", [triton.region("x", [2, 4], "FP32", "mine", SIZE, 64)], outputs=[output])
    (entry,) = triton.response(result)["outputs"]
    assert (entry["name"], entry["datatype"], entry["shape"]) == ("y", "FP32", [2, 4])
    assert "data" not in entry
    assert rows(region, 2, 1024).tolist() == (2 * ROWS).tolist()
    assert rows(region, 2, 64).tolist() == ROWS.tolist()


def test_some_in_memory_and_some_not(triton, region):
    """Answers that travel keep their places beside those that do not."""
    outputs = [triton.wanted("scores"), triton.wanted("whole")]
    outputs[0].set_shared_memory("mine", 256, 512)
    result = triton.infer("scores", [triton.tensor("x", ROWS)], outputs=outputs)
    assert result.as_numpy("whole").tolist() == ROWS.tolist()
    assert rows(region, 2, 512).tolist() == ROWS.tolist()
    outputs[0].unset_shared_memory()
    assert triton.infer("scores", [triton.tensor("x", ROWS)], outputs=outputs).as_numpy("scores").tolist() == ROWS.tolist()
    shared_memory.set_shared_memory_region(region, [ROWS])
    given = triton.infer("scores", [triton.region("x", [2, 4], "FP32", "mine", SIZE)])
    assert given.as_numpy("scores").tolist() == ROWS.tolist()


def test_every_type(triton, region, every_type):
    inputs, outputs, place = [], [], 0
    for name, (datatype, array) in every_type.items():
        raw = serialize_byte_tensor(array) if datatype == "BYTES" else array
        size = len(raw.item()) if datatype == "BYTES" else array.nbytes
        shared_memory.set_shared_memory_region(region, [raw], offset=place)
        inputs.append(triton.region(name, list(array.shape), datatype, "mine", size, place))
        outputs.append(triton.wanted(f"{name}_out"))
        outputs[-1].set_shared_memory("mine", size, place + 2048)
        place += 64
    triton.infer("every_type", inputs, outputs=outputs)
    for place, (datatype, array) in enumerate(every_type.values()):
        kind = np.object_ if datatype == "BYTES" else triton_to_np_dtype(datatype)
        got = shared_memory.get_contents_as_numpy(region, kind, list(array.shape), 2048 + 64 * place)
        expected = [text.encode() for text in array.flat] if datatype == "BYTES" else array.flat
        assert list(got.flat) == list(expected)


def test_empty_tensors(triton, region):
    output = triton.wanted("y")
    output.set_shared_memory("mine", 64)
    result = triton.infer("double", [triton.region("x", [0, 4], "FP32", "mine", 0)], outputs=[output])
    assert triton.response(result)["outputs"][0]["shape"] == [0, 4]


def given(triton, region="mine", size=SIZE, offset=0):
    return [triton.region("x", [2, 4], "FP32", region, size, offset)]


def test_inputs_that_are_not_there(triton, region):
    for inputs, words in (
        (given(triton, region="other"), "'other'"),
        (given(triton, offset=4096), "'mine'"),
        (given(triton, size=16), "'x'"),
    ):
        assert words in triton.refused("INVALID_ARGUMENT", triton.infer, "double", inputs)


def test_outputs_that_have_no_place(triton, region):
    for where, words in ((("mine", 16), "'y'"), (("other", SIZE), "'other'"), (("mine", SIZE, 4090), "'mine'")):
        output = triton.wanted("y")
        output.set_shared_memory(*where)
        assert words in triton.refused("INVALID_ARGUMENT", triton.infer, "double", [triton.tensor("x", ROWS)], outputs=[output])


def test_what_is_no_region(triton, region):
    key = region._shm_key
    known = "shared memory region 'mine' already in manager"
    assert triton.refused("ALREADY_EXISTS", triton.register_system_shared_memory, "mine", key, 64) == known
    for name, size in (("none-such", 64), (key, 1 << 40)):
        assert triton.refused("INVALID_ARGUMENT", triton.register_system_shared_memory, "other", name, size)
    triton.unregister_system_shared_memory()
    assert triton.regions() == []
    assert "'mine'" in triton.refused("INVALID_ARGUMENT", triton.infer, "double", given(triton))


def test_the_clients_memory_outlives_its_registration(triton, region):
    triton.unregister_system_shared_memory("mine")
    shared_memory.set_shared_memory_region(region, [ROWS])
    triton.register_system_shared_memory("mine", region._shm_key, SIZE, offset=0)
    assert triton.infer("double", given(triton)).as_numpy("y").tolist() == (2 * ROWS).tolist()
