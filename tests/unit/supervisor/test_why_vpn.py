"""Why a flow goes into a tunnel, comes out of one, or stays, from documents and statuses alone."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from netnsmgr.cli.why_text import show
from netnsmgr.features.acl.why import Known
from netnsmgr.pubsub import tables
from netnsmgr.supervisor.site import Site
from netnsmgr.supervisor.why import outbound
from netnsmgr.supervisor.why_answer import Asked
from netnsmgr.supervisor.why_in import inbound

Document = dict[str, Any]
KEY = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
WEB = {"id": 10, "match": {"ip": "0.0.0.0/0", "protocol": "tcp", "fport": 80}}
OURS = {"id": 15, "match": {"ip": "192.168.0.1", "protocol": "tcp", "lport": 80}, "direction": "in"}
MAP = {"id": 20, "match": {"protocol": "tcp", "lport": 8080}, "action": {"portmap": 80}}
PSK = {"psk": {"file": "/etc/netnsmgr/secrets/cloud1.psk"}}
CHILD = {"name": "net", "remote": ["192.168.0.0/24"]}
CLOUD: Document = {"name": "cloud1", "remote": "192.168.111.1", "localAuth": PSK, "children": [CHILD]}
HUB: Document = {
    "name": "hub",
    "publicKey": KEY,
    "endpoint": "vpn.example.com:51820",
    "allowedIps": ["10.20.0.0/24", "10.21.0.0/16"],
}
DEEP: Document = {
    "name": "deep",
    "publicKey": KEY.replace("T", "U"),
    "endpoint": "192.0.2.9:1",
    "allowedIps": ["10.21.3.0/24"],
}
WG0: Document = {"name": "wg0", "addresses": ["10.9.0.2/24"], "peers": [HUB, DEEP]}
UP: Document = {"name": "cloud1", "state": "up", "remoteAddress": "192.168.111.1", "backend": "libipsec"}


def document(kind: str, name: str, spec: Document) -> Document:
    return {"apiVersion": "netnsmgr/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def site(
    vpn: Document, status: Document | None = None, maps: tuple[Document, ...] = (MAP,), **spec: Any
) -> Site:
    """app4 in ni4, which leaves by eth1; the other end's name is known."""
    interface = {"name": "eth0", "network": "ni4", "acl": [WEB, OURS, *maps]}
    port = {"name": "eth1", "interface": "eth1", "state": "up", "dns": ["192.168.1.1"]}
    port |= {"addresses": ["192.168.1.2/24"], "gateways": ["192.168.1.1"]}
    link = {"revision": 1, "state": "ready", "reasons": [], "endpoints": {"vpn.example.com": ["203.0.113.1"]}}
    link["ports"] = [{"name": "eth1", "dns": ["192.168.1.1"], "ntp": [], "mtu": 1500}]
    ni4 = {"ports": ["eth1"], "subnets": ["10.10.10.0/24"], "vpn": vpn} | spec
    return Site(
        {
            tables.DEVICE_CONFIG: {"edge": document("Device", "edge", {"ports": [{"name": "eth1"}]})},
            tables.INSTANCE_CONFIG: {"ni4": document("NetworkInstance", "ni4", ni4)},
            tables.APP_CONFIG: {
                "app4": document("App", "app4", {"attach": {"netns": "app4"}, "interfaces": [interface]})
            },
            tables.DEVICE_STATUS: {"edge": {"ports": [port]}},
            tables.INSTANCE_STATUS: {"ni4": {"number": 4} | ({"vpn": status} if status else {})},
            tables.APP_STATUS: {"ni4/app4/eth0": {"addresses": [{"address": "10.10.10.50", "expires": 0}]}},
            tables.link_status("ni4"): {"link": link},
        },
        "/run/netnsmgr",
    )


