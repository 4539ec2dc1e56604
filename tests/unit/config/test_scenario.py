"""The whole scenario's configuration is one that netnsmgr takes as it stands."""

from __future__ import annotations

from pathlib import Path

from netnsmgr.config.check import check
from netnsmgr.config.load import load_text

SCENARIO = Path(__file__).parents[3] / "poc" / "scenario.yaml"


def test_the_scenario_is_taken() -> None:
    """Each kind, nesting and name; its tunnels are known, and its secrets."""
    loaded = load_text(SCENARIO.read_text(encoding="utf-8"))
    config, problems = check(loaded.documents, {})
    assert [*loaded.report([]), *problems] == []
    vpns = {name: ni.spec.vpn for name, ni in config.instances.items()}
    assert {name: vpn.hosts for name, vpn in vpns.items() if vpn is not None} == {
        "ni4": ("192.168.111.1",),
        "ni5": ("192.168.222.1",),
    }
    secrets = [
        each.psk.file for vpn in vpns.values() if vpn is not None for each in vpn.connections if each.psk
    ]
    assert secrets == [f"/etc/netnsmgr/secrets/{cloud}.psk" for cloud in ("cloud1", "cloud2")]
