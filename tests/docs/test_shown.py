"""What README.md and the pages show is run: blocks that are marked, in the order of their page, in a folder such as a user has.

Marks are comments, which no reader sees, on the line before a fenced block:

    <!-- run -->            the block is run; under each ``$ command`` of a console stands what it prints
    <!-- run: fails -->     the same, and each command ends with a status that is not 0
    <!-- serve -->          its command runs beside the others until it says that it is ready, and to the next one or the page's end
    <!-- write: FILE -->    the block is the file's content

``<!-- serve: COMMAND -->`` needs no block. Shown and real output agree but for white space, digits of fractions, and what is measured
(times, memory); ``…`` stands for anything. The port that is shown stands for a free one.
"""

import dataclasses
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PORT = 5885
COMMAND_S = 120
BASH = shutil.which("bash") or "/bin/bash"
PARTS = ("configs", "models", "samples", "examples", "deploy", "docs")
MARK = re.compile(r"^ *<!-- (run|serve|write)(?:: (.+?))? -->\n(?:\n? *```(\w+)[^\n]*\n(.*?)^ *```)?", re.MULTILINE | re.DOTALL)
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if MARK.search(path.read_text(encoding="utf-8"))]

NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
MEASURED = r"\"(?:\w+_time|memory_\w+|time|since|pid|cpu_usage|\w+_s)\": ?"
PIECES = re.compile(rf"(?P<any>…)|(?P<measured>{MEASURED})(?:{NUMBER})|(?P<number>-?\d+(?:\.\d+(?:e[-+]?\d+)?|e[-+]?\d+))|(?P<space>\s+)")


@dataclasses.dataclass(frozen=True)
class Block:
    """A marked block of a page: what is to be done, with what, and what language it is in."""

    deed: str
    told: str
    language: str
    text: str
    line: int


def blocks(page):
    text = page.read_text(encoding="utf-8")
    for found in MARK.finditer(text):
        deed, told, language, content = found.groups(default="")
        assert language or (deed == "serve" and told), f"{page.name}: a mark without a block: {found[0]}"
        indent = re.match(r" *", content)[0]
        lines = [line.removeprefix(indent) for line in content.splitlines()]
        yield Block(deed, told, language, "\n".join(lines) + "\n", text.count("\n", 0, found.start()) + 1)


