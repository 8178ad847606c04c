"""Functions that JAX exported."""

import numpy as np
import pytest

from conformance.cases.case import ROWS, Case
from zeromind import importing
from zeromind.adapters import xla


def jax_export(folder):
    with importing.silence():
        jax = pytest.importorskip("jax")
        export = pytest.importorskip("jax.export")
    xla.only_cpu(jax)
    weights = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)

    @jax.jit
    def scores(row, *, gain):
        values = jax.nn.softmax(jax.numpy.tanh(row @ weights) * gain[:, None])
        return {"scores": values, "best": values.argmax(1)}

    (size,) = export.symbolic_shape("rows")
    shapes = jax.ShapeDtypeStruct((size, 4), np.float32), jax.ShapeDtypeStruct((size,), np.float32)
    path = folder / "model.jax"
    path.write_bytes(export.export(scores, platforms=["cpu", "cuda"])(shapes[0], gain=shapes[1]).serialize())
    rows, gains = ROWS.astype(np.float32), np.linspace(1, 2, 5, dtype=np.float32)
    expected = {name: np.asarray(values) for name, values in scores(rows, gain=gains).items()}
    return Case("jax", path, {"input_0": rows, "gain": gains}, expected, rtol=1e-6, task={"batch_sizes": [1, 8]})


MAKERS = [jax_export]
