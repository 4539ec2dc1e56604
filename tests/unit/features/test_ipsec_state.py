"""Associations as charon lists them, and the rows that are made of them."""

from __future__ import annotations

from typing import Any

from netnsmgr.config.ipsec import IpsecConnection
from netnsmgr.features.vpn.ipsec_state import IkeSa, missing, read, row

KEY = "cloud1.1f2e3d4c5b6a"
CHILD = {
    "name": "net", "uniqueid": "1", "state": "INSTALLED", "spi-in": "cfc07c8a", "encr-alg": "AES_GCM_16",
    "encr-keysize": "256", "bytes-in": "84", "bytes-out": "168", "rekey-time": "3000", "install-time": "600",
    "local-ts": ["10.11.12.0/24"], "remote-ts": ["10.20.0.0/24"],
}  # fmt: skip
SA = {
    "uniqueid": "7", "state": "ESTABLISHED", "remote-host": "192.0.2.1", "local-id": "device", "remote-id": "cloud",
    "encr-alg": "AES_GCM_16", "encr-keysize": "256", "prf-alg": "PRF_HMAC_SHA2_384", "dh-group": "ECP_384",
    "established": "600", "local-vips": ["10.99.0.1"], "child-sas": {"net-1": CHILD},
}  # fmt: skip
CONNECTION = IpsecConnection.model_validate(
    {"name": "cloud1", "remote": "vpn.example.com", "children": [{"name": "net", "remote": ["10.20.0.0/24"]}]}
)


def listed(
    *sas: dict[str, Any], now: float = 1_000_000.0, before: tuple[IkeSa, ...] = ()
) -> tuple[IkeSa, ...]:
    return read([{KEY: sa} for sa in sas], now, before)


def shown(*sas: IkeSa, backend: str = "libipsec", waiting: frozenset[str] = frozenset()) -> dict[str, Any]:
    return row(
        CONNECTION, sas, backend=backend, waiting=waiting, trouble="something is wrong", address="192.0.2.9"
    )


def test_up() -> None:
    """Everything of an association that is up; moments since the epoch, algorithms as swanctl shows them."""
    assert shown(*listed(SA)) == {
        "name": "cloud1",
        "backend": "libipsec",
        "state": "up",
        "remote": "vpn.example.com",
        "remoteAddress": "192.0.2.1",
        "localId": "device",
        "remoteId": "cloud",
        "established": 999_400.0,
        "error": "",
        "ike": "AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384",
        "virtual": ["10.99.0.1"],
        "dns": [],
        "children": [
            {
                "name": "net",
                "state": "up",
                "local": ["10.11.12.0/24"],
                "remote": ["10.20.0.0/24"],
                "esp": "AES_GCM_16-256",
                "rx": 84,
                "tx": 168,
                "installed": 999_400.0,
                "rekey": 3600,
            }
        ],
    }


def test_none() -> None:
    """Without any: down, and why."""
    found = shown()
    assert (found["state"], found["error"], found["established"]) == ("down", "something is wrong", None)
    assert (found["remoteAddress"], found["children"][0]["state"]) == ("192.0.2.9", "down")


def test_connecting() -> None:
    """charon tries: the other end's name is not known yet."""
    trying = {"uniqueid": "8", "state": "CONNECTING", "remote-host": "192.0.2.1", "remote-id": "%any"}
    found = shown(*listed(trying))
    assert (found["state"], found["remoteId"], found["error"]) == ("connecting", "", "something is wrong")


def test_times_do_not_wander() -> None:
    """charon says whole seconds ago: the same moment, seen later, is the same."""
    first = listed(SA)
    later = SA | {
        "established": "630",
        "child-sas": {"net-1": CHILD | {"install-time": "629", "rekey-time": "2971"}},
    }
    assert listed(later, now=1_000_030.4, before=first) == first
    # But another association has its own.
    assert listed(SA | {"uniqueid": "9"}, now=1_000_030.4, before=first)[0].established == 999_430.0


def test_while_rekeyed() -> None:
    """Of two children of one name the one that is used is shown; one that is being deleted is not up."""
    old = CHILD | {"state": "DELETED", "spi-in": "aa", "bytes-in": "1"}
    new = CHILD | {"spi-in": "bb", "bytes-in": "2", "install-time": "1"}
    (sa,) = listed(SA | {"child-sas": {"net-1": old, "net-2": new}})
    assert shown(sa)["children"][0]["rx"] == 2
    (sa,) = listed(SA | {"child-sas": {"net-1": old}})
    assert missing(["net"], [sa]) == ["net"]
    (sa,) = listed(SA | {"child-sas": {"net-1": CHILD | {"state": "REKEYING"}}})
    assert missing(["net"], [sa]) == []


def test_waiting() -> None:
    """A child that begins with its first packet is nothing to worry about."""
    found = shown(backend="kernel", waiting=frozenset({"net"}))
    assert (found["state"], found["children"][0]["state"]) == ("waiting", "waiting")
