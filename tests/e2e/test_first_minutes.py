"""The first minutes, as a newcomer has them: a clone, one command, and a picture that is read, in the terminal and in the browser."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_S = 120
WAIT_S = 30
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
GIT = shutil.which("git") or ""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of this repository as it is committed; what it needs is installed already."""
    if not GIT or not (ROOT / ".git").exists():
        pytest.skip("there is no repository to clone")
    folder = tmp_path_factory.mktemp("first") / "zeromind"
    subprocess.run([GIT, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True, timeout=START_S, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def environment(clone, tmp_path_factory):
    """An environment in which ``zeromind`` is the clone's."""
    program = tmp_path_factory.mktemp("bin") / "zeromind"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zeromind "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PYTHONPATH": str(clone / "src"), "PATH": f"{program.parent}:{os.environ['PATH']}", "COLUMNS": "200"}


class Terminal:
    """A server in a terminal, and what it has printed."""

    def __init__(self, command, folder, environment):
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        self.said = ""
        self._heard = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self._heard:
                self.said += line
                self._heard.notify_all()

    def sees(self, pattern):
        """The first group of a pattern, once that was printed."""
        with self._heard:
            found = self._heard.wait_for(lambda: re.search(pattern, self.said), START_S)
        assert found, self.said
        return found[1]

    def end(self):
        self.process.terminate()
        try:
            assert self.process.wait(WAIT_S) == 0, self.said
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._reader.join(WAIT_S)
            self.process.stderr.close()


@pytest.fixture(scope="module")
def demo(clone, environment):
    """``zeromind serve`` in the clone."""
    server = Terminal(["zeromind", "serve", "--port", "0"], clone, environment)
    try:
        server.url = server.sees(r"0Mind is ready: (http://\S+) \(1\)")
        yield server
    finally:
        server.end()


def shell(line, folder, environment):
    done = subprocess.run(["/bin/sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(answer):
    """The digit that an answer means."""
    ((scores,),) = json.loads(answer)["result"].values()
    return scores.index(max(scores))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_line_that_is_printed_reads_a_picture(demo, clone, environment):
    line = demo.sees(r"ask it +(curl .*)")
    digit = int(re.search(r"image(\d)\.png", line)[1])
    assert read(shell(line, clone, environment)) == digit


def test_the_command_reads_one_too(demo, clone, environment):
    assert read(shell(f"zeromind predict 1 -f samples/image5.png --url {demo.url}", clone, environment)) == 5


@pytest.fixture
def browser(tmp_path):
    if BROWSER is None or DRIVER is None:
        pytest.skip("no browser to look with: apt install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-dev-shm-usage", f"user-data-dir={tmp_path}"):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, Service(DRIVER))
    try:
        driver.set_page_load_timeout(WAIT_S)
        yield driver
    finally:
        driver.quit()


def test_the_console_reads_a_picture(demo, clone, browser):
    from selenium.webdriver.support.ui import WebDriverWait

    def there(selector):
        return WebDriverWait(browser, WAIT_S).until(lambda _: browser.find_elements("css selector", selector), f"waited for {selector}")

    browser.get(demo.sees(r"console +(http://\S+)"))
    there("canvas")
    there("input[type=file]")[0].send_keys(str(clone / "samples" / "image5.png"))
    WebDriverWait(browser, WAIT_S).until(lambda _: "image5.png" in there(".pad")[0].text)
    button = there("#question [type=submit]")[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", button)
    (best,) = there(".bars li.best")
    assert best.text.split()[0] == "5"


def test_a_skill_of_ones_own_is_served_and_changed(clone, environment):
    """``zeromind init``, then what it says is next."""
    said = shell("zeromind init hello --example", clone, environment)
    enter, serve = re.search(r"cd (\w+) && (zeromind serve .*)", said).groups()
    question = re.search(r"zeromind predict .*", said)[0]
    folder = clone / enter
    server = Terminal([*serve.split(), "--port", "0"], folder, environment)
    try:
        url = server.sees(r"0Mind is ready: (http://\S+) \(mood\)")
        ask = f"{question} --url {url}"
        assert json.loads(shell(ask, folder, environment))["result"] == {"mood": ["cheerful", "gloomy"]}
        server.sees(r"(watching)")
        skill = folder / "mood.py"
        skill.write_text(skill.read_text().replace('"gloomy", "neutral"', '"rather sad", "neutral"'))
        server.sees(r"mood: (loaded anew)")
        assert json.loads(shell(ask, folder, environment))["result"] == {"mood": ["cheerful", "rather sad"]}
    finally:
        server.end()
