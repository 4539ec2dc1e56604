"""``netnsmgr convert``: real wg and wg-quick files in, documents that the daemon takes out."""

from __future__ import annotations

import stat
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from netnsmgr.config.check import check
from tests.unit.cli.straw import Machine

OURS = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
HUB = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
BACKUP = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
PSK = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE="

SPLIT = f"""\
# Site to site, made by hand
[Interface]
PrivateKey = {OURS}   # ours alone
Address = 10.9.0.2/24, fd00:9::2/64
Address = 10.9.7.1
DNS = 10.20.0.53, fd00:20::53, corp.example
MTU = 1380
ListenPort = 51820
Table = off
FwMark = 0xca6c
SaveConfig = true
PreUp = sysctl -w net.ipv4.ip_forward=1
PostUp = iptables -t nat -A POSTROUTING -o %i -j MASQUERADE; echo {PSK}

# the first hub, in Vienna
[Peer]
PublicKey = {HUB}
PresharedKey = {PSK}
AllowedIPs = 10.20.0.0/24, 10.21.3.7/16
AllowedIPs = fd00:20::/48
Endpoint = vpn.example.com:51820
PersistentKeepalive = 25

[peer]
# friendly_name = backup
publickey={BACKUP}
ALLOWEDIPS = 192.0.2.7
Endpoint = [2001:db8::1]:51820
PersistentKeepalive = off
"""
"""Comments, lists and repeated keys, several peers, both versions, keys in any case, and hooks."""

FULL = f"""\
[Interface]
PrivateKey={OURS}
Address=10.66.1.2/32,fc00:bbbb::2/128
DNS=10.64.0.1

[Peer]
PublicKey={HUB}
AllowedIPs=0.0.0.0/0,::0/0
Endpoint=198.51.100.7:51820
"""
"""As providers of full tunnels hand them out."""

SERVER = f"""\
[Interface]
Address = 10.66.66.1/24
ListenPort = 51820
PrivateKey = {OURS}
PostUp = wg set %i private-key /etc/wireguard/key

### Client phone
[Peer]
PublicKey = {HUB}
AllowedIPs = 10.66.66.2/32

### Client laptop
[Peer]
PublicKey = {BACKUP}
AllowedIPs = 10.66.66.3/32
"""
"""As installers of road-warrior servers write them."""

SETCONF = f"""\
[Interface]
ListenPort = 51820
[Peer]
PublicKey = {HUB}
AllowedIPs =
[Peer]
PublicKey = {BACKUP}
AllowedIPs = 10.1.0.0/16
"""
"""What ``wg setconf`` takes, without a key and with a peer that may send nothing."""

DEVICE = {
    "apiVersion": "netnsmgr/v1alpha1",
    "kind": "Device",
    "metadata": {"name": "edge"},
    "spec": {"ports": [{"name": "eth0"}]},
}


def convert(machine: Machine, text: str, *more: str, file: str = "wg0.conf") -> tuple[dict[str, Any], str]:
    """Return the document and what was said beside it."""
    path = machine.file(text, file)
    result = machine.run("convert", path, "--secrets", str(machine.root / "secrets"), *more)
    assert result.exit_code == 0, result.output
    return yaml.safe_load(result.stdout), result.stderr.replace(str(machine.root), "")


def refused(machine: Machine, text: str, file: str = "wg0.conf") -> list[str]:
    path = machine.file(text, file)
    result = machine.run("convert", path, "--secrets", str(machine.root / "secrets"))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert not (machine.root / "secrets").exists()
    return [line.removeprefix(f"error: {path}:") for line in result.stderr.splitlines()]


@pytest.mark.parametrize("text", [SPLIT, FULL, SERVER, SETCONF])
def test_what_comes_out_is_taken(machine: Machine, text: str) -> None:
    """With port and subnet said, nothing is left to fill in, and the models have no objection."""
    document, said = convert(machine, text, "--port", "eth0", "--subnet", "10.10.1.0/24")
    if any(
        ":" in address for address in document["spec"]["vpn"]["wireguard"]["tunnels"][0].get("addresses", ())
    ):
        document["spec"]["subnets"].append("fd00:10:1::/64")
    config, problems = check([DEVICE, document], {})
    assert problems == []
    assert list(config.instances) == ["wg0"]
    assert "to be filled in" not in said


