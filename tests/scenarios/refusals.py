"""Files that ``apply`` has to refuse, and what is seen then."""

from __future__ import annotations

from netnsmgr.pubsub.tables import INSTANCE_CONFIG
from tests.scenarios.world import World

PLACE = "/etc/netnsmgr/site.yaml"


def refused(w: World, text: str) -> list[str]:
    """What ``apply`` says of a file that it has to refuse, and that nothing came of it."""
    w.lab.path(PLACE).write_text(text)
    before, since = w.client.snapshot(INSTANCE_CONFIG), w.mark()
    result = w.command("apply", PLACE, code=2)
    assert result.stdout == ""
    assert w.client.snapshot(INSTANCE_CONFIG) == before
    assert w.operations(since) == []
    lines = result.stderr.splitlines()
    assert all(line.startswith(f"error: {PLACE}") for line in lines), lines
    return [line.removeprefix(f"error: {PLACE}:") for line in lines]
