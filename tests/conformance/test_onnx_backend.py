"""The tests of the onnx package for its backends, asked of a running server: every model that ONNX Runtime can run is served as it runs it.

A case is skipped only where ONNX Runtime itself, asked in this process, does not load the model or gives other numbers than the case
expects, or where a tensor's type is none of the protocol's. Each model is served twice: as it is, and with every dimension left open
and nameless, asked several times at once, which must not change an answer. Requests carry raw tensors over gRPC. Most models are loaded
in threads of the server, to be quick; the first with each kind of tensor (type, side, empty, scalar, not finite) gets a process of its
own.
"""

import collections
import concurrent.futures
import ctypes
import dataclasses
import math
import pathlib
import socket
import warnings

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
loader = pytest.importorskip("onnx.backend.test.loader")
runner = pytest.importorskip("onnx.backend.test.runner")
onnxruntime = pytest.importorskip("onnxruntime")
grpc = pytest.importorskip("grpc")
service = pytest.importorskip("tritonclient.grpc")

TensorProto = onnx.TensorProto
FLOOR = 1500
"""Of 2024 cases ONNX Runtime 1.32 runs 1681, with open dimensions 1640; another version may know fewer operators."""
KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted")
OPEN = "_open"
UNTOLD = {
    "test_and_bcast4v4d": "broadcasts along what looks like a batch",
    "test_equal_string_broadcast": "broadcasts along what looks like a batch",
    "test_matmul_bcast": "broadcasts along what looks like a batch",
    "test_or_bcast4v4d": "broadcasts along what looks like a batch",
    "test_string_concat_broadcasting": "broadcasts along what looks like a batch",
    "test_strnorm_model_monday_casesensintive_nochangecase": "selects rows by words that only itself knows",
    "test_strnormalizer_export_monday_casesensintive_nochangecase": "selects rows by words that only itself knows",
    "test_xor_bcast4v4d": "broadcasts along what looks like a batch",
}
"""Models whose first dimensions, once they have no name, only their author could tell from a batch."""
CLIENTS = 4
AT_ONCE = 4
"""Requests to a model that may have a batch: while the first runs the others are joined."""
DATATYPES = {
    TensorProto.BOOL: "BOOL",
    TensorProto.UINT8: "UINT8",
    TensorProto.UINT16: "UINT16",
    TensorProto.UINT32: "UINT32",
    TensorProto.UINT64: "UINT64",
    TensorProto.INT8: "INT8",
    TensorProto.INT16: "INT16",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.FLOAT16: "FP16",
    TensorProto.FLOAT: "FP32",
    TensorProto.DOUBLE: "FP64",
    TensorProto.BFLOAT16: "BF16",
    TensorProto.STRING: "BYTES",
}
DTYPES = {datatype: onnx.helper.tensor_dtype_to_np_dtype(type_) for type_, datatype in DATATYPES.items()}


class SkippedError(Exception):
    """Why a case says nothing about the server."""


