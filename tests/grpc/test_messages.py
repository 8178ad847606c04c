"""The messages: what `make proto` makes of the sources, and the same numbers as everybody's."""

import subprocess
import sys

from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from tritonclient.grpc import service_pb2

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
        field.full_name: (field.number, field.type, field.is_repeated, field.message_type and field.message_type.full_name)
        for field in descriptor.fields
    }
    for inner in descriptor.nested_types:
        found |= fields(inner)
    return found


def test_names_and_numbers_are_tritons():
    ours = [cls.DESCRIPTOR for name, cls in messages.load().items() if name.startswith("inference.")]
    assert len(ours) == 18
    for descriptor in ours:
        theirs = fields(service_pb2.DESCRIPTOR.message_types_by_name[descriptor.name])
        mine = fields(descriptor)
        assert mine.items() <= theirs.items(), descriptor.name
    service = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    (own,) = ours[0].file.services_by_name.values()
    assert own.full_name == service.full_name
    for method in own.methods:
        assert service.methods_by_name[method.name].input_type.full_name == method.input_type.full_name


def test_both_live_in_one_process():
    """A skill may use tritonclient, whose messages have the same names."""
    code = "import tritonclient.grpc; from zeromind.grpc import messages; messages.load(); messages.load()"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0
