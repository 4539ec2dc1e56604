"""charon's configuration and connections in the words of VICI, without a charon."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from netnsmgr.features.vpn import ipsec
from netnsmgr.features.vpn.connections import connection, identities, on_traffic, remotes, shared
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.items.file import File
from netnsmgr.items.link import ExternalLink
from netnsmgr.items.process import Process
from netnsmgr.items.xfrm import XfrmLink
from tests.kernel.ipsecstage import CLOUD, CLOUD6, FAR, NEAR, child, scope, tunnel

HOSTS = {CLOUD: (ip_address(CLOUD),), CLOUD6: (ip_address(CLOUD6),)}
KERNEL, OWN = VpnFacts(esp="kernel", endpoints=HOSTS), VpnFacts(esp="libipsec", endpoints=HOSTS)
REMOTE = ip_address(CLOUD)


def told(document: dict[str, Any], facts: VpnFacts = KERNEL) -> dict[str, Any]:
    of = scope(document, facts=facts)
    assert of.instance.spec.vpn is not None
    return connection(of, of.instance.spec.vpn.connections[0], REMOTE, {})


def test_nothing_without_a_backend() -> None:
    """Where nothing encrypts there is no charon; that is told, not tried."""
    assert ipsec.items(scope(facts=VpnFacts())) == []


@pytest.mark.parametrize(("facts", "link"), [(KERNEL, XfrmLink), (OWN, ExternalLink)])
def test_one_link(facts: VpnFacts, link: type) -> None:
    """Packets reach either backend by a link of the same name; the file is named in the vector, and has no secret's path."""
    found = ipsec.items(scope(facts=facts))
    assert [each.key() for each in found if isinstance(each, link)] == ["ipsec0"]
    (process,) = (each for each in found if isinstance(each, Process))
    (main,) = (each for each in found if isinstance(each, File))
    assert process.argv == (main.path,)
    assert process.env == (("STRONGSWAN_CONF", main.path),)
    assert "psk" not in main.text
    assert ("kernel-libipsec" in main.text) == (facts is OWN)


def test_strongswans_braces() -> None:
    """A section's brace ends its line: strongSwan's parser takes nothing else for one."""
    (main,) = (each for each in ipsec.items(scope(facts=OWN)) if isinstance(each, File))
    assert main.text.count("{") == main.text.count("}")
    assert all(re.fullmatch(r"#.*|\s*(\S+ \{|\}|\S+ = .*)", line) for line in main.text.splitlines())


def test_the_kernels_packets_go_around_the_tunnel() -> None:
    """States and policies belong to the link, and what they have encrypted has charon's mark."""
    net = told(tunnel())["children"]["net"]
    number = str(ipsec.if_id(scope()))
    assert (net["if_id_in"], net["if_id_out"], net["set_mark_out"]) == (number, number, "0x4e4d0001")
    assert number != "0"
    assert not {"if_id_in", "set_mark_out"} & told(tunnel(), OWN)["children"]["net"].keys()


def test_selectors() -> None:
    """Ours are the instance's subnets, what is written, or the virtual address; `routes` do not change them."""
    assert told(tunnel())["children"]["net"]["local_ts"] == [NEAR]
    narrow = child(local=["10.11.12.0/25"], remote=["0.0.0.0/0"], routes=[FAR])
    net = told(tunnel(narrow))["children"]["net"]
    assert (net["local_ts"], net["remote_ts"]) == (["10.11.12.0/25"], ["0.0.0.0/0"])
    virtual = told(tunnel(virtualIp=True))
    assert virtual["children"]["net"]["local_ts"] == ["dynamic"]
    assert virtual["vips"] == ["0.0.0.0"]


def test_charon_keeps_it_up() -> None:
    """What is lost begins again without an agent; with traffic where charon is told of it."""
    net = told(tunnel())["children"]["net"]
    assert (net["start_action"], net["dpd_action"], net["close_action"]) == ("none", "start", "start")
    later = told(tunnel(child(start="traffic")))["children"]["net"]
    assert (later["start_action"], later["dpd_action"], later["close_action"]) == ("trap", "trap", "trap")
    own = scope(tunnel(child(start="traffic")), facts=OWN)
    assert own.instance.spec.vpn is not None
    assert not on_traffic(own, own.instance.spec.vpn.connections[0].children[0])


def test_secrets_stay_in_their_files() -> None:
    """A connection names no secret; the secret's owners are both ends."""
    of = scope(facts=KERNEL)
    assert of.instance.spec.vpn is not None
    (wanted,) = of.instance.spec.vpn.connections
    assert "/run/psk" not in str(connection(of, wanted, REMOTE, {}))
    path, words = shared(of, wanted, REMOTE) or ("", {})
    assert (path, words["owners"]) == ("/run/psk", ["device7", "cloud1"])


@pytest.mark.parametrize(
    ("remote", "identity"),
    [
        ({"psk": {"file": "/run/psk"}}, CLOUD),
        ({"ca": "/run/ca.pem", "id": "hub"}, "hub"),
        ({"ca": "/run/ca.pem"}, CLOUD),
        ({"certificate": "/run/hub.pem"}, "%any"),
        ({"certificate": "/run/hub.pem", "id": "hub"}, "hub"),
    ],
)
def test_identities(remote: dict[str, Any], identity: str) -> None:
    """Of the other end: what is written, else where it is; the owner of a pinned certificate may say anything."""
    ours = {"id": "device7", "psk": {"file": "/run/psk"}}
    of = scope(tunnel(localAuth=ours, remoteAuth=remote), facts=KERNEL)
    assert of.instance.spec.vpn is not None
    assert identities(of, of.instance.spec.vpn.connections[0], REMOTE) == ("device7", identity)


def test_only_versions_that_the_link_has() -> None:
    """An address that cannot be reached is not tried."""
    of = scope(tunnel(remote=CLOUD6), facts=KERNEL)
    assert of.instance.spec.vpn is not None
    assert remotes(of, of.instance.spec.vpn.connections[0]) == ()


def test_mtu() -> None:
    """What fits into the port's packets with all that is offered; charon's own ESP takes 1400 bytes at most."""
    assert ipsec.link_mtu(scope(facts=KERNEL)) == 1422
    assert ipsec.link_mtu(scope(facts=OWN)) == 1400
    assert ipsec.link_mtu(scope(facts=OWN, mtu=1380)) == 1310
    unknown = replace(KERNEL, endpoints={})
    assert ipsec.link_mtu(scope(facts=unknown)) == 1422
    dual: dict[str, Any] = {"subnets": [NEAR, "fd00:10:11::/64"]}
    assert ipsec.link_mtu(scope(facts=unknown, **dual)) == 1406
    assert ipsec.link_mtu(scope(facts=KERNEL, **dual)) == 1422