def ask(where: Site, to: str, port: int = 80, protocol: int = 6, name: str = "") -> Document:
    app = where.config.apps["app4"]
    asked = Asked(ip_address(to), protocol, port, name=name)
    return outbound(where, (app, app.spec.interfaces[0]), asked, Known(hosts={}))


def come(where: Site, sender: str, port: int = 80) -> Document:
    app = where.config.apps["app4"]
    asked = Asked(ip_address("10.10.10.1"), 6, port)
    return inbound(where, (app, app.spec.interfaces[0]), asked, ip_address(sender), Known(hosts={}))


def way(answer: Document) -> list[str]:
    return [f"{hop['at']}: {hop['what']}" for hop in answer["path"]]


def test_into_wireguard() -> None:
    """Which peer, as whom, and by which port the encrypted packet leaves."""
    found = ask(site({"wireguard": {"tunnels": [WG0]}}), "10.20.0.1")
    assert found["allowed"]
    assert way(found) == [
        "app4/eth0: sends from 10.10.10.50",
        "instance ni4: led into tunnel wg0 (peer hub), which has 10.20.0.0/24; source address becomes 10.9.0.2",
        "device: encrypted for peer hub at 203.0.113.1:51820/udp; rule 49: by its mark, table 804: by port eth1, via 192.168.1.1, from 192.168.1.2",
    ]
    assert found["path"][1]["tunnel"] == "wg0"
    assert found["path"][1]["source"] == "10.9.0.2"
    assert found["notes"] == ["the state of tunnel wg0 (peer hub) is not known"]


def test_the_longest_network_decides() -> None:
    assert (
        "(peer deep), which has 10.21.3.0/24"
        in way(ask(site({"wireguard": {"tunnels": [WG0]}}), "10.21.3.1"))[1]
    )
    assert (
        "(peer hub), which has 10.21.0.0/16"
        in way(ask(site({"wireguard": {"tunnels": [WG0]}}), "10.21.4.1"))[1]
    )


def test_without_translation() -> None:
    found = ask(site({"wireguard": {"tunnels": [WG0 | {"nat": False}]}}), "10.20.0.1")
    assert way(found)[1].endswith("source address stays as it is")
    assert found["path"][1]["source"] == "10.10.10.50"


def test_into_ipsec_though_a_port_has_that_subnet() -> None:
    """Row 15: the cloud's network, and not the port's with the same addresses."""
    found = ask(site({"ipsec": {"connections": [CLOUD]}}, {"ipsec": [UP]}), "192.168.0.1")
    assert found["allowed"]
    assert way(found)[1:] == [
        "instance ni4: led into tunnel ipsec0 (connection cloud1, child net), which has 192.168.0.0/24; source address stays as it is",
        "instance ni4: encrypted, ESP in UDP from 169.254.100.9 to 192.168.111.1:4500, routed to uplink",
        "device: rule 50: from nm-ni4, table 804: by port eth1, via 192.168.1.1; masqueraded as 192.168.1.2",
    ]
    assert found["notes"] == []


def test_for_no_tunnel() -> None:
    """Dropped, or in clear where that is wanted."""
    found = ask(site({"ipsec": {"connections": [CLOUD]}}), "8.8.8.8")
    assert not found["allowed"]
    assert found["reason"] == "8.8.8.8 is for no tunnel of ni4, and with 'rest: block' it is dropped"
    found = ask(site({"ipsec": {"connections": [CLOUD]}, "rest": "direct"}), "8.8.8.8")
    assert found["allowed"]
    assert way(found)[-1].endswith("masqueraded as 192.168.1.2")
    assert found["notes"] == ["8.8.8.8 is for no tunnel of ni4, and leaves in clear (vpn.rest: direct)"]


def test_in_the_tunnel_s_own_network_there_is_nobody() -> None:
    """It goes into the link, which has no peer for it, and does not leave in clear while there is none."""
    told = ask(site({"wireguard": {"tunnels": [WG0]}, "rest": "direct"}), "10.9.0.7")
    assert not told["allowed"]
    assert told["reason"] == "10.9.0.7 is in the network of a tunnel of ni4, and no peer's: it is dropped"


