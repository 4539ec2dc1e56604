"""A hub as a process of its own, to be killed: ``python -m tests.unit.pubsub.trial_hub RUN STATE CLOCK``.

``CLOCK`` is a file with the seconds since the device's start, which a test sets.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import structlog

from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.store import Store
from netnsmgr.pubsub.trial import Moment
from netnsmgr.supervisor.revisions import Revisions


async def main(run: str, state: str, file: str) -> None:
    def clock() -> Moment:
        return Moment("boot", float(Path(file).read_text(encoding="ascii")))

    def tell(about: str, reason: str, message: str, *, type: str) -> None:  # noqa: A002
        pass

    async with Hub(run, Store(state), clock=clock) as hub:
        revisions = Revisions(hub.transactions, tell)
        for call in (revisions.confirm, revisions.rollback):
            hub.serve(call.__name__, call)
        print("ready", flush=True)
        await asyncio.Event().wait()


structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
asyncio.run(main(*sys.argv[1:4]))
