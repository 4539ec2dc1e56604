"""What a client has asked the hub and waits to be answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from netnsmgr.errors import ConfigError, NetnsmgrError, Problem, Unreachable
from netnsmgr.pubsub import wire
from netnsmgr.pubsub.view import guarded


class Transacted(NamedTuple):
    """What came of a transaction: its revision, table and key of what was deleted by it, and what waits for confirmation.

    ``waits`` is the revision that does, which is another one if this transaction changed nothing, and ``left`` for how
    many seconds more; 0 if none does.
    """

    revision: int
    deleted: tuple[tuple[str, str], ...] = ()
    waits: int = 0
    left: float = 0.0


def transacted(answer: Any) -> Transacted:
    """The same from the answer to a put."""
    if isinstance(answer, int):
        return Transacted(answer)
    waits = answer.get("waits") or {"revision": 0, "left": 0.0}
    deleted = tuple((table, key) for table, key in answer["deleted"])
    return Transacted(answer["revision"], deleted, waits["revision"], waits["left"])


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
