"""Outputs as a request of the Open Inference Protocol wants them, on both of its wires."""

from __future__ import annotations

from zeromind.codecs.classification import classify
from zeromind.codecs.inputs import refused
from zeromind.codecs.oip_parameters import Wanted
from zeromind.codecs.oip_raw import Bytes
from zeromind.codecs.oip_tensors import Memory, to_wire
from zeromind.tensors import InferResponse, Interface, Tensor


def offered(one: Wanted, response: InferResponse, interface: Interface) -> tuple[str, Tensor]:
    """The datatype and the array of an output, or its top classes instead."""
    datatype, array = to_wire(response.outputs[one.spec.name], one.spec)
    if not one.top:
        return datatype, array
    return "BYTES", classify(array, one.top, interface.spec.batches, interface.labels.get(one.spec.name, ()))


def put(one: Wanted, data: Bytes, memory: Memory) -> None:
    """Write an output into its region. Raises INVALID_INPUT if it does not fit there."""
    if len(data) > one.region_bytes:
        raise refused(
            f"shared memory size specified with the request for output '{one.spec.name}' ({one.region_bytes} bytes) should be at least "
            f"{len(data)} bytes to hold the results",
            one.spec.name,
        )
    memory.write(one.region, one.region_offset, data)
