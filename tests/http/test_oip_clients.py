"""Triton's own Python client over HTTP, in its plain form and in that of asyncio: tensors of every kind, in every way that it has."""

import asyncio

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

KINDS = '''
"""Gives back what it gets."""


class Skill:
    inputs = {
        "half": ("float16", [None]), "brain": ("bfloat16", [None]), "flag": ("bool", [None]), "text": ("string", [None]),
        "long": ("uint64", [None]), "wide": ("float64", [None, 2]),
    }
    outputs = {f"{name}_out": entry for name, entry in inputs.items()}

    def predict(self, **values):
        return {f"{name}_out": value for name, value in values.items()}
'''
ARRAYS = {
    "half": ("FP16", np.array([0.5, 65504], np.float16)),
    "brain": ("BF16", np.array([1.5, -3e38], ml_dtypes.bfloat16)),
    "flag": ("BOOL", np.array([True, False])),
    "text": ("BYTES", np.array(["é", "\0"], np.object_)),
    "long": ("UINT64", np.array([0, (1 << 64) - 1], np.uint64)),
    "wide": ("FP64", np.array([[1e300, -0.0], [2, 3]])),
}
ROWS = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture(scope="module")
def pool(thread_server, models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("echo")
    (folder / "echo.py").write_text(KINDS)
    tasks = [{"id": "double", "model_file": "double.onnx"}, {"id": "echo", "model_file": str(folder / "echo.py"), "allow_code": True}]
    with thread_server(tasks=tasks, roots=[str(models), str(folder)]) as server:
        yield server


@pytest.fixture
def client(pool):
    with triton.InferenceServerClient(pool.address) as made:
        yield made


def inputs_of(arrays, binary=True):
    made = []
    for name, (datatype, array) in arrays.items():
        made.append(triton.InferInput(name, list(array.shape), datatype))
        made[-1].set_data_from_numpy(array, binary_data=binary)
    return made


def checked(result, arrays=None):
    for name, (_, wanted) in (arrays or ARRAYS).items():
        array, found = wanted, result.as_numpy(f"{name}_out")
        if name == "text":  # the client gives text from JSON, else bytes
            found, array = ([text if isinstance(text, str) else text.decode() for text in texts] for texts in (found, array))
        np.testing.assert_array_equal(found, array)


def test_every_kind_of_tensor_as_bytes(client):
    checked(client.infer("echo", inputs_of(ARRAYS)))
    outputs = [triton.InferRequestedOutput(f"{name}_out", binary_data=True) for name in reversed(ARRAYS)]
    result = client.infer("echo", inputs_of(ARRAYS), outputs=outputs, request_id="7", model_version="1")
    checked(result)
    assert result.get_response()["id"] == "7"


def test_json_where_the_client_has_it(client):
    arrays = {name: entry for name, entry in ARRAYS.items() if name not in ("half", "brain")}
    made = inputs_of(arrays, binary=False) + inputs_of({name: ARRAYS[name] for name in ("half", "brain")})
    for binary in (False, True):
        outputs = [triton.InferRequestedOutput(f"{name}_out", binary_data=binary) for name in arrays]
        checked(client.infer("echo", made, outputs=outputs), arrays)


@pytest.mark.parametrize("request_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_coding", [None, "gzip", "deflate"])
def test_compression(client, request_coding, response_coding):
    codings = {"request_compression_algorithm": request_coding, "response_compression_algorithm": response_coding}
    for _ in range(2):
        checked(client.infer("echo", inputs_of(ARRAYS), **codings))


def test_no_rows(client):
    for binary in (True, False):
        made = inputs_of({"x": ("FP32", np.empty((0, 4), np.float32))}, binary)
        outputs = [triton.InferRequestedOutput("y", binary_data=binary)]
        assert client.infer("double", made, outputs=outputs).as_numpy("y").size == 0


def test_classes_and_parameters(client):
    outputs = [triton.InferRequestedOutput("y", class_count=2)]
    fields = {"priority": 1, "timeout": 10_000_000, "sequence_id": 5, "sequence_start": True, "parameters": {"mine": "x"}}
    found = client.infer("double", inputs_of({"x": ("FP32", ROWS)}), outputs=outputs, **fields).as_numpy("y")
    assert found.tolist() == [[b"6.000000:3", b"4.000000:2"], [b"14.000000:3", b"12.000000:2"]]


def test_many_at_a_time(client):
    running = [client.async_infer("double", inputs_of({"x": ("FP32", ROWS + at)}), request_id=str(at)) for at in range(5)]
    for at, request in enumerate(running):
        result = request.get_result()
        np.testing.assert_array_equal(result.as_numpy("y"), 2 * (ROWS + at))
        assert result.get_response()["id"] == str(at)


@pytest.mark.parametrize(
    ("model", "arrays", "words"),
    [
        ("none", {"x": ("FP32", ROWS)}, "Request for unknown model: 'none' is not found"),
        ("double", {"x": ("FP32", ROWS.T)}, "has shape"),
        ("double", {"z": ("FP32", ROWS)}, "no input 'z'"),
        ("double", {"x": ("FP64", ROWS.astype(np.float64))}, "the model takes FP32"),
    ],
)
def test_faults(client, model, arrays, words):
    with pytest.raises(InferenceServerException, match=words):
        client.infer(model, inputs_of(arrays))


def test_with_asyncio(pool):
    async def ask():
        async with triton_aio.InferenceServerClient(pool.address) as client:
            checked(await client.infer("echo", inputs_of(ARRAYS)))
            checked(await client.infer("echo", inputs_of(ARRAYS), response_compression_algorithm="gzip"))

    asyncio.run(ask())
