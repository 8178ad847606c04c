"""Models on a GPU: the processor's answers, memory that is told and given back, faults that cost no more than a worker.

Skipped where there is no GPU of NVIDIA's, or the framework was installed without CUDA.
"""

import contextlib
import importlib.metadata
import os
import shutil
import signal

import numpy as np
import pytest

from conformance.cases.case import GPU_TOLERANCE, ROWS, Case, has_gpu
from conformance.cases.keras import keras_zip
from conformance.cases.torch import WEIGHTS, X, net
from conformance.cases.transformers import save_gpt2
from conformance.served import Served, connected
from zeromind import importing
from zeromind.executor import gpus

pytestmark = pytest.mark.skipif(not has_gpu(), reason="no GPU of NVIDIA's here")

CASES = (
    *("torch_script", "torch_export", "torch_state_dict", "torch_safetensors", "jax_export", "keras_zip", "keras_hdf5"),
    *("transformers_text_classification", "transformers_token_classification", "transformers_embeddings", "transformers_fill_mask"),
    "transformers_image_classification",
)
FRAMEWORKS = {"torch_script": "PyTorch", "jax_export": "JAX", "keras_zip": "Keras on jax", "transformers_embeddings": "PyTorch"}
TABLE = """import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(8, 3)

    def forward(self, place):
        return self.table(place)
"""
GREEDY = """import torch

class Net(torch.nn.Module):
    def __init__(self, share=1.0, width=3):
        super().__init__()
        self.a = torch.nn.Linear(4, width)
        torch.cuda.set_per_process_memory_fraction(share)

    def forward(self, x):
        torch.zeros(len(x) << 22, device=x.device)
        return self.a(x)[:, :3]
"""
_WAIT_S = 120


def cuda(adapter):
    """Skip what has no CUDA here."""
    if adapter in ("torch", "transformers"):
        if pytest.importorskip("torch").version.cuda is None:
            pytest.skip("this PyTorch was installed without CUDA")
        return
    for version in (12, 13):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version(f"jax-cuda{version}-plugin")
            return
    pytest.skip("this JAX was installed without CUDA")


@pytest.fixture(scope="module")
def pool(thread_server, tmp_path_factory):
    roots = [str(tmp_path_factory.getbasetemp())]
    with thread_server(roots=roots, code_roots=roots) as client:
        yield client


@pytest.fixture
def serve(pool, makers, tmp_path):
    """A function that loads a case with these keys of its task; what is still there at the end is dropped."""
    made = []

    def start(case, **keys):
        if isinstance(case, str):
            cuda(case.partition("_")[0])
            (tmp_path / case).mkdir(exist_ok=True)
            case = makers[case](tmp_path / case)
        folder = tmp_path / f"served{len(made)}"
        folder.mkdir()
        for code in case.path.parent.glob("net.py"):
            shutil.copyfile(code, folder / "net.py")
        served = Served(case, pool, folder, id=f"m{len(made)}", **keys)
        served.took = served.load()
        made.append(served)
        return served

    yield start
    for served in made:
        if served.id in pool.ids():
            served.drop()


def workers(served):
    """The processes of a model."""
    return {worker.pid for worker in served.pool.server.engine.registry.get(served.id).workers if worker.pid and worker.current.alive}


def answers(served):
    with connected(served.pool) as client:
        for rows in (1, 3, 32):
            served.ask(client, np.arange(rows) % 5)


@pytest.mark.parametrize("name", CASES)
def test_it_answers_as_on_the_processor_and_gives_the_memory_back(serve, name):
    served = serve(name, device="cuda:0")
    assert served.took["gpu_memory_consumed"]["cuda:0"] > 0
    (told,) = served.pool.get(f"/v2/models/{served.id}/stats").json["model_stats"]
    assert [usage["id"] for usage in told["memory_usage"] if usage["type"] == "GPU" and usage["byte_size"] > 0] == [0]
    answers(served)
    served.ask_together()
    pids = workers(served)
    assert set(gpus.held(pids)) == {0}
    served.drop()
    assert gpus.held(pids) == {}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_auto_is_the_gpu(serve, name):
    served = serve(name, device="auto")
    assert served.took["gpu_memory_consumed"]["cuda:0"] > 0
    answers(served)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_on_the_processor_nothing_is_taken_of_the_gpu(serve, name):
    served = serve(name, device="cpu")
    assert "gpu_memory_consumed" not in served.took
    answers(served)
    assert gpus.held(workers(served)) == {}