def test_everything_of_a_split_tunnel(machine: Machine) -> None:
    document, _ = convert(machine, SPLIT)
    secrets = machine.root / "secrets"
    assert document["metadata"] == {"name": "wg0"}
    assert document["spec"]["dns"] == {"servers": ["10.20.0.53", "fd00:20::53"]}
    (tunnel,) = document["spec"]["vpn"]["wireguard"]["tunnels"]
    assert tunnel == {
        "name": "wg0",
        "privateKey": {"file": str(secrets / "wg0.key")},
        "addresses": ["10.9.0.2/24", "fd00:9::2/64", "10.9.7.1/32"],
        "listenPort": 51820,
        "mtu": 1380,
        "peers": [
            {
                "name": "peer1",
                "publicKey": HUB,
                "presharedKey": {"file": str(secrets / "wg0-peer1.psk")},
                "endpoint": "vpn.example.com:51820",
                "allowedIps": ["10.20.0.0/24", "10.21.0.0/16", "fd00:20::/48"],
                "keepalive": 25,
            },
            {
                "name": "backup",
                "publicKey": BACKUP,
                "endpoint": "[2001:db8::1]:51820",
                "allowedIps": ["192.0.2.7/32"],
            },
        ],
    }


def test_keys_go_to_files_alone(machine: Machine) -> None:
    """Neither the document nor what is said holds a key; the files are of nobody else."""
    path = machine.file(SPLIT, "wg0.conf")
    secrets = machine.root / "secrets"
    result = machine.run("convert", path, "--secrets", str(secrets))
    assert OURS not in result.output
    assert PSK not in result.output
    found = {file.name: file.read_text() for file in secrets.iterdir()}
    assert found == {"wg0.key": f"{OURS}\n", "wg0-peer1.psk": f"{PSK}\n"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o600}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    again = machine.run("convert", path, "--secrets", str(secrets))
    assert again.exit_code == 0
    assert "written:" not in again.stderr


def test_a_key_of_another_is_not_overwritten(machine: Machine) -> None:
    """And of several files none is left behind."""
    secrets = machine.root / "secrets"
    secrets.mkdir()
    (secrets / "wg0-peer1.psk").write_text("mine\n")
    result = machine.run("convert", machine.file(SPLIT, "wg0.conf"), "--secrets", str(secrets))
    assert result.exit_code == 2
    assert "wg0-peer1.psk is there already, with another content" in result.stderr
    assert [file.name for file in secrets.iterdir()] == ["wg0-peer1.psk"]
    assert result.stdout == ""


def test_what_is_not_carried_over_is_said(machine: Machine) -> None:
    """With file and line; the text of a command, which may hold a key, is not."""
    _, said = convert(machine, SPLIT)
    notes = [line.removeprefix("note: /wg0.conf:") for line in said.splitlines() if line.startswith("note")]
    assert [note[: note.index(" (")] for note in notes if "carried" in note] == [
        "6:7: not carried over: DNS",
        "9:9: not carried over: Table",
        "10:10: not carried over: FwMark",
        "11:14: not carried over: SaveConfig",
        "12:9: not carried over: PreUp",
        "13:10: not carried over: PostUp",
    ]
    assert "'corp.example' is a search domain" in said
    assert any("what is for no peer's AllowedIPs does not leave" in note for note in notes)
    assert "to be filled in before it is applied: spec.ports, spec.subnets" in said


def test_what_means_the_same_is_not_remarked_on(machine: Machine) -> None:
    document, said = convert(machine, FULL)
    assert document["spec"]["vpn"]["wireguard"]["tunnels"][0]["peers"][0]["allowedIps"] == [
        "0.0.0.0/0",
        "::/0",
    ]
    assert "note" not in said
    _, said = convert(
        machine, FULL + "[Interface]\nTable = auto\nSaveConfig = false\nFwMark = off\n", file="w.conf"
    )
    assert "note" not in said


def test_names_of_peers_from_comments(machine: Machine) -> None:
    document, _ = convert(machine, SERVER, file="Home Server.conf")
    assert document["metadata"]["name"] == "home-server"
    (tunnel,) = document["spec"]["vpn"]["wireguard"]["tunnels"]
    assert tunnel["name"] == "home-server"
    assert [peer["name"] for peer in tunnel["peers"]] == ["phone", "laptop"]


def test_without_a_key_one_is_generated(machine: Machine) -> None:
    document, said = convert(machine, SETCONF)
    (tunnel,) = document["spec"]["vpn"]["wireguard"]["tunnels"]
    assert "privateKey" not in tunnel
    assert "there is no PrivateKey: one is generated" in said
    assert [peer["name"] for peer in tunnel["peers"]] == ["peer2"]
    assert "peer peer1 has no AllowedIPs" in said


