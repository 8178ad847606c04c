"""Pools in processes of their own, and a browser to look at them."""

import contextlib
import http.client
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_S = 120
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

BANDS = """
import numpy as np

class Skill:
    '''The share of the ink in each of ten bands from left to right.'''

    inputs = {"image": ("float32", [None, 28, 28, 1])}
    outputs = {"bands": ("float32", [None, 10])}

    def predict(self, image):
        columns = image[:, :, :, 0].sum(axis=1)
        bands = np.stack([band.sum(axis=1) for band in np.array_split(columns, 10, axis=1)], axis=1)
        return bands / bands.sum(axis=1, keepdims=True).clip(1e-6)
"""
PRODUCT = """
def predict(length: float, width: float) -> float:
    return length * width
"""
MIXED = """
class Skill:
    inputs = {"image": ("float32", [None, 28, 28, 1]), "factor": ("float32", [None])}
    outputs = {"signed": ("float32", [None, 3])}

    def predict(self, image, factor):
        ink = image.max(axis=(1, 2, 3))
        return [[-2 * f * i, 0, f * i] for f, i in zip(factor, ink)]
"""
SLOW = """
import time
time.sleep(60)

def predict(x: float) -> float:
    return x
"""
HANDLERS = """
from zeromind.http.handler import Handler

class Hello(Handler):
    route = r"/hello/(\\w+)"
    shown = "/hello/{name}"
    summary = "Greets `name`, <b>boldly</b>."

    def get(self, name):
        self.send({"hello": name})

class Picture(Handler):
    route = "/console/own.svg"

    def get(self):
        self.send({"mine": True})
"""


class Pool:
    """A running pool."""

    def __init__(self, url):
        self.url = url

    def request(self, target, body=None, method=None, **headers):
        """(status, headers, body) of one request; redirects are not followed."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=START_S)
        with contextlib.closing(connection):
            connection.request(method or ("GET" if body is None else "POST"), target, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def ask(self, target, data=None):
        """The JSON answer to a GET, or to a POST of JSON."""
        body = None if data is None else json.dumps(data).encode()
        status, _, answer = self.request(target, body, **{"Content-Type": "application/json"})
        assert status == 200, answer
        return json.loads(answer)


@contextlib.contextmanager
def serve(config, folder):
    command = [sys.executable, "-m", "zeromind", "-c", str(config), "--port", "0"]
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    lines = queue.Queue()
    reader = threading.Thread(target=read, args=(server.stderr, lines), daemon=True)
    reader.start()
    try:
        yield Pool(ready(lines))
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.kill(server.pid, 9)
            server.wait()
        reader.join(10)
        server.stderr.close()


def read(stream, lines):
    """Keep reading, lest the server stops at a full pipe."""
    for line in stream:
        lines.put(line)
    lines.put("")


def ready(lines):
    seen = []
    with contextlib.suppress(queue.Empty):
        while line := lines.get(timeout=START_S):
            seen.append(line)
            if "0Mind is ready: " in line:
                return line.split("0Mind is ready: ")[1].split()[0]
    return pytest.fail("the server did not come up: " + "".join(seen))


@pytest.fixture(scope="session")
def pool(tmp_path_factory):
    """A pool with a quick model that takes pictures, others that clients may load, and handlers of its operator's."""
    folder = laid_out(tmp_path_factory.mktemp("pool"))
    with serve(folder / "pool.json", folder) as running:
        yield running


@pytest.fixture(scope="session")
def keyed(tmp_path_factory):
    """The same with keys, and one that may predict and read."""
    folder = tmp_path_factory.mktemp("keyed")
    command = [sys.executable, "-m", "zeromind", "keys", "add", "tester", "--file", "keys.json"]
    key = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    laid_out(folder, keys_file="keys.json")
    with serve(folder / "pool.json", folder) as running:
        yield running, key


def laid_out(folder, **keys):
    """The folder with the files of a pool."""
    skills = {"bands": BANDS, "product": PRODUCT, "mixed": MIXED, "slow": SLOW}
    for name, text in {**{f"skills/{name}.py": text for name, text in skills.items()}, "handlers/own.py": HANDLERS}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    task = {"id": "bands", "model_file": "skills/bands.py", "input_filters": {"image": ["image.ImageFilter"]}, "allow_code": True}
    config = {
        "id": 7,
        "allowed_hosts": ["pool.example"],
        "code_roots": ["skills"],
        "handler_folders": ["handlers"],
        "tasks": [task],
        **keys,
    }
    (folder / "pool.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def demo():
    """The default configuration."""
    with serve(ROOT / "configs/model_pool_config.json", ROOT) as running:
        yield running


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A browser without a head, with nothing remembered and nothing that it asks for by itself."""
    if BROWSER is None or DRIVER is None:
        pytest.skip("no browser to look with: apt install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", "disable-dev-shm-usage", "window-size=1280,1000",
        f"user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, Service(DRIVER))
    try:
        driver.set_page_load_timeout(30)
        driver.set_script_timeout(30)
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def browser(chromium):
    """The browser; whatever a page complained of (its policy broken, a script failed) fails the test."""
    chromium.get("about:blank")
    chromium.get_log("browser")
    yield chromium
    # The network's complaints are the pool's own refusals, which tests provoke.
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE" and entry["source"] != "network"] == []
