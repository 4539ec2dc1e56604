"""The documentation that users read, made of the models."""

from __future__ import annotations

import json

import pytest

from netnsmgr.config.explain import explain, json_schema
from netnsmgr.errors import ConfigError

DHCP = """\
KIND:     NetworkInstance
VERSION:  netnsmgr/v1alpha1
FIELD:    NetworkInstance.spec.dhcp <object>

DESCRIPTION:
    DHCP server for the apps; `dhcp: {}` serves the whole subnet. Default: no DHCP
    server.
    Example: dhcp: {range: 10.10.1.50-10.10.1.150}

FIELDS:
  range <IPv4 address-IPv4 address>
      Addresses given to apps, `first-last`, both included, within the subnet. Default:
      the whole subnet but the gateway. Static addresses must lie outside a range given
      here.
      Example: range: 10.10.1.50-10.10.1.150

  range6 <IPv6 address-IPv6 address>
"""


def test_field() -> None:
    """A field says its type, what it is, its default and example, and the fields inside it."""
    assert explain("network-instance.spec.dhcp").startswith(DHCP)


@pytest.mark.parametrize(
    "path",
    [
        "NetworkInstance.spec.dhcp.leaseTime",
        "network-instances.SPEC.dhcp.lease-time",
        "ni.spec.dhcp.lease_time.",
    ],
)
def test_tolerant(path: str) -> None:
    """Kinds and fields may be written in any case, with hyphens, in plural, or by a short name."""
    assert "FIELD:    NetworkInstance.spec.dhcp.leaseTime <string>" in explain(path)


def test_lists() -> None:
    """The fields of a list's items are those of the list, with or without an index."""
    page = explain("app.spec.interfaces[0]")
    assert "App.spec.interfaces <list of object> (required)" in page
    assert "  network <string> (required)" in page
    assert page == explain("app.spec.interfaces")


def test_subnets() -> None:
    """Not required: with a delegated prefix there may be none."""
    page = explain("ni.spec.subnets")
    assert "FIELD:    NetworkInstance.spec.subnets <list of IP network>\n" in page
    assert "Only with `ipv6: {uplink: delegated}` there may be none." in " ".join(page.split())


def test_a_default_is_yaml() -> None:
    """Also that of a list: as one would write it."""
    assert "Default: [aes256gcm16-x25519, aes128gcm16-x25519," in explain(
        "ni.spec.vpn.ipsec.connections.children.proposals"
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("acl", "interfaces.acl <list of object>"),
        ("acl.id", "acl.id <integer> (required)"),
        ("acl.match.ip", "match.ip <prefix, address, or list of them>"),
        ("acl.match.host", "match.host <string>"),
        ("acl.match.protocol", "match.protocol <name or number>"),
        ("acl.match.lport", "match.lport <port, range, or list of them>"),
        ("acl.match.icmp", "match.icmp <name, number, or list of them>"),
        ("acl.action", "acl.action <allow or drop or reject or object>"),
        ("acl.action.portmap", "action.portmap <port>"),
        ("acl.action.limit.rate", "limit.rate <rate> (required)"),
        ("acl.action.limit.burst", "limit.burst <packets or bytes>"),
        ("acl.direction", "acl.direction <in or out>"),
    ],
)
def test_access_lists(path: str, expected: str) -> None:
    """What may be one or several, or a word or a mapping, is called so, and its fields are found."""
    page = explain(f"app.spec.interfaces.{path}")
    assert next(line for line in page.splitlines() if line.startswith("FIELD:")).endswith(expected)
    assert "DESCRIPTION:\n    " in page


def test_kinds() -> None:
    """Without a path all kinds are listed; a kind alone shows its envelope."""
    assert [word in explain("") for word in ("Device", "NetworkInstance", "App")] == [True] * 3
    page = explain("device")
    assert "There is one Device." in page
    assert "  apiVersion <netnsmgr/v1alpha1> (required)" in page


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("route", "unknown kind 'route'; the kinds are Device, NetworkInstance, App"),
        (
            "ipv6",
            (
                "unknown kind 'ipv6'; did you mean network-instance.spec.ipv6? "
                "Otherwise the kinds are Device, NetworkInstance, App"
            ),
        ),
        ("address6", "unknown kind 'address6'; did you mean app.spec.interfaces.address6? Otherwise"),
        (
            "acl.match.fport",
            "unknown kind 'acl'; did you mean app.spec.interfaces.acl.match.fport? Otherwise",
        ),
        (
            "dns",
            (
                "unknown kind 'dns'; did you mean device.spec.ports.dns or network-instance.spec.dns "
                "or network-instance.spec.vpn.dns? Otherwise"
            ),
        ),
        (
            "ni.spec.dhpc",
            "NetworkInstance.spec has no field 'dhpc'; did you mean 'dhcp'?\nIts fields: type, ports",
        ),
        ("ni.spec.mtu.x", "NetworkInstance.spec.mtu has no field 'x': it has none"),
    ],
)
def test_wrong_path(path: str, expected: str) -> None:
    """A wrong path is an error that lists what would be right."""
    with pytest.raises(ConfigError) as error:
        explain(path)
    assert str(error.value).startswith(expected)


def test_schema() -> None:
    """The JSON Schema is plain JSON, one of three kinds, closed against unknown fields, and documented."""
    schema = json.loads(json.dumps(json_schema()))
    kinds = [schema["$defs"][each["$ref"].rsplit("/", 1)[1]] for each in schema["oneOf"]]
    assert [kind["properties"]["kind"]["const"] for kind in kinds] == ["Device", "NetworkInstance", "App"]
    for definition in schema["$defs"].values():
        assert definition["additionalProperties"] is False
        assert all("description" in value for value in definition["properties"].values())
    assert {"apiVersion", "kind", "metadata"} <= set(kinds[0]["required"])


def test_schema_of_access_lists() -> None:
    """The schema takes a word or a mapping for an action, one value or a list in a match, and no empty list of rules."""
    definitions = json_schema()["$defs"]
    action = definitions["AclRule"]["properties"]["action"]["anyOf"]
    assert action == [
        {"type": "string", "enum": ["allow", "drop", "reject"]},
        {"$ref": "#/$defs/ActionMapping"},
    ]
    ports = definitions["AclMatch"]["properties"]["lport"]["anyOf"]
    assert [each["type"] for each in ports] == ["integer", "string", "array"]
    rules = definitions["AppInterface"]["properties"]["acl"]["anyOf"][0]
    assert (rules["minItems"], rules["maxItems"], rules["items"]) == (1, 20_000, {"$ref": "#/$defs/AclRule"})


@pytest.mark.parametrize("word", ["switch", "switches", "Switch", "switch.spec"])
def test_a_switch_is_no_kind(word: str) -> None:
    """Who looks for switches is told of which kind they are."""
    with pytest.raises(
        ConfigError, match=r"a switch is a NetworkInstance \(ni\) with 'type: switch'; write ni"
    ):
        explain(word)