@dataclasses.dataclass
class Case:
    """A model, and what it makes of what; arrays in the dtypes of the onnx package, text as str."""

    name: str
    model: onnx.ModelProto
    runs: list[tuple[list[np.ndarray], list[np.ndarray]]]
    rtol: float
    atol: float
    alone: bool = False

    def opened(self):
        """The same with no size known."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        opened = dataclasses.replace(self, name=self.name + OPEN, model=model)
        for value in (*opened.inputs, *model.graph.output):
            for size in value.type.tensor_type.shape.dim:
                size.Clear()
        return opened

    @property
    def is_open(self):
        return self.name.endswith(OPEN)

    @property
    def inputs(self):
        """What the graph calls inputs, without those that have a value."""
        own = {tensor.name for tensor in self.model.graph.initializer}
        return [value for value in self.model.graph.input if value.name not in own]

    def check_types(self):
        for value in (*self.inputs, *self.model.graph.output):
            kind = value.type.WhichOneof("value")
            if kind != "tensor_type":
                raise SkippedError(f"no wire carries {kind.removesuffix('_type')}s")
            if value.type.tensor_type.elem_type not in DATATYPES:
                raise SkippedError(f"no wire carries {TensorProto.DataType.Name(value.type.tensor_type.elem_type)}")

    def check_told(self):
        if self.is_open and self.name.removesuffix(OPEN) in UNTOLD:
            raise SkippedError(f"with open dimensions, {UNTOLD[self.name.removesuffix(OPEN)]}")

    def compare(self, answers):
        for (_, expected), answer in zip(self.runs, answers, strict=True):
            runner.Runner.assert_similar_outputs(expected, answer, self.rtol, self.atol)

    def kinds(self):
        """What is special about its tensors."""
        if not self.inputs:
            yield "no inputs"
        for sides in self.runs:
            for side, arrays in zip("io", sides, strict=True):
                for array in arrays:
                    yield side, array.dtype, len(arrays) > 1
                    yield side, array.dtype, "empty" if not array.size else array.ndim == 0
                    if array.dtype.kind == "f" and not np.isfinite(array).all():
                        yield side, array.dtype, "not finite"


def cases():
    """Each of them, those with a new kind of tensor marked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package computes what it expects, infinities too
        found = [case for kind in KINDS for case in loader.load_model_tests(kind=kind)]
    seen = set()
    for one in found:
        model, runs = (one.model, one.data_sets) if one.model_dir is None else _from_files(pathlib.Path(one.model_dir))
        runs = [tuple([_array(value) for value in side] for side in run) for run in runs]
        case = Case(one.name, model, runs, one.rtol, one.atol)
        try:
            case.check_types()
        except SkippedError:
            yield case
            continue
        kinds = set(case.kinds())
        case.alone = not kinds <= seen
        seen |= kinds
        yield case
        yield case.opened()


def _from_files(folder):
    """The model, and for each set of data its inputs and outputs as messages."""
    model = onnx.load(folder / "model.onnx")
    sides = ("input", model.graph.input), ("output", model.graph.output)
    return model, [[_messages(one, side, values) for side, values in sides] for one in sorted(folder.glob("test_data_set_*"))]


def _messages(folder, side, values):
    paths = (folder / f"{side}_{index}.pb" for index in range(len(list(folder.glob(f"{side}_*.pb")))))
    return [
        TensorProto.FromString(path.read_bytes()) if value.type.HasField("tensor_type") else None
        for path, value in zip(paths, values, strict=False)
    ]


def _name(value):
    return value.name


def _array(value):
    if isinstance(value, (list, tuple, type(None))):
        return value  # no tensor
    return onnx.numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


class Bare:
    """ONNX Runtime without a server."""

    def __init__(self):
        self.options = onnxruntime.SessionOptions()
        self.options.log_severity_level = 4
        self.options.intra_op_num_threads = 1

    def check(self, case):
        """Raise SkippedError unless it gives what the case expects."""
        try:
            session = onnxruntime.InferenceSession(case.model.SerializeToString(), self.options, ["CPUExecutionProvider"])
        except Exception as error:
            raise SkippedError(f"ONNX Runtime does not load it: {_sentence(error)}") from None
        try:
            answers = [self._run(session, dict(zip(map(_name, case.inputs), inputs, strict=True))) for inputs, _ in case.runs]
        except Exception as error:
            raise SkippedError(f"ONNX Runtime does not run it: {_sentence(error)}") from None
        try:
            case.compare(answers)
        except AssertionError:
            raise SkippedError("ONNX Runtime gives something else than expected") from None

    def _run(self, session, feed):
        names = [output.name for output in session.get_outputs()]
        if all("bfloat16" not in node.type for node in (*session.get_inputs(), *session.get_outputs())):
            return session.run(names, feed)
        values = session.run_with_ort_values(names, {name: self._value(array) for name, array in feed.items()})
        return [self._numpy(value) for value in values]

    def _value(self, array):
        if array.dtype == DTYPES["BF16"]:
            return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), TensorProto.BFLOAT16)
        return onnxruntime.OrtValue.ortvalue_from_numpy(array)

    def _numpy(self, value):
        if value.data_type() != "tensor(bfloat16)":
            return value.numpy()
        data = ctypes.string_at(value.data_ptr(), 2 * math.prod(value.shape()))
        return np.frombuffer(data, DTYPES["BF16"]).reshape(value.shape())


