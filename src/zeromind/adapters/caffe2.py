"""Caffe2 nets, translated to ONNX and run by ONNX Runtime: no package of Caffe2 itself is left that could."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from zeromind.adapters import archive, caffe2_net, caffe2_operators, onnx_values, spec_file
from zeromind.adapters.base import Adapter, Source
from zeromind.adapters.caffe2_graph import Graph
from zeromind.adapters.caffe2_net import Net, Operator
from zeromind.adapters.file import ModelFile
from zeromind.adapters.onnx import OnnxAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec

_OTHER = "predict_net.pb"
_MEMBERS = {"init_net.pb", "predict_net.pb"}
_EXAMPLE = '{"name": %s, "type": "float32", "shape": [null, 3, 227, 227]}'


class Caffe2Adapter(Adapter):
    """A Caffe2 model: the net that fills its weights, usually ``init_net.pb``, and the net that predicts, usually ``predict_net.pb``.

    Both lie in a folder or a tar archive, or the task names one as its model and the other in ``predict_net.pb``; which is which shows
    in their content. The files tell the names of the tensors, but neither types nor shapes: those of all inputs, images in the order
    NCHW, come from the task's ``inputs`` or from ``input_spec.json`` in the folder or the archive. The outputs are those that the net
    declares, or any blobs of it that the task's ``outputs`` or ``output_spec.json`` name.

    Operators for training are not among those that are served; all that are missing are listed when such a net is loaded. ``device``
    and batches are as with the ``onnx`` adapter.
    """

    name = "caffe2"
    formats = "Caffe2: init_net.pb with predict_net.pb, in a folder or a tar archive, or one named in the task"
    needs: ClassVar[Mapping[str, str]] = {"onnxruntime": "1.17", "onnx": "1.21"}
    options: ClassVar[Mapping[str, str]] = {
        _OTHER: "The file beside the model that holds its other net, for a model that is a single file."
    }

    @classmethod
    def recognises(cls, file: ModelFile) -> bool:
        """Whether it holds a NetDef, beside others in a folder, or is an archive with members of the usual names."""
        if file.is_folder:
            return not file.is_marked and bool(_nets_in(file.files))
        return caffe2_net.is_net(file.head) or bool(_MEMBERS & {PurePosixPath(name).name for name in file.tar_names})

    def __init__(self, source: Source) -> None:
        onnx_values.runtime(self.require)
        onnx = self.require("onnx")
        with _files(source) as (paths, inputs, outputs):
            nets = _told_apart(source.file, paths)
        source = dataclasses.replace(source, inputs=source.inputs or inputs, outputs=source.outputs or outputs, options={})
        with tempfile.TemporaryDirectory(prefix="zeromind-") as folder:
            path = Path(folder) / source.file.path.name
            inputs, ranks = _translate(onnx, *nets, source, path)
            del nets  # which hold the weights once more
            self._runner = OnnxAdapter(dataclasses.replace(source, file=ModelFile(path), inputs=inputs))
        self.spec = self._runner.spec
        for spec in self.spec.outputs:
            if len(spec.shape) != (rank := ranks[spec.name]):
                text = f"output {spec.name!r} has {rank} dimensions, not the shape {spec.shown_shape()}: correct the task's 'outputs'"
                raise ZeroMindError(ErrorKind.OUTPUT_SPEC, text, spec.name)

    def predict(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one batch."""
        return self._runner.predict(inputs)


def _translate(onnx: Any, initial: Net, net: Net, source: Source, path: Path) -> tuple[tuple[TensorSpec, ...], dict[str, int]]:
    """Write the ONNX model that the nets are. Gives its inputs, and how many dimensions its outputs have."""
    wanted = [spec.name for spec in source.outputs] or net.outputs or net.operators[-1].outputs[:1]
    _check_outputs(net, wanted)
    fills = {blob: operator for operator in initial.operators for blob in operator.outputs}
    for spec in source.inputs:
        # What a net that is to be saved is tried on is filled, too.
        fills.pop(spec.name, None)
    needed, outside = _needed(net.operators, wanted)
    inputs = _inputs(net, outside, fills, source.inputs)
    graph = Graph(onnx, inputs, needed)
    faults = caffe2_operators.translate(graph, [fills[blob] for blob in outside if blob in fills] + needed)
    if faults:
        text = f"{source.file.path.name} uses what is not supported of Caffe2: {'; '.join(faults)}"
        raise ZeroMindError(ErrorKind.LOAD_FAILED, text, *faults)
    path.write_bytes(graph.model(wanted))
    return inputs, {blob: graph.rank(blob) for blob in wanted}


