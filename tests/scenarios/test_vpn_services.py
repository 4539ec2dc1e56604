"""What every local instance has, in one with a tunnel: access lists, port maps, flow log, metadata, `why`."""

from __future__ import annotations

import json

import pytest

from tests.lab.host import HttpFailed
from tests.scenarios.documents import app, device, port
from tests.scenarios.vpn import PORTS, WIREGUARD, hub, nothing_in_clear, wireguard
from tests.scenarios.world import World

pytestmark = pytest.mark.root

LIST = [
    {"id": 1, "match": {"ip": "192.168.0.0/24", "protocol": "tcp", "fport": 80}},
    {"id": 2, "match": {"protocol": "tcp", "lport": 8080}, "action": {"portmap": 80}},
]


def test_in_an_instance_with_a_tunnel() -> None:
    """The list decides inside the tunnel, the log has inner addresses; the site reaches the application by its port map."""
    with World(PORTS) as w:
        (cloud, public, own), host = hub(w), w.lab.app("app4")
        w.apply(
            device(port(0), port(1)),
            wireguard(w, "ni4", "eth1", cloud, public, own, flowLog=True),
            app("app4", "ni4", acl=LIST, address="10.10.10.10"),
        )
        w.ready("ni4")
        assert "outside of the kernel" in w.command("describe", "ni", "ni4").stdout
        host.dhcp("eth0")
        server = host.serve_http()
        with nothing_in_clear(w, "eth1", f"{WIREGUARD} or tcp port 8080"):
            assert host.http("http://192.168.0.1").startswith("I am cloud1")
            with pytest.raises(HttpFailed):
                host.http("http://192.168.0.1:81", timeout=2)
            # The site's own 192.168.1.1 beside the tunnel, which leads to another 192.168.0.0/24 than the device's eth0.
            assert w.lab.gw.http("http://192.168.1.2:8080").startswith("I am app4, you are 192.168.1.1")
        w.eventually(lambda: _flow(w, "192.168.0.1"), "the flow into the tunnel")
        assert _flow(w, "192.168.0.1")["rule"] == 1
        assert host.http("http://169.254.169.254/eve/v1/network.json")
        said = json.loads(w.command("why", "app4", "--to", "192.168.0.1:80", "-o", "json").stdout)
        assert "wg0" in json.dumps(said)
        server.stop()


def _flow(w: World, to: str) -> dict[str, object]:
    done = w.command("flows", "app4", "-o", "json", code=None)
    found = json.loads(done.stdout)["items"] if done.stdout else []
    return next((each for each in found if each["dst"] == to and each["verdict"] == "allow"), {})
