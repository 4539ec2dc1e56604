"""Tunnels by the command line alone: a WireGuard file of others imported, a client added, and what is told of both."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.lab.cloud import Cloud, keys
from tests.scenarios.documents import app, device, instance, port
from tests.scenarios.vpn import SUBNET, WIREGUARD, gateway, hub, ipsec, nothing_in_clear
from tests.scenarios.world import World

pytestmark = pytest.mark.root

FILE = """\
# as wg-quick has it
[Interface]
PrivateKey = {own}
Address = 10.9.0.2/24
DNS = 9.9.9.9
PostUp = iptables -t nat -A POSTROUTING -o %i -j MASQUERADE

[Peer] # hub
PublicKey = {public}
AllowedIPs = 192.168.0.0/24, 10.9.0.0/24
Endpoint = {address}:51820
PersistentKeepalive = 5
"""


def test_an_imported_file() -> None:
    """What wg-quick would read becomes an instance that reaches the same network, and says all that it does."""
    with World() as w:
        cloud, public, own = hub(w, interface="wgp-cli")
        host = w.lab.app("app4")
        w.lab.path("/etc/site.conf").write_text(FILE.format(public=public, own=own, address=cloud.address))
        options = ("--name", "ni4", "--port", "eth1", "--subnet", f"{SUBNET}.0/24")
        result = w.command("convert", "/etc/site.conf", *options)
        assert own not in result.stdout + result.stderr
        assert "/etc/site.conf:6:10: not carried over: PostUp" in result.stderr
        assert "written: /etc/netnsmgr/secrets/ni4-site.key" in result.stderr
        document = yaml.safe_load(result.stdout)
        document["spec"]["dhcp"] = {}
        with nothing_in_clear(w, "eth1", WIREGUARD):
            w.apply(device(port(0), port(1)), document, app("app4", "ni4"))
            w.ready("ni4")
            host.dhcp("eth0")
            assert host.http("http://192.168.0.1") == "I am cloud1, you are 10.9.0.2\n"

            why = json.loads(
                w.command("why", "app4", "--to", "192.168.0.1:80", "--live", "-o", "json").stdout
            )
            (answer,) = why["answers"]
            assert answer["path"][1]["what"].startswith(
                "led into tunnel site (peer hub), which has 192.168.0.0/24"
            )
            assert answer["path"][2]["port"] == "eth1"
            assert answer["live"]["verdict"] == "accept"
            assert answer["live"]["said"].endswith("accepted in ni4; connected")
            blocked = w.command("why", "app4", "--to", "203.0.113.9:80", code=1).stdout
            assert "203.0.113.9 is for no tunnel of ni4, and with 'rest: block' it is dropped" in blocked

            told = w.command("describe", "ni", "ni4").stdout
            assert "site: up, WireGuard by " in told
            assert f"peer hub: up, {cloud.address}:51820, handshake " in told
            assert "site:up(1/1)" in w.command("get", "ni", "-o", "wide").stdout
            graph = w.command("graph", "ni4").stdout
            assert '"route/192.168.0.0/24' in graph
            w.command("delete", "app", "app4")
            w.command("delete", "ni", "ni4")


def test_a_client_added() -> None:
    """The printed file is all that wg-quick needs; the client reaches an application, until it is removed."""
    with World() as w:
        host = w.lab.app("app4")
        phone = Cloud(w.lab.holder, w.lab.gw, "cloud1")
        private, _ = keys(phone)
        w.lab.path("/etc/wg0.key").write_text(f"{private}\n")
        w.lab.path("/etc/wg0.key").chmod(0o600)
        tunnel = {"name": "wg0", "addresses": ["10.9.0.1/24"], "listenPort": 51820}
        server = instance("ni4", SUBNET, ports=["eth1"], vpn={"wireguard": {"tunnels": [tunnel]}})
        w.apply(device(port(0), port(1)), server, app("app4", "ni4"))
        w.ready("ni4")
        host.dhcp("eth0")
        host.serve_http(address="0.0.0.0")
        (address,) = [each["address"] for each in w.interface("ni4", "app4")["addresses"]]

        refused = w.command("wireguard", "peer", "add", "ni4", "wg0", "phone", code=2)
        assert "--endpoint HOST[:PORT]" in refused.stderr
        added = w.command(
            "wireguard", "peer", "add", "ni4", "wg0", "phone", "--endpoint", "192.168.1.2", "--qr"
        )
        phone.path("phone.conf").write_text(added.stdout)
        phone.run(["wg-quick", "up", f"{phone.directory}/phone.conf"])
        w.eventually(lambda: phone.ping("10.9.0.1"), "the client reaches the server")
        assert phone.http(f"http://{address}") == "I am app4, you are 10.9.0.2\n"
        seen = w.command("why", "app4", "--from", "10.9.0.2", "--to-port", "80/tcp").stdout
        assert "comes out of tunnel wg0 (peer phone), which has 10.9.0.2/32" in seen

        listed = w.command("wireguard", "peer", "list", "ni4", "-o", "json")
        w.eventually(lambda: _listed(w)["state"] == "up", f"the client is seen: {listed.stdout}")
        assert _listed(w)["endpoint"].startswith("192.168.")
        w.command("wireguard", "peer", "remove", "ni4", "wg0", "phone")
        assert not phone.ping("10.9.0.1")
        phone.run(["wg-quick", "down", f"{phone.directory}/phone.conf"])


def test_ipsec_is_told_of() -> None:
    """Row 15: which child, as whom, over which port; row 18: what the list drops; why nothing is carried when it is down."""
    with World() as w:
        cloud, host = gateway(w, "cloud1", "s3cret"), w.lab.app("app4")
        rules = [{"id": 1, "match": {"ip": "0.0.0.0/0", "protocol": "tcp", "fport": 80}}]
        w.apply(
            device(port(0), port(1)), ipsec(w, "ni4", "eth1", cloud, "s3cret"), app("app4", "ni4", acl=rules)
        )
        w.ready("ni4")
        host.dhcp("eth0")
        ask = ("why", "app4", "--to", "192.168.0.1:80", "--live", "-o", "json")
        (answer,) = json.loads(w.command(*ask).stdout)["answers"]
        into, outer, by = answer["path"][1:]
        assert into["what"].startswith("led into tunnel ipsec0 (connection cloud1, child net)")
        assert (into["child"], outer["link"], by["port"]) == ("net", "uplink", "eth1")
        assert outer["what"].endswith(f"to {cloud.address}:4500, routed to uplink")
        assert answer["live"]["said"].endswith("accepted in ni4; connected")
        assert "dropped" in w.command("why", "app4", "--to", "192.168.0.1:22", code=1).stdout

        told = w.command("describe", "ni", "ni4").stdout
        assert (
            f"cloud1: up, IPsec by {w.instance('ni4')['vpn']['ipsec'][0]['backend']}, to {cloud.address}"
            in told
        )
        assert "child net: up, 10.10.10.0/24 ↔ 192.168.0.0/24, " in told
        assert "cloud1:up(1/1)" in w.command("get", "ni", "-o", "wide").stdout

        w.lab.app("app5")
        w.apply(ipsec(w, "ni5", "eth1", cloud, "another"), app("app5", "ni5"), options=["--no-wait"])
        w.until(lambda: _authentication_failed(w, "ni5"), "authentication fails", timeout=30)
        refused = w.command("why", "app5", "--to", "192.168.0.1:80", code=1).stdout
        assert "tunnel ipsec0 (connection cloud1, child net) is " in refused
        assert "authentication failed" in refused
        assert "until it is up, this is dropped" in refused


def _authentication_failed(w: World, name: str) -> bool:
    rows = w.instance(name).get("vpn", {}).get("ipsec") or ()
    return any("authentication failed" in row["error"] for row in rows)


def _listed(w: World) -> dict[str, str]:
    (peer,) = json.loads(w.command("wireguard", "peer", "list", "ni4", "-o", "json").stdout)["items"]
    status: dict[str, str] = peer["status"]
    return status
