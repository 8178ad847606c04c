"""A skill that tells its version: which of several models an answer came from is in the answer."""

VERSIONED = '''
"""Tells its version, after a while if it is asked to."""

import time


class Skill:
    inputs = {"wait": ("float32", [None])}
    outputs = {"version": ("int64", [None])}

    def __init__(self, version=0):
        if version < 0:
            raise RuntimeError("a version that does not load")
        self.version = version

    def predict(self, wait):
        time.sleep(float(wait.max(initial=0)))
        return {"version": (0 * wait + self.version).astype("int64")}
'''
NAME = "one"


def task(version, name=NAME, **more):
    """What a client sends to have a version loaded."""
    return {"id": name, "model_file": "versioned.py", "model_type": "python", "version": version, "threads": 1, **more}


def config(version, **more):
    """The same for a load by name."""
    return {key: value for key, value in task(version, **more).items() if key != "id"}


def versioned(spawn, folder, **keys):
    """A server that may load versions from a folder, and remembers them."""
    (folder / "versioned.py").write_text(VERSIONED)
    return spawn(**{"tasks": [], "roots": [str(folder)], "code_roots": [str(folder)], "state_dir": str(folder / "state"), **keys})
