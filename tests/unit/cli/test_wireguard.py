"""``netnsmgr wireguard``: keys and clients, from what is missing to the file that wg-quick takes."""

from __future__ import annotations

import json
import stat
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import segno
import yaml

from netnsmgr.cli import clients
from netnsmgr.config import wgquick
from netnsmgr.config.tunnel import wireguard_key
from netnsmgr.errors import KernelError, Problem
from netnsmgr.kernel import wireguard_keys
from netnsmgr.pubsub import tables
from tests.unit.cli.straw import SERVER_KEY, Machine, Straw

LAPTOP = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
SITE = f"""\
apiVersion: netnsmgr/v1alpha1
kind: Device
metadata: {{name: edge}}
spec:
  ports: [{{name: eth0, addresses: [192.168.0.2/24]}}]
---
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {{name: ni4}}
spec:
  ports: [eth0]
  subnets: [10.10.4.0/24, 'fd00:10:4::/64']
  vpn:
    wireguard:
      tunnels:
      - name: wg0
        addresses: [10.9.0.1/24, 'fd00:9::1/64']
        listenPort: 51820
        peers:
        - {{name: laptop, publicKey: {LAPTOP}, allowedIps: [10.9.0.2/32]}}
      - {{name: wg1}}
---
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {{name: ni1}}
spec: {{ports: [eth0], subnets: [10.10.1.0/24]}}
"""


@pytest.fixture
def site(machine: Machine, straw: Straw) -> Machine:
    assert machine.run("apply", machine.file(SITE)).exit_code == 0
    return machine


def add(machine: Machine, *more: str, tunnel: str = "wg0") -> Any:
    return machine.run("wireguard", "peer", "add", "ni4", tunnel, *more)


def sections(text: str) -> list[dict[str, str]]:
    found, problems = wgquick.read(text, "client.conf")
    assert problems == []
    return [{entry.key: entry.value for entry in each.entries} for each in found]


def test_a_client_of_its_own_from_the_first_try(site: Machine, straw: Straw) -> None:
    """A file that wg-quick takes, the next free addresses, and the peer in the running configuration."""
    result = add(site, "phone", "--endpoint", "vpn.example.com")
    assert result.exit_code == 0, result.output
    ours, theirs = sections(result.stdout)
    public = wireguard_keys.public_of(ours.pop("PrivateKey"))
    assert ours == {"Address": "10.9.0.3/32, fd00:9::2/128"}
    assert theirs == {
        "PublicKey": SERVER_KEY,
        "AllowedIPs": "10.9.0.0/24, fd00:9::/64, 10.10.4.0/24, fd00:10:4::/64",
        "Endpoint": "vpn.example.com:51820",
        "PersistentKeepalive": "25",
    }
    document = straw.hub.rows(tables.INSTANCE_CONFIG)["ni4"]
    wg0, wg1 = document["spec"]["vpn"]["wireguard"]["tunnels"]
    assert [each["name"] for each in wg0["peers"]] == ["laptop", "phone"]
    assert wg0["peers"][1] == {
        "name": "phone",
        "publicKey": public,
        "allowedIps": ["10.9.0.3/32", "fd00:9::2/128"],
    }
    assert wg1 == {"name": "wg1"}
    said = "".join(line.removeprefix("  ") for line in result.stderr.splitlines(keepends=True)[1:])
    assert yaml.safe_load(said) == [wg0["peers"][1]]


def test_the_private_key_is_said_once(site: Machine, straw: Straw) -> None:
    """It stands in the client's file, and nowhere else."""
    result = add(site, "phone", "--endpoint", "vpn.example.com:4500")
    private = sections(result.stdout)[0]["PrivateKey"]
    assert sections(result.stdout)[1]["Endpoint"] == "vpn.example.com:4500"
    assert private not in result.stderr
    every = {table: straw.hub.rows(table) for table in (tables.INSTANCE_CONFIG, tables.INSTANCE_STATUS)}
    assert private not in json.dumps(every)
    assert all(private.encode() not in f.read_bytes() for f in site.root.rglob("*") if f.is_file())