def commands(text):
    """The commands of a console with what each prints. A command goes on behind a backslash at a line's end."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif found and found[-1][0][-1].endswith("\\") and not found[-1][1]:
            found[-1][0].append(line)
        else:
            assert found, f"a console begins with a command, not with {line!r}"
            found[-1][1].append(line)
    return [("\n".join(command), "\n".join(printed)) for command, printed in found]


def agree(shown, printed):
    """Whether a command has printed what the page shows."""
    pattern, numbers, end = "", [], 0
    for piece in PIECES.finditer(shown.strip()):
        pattern += re.escape(shown.strip()[end : piece.start()])
        end = piece.end()
        if piece["any"]:
            pattern += "(?s:.*?)"
        elif piece["measured"]:
            pattern += re.escape(piece["measured"]) + NUMBER
        elif piece["number"]:
            pattern += f"({NUMBER})"
            numbers.append(float(piece["number"]))
        else:
            pattern += r"\s+"
    found = re.fullmatch(pattern + re.escape(shown.strip()[end:]), printed.strip())
    if found is None:
        return False
    return all(math.isclose(float(real), number, rel_tol=1e-3, abs_tol=1e-6) for real, number in zip(found.groups(), numbers, strict=True))


class User:
    """A shell in a folder with what a user has, and a server beside it."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.server = None
        folder.mkdir()
        for part in PARTS:
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        home = folder.parent / "home"
        home.mkdir()
        (home / ".curlrc").write_text("silent\nshow-error\nfail-with-body\nmax-time = 60\n")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "HOME": str(home), "ZEROMIND_PORT": str(port), "COLUMNS": "120"}
        self.environment["ZEROMIND_URL"] = f"http://127.0.0.1:{port}"
        self.shell = subprocess.Popen(
            [BASH, "--noprofile", "--norc"],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    def close(self):
        self.end_server()
        os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()
        self.shell.stdin.close()
        self.shell.stdout.close()

    def here(self, text):
        """What is shown, with the ports of this run."""
        return text.replace(str(PORT), str(self.port)).replace(str(PORT + 1), str(self.port + 1))

    def ask(self, command):
        """Run a command in the shell; its status and what it printed, with the ports that are shown."""
        end = f"--- end {time.monotonic_ns()}"
        watch = threading.Timer(COMMAND_S, os.killpg, (self.shell.pid, signal.SIGKILL))
        watch.start()
        try:
            self.shell.stdin.write(f"{{ {self.here(command)}\n}} </dev/null\nprintf '\\n%s %s\\n' '{end}' $?\n")
            self.shell.stdin.flush()
            lines = []
            for line in self.shell.stdout:
                if line.startswith(end):
                    printed = "".join(lines).replace(str(self.port), str(PORT)).replace(str(self.port + 1), str(PORT + 1))
                    return int(line.split()[-1]), printed
                if not line.startswith("curl: (22)"):  # that the status is one of a fault, which a user's curl does not say
                    lines.append(line)
        finally:
            watch.cancel()
        raise AssertionError(f"it did not end in {COMMAND_S} s, or ended the shell: {command}\n{''.join(lines)}")

    def serve(self, command):
        self.end_server()
        log = self.folder.parent / "server.txt"
        with log.open("wb") as stream:
            self.server = subprocess.Popen(
                [BASH, "-c", f"exec {self.here(command)}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        end = time.monotonic() + COMMAND_S
        while "0Mind is ready" not in log.read_text(errors="replace"):
            assert self.server.poll() is None, f"{command}\n{log.read_text()}"
            assert time.monotonic() < end, f"{command}\n{log.read_text()}"
            time.sleep(0.05)
        assert "is not served" not in log.read_text(), log.read_text()

    def end_server(self):
        if self.server is None:
            return
        try:
            if self.server.poll() is None:
                self.server.terminate()
            assert self.server.wait(30) == 0
        finally:
            if self.server.poll() is None:
                os.killpg(self.server.pid, signal.SIGKILL)
                self.server.wait()
            self.server = None


@pytest.fixture
def user(tmp_path, neighbours):
    """Whoever has the repository, the command and curl."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt install curl")
    made = User(tmp_path / "0mind", neighbours())
    yield made
    made.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_shows_is_so(user, page):
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.deed == "write":
            file = user.folder / block.told
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(user.here(block.text))
        elif block.deed == "serve":
            shown = commands(block.text) if block.language == "console" else [(block.text.strip(), "")]
            user.serve(block.told or shown[0][0])
        else:
            for command, shown in _steps(block):
                status, printed = user.ask(command)
                assert (status != 0) == (block.told == "fails"), f"{where}: {command}\nended with {status} and printed\n{printed}"
                assert not shown or agree(shown, printed), f"{where}: {command}\nprinted\n{printed}\nnot\n{shown}"


def _steps(block):
    if block.language == "console":
        return commands(block.text)
    if block.language == "python":
        return [(f"cat > shown.py <<'PYTHON_ENDS'\n{block.text}PYTHON_ENDS\npython shown.py", "")]
    assert block.language == "sh", f"what is to be run is sh, console or python, not {block.language}"
    return [(f"( set -e\n{block.text}\n)", "")]


def test_what_a_new_user_reads_is_run():
    names = {str(page.relative_to(ROOT)) for page in PAGES}
    assert {
        "README.md",
        *(f"docs/{name}.md" for name in ("quick-start", "tour", "client", "metrics", "open-inference", "security")),
    } <= names
    assert {
        str(page.relative_to(ROOT)) for folder in ("guides", "moving", "wires") for page in (ROOT / "docs" / folder).glob("*.md")
    } <= names
    assert sum(block.deed == "run" for page in PAGES for block in blocks(page)) > 60


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ('{"a": 1}', '{"a": 1}', True),
        ('{"a": 1}', '{"a": 2}', False),
        ('{"a": 0.5}', '{"a": 0.5001}', True),
        ('{"a": 0.5}', '{"a": 0.51}', False),
        ('{"x":[1.0,2.6e-27]}', '{"x":[0.99999,0.0]}', True),
        ('{"load_time":1.5,"memory_consumed":12}', '{"load_time":7.25,"memory_consumed":999}', True),
        ('{"load_time":1.5}', '{"other_time":1.5}', False),
        ("a … z", "a long way\nto z", True),
        ("a b", "a\nb", True),
        ("a b", "ab", False),
    ],
)
def test_shown_and_printed_agree(shown, printed, same):
    assert agree(shown, printed) is same
