"""WireGuard tunnels of an instance: what is refused, in words that say what to do."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]


def key(number: int) -> str:
    """Make a public key of a number."""
    return base64.b64encode(number.to_bytes(32, "big")).decode()


def peer(number: int = 1, **fields: Any) -> dict[str, Any]:
    """Make a peer with an endpoint and a network, unless said otherwise; None: without."""
    made: dict[str, Any] = {"name": f"p{number}", "publicKey": key(number), "endpoint": "203.0.113.1:51820"}
    made["allowedIps"] = [f"10.20.{number}.0/24"]
    return {name: value for name, value in (made | fields).items() if value is not None}


def tunnel(*peers: dict[str, Any], name: str = "wg0", **fields: Any) -> dict[str, Any]:
    """Make a tunnel."""
    return {"name": name, "peers": list(peers) or [peer()], **fields}


@pytest.fixture
def of(network: Make, faults: Faults) -> Callable[..., list[str]]:
    """Check an instance with tunnels; give the problems without what is before `wireguard`."""

    def run(*tunnels: dict[str, Any], **spec: Any) -> list[str]:
        document = network(**{"ports": ["eth0"], "vpn": {"wireguard": {"tunnels": list(tunnels)}}, **spec})
        return [each.removeprefix("0 spec.vpn.wireguard.tunnels") for each in faults(document)]

    return run


def test_right(of: Callable[..., list[str]]) -> None:
    """What people have: a full tunnel of both versions, several tunnels, a server, and a tunnel that has no peer yet."""
    everything = peer(allowedIps=["0.0.0.0/0", "::/0"], keepalive=25)
    full = tunnel(
        everything, addresses=["10.9.0.2/24", "fd00:9::2/64"], privateKey={"file": "/etc/n/wg0.key"}
    )
    assert of(full) == []
    assert of(full, tunnel(peer(2), name="wg1", addresses=["10.9.0.2/32"])) == []
    server = tunnel(peer(endpoint=None), peer(2, endpoint=None), addresses=["10.9.0.1/24"], listenPort=51820)
    assert of(server) == []
    assert of({"name": "wg0"}) == []
    assert of(tunnel(peer(allowedIps=["10.0.0.0/8", "10.1.0.0/16"]))) == [], (
        "within one peer nobody is in doubt"
    )
    assert of(tunnel(peer(allowedIps=["10.0.0.0/8"]))) == [], "wider than the subnet, which goes first"


KEY = "must be a WireGuard key: 44 characters of base64 that end with '='"
SECRET = "a secret does not stand in the YAML, which is stored and shown; write it to a file on the device that only root can read (mode 0600), and name that: "


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"publicKey": "x"}, f".publicKey: {KEY}"),
        (
            {"publicKey": base64.b64encode(bytes(31)).decode()},
            ".publicKey: is 31 bytes long; a WireGuard key has 32 (44 characters of base64)",
        ),
        (
            {"publicKey": base64.b64encode(bytes(33)).decode()},
            ".publicKey: is 33 bytes long; a WireGuard key has 32 (44 characters of base64)",
        ),
        (
            {"publicKey": "A" * 42 + "B="},
            ".publicKey: is no WireGuard key: its last character is wrong; copy it again",
        ),
        ({"publicKey": key(1)[:-1]}, f".publicKey: {KEY}"),
        (
            {"presharedKey": key(7)},
            f".presharedKey: {SECRET}presharedKey: {{file: /etc/netnsmgr/secrets/hub.psk}}",
        ),
        (
            {"presharedKey": {"value": key(7)}},
            f".presharedKey: {SECRET}presharedKey: {{file: /etc/netnsmgr/secrets/hub.psk}}",
        ),
        (
            {"presharedKey": {"file": key(7)}},
            (
                ".presharedKey.file: must be the absolute path of a file on the device that holds the secret, for example "
                "/etc/netnsmgr/secrets/ni4.psk"
            ),
        ),
        (
            {"endpoint": "2001:db8::1:51820"},
            ".endpoint: '2001:db8::1:51820' must be host:port, for example vpn.example.com:51820 or [2001:db8::1]:51820",
        ),
        (
            {"endpoint": "hub:0"},
            ".endpoint: 'hub:0' must be host:port, for example vpn.example.com:51820 or [2001:db8::1]:51820",
        ),
        (
            {"allowedIps": ["10.20.0.1/24"]},
            (".allowedIps[0]: '10.20.0.1/24' has host bits set; the network of that address is 10.20.0.0/24"),
        ),
        ({"allowedIps": []}, ".allowedIps: the list is empty; give at least 1, for example [10.20.0.0/24]"),
        ({"keepalive": 70000}, ".keepalive: 70000 is too large; the most is 65535"),
        (
            {"endpoint": None},
            (
                ": peer 'p1' has no endpoint, so that it has to call, and nobody can know at which port; "
                "add 'endpoint', or 'listenPort' to the tunnel"
            ),
        ),
        (
            {"allowedIps": ["fd00:20::/64"]},
            (
                ".allowedIps: tunnel 'wg0' carries IPv6 alone, and the instance has no subnet of it; "
                "add one to 'subnets', or networks of the other version"
            ),
        ),
        (
            {"allowedIps": ["10.9.0.2/32"]},
            ".allowedIps[0]: 10.9.0.2 is our own address in the tunnel; give the peer's, or leave it out",
        ),
    ],
)
def test_peer(of: Callable[..., list[str]], fields: dict[str, Any], expected: str) -> None:
    """A peer that cannot be is refused; a secret is never repeated."""
    found = of(tunnel(peer(**fields), addresses=["10.9.0.2/24"]))
    assert found == [f"[0].peers[0]{expected}"]
    assert key(7) not in "".join(found)


def test_key_inline(of: Callable[..., list[str]]) -> None:
    """Nor does our own key stand in the YAML, whatever it is taken for."""
    for inline in (key(7), 12345, [key(7)], {key(7): None}):
        found = of(tunnel(privateKey=inline))
        assert found == [f"[0].privateKey: {SECRET}privateKey: {{file: /etc/netnsmgr/secrets/wg0.key}}"]


def test_twice(of: Callable[..., list[str]]) -> None:
    """Tunnels and peers have names of their own, and a tunnel knows a peer by its key."""
    assert of(tunnel(), tunnel(peer(2))) == ["[1].name: tunnel 'wg0' is there twice; rename one"]
    assert of(tunnel(peer(1), peer(2, name="p1"))) == [
        "[0].peers[1].name: peer 'p1' is there twice in tunnel 'wg0'; rename one"
    ]
    assert of(tunnel(peer(1), peer(2, publicKey=key(1)))) == [
        (
            "[0].peers[1].publicKey: the key is that of peer 'p1' already, and a tunnel knows its peers by their keys; "
            "give each its own, or remove one"
        )
    ]
    assert of(tunnel(peer(1)), tunnel(peer(2, publicKey=key(1)), name="wg1")) == []


BELONGS = "and an address of a tunnel belongs to one peer; make them apart, or give one of the peers a tunnel of its own"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            ["10.20.0.0/16"],
            ["10.20.0.0/16"],
            ["[0].peers[1].allowedIps[0]: 10.20.0.0/16 is of peer 'p1' already"],
        ),
        (
            ["10.20.0.0/16"],
            ["10.30.0.0/16", "10.20.7.0/24"],
            ["[0].peers[1].allowedIps[1]: 10.20.7.0/24 overlaps 10.20.0.0/16 of peer 'p1'"],
        ),
        (
            ["10.20.7.0/24"],
            ["0.0.0.0/0"],
            ["[0].peers[0].allowedIps[0]: 10.20.7.0/24 overlaps 0.0.0.0/0 of peer 'p2'"],
        ),
        (
            ["0.0.0.0/0", "::/0"],
            ["0.0.0.0/0", "::/0"],
            [
                "[0].peers[1].allowedIps[0]: 0.0.0.0/0 is of peer 'p1' already",
                "[0].peers[1].allowedIps[1]: ::/0 is of peer 'p1' already",
            ],
        ),
        (["10.20.0.0/24", "::/0"], ["10.20.1.0/24"], []),
        (["10.20.0.0/24"], ["fd00:20::/64"], []),
    ],
)
def test_overlaps(
    of: Callable[..., list[str]], first: list[str], second: list[str], expected: list[str]
) -> None:
    """Of two peers with the same addresses WireGuard would keep the last in silence."""
    found = of(tunnel(peer(1, allowedIps=first), peer(2, allowedIps=second)))
    assert found == [f"{each}, {BELONGS}" for each in expected]


def test_many_peers(of: Callable[..., list[str]]) -> None:
    """A server with a thousand peers is looked through in no time, and one fault is said once."""
    peers = [peer(n, endpoint=None, allowedIps=[f"10.9.{n // 256}.{n % 256}/32"]) for n in range(1, 1001)]
    peers[500]["allowedIps"] = ["10.9.0.7/32"]
    assert of(tunnel(*peers, listenPort=51820)) == [
        f"[0].peers[500].allowedIps[0]: 10.9.0.7/32 is of peer 'p7' already, {BELONGS}"
    ]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("uplink", "is a link that the instance has itself (the way to the device's ports)"),
        ("bn0", "is a link that the instance has itself (the instance's bridge)"),
        ("nat64", "is a link that the instance has itself (the translator of NAT64)"),
        ("metadata", "is a link that the instance has itself (the way to the metadata service)"),
        ("ipsec0", "is a link that the instance has itself (what IPsec carries)"),
        ("sit0", "is a link that the kernel makes in each namespace"),
        ("interfaces", "is no name for a program such as wg(8), to which it means something else"),
        ("-wg", "is no name for a program such as wg(8), to which it means something else"),
    ],
)
def test_names(of: Callable[..., list[str]], name: str, why: str) -> None:
    """A tunnel is a link of the instance's namespace, beside those that are there."""
    assert of(tunnel(name=name)) == [f"[0].name: '{name}' {why}; choose another, such as wg0"]