def test_into_a_file_of_nobody_else(site: Machine, straw: Straw) -> None:
    path = site.root / "phone.conf"
    result = add(site, "phone", "--endpoint", "192.0.2.1", "-o", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sections(path.read_text())[1]["Endpoint"] == "192.0.2.1:51820"
    straw.problems = lambda changes: [Problem("no")]
    other = site.root / "other.conf"
    assert add(site, "other", "--endpoint", "192.0.2.1", "-o", str(other)).exit_code == 2
    assert not other.exists()


def test_a_qr_code_holds_the_file(site: Machine) -> None:
    """What is drawn is what a reader makes of the file without its comments, black on white."""
    result = add(site, "phone", "--endpoint", "[2001:db8::1]:51820", "--qr")
    plain = "".join(line for line in result.stdout.splitlines(True) if line.strip() and line[0] != "#")
    code = segno.make(plain, error="l", micro=False)
    rows = [[0] * 4 + [int(bool(bit)) for bit in row] + [0] * 4 for row in code.matrix]
    empty = [[0] * len(rows[0])] * 4
    rows = [*empty, *rows, *empty, [1] * len(rows[0])]
    blocks = {(1, 1): " ", (0, 1): "▀", (1, 0): "▄", (0, 0): "█"}
    pairs = zip(rows[::2], rows[1::2], strict=False)
    drawn = ["".join(blocks[pair] for pair in zip(*each, strict=True)) for each in pairs]
    assert result.stderr.splitlines()[: len(drawn)] == drawn


def test_what_is_asked_for_is_done(site: Machine) -> None:
    """Address, networks, DNS and keepalive as said; a key pair of the client's own."""
    mine = wireguard_keys.pair()
    options = (
        "--address",
        "10.9.0.77/32",
        "--allowed-ips",
        "0.0.0.0/0",
        "--dns",
        "10.10.4.1",
        "--keepalive",
        "0",
    )
    result = add(site, "phone", "--endpoint", "h", "--public-key", mine.public, *options)
    assert result.exit_code == 0, result.output
    ours, theirs = sections(result.stdout)
    assert ours == {"Address": "10.9.0.77/32", "DNS": "10.10.4.1"}
    assert theirs == {"PublicKey": SERVER_KEY, "AllowedIPs": "0.0.0.0/0", "Endpoint": "h:51820"}


def test_all_that_is_missing_is_said_at_once(site: Machine, straw: Straw) -> None:
    """With the place in the document and what to write there; nothing is changed."""
    before = straw.commits
    result = add(site, "phone", tunnel="wg1")
    assert result.exit_code == 2
    assert result.stdout == ""
    addresses, port, where = result.stderr.splitlines()
    assert addresses == (
        "error: tunnel wg1 of ni4 has no addresses of its own: write, for example, 'addresses: [10.9.0.1/24]' at "
        "spec.vpn.wireguard.tunnels[wg1]"
    )
    assert port == (
        "error: tunnel wg1 of ni4 has no listenPort, at which clients find it: write, for example, "
        "'listenPort: 51820' at spec.vpn.wireguard.tunnels[wg1]"
    )
    assert where == (
        "error: no port of the instance has a public address: say by which name or address clients reach the "
        "device, --endpoint HOST[:PORT]"
    )
    assert straw.commits == before


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        (["laptop"], "has a peer 'laptop' already"),
        (["x", "--address", "10.9.0.2"], "10.9.0.2 belongs to peer laptop"),
        (["x", "--address", "10.9.0.1"], "10.9.0.1 belongs to the server itself"),
        (["x", "--address", "10.9.0"], "'10.9.0' is not an IP address"),
        (["x", "--public-key", LAPTOP], "peer laptop of tunnel wg0 of ni4 has this public key already"),
        (["x", "--public-key", "abc"], "--public-key must be a WireGuard key"),
        (["x", "--public-key", LAPTOP, "--qr"], "leave --public-key out"),
        (["x", "--endpoint", "a:b:c:99"], "'a:b:c:99' is not an IP address"),
        (["x", "--endpoint", "host:99999"], "must be host:port"),
    ],
)
def test_what_cannot_be(site: Machine, more: list[str], wrong: str) -> None:
    result = add(site, *more)
    assert result.exit_code == 2
    assert wrong in result.stderr


def test_names_that_are_not_there(site: Machine) -> None:
    for argv, wrong in (
        (("list", "nix"), "those that exist: ni1, ni4"),
        (("list", "ni1"), "ni1 has no WireGuard tunnel"),
        (("list", "ni4", "wg9"), "ni4 has no tunnel 'wg9'; those that exist: wg0, wg1"),
        (("remove", "ni4", "wg0", "x"), "those that exist: laptop"),
    ):
        result = site.run("wireguard", "peer", *argv)
        assert result.exit_code == 2
        assert wrong in result.stderr


def test_the_server_s_key_is_waited_for(machine: Machine, straw: Straw) -> None:
    """Without it no client could call; why there is none is said."""
    straw.status = {"state": "degraded", "reasons": ["wireguard-go is missing"], "vpn": {"wireguard": []}}
    machine.run("apply", "--no-wait", machine.file(SITE))
    before = straw.commits
    result = add(machine, "phone", "--endpoint", "h", "--timeout", "200ms")
    assert result.exit_code == 1
    assert "the public key of tunnel wg0 of ni4 is not known yet" in result.stderr
    assert "wireguard-go is missing" in result.stderr
    assert straw.commits == before


def test_a_change_that_nobody_takes_in(site: Machine, straw: Straw) -> None:
    """The file is printed all the same: its key exists nowhere else."""
    straw.slow = True
    result = add(site, "phone", "--endpoint", "h", "--timeout", "200ms")
    assert result.exit_code == 1
    assert "PrivateKey" in result.stdout
    assert "tunnel wg0 of ni4 has not taken the change in after 0.2 s" in result.stderr