def test_what_was_exported_for_the_processor_takes_nothing_of_the_gpu(serve, tmp_path):
    cuda("jax")
    import jax
    from jax import export

    rows = ROWS.astype(np.float32)
    path = tmp_path / "model.jax"
    shape = jax.ShapeDtypeStruct((*export.symbolic_shape("rows"), 4), np.float32)
    path.write_bytes(export.export(jax.jit(lambda x: 2 * x), platforms=["cpu"])(shape).serialize())
    served = serve(Case("jax", path, {"input_0": rows}, {"output_0": 2 * rows}, rtol=1e-6), device="auto")
    answers(served)
    assert gpus.held(workers(served)) == {}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_gpu_that_is_not_there_is_refused(pool, makers, tmp_path, name):
    cuda(name.partition("_")[0])
    case = makers[name](tmp_path)
    answer = pool.load({"id": "none", "model_file": str(case.path), **case.task, "device": "cuda:77"}, timeout=_WAIT_S)
    assert answer.status == 422, answer
    assert f"{FRAMEWORKS[name]} cannot use cuda:77: it sees 1 GPU" in answer.error["message"]
    assert "none" not in pool.ids()


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_worker_that_is_killed_comes_back_to_the_gpu(serve, name, waiting, is_gone):
    served = serve(name, device="cuda:0")
    (first,) = workers(served)
    os.kill(first, signal.SIGKILL)
    waiting(lambda: is_gone(first))
    waiting(lambda: served.pool.get(f"/v2/models/{served.id}/ready").status == 200 and workers(served) - {first}, _WAIT_S)
    answers(served)
    assert gpus.held({first}) == {}
    assert set(gpus.held(workers(served))) == {0}


def test_models_share_a_gpu(serve):
    one, two, three = serve("torch_script", device="cuda:0", instances=2), serve("jax_export", device="cuda:0"), serve("keras_zip")
    assert len(workers(one)) == 2
    for _ in range(3):
        for served in (one, two, three):
            served.ask_together(3, 3)
    held = [gpus.held(workers(served))[0] for served in (one, two, three)]
    assert all(held)
    one.drop()
    answers(two)
    answers(three)


def of_class(folder, text, inputs, expected, spec, **task):
    """A case of a class whose weights are a file of their own."""
    torch = pytest.importorskip("torch")
    (folder / "net.py").write_text(text)
    with importing.silence():
        module = importing.load_file(folder / "net.py").Net(**task.get("arguments", {}))
    torch.save(module.state_dict(), folder / "model.pt")
    if expected is None:
        expected = module(torch.from_numpy(next(iter(inputs.values())))).detach().numpy()
    task = {"class": "net.py:Net", "inputs": [spec], **task}
    return Case("torch", folder / "model.pt", inputs, {"output_0": expected}, WEIGHTS, 1e-5, task)


def test_a_wrong_index_costs_the_worker_and_no_more(serve, tmp_path, waiting):
    cuda("torch")
    places = np.arange(5)
    spec = {"name": "place", "type": "int64", "shape": [None]}
    served = serve(of_class(tmp_path, TABLE, {"place": places}, None, spec), device="cuda:0")
    answers(served)
    (first,) = workers(served)
    assert served.pool.predict(served.id, {"place": [1, 8000]}, timeout=_WAIT_S).status in (500, 503)
    waiting(lambda: workers(served) - {first}, _WAIT_S)
    assert served.pool.predict(served.id, {"place": [1, 2]}, timeout=_WAIT_S).status == 200
    answers(served)


def test_too_little_memory_of_the_gpu_is_told(serve, pool, tmp_path):
    cuda("torch")
    spec = {"name": "x", "type": "float32", "shape": [None, 4]}
    case = of_class(tmp_path, GREEDY, {"x": ROWS.astype(np.float32)}, None, spec, arguments={"share": 0.01})
    served = serve(case, device="cuda:0")
    pids = workers(served)
    answer = pool.predict(served.id, {"x": [[0] * 4] * 1000}, timeout=_WAIT_S)
    assert (answer.status, "not enough memory" in answer.error["message"]) == (507, True)
    answers(served)
    assert workers(served) == pids
    (tmp_path / "wide").mkdir()
    wide = of_class(tmp_path / "wide", GREEDY, {"x": ROWS.astype(np.float32)}, None, spec, arguments={"share": 0.001, "width": 1 << 24})
    pytest.importorskip("torch").cuda.set_per_process_memory_fraction(1.0)  # the class has bound this process as well
    answer = pool.load({"id": "wide", "model_file": str(wide.path), **wide.task, "device": "cuda:0"}, timeout=_WAIT_S)
    assert (answer.status, "not enough memory" in answer.error["message"]) == (507, True)