def test_name_of_an_interface(network: Make, app: Make, faults: Faults) -> None:
    """Among them are the apps' interfaces."""
    wanted = network(ports=["eth0"], vpn={"wireguard": {"tunnels": [tunnel(name="app1.eth0")]}})
    assert faults(wanted, app()) == [
        (
            "0 spec.vpn.wireguard.tunnels[0].name: 'app1.eth0' is the link of app 'app1' in the instance; "
            "choose another, such as wg0"
        )
    ]


def test_name_of_the_kernels(of: Callable[..., list[str]]) -> None:
    """What the kernel does not take is refused by the reader."""
    assert of(tunnel(name="lo")) == [
        "[0].name: 'lo' is taken by the kernel; choose another interface name, for example eth0"
    ]
    assert of(tunnel(name="a-tunnel-to-the-cloud")) == [
        "[0].name: 'a-tunnel-to-the-cloud' is 21 bytes long; the kernel takes interface names of at most 15"
    ]


def test_addresses(of: Callable[..., list[str]]) -> None:
    """Addresses of a tunnel are of a network of their own."""
    remedy = "use an address of the tunnel's network, or change the subnet"
    own = "is in the instance's own subnet 10.10.1.0/24, which is on its bridge"
    assert of(tunnel(addresses=["10.10.1.7/24"])) == [f"[0].addresses[0]: 10.10.1.7/24 {own}; {remedy}"]
    assert of(tunnel(addresses=["10.10.1.7/32"])) == [f"[0].addresses[0]: 10.10.1.7/32 {own}; {remedy}"]
    assert of(tunnel(addresses=["10.9.0.2/24", "10.9.0.2/32"])) == [
        "[0].addresses[1]: 10.9.0.2 is there twice; keep one"
    ]
    assert of(tunnel(addresses=["10.9.0.2/24"]), tunnel(peer(2), name="wg1", addresses=["10.9.0.3/24"])) == [
        (
            "[1].addresses[0]: 10.9.0.0/24 is also the network of tunnel 'wg0', and a packet goes into one tunnel; "
            "write 10.9.0.3/32 here"
        )
    ]