@contextlib.contextmanager
def _files(source: Source) -> Iterator[tuple[Sequence[Path], tuple[TensorSpec, ...], tuple[TensorSpec, ...]]]:
    """The files of both nets, and what spec files in an archive tell."""
    file, other = source.file, source.options.get(_OTHER)
    if file.is_folder or caffe2_net.is_net(file.head):
        paths = [] if other is None else [file.companion(other, _OTHER)]
        yield _nets_in(file.files) if file.is_folder else [file.path, *paths], (), ()
        return
    with archive.unpacked(file.path) as folder:
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        specs = next((path.parent for path in paths if path.name in (spec_file.INPUTS, spec_file.OUTPUTS)), folder)
        inputs = spec_file.read(specs / spec_file.INPUTS, ErrorKind.INPUT_SPEC)
        yield _nets_in(paths), inputs, spec_file.read(specs / spec_file.OUTPUTS, ErrorKind.OUTPUT_SPEC)


def _nets_in(paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if caffe2_net.is_net(ModelFile(path).head)]


def _told_apart(file: ModelFile, paths: Sequence[Path]) -> tuple[Net, Net]:
    """The net that fills and the one that predicts."""
    nets = [caffe2_net.read(path) for path in paths]
    filling = [net for net in nets if net.fills_only]
    predicting = [net for net in nets if not net.fills_only]
    if len(filling) == len(predicting) == 1:
        return filling[0], predicting[0]
    name = file.path.name
    found = f"{name} has {len(filling)} that fill weights (init_net.pb) and {len(predicting)} that predict (predict_net.pb)"
    advice = f"put one of each into a folder or archive, or name the other file in the task's {_OTHER!r}"
    raise ZeroMindError(ErrorKind.LOAD_FAILED, f"a Caffe2 model takes two nets, {found}: {advice}", name)


def _check_outputs(net: Net, wanted: Sequence[str]) -> None:
    made = {blob for operator in net.operators for blob in operator.outputs}
    for blob in wanted:
        if blob not in made:
            names = ", ".join(repr(name) for name in net.outputs)
            raise ZeroMindError(ErrorKind.OUTPUT_SPEC, f"no operator of the net makes {blob!r}; it declares the outputs {names}", blob)


def _needed(operators: Sequence[Operator], wanted: Sequence[str]) -> tuple[list[Operator], list[str]]:
    """The operators that take part in making these blobs, in their order, and the blobs that must be there before them."""
    live, needed = dict.fromkeys(wanted), []
    for operator in reversed(operators):
        if any(blob in live for blob in operator.outputs):
            needed.append(operator)
            for blob in operator.outputs:
                live.pop(blob, None)
            live |= dict.fromkeys(operator.inputs)
    return needed[::-1], list(live)


def _inputs(net: Net, outside: Sequence[str], fills: Mapping[str, Operator], given: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """The specs of what nothing fills, in the order in which the net declares them. Raises INPUT_SPEC where one is missing."""
    specs = {spec.name: spec for spec in given}
    open_ = sorted(
        (blob for blob in outside if blob not in fills), key=lambda blob: (blob not in net.inputs, [*net.inputs, blob].index(blob))
    )
    for name in specs:
        if name not in open_:
            takes = ", ".join(repr(blob) for blob in open_) or "none"
            raise ZeroMindError(ErrorKind.INPUT_SPEC, f"the net has no input {name!r}: it takes {takes}", name)
    missing = [blob for blob in open_ if blob not in specs]
    if missing or not open_:
        names = ", ".join(repr(blob) for blob in missing)
        which = f"input {names}" if missing else "its input, which the one net fills as well"
        example = _EXAMPLE % (f'"{missing[0]}"' if missing else '"…"')
        text = (
            f"Caffe2's files do not tell types and shapes: list {which} in the task's 'inputs' or in {spec_file.INPUTS}, such as {example}"
        )
        raise ZeroMindError(ErrorKind.INPUT_SPEC, text, *missing)
    return tuple(specs[blob] for blob in open_)
