"""Tunnels in ``get`` and ``describe``: what is told of them, and what is left out where it is not known."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import click
import pytest

from netnsmgr.cli import tunnels
from tests.unit.cli.straw import SITE, Machine, Straw

WIREGUARD: dict[str, Any] = {
    "name": "wg0",
    "backend": "wireguard-go",
    "state": "connecting",
    "publicKey": "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
    "listenPort": 51820,
    "mtu": 1420,
    "addresses": ["10.9.0.2/24"],
    "reasons": ["tunnel wg0: no handshake with peer hub (203.0.113.1:51820) yet"],
    "peers": [
        {"name": "hub", "endpoint": "203.0.113.1:51820", "state": "connecting", "handshake": None, "rx": 0, "tx": 148}
        | {"allowedIps": ["10.20.0.0/24"]},
        {"name": "old", "endpoint": "", "state": "up", "handshake": 0.0, "rx": 5_000_000_000, "tx": 2048},
    ],
}  # fmt: skip
IPSEC: dict[str, Any] = {
    "name": "cloud1",
    "backend": "libipsec",
    "state": "up",
    "remote": "vpn.example.com",
    "remoteAddress": "198.51.100.1",
    "localId": "device7",
    "remoteId": "cloud1.example",
    "established": 1_900_000_000,
    "error": "",
    "ike": "AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384",
    "virtual": ["10.99.0.1"],
    "dns": [],
    "children": [
        {"name": "net", "state": "up", "local": ["10.11.12.0/24"], "remote": ["10.20.0.0/24"]}
        | {"esp": "AES_GCM_16_256", "rx": 1500, "tx": 900, "installed": 0.0, "rekey": 3600},
    ],
}


@pytest.fixture
def site(machine: Machine, straw: Straw, monkeypatch: pytest.MonkeyPatch) -> Machine:
    now = time.time()
    monkeypatch.setattr("netnsmgr.cli.tunnels.time", SimpleNamespace(time=lambda: now))
    peers = [WIREGUARD["peers"][0], WIREGUARD["peers"][1] | {"handshake": now - 12}]
    children = [IPSEC["children"][0] | {"installed": now - 600}]
    wireguard, ipsec = WIREGUARD | {"peers": peers}, IPSEC | {"children": children}
    straw.status = straw.status | {"vpn": {"wireguard": [wireguard], "ipsec": [ipsec]}}
    assert machine.run("apply", machine.file(SITE)).exit_code == 0
    return machine


def test_describe(site: Machine) -> None:
    """Every tunnel with its state, keys and algorithms, peers and children, in words."""
    text = site.run("describe", "ni", "ni1").stdout
    lines = text[text.index("Tunnels:") :].split("\n\n")[0].splitlines()
    assert lines == [
        "Tunnels:",
        "  wg0: connecting, WireGuard by wireguard-go",
        "    because tunnel wg0: no handshake with peer hub (203.0.113.1:51820) yet",
        "    public key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
        "    addresses: 10.9.0.2/24",
        "    listens at: UDP port 51820",
        "    mtu: 1420",
        "    peer hub: connecting, 203.0.113.1:51820, no handshake yet, 0 B in, 148 B out",
        "      for 10.20.0.0/24",
        "    peer old: up, no endpoint, handshake 12s ago, 4.7 GiB in, 2.0 KiB out",
        "  cloud1: up, IPsec by libipsec, to vpn.example.com (198.51.100.1)",
        "    identities: device7 and cloud1.example",
        f"    established: {lines[12].partition(': ')[2]}",
        "    ike: AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384",
        "    virtual addresses: 10.99.0.1",
        "    child net: up, 10.11.12.0/24 ↔ 10.20.0.0/24, 1.5 KiB in, 900 B out",
        "      AES_GCM_16_256, installed 10m ago, new keys in 50m",
    ]
    assert lines[12].partition(": ")[2].startswith("2030-03-1")
    assert "vpn:" not in text


def test_wide(site: Machine) -> None:
    """One word for each tunnel: its state, and how many of its peers or children are up."""
    heading, line = site.run("get", "ni", "-o", "wide").stdout.splitlines()
    assert "VPN" in heading.split()
    assert "wg0:connecting(1/2),cloud1:up(1/1)" in line


def test_without_tunnels(machine: Machine, straw: Straw) -> None:
    machine.run("apply", machine.file(SITE))
    assert "Tunnels" not in machine.run("describe", "ni", "ni1").stdout
    assert tunnels.brief({"vpn": {}}) == ""


def test_rows_that_say_nearly_nothing() -> None:
    """What an agent does not know yet is left out, and nothing fails."""
    row = {
        "vpn": {
            "wireguard": [{"name": "wg0", "peers": [{"name": "hub"}]}],
            "ipsec": [{"name": "c", "children": [{}]}],
        }
    }
    said = [click.unstyle(line) for line in tunnels.described(row)]
    assert said == [
        "wg0: pending, WireGuard by ?",
        "  peer hub: pending, no endpoint, no handshake yet, - in, - out",
        "c: pending, IPsec by ?, to ?",
        "  child ?: pending, ? ↔ ?, - in, - out",
    ]
    assert tunnels.brief(row) == "wg0:?(0/1),c:?(0/1)"


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (12_000_000, "11 MiB"), (2**41, "2.0 TiB"), (None, "-")]
)  # fmt: skip
def test_sizes(count: int | None, said: str) -> None:
    assert tunnels.size(count) == said
