"""``publish``: these documents and no others, once."""

from __future__ import annotations

from collections.abc import Sequence

from netnsmgr.client import Client
from zedbox_mock import WRITER
from zedbox_mock.files import take
from zedbox_mock.show import said

DONE, NOT_READY = 0, 1


def publish(paths: Sequence[str], run_dir: str, *, wait: float | None, takeover: bool, attach: str) -> int:
    """Publish what the files say, delete what was published before and is not in them; wait until it is true.

    Returns the exit code; raises as ``Client.publish`` does.
    """
    documents = take(paths, attach)
    with Client(WRITER, run_dir) as client:
        published = client.publish(documents, replace=True, takeover=takeover)
        print(said(published), flush=True)
        if wait is None:
            return DONE
        late = client.applied(published, wait)
        for each in late:
            print(each)
        print(f"not ready after {wait:g} s" if late else "ready")
        return NOT_READY if late else DONE
