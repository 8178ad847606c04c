import collections
import os
import py_compile
import sys

import pytest

from zeromind import importing
from zeromind.errors import ErrorKind, ZeroMindError


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_load_gives_what_the_name_says():
    assert importing.load("collections:OrderedDict") is collections.OrderedDict
    assert importing.load("collections:OrderedDict.fromkeys")("a") == {"a": None}


@pytest.mark.parametrize(
    ("target", "error", "culprit"),
    [
        ("no_such_package.module:x", ModuleNotFoundError, "no_such_package"),
        ("collections.nothing:x", ModuleNotFoundError, "collections.nothing"),
        ("collections:Nothing", AttributeError, "Nothing"),
    ],
)
def test_load_names_its_culprit(target, error, culprit):
    with pytest.raises(error) as caught:
        importing.load(target)
    assert caught.value.name == culprit


def test_a_file_becomes_a_module_anew_each_time(write):
    path = write("own.py", "items = []")
    first, second = importing.load_file(path), importing.load_file(path)
    assert first.items == []
    assert first is not second
    assert sys.modules[second.__name__] is second


def test_files_of_the_same_name_are_different_modules(write):
    first, second = (importing.load_file(write(f"{folder}/own.py", f"folder = {folder!r}")) for folder in "ab")
    assert first.__name__ != second.__name__
    assert (sys.modules[first.__name__].folder, sys.modules[second.__name__].folder) == ("a", "b")


def test_a_file_may_import_its_neighbours_while_it_runs(write):
    write("neighbour_of_own.py", "value = 7")
    path = write("own.py", "from neighbour_of_own import value")
    before = list(sys.path)
    assert importing.load_file(path).value == 7
    assert sys.path == before


def test_a_file_with_a_name_that_is_no_identifier(write):
    assert importing.load_file(write("my-filter v2.1.py", "value = 1")).value == 1


def test_classes_of_a_file_know_where_they_come_from(write):
    path = write("own.py", "import dataclasses\n@dataclasses.dataclass\nclass Point:\n    x: 'int'\n")
    module = importing.load_file(path)
    assert module.Point(1).x == 1
    assert module.Point.__module__ == module.__name__


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("1 / 0", ZeroDivisionError),
        ("def", SyntaxError),
        ("import no_such_package", ModuleNotFoundError),
        ("raise SystemExit", SystemExit),
        ("import sys; sys.path.pop(0); del sys.modules[__name__]; 1 / 0", ZeroDivisionError),
    ],
)
def test_a_file_that_fails_leaves_nothing_behind(write, text, error):
    path = write("own.py", text)
    modules, folders = set(sys.modules), list(sys.path)
    with pytest.raises(error):
        importing.load_file(path)
    assert set(sys.modules) == modules
    assert sys.path == folders


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        importing.load_file(tmp_path / "none.py")


def test_require_gives_the_module():
    assert importing.require("collections.abc", "some", "the adapter").__name__ == "collections.abc"


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_require_says_what_to_install(module):
    with pytest.raises(ZeroMindError) as caught:
        importing.require(module, "some", "the some adapter")
    assert caught.value.kind is ErrorKind.MISSING_PACKAGE
    assert caught.value.message == (
        "the some adapter needs the package 'no_such_package', which is not installed: pip install 'zeromind[some]'"
    )
    assert caught.value.params == ("no_such_package",)


def test_require_does_not_blame_a_package_for_what_that_lacks(write, monkeypatch):
    path = write("needy_package.py", "import another_missing_package")
    monkeypatch.syspath_prepend(path.parent)
    with pytest.raises(ModuleNotFoundError) as caught:
        importing.require("needy_package", "some", "the some adapter")
    assert caught.value.name == "another_missing_package"


def test_a_file_is_read_anew_whatever_is_kept_of_it_compiled(write):
    """Two versions of one second, and as long: what is kept compiled passes for either."""
    path = write("own.py", "value = 1\n")
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    py_compile.compile(str(path), doraise=True)
    path.write_text("value = 2\n")
    os.utime(path, ns=times)
    assert importing.load_file(path).value == 2
    assert importing.load_file(path).value == 2


def fault(path):
    """What an adapter would raise for a file."""
    known = ZeroMindError(ErrorKind.LOAD_FAILED, "it does not load")
    try:
        importing.load_file(path)
    except Exception as error:
        known.__cause__ = error
    return known


def test_a_traceback_begins_with_the_code_that_is_not_ours(write):
    told = importing.traced(fault(write("own.py", "def deep():\n    return 1 / 0\n\ndeep()\n")))
    assert told.startswith("Traceback (most recent call last):\n")
    frames = [line for line in told.splitlines() if line.startswith("  File")]
    assert "test_importing.py" in frames[0]
    assert [frame.split(", ")[1] for frame in frames[-2:]] == ["line 4", "line 2"]
    assert told.endswith("ZeroDivisionError: division by zero\n")


def test_of_a_slip_in_writing_it_shows_the_line(write):
    told = importing.traced(fault(write("own.py", "x = 1\ndef broken(:\n")))
    assert 'own.py", line 2' in told
    assert "SyntaxError" in told


def test_a_fault_that_nobody_elses_code_caused_has_no_traceback():
    assert importing.traced(ZeroMindError(ErrorKind.MODEL_FILE, "gone")) == ""
    known = ZeroMindError(ErrorKind.LOAD_FAILED, "it fails")
    known.trace = "as it came"
    assert importing.traced(known) == "as it came"