def test_the_list_comes_first() -> None:
    """Row 18: what the list drops goes nowhere."""
    found = ask(site({"ipsec": {"connections": [CLOUD]}}, {"ipsec": [UP]}), "192.168.0.1", 22)
    assert (found["allowed"], found["verdict"], found["path"]) == (False, "drop", [])
    assert found["reason"] is None


@pytest.mark.parametrize(
    ("state", "child", "reason"),
    [
        ("down", "down", "is down: authentication failed; until it is up, this is dropped"),
        ("connecting", "connecting", "is connecting: authentication failed; until"),
        ("down", None, "is down: authentication failed; until"),
        ("down", "up", ""),
        ("waiting", "waiting", ""),
    ],
)
def test_a_child_that_is_not_up(state: str, child: str | None, reason: str) -> None:
    """Of several children only the one that is meant counts; one that begins with traffic begins now."""
    row = UP | {"state": state, "error": "authentication failed"}
    row |= (
        {"children": [{"name": "net", "state": child}, {"name": "other", "state": "down"}]} if child else {}
    )
    found = ask(site({"ipsec": {"connections": [CLOUD]}}, {"ipsec": [row]}), "192.168.0.1")
    assert found["allowed"] is (not reason)
    assert reason in (found["reason"] or "")
    begins = ["tunnel ipsec0 (connection cloud1, child net) begins with this packet"]
    assert found["notes"] == (begins if child == "waiting" else [])


def test_wireguard_that_is_down_or_silent() -> None:
    """Of several peers only the one that is meant counts."""

    def asked(state: str, reason: str, *peers: tuple[str, str]) -> Document:
        listed = [{"name": name, "state": each} for name, each in peers]
        row = {"name": "wg0", "state": state, "reasons": [f"tunnel wg0: {reason}"], "peers": listed}
        return ask(site({"wireguard": {"tunnels": [WG0]}}, {"wireguard": [row]}), "10.20.0.1")

    assert asked("down", "its interface is not there", ("hub", "connecting"))["reason"] == (
        "tunnel wg0 (peer hub) is down: its interface is not there; until it is up, this is dropped"
    )
    silent = "peer hub (203.0.113.1:51820) does not answer; last handshake 2030-01-01 00:00:00 UTC"
    assert asked("down", silent, ("hub", "down"))["reason"] == (
        f"tunnel wg0 (peer hub) is down: {silent}; until it is up, this is dropped"
    )
    other = asked("down", silent.replace("hub", "deep"), ("hub", "up"), ("deep", "down"))
    assert (other["allowed"], other["notes"]) == (True, [])
    waiting = "no handshake with peer hub (203.0.113.1:51820) yet"
    found = asked("connecting", waiting, ("hub", "connecting"))
    assert (found["allowed"], found["notes"]) == (True, [waiting])


def test_where_the_other_end_was_heard_of_last() -> None:
    """A peer that roams is not where it is written; of one that never called nobody knows."""
    peers: list[Document] = [{"name": "hub", "state": "up", "endpoint": "[2001:db8::7]:99"}]
    found = ask(
        site(
            {"wireguard": {"tunnels": [WG0]}}, {"wireguard": [{"name": "wg0", "state": "up", "peers": peers}]}
        ),
        "10.20.0.1",
    )
    assert found["reason"].startswith(
        "no port of the instance leads to 2001:db8::7: eth1 (cost 0): no IPv6 address"
    )
    silent: Document = {key: value for key, value in HUB.items() if key != "endpoint"}
    found = ask(site({"wireguard": {"tunnels": [WG0 | {"peers": [silent], "listenPort": 1}]}}), "10.20.0.1")
    assert "has not called yet, so nobody knows where it is" in found["reason"]
    unknown = HUB | {"endpoint": "other.example.com:1"}
    found = ask(site({"wireguard": {"tunnels": [WG0 | {"peers": [unknown]}]}}), "10.20.0.1")
    assert found["reason"] == "other.example.com is not resolved yet"


