"""The demo's scenario: three instances whose subnets collide with each other and with a port's."""

from __future__ import annotations

import pytest

from poc.checks import run_all
from tests.lab import Lab
from tests.lab.bridged import PORTS
from tests.lab.collisions import Collisions

pytestmark = pytest.mark.root


def test_every_check_of_the_demo_passes() -> None:
    """Leases, names, ways out, ways in, no stranger heard, and deleting one instance disturbs no other."""
    with Lab(PORTS, dhcp_ports=PORTS[-1:]) as lab:
        failed = [outcome for outcome in run_all(Collisions(lab).checks()) if not outcome.passed]
    assert failed == []
