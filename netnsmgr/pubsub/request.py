"""What a client has asked the hub and waits to be answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netnsmgr.errors import ConfigError, NetnsmgrError, Problem, Unreachable
from netnsmgr.pubsub import wire
from netnsmgr.pubsub.view import guarded


class Request:
    """A put or a call under way.  ``done()`` is called once, when ``answer`` or the deadline's ``error`` is there."""

    def __init__(self, asked: wire.Put | wire.Call, deadline: float) -> None:
        self.frames = wire.encode_request(asked)
        self.id = asked.id
        self.again = isinstance(asked, wire.Put)
        self.deadline = deadline
        self.sent = False
        self.answer: wire.Answer | None = None
        self.error: Unreachable | None = None
        self.done: Callable[[], None] | None = None

    @property
    def finished(self) -> bool:
        """Whether there is something to be had by ``result()``."""
        return self.answer is not None or self.error is not None

    def result(self) -> Any:
        """The revision of a put, the value of a call; raises ConfigError, Unreachable or NetnsmgrError."""
        match self.answer:
            case wire.Ack(_, revision):
                return revision
            case wire.Result(_, value):
                return value
            case wire.Refused(_, problems):
                raise ConfigError(problems)
            case wire.Failed(_, text):
                raise NetnsmgrError(text)
        raise self.error or Unreachable("not answered yet")

    def finish(self) -> None:
        """Tell whoever waits."""
        if self.done:
            guarded(self.done)


def log_refused(problems: tuple[Problem, ...]) -> None:
    """Say what was wrong with rows that nobody waits for."""
    import logging

    for problem in problems:
        logging.getLogger("netnsmgr.pubsub").warning("a row was refused: %s", problem)
