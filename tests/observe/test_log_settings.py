"""What clients change of the log shows in the log."""

import io
import itertools
import logging
import re

import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.observe.log_settings import LogSettings
from zeromind.observe.logs import FORMAT

K = ErrorKind
LOGGER = logging.getLogger("zeromind")


@pytest.fixture
def log():
    """What is written by a handler of the root, whose level is INFO as ``zeromind serve`` sets it."""
    root, stream = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(FORMAT))
    levels = root.level, LOGGER.level
    filters = {one: list(one.filters) for one in root.handlers}
    for one in filters:
        one.filters.clear()  # what clients of other tests have changed
    LOGGER.setLevel(logging.NOTSET)
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    root.setLevel(levels[0])
    LOGGER.setLevel(levels[1])
    for one, before in filters.items():
        one.filters[:] = before


def written(log):
    """The levels of which a message came through."""
    log.seek(0)
    log.truncate()
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logging.getLogger("zeromind.some.where").log(level, "a message")
    return re.findall(r" (DEBUG|INFO|WARNING|ERROR|CRITICAL) zeromind.some.where: a message", log.getvalue())


DEFAULTS = {"log_info": True, "log_warning": True, "log_error": True, "log_verbose_level": 0, "log_format": "default"}


def test_the_settings_are_those_that_hold(log):
    assert LogSettings().settings() == {"log_file": "", **DEFAULTS}
    logging.getLogger().setLevel(logging.DEBUG)
    assert LogSettings().settings()["log_verbose_level"] == 1
    logging.getLogger().setLevel(logging.WARNING)
    assert LogSettings().settings()["log_info"] is False


@pytest.mark.parametrize("which", list(itertools.product([False, True], repeat=4)))
def test_each_level_is_on_or_off_on_its_own(log, which):
    info, warning, error, verbose = which
    changes = {"log_info": info, "log_warning": warning, "log_error": error, "log_verbose_level": int(verbose)}
    settings = LogSettings()
    answer = settings.change(changes)
    assert answer == settings.settings() == LogSettings().settings() == {"log_file": "", **DEFAULTS, **changes}
    wanted = [("DEBUG", verbose), ("INFO", info), ("WARNING", warning), ("ERROR", error), ("CRITICAL", error)]
    assert written(log) == [name for name, on in wanted if on]
    settings.change(DEFAULTS)
    assert written(log) == ["INFO", "WARNING", "ERROR", "CRITICAL"]


def test_times_are_of_iso_8601_and_back(log):
    settings = LogSettings()
    settings.change({"log_format": "ISO8601"})
    settings.change({"log_verbose_level": 2})
    written(log)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ DEBUG ", log.getvalue())
    settings.change({"log_format": "default"})
    assert settings.settings()["log_verbose_level"] == 2
    written(log)
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} DEBUG ", log.getvalue())


def test_no_changes_change_nothing(log):
    assert LogSettings().change({}) == {"log_file": "", **DEFAULTS}
    assert LOGGER.level == logging.NOTSET


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"log_info": 1}, K.REQUEST_ATTRIBUTE),
        ({"log_warning": "true"}, K.REQUEST_ATTRIBUTE),
        ({"log_error": None}, K.REQUEST_ATTRIBUTE),
        ({"log_verbose_level": True}, K.REQUEST_ATTRIBUTE),
        ({"log_verbose_level": -1}, K.REQUEST_ATTRIBUTE),
        ({"log_verbose_level": 1.5}, K.REQUEST_ATTRIBUTE),
        ({"log_verbose_level": 1 << 40}, K.REQUEST_ATTRIBUTE),
        ({"log_format": "iso"}, K.REQUEST_ATTRIBUTE),
        ({"log_format": ["default"]}, K.REQUEST_ATTRIBUTE),
        ({"log_level": 1}, K.REQUEST_ATTRIBUTE),
        ({"log_file": "/tmp/log"}, K.NOT_SUPPORTED),
    ],
)
def test_what_is_wrong_changes_nothing(log, changes, kind):
    settings = LogSettings()
    with pytest.raises(ZeroMindError) as caught:
        settings.change({"log_info": False, **changes})
    assert caught.value.kind is kind
    assert settings.settings() == {"log_file": "", **DEFAULTS}
