"""Skills written in Python."""

import numpy as np

from conformance.cases.case import ROWS, Case
from zeromind.datatypes import as_bytes


def python_function(folder):
    path = folder / "skill.py"
    path.write_text("def predict(length: float, name: str) -> str:\n    return [f'{n} {x:.1f}' for n, x in zip(name, length)]\n")
    names = ["a", "b", "c", "d", "é"]
    expected = as_bytes(np.array([f"{name} {x:.1f}" for name, x in zip(names, ROWS[:, 0], strict=True)]))
    return Case("python", path, {"length": ROWS[:, 0], "name": as_bytes(np.array(names))}, {"output": expected}, "Python source")


def python_folder(folder):
    np.save(folder / "weights.npy", np.eye(4, 2))
    (folder / "skill.py").write_text(
        "import numpy\n\nclass Skill:\n    inputs = {'x': ('float64', [None, 4])}\n    outputs = {'y': ('float64', [None, 2])}\n\n"
        "    def __init__(self, folder):\n        self.weights = numpy.load(folder / 'weights.npy')\n\n"
        "    def predict(self, x):\n        return x @ self.weights\n"
    )
    return Case("python", folder, {"x": ROWS}, {"y": ROWS @ np.eye(4, 2)}, "Python source")


MAKERS = [python_function, python_folder]
