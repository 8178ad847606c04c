import itertools
import sys

import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.plugins import ADAPTERS, FILTERS, LEGACY_FILTERS, Plugins, modules_in

FILTER = """
class {name}:
    side = "input"
    def apply(self, value, spec):
        return {answer!r}
"""
ADAPTER = """
from zeromind.adapters.base import Adapter

class {name}(Adapter):
    name = {tool!r}
    formats = "nothing"
    @classmethod
    def recognises(cls, file):
        return False
    def __init__(self, source):
        pass
    def predict(self, inputs):
        return inputs

class Base:
    pass
"""


def answer_of(plugins, identifier):
    return plugins.filter(identifier)().apply(None, None)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "own"
    place.mkdir()
    (place / "double.py").write_text(FILTER.format(name="Double", answer="folder"))
    (place / "tool.py").write_text(ADAPTER.format(name="ToolAdapter", tool="tool"))
    (place / "__init__.py").write_text("raise RuntimeError('a folder is no package: this is not read')")
    (place / "deep").mkdir()
    (place / "deep" / "inner.py").write_text(FILTER.format(name="Inner", answer="deep"))
    return str(place)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An importable package, and its name."""
    name = f"own_{tmp_path.name}".replace("-", "_")
    place = tmp_path / "site" / name
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("")
    (place / "double.py").write_text(FILTER.format(name="Double", answer="package"))
    (place / "tool.py").write_text(ADAPTER.format(name="ToolAdapter", tool="tool of a package"))
    (place / "broken.py").write_text("import no_such_library_at_all")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield name
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.fixture
def installed(package, tmp_path):
    """The same package as a distribution with entry points."""
    metadata = tmp_path / "site" / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[zeromind.filters]\npoint.Double = {package}.double:Double\n[zeromind.adapters]\npointed = {package}.tool:ToolAdapter\n"
    )
    return package


def test_the_tables_agree():
    assert set(LEGACY_FILTERS.values()) <= set(FILTERS)
    for identifier, target in FILTERS.items():
        module, _, name = target.partition(":")
        assert identifier == f"{module.rpartition('.')[2]}.{name}"
        assert Plugins().filter(identifier).__name__ == name
    for old, new in LEGACY_FILTERS.items():
        assert Plugins().filter(old) is Plugins().filter(new)
    assert all(target.startswith("zeromind.adapters.") for target in ADAPTERS.values())


def test_filters_come_from_a_folder(folder):
    plugins = Plugins(filter_folders=(folder,))
    assert answer_of(plugins, "double.Double") == "folder"
    assert answer_of(plugins, "deep.inner.Inner") == "deep"


def test_filters_come_from_a_package(package):
    assert answer_of(Plugins(filter_folders=(package,)), "double.Double") == "package"


def test_the_first_place_that_has_it_wins(folder, package):
    assert answer_of(Plugins(filter_folders=(package, folder)), "double.Double") == "package"
    assert answer_of(Plugins(filter_folders=(folder, package)), "double.Double") == "folder"
    assert answer_of(Plugins(filter_folders=(package, folder)), "deep.inner.Inner") == "deep"


def test_filters_come_from_entry_points(installed):
    assert answer_of(Plugins(), "point.Double") == "package"


def test_built_in_ids_cannot_be_shadowed(tmp_path):
    (tmp_path / "argmax.py").write_text(FILTER.format(name="ArgMaxFilter", answer="shadow"))
    assert Plugins(filter_folders=(str(tmp_path),)).filter("argmax.ArgMaxFilter").__module__ == "zeromind.filters.argmax"


@pytest.mark.parametrize("places", [(), ("no_such_package",), ("/no/such/folder",), ("./no_such_folder",), ("../x",), ("",)])
@pytest.mark.parametrize(
    "identifier", ["no.Such", "double.Single", "Double", "", "double.", ".Double", "../double.Double", "a b.C", "os.path"]
)
def test_an_unknown_filter_is_named_with_what_there_is(folder, places, identifier):
    with pytest.raises(ZeroMindError, match=r"is not found; built in are argmax\.ArgMaxFilter") as caught:
        Plugins(filter_folders=(*places, folder)).filter(identifier)
    assert caught.value.kind is ErrorKind.FILTER_NOT_FOUND
    assert caught.value.params == (identifier,)


def test_what_a_module_itself_lacks_is_not_mistaken_for_a_missing_filter(package):
    with pytest.raises(ModuleNotFoundError, match="no_such_library_at_all"):
        Plugins(filter_folders=(package,)).filter("broken.Broken")


def test_what_a_file_raises_comes_through(tmp_path):
    (tmp_path / "wrong.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        Plugins(filter_folders=(str(tmp_path),)).filter("wrong.Wrong")
    (tmp_path / "wrong.py").write_text(FILTER.format(name="Wrong", answer="mended"))
    assert answer_of(Plugins(filter_folders=(str(tmp_path),)), "wrong.Wrong") == "mended"


def test_adapters_come_from_folders_packages_and_entry_points(folder, installed):
    plugins = Plugins(adapter_folders=(folder,))
    assert plugins.adapter("tool").__name__ == "ToolAdapter"
    assert plugins.adapter("pointed").name == "tool of a package"
    first, second = itertools.islice(plugins.adapters(), 2)
    assert [first.name, second.name] == ["tool", "tool of a package"]


def test_adapters_come_from_the_modules_of_a_package(package, tmp_path):
    (tmp_path / "site" / package / "broken.py").unlink()
    assert Plugins(adapter_folders=(package,)).adapter("tool of a package").__name__ == "ToolAdapter"


def test_an_unknown_model_type_is_named_with_what_there_is(folder):
    with pytest.raises(ZeroMindError, match=r"model type 'toll' is unknown; known are .*keras.*tool") as caught:
        Plugins(adapter_folders=(folder,)).adapter("toll")
    assert caught.value.kind is ErrorKind.MODEL_TYPE_UNKNOWN


def test_modules_come_in_the_order_of_their_names(folder, package):
    assert [module.__name__.split("_")[2] for module in modules_in(folder)] == ["double", "tool"]
    names = [module.__name__ for module in itertools.islice(modules_in(package), 1)]
    assert names == [package]
