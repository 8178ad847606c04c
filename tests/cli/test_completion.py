"""The tab key, in real shells: commands, options, files, adapters, and the models of a running server or of a configuration."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zeromind.cli import COMMANDS, commands

WAIT_S = 60


@pytest.fixture
def environment(tmp_path):
    """An environment in which ``zeromind`` is this one, and a folder to be in."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "zeromind"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zeromind "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


def run(command, folder, environment):
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def complete(tmp_path, environment):
    """What bash offers when the tab key is pressed after these words."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    program = """
        eval "$(zeromind completion bash)"
        COMP_WORDS=(zeromind "$@")
        COMP_CWORD=$#
        COMP_LINE="${COMP_WORDS[*]}"
        $(complete -p zeromind | sed 's/.*-F \\([^ ]*\\).*/\\1/') zeromind "${COMP_WORDS[COMP_CWORD]}"
        echo "${COMPREPLY[@]}"
    """
    return lambda *words: run([bash, "--norc", "-c", program, "bash", *words], tmp_path, environment)


def test_commands_and_options_are_completed(complete):
    assert complete("se") == ["serve"]
    assert complete("") == list(COMMANDS)
    assert complete("serve", "--wa") == ["--watch"]
    assert complete("completion", "") == ["bash", "zsh", "fish"]
    assert complete("keys", "a") == ["add"]


def test_adapters_are_completed(complete):
    assert complete("inspect", "--model-type", "te") == ["tensorflow", "tensorrt"]
    assert complete("serve", "--model-type", "ke") == ["keras"]


def test_models_are_those_of_the_server_that_would_be_asked(complete, thread_server):
    skill = {"id": "sum", "model_type": "python", "model_file": "sum.py", "allow_code": True}
    with thread_server(tasks=[skill, {**skill, "id": "other"}]) as pool:
        assert complete("predict", "--url", pool.url, "") == ["other", "sum"]
        assert complete("predict", "--url", pool.url, "s") == ["sum"]
        assert complete("bench", pool.url, "o") == ["other"]


def test_models_are_those_of_the_configuration_where_no_server_answers(complete, tmp_path):
    (tmp_path / "pool.toml").write_text('[[tasks]]\nid = "mine"\nmodel_file = "x"\n[[tasks]]\nid = 5\n')
    assert complete("predict", "--url", "http://127.0.0.1:1", "") == ["mine"]
    (tmp_path / "pool.toml").write_text("tasks = 5")
    assert complete("predict", "--url", "http://127.0.0.1:1", "") == []
    (tmp_path / "pool.toml").write_text("tasks = [")
    assert complete("predict", "--url", "file:///etc/passwd", "") == []


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_the_script(tmp_path, environment):
    program = 'autoload -U compinit; compinit -u -D; eval "$(zeromind completion zsh)"; print $_comps[zeromind]'
    assert run(["zsh", "-f", "-c", program], tmp_path, environment) == ["_zeromind_completion"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(tmp_path, environment):
    program = "zeromind completion fish | source; complete --do-complete 'zeromind ser'"
    assert run(["fish", "--no-config", "-c", program], tmp_path, environment)[0] == "serve"


def test_each_command_is_told_as_it_tells_itself():
    """The list of commands is written apart from them, so that help need not import them."""
    for name, told in COMMANDS.items():
        command = commands.get_command(None, name)
        assert command is not None
        assert command.name == name
        assert "\n\n" in command.help, "each has examples"
        assert told.endswith(".")


def test_neither_help_nor_completion_imports_what_a_command_does():
    """Of the fastest of a few, so that what else the machine does counts for nothing."""
    code = "import sys; from zeromind.cli import commands; commands(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=True)
    loaded = done.stdout.rpartition("[")[2]
    assert not [name for name in ("'numpy'", "'tornado'", "'rich'", "'zeromind.server'", "'zeromind.engine'") if name in loaded]
    code = "import sys; import zeromind.cli.serve; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=True)
    assert not [name for name in ("'numpy'", "'tornado'", "'rich'", "'zeromind.server'") if name in done.stdout]


def test_every_command_has_a_file():
    folder = Path(sys.modules["zeromind.cli"].__file__).parent
    assert [name for name in COMMANDS if not (folder / f"{name}.py").is_file()] == []
