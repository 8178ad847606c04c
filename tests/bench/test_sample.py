"""Requests that are made up."""

import base64
import io
import json

import numpy as np
import PIL.Image
import pytest

from zeromind import datatypes
from zeromind.bench.sample import picture, random_tensor, samples
from zeromind.bench.served import Served
from zeromind.tensors import TensorSpec

RNG = np.random.default_rng(0)


def spec(name="x", datatype="FP32", shape=(None, 3)):
    return TensorSpec(name, datatype, shape)


def made(served, protocol=None, rows=1):
    return list(samples(served, protocol, rows, np.random.default_rng(0)))


@pytest.mark.parametrize("datatype", datatypes.NUMPY_OF)
def test_a_tensor_of_each_type_fits_its_spec(datatype):
    one = spec(datatype=datatype, shape=(None, 2, None))
    array = random_tensor(one, 3, RNG)
    assert array.shape == (3, 2, 1)
    again = np.array(json.loads(json.dumps(array.tolist())))
    assert one.check(datatypes.as_bytes(again) if datatype == "BYTES" else again.astype(one.dtype)).shape == (3, 2, 1)


def test_tensors_go_over_the_open_inference_protocol():
    (sample,) = made(Served("m", (spec(), spec("y", "INT64", (2,)))), rows=2)
    assert (sample.path, sample.media) == ("/v2/models/m/infer", "application/json")
    x, y = json.loads(sample.body)["inputs"]
    assert (x["name"], x["datatype"], x["shape"], len(x["data"])) == ("x", "FP32", [2, 3], 6)
    assert (y["name"], y["datatype"], y["shape"], len(y["data"])) == ("y", "INT64", [2], 2)


def test_or_over_our_own_as_nested_lists():
    (sample,) = made(Served("m", (spec(),)), "0mind", rows=2)
    assert sample.path == "/model/predict?id=m"
    assert np.array(json.loads(sample.body)["x"]).shape == (2, 3)


def test_a_filtered_input_gets_a_picture_first_then_lists():
    served = Served("m", (spec(shape=(None, 8, 8, 1)),), frozenset({"x"}))
    file, encoded, lists = made(served)
    assert {sample.path for sample in (file, encoded, lists)} == {served.predict}
    assert file.media == "image/png"
    assert json.loads(encoded.body) == {"x": [{"image": base64.b64encode(file.body).decode()}]}
    assert np.array(json.loads(lists.body)["x"]).shape == (1, 8, 8, 1)


def test_in_the_open_inference_protocol_as_json_texts():
    encoded, lists = made(Served("m", (spec(), spec("k", "INT8", (None,))), frozenset({"x"})), "v2")
    x, k = json.loads(encoded.body)["inputs"]
    assert (x["datatype"], x["shape"], list(json.loads(x["data"][0]))) == ("BYTES", [1], ["image"])
    assert (k["datatype"], k["shape"]) == ("INT8", [1])
    x, _ = json.loads(lists.body)["inputs"]
    assert (x["datatype"], x["shape"], len(json.loads(x["data"][0]))) == ("BYTES", [1], 3)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((None, 28, 20, 1), (20, 28)), ((None, 3, 16, 16), (16, 16)), ((None, None, None, 3), (224, 224)), ((None, 784), (224, 224))],
)
def test_a_picture_is_a_png_of_the_inputs_size(shape, size):
    with PIL.Image.open(io.BytesIO(picture(spec(shape=shape), RNG))) as image:
        image.load()
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert sorted(image.size) == sorted(size)
