"""pyproject.toml, requirements.txt and the Makefile say the same."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from zeromind.plugins import Plugins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it to Python 3.10

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOLD_AS = {
    "PIL": "pillow",
    "cuda": "cuda-python",
    "cv2": "opencv-python-headless",
    "mlflow": "mlflow-skinny",
    "yaml": "pyyaml",
    "google": "protobuf",
    "grpc": "grpcio",
    "grpc_tools": "grpcio-tools",
    "simdjson": "pysimdjson",
    "sklearn": "scikit-learn",
}
MAKE = shutil.which("make") or ""
# What conda's --file understands of a pip requirement: a name, a version, and comments on lines of their own.
CONDA_LINE = re.compile(r"[a-z0-9][a-z0-9_.-]*(>=[0-9][0-9.]*)?")


def comparable(line: str) -> tuple[str, str]:
    requirement = Requirement(line)
    return canonicalize_name(requirement.name), str(requirement.specifier)


def closure(extra: str) -> set[tuple[str, str]]:
    """All that an extra installs, through the extras of ours that it names."""
    found: set[tuple[str, str]] = set()
    for line in EXTRAS[extra]:
        requirement = Requirement(line)
        if requirement.name == "zeromind":
            found.update(*(closure(inner) for inner in requirement.extras))
        else:
            found.add((canonicalize_name(requirement.name), f"{requirement.specifier};{requirement.marker}"))
    return found


def test_requirements_are_the_dependencies_of_the_project():
    lines = [line for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not CONDA_LINE.fullmatch(line)] == []
    assert sorted(map(comparable, lines)) == sorted(map(comparable, PROJECT["dependencies"]))


def test_core_is_free_of_frameworks():
    core = {comparable(line)[0] for line in PROJECT["dependencies"]}
    assert not core & {"keras", "jax", "tensorflow", "torch", "scikit-learn", "onnxruntime", "pillow", "h5py", "joblib", "skops"}


def test_one_stamp_speaks_for_all_installs():
    """The Makefile takes an environment with the extra `test` for one with the extras `demo` and `docs`."""
    assert closure("demo") | closure("docs") <= closure("test")


@pytest.mark.skipif(not MAKE, reason="make is not installed")
@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("no-such-python", "apt install python3 python3-venv"),
        ("old", "Python 3.10 or newer is needed"),
        ("without-venv", "apt install python3-venv"),
    ],
)
def test_what_the_system_lacks_is_said_in_one_line(tmp_path, python, words):
    for name, change in (("old", "sys.version_info = (3, 9)"), ("without-venv", "sys.modules['ensurepip'] = None")):
        script = f'#!/bin/sh\n[ "$1" = -c ] && exec "{sys.executable}" -c "import sys; {change}; $2"\n'
        (tmp_path / name).write_text(script, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    chosen = tmp_path / python if (tmp_path / python).exists() else python
    # The make that runs these tests leaves its flags behind.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = [MAKE, "setup", f"PYTHON={chosen}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert not (tmp_path / "venv").exists()


def wanted(folder: str) -> dict[str, str]:
    """The packages that the files of a folder import at the top level, each with one file that does.

    Inside functions there are also those that a user may or may not have.
    """
    found = {}
    for path in sorted((ROOT / folder).glob("**/*.py")):
        beside = {neighbour.stem for neighbour in path.parent.iterdir()}
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            found.update({top: path.name for name in names if (top := name.partition(".")[0]) not in beside})
    suites = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}  # which share what is common to them
    return {name: file for name, file in found.items() if name not in {*sys.stdlib_module_names, "zeromind", *suites}}


def test_what_an_adapter_needs_its_extra_installs_and_no_older():
    """The one version that is checked at load is the one that pip is told; Python 3.10 may get an older Keras."""
    for adapter in Plugins().adapters():
        lines = [Requirement(line) for line in EXTRAS.get(adapter.name, ())]
        for module, least in adapter.needs.items():
            name = SOLD_AS.get(module, canonicalize_name(module))
            floors = [
                Version(each.version)
                for line in lines
                if canonicalize_name(line.name) == name
                for each in line.specifier
                if each.operator == ">="
            ]
            assert floors, (adapter.name, module)
            assert min(floors) == Version(least), (adapter.name, module)


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_what_is_imported_is_declared(folder):
    declared = {name for extra in EXTRAS for name, _ in closure(extra)} | {comparable(line)[0] for line in PROJECT["dependencies"]}
    declared |= {"packaging", "tomli", "scipy"}  # pytest brings two of them, scikit-learn the third
    assert {name: file for name, file in wanted(folder).items() if SOLD_AS.get(name, canonicalize_name(name)) not in declared} == {}
