"""The responses of a decoupled model to one request, and the last word on them."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator

from zeromind.executor.group import Group
from zeromind.executor.skill import Skill
from zeromind.tensors import Run

_log = logging.getLogger(__name__)


class Responses:
    """Iterates over the responses of a skill, which begins to make them then. ``close`` ends that at any time."""

    def __init__(self, skill: Skill, group: Group) -> None:
        self._rows = group.rows
        self._made: Generator[Group, None, None] = skill.stream(skill.prepare(group))
        self._fault: Group | None = None
        self._infer_s = self._input_s = self._output_s = 0.0

    def __iter__(self) -> Iterator[Group]:
        for response in self._made:
            if response.fault or response.run is None:
                self._fault = response
                return
            run = response.run
            self._infer_s += run.infer_s
            self._input_s += run.input_s
            self._output_s += run.output_s
            yield response

    @property
    def last(self) -> Group:
        """What follows the responses: a fault, or no values and what the whole took."""
        run = Run(sum(self._rows), self._infer_s, self._input_s, self._output_s)
        return self._fault or Group(self._rows, {}, None, run)

    def close(self) -> None:
        """Let the model make no more of them. What it raises upon that concerns nobody but the log."""
        try:
            self._made.close()
        except (Exception, SystemExit):
            _log.exception("a skill failed while its responses were ended")
