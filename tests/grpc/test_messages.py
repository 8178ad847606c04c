"""The messages: what `make proto` makes of the sources, and the same numbers as everybody's."""

import subprocess
import sys

from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from tritonclient.grpc import model_config_pb2, service_pb2

from zeromind.grpc import messages

SOURCES = messages.FILE.parent


def test_the_descriptors_are_those_of_the_sources(tmp_path):
    files = sorted((path.name for path in SOURCES.glob("*.proto")), reverse=True)
    made = tmp_path / "made.binpb"
    assert protoc.main(["protoc", f"-I{SOURCES}", f"--descriptor_set_out={made}", *files]) == 0
    read = descriptor_pb2.FileDescriptorSet.FromString
    assert read(messages.FILE.read_bytes()) == read(made.read_bytes()), "run `make proto`"


def fields(descriptor):
    """Name, number, type and label of every field, those of inner messages too."""
    found = {
        field.full_name: (
            field.number,
            field.type,
            field.is_repeated,
            field.message_type and field.message_type.full_name,
            field.enum_type and field.enum_type.full_name,
            field.containing_oneof and field.containing_oneof.full_name,
        )
        for field in descriptor.fields
    }
    for inner in descriptor.nested_types:
        found |= fields(inner)
    return found


def test_names_and_numbers_are_tritons():
    ours = [cls.DESCRIPTOR for name, cls in messages.load().items() if name.startswith("inference.")]
    theirs = {**service_pb2.DESCRIPTOR.message_types_by_name, **model_config_pb2.DESCRIPTOR.message_types_by_name}
    top = {descriptor.name: descriptor for descriptor in ours if descriptor.containing_type is None}
    assert top.keys() == theirs.keys()
    for name, descriptor in top.items():
        assert fields(descriptor) == fields(theirs[name])
        assert enums(descriptor) == enums(theirs[name])
    (values,) = (descriptor.file.enum_types_by_name["DataType"] for name, descriptor in top.items() if name == "ModelInput")
    assert numbers(values) == numbers(model_config_pb2.DESCRIPTOR.enum_types_by_name["DataType"])


def test_the_service_is_tritons():
    (own,) = messages.load()["inference.ModelInferRequest"].DESCRIPTOR.file.services_by_name.values()
    service = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert methods(own) == methods(service)


def methods(service):
    return {
        (one.full_name, one.input_type.full_name, one.output_type.full_name, one.client_streaming, one.server_streaming)
        for one in service.methods
    }


def numbers(enum):
    return {value.name: value.number for value in enum.values}


def enums(descriptor):
    found = {enum.full_name: numbers(enum) for enum in descriptor.enum_types}
    for inner in descriptor.nested_types:
        found |= enums(inner)
    return found


def test_both_live_in_one_process():
    """A skill may use tritonclient, whose messages have the same names."""
    code = "import tritonclient.grpc; from zeromind.grpc import messages; messages.load(); messages.load()"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0
