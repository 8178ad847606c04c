"""Real models of every adapter, made by the real frameworks: ``cases/`` has a module for each adapter."""

import importlib
from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in Path(__file__).with_name("cases").glob("*.py") if path.stem != "case")
MAKERS = {maker.__name__: maker for name in MODULES for maker in importlib.import_module(f"conformance.cases.{name}").MAKERS}


@pytest.fixture(scope="module", params=MAKERS)
def case(request, tmp_path_factory):
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def makers():
    """What makes a case in a folder, by its name."""
    return MAKERS