def test_a_package_compiled_for_the_gpu(spawn, tmp_path):
    cuda("torch")
    if not shutil.which("g++"):
        pytest.skip("AOTInductor needs a C++ compiler")
    torch, module = net(tmp_path)
    rows = ROWS.astype(np.float32)
    with importing.silence(), torch.inference_mode():
        expected = module(torch.from_numpy(rows))["scores"].numpy()
        module = module.to("cuda:0")
        program = torch.export.export(module, (torch.zeros(3, 4, device="cuda:0"),), dynamic_shapes={"x": {0: torch.export.Dim("n")}})
        torch._inductor.aoti_compile_and_package(program, package_path=str(tmp_path / "model.pt2"))
    # Before 2.13 PyTorch unpacks such packages into /tmp, wherever temporary files belong.
    task = {"id": "net", "model_file": str(tmp_path / "model.pt2"), "device": "cuda:0", "allow_code": True, "writes": ["/tmp"], **X}
    server = spawn(tasks=[task])
    answer = server.predict("net", {"x": rows.tolist()})
    assert answer.status == 200, server.log.read_text()
    np.testing.assert_allclose(answer.json["result"]["scores"], expected, atol=GPU_TOLERANCE)


def test_an_export_that_was_made_on_the_gpu(serve, tmp_path):
    cuda("torch")
    torch, module = net(tmp_path)
    rows = ROWS.astype(np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(rows))["scores"].numpy()
    with importing.silence():
        example = (torch.zeros(3, 4, device="cuda:0"),)
        program = torch.export.export(module.to("cuda:0"), example, dynamic_shapes={"x": {0: torch.export.Dim("n")}})
        torch.export.save(program, tmp_path / "model.pt2")
    case = Case("torch", tmp_path / "model.pt2", {"x": rows}, {"scores": expected}, "code", 1e-5)
    answers(serve(case, device="cuda:0"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_model_of_few_digits(serve, dtype):
    served = serve("transformers_embeddings", device="cuda:0", dtype=dtype, samples=[])
    text = {"text": ["the cat sat", "a dog in Paris runs very far"]}
    mine = served.pool.predict(served.id, text).json["result"]["embedding"]
    np.testing.assert_allclose(mine, served.case.expected["embedding"][:2], atol=0.2)


def test_text_is_generated_as_on_the_processor(pool, tmp_path):
    cuda("transformers")
    save_gpt2(tmp_path / "gpt2")
    texts = {}
    for device in ("cpu", "cuda:0"):
        task = {"id": "story", "model_file": str(tmp_path / "gpt2"), "device": device, "max_new_tokens": 24}
        assert pool.load(task, timeout=_WAIT_S).status == 200
        for name, wish in (("greedy", {"temperature": 0}), ("seeded", {"temperature": 1, "seed": 7})):
            body = {"text_input": "the cat", "stream": False, **wish}
            found = {pool.post("/v2/models/story/generate", body, timeout=_WAIT_S).json["text_output"] for _ in range(2)}
            assert len(found) == 1
            texts[device, name] = found
        streamed = pool.post("/v2/models/story/generate_stream", {"text_input": "the cat", "temperature": 0}, timeout=_WAIT_S)
        assert streamed.status == 200
        assert pool.drop("story").status == 200
    assert texts["cpu", "greedy"] == texts["cuda:0", "greedy"]


def test_keras_on_torch(spawn, tmp_path):
    cuda("torch")
    case = keras_zip(tmp_path)
    pool = spawn(environment={"KERAS_BACKEND": "torch"}, roots=[str(tmp_path)], code_roots=[str(tmp_path)])
    (tmp_path / "served").mkdir()
    served = Served(case, pool, tmp_path / "served", device="cuda:0")
    assert served.load()["gpu_memory_consumed"]["cuda:0"] > 0
    answers(served)
    served.ask_together()