def test_selectors_that_do_not_have_the_source() -> None:
    narrow = CLOUD | {"children": [CHILD | {"local": ["10.10.10.128/25"]}]}
    found = ask(site({"ipsec": {"connections": [narrow]}}, {"ipsec": [UP]}), "192.168.0.1")
    assert found["reason"].endswith(
        "carries only what comes from 10.10.10.128/25, and this comes from 10.10.10.50: it is dropped"
    )


def test_a_virtual_address() -> None:
    mine = CLOUD | {"virtualIp": True}
    found = ask(site({"ipsec": {"connections": [mine]}}, {"ipsec": [UP]}), "192.168.0.1")
    assert found["reason"] == "the other end of cloud1 has given no IPv4 address yet"
    found = ask(
        site({"ipsec": {"connections": [mine]}}, {"ipsec": [UP | {"virtual": ["10.99.0.7"]}]}), "192.168.0.1"
    )
    assert found["allowed"]
    assert "source address becomes 10.99.0.7" in way(found)[1]


@pytest.mark.parametrize(
    ("vpn", "spec", "said"),
    [
        ({}, {}, "asks nobody for foreign names: no server of its dns.servers lies behind a tunnel"),
        ({}, {"dns": {"servers": ["10.20.0.53", "9.9.9.9"]}}, "asks 10.20.0.53 through tunnel wg0"),
        ({"dns": "direct"}, {}, "asks 192.168.1.1, in clear (vpn.dns: direct)"),
    ],
)
def test_where_names_are_asked(vpn: Document, spec: Document, said: str) -> None:
    """It is told of names, and of questions to the DNS server."""
    where = site({"wireguard": {"tunnels": [WG0]}} | vpn, **spec)
    for answer in (ask(where, "10.20.0.1", name="www.corp"), ask(where, "10.10.10.1", 53, 17)):
        assert any(note == f"the DNS server of ni4 {said}" for note in answer["notes"])
    assert not any("DNS" in note for note in ask(where, "10.20.0.1")["notes"])


def test_out_of_a_tunnel() -> None:
    """Straight to the application, whose list is asked; a port map is not needed."""
    found = come(site({"ipsec": {"connections": [CLOUD]}}, {"ipsec": [UP]}), "192.168.0.1")
    assert found["lists"][0]["direction"] == "in"
    assert way(found)[0] == (
        "instance ni4: comes out of tunnel ipsec0 (connection cloud1, child net), which has 192.168.0.0/24"
    )
    assert found["flow"]["dst"] == "10.10.10.50"
    narrow = CLOUD | {"children": [CHILD | {"local": ["10.10.10.128/25"]}]}
    found = come(site({"ipsec": {"connections": [narrow]}}, {"ipsec": [UP]}, ()), "192.168.0.1")
    assert "carries only what is for 10.10.10.128/25, not for 10.10.10.50" in found["reason"]


def test_a_port_map_beside_a_full_tunnel() -> None:
    """Who comes by the device's port comes by the map, though the tunnel has every address."""
    full = WG0 | {"peers": [HUB | {"allowedIps": ["0.0.0.0/0"]}]}
    found = come(site({"wireguard": {"tunnels": [full]}}), "192.168.1.77", 8080)
    assert found["allowed"]
    assert way(found)[0].startswith("device: port map tcp 192.168.1.2:8080")
    assert come(site({"wireguard": {"tunnels": [WG0]}}), "192.168.1.77", 8080)["allowed"]


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    show(ask(site({"ipsec": {"connections": [CLOUD]}}), "8.8.8.8"))
    text = capsys.readouterr().out
    assert "leads nowhere" in text
    assert "because 8.8.8.8 is for no tunnel of ni4" in text
