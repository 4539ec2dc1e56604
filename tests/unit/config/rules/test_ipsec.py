"""IPsec connections of an instance: what is refused, in words that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netnsmgr.config import algorithms
from netnsmgr.config.ipsec import ESP_PROPOSALS, IKE_PROPOSALS

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]

PSK = {"psk": {"file": "/etc/netnsmgr/secrets/ni4.psk"}}
KEY = {"privateKey": {"file": "/etc/netnsmgr/secrets/device7.key"}}
CERTIFICATE = {"certificate": "/etc/netnsmgr/certs/device7.pem", **KEY}
CA = {"ca": "/etc/netnsmgr/certs/ca.pem"}


def child(*remote: str, name: str = "net", **fields: Any) -> dict[str, Any]:
    """Make a child."""
    return {"name": name, "remote": list(remote) or ["10.20.0.0/24"], **fields}


def connection(*children: dict[str, Any], name: str = "cloud1", **fields: Any) -> dict[str, Any]:
    """Make a connection, by a PSK unless said otherwise."""
    made = {"name": name, "remote": "198.51.100.1", "localAuth": PSK, "children": list(children) or [child()]}
    return {**made, **fields}


@pytest.fixture
def of(network: Make, faults: Faults) -> Callable[..., list[str]]:
    """Check an instance with connections; give the problems without what is before the connection."""

    def run(*connections: dict[str, Any], **spec: Any) -> list[str]:
        document = network(
            **{"ports": ["eth0"], "vpn": {"ipsec": {"connections": list(connections)}}, **spec}
        )
        return [each.removeprefix("0 spec.vpn.ipsec.connections") for each in faults(document)]

    return run


def test_right(of: Callable[..., list[str]]) -> None:
    """What people have: site to site, several children, full tunnel, virtual addresses, certificates."""
    assert of(connection()) == []
    assert of(connection(), connection(child("10.30.0.0/16"), name="cloud2", remote="vpn.example.com")) == []
    assert of(connection(child("0.0.0.0/0"), virtualIp=True)) == []
    halves = [child(local=["10.10.1.0/25"]), child(local=["10.10.1.128/25"], name="other")]
    assert of(connection(*halves)) == []
    assert of(connection(child("0.0.0.0/0", local=["0.0.0.0/0"], routes=["10.20.0.0/24"]))) == []
    both = [child(), child("fd00:20::/64", name="six")]
    assert of(connection(*both), subnets=["10.10.1.0/24", "fd00:10:1::/64"]) == []


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (PSK, {}),
        ({}, PSK),
        (PSK, PSK),
        ({"id": "device7", **PSK}, {"id": "%any"}),
        (CERTIFICATE, CA),
        (CERTIFICATE, {"certificate": "/etc/hub.pem"}),
        (CERTIFICATE, {"id": "C=DE, O=Example, CN=hub", **CA}),
        (CERTIFICATE, PSK),
        (PSK, CA),
    ],
)
def test_who(of: Callable[..., list[str]], mine: dict[str, Any], other: dict[str, Any]) -> None:
    """Each end shows who it is by the secret or by a certificate; the secret is said once."""
    assert of(connection(localAuth=mine, remoteAuth=other)) == []


LOCAL = "localAuth: {psk: {file: /etc/netnsmgr/secrets/ni4.psk}}"
BOTH = "auth: {psk: {file: /etc/netnsmgr/secrets/ni4.psk}}"


@pytest.mark.parametrize(
    ("mine", "other", "expected"),
    [
        ({}, {}, f": nothing says how the two ends show who they are; write {BOTH}, or certificates"),
        (
            {"id": "a"},
            {"id": "b"},
            f": nothing says how the two ends show who they are; write {BOTH}, or certificates",
        ),
        (
            {**PSK, **CERTIFICATE},
            CA,
            ".localAuth.psk: a 'psk' and a certificate exclude each other at one end; keep one of them",
        ),
        (
            CERTIFICATE,
            {**PSK, **CA},
            ".remoteAuth.psk: a 'psk' and a certificate exclude each other at one end; keep one of them",
        ),
        (
            {"certificate": "/etc/device7.pem"},
            CA,
            ".localAuth.certificate: our certificate needs its key; add privateKey: {file: /etc/netnsmgr/secrets/device7.key}",
        ),
        (KEY, CA, ".localAuth.privateKey: is the key of 'certificate', which is missing; add it"),
        (
            {**CERTIFICATE, **CA},
            CA,
            ".localAuth.ca: is the authority of the other end's certificate; write it in 'remoteAuth'",
        ),
        (
            CERTIFICATE,
            {**CA, **KEY},
            ".remoteAuth.privateKey: the other end's key is its own; leave it out, and ours belongs in 'localAuth'",
        ),
        (
            PSK,
            {"psk": {"file": "/etc/other.psk"}},
            ".remoteAuth.psk: both ends have one and the same secret, and 'localAuth' names another file; keep one of them",
        ),
        (
            CERTIFICATE,
            {"id": "hub"},
            ".remoteAuth: nothing says how the other end shows who it is; add 'ca' or 'certificate', or a 'psk', to 'remoteAuth'",
        ),
        (
            {},
            CA,
            f".localAuth: nothing says how we show who we are; write {LOCAL}, or 'certificate' and 'privateKey'",
        ),
        (
            CERTIFICATE,
            {"id": "%any", **CA},
            (
                ".remoteAuth.id: with '%any' everybody who has a certificate of that authority would do; "
                "give the other end's identity"
            ),
        ),
        (
            {"psk": "secret!"},
            {},
            (
                ".localAuth.psk: a secret does not stand in the YAML, which is stored and shown; write it to a file on the "
                "device that only root can read (mode 0600), and name that: psk: {file: /etc/netnsmgr/secrets/ni4.psk}"
            ),
        ),
        (
            {"id": " device7", **PSK},
            {},
            (
                ".localAuth.id: must be one line of at most 255 characters without space at its ends: a name, an address, "
                'a mail address or a distinguished name, for example device7.example.com or "C=DE, O=Example, CN=device7"'
            ),
        ),
        (
            {"certificate": "device7.pem", **KEY},
            CA,
            (
                ".localAuth.certificate: 'device7.pem' must be an absolute path, "
                "for example /etc/netnsmgr/secrets/ni4.psk"
            ),
        ),
    ],
)
def test_who_is_wrong(
    of: Callable[..., list[str]], mine: dict[str, Any], other: dict[str, Any], expected: str
) -> None:
    """What cannot authenticate is refused; a secret is never repeated."""
    found = of(connection(localAuth=mine, remoteAuth=other))
    assert found == [f"[0]{expected}"]
    assert "secret!" not in "".join(found)


def test_twice(of: Callable[..., list[str]]) -> None:
    """Connections have names of their own in the instance, children in the connection; and no packet has two children."""
    assert of(connection(), connection(child("10.30.0.0/24"))) == [
        "[1].name: connection 'cloud1' is there twice; rename one"
    ]
    assert of(connection(child(), child("10.30.0.0/24"))) == [
        "[0].children[1].name: child 'net' is there twice in connection 'cloud1'; rename one"
    ]
    carried = "what goes from 10.10.1.0/24 to 10.20.0.0/24 is carried by 'cloud1/net' already; make them apart, or use an "
    assert of(connection(), connection(name="cloud2")) == [
        f"[1].children[0].remote[0]: {carried}instance for each"
    ]
    assert of(connection(child(), child("10.30.0.0/24", "10.20.0.0/24", name="other"))) == [
        f"[0].children[1].remote[1]: {carried}instance for each"
    ]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (
            child("10.20.0.0/24", "fd00:20::/64"),
            ".remote[1]: fd00:20::/64 is IPv6, and 10.20.0.0/24 is IPv4; write a child for each",
        ),
        (
            child("10.20.0.0/24", local=["fd00:10:1::/64"]),
            ".local[0]: fd00:10:1::/64 is IPv6, and 10.20.0.0/24 is IPv4; write a child for each",
        ),
        (
            child("0.0.0.0/0", routes=["fd00:20::/64"]),
            ".routes[0]: fd00:20::/64 is IPv6, and 0.0.0.0/0 is IPv4; write a child for each",
        ),
        (
            child("fd00:20::/64"),
            ".remote[0]: fd00:20::/64 is IPv6, and the instance has no such subnet; add one to 'subnets', or use IPv4",
        ),
        (
            child(local=["10.11.12.0/24"]),
            (
                ".local[0]: 10.11.12.0/24 holds no address of the instance, whose subnet is 10.10.1.0/24; "
                "use that, or a part of it"
            ),
        ),
        (
            child("10.20.0.0/24", routes=["10.21.0.0/24"]),
            (
                ".routes[0]: 10.21.0.0/24 is in no network of 'remote', so that the tunnel does not carry it; "
                "add it there"
            ),
        ),
        (
            child(routes=[]),
            (
                ".routes: is empty, so that nothing would be led into the tunnel; leave the line out to lead all of "
                "'remote'"
            ),
        ),
        (child(rekey="5s"), ".rekey: '5s' must be at least 10s, and at most 365d"),
        (child(start="boot"), ".start: 'boot' must be 'apply' or 'traffic'"),
    ],
)
def test_selectors(of: Callable[..., list[str]], wrong: dict[str, Any], expected: str) -> None:
    """A child carries one version of IP, from addresses that the instance has."""
    assert of(connection(wrong)) == [f"[0].children[0]{expected}"]


def test_virtual(of: Callable[..., list[str]]) -> None:
    """The address that the other end gives is that of all apps, so that there is one such connection alone."""
    only = (
        "with 'virtualIp' all apps are seen as the address that this other end gives, so that the connection is the only "
        "one of its instance; use an instance for each"
    )
    other = connection(child("10.30.0.0/24"), name="cloud2", virtualIp=True)
    assert of(connection(), other) == [f"[1].virtualIp: {only}"]
    assert of(connection(virtualIp=True), other) == [f"[1].virtualIp: {only}"]
    assert of(connection(child(local=["10.10.1.0/24"]), virtualIp=True)) == [
        (
            "[0].children[0].local: with 'virtualIp' our network is the address that the other end gives; "
            "leave 'local' out"
        )
    ]


def test_defaults() -> None:
    """What is offered by default is right, and safe."""
    assert [algorithms.fault(each, "IKE") for each in IKE_PROPOSALS] == [""] * len(IKE_PROPOSALS)
    assert [algorithms.fault(each, "ESP") for each in ESP_PROPOSALS] == [""] * len(ESP_PROPOSALS)
    assert not [word for each in (*IKE_PROPOSALS, *ESP_PROPOSALS) for word in algorithms.weak(each)]


GCM = "aes256gcm16-prfsha384-ecp384"


@pytest.mark.parametrize(
    ("proposal", "expected"),
    [
        ("aes256-sha256-modp2048", ""),
        ("aes256-sha2_256-modp2048", ""),
        ("aes256gcm16-sha384-ecp384", ""),
        ("aes128ctr-aesxcbc-prfaesxcbc-curve25519", ""),
        ("chacha20poly1305-prfsha256-x25519", ""),
        ("aes128-aes256-sha256-sha384-modp3072-ecp256", ""),
        (
            "aes256-sha512-ecp521bp",
            f"'ecp521bp' is no algorithm that strongSwan knows; write for example {GCM}",
        ),
        ("camellia256-sha512-ecp512bp", ""),
        ("default", ""),
        ("foo", f"'foo' is no algorithm that strongSwan knows; write for example {GCM}"),
        ("aes256-sha257-ecp384", f"'sha257' is no algorithm that strongSwan knows; write for example {GCM}"),
        ("sha256-modp2048", f"'sha256-modp2048' names no encryption; write for example {GCM}"),
        (
            "aes256gcm16-aes256-sha256-modp2048",
            (
                "'aes256gcm16-aes256-sha256-modp2048' names encryption with and without integrity (gcm, ccm), "
                "which no end takes together; write two"
            ),
        ),
        (
            "aes256-modp2048",
            "'aes256-modp2048' names nothing against changes on the way; add sha256, or use aes256gcm16",
        ),
        (
            "aes256-sha256",
            (
                "'aes256-sha256' names no group for the exchange of keys, which IKE needs; add such as ecp384 or x25519"
            ),
        ),
        (
            "aes256gcm16-ecp384",
            "'aes256gcm16-ecp384' names no prf, which IKE needs beside aes256gcm16; add such as prfsha384",
        ),
        (
            "null-sha256-modp2048",
            f"'null' encrypts nothing, and what is for a tunnel does not leave in clear; write for example {GCM}",
        ),
    ],
)
def test_proposals(of: Callable[..., list[str]], proposal: str, expected: str) -> None:
    """A proposal that strongSwan refuses, or that no two ends agree on, is said before anything begins."""
    found = of(connection(proposals=[proposal]))
    assert found == ([f"[0].proposals[0]: {expected}"] if expected else [])


@pytest.mark.parametrize(
    ("proposal", "expected"),
    [
        ("aes256gcm16", ""),
        ("aes256gcm16-x25519-none", ""),
        ("aes256-sha256-esn-noesn", ""),
        (
            "aes256gcm16-prfsha384",
            "'aes256gcm16-prfsha384' names a prf, which only IKE has; write for example aes256gcm16-x25519",
        ),
        (
            "aes128gmac",
            (
                "'aes128gmac' encrypts nothing, and what is for a tunnel does not leave in clear; "
                "write for example aes256gcm16-x25519"
            ),
        ),
    ],
)
def test_proposals_of_children(of: Callable[..., list[str]], proposal: str, expected: str) -> None:
    """A child needs no exchange of keys of its own."""
    found = of(connection(child(proposals=[proposal])))
    assert found == ([f"[0].children[0].proposals[0]: {expected}"] if expected else [])


@pytest.mark.parametrize(
    ("ike", "words"),
    [
        ("aes128-sha1-modp1024", "'sha1', 'modp1024' in 'aes128-sha1-modp1024' are"),
        ("aes128-sha-modp2048", "'sha' in 'aes128-sha-modp2048' is"),
        ("aes128-md5-ecp256", "'md5' in 'aes128-md5-ecp256' is"),
        ("aes128-sha256-prfsha1-ecp256", "'prfsha1' in 'aes128-sha256-prfsha1-ecp256' is"),
        ("3des-sha256-ecp256", "'3des' in '3des-sha256-ecp256' is"),
        ("des-sha256-ecp256", "'des' in 'des-sha256-ecp256' is"),
        ("aes128-sha256-modp768", "'modp768' in 'aes128-sha256-modp768' is"),
        ("aes128-sha256-modp1536", "'modp1536' in 'aes128-sha256-modp1536' is"),
        ("aes128-sha256-modp1024s160", "'modp1024s160' in 'aes128-sha256-modp1024s160' is"),
    ],
)
def test_no_longer_safe(of: Callable[..., list[str]], ike: str, words: str) -> None:
    """Old algorithms have to be asked for."""
    remedy = "no longer safe; use another, or, if the other end has nothing better, write 'legacy: true' at the connection"
    assert of(connection(proposals=[ike])) == [f"[0].proposals[0]: {words} {remedy}"]
    assert of(connection(proposals=[ike], legacy=True)) == []


def test_no_longer_safe_in_a_child(of: Callable[..., list[str]]) -> None:
    """Nor in what carries the packets; nothing that is in clear is ever right."""
    old = child(proposals=["aes256gcm16", "aes128-sha1"])
    (said,) = of(connection(old))
    assert said.startswith("[0].children[0].proposals[1]: 'sha1' in 'aes128-sha1' is no longer safe")
    assert of(connection(old, legacy=True)) == []
    (said,) = of(connection(child(proposals=["null-sha256"]), legacy=True))
    assert said.startswith("[0].children[0].proposals[0]: 'null' encrypts nothing")


def test_no_proposals(of: Callable[..., list[str]]) -> None:
    """An empty list would offer nothing."""
    what = "is empty; leave the line out, which offers what is safe today"
    assert of(connection(proposals=[])) == [f"[0].proposals: {what}"]
    assert of(connection(child(proposals=[]))) == [f"[0].children[0].proposals: {what}"]


def test_own_gateway(of: Callable[..., list[str]]) -> None:
    """What is for the instance's own address does not leave it."""
    assert of(connection(remote="10.10.1.1")) == [
        "[0].remote: 10.10.1.1 is the instance's own gateway; give the instance another in 'gateways'"
    ]
    assert of(connection(remote="10.10.1.1"), gateways=["10.10.1.254"]) == []


