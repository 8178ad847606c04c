"""Which paths a client may name."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.config.roots import locate


@pytest.fixture
def tree(tmp_path):
    """``first`` and ``second`` are roots, ``outside`` is none."""
    for folder in ("first", "second", "outside", "first/deep"):
        (tmp_path / folder).mkdir()
    for file in ("first/a", "second/a", "second/b", "outside/secret", "first/deep/c", "firstling"):
        (tmp_path / file).write_text(file)
    (tmp_path / "first" / "out").symlink_to(tmp_path / "outside" / "secret")
    (tmp_path / "first" / "away").symlink_to(tmp_path / "outside")
    (tmp_path / "first" / "in").symlink_to("a")
    (tmp_path / "first" / "loop").symlink_to("loop")
    (tmp_path / "first" / "lost").symlink_to("nothing")
    (tmp_path / "linked").symlink_to(tmp_path / "second")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "found"),
    [("a", "first/a"), ("b", "second/b"), ("./a", "first/a"), ("deep/c", "first/deep/c"), ("deep/../a", "first/a"), ("in", "first/a"),
     ("deep", "first/deep"), (".", "first"), ("../second/b", None), ("../second/../first/a", "first/a")],
)  # fmt: skip
def test_what_lies_beneath_a_root_is_found_in_the_order_of_the_roots(tree, path, found):
    roots = [tree / "first", tree / "second"]
    if path == "../second/b":  # from the first it leads out, and from the second it leads in again
        found = "second/b"
    assert locate(path, roots) == tree / found


@pytest.mark.proves("T3", "T12")
@pytest.mark.parametrize(
    "path",
    [
        "",
        "none",
        "../outside/secret",
        "out",
        "away/secret",
        "away",
        "loop",
        "lost",
        "..",
        "../firstling",
        "a/../../outside/secret",
        "a/b",
        "a\0",
        "\0",
        "x" * 300,
        "x/" * 5000,
        "\udc80",
        "deep/../../outside",
    ],
)
def test_nothing_else_is_found(tree, path):
    assert locate(path, [tree / "first"]) is None


def test_absolute_paths_are_judged_by_where_they_lead(tree):
    roots = [tree / "first"]
    assert locate(str(tree / "first" / "a"), roots) == tree / "first" / "a"
    assert locate(str(tree / "outside" / "secret"), roots) is None
    assert locate("/etc/passwd", roots) is None


def test_a_root_may_be_a_link_itself(tree):
    assert locate("b", [tree / "linked"]) == tree / "second" / "b"


def test_without_roots_nothing_is_found(tree):
    assert locate(str(tree / "first" / "a"), []) is None


def test_the_operators_own_paths_may_lie_anywhere(tree, monkeypatch):
    monkeypatch.chdir(tree / "outside")
    roots = [tree / "first"]
    assert locate(str(tree / "firstling"), roots, trusted=True) == tree / "firstling"
    assert locate("out", roots, trusted=True) == tree / "outside" / "secret"
    assert locate("secret", roots, trusted=True) == tree / "outside" / "secret"
    assert locate("a", roots, trusted=True) == tree / "first" / "a"
    assert locate("none", roots, trusted=True) is None


@pytest.mark.proves("T3", "T12")
@given(st.text(max_size=30) | st.lists(st.sampled_from(["..", ".", "deep", "a", "away", "out", ""])).map("/".join))
def test_no_path_leads_out(tmp_path_factory, path):
    folder = tmp_path_factory.getbasetemp() / "roots"
    if not folder.exists():
        (folder / "root" / "deep").mkdir(parents=True)
        (folder / "root" / "a").write_text("")
        (folder / "root" / "away").symlink_to(folder)
        (folder / "root" / "out").symlink_to("/etc/passwd")
    found = locate(path, [folder / "root"])
    assert found is None or os.path.commonpath([found, folder / "root"]) == str(folder / "root")