class Wire:
    """Raw tensors over gRPC, in messages of Triton's client."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.stub = service.service_pb2_grpc.GRPCInferenceServiceStub(self.channel)

    def ask(self, case, inputs):
        """What several equal requests at the same time are answered, each output in the dtype that its datatype names."""
        request = service.service_pb2.ModelInferRequest(model_name=case.name)
        for value, array in zip(case.inputs, inputs, strict=True):
            datatype = DATATYPES[value.type.tensor_type.elem_type]
            request.inputs.add(name=value.name, datatype=datatype, shape=array.shape)
            request.raw_input_contents.append(_pack(array))
        asked = [self.stub.ModelInfer.future(request, timeout=60) for _ in range(AT_ONCE if case.is_open else 1)]
        return [self._answer(case, one.result()) for one in asked]

    def _answer(self, case, response):
        names = [value.name for value in case.model.graph.output]
        assert [output.name for output in response.outputs] == names
        return [_unpack(output, raw) for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)]


def _pack(array):
    if array.dtype.kind not in "OSUT":
        return array.tobytes()
    items = [str(item).encode() for item in array.reshape(-1).tolist()]
    return b"".join(part for item in items for part in (len(item).to_bytes(4, "little"), item))


def _unpack(output, raw):
    if output.datatype != "BYTES":
        return np.frombuffer(raw, DTYPES[output.datatype]).reshape(output.shape)
    items, at = [], 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "little")
        items.append(raw[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return np.array(items, object).reshape(output.shape)


def _sentence(error):
    return str(error).split(" : ", 3)[-1].strip().partition("\n")[0].partition(" with name")[0][:100]


class Trial:
    """One server, and what becomes of each case."""

    def __init__(self, client, address, folder):
        self.client = client
        self.wire = Wire(address)
        self.bare = Bare()
        self.folder = folder
        self.passed = []
        self.skipped = collections.defaultdict(list)
        self.failed = {}

    def run(self, case):
        try:
            case.check_types()
            self.bare.check(case)
            case.check_told()
            for answers in self.served(case):
                case.compare(answers)
        except SkippedError as reason:
            self.skipped[str(reason)].append(case.name)
        except Exception as error:
            self.failed[case.name] = f"{type(error).__name__}: {error}"
        else:
            self.passed.append(case)

    def served(self, case):
        path = self.folder / f"{case.name}.onnx"
        path.write_bytes(case.model.SerializeToString())
        isolation = "process" if case.alone else "thread"
        self.client.serve({"id": case.name, "model_file": str(path), "isolation": isolation, "threads": 1})
        try:
            return zip(*(self.wire.ask(case, inputs) for inputs, _ in case.runs), strict=True)
        finally:
            path.unlink()
            assert self.client.drop(case.name).status == 200

    @property
    def opened(self):
        return [case for case in self.passed if case.is_open]

    def report(self):
        passed, opened, alone = len(self.passed), len(self.opened), sum(case.alone for case in self.passed)
        lines = [f"{passed - opened} tests of onnx {onnx.__version__} pass through the server, {opened} also with open dimensions"]
        lines.append(f"{alone} of these models had a process each")
        lines.append(f"{sum(map(len, self.skipped.values()))} are skipped with onnxruntime {onnxruntime.__version__}:")
        lines += [f"  {len(names)}: {reason} ({', '.join(sorted(names))})" for reason, names in sorted(self.skipped.items())]
        return "\n".join(lines)


@pytest.mark.timeout(600)
def test_what_onnx_runtime_runs_is_served(thread_server, tmp_path, capsys):
    folder = tmp_path / "cases"
    folder.mkdir()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with thread_server(roots=[str(folder)], grpc_port=port) as client:
        trial = Trial(client, f"127.0.0.1:{port}", folder)
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(trial.run, cases()))
        trial.wire.channel.close()
        assert client.ids() == []
    report = trial.report()
    with capsys.disabled():  # what was left out is to be seen by whoever runs the tests
        print(f"\n{report}")
    assert trial.failed == {}, f"{len(trial.failed)} of {len(trial.passed) + len(trial.failed)} fail"
    assert min(len(trial.opened), len(trial.passed) - len(trial.opened)) >= FLOOR, report
