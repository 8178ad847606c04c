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
WAIT_S = 20
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
ECHO = """
class Skill:
    '''Gives back what it gets, one input of each kind.'''

    inputs = {
        "table": ("float32", [None, 3]), "many": ("float32", [None, 20]), "large": ("int64", [None]), "flag": ("bool", [None]),
        "<i>text</i>": ("string", [None]),
    }
    outputs = {f"{name}_out": entry for name, entry in inputs.items()}

    def predict(self, **values):
        return {f"{name}_out": value for name, value in values.items()}
"""
CLASSES = """
import numpy as np

class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"scores": ("float32", [None, 40])}

    def predict(self, x):
        scores = np.zeros((len(x), 40), np.float32)
        scores[:, 7], scores[:, 3] = 0.75, 0.25
        return scores
"""
INVERSE = """
class Skill:
    inputs = {"image": ("float32", [None, 16, 16, 3])}
    outputs = {"inverse": ("float32", [None, 16, 16, 3])}

    def predict(self, image):
        return 1 - image
"""
COUNTDOWN = """
import time

class Skill:
    inputs = {"count": ("int32", [None])}
    outputs = {"text": ("string", [None])}

    def predict(self, count, parameters):
        for number in range(int(count[0]), 0, -1):
            yield [f"{number} <b>…</b>"]
            time.sleep(parameters.get("pause", 0.05))
        if count[0] == 13:
            raise ValueError("thirteen brings bad luck")
        yield [parameters.get("word", "zero")]
"""
FRAGILE = """
import os

class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}

    def __init__(self):
        print("<img src=x onerror=document.title='hacked'> is here", flush=True)

    def predict(self, x):
        if x[0] == 13:
            print("thirteen is too much", flush=True)
            os._exit(3)
        return x
"""
LENGTHS = """
class Skill:
    inputs = {"x": ("float32", [None, 1])}
    outputs = {"y": ("float32", [None, 1])}

    def predict(self, x):
        return x
"""
FILTERS = """
class Words:
    side = "input"

    def apply(self, value, spec):
        return [[len(text.split())] for text in value]

class Sound:
    side = "input"
    media = ("audio/x-strange",)

    def apply(self, value, spec):
        return [[len(value)]]
"""
BROKEN = """
print("here I break <script>", flush=True)
import nothing_like_this
"""
SLOW = """
import time
held = bytes(150_000_000)
time.sleep(60)

def predict(x: float) -> float:
    return x
"""
PATIENT = """
import time

def predict(x: float) -> float:
    time.sleep(float(x.max()))
    return x
"""
SCALED = """
class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"result": ("float32", [None]), "rest": ("float32", [None])}

    def predict(self, x, parameters):
        return {"result": parameters.get("factor", 1) * x, "rest": x}
"""
SKILLS = {
    "bands": BANDS,
    "product": PRODUCT,
    "mixed": MIXED,
    "echo": ECHO,
    "classes": CLASSES,
    "inverse": INVERSE,
    "countdown": COUNTDOWN,
    "fragile": FRAGILE,
    "slow": SLOW,
    "patient": PATIENT,
    "scaled": SCALED,
    "broken": BROKEN,
    "lengths": LENGTHS,
}
LABELS = ["<img src=x onerror=document.title='hacked'>", *map(str, range(1, 7)), "seven", *map(str, range(8, 40))]
PICTURES = {"input_filters": {"image": ["image.ImageFilter"]}}
IN_A_THREAD = {"isolation": "thread"}
TASKS = {
    "bands": PICTURES,
    "echo": IN_A_THREAD,
    "classes": {**IN_A_THREAD, "labels": {"scores": LABELS}},
    "countdown": IN_A_THREAD,
    "fragile": {"retry": "never"},
    "broken": {},
    "words": {**IN_A_THREAD, "model_file": "skills/lengths.py", "input_filters": {"x": ["own.Words"]}},
    "sound": {**IN_A_THREAD, "model_file": "skills/lengths.py", "input_filters": {"x": ["own.Sound"]}},
}
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
    """A pool with a few quick models, others that clients may load, and handlers of its operator's."""
    folder = laid_out(tmp_path_factory.mktemp("pool"), TASKS)
    with serve(folder / "pool.json", folder) as running:
        yield running


