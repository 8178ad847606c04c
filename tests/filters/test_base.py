import os

import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.filters.base import Files, Filter, build


class Echo:
    side = "both"

    def __init__(self, times=1):
        if times < 0:
            raise ValueError("'times' must not be negative")
        self.times = times

    def apply(self, value, spec):
        return [value] * self.times


class Reader:
    side = "input"

    def __init__(self, path, files):
        self.data = files.read(path)

    def apply(self, value, spec):
        return self.data


@pytest.fixture
def places(tmp_path):
    """Two roots with a file each, and a secret beside them."""
    for name in ("one", "two", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
    return tmp_path


@pytest.fixture
def files(places):
    return Files([places / "one", places / "two"], max_bytes=1000)


def refusal(files, path):
    with pytest.raises(ZeroMindError) as caught:
        files.read(path)
    assert caught.value.kind is ErrorKind.FILTER_FILE
    return caught.value


def test_relative_paths_are_found_in_the_first_root_that_has_them(files, places):
    assert files.read("one.txt") == b"one"
    assert files.read("two.txt") == b"two"
    (places / "two" / "one.txt").write_text("shadowed")
    assert files.read("one.txt") == b"one"


def test_absolute_paths_and_detours_within_the_roots_are_fine(files, places):
    assert files.read(str(places / "two" / "two.txt")) == b"two"
    assert files.read("../two/two.txt") == b"two"
    (places / "one" / "inside.txt").symlink_to("one.txt")
    assert files.read("inside.txt") == b"one"


def test_nothing_outside_the_roots_is_read_and_every_refusal_sounds_the_same(files, places):
    (places / "one" / "escape").symlink_to(places / "secret")
    (places / "one" / "link.txt").symlink_to(places / "secret" / "secret.txt")
    (places / "one" / "loop").symlink_to("loop")
    (places / "one" / "folder").mkdir()
    (places / "one" / "huge.bin").write_bytes(b"x" * 1001)
    (places / "one-and-more").mkdir()
    (places / "one-and-more" / "a.txt").write_text("a")
    os.mkfifo(places / "one" / "fifo")
    refused = [
        "absent.txt",
        "../secret/secret.txt",
        str(places / "secret" / "secret.txt"),
        str(places / "one-and-more" / "a.txt"),
        "escape/secret.txt",
        "link.txt",
        "loop",
        "folder",
        "huge.bin",
        "fifo",
        "one.txt\0",
        "\ud800.txt",
        "x" * 5000,
        "one.txt/inside",
        "/dev/zero",
        "/proc/self/environ",
        ".",
        "",
    ]
    for path in refused:
        error = refusal(files, path)
        assert error.message == f"the file {path!r} is not readable beneath the roots of this pool: check the path, or extend 'roots'"
        assert error.params == (path,)


@pytest.mark.parametrize("path", [None, 3, b"one.txt", ["one.txt"], {"a": 1}, True])
def test_what_is_no_text_is_no_path(files, path):
    refusal(files, path)


def test_without_roots_nothing_is_readable(places):
    refusal(Files([]), str(places / "one" / "one.txt"))


def test_a_file_of_exactly_the_limit_is_read(files, places):
    (places / "one" / "full.bin").write_bytes(b"x" * 1000)
    assert len(files.read("full.bin")) == 1000


def test_build_gives_settings_and_files_to_those_who_ask(files):
    echo = build(Echo, "echo.Echo", {"times": 2}, files)
    assert isinstance(echo, Filter)
    assert echo.apply(3, None) == [3, 3]
    assert build(Reader, "own.Reader", {"path": "one.txt"}, files).apply(None, None) == b"one"


@pytest.mark.parametrize("settings", [{"twice": 1}, {"times": -1}, {"times": "a"}, {"files": 1}, {"self": 1}])
def test_build_names_the_filter_and_what_it_knows(files, settings):
    with pytest.raises(ZeroMindError, match=r"filter 'echo.Echo' cannot take these parameters: .*\(it knows: times\)") as caught:
        build(Echo, "echo.Echo", settings, files)
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS


def test_a_task_cannot_bring_its_own_files(files):
    with pytest.raises(ZeroMindError) as caught:
        build(Reader, "own.Reader", {"path": "one.txt", "files": 1}, files)
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS


def test_a_missing_file_of_a_setting_keeps_its_kind(files):
    with pytest.raises(ZeroMindError) as caught:
        build(Reader, "own.Reader", {"path": "absent"}, files)
    assert caught.value.kind is ErrorKind.FILTER_FILE


@pytest.mark.parametrize(
    "thing",
    [
        None,
        3,
        os,
        len,
        object,
        Echo(),
        type("NoSide", (), {"apply": Echo.apply}),
        type("WrongSide", (), {"side": "left", "apply": Echo.apply}),
        type("NoApply", (), {"side": "input"}),
        type("ApplyIsData", (), {"side": "input", "apply": 3}),
    ],
)
def test_what_lacks_the_form_is_not_a_filter(files, thing):
    with pytest.raises(ZeroMindError, match=r"'own\.Thing' is not a filter: it needs a class with side") as caught:
        build(thing, "own.Thing", {}, files)
    assert caught.value.kind is ErrorKind.NOT_A_FILTER
