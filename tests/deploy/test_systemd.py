"""The unit of systemd and its configuration: systemd understands them, and their times fit."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zeromind.config import pool
from zeromind.config.options import POOL

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = FOLDER / "zeromind.service"
ANALYZE = shutil.which("systemd-analyze")


@pytest.fixture
def service():
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read(UNIT)
    return unit["Service"]


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_has_nothing_to_say_of_it(tmp_path):
    file = tmp_path / UNIT.name
    command = Path(sys.executable).with_name("zeromind")
    file.write_text(UNIT.read_text().replace("/opt/zeromind/bin/zeromind", str(command)))
    done = subprocess.run([ANALYZE, "verify", file], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_it_is_exposed_to_little():
    done = subprocess.run(
        [ANALYZE, "security", "--offline=yes", "--threshold=25", UNIT], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout


def test_its_configuration_can_be_read_and_stops_in_time(service):
    config = pool.read(FOLDER / "pool.toml", {}, {})
    assert int(service["TimeoutStopSec"]) > config.pre_stop_s + config.drain_s + 5
    assert service["KillMode"] == "mixed"


def test_its_variables_are_settings(service):
    name, _, _ = service["Environment"].partition("=")
    assert name in {option.variable for option in POOL}