def test_list_and_remove(site: Machine, straw: Straw) -> None:
    heading, line = site.run("wireguard", "peer", "list", "ni4").stdout.splitlines()
    assert heading.split() == ["TUNNEL", "PEER", "STATE", "HANDSHAKE", "ENDPOINT", "RX", "TX", "ALLOWED-IPS"]
    assert line.split() == ["wg0", "laptop", "idle", "-", "-", "-", "-", "10.9.0.2/32"]
    data = json.loads(site.run("wireguard", "peer", "list", "ni4", "wg0", "-o", "json").stdout)
    assert data["items"] == [
        {"tunnel": "wg0", "name": "laptop", "publicKey": LAPTOP, "allowedIps": ["10.9.0.2/32"]}
        | {"status": {"name": "laptop", "state": "idle"}}
    ]
    result = site.run("wireguard", "peer", "remove", "ni4", "wg0", "laptop")
    assert result.exit_code == 0, result.output
    assert (
        straw.hub.rows(tables.INSTANCE_CONFIG)["ni4"]["spec"]["vpn"]["wireguard"]["tunnels"][0]["peers"] == []
    )
    assert "there are no peers" in site.run("wireguard", "peer", "list", "ni4").stderr


def test_keys_are_files(machine: Machine) -> None:
    """Made once, 0600; only the public key is printed."""
    path = machine.root / "keys" / "wg0.key"
    result = machine.run("wireguard", "key", str(path))
    assert result.exit_code == 0, result.output
    assert wireguard_key(result.stdout.strip()) == wireguard_keys.public_of(path.read_text().strip())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert machine.run("wireguard", "key", str(path)).stdout == result.stdout
    shared = machine.root / "keys" / "wg0.psk"
    assert machine.run("wireguard", "key", "--preshared", str(shared)).stdout == ""
    assert wireguard_key(shared.read_text().strip())
    path.write_text("not a key\n")
    refused = machine.run("wireguard", "key", str(path))
    assert refused.exit_code == 1
    assert "not a key" not in refused.output


def test_without_wg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(KernelError, match="apt-get install wireguard-tools"):
        wireguard_keys.pair()


def server(*networks: str, own: str = "10.9.0.1/29") -> clients.Server:
    peers = [{"name": f"p{n}", "publicKey": "", "allowedIps": [each]} for n, each in enumerate(networks)]
    document = {"spec": {"subnets": ["fd00:10::/64"], "vpn": {"wireguard": {"tunnels": [{"name": "wg0"}]}}}}
    return clients.Server("ni4", document, {"name": "wg0", "addresses": [own], "peers": peers})


@pytest.mark.parametrize(
    ("taken", "own", "free"),
    [
        ([], "10.9.0.1/29", "10.9.0.2"),
        ([], "10.9.0.6/29", "10.9.0.1"),
        (["10.9.0.2/32", "10.9.0.4/30"], "10.9.0.1/29", "10.9.0.3"),
        (["10.9.0.2/31", "10.9.0.4/30"], "10.9.0.1/29", None),
        (["10.9.0.0/25"], "10.9.0.1/24", "10.9.0.128"),
        ([], "10.9.0.1/32", None),
        ([], "10.9.0.1/31", "10.9.0.0"),
        (["fd00::/65"], "fd00::1/64", "fd00::8000:0:0:0"),
        ([], "fd00::5/64", "fd00::1"),
        (["0.0.0.0/0"], "10.9.0.1/24", None),
    ],
)
def test_the_next_free_address(taken: list[str], own: str, free: str | None) -> None:
    """Neither the network's own, nor the broadcast address, nor what is behind another peer."""
    one = server(*taken, own=own)
    found = clients.free_address(one, one.own[0].network)
    assert found == (None if free is None else ip_address(free))
    assert found is None or not any(
        found in ip_network(each) for each in taken if ip_network(each).version == found.version
    )


def test_no_address_of_a_version_that_the_instance_has_not() -> None:
    document = {"spec": {"subnets": ["10.10.4.0/24"]}}
    tunnel = {"name": "wg0", "addresses": ["fd00:9::1/64", "10.9.0.1/24"]}
    assert clients.free_addresses(clients.Server("ni4", document, tunnel)) == [ip_address("10.9.0.2")]
    delegated = {"spec": {"ipv6": {"uplink": "delegated"}}}
    both = clients.free_addresses(clients.Server("ni4", delegated, tunnel))
    assert both == [ip_address("fd00:9::2"), ip_address("10.9.0.2")]


def test_public_addresses_of_the_instance_s_ports() -> None:
    """Ports by name or label; neither private addresses nor those of others."""
    document = {"spec": {"ports": ["wan"]}}
    written = [{"spec": {"ports": [{"name": "eth0", "labels": ["wan"]}, {"name": "eth1"}]}}]
    addresses = ["192.168.0.2/24", "8.8.4.4/24", "2a00:1450::2/64"]
    devices = [
        {"ports": [{"name": "eth0", "addresses": addresses}, {"name": "eth1", "addresses": ["8.8.8.8/24"]}]}
    ]
    assert clients.public_addresses(document, devices, written) == [
        ("eth0", "8.8.4.4"),
        ("eth0", "2a00:1450::2"),
    ]
