"""The article's session, command by command, against a live server on a free port, with curl as in the article."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILTER = "i_img_file_to_ns_arr.ImageFileToNormAndScaledNPArrayFilter"
JSON = ["-H", "Content-Type:application/json", "-X", "POST"]
START_S = 120


@pytest.fixture(scope="module")
def curl():
    """The server of the default configuration; gives a function that runs ``curl [options] http://host:port/route`` once."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt install curl")
    command = [sys.executable, "-m", "zeromind", "-c", "configs/model_pool_config.json", "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        seen = []
        for line in server.stderr:
            seen.append(line)
            if found := re.search(r"0Mind is ready: (http://\S+)", line):
                break
        else:
            pytest.fail("the server ended before it was ready: " + "".join(seen))
        url = found[1]

        def run(route, *options):
            line = ["curl", "-sS", "--max-time", str(START_S), *options, f"{url}{route}"]
            return json.loads(subprocess.run(line, cwd=ROOT, capture_output=True, check=True, timeout=START_S).stdout)

        yield run
    finally:
        server.send_signal(signal.SIGTERM)
        server.stderr.close()
        try:
            assert server.wait(30) == 0
        finally:
            if server.poll() is None:
                os.kill(server.pid, signal.SIGKILL)
                server.wait()


def test_the_article_from_top_to_bottom(curl):
    assert curl("/info") == {"service": "ModelPool", "id": 1, "options": {"debug": False}, "version": [2, 0, 0]}

    assert curl("/model/list") == {"id": 1, "check_sum": "4d8a15e3cc35750f016ce15a43937620", "models": ["1"]}

    assert curl("/model/info?id=1") == {
        "inputs": {"0": {"name": "conv2d_1_input:0", "type": "float32", "shape": [None, 28, 28, 1]}},
        "outputs": {"0": {"name": "dense_2/Softmax:0", "type": "float32", "shape": [None, 10]}},
        "tool": "keras",
    }

    assert curl("/info/task?id=1") == {
        "id": "1",
        "model_file": "models/mnist_cnn_model.keras",
        "model_type": "keras",
        "input_filters": {"conv2d_1_input:0": [FILTER]},
        "output_filters": {},
    }

    answer = curl("/model/predict?id=1", "-d", '{"conv2d_1_input:0": [{"image_file": "samples/image5.png"}]}', *JSON)
    (vector,) = answer["result"]["dense_2/Softmax:0"]
    assert len(vector) == 10
    assert sum(vector) == pytest.approx(1, abs=1e-5)
    assert vector[5] > 0.9
    assert 0 < answer["model_time"] < 60

    dropped = curl("/model/drop?id=1")
    assert dropped.pop("unload_time") > 0
    assert dropped.pop("memory_released") > 50e6, "the worker's own memory, which holds a whole framework"
    assert dropped == {"result": True, "model_id": "1"}
    assert curl("/model/list")["models"] == []

    task = {
        "id": "new",
        "output_filters": {"dense_2_1/Softmax:0": ["io_argmax.ArgMaxFilter"]},
        "model_file": "models/mnist_cnn_model.keras",
        "input_filters": {"conv2d_1_input_1:0": [FILTER]},
        "model_type": "keras",
    }
    loaded = curl("/model/load", "-d", json.dumps(task), *JSON)
    assert loaded.pop("load_time") > 0
    assert loaded.pop("memory_consumed") > 50e6
    assert loaded == {"result": True, "model_id": "new"}

    two = '{"conv2d_1_input:0": [{"image_file": "samples/image5.png"}, {"image_file": "samples/image1.png"}]}'
    answer = curl("/model/predict?id=new", "-d", two, *JSON)
    assert answer["result"] == {"dense_2_1/Softmax:0": [5, 1]}
    assert answer["model_time"] > 0

    # today's way: the picture itself as the body
    picture = ["--data-binary", "@samples/image7.png", "-H", "Content-Type: image/png"]
    assert curl("/model/predict?id=new", *picture)["result"] == {"dense_2_1/Softmax:0": [7]}

    assert curl("/command/stop", "-d", '{"pool_id": 1}', *JSON) == {"result": "accepted", "id": 1}


def test_every_sample_is_read(tmp_path):
    """All ten pictures in one request."""
    pictures = [{"image_file": f"samples/image{digit}.png"} for digit in range(10)]
    config = json.loads((ROOT / "configs/model_pool_config.json").read_text())
    config["tasks"][0]["output_filters"] = {"dense_2/Softmax:0": ["io_argmax.ArgMaxFilter"]}
    file = tmp_path / "pool.json"
    file.write_text(json.dumps(config))
    script = (
        "import asyncio, json, sys\n"
        "from pathlib import Path\n"
        "from zeromind.config import pool\n"
        "from zeromind.codecs import zeromind as codec\n"
        "from zeromind.engine import Engine\n"
        "async def main():\n"
        "    engine = Engine(pool.read(Path(sys.argv[1]), {}, {}))\n"
        "    engine.start()\n"
        "    await engine.started()\n"
        "    answer = await engine.infer('1', lambda interface: codec.decode_predict(sys.argv[2].encode(), interface))\n"
        "    print(codec.encode_response(answer).decode())\n"
        "    await engine.close()\n"
        "asyncio.run(main())\n"
    )
    body = json.dumps({"conv2d_1_input:0": pictures})
    command = [sys.executable, "-c", script, str(file), body]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_S, check=True)
    assert json.loads(done.stdout)["result"] == {"dense_2/Softmax:0": list(range(10))}
