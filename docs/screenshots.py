"""Takes the pictures of the console in docs/ anew: a pool with the demo and the examples, a browser, somebody who asks.

    .venv/bin/python docs/screenshots.py

It wants Chromium and its driver, and takes two minutes.
"""

import base64
import contextlib
import io
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

DOCS = Path(__file__).parent
ROOT = DOCS.parent
WAIT_S = 60
SEVEN = [(0.3, 0.22), (0.7, 0.22), (0.45, 0.82)]
FIVE = [(0.68, 0.2), (0.36, 0.2), (0.34, 0.47), (0.55, 0.42), (0.68, 0.56), (0.66, 0.74), (0.5, 0.82), (0.32, 0.76)]
SLOW = """
import time

print("reading the weights", flush=True)
weights = []
for part in range(60):
    weights.append(bytearray(b"0") * 12_000_000)
    time.sleep(0.25)


def predict(x: float) -> float:
    return x
"""
POOL = {
    "id": 1,
    "port": 0,
    "code_roots": ["."],
    "tasks": [
        {
            "id": "digits",
            "model_file": "models/mnist_cnn_model.keras",
            "input_filters": {"conv2d_1_input:0": ["image.ImageFilter"]},
        },
        {"id": "mood", "model_file": "examples/skill.py", "allow_code": True, "instances": 2},
        {"id": "countdown", "model_file": "examples/countdown.py", "allow_code": True},
    ],
}


class Camera:
    """A browser that looks at a pool."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        driver.get(f"{url}/console")

    def go(self, route: str) -> None:
        """Another page of the console."""
        self.driver.execute_script("location.hash = arguments[0]", route)

    def screen(self, width: int, height: int, scheme: str = "light") -> None:
        """Another screen, in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def one(self, selector: str) -> WebElement:
        """The first such element, as soon as it is in view."""
        wait = WebDriverWait(self.driver, WAIT_S, poll_frequency=0.1)
        return wait.until(
            lambda _: next((each for each in self.driver.find_elements("css selector", selector) if each.is_displayed()), None)
        )

    def draw(self, stroke: list[tuple[float, float]]) -> None:
        """A stroke on the pad."""
        pad = self.one("canvas")
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", pad)
        width, height = pad.size["width"], pad.size["height"]
        actions = ActionChains(self.driver, duration=10)
        for place, (x, y) in enumerate(stroke):
            actions.move_to_element_with_offset(pad, round((x - 0.5) * width), round((y - 0.5) * height))
            if place == 0:
                actions.click_and_hold()
        actions.release().perform()

    def shoot(self, name: str) -> None:
        """The page into a picture, scrolled to its top."""
        self.driver.execute_script("scrollTo(0, 0); document.activeElement.blur()")
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        file = DOCS / f"{name}.png"
        picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        # 256 colours are enough for a page, and make a third of the bytes.
        picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(file, optimize=True)
        print(f"{file.name}: {file.stat().st_size // 1000} kB")


def take(camera: Camera) -> None:
    """All of them."""
    camera.screen(1280, 940)
    camera.one('[data-id="digits"]')
    camera.driver.execute_script("const s = document.getElementById('tried'); s.value = 'digits'; s.dispatchEvent(new Event('change'))")
    camera.draw(SEVEN)
    camera.one("#question [type=submit]").click()
    camera.one(".bars .best")
    time.sleep(3)
    camera.shoot("console")

    camera.screen(1280, 1080)
    camera.go("#/model/digits")
    with asking(camera.url, "digits", "120,350,700,250"):
        time.sleep(52)
        camera.shoot("console-model")
        camera.screen(1280, 900, "dark")
        camera.go("#/models")
        time.sleep(3)
        camera.shoot("console-dark")

    camera.screen(1280, 660)
    camera.go("#/load")
    camera.one("#task-id").send_keys("large")
    camera.one("#task-file").send_keys("large.py")
    camera.one("#load [type=submit]").click()
    time.sleep(8)
    camera.shoot("console-load")
    camera.one("#load-cancel").click()

    camera.screen(390, 1120)
    camera.go("#/model/digits/try")
    camera.draw(FIVE)
    camera.one("#question [type=submit]").click()
    camera.one(".bars .best")
    camera.shoot("console-phone")


@contextlib.contextmanager
def asking(url: str, model: str, rates: str) -> Iterator[None]:
    """Somebody who asks a model, at one rate after the other."""
    command = [sys.executable, "-m", "zeromind", "bench", url, model, "--rate", rates, "--duration", "14", "--warmup", "0"]
    command += ["--data", str(ROOT / "samples/image5.png")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bench:  # noqa: S603 - our own command
        yield
        bench.terminate()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A pool, and its address."""
    for file in ("models/mnist_cnn_model.keras", "examples/skill.py", "examples/countdown.py"):
        (folder / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    (folder / "pool.json").write_text(json.dumps(POOL))
    (folder / "large.py").write_text(SLOW)
    command = [sys.executable, "-m", "zeromind", "-c", "pool.json"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own command
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: [lines.put(line) for line in server.stderr or ()], daemon=True).start()
        try:
            while "0Mind is ready: " not in (line := lines.get(timeout=WAIT_S)):
                pass
            yield line.split("0Mind is ready: ")[1].split()[0]
        finally:
            server.terminate()


@contextlib.contextmanager
def looking() -> Iterator[webdriver.Chrome]:
    """A browser without a head."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as url, looking() as driver:
        take(Camera(driver, url))
