"""A case's model in a server, and clients that compare what it answers with what its framework does."""

import concurrent.futures
import contextlib
import shutil

import gevent
import numpy as np
import tritonclient.http

_WAIT_S = 120


class Served:
    """A case's model under a name that tells nothing, to be loaded into a server over HTTP, with further keys of its task."""

    def __init__(self, case, pool, folder, **keys) -> None:
        self.case, self.pool, self.folder = case, pool, folder
        self.path = copied(case, folder / "nonsense")
        np.savez(folder / "in.npz", **{name: plain(array) for name, array in case.inputs.items()})
        np.savez(folder / "out.npz", **{name: plain(array) for name, array in case.expected.items()})
        tolerance = {"rtol": case.tolerance, "atol": case.tolerance}
        self.task = {"id": "m", "model_file": str(self.path), **case.task, **keys}
        self.task.setdefault("samples", [{"inputs": str(folder / "in.npz"), "outputs": str(folder / "out.npz"), **tolerance}])

    @property
    def id(self):
        return self.task["id"]

    def load(self):
        answer = self.pool.load(self.task, timeout=_WAIT_S)
        assert answer.status == 200, answer
        return answer.json

    def drop(self):
        answer = self.pool.drop(self.id)
        assert answer.status == 200, answer
        return answer.json

    def ask(self, client, rows):
        """Send the rows of the case in binary, and compare the answer with the framework's."""
        inputs = []
        for name, array in self.case.inputs.items():
            spec = next(spec for spec in self.case.loaded.spec.inputs if spec.name == name)
            part = array[rows]
            inputs.append(tritonclient.http.InferInput(name, part.shape, spec.datatype))
            inputs[-1].set_data_from_numpy(part if spec.datatype != "BF16" else part.astype(np.float32))
        answer = client.infer(self.id, inputs)
        for name, expected in self.case.expected.items():
            self.case.agree(answer.as_numpy(name), expected[rows])
        return answer

    def ask_together(self, clients=6, turns=6):
        """The same from clients that ask at the same time, so that their requests are joined."""

        def asks(number):
            try:
                with connected(self.pool) as client:
                    for turn in range(turns):
                        self.ask(client, (np.arange(1 + (number + turn) % 4) + number) % 5)
            finally:
                gevent.get_hub().destroy(destroy_loop=True)  # the client made one for this thread

        with concurrent.futures.ThreadPoolExecutor(clients) as threads:
            list(threads.map(asks, range(clients)))


def plain(array):
    """The array without Python's objects, which no .npz may hold."""
    return np.array([item.decode() for item in array.flat]).reshape(array.shape) if array.dtype.hasobject else array


def copied(case, target):
    """The case's file or folder at another place."""
    (shutil.copytree if case.path.is_dir() else shutil.copyfile)(case.path, target)
    return target


@contextlib.contextmanager
def connected(pool):
    """A client of the Open Inference Protocol."""
    with contextlib.closing(tritonclient.http.InferenceServerClient(pool.address, network_timeout=60)) as client:
        yield client