def test_of_two_peers_with_one_network_the_last_has_it(machine: Machine) -> None:
    """As in the kernel."""
    document, said = convert(machine, FULL + f"[Peer]\nPublicKey={BACKUP}\nAllowedIPs=::/0\n")
    (tunnel,) = document["spec"]["vpn"]["wireguard"]["tunnels"]
    assert [peer["allowedIps"] for peer in tunnel["peers"]] == [["0.0.0.0/0"], ["::/0"]]
    assert "::/0 is in the [Peer] of line 6, too" in said


def test_nested_networks_are_parted(machine: Machine) -> None:
    """Here no two peers overlap; who has what is as in the kernel, where the longer prefix decides."""
    text = (
        FULL.replace(",::0/0", ",10.0.0.0/8")
        + f"[Peer]\nPublicKey={BACKUP}\nAllowedIPs=10.0.0.0/9, 10.3.0.0/16\n"
    )
    document, said = convert(machine, text)
    first, second = (
        peer["allowedIps"] for peer in document["spec"]["vpn"]["wireguard"]["tunnels"][0]["peers"]
    )
    assert second == ["10.0.0.0/9"]
    assert (
        "6:1: AllowedIPs: 0.0.0.0/0 is written without 10.0.0.0/9, 10.3.0.0/16, which another [Peer] has"
        in said
    )
    parts = [ip_network(each) for each in first]
    assert sum(each.num_addresses for each in parts) == 2**32 - 2**23
    assert not any(each.overlaps(ip_network("10.0.0.0/9")) for each in parts)


def test_dns_servers_that_no_tunnel_leads_to(machine: Machine) -> None:
    """They would be asked in clear."""
    document, said = convert(machine, SPLIT.replace("DNS = ", "DNS = 9.9.9.9, "))
    assert document["spec"]["dns"]["servers"] == ["10.20.0.53", "fd00:20::53"]
    assert "not carried over: DNS (9.9.9.9 is in no peer's AllowedIPs" in said


def test_an_mtu_that_we_do_not_have(machine: Machine) -> None:
    document, said = convert(machine, FULL.replace("DNS=", "MTU=576\nDNS="))
    assert "mtu" not in document["spec"]["vpn"]["wireguard"]["tunnels"][0]
    assert "not carried over: MTU" in said


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        (f"PrivateKey={OURS}", "PrivateKey=c2hvcnQ=", "2:12: PrivateKey: is 5 bytes long; a WireGuard key has 32"),
        ("10.66.1.2/32", "10.66.1", "3:9: Address: '10.66.1' is not an IP address"),
        ("AllowedIPs", "AlowedIPs", "8:1: 'AlowedIPs' is no key of [Peer] that wg or wg-quick know; did you mean 'AllowedIPs'?"),
        ("0.0.0.0/0", "10.0.0.0/33", "8:12: AllowedIPs: '10.0.0.0/33' must be a network"),
        ("7:51820", "7", "9:10: Endpoint: '198.51.100.7' must be host:port"),
        ("[Peer]", "[Pear]", "6:1: [Pear] is no section"),
        ("DNS=", "Endpoint=", "4:1: 'Endpoint' belongs to [Peer], not to [Interface]"),
        (f"PublicKey={HUB}", "PresharedKey=x", "6:1: this [Peer] has no PublicKey"),
        ("DNS=10.64.0.1", "what is this", "4:1: is neither a section such as [Peer] nor 'Key = value'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(machine: Machine, old: str, new: str, wrong: str) -> None:
    """And nothing is written."""
    assert old in FULL
    assert any(line.startswith(wrong) for line in refused(machine, FULL.replace(old, new)))


def test_all_that_is_wrong_is_said_and_no_secret(machine: Machine) -> None:
    text = FULL.replace(OURS, "topsecret").replace("10.66.1.2/32", "1.2.3").replace(":51820", "")
    lines = refused(machine, text)
    assert [line.partition(":")[0] for line in lines] == ["2", "3", "9"]
    assert not any("topsecret" in line for line in lines)


def test_what_is_no_wireguard_file(machine: Machine) -> None:
    known = "a file of wg or wg-quick, with [Interface] and [Peer], or an EdgeDevConfig of EVE in JSON"
    assert refused(machine, "a: b\n", "x.yaml") == [
        f"1:1: is of no format that can be converted: it must be {known}"
    ]
    result = machine.run("convert", str(machine.root / "missing.conf"))
    assert (result.exit_code, "cannot be read: No such file or directory" in result.stderr) == (2, True)


def test_several_files_and_standard_input(machine: Machine) -> None:
    """Each file is an instance of its own; what comes by a pipe needs a name."""
    paths = [machine.file(FULL, "a.conf"), machine.file(FULL, "b.conf")]
    result = machine.run("convert", *paths, "--secrets", str(machine.root / "s"))
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(result.stdout)] == ["a", "b"]
    assert machine.run("convert", "-", text=FULL).exit_code == 2
    piped = machine.run("convert", "-", "--name", "vpn1", "--secrets", str(machine.root / "s"), text=FULL)
    assert piped.exit_code == 0, piped.output
    assert yaml.safe_load(piped.stdout)["spec"]["vpn"]["wireguard"]["tunnels"][0]["name"] == "vpn1"
    assert Path(machine.root / "s" / "vpn1.key").exists()
    same = machine.run("convert", machine.file(FULL, "a.b"), paths[0], "--secrets", str(machine.root / "t"))
    assert "two of the files would be the network instance 'a'" in same.stderr


