"""The import of a framework is a stage of its own, and leaves no trace behind."""

import importlib
import sys

from zeromind.executor.stages import LOADING, told


def test_an_import_is_told_from_its_beginning_to_its_end(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slowly.py").write_text("import told_inside\n")
    (tmp_path / "told_inside.py").write_text("")
    (tmp_path / "other.py").write_text("")
    stages, before = [], list(sys.meta_path)
    with told(stages.append, ("slowly", "never")):
        importlib.import_module("other")
        importlib.import_module("slowly")
        importlib.import_module("slowly")
    assert stages == [LOADING, "importing slowly", LOADING]
    assert sys.meta_path == before
    module = sys.modules["slowly"]
    importlib.reload(module)
    assert stages == [LOADING, "importing slowly", LOADING]
    for name in ("slowly", "told_inside", "other"):
        del sys.modules[name]


def test_a_package_that_fails_or_lacks_fails_as_ever(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken_one.py").write_text("raise RuntimeError('no')")
    stages, faults = [], []
    with told(stages.append, ("broken_one", "no_such_package")):
        for name in ("broken_one", "no_such_package"):
            try:
                importlib.import_module(name)
            except Exception as error:
                faults.append(type(error))
    assert faults == [RuntimeError, ModuleNotFoundError]
    assert stages == [LOADING, "importing broken_one", "importing no_such_package"]


def test_nobody_who_listens_has_nothing_watched():
    before = list(sys.meta_path)
    with told(None, ("json",)):
        assert sys.meta_path == before
