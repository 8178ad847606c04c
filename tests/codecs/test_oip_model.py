"""What the protocol says of a model."""

import json

import pytest

from zeromind.codecs import oip_config, oip_model
from zeromind.config.task import Task
from zeromind.datatypes import NUMPY_OF
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Interface, ModelSpec, TensorSpec

PICTURE = TensorSpec("picture", "FP32", (None, 28, 28, 1))
TEXT = TensorSpec("text", "BYTES", (None, None))
SCORES = TensorSpec("scores", "FP16", (None, 10))


def interface(batches=True, inputs=(PICTURE, TEXT), outputs=(SCORES,), **more):
    return Interface(ModelSpec(inputs, outputs, batches), "keras", **more)


def task(**keys):
    return Task.parse({"id": "m", "model_file": "m.keras", **keys})


def test_metadata_names_tensors_types_and_shapes():
    assert oip_model.metadata("m", interface()) == {
        "name": "m",
        "versions": ["1"],
        "platform": "keras",
        "inputs": [
            {"name": "picture", "datatype": "FP32", "shape": [-1, 28, 28, 1]},
            {"name": "text", "datatype": "BYTES", "shape": [-1, -1]},
        ],
        "outputs": [{"name": "scores", "datatype": "FP16", "shape": [-1, 10]}],
    }


def test_a_tensor_with_filters_is_bytes_unless_the_bare_model_is_asked_for():
    filtered = interface(filtered_inputs=frozenset({"picture"}), filtered_outputs=frozenset({"scores"}))
    described = oip_model.metadata("m", filtered)
    assert described["inputs"][0] == {"name": "picture", "datatype": "BYTES", "shape": [-1]}
    assert described["inputs"][1]["shape"] == [-1, -1]
    assert described["outputs"] == [{"name": "scores", "datatype": "BYTES", "shape": [-1]}]
    assert oip_model.metadata("m", filtered.bare) == oip_model.metadata("m", interface())


def test_what_batches_has_an_open_first_dimension_whatever_its_file_says():
    fixed = interface(inputs=(TensorSpec("x", "FP32", (1, 4)),))
    assert oip_model.metadata("m", fixed)["inputs"][0]["shape"] == [-1, 4]
    single = interface(batches=False, inputs=(TensorSpec("x", "FP32", (1, 4)), TensorSpec("n", "INT64", ())))
    assert [entry["shape"] for entry in oip_model.metadata("m", single)["inputs"]] == [[1, 4], []]


def test_the_configuration_of_a_model_that_batches():
    config = oip_model.config(task(max_batch_size=8, max_queue_delay_us=250.5, instances=2), interface())
    assert (config["name"], config["platform"], config["backend"], config["max_batch_size"]) == ("m", "keras", "keras", 8)
    assert [(entry["name"], entry["data_type"], entry["dims"]) for entry in config["input"]] == [
        ("picture", "TYPE_FP32", [28, 28, 1]),
        ("text", "TYPE_STRING", [-1]),
    ]
    assert [(entry["name"], entry["data_type"], entry["dims"]) for entry in config["output"]] == [("scores", "TYPE_FP16", [10])]
    assert config["dynamic_batching"]["max_queue_delay_microseconds"] == 250
    assert (config["instance_group"][0]["count"], config["instance_group"][0]["kind"]) == (2, "KIND_AUTO")
    assert config["version_policy"] == {"latest": {"num_versions": 1}}
    assert not config.keys() & {"model_transaction_policy", "sequence_batching", "response_cache", "ensemble_scheduling"}


def test_the_configuration_of_a_model_that_does_not_batch():
    config = oip_model.config(task(), interface(batches=False, inputs=(TensorSpec("x", "FP32", (1, None)),)))
    assert (config["max_batch_size"], config["input"][0]["dims"]) == (0, [1, -1])
    assert "dynamic_batching" not in config


@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("filtered", [frozenset(), frozenset({"picture"})])
def test_load_generators_find_in_the_configuration_what_the_metadata_has(batches, filtered):
    """perf_analyzer gives up where a name is in one only, and skips the first dimension where max_batch_size is not 0."""
    offered = interface(batches, filtered_inputs=filtered, decoupled=True)
    described, config = oip_model.metadata("m", offered), oip_model.config(task(), offered)
    for side in ("input", "output"):
        shapes = {entry["name"]: entry["shape"][1:] if config["max_batch_size"] else entry["shape"] for entry in described[f"{side}s"]}
        assert {entry["name"]: entry["dims"] for entry in config[side]} == shapes
        assert all(isinstance(entry["is_shape_tensor"], bool) for entry in config[side])
    assert config["model_transaction_policy"] == {"decoupled": True}
    assert isinstance(config["input"][0]["optional"], bool)


def test_every_datatype_has_a_type_of_the_configuration():
    for name in NUMPY_OF:
        config = oip_model.config(task(), interface(inputs=(TensorSpec("x", name, (None,)),)))
        assert config["input"][0]["data_type"] == ("TYPE_STRING" if name == "BYTES" else f"TYPE_{name}")


