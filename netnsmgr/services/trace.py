"""A child in an instance's namespace that follows one packet: ``python -I -m netnsmgr.services.trace NETNS``.

It is told what to follow, says that it does, is told to stop, and says what it saw.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from netnsmgr.errors import NetnsmgrError
from netnsmgr.kernel.inside import answer, asked, serve
from netnsmgr.kernel.trace import Trace


def main(netns: str) -> None:
    """Follow a packet."""
    serve(netns)
    with suppress(EOFError):
        what = asked()
        try:
            trace = Trace(what["bridge"], what["inet"])
        except NetnsmgrError as error:
            answer({"error": str(error)})
            return
        try:
            answer({"following": True})
            asked()
            answer({"steps": [step._asdict() for step in trace.steps()], "passed": trace.passed()})
        finally:
            trace.close()


if __name__ == "__main__":
    main(sys.argv[1])