def test_listen_ports(network: Make, faults: Faults) -> None:
    """The sockets of all tunnels of all instances are in one namespace, the device's."""
    one = network(ports=["eth0"], vpn={"wireguard": {"tunnels": [tunnel(listenPort=51820)]}})
    other = network("ni2", ports=["eth0"], vpn={"wireguard": {"tunnels": [tunnel(listenPort=51820)]}})
    where = "spec.vpn.wireguard.tunnels[0].listenPort:"
    what = "udp port 51820 of the device is already that of tunnel 'wg0' of network"
    assert faults(one, other) == [f"1 {where} {what} 'ni1'; choose another"]
    assert faults(one, before=(other,)) == [f"0 {where} {what} 'ni2'; choose another"]
    twice = [tunnel(listenPort=51820), tunnel(peer(2), name="wg1", listenPort=51820)]
    assert faults(network(ports=["eth0"], vpn={"wireguard": {"tunnels": twice}})) == [
        f"0 spec.vpn.wireguard.tunnels[1].listenPort: {what} 'ni1'; choose another"
    ]


def test_port_maps(network: Make, app: Make, faults: Faults) -> None:
    """A port map would lead away what is for the tunnel; other protocols have ports of their own."""

    def mapped(protocol: str) -> dict[str, Any]:
        rule = {"id": 4, "match": {"protocol": protocol, "lport": 51820}, "action": {"portmap": 5000}}
        return app("app1", {"network": "ni2", "acl": [rule]})

    ni2 = network("ni2", ports=["eth0"])
    server = network(ports=["eth0"], vpn={"wireguard": {"tunnels": [tunnel(listenPort=51820)]}})
    assert faults(server, ni2, mapped("tcp")) == []
    assert faults(server, ni2, mapped("udp")) == [
        (
            "2 spec.interfaces[0].acl[0].match.lport: at udp port 51820 of the device listens tunnel 'wg0' of network "
            "'ni1'; choose another port"
        )
    ]
    assert faults(server, before=(ni2, mapped("udp"))) == [
        (
            "0 spec.vpn.wireguard.tunnels[0].listenPort: udp port 51820 of the device is mapped by rule 4 of app 'app1' in network "
            "'ni2'; choose another port"
        )
    ]


def test_taken_for_one(network: Make, faults: Faults) -> None:
    """A peer knows who calls by the key alone: two tunnels with one key would take its answers from each other."""

    def caller(name: str, file: str = "/etc/netnsmgr/secrets/wg0.key", **fields: Any) -> dict[str, Any]:
        made = tunnel(peer(1, **fields), privateKey={"file": file})
        return network(name, ports=["eth0"], vpn={"wireguard": {"tunnels": [made]}})

    assert faults(caller("ni1"), caller("ni2")) == [
        (
            "1 spec.vpn.wireguard.tunnels[0].peers[0].publicKey: tunnel 'wg0' of network 'ni1' calls this peer already, with the "
            "same private key, and it would take the two for one; give each tunnel a key of its own"
        )
    ]
    assert faults(caller("ni1"), caller("ni2", "/etc/netnsmgr/secrets/other.key")) == []
    assert faults(caller("ni1"), caller("ni2", endpoint="203.0.113.2:51820")) == [], "another host"
    assert faults(caller("ni1"), caller("ni2", publicKey=key(9))) == []
