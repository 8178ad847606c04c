"""Real models of every adapter, made by the real frameworks: ``cases/`` has a module for each adapter."""

import importlib
from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in Path(__file__).with_name("cases").glob("*.py") if path.stem != "case")
MAKERS_OF = {name: importlib.import_module(f"conformance.cases.{name}").MAKERS for name in MODULES}
MAKERS = {maker.__name__: maker for makers in MAKERS_OF.values() for maker in makers}


@pytest.fixture(scope="module", params=MAKERS)
def case(request, tmp_path_factory):
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module", params=[*(makers[0].__name__ for makers in MAKERS_OF.values()), "sklearn_text"])
def one_case(request, tmp_path_factory):
    """A case of each adapter, and the text of one."""
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def makers():
    """What makes a case in a folder, by its name."""
    return MAKERS
