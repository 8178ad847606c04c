"""Keras on whichever backend is installed, and a loaded model as one compiled function of arrays."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zeromind import importing
from zeromind.adapters import device, torch_program, xla
from zeromind.adapters.ladder import Function
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor

LEAST = "3.12.4"
"""The oldest version of Keras whose loaders keep what is unsafe out."""
# Keras' own names of its backends, the fastest for a served model first, and the packages that they need.
_BACKENDS = ("jax", "torch", "tensorflow", "openvino")
_CONSTANT_BYTES = 4 << 20


def keras_module(threads: int, where: str) -> Any:
    """The package ``keras``, on the operator's KERAS_BACKEND, else the first installed of JAX, torch, TensorFlow and OpenVINO.

    ``threads`` binds the backend where it has not started yet; ``where`` is a task's ``device``. Raises MISSING_PACKAGE,
    TASK_ATTRIBUTE for an unknown device, LOAD_FAILED for a GPU that is not there.
    """
    asked = device.parse(where)
    if "keras" not in sys.modules and not os.environ.get("KERAS_BACKEND"):
        installed = [name for name in _BACKENDS if _installed(name)]
        if not installed:
            raise ZeroMindError(
                ErrorKind.MISSING_PACKAGE,
                f"the keras adapter needs one of the packages {', '.join(_BACKENDS)}, none is installed: pip install 'zeromind[keras]'",
                "jax",
            )
        os.environ["KERAS_BACKEND"] = installed[0]
    xla.surroundings(threads)
    if asked.kind == "cpu":
        os.environ.setdefault("KERAS_TORCH_DEVICE", "cpu")
    with importing.silence():
        try:
            keras = importing.require("keras", "keras", "the keras adapter", LEAST)
        except (ImportError, ValueError) as error:
            backend = os.environ.get("KERAS_BACKEND")
            raise ZeroMindError(
                ErrorKind.MISSING_PACKAGE,
                f"Keras does not start on {backend!r}: {error}; install what it needs, or set KERAS_BACKEND to {', '.join(_BACKENDS)}",
                backend,
            ) from error
        _bind(keras.config.backend(), threads, asked.kind)
    if asked.kind == "cuda" and (count := _placed(keras.config.backend(), asked.number)) <= asked.number:
        raise device.beyond(where, f"Keras on {keras.config.backend()}", count, "and that this was installed with CUDA")
    return keras


def is_lost(keras: Any) -> bool:
    """Whether the GPU does nothing more for this process."""
    if keras.config.backend() != "torch":
        return False
    import torch

    return torch.cuda.is_initialized() and torch_program.is_lost(torch, torch.device("cuda"))


def _installed(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    # A folder that happens to be called torch is a package to Python, but has no origin.
    return spec is not None and spec.origin is not None


def specialises(keras: Any) -> bool:
    """Whether the backend compiles anew for every shape, so that batches are better padded to few sizes."""
    return bool(keras.config.backend() == "jax")


def function(keras: Any, model: Any) -> Function:
    """The model as a function: arrays in the order of ``model.inputs``, to arrays in the order of its flattened outputs."""
    _forget(model)
    forms: dict[str, Callable[[Any, Any], Function]] = {"jax": _jax, "torch": _torch, "tensorflow": _tensorflow, "openvino": _openvino}
    return forms[keras.config.backend()](keras, model)


def _bind(backend: str, threads: int, kind: str) -> None:
    if backend == "jax" and kind == "cpu":
        import jax

        xla.only_cpu(jax)
    elif backend == "torch":
        import torch

        torch.set_num_threads(threads)
    elif backend == "tensorflow":
        import tensorflow as tf

        # It refuses once it runs, as for a second model in one process.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
    elif backend == "openvino":
        openvino = importing.require("openvino", "keras", "the keras adapter")
        # Keras compiles with OpenVINO's own settings, which take all cores and, where the processor has it, bfloat16: two digits.
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        openvino.compile_model = lambda model, name: openvino.Core().compile_model(model, name, settings)


def _placed(backend: str, number: int) -> int:
    """Let the backend compute on the GPU of that number, if it is there; how many GPUs it sees."""
    if backend == "jax":
        import jax

        gpus: list[Any] = []
        with contextlib.suppress(RuntimeError):
            gpus = jax.devices("cuda")
        if number < len(gpus):
            jax.config.update("jax_default_device", gpus[number])
        return len(gpus)
    if backend == "torch":
        import torch

        if number < torch.cuda.device_count():
            torch.cuda.set_device(number)
        return int(torch.cuda.device_count())
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        with contextlib.suppress(RuntimeError):  # as above
            tf.config.set_visible_devices(gpus[number : number + 1], "GPU")
        return len(gpus)
    return 0


def _forget(layer: Any) -> None:
    """Let every recurrent layer begin each request anew: a server's requests do not follow each other."""
    if getattr(layer, "stateful", False):
        layer.stateful = False
    inner = [getattr(layer, name, None) for name in ("layer", "forward_layer", "backward_layer")]
    for each in [*getattr(layer, "layers", ()), *inner]:
        if each is not None:
            _forget(each)


