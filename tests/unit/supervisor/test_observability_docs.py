"""docs/observability.md names every reason that is told and every metric that is shown."""

from __future__ import annotations

import re
from pathlib import Path

from netnsmgr.supervisor.metrics import families
from tests.rooms import ROOT
from tests.unit.supervisor.test_metrics import seen

TEXT = (ROOT / "docs/observability.md").read_text()
TOLD = re.compile(r"tell\w*\(\s*[^\"()]*(?:\([^()]*\))?[^\"()]*(?:f?\"[^\"]*\"),\s*\"([A-Z][A-Za-z]+)\"")
"""A call of ``tell`` whose first argument is an object and whose second a reason."""


def reasons() -> set[str]:
    found: set[str] = set()
    for path in Path(ROOT, "netnsmgr").rglob("*.py"):
        text = path.read_text()
        found |= set(TOLD.findall(text))
        if path.parent.name == "agent" and path.name.startswith("drift"):
            found |= set(re.findall(r"\"(Drift\w*|HelperEnded|Repaired)\"", text))
    return found | set(re.findall(r"\"(EventsLost|Degraded|Ready|Waiting|PortUp|PortDown)\"", _own()))


def _own() -> str:
    names = ("agent/events.py", "supervisor/milestones.py")
    return "".join(Path(ROOT, "netnsmgr", name).read_text() for name in names)


def test_reasons() -> None:
    listed = set(re.findall(r"`([A-Z][A-Za-z]+)`", TEXT.partition("| reason |")[2].partition("\n\n")[0]))
    assert {"Drift", "AgentEnded", "ConfigDamaged", "RolledBack", "EventsLost"} <= reasons()
    assert reasons() == listed


def test_metrics() -> None:
    """By their names without what all of one kind have in common."""
    part = TEXT.partition("| metric |")[2].partition("\n\n")[0]
    for family in families(seen()):
        name = family.name.removeprefix("netnsmgr_")
        direction = re.fullmatch(r"instance_(transmit|receive)_(.*)", name)
        words = (f"_{direction[1]}_", f"`{direction[2]}_total`") if direction else (name,)
        assert all(word in part for word in words), name
