"""Bad input about tunnels: told at its place without repeating a secret, nothing is applied, and what runs goes on."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.scenarios import refusals
from tests.scenarios.documents import device
from tests.scenarios.refusals import PLACE
from tests.scenarios.world import World

pytestmark = pytest.mark.root

SECRETS = "/etc/netnsmgr/secrets"
KEY, SECRET = b64encode(bytes(range(32))).decode(), "c29tZWJvZHkncyBzZWNyZXQsIDMyIGJ5dGVzIGxvbmc="
HEAD = (
    "apiVersion: netnsmgr/v1alpha1\nkind: NetworkInstance\nmetadata: {name: NAME}\nspec:\n  ports: [eth0]\n"
)
WIREGUARD = (
    HEAD.replace("NAME", "wg")
    + """\
  subnets: [10.10.10.0/24]
  vpn:
    wireguard:
      tunnels:
      - name: wg0
        addresses: [10.9.0.2/24]
        peers:
        - {name: hub, publicKey: KEY, endpoint: "203.0.113.1:51820", allowedIps: [192.168.0.0/24]}
"""
).replace("KEY", KEY)
IPSEC = (
    HEAD.replace("NAME", "ike")
    + """\
  subnets: [10.10.10.0/24]
  vpn:
    ipsec:
      connections:
      - name: cloud1
        remote: 203.0.113.1
        auth: {psk: {file: SECRETS/ike.psk}}
        children:
        - {name: net, remote: [192.168.0.0/24]}
"""
).replace("SECRETS", SECRETS)
HUB = 'endpoint: "203.0.113.1:51820"'
INLINE = "a secret does not stand in the YAML, which is stored and shown; write it to a file on the device that only root can read (mode 0600), and name that: "


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        made.apply(device())
        made.lab.path(SECRETS).mkdir(mode=0o700, parents=True)
        psk = made.lab.path(f"{SECRETS}/ike.psk")
        psk.touch(mode=0o600)
        psk.write_text("of both ends")
        yield made


def refused(w: World, text: str) -> list[str]:
    """What ``apply`` says of a file that it has to refuse; that nothing came of it, and no secret got anywhere."""
    said = refusals.refused(w, text)
    assert SECRET not in "\n".join(said)
    found = subprocess.run(
        ["grep", "-rlF", SECRET, w.lab.path("/var/lib/netnsmgr"), w.lab.path("/run/netnsmgr")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout == ""
    return said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            WIREGUARD.replace(KEY, KEY[:-4]),
            "13:34: spec.vpn.wireguard.tunnels[0].peers[0].publicKey: is 30 bytes long; a WireGuard key has 32 (44 characters of base64)",
        ),
        (
            WIREGUARD.replace(HUB, f"{HUB}, presharedKey: {SECRET}"),
            f"13:125: spec.vpn.wireguard.tunnels[0].peers[0].presharedKey: {INLINE}presharedKey: {{file: {SECRETS}/hub.psk}}",
        ),
        (
            WIREGUARD.replace("        addresses", f"        privateKey: {SECRET}\n        addresses"),
            f"11:21: spec.vpn.wireguard.tunnels[0].privateKey: {INLINE}privateKey: {{file: {SECRETS}/wg0.key}}",
        ),
        (
            IPSEC.replace(f"{{file: {SECRETS}/ike.psk}}", SECRET),
            f"12:21: spec.vpn.ipsec.connections[0].auth.psk: {INLINE}psk: {{file: {SECRETS}/ni4.psk}}",
        ),
        (
            IPSEC.replace("192.168.0.0/24]", "192.168.0.0/24, '2001:db8::/64']"),
            (
                "14:48: spec.vpn.ipsec.connections[0].children[0].remote[1]: 2001:db8::/64 is IPv6, and 192.168.0.0/24 is IPv4; "
                "write a child for each"
            ),
        ),
        (
            WIREGUARD
            + f"        - {{name: b, publicKey: {KEY.replace('A', 'B', 1)}, {HUB}, allowedIps: [192.168.0.128/25]}}\n",
            (
                "14:122: spec.vpn.wireguard.tunnels[0].peers[1].allowedIps[0]: 192.168.0.128/25 overlaps 192.168.0.0/24 of peer "
                "'hub', and an address of a tunnel belongs to one peer; make them apart, or give one of the peers a tunnel of its own"
            ),
        ),
        (
            IPSEC.replace("ike.psk", "gone.psk"),
            (
                f"12:28: spec.vpn.ipsec.connections[0].auth.psk.file: there is no file {SECRETS}/gone.psk; put the secret there, "
                "on the device, owned by root with mode 0600"
            ),
        ),
    ],
)
def test_refused(w: World, text: str, words: str) -> None:
    """Each is one sentence at its line and column."""
    assert refused(w, text) == [words]


def test_files(w: World) -> None:
    """A file that others can read, that holds something else, or that is no file is refused, and told by its name alone."""
    path = w.lab.path(f"{SECRETS}/hub.psk")
    text = WIREGUARD.replace(HUB, f"{HUB}, presharedKey: {{file: {SECRETS}/hub.psk}}")
    where = f"13:132: spec.vpn.wireguard.tunnels[0].peers[0].presharedKey.file: {SECRETS}/hub.psk "
    for content, mode, words in (
        (SECRET, 0o644, "can be read by everybody (mode 0644); run: chmod 600 "),
        (SECRET, 0o640, "can be read by its group (mode 0640); run: chmod 600 "),
        (SECRET[:-4], 0o600, "holds "),
        ("", 0o600, "is empty; write the WireGuard key into it"),
    ):
        path.write_text(content)
        path.chmod(mode)
        (said,) = refused(w, text)
        assert said.startswith(where + words)
        path.unlink()


def test_what_runs_goes_on(w: World) -> None:
    """A change that is refused disturbs nothing; a generated key is kept until its instance goes."""
    key = w.lab.path("/var/lib/netnsmgr/secrets/wg/wg0.key")
    w.lab.path(PLACE).write_text(WIREGUARD)
    w.command("apply", PLACE, "--no-wait")
    w.until(lambda: w.instance("wg").get("state") == "degraded", "a tunnel that nobody answers")
    made = key.read_text()
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    (said,) = refused(w, WIREGUARD.replace("wg0", "uplink"))
    assert "is a link that the instance has itself" in said
    assert key.read_text() == made
    assert made.strip() not in w.command("get", "ni", "-o", "json").stdout
    assert made.strip() not in w.command("describe", "ni", "wg", "--all").stdout
    w.command("delete", "ni", "wg")
    assert not key.parent.exists()