def _call(keras: Any, model: Any) -> Callable[..., Any]:
    """``model`` taking its inputs one by one, packed as it wants them."""
    form = None if isinstance(model, keras.Sequential) else model.input
    if len(model.inputs) == 1 and not isinstance(form, dict):
        return lambda call, *arrays: call(arrays[0])
    return lambda call, *arrays: call(keras.tree.pack_sequence_as(form, list(arrays)))


def _jax(keras: Any, model: Any) -> Function:
    import jax

    pack = _call(keras, model)
    state = ([each.value for each in model.trainable_variables], [each.value for each in model.non_trainable_variables])

    def outputs(state: Any, *arrays: Any) -> list[Any]:
        made = pack(lambda packed: model.stateless_call(*state, packed, training=False)[0], *arrays)
        return [_plain(jax.numpy, each) for each in keras.tree.flatten(made)]

    # XLA lays weights out for the processor once if they are constants, at every call if they are arguments. But every program holds
    # several copies of its constants, which is bearable for small ones in few programs.
    few = not any(None in each.shape[1:] for each in model.inputs)
    constant = few and sum(each.nbytes for each in jax.tree.leaves(state)) <= _CONSTANT_BYTES
    programs: Any = jax.jit(functools.partial(outputs, state) if constant else outputs)
    return xla.function(programs) if constant else xla.function(programs, state)


def _plain(numpy: Any, array: Any) -> Any:
    return array.astype(numpy.float32) if array.dtype == numpy.bfloat16 else array


def _torch(keras: Any, model: Any) -> Function:
    import torch

    pack = _call(keras, model)

    def run(arrays: Sequence[Tensor]) -> list[Tensor]:
        with torch.inference_mode():
            given = [keras.ops.convert_to_tensor(array) for array in arrays]
            outputs = keras.tree.flatten(pack(lambda packed: model(packed, training=False), *given))
            plain = [each.float() if each.dtype == torch.bfloat16 else each for each in outputs]
            return [each.cpu().numpy() for each in plain]

    return run


def _tensorflow(keras: Any, model: Any) -> Function:
    import tensorflow as tf

    pack = _call(keras, model)

    def outputs(*arrays: Any) -> list[Any]:
        made = keras.tree.flatten(pack(lambda packed: model(packed, training=False), *arrays))
        return [tf.cast(each, tf.float32) if each.dtype == tf.bfloat16 else each for each in made]

    compiled: Any = tf.function(outputs, input_signature=[tf.TensorSpec(each.shape, each.dtype) for each in model.inputs])

    def run(arrays: Sequence[Tensor]) -> list[Tensor]:
        return [each.numpy() for each in compiled(*(tf.constant(array) for array in arrays))]

    return run


def _openvino(keras: Any, model: Any) -> Function:
    pack = _call(keras, model)
    model.make_predict_function()

    def run(arrays: Sequence[Tensor]) -> list[Tensor]:
        outputs = pack(lambda packed: model.predict_function([(packed,)]), *arrays)
        return [np.asarray(each) for each in keras.tree.flatten(outputs)]

    return run
