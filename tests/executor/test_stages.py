"""The import of a framework is a stage of its own, and leaves no trace behind."""

import asyncio
import importlib
import sys

import pytest

from zeromind.executor.diary import Diary
from zeromind.executor.order import Order
from zeromind.executor.process import ProcessExecutor
from zeromind.executor.stages import LOADING, told

SAMPLES = {
    "double.onnx": {"inputs": {"x": [[1, 2, 3, 4]]}, "outputs": {"y": [[2, 4, 6, 8]]}},
    "sum.py": {"inputs": {"x": [[1, 2, 3]]}, "outputs": {"sum": [6]}},
}


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


@pytest.mark.parametrize(("file", "package"), [("double.onnx", "onnxruntime"), ("sum.py", "")])
def test_a_worker_tells_what_it_does_while_it_loads(models, file, package):
    class Stages(Diary):
        def __init__(self):
            super().__init__()
            self.stages = [self.stage]

        def reach(self, stage):
            super().reach(stage)
            self.stages.append(self.stage)

    async def main():
        task = {"id": "t", "model_file": str(models / file), "samples": [SAMPLES[file]]}
        made = ProcessExecutor(Order(task, task["model_file"], (str(models),), allow_code=True), lambda: None, lambda: None, diary)
        await made.start(60)
        await made.stop()

    diary = Stages()
    asyncio.run(main())
    imports = [f"importing {package}", LOADING] if package else []
    assert diary.stages == ["starting", LOADING, *imports, "trying the samples"]