SCENARIO = Path(__file__).parents[3] / "poc" / "edge-config.json"


def test_a_device_of_eve(machine: Machine) -> None:
    """Several documents, each of which is taken; its secrets are in files of their own."""
    secrets = machine.root / "secrets"
    result = machine.run("convert", str(SCENARIO), "--attach", "container", "--secrets", str(secrets))
    assert result.exit_code == 0, result.output
    documents = list(yaml.safe_load_all(result.stdout))
    assert [each["kind"] for each in documents] == ["Device", *["NetworkInstance"] * 6, *["App"] * 6]
    assert check(documents, {})[1] == []
    assert {file.name: file.read_text() for file in secrets.iterdir()} == {
        "ni4.psk": "the secret of cloud1\n",
        "ni5.psk": "the secret of cloud2\n",
    }
    assert "the secret" not in result.output
    assert "to be filled in" not in result.stderr


def test_what_a_device_of_eve_does_not_say_is_to_be_filled_in(machine: Machine) -> None:
    """As a comment where it belongs; as it is, apply refuses the document."""
    text = SCENARIO.read_text(encoding="utf-8").replace("onPremClient", "other")
    result = machine.run("convert", "-", "--name", "plant7", text=text)
    assert result.exit_code == 0, result.output
    device, *others = list(yaml.safe_load_all(result.stdout))
    assert device["metadata"]["name"] == "plant7"
    assert "  # attach: {container: app1}  # or {netns: NAME}, {tap: true}; see --attach\n" in result.stdout
    assert "  # vpn: {ipsec: {connections: [{…}]}}  # the tunnels, in place of 'vpn: {}'\n" in result.stdout
    assert (
        "to be filled in before it is applied: spec.vpn (of ni4, ni5), spec.attach (of app1, app2, app3, app4, app5, app6)"
        in result.stderr
    )
    problems = check([device, *others], {})[1]
    assert {each.where[1] for each in problems} == {"vpn", "attach"}


def test_faults_of_a_device_of_eve_have_their_places(machine: Machine) -> None:
    text = SCENARIO.read_text(encoding="utf-8")
    wrong = text.replace('"instType": "ZnetInstSwitch"', '"instType": "Switch"')
    line = 1 + wrong[: wrong.index('"Switch"')].count("\n")
    (said,) = refused(machine, wrong, "e.json")
    assert said.startswith(
        f"{line}:19: networkInstances[5].instType: 'Switch' is none of this enumeration: ZNetInst"
    )
    assert refused(machine, text[:-3], "e.json")[0].endswith("is no JSON: ',' or '}' is missing")


def test_two_devices_are_not_one(machine: Machine) -> None:
    paths = [machine.file(SCENARIO.read_text(encoding="utf-8"), name) for name in ("a.json", "b.json")]
    result = machine.run("convert", *paths, "--secrets", str(machine.root / "s"))
    assert result.exit_code == 2
    assert "two of the files would be the device 'edge'; convert them one by one" in result.stderr


def test_wishes_that_no_file_heeds_are_refused(machine: Machine) -> None:
    """An option that would do nothing is told, and nothing is written."""
    wireguard = machine.file(FULL)
    secrets = machine.root / "secrets"
    for file, *options in (
        (str(SCENARIO), "--port", "eth0"),
        (str(SCENARIO), "--subnet", "10.0.0.0/24"),
        (wireguard, "--attach", "netns"),
    ):
        result = machine.run("convert", file, "--secrets", str(secrets), *options)
        assert result.exit_code == 2
        assert f"{options[0]} means nothing for files of this kind" in result.stderr
        assert result.stdout == ""
        assert not secrets.exists()