@pytest.fixture(scope="session")
def keyed(tmp_path_factory):
    """The same with keys: ``(pool, key, narrow)``. Both may predict and read, the second one of some models only."""
    folder = tmp_path_factory.mktemp("keyed")
    add = [sys.executable, "-m", "zeromind", "keys", "add", "--file", "keys.json"]
    key, narrow = (
        subprocess.run([*add, *more], cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
        for more in (["tester"], ["narrow", "--model", "cl*"])
    )
    laid_out(folder, {"bands": PICTURES, "classes": IN_A_THREAD}, keys_file="keys.json")
    with serve(folder / "pool.json", folder) as running:
        yield running, key, narrow


def laid_out(folder, tasks, **keys):
    """The folder with the files of a pool."""
    files = {**{f"skills/{name}.py": text for name, text in SKILLS.items()}, "handlers/own.py": HANDLERS, "filters/own.py": FILTERS}
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    config = {
        "id": 7,
        "allowed_hosts": ["pool.example"],
        "code_roots": ["skills"],
        "handler_folders": ["handlers"],
        "filter_folders": ["filters"],
        "tasks": [{"id": name, "model_file": f"skills/{name}.py", "allow_code": True, **more} for name, more in tasks.items()],
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
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
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
    """The browser; whatever a page complained of (its policy broken, a script failed), or asked of another host, fails the test."""
    chromium.get("about:blank")
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.get_log("browser")
    chromium.get_log("performance")
    yield chromium
    # The network's complaints are the pool's own refusals, which tests provoke.
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE" and entry["source"] != "network"] == []
    assert [url for url in asked(chromium) if not url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:", "data:", "about:"))] == []


def asked(chromium):
    """The addresses of all requests since the last look."""
    events = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


@pytest.fixture
def page(pool, browser):
    return Page(browser, pool)


class Page:
    """The console as a person sees it."""

    def __init__(self, browser, pool, route="/console"):
        self.browser = browser
        self.pool = pool
        self.browser.get(f"{pool.url}{'/console' if route.startswith('#') else ''}{route}")

    def go(self, route):
        """Follow a link to another page of the console."""
        self.browser.execute_script("location.hash = arguments[0]", route)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        """The one such element, as soon as it is there and in view."""
        return self.until(lambda: next((element for element in self.all(selector) if element.is_displayed()), None), selector)

    def until(self, condition, what):
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.browser, WAIT_S, poll_frequency=0.05, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: condition(), f"waited for {what}")

    def says(self, selector, text):
        """Wait until an element says that."""
        self.until(lambda: any(text in element.text for element in self.all(selector)), f"{text!r} in {selector}")

    def gone(self, selector):
        """Wait until there is none in view."""
        self.until(lambda: not any(element.is_displayed() for element in self.all(selector)), f"no {selector}")

    def click(self, selector):
        self.one(selector).click()

    def button(self, word):
        """The button, or the link that looks like one, of that word."""
        return self.until(
            lambda: next((each for each in self.all("button, a.button, a") if each.text == word and each.is_displayed()), None), word
        )

    def write(self, selector, text, place=0):
        self.one(selector)
        area = self.all(selector)[place]
        area.clear()
        area.send_keys(text)

    def draw(self, *strokes):
        """Strokes over the canvas, each a list of points between 0 and 1."""
        from selenium.webdriver.common.action_chains import ActionChains

        canvas = self.one("canvas")
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
        width, height = canvas.size["width"], canvas.size["height"]
        actions = ActionChains(self.browser, duration=10)
        for first, *others in strokes:
            actions.move_to_element_with_offset(canvas, round((first[0] - 0.5) * width), round((first[1] - 0.5) * height)).click_and_hold()
            for x, y in others:
                actions.move_to_element_with_offset(canvas, round((x - 0.5) * width), round((y - 0.5) * height))
            actions.release()
        actions.perform()

    def predict(self):
        button = self.one("#question [type=submit]")
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()

    def asked(self):
        """The addresses of all requests since the last look, without the pool's own."""
        return [url.removeprefix(self.pool.url) for url in asked(self.browser)]

    def module(self, path, expression):
        """What an expression of a module's exports, ``it``, gives."""
        script = f"const done = arguments[0]; import('./console/{path}').then((it) => {expression}).then(done)"
        return self.browser.execute_async_script(script)
