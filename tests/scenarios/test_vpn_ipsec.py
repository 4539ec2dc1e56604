"""IPsec instances with identical subnets, selectors and addresses behind them: rows 14 to 18 of the scenario."""

from __future__ import annotations

import pytest

from tests.lab.host import HttpFailed
from tests.scenarios.documents import app, device, port
from tests.scenarios.vpn import IKE, PORTS, gateway, ipsec, nothing_in_clear
from tests.scenarios.world import World

pytestmark = [pytest.mark.root, pytest.mark.bothkernels]

WEB_ONLY = [{"id": 1, "match": {"ip": ["192.168.0.1/32"], "protocol": "tcp", "fport": 80}}]


def test_two_instances_with_one_selector() -> None:
    """Both are established at once; the same address is another host in each; only port 80 is allowed; nothing in clear."""
    with World(PORTS) as w:
        clouds = [gateway(w, name, f"secret of {name}") for name in ("cloud1", "cloud2")]
        with nothing_in_clear(w, "eth1", IKE), nothing_in_clear(w, "eth2", IKE):
            w.apply(
                device(port(0), port(1), port(2)),
                ipsec(w, "ni4", "eth1", clouds[0], "secret of cloud1"),
                ipsec(w, "ni5", "eth2", clouds[1], "secret of cloud2"),
                app("app4", "ni4", acl=WEB_ONLY),
                app("app5", "ni5", acl=WEB_ONLY),
            )
            w.ready("ni4", "ni5")
            for name, cloud, number in (("ni4", "cloud1", 4), ("ni5", "cloud2", 5)):
                (row,) = w.instance(name)["vpn"]["ipsec"]
                (child,) = row["children"]
                assert (row["name"], row["state"], child["state"]) == (cloud, "up", "up")
                assert (child["local"], child["remote"]) == (["10.10.10.0/24"], ["192.168.0.0/24"])
                host = w.lab.app(f"app{number}")
                address = host.dhcp("eth0").address.ip
                assert host.http("http://192.168.0.1") == f"I am {cloud}, you are {address}"
                with pytest.raises(HttpFailed):
                    host.http("http://192.168.0.1:81", timeout=2)
                assert not host.ping("192.168.0.1")
            assert w.lab.app("app4").http("http://192.168.0.1").startswith("I am cloud1")
            w.command("delete", "app", "app4", "app5")
            w.command("delete", "ni", "ni4", "ni5")