def test_labels_and_filters_and_devices_are_told():
    uses = {"picture": ["scaled.ScaledImageFilter", {"filter": "own.Scale", "by": 2}]}
    served = interface(labels={"scores": ("a",)}, filtered_inputs=frozenset({"picture"}))
    config = oip_model.config(task(input_filters=uses, device="cuda:1"), served)
    assert config["output"][0]["label_filename"]
    assert not oip_model.config(task(), interface())["output"][0]["label_filename"]
    assert json.loads(config["parameters"]["input_filters"]["string_value"]) == uses
    assert Interface.from_json(json.loads(config["parameters"]["interface"]["string_value"])) == served
    assert oip_model.config(task(input_filters=uses), served.bare)["parameters"].keys() == {"interface"}
    assert (config["instance_group"][0]["kind"], config["instance_group"][0]["gpus"]) == ("KIND_GPU", [1])
    assert oip_model.config(task(device="cpu"), served)["instance_group"][0]["kind"] == "KIND_CPU"


# --- the way back


def test_what_a_model_is_already_asks_for_nothing():
    uses = {"picture": ["scaled.ScaledImageFilter"]}
    known = oip_model.config(task(input_filters=uses), interface(filtered_inputs=frozenset({"picture"}), decoupled=True))
    assert oip_config.is_config(known)
    assert oip_config.task_keys(json.loads(json.dumps(known)), known) == {}
    assert oip_config.task_keys({**known, "max_batch_size": 4}, known) == {"max_batch_size": 4}


def test_each_part_of_a_configuration_has_its_task_key():
    config = {
        "name": "m",
        "backend": "onnxruntime",
        "max_batch_size": 4,
        "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [3, -1]}, {"name": "t", "data_type": "TYPE_STRING", "dims": [1]}],
        "output": [{"name": "y", "data_type": "TYPE_BF16", "dims": [], "label_filename": ""}],
        "instance_group": [{"count": 2, "kind": "KIND_CPU"}],
        "dynamic_batching": {"max_queue_delay_microseconds": "100", "priority_levels": 3, "default_priority_level": 2},
        "parameters": {"load_s": {"string_value": "0.5"}, "word": {"string_value": "a b"}},
        "version_policy": {},
    }
    assert oip_config.task_keys(config, {}) == {
        "model_type": "onnx",
        "max_batch_size": 4,
        "inputs": [{"name": "x", "type": "FP32", "shape": [None, 3, None]}, {"name": "t", "type": "BYTES", "shape": [None, 1]}],
        "outputs": [{"name": "y", "type": "BF16", "shape": [None]}],
        "instances": 2,
        "device": "cpu",
        "max_queue_delay_us": 100,
        "priority_levels": 3,
        "default_priority_level": 2,
        "load_s": 0.5,
        "word": "a b",
    }
    assert oip_config.task_keys({"input": config["input"][:1]}, {})["inputs"][0]["shape"] == [3, None]
    assert oip_config.task_keys({"max_batch_size": 0}, {}) == {"max_batch_size": 1}
    assert oip_config.task_keys({"instance_group": [{}, {"count": 2, "kind": "KIND_GPU", "gpus": [1]}]}, {}) == {
        "instances": 3,
        "device": "cuda:1",
    }


@pytest.mark.parametrize(
    ("config", "culprit"),
    [
        ({"sequence_batching": {"max_sequence_idle_microseconds": 1}}, "sequence_batching"),
        ({"ensemble_scheduling": {"step": [1]}}, "ensemble_scheduling"),
        ({"max_batch_size": -1}, "max_batch_size"),
        ({"max_batch_size": True}, "max_batch_size"),
        ({"max_batch_size": "many"}, "max_batch_size"),
        ({"input": {}, "output": [5]}, "output"),
        ({"input": [{"name": "x", "datatype": "FP32", "shape": [1]}]}, "datatype"),
        ({"input": [{"name": "x", "data_type": "FP32", "dims": [1]}]}, "input"),
        ({"input": [{"name": "x", "data_type": "TYPE_FP32"}]}, "input"),
        ({"input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [1], "reshape": {"shape": [1]}}]}, "reshape"),
        ({"instance_group": 3}, "instance_group"),
        ({"instance_group": [{"count": 1, "kind": "KIND_MODEL"}]}, "KIND_MODEL"),
        ({"instance_group": [{"count": 1, "kind": "KIND_GPU", "gpus": [0, 1]}]}, "gpus"),
        ({"instance_group": [{"rate_limiter": {"a": 1}}]}, "rate_limiter"),
        ({"dynamic_batching": {"preferred_batch_size": [4]}}, "preferred_batch_size"),
        ({"dynamic_batching": [1]}, "dynamic_batching"),
        ({"dynamic_batching": {"max_queue_delay_microseconds": 1.5}}, "max_queue_delay_microseconds"),
        ({"parameters": {"a": "b"}}, "a"),
        ({"parameters": {"a": {"string_value": 5}}}, "a"),
    ],
)
def test_what_has_no_meaning_here_is_refused_by_name(config, culprit):
    with pytest.raises(ZeroMindError) as caught:
        oip_config.task_keys(config, {})
    assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE
    assert repr(culprit) in caught.value.message