@pytest.mark.parametrize(("mine", "other"), [({}, {}), ({"id": "device7"}, {"id": "cloud1"})])
def test_one_secret_of_both(
    of: Callable[..., list[str]], mine: dict[str, Any], other: dict[str, Any]
) -> None:
    """What both ends show is said once, beside nothing but their identities."""
    assert of(connection(auth=PSK, localAuth=mine, remoteAuth=other)) == []


def test_one_secret_of_both_is_all(of: Callable[..., list[str]]) -> None:
    """Whatever else would say how an end shows who it is excludes it; and it is in a file, too."""
    beside = "'auth' says how both ends show who they are, and beside it '{}' holds nothing but 'id'; leave this out, or 'auth'"
    mine, other = beside.format("localAuth"), beside.format("remoteAuth")
    assert of(connection(auth=PSK, localAuth=PSK)) == [f"[0].localAuth.psk: {mine}"]
    assert of(connection(auth=PSK, localAuth={}, remoteAuth={"id": "cloud1", **PSK})) == [
        f"[0].remoteAuth.psk: {other}"
    ]
    assert of(connection(auth=PSK, localAuth=CERTIFICATE, remoteAuth=CA)) == [
        f"[0].localAuth.certificate: {mine}",
        f"[0].localAuth.privateKey: {mine}",
        f"[0].remoteAuth.ca: {other}",
    ]
    (said,) = of(connection(auth={"psk": "secret!"}, localAuth={}))
    assert said.startswith("[0].auth.psk: a secret does not stand in the YAML")
    assert "secret!" not in said
    assert of(connection(auth={}, localAuth={})) == [
        "[0].auth.psk: required field 'psk' is missing; for example psk: {file: /etc/netnsmgr/secrets/cloud1.psk}"
    ]
    assert of(connection(auth={**PSK, "id": "device7"}, localAuth={})) == [
        "[0].auth.id: unknown field 'id'; known are: psk"
    ]


def test_two_secrets(of: Callable[..., list[str]]) -> None:
    """charon looks for a secret by the identities of both ends."""
    other = {"psk": {"file": "/etc/netnsmgr/secrets/other.psk"}}
    second = connection(child("10.30.0.0/24"), name="cloud2", localAuth=other)
    assert of(connection(), second) == [
        (
            "[1].localAuth.psk: connection 'cloud1' has the same identities at both ends and another secret, and charon "
            "could not tell which to take; give one of them another 'id', or an instance for each"
        )
    ]
    assert of(connection(), {**second, "remoteAuth": {"id": "cloud2.example.com"}}) == []
    assert of(connection(), {**second, "localAuth": PSK}) == []
    (said,) = of(connection(), {**second, "localAuth": {}, "auth": other})
    assert said.startswith("[1].auth.psk: connection 'cloud1' has the same identities")
