"""Processes are killed while other instances change: who is not changed loses nothing, and successors find nothing to do."""

from __future__ import annotations

import pytest

from tests.chaos.run import chaos
from tests.chaos.stage import Stage

pytestmark = pytest.mark.root
SEED = 116
"""Always the same here, so that a failure is not chance; ``make chaos`` takes another each time, and says which."""
KINDS = ("agent of what changes", "charon", "dnsmasq", "fork server", "supervisor", "uplink")


def test_nothing_breaks() -> None:
    """Five instances go on, and come back to what they shall be, whoever is killed, at whatever moment of a change."""
    with Stage() as stage:
        report = chaos(stage, SEED, seconds=300.0, most=len(KINDS), kinds=KINDS)
    assert not report.wrong, "\n".join(report.wrong)
    assert len([blow for blow in report.blows if blow.hit]) == len(KINDS)
    assert min(report.sent.values()) > 1000
