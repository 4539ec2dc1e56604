"""What doctor says of tunnels, from outcomes of the probes alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from netnsmgr.kernel import backends
from netnsmgr.kernel.doctor_vpn import lines
from netnsmgr.kernel.scratch import Outcome, Probe

WORKS: Outcome = (True, "")
LACKS: Outcome = (False, "Operation not supported")


def outcomes(*lacking: Probe) -> dict[Probe, Outcome]:
    return {probe: LACKS if probe in lacking else WORKS for probe in backends.BACKENDS}


@pytest.fixture
def inotify(tmp_path: Path) -> Path:
    path = tmp_path / "max_user_instances"
    path.write_text("128\n")
    return path


def test_the_kernel_does_all(inotify: Path) -> None:
    """Then nobody needs wireguard-go, nor its limits."""
    said = {line.name: line.detail for line in lines(outcomes(), inotify)}
    assert said == {
        "kernel WireGuard": "works, used",
        "wireguard-go": "works, not used",
        "charon-systemd": "works, used",
        "kernel ESP": "works, used",
        "charon's own ESP": "works, not used",
    }


def test_what_stands_in_and_what_it_costs(inotify: Path) -> None:
    found = {line.name: line for line in lines(outcomes(backends.WIREGUARD, backends.ESP), inotify)}
    assert found["wireguard-go"].detail == found["charon's own ESP"].detail == "works, used"
    assert found["kernel ESP"].ok is False
    assert found["kernel ESP"].detail == "Operation not supported"
    assert "Gbit/s" in found["kernel ESP"].costs
    assert "CONFIG_INET_ESP" in found["kernel ESP"].fix
    limit = found["inotify instances"]
    assert (limit.ok, limit.detail) == (False, "fs.inotify.max_user_instances = 128")
    assert "fewer than 128 WireGuard tunnels" in limit.costs
    inotify.write_text("1024\n")
    assert {line.name: line for line in lines(outcomes(backends.WIREGUARD), inotify)}["inotify instances"].ok


def test_nothing_at_all(inotify: Path) -> None:
    """Without charon no ESP is used; what was not tried has no advice of its own."""
    found = {line.name: line for line in lines(outcomes(backends.CHARON), inotify)}
    assert found["kernel ESP"].detail == "works, not used"
    assert found["charon-systemd"].fix.startswith("install charon-systemd")
    untried = dict.fromkeys(backends.BACKENDS, (None, "not tried"))
    assert {line.fix for line in lines(untried, inotify)} == {"not tried: see the lines above"}
